// No descriptor left (EMFILE): towards upstreams, for key sets, for a reload and for the logs. A limit counts numbers, so that
// lowering it to the lowest number that is free leaves none.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Issuer } from '../lib/issuer.mjs';
import { closeAll, HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';
import { IDLE, leavesNothing, serves } from './lib.mjs';

const prlimit = (pid, value) => execFileSync('prlimit', ['--pid', String(pid), `--nofile=${value}:`], { stdio: 'ignore' });
const skip = process.getuid() === 0 ? false : 'only root sees the descriptors of the gateway process';

async function withoutDescriptors(pid, act) {
  let limit = Infinity;
  let same = 0;
  // Again and again: what was in use when it was looked at may be closed now.
  const lower = () => {
    const used = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
    let lowest = 0;
    while (used.has(lowest)) lowest++;
    same = lowest < limit ? 0 : same + 1;
    if (lowest < limit) prlimit(pid, (limit = lowest));
  };
  const timer = setInterval(lower, 5);
  try {
    await until('no descriptor to be free', () => same >= 10);
    return await act();
  } finally {
    clearInterval(timer);
    prlimit(pid, 1024);
  }
}

describe('no descriptor is left', { skip }, () => {
  let s;
  let keys;
  let issuer;
  before(async () => {
    issuer = await new Issuer({ issuer: 'https://fetched.example.com' }).addKey('ES256', { kid: 'k' });
    keys = await issuer.serve();
    s = await openStage({
      config: (stage) => ({
        workers: 1,
        user: 'root', // whose limits may be lowered from here without more privileges
        logs: { access: { file: join(stage.dir, 'access.log') } },
        issuers: { fetched: { issuer: issuer.issuer, audiences: ['orders'], algorithms: ['ES256'], jwks_url: keys.url, jwks_refresh: '1s' } },
        upstreams: { 'order-service': IDLE },
      }),
      routes: { open: OPEN, fetched: { ...READ_ORDERS, match: { host: HOST, path: '/fetched/**' }, auth: { jwt: 'fetched' } } },
    });
  });
  after(() => closeAll(() => s?.close(), () => keys?.stop()));

  it('for an upstream: 503 overloaded with Retry-After, our own fault and not its; then served on the same connection', () =>
    leavesNothing(s, async () => {
      const client = await s.connect();
      const before = await s.gateway.metrics();
      const response = await withoutDescriptors(s.gateway.child(), async () => {
        await client.send(requestText({ path: '/open/x' }));
        return client.response();
      });
      s.checkDenial(response, { status: 503, code: 'unavailable' });
      assert.match(response.fields.get('retry-after'), /^[1-9][0-9]*$/);
      const line = await s.gateway.audit('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.reason, 'overloaded');
      assert.match(line.detail, /no descriptor/);
      const metrics = await s.gateway.metrics();
      for (const [name, labels] of [['sallyport_denied_total', { reason: 'overloaded' }], ['sallyport_upstream_connect_failures_total', {}]]) {
        assert.ok(metrics.sum(name, labels) > before.sum(name, labels), name);
      }
      await client.send(requestText({ path: '/open/x' }));
      assert.equal((await client.response()).status, 200);
      client.destroy();
    }));
  it('for a key set: keys_failed, the old keys stay, then keys_fetched', async () => {
    const ask = async () => (await s.request({ path: '/fetched/1', token: await issuer.mint() })).status;
    await until('the keys', async () => (await ask()) === 200);
    const from = s.gateway.events.length;
    const later = (name) => s.gateway.wait(name, () => s.gateway.events.slice(from).find((e) => e.event === name && e.issuer === 'fetched'));
    const client = await s.connect();
    await withoutDescriptors(s.gateway.child(), () => later('keys_failed'));
    assert.equal(await ask(), 200);
    await later('keys_fetched');
    client.destroy();
  });
  it('for a reload: refused, and the same process goes on with what was in force; then taken up', async () => {
    const child = s.gateway.child();
    const client = await s.connect();
    const answer = await withoutDescriptors(child, () => s.gateway.reload(s.config));
    assert.equal(answer.event, 'reload_refused', JSON.stringify(answer));
    assert.match(answer.reason, /descriptor/);
    assert.equal(s.gateway.child(), child, 'the gateway process went on');
    await client.send(requestText({ path: '/open/x' }));
    assert.equal((await client.response()).status, 200, 'on the connection of before');
    client.destroy();
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    await serves(s);
  });
  it('for a reload, in the supervisor: refused; then taken up', async () => {
    const answer = await withoutDescriptors(s.gateway.process.pid, () => s.gateway.reload(s.config));
    assert.equal(answer.event, 'reload_refused', JSON.stringify(answer));
    await serves(s);
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    await serves(s);
  });
  it('for reopening the logs: told, the old files go on; then reopened', async () => {
    const child = s.gateway.child();
    const file = join(s.dir, 'access.log');
    for (const pid of [child, s.gateway.process.pid]) {
      renameSync(file, `${file}.1`);
      const from = s.gateway.events.length;
      const told = (name) => s.gateway.wait(name, () => s.gateway.events.slice(from).find((e) => e.event === name));
      await withoutDescriptors(pid, async () => {
        s.gateway.process.kill('SIGUSR1');
        await told('logs_not_reopened');
      });
      assert.equal(s.gateway.child(), child);
      await serves(s, `/open/${pid}`);
      s.gateway.process.kill('SIGUSR1');
      await told('logs_reopened');
      await until('the new file', () => existsSync(file));
    }
  });
});
