// WebSockets to services over HTTP/2 (RFC 8441), from clients of either protocol.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { data, FLAG, headers, onStage, reset, settings, startFrames, startHttp2 } from '../http2_upstreams/lib.mjs';
import { lastingPort } from '../lib/listen.mjs';
import { haproxy, start } from '../lib/proxy.mjs';
import { requestText } from '../lib/raw.mjs';
import { closeAll, HOST, openStage, originCertificate } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until, within } from '../lib/wait.mjs';
import { closed, HANDSHAKE, open, refusal, startSocketServer } from '../lib/websocket.mjs';

const ENABLE_CONNECT_PROTOCOL = 8; // RFC 8441 section 3
const digest = (data) => createHash('sha256').update(data).digest('hex');

// An end of a WebSocket on an HTTP/2 stream.
function socketOn(stream, { isServer }) {
  const socket = new WebSocket(null, undefined, {});
  socket._isServer = isServer;
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 27, skipUTF8Validation: false });
  socket.closing = closed(socket);
  return socket;
}

const gone = (stream) => new Promise((done) => (stream.closed ? done() : stream.once('close', done)));

// What the service does, by the path's first part.
const ways = {
  ws: (up, stream, headers) => {
    stream.respond({ ':status': 200, ...(headers['sec-websocket-protocol'] ? { 'sec-websocket-protocol': headers['sec-websocket-protocol'].split(',')[0] } : {}) });
    const socket = socketOn(stream, { isServer: true });
    socket.headers = headers;
    up.sockets.push(socket);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  },
  raw: (up, stream) => {
    stream.respond({ ':status': 200, 'sec-websocket-accept': 'theirs' });
    up.raw = stream;
  },
  forbidden: (up, stream) => {
    stream.respond({ ':status': 403, 'content-type': 'text/plain' });
    stream.end('not you');
  },
  length: (up, stream) => stream.respond({ ':status': 200, 'content-length': '0' }, { endStream: true }),
  unoffered: (up, stream) => stream.respond({ ':status': 200, 'sec-websocket-protocol': 'admin' }),
};
const script = (up) => (stream, headers) => {
  if (headers[':method'] !== 'CONNECT') {
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    return stream.end('plain');
  }
  assert.equal(headers[':protocol'], 'websocket');
  return ways[headers[':path'].split('/')[1]](up, stream, headers);
};

async function startService({ tls, allowed = true }) {
  const holder = { sockets: [] };
  const up = await startHttp2({ tls, settings: { enableConnectProtocol: allowed }, script: (stream, headers) => script(up)(stream, headers) });
  return Object.assign(up, holder);
}

