// WebSockets through the gateway, between a client and a server that many use.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { HOST, openStage } from '../lib/stage.mjs';
import { open, refusal, startSocketServer } from '../lib/websocket.mjs';
import { until } from '../lib/wait.mjs';

const digest = (data) => createHash('sha256').update(data).digest('hex');

describe('WebSocket', () => {
  let s, server;
  before(async () => {
    server = await startSocketServer({
      perMessageDeflate: true,
      handleProtocols: (offered) => (offered.has('orders.v2') ? 'orders.v2' : false),
    });
    const route = (name, extra) => [name, { match: { host: HOST, path: `/${name}` }, upstream: 'sockets', auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'] }, websocket: {}, ...extra }];
    s = await openStage({
      config: (stage) => ({
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } } },
        routes: Object.fromEntries([
          route('ws', { audit: 'all' }),
          route('relayed', { relay: { headers: { 'X-User-Id': 'claims.sub' } } }),
          route('limited', { limits: [{ limit: '1/1h', by: 'caller' }] }),
          route('off', { websocket: undefined }),
        ]),
      }),
    });
  });
  after(async () => {
    await s?.close();
    await server?.close();
  });
  const token = (claims = {}) => s.mint({ scope: 'read_orders', ...claims });

  it('echoes text and bytes, of every length that frames tell apart', async () => {
    const socket = await open(s, { token: await token() });
    for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 300_000]) {
      const data = randomBytes(size);
      socket.send(data);
      assert.equal(digest(await socket.next(`${size} bytes`)), digest(data), `${size} bytes`);
    }
    socket.send('grüße');
    assert.equal(await socket.next(), 'grüße');
    socket.close(1000, 'done');
    assert.deepEqual(await socket.closing, { code: 1000, reason: 'done' });
    assert.deepEqual(await server.sockets.at(-1).closing, { code: 1000, reason: 'done' });
  });

  it('passes pings and pongs', async () => {
    const socket = await open(s, { token: await token() });
    socket.ping('are you there');
    const [data] = await once(socket, 'pong');
    assert.equal(data.toString(), 'are you there');
    server.sockets.at(-1).ping('and you');
    await once(server.sockets.at(-1), 'pong');
    socket.close();
    await socket.closing;
  });

  it('passes a subprotocol that was offered, and permessage-deflate', async () => {
    const socket = await open(s, { token: await token(), protocols: ['orders.v1', 'orders.v2'], perMessageDeflate: true });
    assert.equal(socket.protocol, 'orders.v2');
    assert.match(socket.extensions, /permessage-deflate/);
    const text = 'the same again and again '.repeat(10_000);
    socket.send(text);
    assert.equal(await socket.next(), text);
    socket.close();
    await socket.closing;
  });

  it('without them where none was offered', async () => {
    const socket = await open(s, { token: await token(), perMessageDeflate: false });
    assert.equal(socket.protocol, '');
    assert.equal(socket.extensions, '');
    socket.close();
    await socket.closing;
  });

  it('the upstream sees the proven identity, and neither the token nor a forged header', async () => {
    const socket = await open(s, { path: '/relayed', token: await token({ sub: 'alice' }), headers: { 'X-User-Id': 'admin' } });
    const { headers } = server.sockets.at(-1).request;
    assert.equal(headers['x-user-id'], 'alice');
    assert.equal(headers.authorization, undefined);
    assert.equal(headers.connection, 'Upgrade');
    assert.match(headers['x-request-id'], /^[0-9a-f]{32}$/);
    socket.close();
    await socket.closing;
  });

  it('is denied before it is opened: no token, a wrong one, a missing scope', async () => {
    const opened = server.sockets.length;
    for (const [options, status, code] of [
      [{}, 401, 'unauthenticated'],
      [{ token: await s.mint({ scope: 'read_orders', exp: Math.floor(Date.now() / 1000) - 3600 }) }, 401, 'invalid_token'],
      [{ token: await s.mint({ scope: 'other' }) }, 403, 'insufficient_scope'],
    ]) {
      const answer = await refusal(s, options);
      assert.equal(answer.status, status);
      assert.equal(answer.fields['content-type'], 'application/problem+json');
      assert.equal(JSON.parse(answer.body).code, code);
      if (status === 401) assert.match(answer.fields['www-authenticate'], /^Bearer/);
    }
    assert.equal(server.sockets.length, opened, 'nothing upstream');
  });

  it('is counted by limits like any request', async () => {
    const by = await token({ sub: 'limited' });
    const socket = await open(s, { path: '/limited', token: by });
    const answer = await refusal(s, { path: '/limited', token: by });
    assert.equal(answer.status, 429);
    assert.equal(JSON.parse(answer.body).code, 'rate_limited');
    assert.ok(Number(answer.fields['retry-after']) > 0);
    socket.close();
    await socket.closing;
  });

  it('is an ordinary request on a route without `websocket`: the server refuses it', async () => {
    const answer = await refusal(s, { path: '/off', token: await token() });
    assert.equal(answer.status, 426); // what this one says to a GET without Upgrade
    assert.equal(answer.body, 'a WebSocket is wanted');
  });

  it('is told of in the access log when it ends, in the audit log when it begins, and in the metrics', async () => {
    const before = await s.gateway.metrics();
    const socket = await open(s, { token: await token({ sub: 'logged' }), perMessageDeflate: false });
    const id = server.sockets.at(-1).request.headers['x-request-id'];
    const audit = await s.gateway.audit('the WebSocket', (l) => l.request_id === id);
    assert.equal(audit.status, 101);
    assert.equal(audit.subject, 'logged');
    assert.ok(!s.gateway.lines.some((l) => l.log === 'access' && l.request_id === id), 'the access line comes at the end');
    assert.equal((await s.gateway.metrics()).sum('sallyport_streams_open', { route: 'ws' }), before.sum('sallyport_streams_open', { route: 'ws' }) + 1);
    socket.send('12345');
    await socket.next();
    socket.close(1000);
    await socket.closing;
    const line = await s.gateway.access('the WebSocket', (l) => l.request_id === id);
    assert.equal(line.status, 101);
    assert.equal(line.closed, 'client');
    assert.equal(line.subject, 'logged');
    assert.equal(line.route, 'ws');
    assert.equal(line.upstream, 'sockets');
    assert.equal(line.received, 6 + 5 + 6 + 2); // a frame's head with its mask, five bytes; Close with its code
    assert.equal(line.sent, 2 + 5 + 2 + 2);
    assert.ok(line.duration_us > 0 && line.upstream_us >= 0);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_streams_closed_total', { reason: 'client' }), before.sum('sallyport_streams_closed_total', { reason: 'client' }) + 1);
    assert.ok(metrics.sum('sallyport_websocket_bytes_total', { from: 'client' }) >= 19);
    await until('the gauge to fall again', async () => (await s.gateway.metrics()).sum('sallyport_streams_open') === before.sum('sallyport_streams_open'));
  });
});
