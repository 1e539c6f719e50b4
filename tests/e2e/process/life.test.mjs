// Start, crash, drain, end.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Gateway, sallyport } from '../lib/gateway.mjs';
import { authority } from '../lib/pki.mjs';
import { HOST, OPEN, merge, openStage } from '../lib/stage.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { echo } from '../lib/upstream.mjs';
import { SLOW, pass, until, within } from '../lib/wait.mjs';

const connects = (port) => RawClient.connect({ port }).then((c) => (c.destroy(), true), () => false);

describe('a gateway process that dies', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: { ...OPEN, limits: [{ limit: '1000/10m', by: 'address', name: 'many' }] } } })));
  after(() => s?.close());

  it('is started again while the sockets stay open', async () => {
    for (let round = 0; round < 2; round++) {
      const old = s.gateway.child();
      const port = s.gateway.ports.public;
      const from = s.gateway.events.length;
      process.kill(old, 'SIGKILL');
      // Whoever connects meanwhile waits in the accept queue and is served.
      const asked = s.request({ path: '/open/meanwhile' }).catch((error) => error);
      const exited = await s.gateway.wait('the event gateway_exited', () => s.gateway.events.slice(from).find((e) => e.event === 'gateway_exited'));
      assert.ok(exited.signal === 9 || exited.signal === 'SIGKILL' || /kill/i.test(String(exited.signal)), JSON.stringify(exited));
      await s.gateway.wait('it to be ready again', () => s.gateway.events.slice(from).find((e) => e.event === 'ready'));
      assert.ok(s.gateway.events.slice(from).some((e) => e.event === 'gateway_restarting'));
      assert.notEqual(s.gateway.child(), old);
      assert.equal(s.gateway.ports.public, port);
      assert.equal((await s.request({ path: '/open/x' })).status, 200);
      const meanwhile = await within(15_000, 'the one who asked meanwhile', asked);
      // On the old process's connection it was lost; in the queue it was served. Never refused.
      assert.notEqual(meanwhile.code, 'ECONNREFUSED');
    }
  });
  it('port never refuses: fifty connections around a kill', async () => {
    const port = s.gateway.ports.public;
    const from = s.gateway.events.length;
    process.kill(s.gateway.child(), 'SIGKILL');
    let tried = 0;
    while (!s.gateway.events.slice(from).some((e) => e.event === 'ready') && tried < 500) {
      assert.ok(await connects(port), `refused at the ${tried}th try`);
      tried++;
      await pass(10); // one address may shake hands a few hundred times a second
    }
    assert.ok(tried > 0);
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
  });
  it('limits survive it', async () => {
    const left = async () => Number(/r=([0-9]+)/.exec((await s.request({ path: '/open/x', localAddress: '127.0.0.8' })).fields.get('ratelimit'))[1]);
    const before = await left();
    const from = s.gateway.events.length;
    process.kill(s.gateway.child(), 'SIGKILL');
    await s.gateway.wait('it to be ready again', () => s.gateway.events.slice(from).find((e) => e.event === 'ready'));
    assert.equal(await left(), before - 1);
  });
  it('runs as somebody without privileges, where started as root', { skip: process.getuid() === 0 ? false : 'not started as root' }, () => {
    const status = readFileSync(`/proc/${s.gateway.child()}/status`, 'latin1');
    const [, ...uids] = /^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)$/m.exec(status);
    assert.ok(uids.every((uid) => uid !== '0'), status);
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
  });
});

