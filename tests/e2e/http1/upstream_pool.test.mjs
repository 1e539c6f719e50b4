// Connections to upstreams: kept, bounded, and retried only where that is safe (RFC 9110 section 9.2.2).
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { closeAll, HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { echo, startUpstream } from '../lib/upstream.mjs';
import { until, within } from '../lib/wait.mjs';

describe('the upstream pool', () => {
  let s;
  before(async () => (s = await openStage({ config: { workers: 1 }, routes: { open: { ...OPEN, timeout: '5s' }, hasty: { ...OPEN, match: { host: HOST, path: '/hasty/**' }, timeout: '500ms' } } })));
  beforeEach(() => (s.upstream.script = echo));
  after(() => s?.close());

  const open = () => s.upstream.connections.filter((c) => !c.closed);

  it('one connection serves requests of many clients, one after the other', async () => {
    const before = s.upstream.connections.length;
    for (let i = 0; i < 10; i++) await s.allowed(() => s.request({ path: '/open/x' }));
    assert.ok(s.upstream.connections.length - before <= 1);
    const metrics = await s.gateway.metrics();
    assert.ok(metrics.sum('sallyport_upstream_reused_total') >= 9);
  });
  it('an upstream that says close is believed', async () => {
    s.upstream.script = async (exchange) => {
      await exchange.request.read();
      await exchange.respond(200, [['Connection', 'close']], '{}');
    };
    await s.allowed(() => s.request({ path: '/open/x' }));
    s.upstream.script = echo;
    const used = s.upstream.connections.length - 1;
    const { echo: seen } = await s.allowed(() => s.request({ path: '/open/x' }));
    assert.notEqual(seen.connection, used);
  });

  // Leaves one idle connection that the upstream closes or resets at the next request, before answering it.
  const staleConnection = async (how) => {
    await s.allowed(() => s.request({ path: '/open/warm' }));
    const stale = new Set(open());
    s.upstream.script = async (exchange) => {
      if (!stale.has(exchange.connection)) return echo(exchange);
      exchange[how]();
    };
  };
  for (const how of ['end', 'reset']) {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      it(`a dead idle connection (${how}): ${method} is sent again`, async () => {
        await staleConnection(how);
        const response = await s.request({ method, path: '/open/again' });
        assert.equal(response.status, 200);
      });
    }
    it(`a dead idle connection (${how}): POST is not sent twice`, async () => {
      await staleConnection(how);
      const count = () => s.upstream.requests.filter((r) => r.target === `/open/once-${how}`).length;
      const response = await s.request({ method: 'POST', path: `/open/once-${how}`, body: 'pay' });
      assert.ok(count() <= 1, `sent ${count()} times`);
      assert.equal(response.status, 502);
      s.checkDenial(response, { status: 502, code: 'bad_gateway' });
    });
  }
  it('closed while idle: noticed before it is used, POST too', async () => {
    await s.allowed(() => s.request({ path: '/open/warm' }));
    const idle = open().filter((c) => !c.socket.writableEnded);
    assert.ok(idle.length > 0);
    for (const connection of idle) connection.socket.end();
    await until('the idle connections to be given up', () => idle.every((c) => c.closed));
    const { echo: seen } = await s.allowed(() => s.request({ method: 'POST', path: '/open/x', body: 'pay' }));
    assert.equal(seen.body, 'pay');
  });
  it('a kept connection that only says nothing: one timeout, and the request is not sent twice', async () => {
    await s.allowed(() => s.request({ path: '/open/warm' }));
    const kept = new Set(open());
    let silent;
    s.upstream.script = (exchange) => ((silent = exchange.connection), new Promise(() => {}));
    const retries = (await s.gateway.metrics()).sum('sallyport_upstream_retries_total');
    await s.denied({ status: 504, code: 'gateway_timeout', reason: 'upstream_timeout', nothingUpstream: false }, () => s.request({ path: '/hasty/slow' }));
    assert.ok(kept.has(silent), 'it was a kept one');
    assert.equal(s.upstream.requests.filter((r) => r.target === '/hasty/slow').length, 1);
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_retries_total'), retries);
  });
  it('a fresh connection that dies is no reason to send again for ever', async () => {
    s.upstream.script = async (exchange) => exchange.destroy();
    const before = s.upstream.requests.length;
    await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_closed', nothingUpstream: false }, () => s.request({ path: '/open/x' }));
    assert.ok(s.upstream.requests.length - before <= 3, `tried ${s.upstream.requests.length - before} times`);
  });
  it('a client that goes away cancels its request upstream', async () => {
    s.upstream.script = () => new Promise(() => {});
    const client = await s.connect();
    await client.send(requestText({ path: '/open/gone' }));
    await s.upstream.request('the request', (r) => r.target === '/open/gone');
    const connection = s.upstream.connections.find((c) => c.requests.some((r) => r.target === '/open/gone'));
    client.reset();
    await until('its connection to be closed', () => connection.closed || connection.ended);
    const line = await s.gateway.access('the abort', (l) => l.path === '/open/gone');
    assert.equal(line.aborted, true);
  });
});