for (const tls of [true, false]) {
  describe(`WebSocket to a service over ${tls ? 'h2' : 'h2c'}`, () => {
    let s, up, strict, session;
    before(async () => {
      up = await startService({ tls });
      strict = await startService({ tls, allowed: false });
      const route = (name, extra) => [name, { match: { host: HOST, path: `/${name}/**` }, upstream: 'sockets', auth: { jwt: 'main' }, authorize: 'any_caller', websocket: {}, ...extra }];
      const upstream = (stage, { url }) => ({ endpoints: [url], protocol: tls ? 'h2' : undefined, ...(tls ? { tls: { ca: stage.ca.certFile } } : {}) });
      s = await openStage({
        config: (stage) => ({
          workers: 1,
          issuers: { main: { clock_skew: '0s' } },
          upstreams: { sockets: upstream(stage, up), strict: upstream(stage, strict) },
          routes: Object.fromEntries([
            route('ws'), route('forbidden'), route('length'), route('unoffered'), route('raw', { idle_timeout: '1s' }), route('idle', { match: { host: HOST, path: '/ws/idle' }, websocket: { idle_timeout: '300ms' } }),
            ['strict', { match: { host: HOST, path: '/strict/**' }, upstream: 'strict', auth: { jwt: 'main' }, authorize: 'any_caller', websocket: {} }],
          ]),
        }),
      });
      session = http2.connect(`https://127.0.0.1:${s.gateway.ports.public}`, { ...s.tls(), ALPNProtocols: ['h2'] });
      session.on('error', () => {});
      if (!session.remoteSettings?.enableConnectProtocol) await within(5000, 'SETTINGS', once(session, 'remoteSettings'));
    });
    after(async () => {
      session?.destroy();
      await closeAll(() => s?.close(), () => up?.close(), () => strict?.close());
    });
    const over1 = async (path, options = {}) => open(s, { path, token: await s.mint({}), ...options });
    // A client's socket on a stream of its own.
    const over2 = async (path) => {
      const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':authority': HOST, ':path': path, 'sec-websocket-version': '13', authorization: `Bearer ${await s.mint({})}` }, { endStream: false });
      stream.on('error', () => {});
      const [head] = await within(10_000, 'an answer', once(stream, 'response'));
      return { stream, status: head[':status'], head };
    };
    const other = () => up.sockets.at(-1);
    const line = (path) => s.gateway.access(`the line of ${path}`, (l) => l.path === path);

    it('echoes, from HTTP/1.1; the service is asked by CONNECT, without what only HTTP/1.1 has', async () => {
      const socket = await over1('/ws/first', { protocols: ['orders.v1', 'orders.v2'] });
      assert.equal(socket.protocol, 'orders.v1');
      for (const name of ['sec-websocket-key', 'sec-websocket-accept', 'upgrade', 'connection', 'host', 'content-length', 'authorization']) assert.equal(other().headers[name], undefined, name);
      assert.equal(other().headers['sec-websocket-version'], '13');
      assert.equal(other().headers[':authority'], HOST);
      for (const size of [0, 125, 126, 65_536, 1_000_000]) {
        const data = randomBytes(size);
        socket.send(data);
        assert.equal(digest(await socket.next(`${size} bytes`)), digest(data), `${size} bytes`);
      }
      socket.close(1000, 'done');
      assert.deepEqual(await socket.closing, { code: 1000, reason: 'done' });
      assert.deepEqual(await other().closing, { code: 1000, reason: 'done' });
      const logged = await line('/ws/first');
      assert.deepEqual([logged.status, logged.closed, logged.upstream_protocol, logged.method], [101, 'client', 'HTTP/2', 'GET']);
    });

    it('echoes, from HTTP/2', async () => {
      const { stream, status } = await over2('/ws/second');
      assert.equal(status, 200);
      const socket = socketOn(stream, { isServer: false });
      const data = randomBytes(200_000);
      socket.send(data);
      const [back] = await within(10_000, 'the echo', once(socket, 'message'));
      assert.equal(digest(back), digest(data));
      other().close(1000, 'enough');
      assert.deepEqual(await within(5000, 'the end', socket.closing), { code: 1000, reason: 'enough' });
      assert.equal((await line('/ws/second')).closed, 'upstream');
    });

    it('shares the connection with other requests', async () => {
      const socket = await over1('/ws/shared');
      const token = await s.mint({});
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => s.request({ path: `/ws/plain/${i}`, token })));
      assert.ok(answers.every((r) => r.status === 200 && r.text === 'plain'));
      assert.equal(up.open.length, 1);
      socket.send('still here');
      assert.equal(await socket.next(), 'still here');
      socket.terminate();
      await within(5000, 'the service to learn it', other().closing);
    });

    it('waits for a slow client, and for a slow service', async () => {
      const socket = await over1('/ws/slow', { keep: false });
      const data = randomBytes(1 << 20);
      let got = 0;
      socket.on('message', (m) => (assert.equal(digest(m), digest(data)), got++));
      socket.pause();
      for (let i = 0; i < 16; i++) other().send(data);
      await until('the service to wait', () => other().bufferedAmount > 1 << 20);
      socket.resume();
      await until('all of it', () => got === 16, 30_000);
      other().pause();
      for (let i = 0; i < 16; i++) socket.send(data);
      await until('the client to wait', () => socket.bufferedAmount > 1 << 20);
      other().resume();
      await until('all of it back', () => got === 32, 30_000);
      socket.terminate();
    });

    it('either direction ends by itself', async () => {
      const first = await over2('/raw/service-first');
      const upstream = up.raw;
      let there = '', back = '';
      upstream.on('data', (d) => (there += d));
      first.stream.on('data', (d) => (back += d));
      upstream.write('a');
      await until('the first byte', () => back === 'a');
      upstream.end('b');
      await within(5000, 'the end', once(first.stream, 'end'));
      assert.equal(back, 'ab');
      first.stream.write('after');
      await until('what the client says behind it', () => there === 'after');
      first.stream.end();
      await within(5000, 'the end at the service', gone(upstream));

      const second = await over2('/raw/client-first');
      const other = up.raw;
      there = back = '';
      other.on('data', (d) => (there += d));
      second.stream.on('data', (d) => (back += d));
      second.stream.end('x');
      await within(5000, 'the end at the service', once(other, 'end'));
      assert.equal(there, 'x');
      other.end('after');
      await within(5000, 'the end', gone(second.stream));
      assert.deepEqual([back, second.stream.rstCode], ['after', 0]);
    });

    it('a service that takes nothing for idle_timeout is given up', async () => {
      const { stream } = await over2('/raw/stuck');
      up.raw.pause();
      const piece = Buffer.alloc(1 << 16);
      for (let i = 0; i < 64; i++) stream.write(piece);
      await within(10_000, 'the end', gone(stream));
      const logged = await line('/raw/stuck');
      assert.deepEqual([logged.closed, logged.reason], ['upstream_failed', 'upstream_timeout']);
    });

    it('tells both sides when it was idle, and when the token has expired', async () => {
      const idle = await over1('/ws/idle');
      assert.deepEqual(await idle.closing, { code: 1001, reason: 'idle' });
      assert.deepEqual(await within(5000, 'the service to learn it', other().closing), { code: 1001, reason: 'idle' });
      const expiring = await over1('/ws/expiring', { token: await s.mint({ exp: Math.floor(Date.now() / 1000) + 2 }) });
      assert.deepEqual(await within(20_000, 'its end', expiring.closing), { code: 1008, reason: 'token expired' });
    });

    it('passes another answer as what it is', async () => {
      const answer = await refusal(s, { path: '/forbidden/x', token: await s.mint({}) });
      assert.deepEqual([answer.status, answer.body], [403, 'not you']);
      assert.equal((await over2('/forbidden/y')).status, 403);
    });

    it('a grant that breaks the rules is a 502', async () => {
      for (const [path, detail] of [['/length/x', /Content-Length/], ['/unoffered/x', /not offered/]]) {
        const answer = await refusal(s, { path, token: await s.mint({}) });
        assert.equal(answer.status, 502, path);
        const logged = await line(path);
        assert.equal(logged.reason, 'upstream_protocol');
        assert.match(logged.detail, detail);
      }
      (await over1('/ws/honest')).terminate();
    });

    it('a service that does not announce it is not asked', async () => {
      const answer = await refusal(s, { path: '/strict/x', token: await s.mint({}) });
      assert.equal(answer.status, 502);
      assert.match((await line('/strict/x')).detail, /SETTINGS_ENABLE_CONNECT_PROTOCOL/);
      assert.equal(strict.requests.length, 0);
      assert.equal((await s.request({ path: '/strict/y', token: await s.mint({}) })).status, 200);
    });
  });
}