describe('SIGTERM', () => {
  const open = (shutdown) => openStage({ config: { shutdown }, routes: { open: OPEN } });
  const holding = (s) => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    s.upstream.script = async (exchange) => {
      if (exchange.request.target === '/open/held') await held;
      await echo(exchange);
    };
    return release;
  };

  it('readiness fails, accepting goes on for drain_delay, running exchanges finish, then it ends', async () => {
    const s = await open({ drain_delay: `${1500 * SLOW}ms`, deadline: '20s' });
    try {
      const release = holding(s);
      assert.equal((await s.gateway.get('/readyz')).status, 200);
      const busy = await s.connect();
      await busy.send(requestText({ path: '/open/held' }));
      await s.upstream.request('the held request', (r) => r.target === '/open/held');
      const idle = await s.connect();
      s.gateway.process.kill('SIGTERM');
      await s.gateway.event('draining');
      await until('readiness to fail', async () => (await s.gateway.get('/readyz')).status === 503);
      assert.equal((await s.gateway.get('/healthz')).status, 200);
      assert.equal((await s.request({ path: '/open/during' })).status, 200, 'new connections are served during drain_delay');
      await until('accepting to end', async () => !(await connects(s.gateway.ports.public)), 15_000);
      assert.equal(s.gateway.status, undefined, 'it waits for the running exchange');
      await idle.ended();
      release();
      const response = await busy.response();
      assert.equal(response.status, 200);
      assert.match(response.fields.get('connection') ?? '', /close/i);
      await busy.ended();
      const status = await within(10_000, 'the end', s.gateway.exited);
      assert.equal(status.code, 0);
      await s.gateway.event('stopped');
    } finally {
      await s.close();
    }
  });
  it('an idle connection may send one more request, for half a second', async () => {
    let last = null;
    // Half a second may be short on a busy machine: any of these will do.
    for (let round = 0; round < 4 && last === null; round++) {
      const s = await open({});
      try {
        const idle = await s.connect();
        s.gateway.process.kill('SIGTERM');
        await until('accepting to end', async () => !(await connects(s.gateway.ports.public)));
        await idle.send(requestText({ path: '/open/last' })).catch(() => {});
        last = await idle.response().catch(() => null);
        idle.destroy();
      } finally {
        await s.close();
      }
    }
    assert.equal(last?.status, 200);
    assert.match(last.fields.get('connection') ?? '', /close/i);
  });
  it('an exchange that does not end is cut at the deadline', async () => {
    const s = await open({ drain_delay: '0s', deadline: '1s' });
    try {
      holding(s);
      const busy = await s.connect();
      await busy.send(requestText({ path: '/open/held' }));
      await s.upstream.request('the held request', (r) => r.target === '/open/held');
      const from = performance.now();
      s.gateway.process.kill('SIGTERM');
      const status = await within(15_000, 'the end', s.gateway.exited);
      assert.equal(status.code, 0);
      const took = performance.now() - from;
      assert.ok(took >= 900 && took < 8_000 * SLOW, `after ${took} ms`);
      await busy.rest();
      busy.destroy();
    } finally {
      await s.close();
    }
  });
  it('with nothing to do it ends at once; SIGINT too', async () => {
    for (const signal of ['SIGTERM', 'SIGINT']) {
      const s = await open({});
      try {
        const idle = await s.connect();
        const from = performance.now();
        s.gateway.process.kill(signal);
        assert.equal((await within(10_000, `the end after ${signal}`, s.gateway.exited)).code, 0);
        assert.ok(performance.now() - from < 4_000 * SLOW);
        await idle.ended();
      } finally {
        await s.close();
      }
    }
  });
  it('the supervisor\'s death ends the gateway process too', async () => {
    const s = await open({});
    try {
      const child = s.gateway.child();
      s.gateway.process.kill('SIGKILL');
      await until('the child to end', () => !existsSync(`/proc/${child}`) || /\) Z /.test(readFileSync(`/proc/${child}/stat`, 'latin1')), 10_000);
    } finally {
      await s.upstream.close();
    }
  });
});