describe('several endpoints', () => {
  let s;
  let second;
  before(async () => {
    second = await startUpstream({ name: 'second' });
    s = await openStage({
      upstream: { tls: null, name: 'first' },
      config: (stage) => ({
        workers: 1,
        upstreams: {
          'order-service': { endpoints: [stage.upstream.url, second.url], balance: 'round_robin' },
          least: { endpoints: [stage.upstream.url, second.url], balance: 'least_requests' },
          dead: { endpoints: ['http://127.0.0.1:1'], connect_timeout: '1s' },
          busy: { endpoints: [stage.upstream.url], max_connections: 1, max_pending: 0 },
          queued: { endpoints: [stage.upstream.url], max_connections: 1, max_pending: 1, pending_timeout: '60s' },
          impatient: { endpoints: [stage.upstream.url], max_connections: 1, pending_timeout: '100ms' },
          named: { endpoints: [stage.upstream.url], host_header: 'orders.internal' },
        },
      }),
      routes: {
        open: OPEN,
        least: { ...OPEN, match: { host: 'api.example.com', path: '/least/**' }, upstream: 'least' },
        dead: { ...OPEN, match: { host: 'api.example.com', path: '/dead/**' }, upstream: 'dead' },
        busy: { ...OPEN, match: { host: 'api.example.com', path: '/busy/**' }, upstream: 'busy' },
        known: { ...OPEN, match: { host: 'api.example.com', path: '/known/**' }, upstream: 'queued', auth: { jwt: 'main' }, authorize: 'any_caller', cors: { origins: ['https://app.example.com'] } },
        queued: { ...OPEN, match: { host: 'api.example.com', path: '/queued/**' }, upstream: 'queued' },
        impatient: { ...OPEN, match: { host: 'api.example.com', path: '/impatient/**' }, upstream: 'impatient' },
        named: { ...OPEN, match: { host: 'api.example.com', path: '/named/**' }, upstream: 'named' },
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => second?.close()));

  it('round robin gives each its turn', async () => {
    const before = [s.upstream.requests.length, second.requests.length];
    for (let i = 0; i < 10; i++) await s.allowed(() => s.request({ path: '/open/x' }));
    assert.deepEqual([s.upstream.requests.length - before[0], second.requests.length - before[1]], [5, 5]);
  });
  it('the access log says which', async () => {
    const { response } = await s.allowed(() => s.request({ path: '/open/x' }));
    const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.equal(line.upstream, 'order-service');
    assert.ok([s.upstream.port, second.port].some((port) => line.endpoint.includes(String(port))), line.endpoint);
  });
  it('least requests avoids the busy one', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    const hold = async (exchange) => {
      if (exchange.request.target === '/least/hold') await held;
      await echo(exchange);
    };
    s.upstream.script = second.script = hold;
    const holding = s.request({ path: '/least/hold' });
    const busy = await until('the held request', () => [s.upstream, second].find((u) => u.requests.some((r) => r.target === '/least/hold')));
    const before = busy.requests.length;
    for (let i = 0; i < 6; i++) await s.allowed(() => s.request({ path: '/least/x' }));
    assert.equal(busy.requests.length, before);
    release();
    assert.equal((await holding).status, 200);
    s.upstream.script = second.script = echo;
  });
  it('where one is down the other is asked', async () => {
    const port = second.port;
    await second.stop();
    for (let i = 0; i < 6; i++) await s.allowed(() => s.request({ path: '/open/x' }));
    await second.start(port);
  });
  it('where none is up: 502', () => s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_connect' }, () => s.request({ path: '/dead/x' })));
  it('where all connections are in use: 503 with Retry-After', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    s.upstream.script = async (exchange) => {
      if (exchange.request.target === '/busy/hold') await held;
      await echo(exchange);
    };
    const holding = s.request({ path: '/busy/hold' });
    await s.upstream.request('the held request', (r) => r.target === '/busy/hold');
    const { response } = await s.denied({ status: 503, code: 'unavailable', reason: 'upstream_busy' }, () => s.request({ path: '/busy/x' }));
    assert.match(response.fields.get('retry-after'), /^[1-9][0-9]*$/);
    release();
    assert.equal((await within(10_000, 'the held answer', holding)).status, 200);
    s.upstream.script = echo;
    await s.allowed(() => s.request({ path: '/busy/x' }));
  });
  it('who waits for a connection gets it; one more is told at once', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    s.upstream.script = async (exchange) => {
      if (exchange.request.target === '/queued/hold') await held;
      await echo(exchange);
    };
    const holding = s.request({ path: '/queued/hold' });
    await s.upstream.request('the held request', (r) => r.target === '/queued/hold');
    const waiting = s.request({ path: '/queued/next' });
    await until('one that waits', async () => (await s.gateway.metrics()).sum('sallyport_upstream_pending') === 1);
    await s.denied({ status: 503, code: 'unavailable', reason: 'upstream_busy' }, () => s.request({ path: '/queued/x' }));
    release();
    assert.equal((await within(10_000, 'the held answer', holding)).status, 200);
    assert.equal((await within(10_000, 'the one that waited', waiting)).status, 200);
    s.upstream.script = echo;
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_pending'), 0);
  });
  it('where no more may wait, no token is looked at; a preflight is answered', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    s.upstream.script = async (exchange) => {
      if (exchange.request.target === '/queued/known') await held;
      await echo(exchange);
    };
    const known = (token) => s.request({ path: '/known/x', fields: [['Authorization', `Bearer ${token}`]] });
    const verified = async () => (await s.gateway.metrics()).sum('sallyport_token_cache_misses_total');
    const holding = s.request({ path: '/queued/known' });
    await s.upstream.request('the held request', (r) => r.target === '/queued/known');
    const waiting = s.request({ path: '/queued/next' });
    await until('one that waits', async () => (await s.gateway.metrics()).sum('sallyport_upstream_pending') === 1);
    const before = await verified();
    const busy = { status: 503, code: 'unavailable', reason: 'upstream_busy' };
    for (const token of ['rubbish', await s.mint()]) {
      const { response } = await s.denied(busy, () => known(token));
      assert.match(response.fields.get('retry-after'), /^[1-9][0-9]*$/);
    }
    assert.equal(await verified(), before);
    const preflight = await s.request({ path: '/known/x', method: 'OPTIONS', fields: [['Origin', 'https://app.example.com'], ['Access-Control-Request-Method', 'GET']] });
    assert.equal(preflight.status, 204);
    release();
    assert.equal((await within(10_000, 'the held answer', holding)).status, 200);
    assert.equal((await within(10_000, 'the one that waited', waiting)).status, 200);
    // Twins: with room, each gets what it deserves.
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => known('rubbish'));
    s.upstream.script = echo;
    await s.allowed(async () => known(await s.mint()));
    assert.equal(await verified(), before + 1);
  });
  it('who waits for longer than pending_timeout is told', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    s.upstream.script = async (exchange) => {
      if (exchange.request.target === '/impatient/hold') await held;
      await echo(exchange);
    };
    const holding = s.request({ path: '/impatient/hold' });
    await s.upstream.request('the held request', (r) => r.target === '/impatient/hold');
    const { response } = await s.denied({ status: 503, code: 'unavailable', reason: 'upstream_pending' }, () => s.request({ path: '/impatient/x' }));
    assert.match(response.fields.get('retry-after'), /^[1-9][0-9]*$/);
    release();
    assert.equal((await within(10_000, 'the held answer', holding)).status, 200);
    s.upstream.script = echo;
    await s.allowed(() => s.request({ path: '/impatient/x' }));
  });
  it('host_header replaces the Host', async () => {
    const { echo: seen } = await s.allowed(() => s.request({ path: '/named/x' }));
    assert.deepEqual(seen.fields.filter(([n]) => n.toLowerCase() === 'host').map(([, v]) => v), ['orders.internal']);
  });
});
