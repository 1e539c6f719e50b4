// WebSockets on HTTP/2 streams (RFC 8441), to servers that speak HTTP/1.1.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { HOST, openStage } from '../lib/stage.mjs';
import { closed, startSocketServer } from '../lib/websocket.mjs';
import { until, within } from '../lib/wait.mjs';

const digest = (data) => createHash('sha256').update(data).digest('hex');

describe('WebSocket over HTTP/2', () => {
  let s, server, session;
  before(async () => {
    server = await startSocketServer({ handleProtocols: (offered) => (offered.has('orders.v2') ? 'orders.v2' : false) });
    const route = (name, extra) => [name, { match: { host: HOST, path: `/${name}` }, upstream: 'sockets', auth: { jwt: 'main' }, authorize: 'any_caller', websocket: {}, ...extra }];
    s = await openStage({
      config: (stage) => ({
        issuers: { main: { clock_skew: '0s' } },
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } } },
        routes: Object.fromEntries([route('ws'), route('idle', { websocket: { idle_timeout: '300ms' } }), route('off', { websocket: undefined })]),
      }),
    });
    session = http2.connect(`https://127.0.0.1:${s.gateway.ports.public}`, { ...s.tls(), ALPNProtocols: ['h2'] });
    session.on('error', () => {});
    if (!session.remoteSettings?.enableConnectProtocol) await within(5000, 'SETTINGS', once(session, 'remoteSettings'));
  });
  after(async () => {
    session?.destroy();
    await s?.close();
    await server?.close();
  });

  async function ask({ path = '/ws', token, headers = {}, early, end = false } = {}) {
    const stream = session.request({
      ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':authority': HOST, ':path': path,
      'sec-websocket-version': '13', authorization: `Bearer ${token ?? (await s.mint({}))}`, ...headers,
    }, { endStream: end });
    stream.on('error', (error) => (stream.failure = error));
    if (early) stream.write(early);
    const answer = once(stream, 'response').catch(() => [null]);
    const [head] = await within(10_000, 'an answer', Promise.race([answer, once(stream, 'close').then(() => [null])]));
    return { stream, head, status: head?.[':status'] };
  }
  async function open(options) {
    const { stream, head, status } = await ask(options);
    assert.equal(status, 200);
    const socket = new WebSocket(null, undefined, {});
    socket._isServer = false; // its frames are a client's
    socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 27, skipUTF8Validation: false });
    socket.closing = closed(socket);
    return { socket, stream, head, other: server.sockets.at(-1) };
  }
  const message = async (socket) => (await within(20_000, 'a message', once(socket, 'message')))[0];

  it('is announced', () => assert.equal(session.remoteSettings.enableConnectProtocol, true));

  it('echoes, with a subprotocol, and says nothing of HTTP/1.1', async () => {
    const theirs = Buffer.alloc(16).toString('base64');
    const { socket, head, other } = await open({ headers: { 'sec-websocket-protocol': 'orders.v1, orders.v2', 'sec-websocket-key': theirs } });
    assert.equal(head['sec-websocket-protocol'], 'orders.v2');
    for (const name of ['sec-websocket-accept', 'upgrade', 'connection']) assert.equal(head[name], undefined, name);
    assert.notEqual(other.request.headers['sec-websocket-key'], theirs);
    for (const size of [0, 125, 126, 65_536, 1_000_000]) {
      const data = randomBytes(size);
      socket.send(data);
      assert.equal(digest(await message(socket)), digest(data), `${size} bytes`);
    }
    socket.close(1000, 'done');
    assert.deepEqual(await other.closing, { code: 1000, reason: 'done' });
  });

  it('waits for a slow reader, and other streams go on', async () => {
    const { socket, stream, other } = await open();
    const data = randomBytes(1 << 20);
    let got = 0;
    socket.on('message', (m) => (assert.equal(digest(m), digest(data)), got++));
    socket.pause();
    for (let i = 0; i < 8; i++) other.send(data);
    const second = await open();
    second.socket.send('beside');
    assert.equal((await message(second.socket)).toString(), 'beside');
    assert.ok(other.bufferedAmount > 1 << 20);
    socket.resume();
    await until('all of it', () => got === 8, 30_000);
    stream.close();
    second.stream.close();
  });

  it('a reset by the client ends the upstream, one by the upstream the stream', async () => {
    const first = await open();
    first.stream.close(http2.constants.NGHTTP2_CANCEL);
    await within(5000, 'the upstream to learn it', first.other.closing);
    const second = await open();
    second.other.terminate();
    await within(5000, 'the client to learn it', second.socket.closing);
  });

  it('its own half may end first', async () => {
    const { stream, other } = await open();
    let got = '';
    stream.on('data', (data) => (got += data.toString('latin1')));
    other._socket.once('end', () => {});
    stream.end();
    await within(5000, 'the end', once(stream, 'close'));
    assert.equal(stream.rstCode, 0);
  });

  it('is told by Close when it was idle', async () => {
    const idle = await open({ path: '/idle' });
    assert.deepEqual(await idle.socket.closing, { code: 1001, reason: 'idle' });
  });

  it('is told by Close when its token expires', async () => {
    const { socket, other } = await open({ token: await s.mint({ exp: Math.floor(Date.now() / 1000) + 2 }) });
    assert.deepEqual(await within(20_000, 'its end', socket.closing), { code: 1008, reason: 'token expired' });
    assert.deepEqual(await other.closing, { code: 1008, reason: 'token expired' });
  });

  it('keeps what came before the 200 for the tunnel', async () => {
    const { socket, stream } = await open({ early: Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]) });
    assert.equal((await message(socket)).toString(), 'hi');
    stream.close();
  });

  it('refuses before anything goes upstream', async () => {
    const before = server.sockets.length;
    const early = 'GET /ws HTTP/1.1\r\nHost: smuggled\r\n\r\n';
    assert.equal((await ask({ token: 'none', early })).status, 401);
    assert.equal((await ask({ path: '/off', early })).status, 501);
    assert.equal((await ask({ headers: { origin: 'https://evil.example' }, early })).status, 403);
    assert.equal((await ask({ headers: { 'sec-websocket-version': '12' } })).status, 426);
    assert.equal((await ask({ headers: { ':protocol': 'connect-udp' } })).status, 501);
    assert.equal((await ask({ end: true })).status, 400);
    assert.equal((await ask({ headers: { 'content-length': '5' } })).status, undefined, 'malformed: reset');
    assert.equal(server.sockets.length, before);
    const { stream } = await open({ headers: { origin: `https://${HOST}` } }); // the honest twin
    stream.close();
  });
});
