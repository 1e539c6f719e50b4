// Endpoints that fail requests are left out for a while: by what requests tell, without a health check.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { closeAll, merge, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { ask, counted, PLAIN, route, startProcess, startServers, underLoad } from './lib.mjs';

const WIDTH = 8;
const FAILURES = 5;
const outliers = { failures: FAILURES, ejection: '400ms', max_ejection: '10s', interval: '1m' };

describe('outliers among processes', () => {
  let s;
  let children = [];
  const open = async (upstream = {}) => {
    children = await Promise.all([startProcess(), startProcess(), startProcess()]);
    s = await openStage({
      config: {
        workers: 2,
        listeners: PLAIN,
        upstreams: { three: { endpoints: children.map((child) => child.url), connect_timeout: '2s', outliers: { ...outliers, ejection: '10s' }, ...upstream } },
      },
      routes: { three: route('three', { timeout: '1s' }) },
    });
  };
  afterEach(() => closeAll(() => s?.close(), ...children.map((child) => () => child.end())));

  // What fails had been sent to the server before it was left out: afterwards nothing fails any more.
  const loseOne = async (signal) => {
    const load = underLoad(s, '/three/x', WIDTH);
    await until('some answers', () => load.answered > 100);
    assert.deepEqual(load.failed, []);
    const lost = children[1];
    lost.kill(signal);
    const event = await s.gateway.event('endpoint_ejected');
    assert.deepEqual([event.service, event.endpoint, event.reason, event.level, event.ms, event.times], ['three', lost.url, 'failures', 'warning', 10_000, 1]);
    assert.match(event.detail, /^[0-9]+ failures in a row$/);
    const answered = load.answered;
    await until('many more answers', () => load.answered > answered + 300);
    await load.stop();
    const at = Date.parse(event.time);
    assert.ok(load.failed.every(({ began }) => began <= at), JSON.stringify(load.failed));
    return load.failed.length;
  };

  it('one is killed: no more fail than were in flight on it', async () => {
    await open();
    assert.ok((await loseOne('SIGKILL')) <= WIDTH);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_upstream_ejected', { service: 'three', endpoint: children[1].url }), 1);
    assert.equal(metrics.sum('sallyport_upstream_ejected'), 1);
    assert.equal(metrics.sum('sallyport_upstream_ejections_total', { endpoint: children[1].url, reason: 'failures' }), 1);
  });
  it('one is frozen: no more fail than were in flight on it, and those that showed it', async () => {
    await open();
    assert.ok((await loseOne('SIGSTOP')) <= WIDTH + FAILURES);
  });
  it('one is frozen, by p2c: it is left before so many have failed in a row that it is ejected', async () => {
    await open({ balance: 'p2c' });
    const load = underLoad(s, '/three/x', WIDTH);
    await until('some answers', () => load.answered > 100);
    children[1].kill('SIGSTOP');
    const answered = load.answered;
    await until('many more answers', () => load.answered > answered + 500);
    await load.stop();
    assert.ok(load.failed.length <= WIDTH, JSON.stringify(load.failed));
  });
});

