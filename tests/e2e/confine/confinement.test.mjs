// What the gateway process may ask of the kernel, seen from outside: every thread is held, a forbidden call ends the process
// and is told everywhere, and what the gateway does is free.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { binary, sallyport } from '../lib/gateway.mjs';
import { serveKeys } from '../lib/issuer.mjs';
import { OPEN, READ_ORDERS, merge, openStage, originCertificate } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';

const MOUNT = 165;
const GETPPID = 110;
const SIGSYS = 31;
const INJECT = join(dirname(binary()), 'tests', 'inject_call');
const run = (args) => new Promise((done) => execFile(INJECT, args.map(String), (error, stdout) => done({ code: error ? error.code : 0, said: stdout.trim() })));

// Why a test cannot run here, or false: making another process's thread call the kernel takes ptrace, which is root's, and the
// helper knows the registers of x86-64 only.
const noInjection = process.getuid() !== 0 ? 'not started as root' : process.arch !== 'x64' ? 'x86-64 only' : !existsSync(INJECT) ? 'inject_call is not built' : false;

const confined = (gateway) => gateway.events.findLast((e) => e.event === 'confined');
const threads = (pid) =>
  readdirSync(`/proc/${pid}/task`).map((id) => {
    const status = readFileSync(`/proc/${pid}/task/${id}/status`, 'latin1');
    return { id: Number(id), ...Object.fromEntries(status.split('\n').map((line) => line.split(/:\s+/))) };
  });

// What the call returned. A thread that waits is made to make it; one that runs is asked again.
async function inject(thread, number) {
  let result;
  await until('the thread to wait', async () => {
    result = await run([thread, number]);
    assert.notEqual(result.code, 1, 'inject_call failed');
    return result.code === 0;
  });
  return result.said;
}

describe('confinement', () => {
  let s;
  let keys;
  // The gateway's own words where there is no filter to be tested: a build for sanitizers or coverage, whose tools make calls
  // of their own ("this build has no confinement"), or a kernel without seccomp. Known only once it runs.
  let skip = false;
  before(async () => {
    s = await openStage({
      // Names and keys by https, so that libuv's pool, the resolver and libcurl are at work.
      config: async (stage) => {
        const { cert, key } = originCertificate();
        keys = await serveKeys(() => stage.issuer.jwks(), { tls: { cert, key } });
        const port = new URL(stage.upstream.url).port;
        return {
          issuers: { main: { jwks_file: null, jwks_url: `https://localhost:${new URL(keys.url).port}/keys`, jwks_tls: { ca: stage.ca.certFile, server_name: 'orders.internal' } } },
          upstreams: { 'order-service': { endpoints: [`https://localhost:${port}`], tls: { server_name: 'orders.internal' } } },
        };
      },
      routes: { open: OPEN, 'read-orders': READ_ORDERS },
    });
    const event = confined(s.gateway);
    skip = /this build/.test(event.lacking) ? event.lacking : event.seccomp === 'absent' ? event.lacking : false;
  });
  after(async () => {
    await s?.close();
    await keys?.stop();
  });

  it('is told at the start, with the version of Landlock', (t) => {
    if (skip) return t.skip(skip);
    const event = confined(s.gateway);
    assert.equal(event.seccomp, 'enforce');
    assert.ok(Number.isInteger(event.landlock_abi));
    if (event.landlock_abi === 0) {
      assert.equal(event.level, 'warning');
      assert.match(event.lacking, /Landlock/);
    } else {
      assert.equal(event.level, 'info');
      assert.equal(event.lacking, 'nothing');
    }
  });
  it('names are looked up, keys are fetched over https, requests pass', async () => {
    const token = await s.mint({ scope: 'read_orders' });
    await s.gateway.event('keys_fetched');
    await until('the keys to be in use', async () => (await s.request({ path: '/orders/1', token })).status === 200);
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
  });
  it('holds every thread: a filter, no new privileges, no capabilities', (t) => {
    if (skip) return t.skip(skip);
    const all = threads(s.gateway.child());
    // control, two workers, the logs' writer, the pool of name look-ups
    assert.ok(all.length >= 5, `${all.length} threads: ${all.map((thread) => thread.Name)}`);
    for (const thread of all) {
      assert.equal(thread.Seccomp, '2', `Seccomp of ${thread.Name}`);
      assert.equal(thread.NoNewPrivs, '1', `NoNewPrivs of ${thread.Name}`);
      const none = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb', ...(process.getuid() === 0 ? ['CapBnd'] : [])];
      for (const set of none) assert.match(thread[set], /^0+$/, `${set} of ${thread.Name}`);
    }
  });
  it('is not dumpable: what /proc tells of it belongs to root', { skip: process.getuid() === 0 ? false : 'not started as root' }, async (t) => {
    if (skip) return t.skip(skip);
    const { statSync } = await import('node:fs');
    assert.equal(statSync(`/proc/${s.gateway.child()}/environ`).uid, 0);
    assert.notEqual(threads(s.gateway.child())[0].Uid.split('\t')[0], '0');
  });
  it('a call that it makes anyway is made on any thread, and nothing happens', { skip: noInjection }, async (t) => {
    if (skip) return t.skip(skip);
    const pid = s.gateway.child();
    for (const thread of threads(pid)) assert.equal(await inject(thread.id, GETPPID), String(s.gateway.process.pid));
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
    assert.equal(s.gateway.child(), pid);
  });
  it('a forbidden call on any thread ends the process, is told everywhere, and the next process serves', { skip: noInjection }, async (t) => {
    if (skip) return t.skip(skip);
    let round = 0;
    // The control thread, the logs' writer (which blocks signals), a worker, one of the pool.
    const chosen = [(all, pid) => all.find((thread) => thread.id === pid), (all) => all.find((thread) => thread.Name === 'logs'), (all, pid) => all.find((thread) => thread.id !== pid && thread.Name !== 'logs'), (all) => all.at(-1)];
    for (const choose of chosen) {
      const pid = s.gateway.child();
      const thread = choose(threads(pid), pid);
      const from = s.gateway.events.length;
      const lines = s.gateway.lines.length;
      await inject(thread.id, MOUNT);
      const event = (name) => s.gateway.wait(`the event ${name} of thread ${round}, ${thread.Name}`, () => s.gateway.events.slice(from).find((e) => e.event === name));
      const told = await event('forbidden_call');
      assert.equal(told.call, 'mount');
      assert.equal(told.number, MOUNT);
      assert.equal(told.level, 'error');
      assert.equal((await event('gateway_exited')).signal, SIGSYS);
      assert.ok((await event('gateway_restarting')).delay_ms >= 0);
      await event('ready');
      assert.notEqual(s.gateway.child(), pid);
      const audit = await s.gateway.wait('its audit line', () => s.gateway.lines.slice(lines).find((l) => l.log === 'audit' && l.event === 'forbidden_call'));
      assert.equal(audit.detail, 'mount');
      assert.equal((await s.gateway.metrics()).sum('sallyport_forbidden_calls_total'), ++round);
      assert.equal((await s.request({ path: '/open/x' })).status, 200);
    }
  });
  it('a process that dies otherwise leaves no such line', async () => {
    const lines = s.gateway.lines.length;
    const from = s.gateway.events.length;
    process.kill(s.gateway.child(), 'SIGKILL');
    await s.gateway.wait('it to be ready again', () => s.gateway.events.slice(from).find((e) => e.event === 'ready'));
    await s.gateway.wait('its first audit line', () => s.gateway.lines.slice(lines).find((l) => l.log === 'audit' && l.event === 'started'));
    assert.ok(!s.gateway.lines.slice(lines).some((l) => l.event === 'forbidden_call'));
    assert.ok(!s.gateway.events.slice(from).some((e) => e.event === 'forbidden_call'));
  });
});