describe('WebSocket that an HTTP/2 service resets', () => {
  it('reaches the client, before the service\'s end and behind it', async () => {
    let asked = null;
    const up = await startFrames({
      onPreface: (connection) => connection.send(settings([ENABLE_CONNECT_PROTOCOL, 1])),
      onRequest: (connection, stream) => {
        asked = { connection, stream };
        connection.send(headers(stream, [[':status', '200']]));
      },
    });
    let s;
    try {
      s = await openStage(onStage(up, { routes: { ws: { match: { host: HOST, path: '/ws/**' }, upstream: 'order-service', auth: 'none', websocket: {} } } }));
      for (const ended of [false, true]) {
        const socket = await s.connect({ allowHalfOpen: true });
        await socket.send(requestText({ path: `/ws/${ended}`, fields: HANDSHAKE }));
        assert.equal((await socket.head()).status, 101);
        const { connection, stream } = asked;
        if (ended) {
          await connection.send(data(stream, '', FLAG.END_STREAM));
          assert.equal((await socket.rest(5000)).length, 0);
        }
        await connection.send(reset(stream, 2));
        if (!ended) await socket.ended();
        const logged = await s.gateway.access('its line', (l) => l.path === `/ws/${ended}`);
        assert.deepEqual([logged.closed, logged.reason, logged.detail], [ended ? 'upstream' : 'upstream_failed', 'upstream_closed', 'stream reset: INTERNAL_ERROR']);
      }
    } finally {
      await closeAll(() => s?.close(), () => up.close());
    }
  });
});

describe('WebSocket by HTTP/2 to HAProxy', { skip: !haproxy && 'HAProxy is not installed' }, () => {
  it('which asks a server over HTTP/1.1', async () => {
    const server = await startSocketServer();
    const port = await lastingPort();
    const { certFile, keyFile } = originCertificate();
    const dir = tempDir('haproxy');
    writeFileSync(join(dir, 'both.pem'), execFileSync('cat', [certFile, keyFile]));
    writeFileSync(join(dir, 'haproxy.cfg'), `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:${port} ssl crt ${dir}/both.pem alpn h2
  default_backend out
backend out
  server ws 127.0.0.1:${new URL(server.url).port} ssl verify none\n`);
    let proxy, s;
    try {
      proxy = await start(haproxy, ['-db', '-f', join(dir, 'haproxy.cfg')], { port, host: '127.0.0.1' });
      s = await openStage({ config: (stage) => ({
        upstreams: { sockets: { endpoints: [`https://127.0.0.1:${port}`], protocol: 'h2', tls: { ca: stage.ca.certFile } } },
        routes: { ws: { match: { host: HOST, path: '/ws' }, upstream: 'sockets', auth: { jwt: 'main' }, authorize: 'any_caller', websocket: {} } },
      }) });
      const socket = await open(s, { token: await s.mint({}) });
      const data = randomBytes(300_000);
      socket.send(data);
      assert.equal(digest(await socket.next('the echo')), digest(data));
      socket.close(1000, 'done');
      assert.deepEqual(await server.sockets.at(-1).closing, { code: 1000, reason: 'done' });
    } finally {
      await closeAll(() => s?.close(), () => server.close(), () => proxy?.close());
    }
  });
});