describe('start', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN } })));
  after(() => s?.close());

  it('a second instance on the same port fails with a clear message and takes no traffic', async () => {
    const port = s.gateway.ports.public;
    const second = new Gateway({ config: merge(s.config, { listeners: { public: { port } } }) });
    await second.start({ ready: false });
    const status = await within(10_000, 'the second instance to end', second.exited);
    await second.closed;
    assert.notEqual(status.code, 0);
    assert.match(second.output, new RegExp(`${port}`));
    assert.match(second.output, /in use/i);
    for (let i = 0; i < 10; i++) assert.equal((await s.request({ path: '/open/x' })).status, 200);
  });
  it('listening and ready are told in that order, with numbers as ports', () => {
    const names = s.gateway.events.map((e) => e.event);
    assert.ok(names.indexOf('listening') < names.indexOf('ready'));
    for (const event of s.gateway.events.filter((e) => e.event === 'listening')) assert.ok(Number.isInteger(event.port) && event.port > 0 && event.address === '127.0.0.1');
    assert.ok(s.gateway.events.every((e) => !Number.isNaN(Date.parse(e.time)) && ['debug', 'info', 'warning', 'error'].includes(e.level)));
    assert.ok(Number.isInteger(s.gateway.events.find((e) => e.event === 'ready').generation));
  });
  it('findings about the configuration are events like all others, whether it starts or not', async () => {
    const expired = authority().issue({ dns: ['api.example.com'], notBefore: new Date(Date.now() - 2 * 86_400_000), notAfter: new Date(Date.now() - 86_400_000) });
    const warned = merge(s.config, { listeners: { public: { tls: { certificates: [{ cert: expired.certFile, key: expired.keyFile }] } } } });
    const good = await new Gateway({ config: warned }).start();
    assert.match((await good.event('configuration_warning')).message, /gateway\.yaml:[0-9]+:[0-9]+: warning: .*expired/);
    await good.stop(); // fails on any line that is no event
    const bad = new Gateway({ config: { ...warned, nothing: 1 } });
    await bad.start({ ready: false });
    assert.equal((await within(10_000, 'the refused start to end', bad.exited)).code, 1);
    await bad.closed;
    assert.deepEqual(bad.noise, []);
    assert.deepEqual([...new Set(bad.events.map((e) => e.event))].sort(), ['configuration_error', 'configuration_warning', 'start_failed']);
    assert.match(bad.events.find((e) => e.event === 'start_failed').reason, /nothing/);
  });
  it('a finding is logged in its own characters, and nothing that a terminal would act on', async () => {
    const value = `caf\u00e9 {"event":"ready"} \u2028\u202e${'x'.repeat(200)}`;
    const bad = new Gateway({ config: merge(s.config, { routes: { open: { timeout: value } } }) });
    const { code, stderr } = await sallyport(['run', '--config', bad.file]);
    assert.equal(code, 1);
    const { message } = stderr.trim().split('\n').map((l) => JSON.parse(l)).find((e) => e.event === 'configuration_error');
    assert.match(message, /gateway\.yaml:[0-9]+:[0-9]+: error: routes\.open\.timeout: [^]*"café {[^]*x…"/);
    assert.ok(message.includes('\u2028\u202e'), message);
    assert.match(stderr, /café \{.*\\u2028\\u202ex+…/);
    assert.doesNotMatch(stderr, /[\u2028\u202e]/);
  });
  it('logs go to standard output where nothing is said of them', async () => {
    const { logs, ...config } = s.config;
    assert.ok(logs);
    const silent = await new Gateway({ config }).start();
    const client = await RawClient.connect({ port: silent.ports.public, tls: s.tls() });
    await client.send(requestText({ path: '/nowhere' }));
    const id = (await client.response()).fields.get('x-request-id');
    await silent.access('it', (l) => l.request_id === id);
    await silent.audit('it', (l) => l.request_id === id);
    client.end();
    await silent.stop();
  });
  it('a bad configuration does not start, and its errors are on standard error', async () => {
    const bad = new Gateway({ config: merge(s.config, { routes: { open: { upstraem: 'x' } } }) });
    const { code, stderr } = await sallyport(['run', '--config', bad.file]);
    assert.notEqual(code, 0);
    assert.match(stderr, /upstraem/);
  });
  it('a missing file is named', async () => {
    const { code, stderr } = await sallyport(['run', '--config', '/nonexistent/gateway.yaml']);
    assert.notEqual(code, 0);
    assert.match(stderr, /\/nonexistent\/gateway\.yaml/);
  });
});

describe('SIGUSR1', () => {
  it('reopens the log files', async () => {
    const s = await openStage({ config: (stage) => ({ logs: { access: { file: join(stage.dir, 'access.log') }, audit: { file: join(stage.dir, 'audit.log') } } }), routes: { open: OPEN } });
    try {
      const file = (name) => join(s.dir, name);
      const holds = (name, id) => until(`${name} to hold ${id}`, () => existsSync(file(name)) && readFileSync(file(name), 'utf8').includes(id));
      const first = (await s.request({ path: '/open/1' })).fields.get('x-request-id');
      await holds('access.log', first);
      renameSync(file('access.log'), file('access.log.1'));
      renameSync(file('audit.log'), file('audit.log.1'));
      s.gateway.process.kill('SIGUSR1');
      await until('the new files', () => existsSync(file('access.log')) && existsSync(file('audit.log')));
      // The old descriptor may take lines until the writer turned.
      await until('lines in the new file', async () => {
        const id = (await s.request({ path: '/open/2' })).fields.get('x-request-id');
        return until('the line', () => readFileSync(file('access.log'), 'utf8').includes(id) || readFileSync(file('access.log.1'), 'utf8').includes(id)).then(() => readFileSync(file('access.log'), 'utf8').includes(id));
      });
      const denied = (await s.request({ path: '/nowhere', host: HOST })).fields.get('x-request-id');
      await holds('audit.log', denied);
    } finally {
      await s.close();
    }
  });
});
