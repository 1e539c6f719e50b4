// What all faults share: a gateway at rest, and that it comes back to rest whatever was done to it.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';

// Everything that counts what is held at the moment.
const HELD = /^sallyport_.*(_open|buffer.*|_in_flight|_waiting)$/;

export const descriptors = (gateway) => readdirSync(`/proc/${gateway.child()}/fd`).length;

export async function held(gateway) {
  const metrics = await gateway.metrics();
  const names = [...metrics.types].filter(([name, type]) => type === 'gauge' && HELD.test(name)).map(([name]) => name);
  assert.ok(names.length >= 3, `gauges of what is held: ${names}`);
  return { ...Object.fromEntries(names.map((name) => [name, metrics.sum(name)])), descriptors: descriptors(gateway) };
}

// `rest`: what `held` gave before. Nothing may be held beyond that.
export async function backAtRest(gateway, rest, ms = 10_000) {
  let now;
  await until(() => `the gateway to be at rest: ${JSON.stringify(now)}, before ${JSON.stringify(rest)}`, async () => {
    now = await held(gateway);
    return Object.keys(rest).every((name) => now[name] <= rest[name]);
  }, ms);
}

// Runs `act` on a gateway at rest and sees that it comes back to rest. The upstream's idle connections go soon (IDLE).
export const IDLE = { idle_timeout: '20ms' };
export async function leavesNothing(s, act) {
  let rest = null;
  await until('the gateway to be at rest before', async () => {
    const now = await held(s.gateway);
    const same = rest !== null && JSON.stringify(now) === JSON.stringify(rest) && now.sallyport_upstream_connections_open === 0;
    rest = now;
    return same;
  });
  const result = await act();
  await backAtRest(s.gateway, rest);
  return result;
}

// How much a counter grows while `act` runs; counters that are read once a second are waited for.
export async function grows(s, name, labels, act) {
  const before = (await s.gateway.metrics()).sum(name, labels);
  const result = await act();
  await until(`${name}${JSON.stringify(labels)} to grow`, async () => (await s.gateway.metrics()).sum(name, labels) > before);
  return result;
}

// An answer that is cut: the client must see it, the log must say why. `begun` is called once its head is there. Returns the
// access line.
export async function cutOff(s, path, reason, { begun = () => {}, ...options } = {}) {
  const client = await s.connect();
  await grows(s, 'sallyport_denied_total', { reason }, async () => {
    await client.send(requestText({ path, ...options }));
    const whole = async () => {
      const response = await client.head();
      await begun();
      for await (const piece of response.pieces) assert.ok(piece.length > 0);
    };
    await assert.rejects(whole(), /closed within|reset|without an answer/, 'the client took it for whole');
  });
  client.destroy();
  const line = await s.gateway.access(`the cut answer to ${path}`, (l) => l.path === path);
  assert.deepEqual([line.status, line.reason, line.aborted], [200, reason, true]);
  return line;
}

export const serves = (s, path = '/open/well') => s.allowed(() => s.request({ path }));
