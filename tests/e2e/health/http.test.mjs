// Health checks over HTTP: a server that says it is not well, one that is gone, one that is frozen.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sallyport } from '../lib/gateway.mjs';
import { closeAll, openStage, originCertificate } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until, within } from '../lib/wait.mjs';
import { ask, change, changes, healthy, QUICK, routesTo, startService } from './lib.mjs';

const PROGRAM = fileURLToPath(new URL('../faults/upstream_program.mjs', import.meta.url));
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

async function startProcess(port = 0) {
  const child = spawn(process.execPath, [PROGRAM, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.gone = new Promise((resolve) => child.once('exit', resolve));
  child.gone.then(() => running.delete(child));
  child.port = Number(await within(10_000, 'the upstream to listen', new Promise((resolve) => createInterface(child.stdout).once('line', resolve))));
  child.url = `http://127.0.0.1:${child.port}`;
  child.end = async () => (child.kill('SIGKILL'), within(5_000, 'the upstream to end', child.gone));
  return child;
}

describe('health checks over HTTP', () => {
  let s, a, b, plain, patient, child, secure, local, connected, dir, client;
  before(async () => {
    const origin = originCertificate();
    dir = tempDir('health');
    [a, b, plain, patient, connected] = await Promise.all(['a', 'b', 'plain', 'patient', 'connected'].map((name) => startService({ name })));
    child = await startProcess();
    local = await startService({ name: 'local' }, join(dir, 'a.sock'));
    chmodSync(join(dir, 'a.sock'), 0o666);
    s = await openStage({
      config: async (stage) => {
        client = stage.ca.issue({ cn: 'gateway', client: true });
        secure = await startService({ name: 'secure', path: '/ready?deep=1', tls: { cert: origin.cert, key: origin.key, ca: stage.ca.cert, requestCert: true, rejectUnauthorized: true } });
        return {
          workers: 2,
          upstreams: {
            pair: { endpoints: [a.url, b.url], health: { path: '/healthz', ...QUICK } },
            patient: { endpoints: [patient.url], health: { path: '/healthz', ...QUICK, unhealthy_after: 2, healthy_after: 2 } },
            unchecked: { endpoints: [plain.url, 'http://127.0.0.1:1'] },
            // Killed, it may have a check under way, which says something else than the next one.
            process: { endpoints: [child.url, plain.url], health: { path: '/', ...QUICK, unhealthy_after: 2 }, connect_timeout: '1s' },
            secure: { endpoints: [secure.url], tls: { ca: stage.ca.certFile, cert: client.certFile, key: client.keyFile, server_name: 'orders.internal' }, health: { path: '/ready?deep=1', ...QUICK } },
            untrusted: { endpoints: [secure.url], health: { path: '/ready?deep=1', ...QUICK } },
            local: { endpoints: [`unix:${join(dir, 'a.sock')}`], health: { path: '/healthz', statuses: ['204', '300-399'], ...QUICK } },
            connected: { endpoints: [connected.url, 'http://127.0.0.1:1'], health: { connect: true, ...QUICK } },
          },
        };
      },
      routes: routesTo('pair', 'unchecked', 'process', 'secure', 'untrusted', 'local', 'connected'),
    });
  });
  after(() => closeAll(() => s?.close(), () => child?.end(), ...[a, b, plain, patient, secure, local, connected].map((service) => () => service?.close())));

  it('a server that answers 503 gets no request, until it is well again', async () => {
    await until('both to be checked', () => a.checks.length > 1 && b.checks.length > 1);
    assert.deepEqual(await ask(s, '/pair/x'), { 200: 12 });
    assert.ok(a.requests > 0 && b.requests > 0);
    const line = await changes(s, 'endpoint_unhealthy', a.url, () => (a.status = 503));
    assert.deepEqual([line.service, line.reason, line.detail, line.level], ['pair', 'status', 'status 503', 'warning']);
    const [before, other] = [a.requests, b.requests];
    assert.equal(await healthy(s, 'pair', a.url), 0);
    assert.equal(await healthy(s, 'pair', b.url), 1);
    assert.deepEqual(await ask(s, '/pair/x', 20), { 200: 20 });
    assert.deepEqual([a.requests - before, b.requests - other], [0, 20], 'not one request reached it');
    const back = await changes(s, 'endpoint_healthy', a.url, () => (a.status = 204));
    assert.equal(back.reason, 'passed');
    await ask(s, '/pair/x', 8);
    assert.ok(a.requests > before, 'it is asked again');
    const metrics = await s.gateway.metrics();
    assert.ok(metrics.sum('sallyport_health_checks_total', { service: 'pair', endpoint: a.url, outcome: 'status' }) >= 1);
    assert.ok(metrics.sum('sallyport_health_checks_total', { service: 'pair', endpoint: a.url, outcome: 'passed' }) >= 2);
  });
  it('one check that fails changes nothing', async () => {
    const told = () => s.gateway.events.filter((e) => e.endpoint === patient.url).map((e) => e.event);
    const once = async (status, otherwise) => {
      const seen = patient.checks.length;
      patient.status = status;
      await until('a check', () => patient.checks.length > seen);
      patient.status = otherwise;
      await until('two more', () => patient.checks.length > seen + 2);
    };
    await until('its first check', () => patient.checks.length > 0);
    await once(500, 200);
    assert.deepEqual(told(), []);
    const seen = patient.checks.length;
    await changes(s, 'endpoint_unhealthy', patient.url, () => (patient.status = 500));
    assert.ok(patient.checks.length >= seen + 2, 'twin: two do');
    await once(200, 500);
    assert.deepEqual(told(), ['endpoint_unhealthy']);
  });
  it('all are unhealthy: all are used, and it is counted and told', async () => {
    const from = s.gateway.events.length;
    a.status = b.status = 503;
    const line = await s.gateway.wait('service_unhealthy', () => s.gateway.events.slice(from).find((e) => e.event === 'service_unhealthy'));
    assert.deepEqual([line.service, line.level], ['pair', 'error']);
    const [wasA, wasB] = [a.requests, b.requests];
    assert.deepEqual(await ask(s, '/pair/x'), { 200: 12 });
    assert.ok(a.requests > wasA && b.requests > wasB, 'both are tried');
    assert.ok((await s.gateway.metrics()).sum('sallyport_upstream_unhealthy_used_total') >= 12);
    assert.equal((await s.gateway.get('/readyz')).status, 200, 'the gateway itself is ready');
    a.status = 200;
    await s.gateway.wait('service_healthy', () => s.gateway.events.slice(from).find((e) => e.event === 'service_healthy'));
    const wasThere = b.requests;
    await ask(s, '/pair/x', 8);
    assert.equal(b.requests, wasThere);
    await changes(s, 'endpoint_healthy', b.url, () => (b.status = 200));
  });
  it('what a check is: GET of the path, no credentials, no redirect followed, each on a connection of its own', async () => {
    const { headers } = a.checks.at(-1);
    assert.deepEqual(Object.keys(headers).sort(), ['accept', 'host', 'user-agent']);
    assert.equal(headers.host, `127.0.0.1:${a.port}`);
    assert.match(headers['user-agent'], /^sallyport\/\S+ health-check$/);
    const line = await changes(s, 'endpoint_unhealthy', a.url, () => Object.assign(a, { status: 302, redirect: `${plain.url}/stolen` }));
    assert.equal(line.detail, 'status 302');
    assert.ok(!plain.urls.has('/stolen'));
    await changes(s, 'endpoint_healthy', a.url, () => Object.assign(a, { status: 200, redirect: null }));
    // A large answer is not read to its end; its status counts.
    const seen = a.checks.length;
    a.body = Buffer.alloc(4 * 1024 * 1024);
    await until('a few checks', () => a.checks.length > seen + 2);
    a.body = '';
    assert.equal(await healthy(s, 'pair', a.url), 1);
    await until('no connection of a check to be left', () => a.sockets.size <= 2 + 2);
  });
  it('an answer that breaks off', async () => {
    const line = await changes(s, 'endpoint_unhealthy', b.url, () => (b.status = 0));
    assert.equal(line.reason, 'closed');
    await changes(s, 'endpoint_healthy', b.url, () => (b.status = 200));
  });
  it('TLS as the service has it: CA, client certificate, server name; a certificate that is not trusted fails', async () => {
    await until('a check', () => secure.checks.length > 0);
    assert.equal(secure.checks.at(-1).certificate, 'gateway');
    assert.equal(await healthy(s, 'secure', secure.url), 1);
    const line = await s.gateway.wait('it', () => s.gateway.events.find((e) => e.event === 'endpoint_unhealthy' && e.service === 'untrusted'));
    assert.equal(line.reason, 'tls');
    assert.match(line.detail, /certificate verify failed/);
    assert.equal(await healthy(s, 'untrusted', secure.url), 0);
  });
  it('a Unix socket, and statuses of its own: the first check decides alone', async () => {
    const url = `unix:${join(dir, 'a.sock')}`;
    const line = await change(s, 'endpoint_unhealthy', url); // 200 is not among them
    assert.equal(line.detail, 'status 200');
    assert.equal(local.checks.at(-1).headers.host, 'localhost');
    await changes(s, 'endpoint_healthy', url, () => (local.status = 304));
  });
  it('connect: a connection is enough', async () => {
    const line = await change(s, 'endpoint_unhealthy', 'http://127.0.0.1:1');
    assert.deepEqual([line.service, line.reason], ['connected', 'connect']);
    assert.match(line.detail, /refused/);
    assert.equal(await healthy(s, 'connected', connected.url), 1);
    assert.deepEqual([connected.checks.length, connected.requests], [0, 0]);
    assert.deepEqual(await ask(s, '/connected/x', 8), { 200: 8 });
  });
  it('a killed server, and one that comes back', async () => {
    const line = await changes(s, 'endpoint_unhealthy', child.url, () => child.end());
    assert.equal(line.reason, 'connect');
    assert.match(line.detail, /refused/);
    const failures = async () => (await s.gateway.metrics()).sum('sallyport_upstream_connect_failures_total');
    const before = await failures();
    assert.deepEqual(await ask(s, '/process/x'), { 200: 12 });
    assert.equal(await failures(), before, 'no request was tried there');
    await changes(s, 'endpoint_healthy', child.url, async () => (child = await startProcess(child.port)));
  });
  it('a frozen server', async () => {
    await ask(s, '/process/x', 8); // connections to it are kept
    const line = await changes(s, 'endpoint_unhealthy', child.url, () => child.kill('SIGSTOP'));
    try {
      assert.deepEqual([line.reason, line.detail], ['timeout', 'no answer in time']);
      assert.deepEqual(await ask(s, '/process/x'), { 200: 12 });
    } finally {
      child.kill('SIGCONT');
    }
    await change(s, 'endpoint_healthy', child.url, s.gateway.events.indexOf(line));
  });
  it('twin: without `health` nobody is asked, and nothing is told', async () => {
    const metrics = await s.gateway.metrics();
    assert.ok(!metrics.has('sallyport_upstream_healthy', { service: 'unchecked' }));
    assert.equal(plain.checks.length, 0);
    assert.deepEqual(await ask(s, '/unchecked/x', 8), { 200: 8 }); // by way of retries
  });

  it('a reload: who is unchanged keeps its state, who is asked otherwise begins anew', async () => {
    await changes(s, 'endpoint_unhealthy', a.url, () => (a.status = 503));
    const counted = (await s.gateway.metrics()).sum('sallyport_health_checks_total', { service: 'pair', endpoint: b.url, outcome: 'passed' });
    assert.ok(counted > 0);
    const config = structuredClone(s.gateway.config);
    config.upstreams.pair.endpoints.push(plain.url);
    config.upstreams.pair.health.healthy_after = 3;
    const before = a.requests;
    const from = s.gateway.events.length;
    const asking = ask(s, '/pair/x', 30);
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    assert.deepEqual(await asking, { 200: 30 });
    assert.deepEqual(await ask(s, '/pair/x', 9), { 200: 9 });
    assert.equal(a.requests, before, 'it stayed unhealthy all the time');
    assert.equal(await healthy(s, 'pair', a.url), 0);
    await until('the new one to be checked', () => plain.checks.length > 0);
    const metrics = await s.gateway.metrics();
    assert.ok(metrics.sum('sallyport_health_checks_total', { service: 'pair', endpoint: b.url, outcome: 'passed' }) >= counted, 'counts go on');
    assert.deepEqual(s.gateway.events.slice(from).filter((e) => e.event.startsWith('endpoint_') && e.service === 'pair'), []);
    // Another question: the first answer to it decides.
    config.upstreams.pair.health.path = '/other';
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    await until('it to be healthy', async () => (await healthy(s, 'pair', a.url)) === 1);
    // And none at all.
    delete config.upstreams.pair.health;
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    assert.ok(!(await s.gateway.metrics()).has('sallyport_upstream_healthy', { service: 'pair' }));
    // A configuration that is refused changes nothing.
    config.upstreams.pair.health = { path: 'healthz' };
    assert.equal((await s.gateway.reload(config)).event, 'reload_refused');
    assert.equal(await healthy(s, 'connected', connected.url), 1);
  });
  it('mistakes are told, each where it stands', async () => {
    const config = (health, over = {}) => ({ ...s.gateway.config, upstreams: { ...s.gateway.config.upstreams, pair: { endpoints: [a.url], health, ...over } } });
    const problems = async (health, over) => {
      s.gateway.write(config(health, over));
      const { code, stdout, stderr } = await sallyport(['check', s.gateway.file]);
      assert.equal(code, 1, stdout);
      return stderr;
    };
    assert.match(await problems({}), /one of `path: \/healthz`, `grpc: ""` .* and `connect: true` is wanted here/);
    assert.match(await problems({ path: '/x', connect: true }), /only one of/);
    assert.match(await problems({ path: 'x' }), /health\.path.*a path begins with \//s);
    assert.match(await problems({ path: '/a b' }), /visible ASCII/);
    assert.match(await problems({ path: '/x', statuses: ['2xx'] }), /a status or range from 200 to 599 is wanted here, not "2xx"/);
    assert.match(await problems({ connect: true, statuses: [200] }), /would have no effect/);
    assert.match(await problems({ path: '/x', interval: '1s' }), /`timeout` is at most `interval`/);
    assert.match(await problems({ grpc: '' }), /gRPC is spoken over HTTP\/2, and http:\/\/127\.0\.0\.1:\d+ is not: write h2c:/);
    assert.match(await problems({ grpc: 'a/b' }, { endpoints: ['h2c://127.0.0.1:1'] }), /the name of a gRPC service is wanted here/);
    assert.match(await problems({ path: '/x', unhealthy_after: 0 }), /unhealthy_after/);
    // The honest twin, as `check` prints it.
    s.gateway.write(config({ grpc: '' }, { endpoints: ['h2c://127.0.0.1:1'] }));
    const { code, stdout } = await sallyport(['check', s.gateway.file]);
    assert.equal(code, 0);
    assert.match(stdout, /health +\{ grpc: "" \}/);
  });
});
