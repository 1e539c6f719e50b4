// How WebSockets on HTTP/2 streams end, and streams of gRPC beside them: by age, by half, by the gateway's own end.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { HOST, closeAll, openStage, originCertificate } from '../lib/stage.mjs';
import { connectSession, connectStream, grpcChannel, openChat, startGrpcEcho } from '../lib/tunnels.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { acceptOf, startSocketServer } from '../lib/websocket.mjs';
import { SLOW, until, within } from '../lib/wait.mjs';

const masked = (opcode, text) => Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
const frame = (opcode, text) => Buffer.concat([Buffer.from([0x80 | opcode, text.length]), Buffer.from(text)]);
const close = (code, reason) => frame(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]));

// A tunnel with the bytes that came by it.
async function tunnel(session, path) {
  const opened = await connectStream(session, { path });
  assert.equal(opened.status, 200);
  const { stream } = opened;
  const one = { stream, got: Buffer.alloc(0), ended: false, closing: once(stream, 'close') };
  stream.on('data', (data) => (one.got = Buffer.concat([one.got, data])));
  stream.on('end', () => (one.ended = true));
  return one;
}
const sees = (one, what) => until(() => `${what.toString('hex')} to come; there is ${one.got.toString('hex')}`, () => one.got.includes(what), 20_000);

