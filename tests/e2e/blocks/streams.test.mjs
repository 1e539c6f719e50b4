// What is open when a block comes: WebSockets, event streams, answers and calls under way. They end within two seconds, in every worker;
// those of others go on.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { v1 } from '../lib/proxy.mjs';
import { requestText } from '../lib/raw.mjs';
import { closeAll, gatewayCertificate, HOST } from '../lib/stage.mjs';
import { connectSession, echoes, grpcChannel, openChat, openOnSession, startGrpcEcho } from '../lib/tunnels.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { open, startSocketServer } from '../lib/websocket.mjs';
import { originCertificate } from '../lib/stage.mjs';
import { pass, until, within } from '../lib/wait.mjs';
import { openBlocked } from './lib.mjs';

const TOKEN = { auth: { jwt: 'main' }, authorize: 'any_caller' };
const ENDED = { code: 1008, reason: 'blocked' };
const SOON = 2800; // two seconds are the promise; a busy machine is given a moment more

describe('blocks and what is open', () => {
  let s, add, sockets, slow, echo;
  before(async () => {
    sockets = await startSocketServer();
    echo = await startGrpcEcho();
    const { cert, key } = originCertificate();
    // The first piece of an answer comes, the rest does not.
    slow = await startUpstream({
      name: 'slow',
      tls: { cert, key },
      script: async (exchange) => {
        exchange.stop = true;
        const events = exchange.request.target.startsWith('/events');
        await exchange.send(`HTTP/1.1 200 OK\r\nContent-Type: ${events ? 'text/event-stream' : 'text/plain'}\r\nTransfer-Encoding: chunked\r\n\r\n7\r\ndata: 1\r\n`);
        await exchange.reader.fill('the end of it', 600_000).catch(() => {});
      },
    });
    const server = gatewayCertificate();
    ({ s, add } = await openBlocked({
      config: (stage) => ({
        listeners: { proxied: { address: '127.0.0.1', port: 0, proxy_protocol: 'required', trusted_proxies: ['127.0.0.1'], tls: { certificates: [{ cert: server.certFile, key: server.keyFile }] } } },
        defaults: { listeners: ['public', 'proxied'], timeout: '60s', idle_timeout: '60s' },
        upstreams: {
          sockets: { endpoints: [sockets.url], tls: { ca: stage.ca.certFile } },
          slow: { endpoints: [slow.url], tls: { ca: stage.ca.certFile } },
          calls: { endpoints: [echo.url], tls: { ca: stage.ca.certFile }, protocol: 'h2' },
        },
        routes: {
          ws: { match: { host: HOST, path: '/ws' }, upstream: 'sockets', websocket: {}, ...TOKEN },
          spare: { match: { host: HOST, path: '/spare' }, upstream: 'sockets', websocket: {}, ...TOKEN },
          slow: { match: { host: HOST, path: '/slow/**' }, upstream: 'slow', ...TOKEN },
          events: { match: { host: HOST, path: '/events/**' }, upstream: 'slow', ...TOKEN },
          chat: { match: { host: HOST, path: '/test.Echo/**' }, upstream: 'calls', ...TOKEN },
        },
      }),
    }));
  });
  after(() => closeAll(() => s?.close(), () => sockets?.close(), () => slow?.close(), () => echo?.close()));

  // Several, so that every worker has some.
  const several = (make, count = 6) => Promise.all(Array.from({ length: count }, () => make()));
  const ends = (list) => within(SOON, 'they end', Promise.all(list.map((socket) => socket.closing)));

  it('WebSockets of a subject are closed by 1008, over HTTP/1.1 and HTTP/2; those of another go on', async () => {
    const bad = await s.mint({ sub: 'socket-bad' }), good = await s.mint({ sub: 'socket-good' });
    const session = await connectSession(s);
    const fields = (token) => ({ fields: { authorization: `Bearer ${token}` } });
    const mine = [...(await several(() => open(s, { token: bad }))), await openOnSession(session, fields(bad))];
    const theirs = [...(await several(() => open(s, { token: good }))), await openOnSession(session, fields(good))];
    await add('sub', 'socket-bad', '--issuer', 'main');
    for (const end of await ends(mine)) assert.deepEqual(end, ENDED);
    for (const socket of theirs) await echoes(socket, 'still here');
    await s.gateway.access('its end', (l) => l.path === '/ws' && l.closed === 'blocked' && l.reason === 'subject_blocked' && /^block \d+: a test$/.test(l.detail));
    await s.gateway.audit('its end', (l) => l.reason === 'subject_blocked' && l.path === '/ws');
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_streams_closed_total', { reason: 'blocked' }), mine.length);
    assert.equal(metrics.sum('sallyport_block_streams_ended_total'), mine.length);
    for (const socket of theirs) socket.close();
    session.close();
  });
  it('… of one token, of one session, of a route', async () => {
    const one = await s.mint({ jti: 'socket-1' }), two = await s.mint({ jti: 'socket-2', sid: 'socket-session' }), three = await s.mint({ jti: 'socket-3' });
    const [a, b, c, d] = [await open(s, { token: one }), await open(s, { token: two }), await open(s, { token: three }), await open(s, { path: '/spare', token: three })];
    await add('jti', 'socket-1', '--issuer', 'main');
    assert.deepEqual(await ends([a]), [ENDED]);
    await add('sid', 'socket-session', '--issuer', 'main');
    assert.deepEqual(await ends([b]), [ENDED]);
    await add('route', 'spare');
    assert.deepEqual(await ends([d]), [ENDED]);
    await echoes(c, 'still here');
    c.close();
  });
  it('… of an address', async () => {
    const token = await s.mint();
    const dialled = async (address) => {
      const client = await s.connect({ listener: 'proxied', preface: v1(address), allowHalfOpen: true });
      await client.send(requestText({ path: '/ws', token, fields: [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='], ['Sec-WebSocket-Version', '13']] }));
      assert.equal((await client.head()).status, 101);
      return client;
    };
    const bad = await dialled('192.0.2.99'), good = await dialled('192.0.2.98');
    await add('address', '192.0.2.99');
    const rest = await within(SOON, 'it ends', bad.rest());
    assert.ok(Buffer.from(rest).includes(Buffer.from([0x03, 0xf0])), '1008'); // the code of its Close frame
    assert.equal(await Promise.race([good.ended().catch(() => 'over'), pass(200)]), undefined, 'the other goes on');
    bad.destroy();
    good.destroy();
  });
  it('event streams and answers that are under way', async () => {
    const bad = await s.mint({ sub: 'slow-bad' }), good = await s.mint({ sub: 'slow-good' });
    const start = async (path, token) => {
      const client = await s.connect();
      await client.send(requestText({ path, token }));
      const response = await client.head();
      assert.equal(response.status, 200);
      // An event stream is complete then; any other answer is cut.
      client.over = (async () => {
        for await (const piece of response.pieces) void piece;
        return 'complete';
      })().catch(() => 'cut');
      return client;
    };
    const mine = [...(await several(() => start('/slow/1', bad), 4)), ...(await several(() => start('/events/1', bad), 4))];
    const theirs = [await start('/slow/1', good), await start('/events/1', good)];
    await add('sub', 'slow-bad', '--issuer', 'main');
    assert.deepEqual(await within(SOON, 'they end', Promise.all(mine.map((client) => client.over))), [...Array(4).fill('cut'), ...Array(4).fill('complete')]);
    for (const client of theirs) assert.equal(await Promise.race([client.over, pass(200)]), undefined, 'the others go on');
    for (const client of [...mine, ...theirs]) client.destroy();
  });
  it('gRPC calls', async () => {
    const bad = await s.mint({ sub: 'call-bad' }), good = await s.mint({ sub: 'call-good' });
    const channel = grpcChannel(s);
    const one = openChat(channel, { token: bad }), two = openChat(channel, { token: good });
    await one.echoes('a');
    await two.echoes('a');
    await add('sub', 'call-bad', '--issuer', 'main');
    await within(SOON, 'it ends', one.ending);
    await two.echoes('b');
    two.end();
    channel.close();
  });
  it('nothing is left of them', async () => {
    await until('all streams are counted out', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 0);
  });
});
