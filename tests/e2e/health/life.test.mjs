// Health checks and the life of the process: an upgrade, the end, a crash.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { ask, change, changes, healthy, QUICK, routesTo, startService } from './lib.mjs';

describe('health checks from process to process', () => {
  let s, a, b;
  before(async () => {
    [a, b] = await Promise.all(['a', 'b'].map((name) => startService({ name })));
    s = await openStage({
      config: { workers: 2, shutdown: { deadline: '1s' }, upstreams: { pair: { endpoints: [a.url, b.url], health: { path: '/healthz', ...QUICK } } } },
      routes: routesTo('pair'),
    });
  });
  after(() => closeAll(() => s?.close(), () => a?.close(), () => b?.close()));

  // What the new process finds by its first checks.
  const findsAnew = async (from) => {
    await change(s, 'endpoint_unhealthy', a.url, from);
    assert.equal(await healthy(s, 'pair', a.url), 0);
    const before = a.requests;
    assert.deepEqual(await ask(s, '/pair/x'), { 200: 12 });
    assert.equal(a.requests, before, 'not one request reached it');
  };

  it('an upgrade: the new process asks, and the old one does no longer', async () => {
    await until('both to be checked', () => a.checks.length > 0 && b.checks.length > 0);
    await changes(s, 'endpoint_unhealthy', a.url, () => (a.status = 503));
    const from = s.gateway.events.length;
    const { code, stderr } = await sallyport(['upgrade', '--config', s.gateway.file], { ms: 60_000 });
    assert.equal(code, 0, stderr);
    await findsAnew(from);
    // Both would have told of it, the old one where it still lives.
    await s.gateway.event('retiring');
    await until('one process', () => s.gateway.children().length === 1);
    const lines = () => s.gateway.events.slice(from).filter((e) => e.event === 'endpoint_healthy' && e.endpoint === a.url).length;
    await changes(s, 'endpoint_healthy', a.url, () => (a.status = 200));
    assert.equal(lines(), 1);
  });
  it('a crash: the new process finds out by its first checks', async () => {
    await changes(s, 'endpoint_unhealthy', a.url, () => (a.status = 503));
    const from = s.gateway.events.length;
    const crashed = s.gateway.child();
    process.kill(crashed, 'SIGKILL');
    await until('another process', () => s.gateway.child() !== null && s.gateway.child() !== crashed);
    await findsAnew(from);
  });
});

it('the end does not wait for a check that is under way', async () => {
  const sockets = new Set();
  const silent = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.resume();
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const url = `http://127.0.0.1:${silent.address().port}`;
  const s = await openStage({
    config: { workers: 1, upstreams: { mute: { endpoints: [url], health: { path: '/healthz', interval: '1h', timeout: '10m' } } } },
    routes: routesTo('mute'),
  });
  try {
    await until('the check', () => sockets.size === 1);
    await s.gateway.stop({ ms: 5_000 });
    await until('its connection to be closed', () => sockets.size === 0);
  } finally {
    await closeAll(() => s.close(), () => silent.close());
  }
});