describe('outliers', () => {
  let s, servers;
  before(async () => {
    servers = await startServers(4);
    s = await openStage({
      config: {
        workers: 2,
        listeners: PLAIN,
        upstreams: { four: { endpoints: servers.map((server) => server.url), outliers: { ...outliers, max_ejected: 50 } } },
      },
      routes: { four: route('four') },
    });
  });
  after(() => closeAll(() => s?.close(), ...(servers ?? []).map((server) => () => server.close())));
  afterEach(async () => {
    for (const server of servers) Object.assign(server, { status: 200, delay: 0, every: 0, healthy: true });
    // Counted no more, and then anew: nothing of the last test is left.
    assert.equal((await s.gateway.reload(merge(s.config, { upstreams: { four: { outliers: null } } }))).event, 'ready');
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
  });
  const reconfigure = async (upstream) => assert.equal((await s.gateway.reload(merge(s.config, { upstreams: { four: upstream } }))).event, 'ready');
  const next = (event, from) => s.gateway.wait(`the event "${event}"`, () => s.gateway.events.slice(from).find((e) => e.event === event));
  const askUntil = async (event, from) => {
    await until(`the event "${event}"`, async () => (await ask(s, '/four/x', 16), s.gateway.events.slice(from).some((e) => e.event === event)));
    return next(event, from);
  };

  it('one that flaps is left out for longer each time', async () => {
    for (const times of [1, 2, 3]) {
      const from = s.gateway.events.length;
      servers[2].status = 500;
      const event = await askUntil('endpoint_ejected', from);
      assert.deepEqual([event.endpoint, event.times, event.ms], [servers[2].url, times, 400 * times]);
      servers[2].status = 200;
      const back = await next('endpoint_returned', from);
      assert.deepEqual([back.endpoint, back.level], [servers[2].url, 'info']);
      assert.ok((await counted(servers, () => ask(s, '/four/x', 16)))[2] > 0, 'it is asked again');
    }
  });
  it('no more are left out than allowed, however many fail', async () => {
    await reconfigure({ outliers: { ejection: '1m', max_ejection: '1m' } });
    for (const server of servers) server.status = 502;
    const from = s.gateway.events.length;
    for (let i = 0; i < 10; i++) await ask(s, '/four/x', 16);
    assert.equal(s.gateway.events.slice(from).filter((e) => e.event === 'endpoint_ejected').length, 2);
    const counts = await counted(servers, () => ask(s, '/four/x', 40));
    assert.equal(counts.filter((count) => count > 0).length, 2);
  });
  it('where too few are left, all are used', async () => {
    await reconfigure({ panic_threshold: 60, outliers: { ejection: '1m', max_ejection: '1m' } });
    servers[0].status = servers[1].status = 502;
    const before = (await s.gateway.metrics()).sum('sallyport_upstream_unhealthy_used_total');
    for (let i = 0; i < 6; i++) await ask(s, '/four/x', 16);
    const counts = await counted(servers, () => ask(s, '/four/x', 40));
    assert.ok(Math.min(...counts) > 0, `${counts}`);
    assert.ok((await s.gateway.metrics()).sum('sallyport_upstream_unhealthy_used_total') > before);
  });
  it('a reload keeps who is left out', async () => {
    await reconfigure({ outliers: { ejection: '1m', max_ejection: '1m' } });
    servers[3].status = 504;
    await askUntil('endpoint_ejected', s.gateway.events.length);
    servers[3].status = 200;
    assert.equal((await counted(servers, () => ask(s, '/four/x', 40)))[3], 0);
    await reconfigure({ balance: 'p2c', outliers: { ejection: '1m', max_ejection: '1m' } });
    assert.equal((await counted(servers, () => ask(s, '/four/x', 40)))[3], 0);
  });
  it('one whose answers are worse than those of the others is left out', async () => {
    await reconfigure({ outliers: { success_gap: 20, min_requests: 10, interval: '2s', ejection: '1m', max_ejection: '1m' } });
    servers[1].every = 3; // never five in a row
    const event = await askUntil('endpoint_ejected', s.gateway.events.length);
    assert.deepEqual([event.endpoint, event.reason], [servers[1].url, 'success_gap']);
    assert.match(event.detail, /^[0-9]+% of its answers were good, of the others' [0-9]+%$/);
  });
  it('what is no fault of a server leaves none out', async () => {
    const from = s.gateway.events.length;
    for (const status of [404, 429, 501]) {
      for (const server of servers) server.status = status;
      assert.deepEqual(await ask(s, '/four/x', 40), { [status]: 40 });
    }
    for (const server of servers) Object.assign(server, { status: 200, delay: 400 });
    // Clients that do not wait.
    for (let i = 0; i < 40; i++) {
      const client = await s.connect({ plain: true, listener: 'plain' });
      await client.send('GET /four/x HTTP/1.1\r\nHost: api.example.com\r\n\r\n');
      client.destroy();
    }
    await until('all of them to be over', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 0);
    for (const server of servers) server.delay = 0;
    await ask(s, '/four/x', 8);
    assert.deepEqual(s.gateway.events.slice(from).filter((e) => e.event === 'endpoint_ejected'), []);
  });
  it('slow start: one that comes back gets its share little by little', async () => {
    await reconfigure({ slow_start: '5s' });
    servers[0].status = 500;
    await askUntil('endpoint_ejected', s.gateway.events.length);
    servers[0].status = 200;
    await next('endpoint_returned', s.gateway.events.length - 1);
    const back = Date.now();
    const first = await counted(servers, () => ask(s, '/four/x', 200));
    const due = 50 * Math.max(0.15, (Date.now() - back) / 5000);
    assert.ok(first[0] > 0 && first[0] <= due + 20, `${first}: ${due} of 50 are due`);
    await until('it to have its share', async () => Date.now() - back > 5000 && (await counted(servers, () => ask(s, '/four/x', 200)))[0] >= 48);
  });
  it('slow start: one that joins by a reload does, too', async () => {
    const urls = servers.map((server) => server.url);
    await reconfigure({ slow_start: '30s', endpoints: urls.slice(0, 3) });
    assert.ok(Math.min(...(await counted(servers, () => ask(s, '/four/x', 60))).slice(0, 3)) >= 18, 'who was there first is not new');
    await reconfigure({ slow_start: '30s', endpoints: urls });
    const counts = await counted(servers, () => ask(s, '/four/x', 200));
    assert.ok(counts[3] <= 25, `${counts}`);
  });
});