describe('confinement: off', () => {
  it('is a warning, and no filter', { skip: noInjection }, async () => {
    const s = await openStage({ config: { confinement: 'off' }, routes: { open: OPEN } });
    try {
      const event = confined(s.gateway);
      assert.equal(event.level, 'warning');
      assert.equal(event.seccomp, 'off');
      const pid = s.gateway.child();
      for (const thread of threads(pid)) {
        assert.equal(thread.Seccomp, '0');
        assert.equal(thread.NoNewPrivs, '1');
        assert.match(thread.CapEff, /^0+$/);
      }
      assert.match(await inject(pid, MOUNT), /^-[0-9]+$/);
      assert.equal((await s.request({ path: '/open/x' })).status, 200);
      assert.equal(s.gateway.child(), pid);
    } finally {
      await s.close();
    }
  });
});

describe('connect_ports', () => {
  let s;
  const ports = (...list) => ({ confinement: { connect_ports: list } });
  const port = () => Number(new URL(s.upstream.url).port);
  before(async () => (s = await openStage({ config: (stage) => ({ ...ports(Number(new URL(stage.upstream.url).port)), shutdown: { deadline: '1s' } }), routes: { open: OPEN } })));
  after(() => s?.close());

  it('those that the configuration needs are enough', async () => {
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
  });
  it('one that is missing is an error of the configuration', async () => {
    const other = port() === 65000 ? 65001 : 65000;
    s.gateway.write(merge(s.config, ports(`${other}-65535`)));
    const { code, stderr } = await sallyport(['check', s.gateway.file]);
    if (port() >= other) return;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`port ${port()} is not among confinement.connect_ports`));
  });
  it('a reload that changes them starts another process, which relieves the one that serves', async () => {
    const client = await s.connect(); // of the old process, which finishes what it has
    await client.send(requestText({ path: '/open/held' }));
    assert.equal((await client.response()).status, 200);
    for (const list of [[port(), 1], [port()], null]) {
      const pid = s.gateway.child();
      const from = s.gateway.events.length;
      const answer = await s.gateway.reload(merge(s.config, { confinement: { connect_ports: list } }));
      assert.equal(answer.event, 'ready');
      assert.ok(s.gateway.events.slice(from).some((e) => e.event === 'relieving'));
      assert.ok(s.gateway.events.slice(from).some((e) => e.event === 'confined'));
      assert.equal((await s.request({ path: '/open/x' })).status, 200);
      await until('the old process to end', () => s.gateway.child() !== pid && !existsSync(`/proc/${pid}`), 40_000);
    }
    client.end();
  });
  it('one that does not change them starts none', async () => {
    const pid = s.gateway.child();
    const config = merge(s.config, { confinement: { connect_ports: null } });
    assert.equal((await s.gateway.reload(merge(config, { routes: { open: { body: '1MiB' } } }))).event, 'ready');
    assert.equal(s.gateway.child(), pid);
  });
});