async function startStage(more = {}) {
  const server = await startSocketServer();
  const chats = await startGrpcEcho();
  const raw = await startUpstream({
    name: 'raw',
    tls: originCertificate(),
    script: async (exchange) => {
      if (exchange.request.target === '/ok') return exchange.json(200, { a: 'WebSocket, it says' });
      exchange.stop = true;
      raw.exchange = exchange;
      await exchange.send(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(exchange.request.fields.get('sec-websocket-key'))}\r\n\r\n`);
      (async () => {
        while (await exchange.reader.fill('what the tunnel brings', 600_000));
      })().catch(() => {});
    },
  });
  const route = (path, websocket, extra) => ({ match: { host: HOST, path }, upstream: 'sockets', auth: 'none', websocket, ...extra });
  const s = await openStage({
    routes: {},
    config: (stage) => ({
      workers: 1,
      ...more,
      upstreams: {
        'order-service': null,
        sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } },
        raw: { endpoints: [raw.url], tls: { ca: stage.ca.certFile } },
        chats: { endpoints: [chats.url], protocol: 'h2', tls: { ca: stage.ca.certFile } },
      },
      routes: {
        ws: route('/ws', {}),
        aged: route('/aged', {}, { max_stream_age: '1s' }),
        raw: route('/raw', {}, { upstream: 'raw' }),
        ok: route('/ok', {}, { upstream: 'raw' }),
        chat: { match: { host: HOST, path: '/test.Echo/**' }, upstream: 'chats', auth: 'none', timeout: '1m', idle_timeout: '1m' },
      },
    }),
  });
  return { s, server, chats, raw, close: () => closeAll(() => s.close(), () => server.close(), () => raw.close(), () => chats.close()) };
}

describe('the end of a WebSocket over HTTP/2', () => {
  let stage, session;
  before(async () => {
    stage = await startStage();
    session = await connectSession(stage.s);
  });
  after(async () => {
    session?.destroy();
    await stage?.close();
  });
  const line = (path, why) => stage.s.gateway.access(`the end of ${path}`, (l) => l.path === path && l.closed === why && !l.seen && (l.seen = true));

  it('by the client: the answer to its Close frame comes before the end, each time', async () => {
    for (let i = 0; i < 30; i++) {
      const one = await tunnel(session, '/ws');
      one.stream.write(masked(8, Buffer.from([0x03, 0xe8])));
      await until('the end', () => one.ended);
      assert.deepEqual(one.got, close(1000, ''));
      one.stream.end();
      await one.closing;
    }
  });

  it('by its age: 1001 to both sides, and the connection goes on', async () => {
    const one = await tunnel(session, '/aged');
    const lively = setInterval(() => one.stream.writable && one.stream.write(masked(9, 'p')), 50);
    await sees(one, close(1001, 'open for too long'));
    clearInterval(lively);
    await one.closing;
    assert.equal(one.stream.rstCode, 0);
    assert.deepEqual(await stage.server.sockets.at(-1).closing, { code: 1001, reason: 'open for too long' });
    assert.ok((await line('/aged', 'max_stream_age')).duration_us >= 880_000);
    const twin = await tunnel(session, '/ws');
    twin.stream.write(masked(1, 'on'));
    await sees(twin, frame(1, 'on'));
    twin.stream.close();
  });

  it('the upstream ends first: it still gets what the client sends, and then its end', async () => {
    const one = await tunnel(session, '/raw');
    const { exchange } = stage.raw;
    await exchange.send(frame(1, 'last words'));
    exchange.socket.end();
    await until('the end', () => one.ended);
    assert.deepEqual(one.got, frame(1, 'last words'));
    one.stream.write(masked(1, 'still here'));
    await until('what the client sent', () => exchange.connection.text.endsWith('still here'));
    one.stream.end();
    await until('the end of the client', () => exchange.connection.ended || exchange.connection.closed);
    await line('/raw', 'upstream');
  });

  it('the client ends first: it still gets what the upstream sends, and then its end', async () => {
    const one = await tunnel(session, '/raw');
    const { exchange } = stage.raw;
    const held = once(exchange.socket, 'end');
    exchange.socket.allowHalfOpen = true;
    one.stream.end(masked(1, 'that was all'));
    await within(10_000, 'the end of the client', held);
    assert.ok(exchange.connection.text.endsWith('that was all'));
    const big = Buffer.alloc(300_000, 'x');
    await exchange.send(big);
    await exchange.send(frame(1, 'last words'));
    exchange.socket.end();
    await one.closing;
    assert.equal(one.stream.rstCode, 0);
    assert.equal(one.got.length, big.length + 12);
    assert.ok(one.got.subarray(-12).equals(frame(1, 'last words')));
    await line('/raw', 'client');
  });

  it('a service that says 200 to the handshake has not opened one: 502', async () => {
    const { status, head } = await connectStream(session, { path: '/ok' });
    assert.equal(status, 502);
    const access = await stage.s.gateway.access('the denial', (l) => l.request_id === head['x-request-id']);
    assert.equal(access.reason, 'upstream_protocol');
    assert.match(access.detail, /2xx/);
    assert.equal(access.upstream, 'raw');
  });
});

describe('the end of the gateway, with tunnels and streams open', () => {
  it('GOAWAY; WebSockets are told and end; a stream of gRPC goes on to its end', async () => {
    const stage = await startStage({ shutdown: { deadline: '30s' } });
    try {
      const session = await connectSession(stage.s);
      const one = await tunnel(session, '/ws');
      const channel = grpcChannel(stage.s);
      const call = openChat(channel);
      await call.echoes('before');
      const begun = Date.now();
      stage.s.gateway.process.kill('SIGTERM');
      await until('GOAWAY', () => session.goaways.length > 0);
      assert.equal(session.goaways[0].code, 0);
      await sees(one, close(1001, 'going away'));
      await one.closing;
      assert.deepEqual(await stage.server.sockets.at(-1).closing, { code: 1001, reason: 'going away' });
      await call.echoes('after GOAWAY');
      call.end();
      assert.equal((await call.ending).code, 0);
      channel.close();
      await stage.s.gateway.stop();
      assert.ok(Date.now() - begun < 15_000 * SLOW, 'it did not wait for its deadline');
      assert.ok(stage.s.gateway.lines.some((l) => l.path === '/ws' && l.closed === 'draining' && l.status === 101));
      assert.ok(stage.s.gateway.lines.some((l) => l.log === 'access' && l.path === '/test.Echo/Chat' && l.status === 200 && !l.aborted));
      session.destroy();
    } finally {
      await stage.close();
    }
  });

  it('a stream of gRPC that does not end is cut at the deadline', async () => {
    const stage = await startStage({ shutdown: { deadline: '1s' } });
    try {
      const channel = grpcChannel(stage.s);
      const call = openChat(channel);
      await call.echoes('before');
      const begun = Date.now();
      stage.s.gateway.process.kill('SIGTERM');
      const { code } = await within(20_000, 'the end of the call', call.ending);
      assert.notEqual(code, 0);
      await stage.s.gateway.stop();
      const took = Date.now() - begun;
      assert.ok(took >= 900 && took < 10_000 * SLOW, `after ${took} ms`);
      await until('the server to learn it', () => stage.chats.open === 0);
      channel.close();
    } finally {
      await stage.close();
    }
  });
});
