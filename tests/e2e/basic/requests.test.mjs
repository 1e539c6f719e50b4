// Routes whose callers prove who they are by a name and a password: who is let in, as whom, and how soon a change bites.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fieldsOf, HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { basicField, HASHES, lineOf, PASSWORD } from './lib.mjs';

const LOGIN = { ...READ_ORDERS, auth: { basic: 'staff' } };
const login = (path, over = {}) => ({ ...LOGIN, match: { host: HOST, path: `${path}/**` }, ...over });
const as = (user, password = PASSWORD, path = '/orders/1', fields = []) => ({ path, fields: [basicField(user, password), ...fields] });
const WRONG = { status: 401, code: 'invalid_credentials', reason: 'basic_wrong', challenge: 'Basic realm="restricted", charset="UTF-8"' };

const QUICK = HASHES.yescrypt;

async function open({ lines, set = {}, sets = {}, routes = {}, config = {} } = {}) {
  const dir = tempDir('basic');
  const file = join(dir, 'users');
  writeFileSync(file, lines.join('\n') + '\n');
  const staff = { htpasswd: file, scopes: ['read_orders'], ...set };
  const s = await openStage({ config: { basic: { staff, ...sets }, ...config }, routes: { 'read-orders': LOGIN, ...routes } });
  return { s, dir, file };
}

describe('a route with passwords', () => {
  let s, file;
  before(async () => {
    const kinds = Object.values(HASHES).map((hash, i) => `kind${i}:${hash}`);
    ({ s, file } = await open({
      lines: ['# people', `alice:${QUICK}`, `bob:${QUICK}:Bob of night shifts`, `gone:${QUICK}`, `late:${QUICK}`, `jürgen:${QUICK}`, ...kinds, (await lineOf('ours', 'corrëct horse')).trim(), (await lineOf('cut', 'x'.repeat(72), 'bcrypt')).trim(), ''],
      set: {
        roles: ['staff'],
        users: { alice: { roles: ['admin'], tags: ['night'], scopes: ['write_orders'] }, gone: { revoked: true }, late: { expires: '2020-01-01' }, bob: { limit: '2/1h' } },
      },
      routes: {
        write: login('/write', { authorize: { scopes: ['write_orders'] } }),
        admin: login('/admin', { authorize: { roles: ['admin'] } }),
        night: login('/night', { authorize: { claims: [{ claim: 'tags', contains: 'night' }] } }),
        either: login('/either', { auth: { any_of: [{ jwt: 'main' }, { basic: 'staff' }] } }),
        maybe: login('/maybe', { auth: { basic: 'staff', mode: 'optional', realm: 'our house' }, authorize: 'any_caller' }),
        tokens: { ...READ_ORDERS, match: { host: HOST, path: '/tokens/**' } },
        told: login('/told', { relay: { headers: { 'X-User': 'claims.sub', 'X-Tags': 'claims.tags' } } }),
      },
    }));
  });
  after(() => s?.close());

  it('twin: the right password is let in, again and again, and is hashed once for each worker at the most', async () => {
    const before = await s.gateway.metrics();
    for (let i = 0; i < 10; i++) await s.allowed(() => s.request(as('alice')));
    const metrics = await s.gateway.metrics();
    const grown = (name) => metrics.sum(name) - before.sum(name);
    assert.ok(grown('sallyport_basic_cache_misses_total') <= 2);
    assert.ok(grown('sallyport_basic_cache_hits_total') >= 8);
  });
  it('hashes of each kind, of other programs and our own', async () => {
    for (let i = 0; i < Object.keys(HASHES).length; i++) {
      await s.allowed(() => s.request(as(`kind${i}`)));
      await s.denied(WRONG, () => s.request(as(`kind${i}`, PASSWORD + 'x')));
    }
    await s.allowed(() => s.request(as('ours', 'corrëct horse')));
    await s.allowed(() => s.request(as('jürgen')));
  });
  it('bcrypt: what it would not look at is not let in', async () => {
    await s.allowed(() => s.request(as('cut', 'x'.repeat(72))));
    await s.denied(WRONG, () => s.request(as('cut', 'x'.repeat(73))));
  });
  it('a hash that `openssl passwd` makes', async () => {
    const { stdout } = spawnSync('openssl', ['passwd', '-6', PASSWORD], { encoding: 'utf8' });
    const other = await open({ lines: [`eve:${stdout.trim()}`] });
    try {
      await other.s.allowed(() => other.s.request(as('eve')));
    } finally {
      await other.s.close();
    }
  });
  it('nothing sent: 401 with a challenge; a token is none', async () => {
    const missing = { status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: WRONG.challenge };
    await s.denied(missing, () => s.request({ path: '/orders/1' }));
    await s.denied(missing, async () => s.request({ path: '/orders/1', token: await s.mint() }));
  });
  it('wrong passwords and names that nobody has get the same answer; the log tells them apart, and no password', async () => {
    const { response: known, access } = await s.denied(WRONG, () => s.request(as('alice', 'hunter2hunter2')));
    const { response: unknown, access: other } = await s.denied(WRONG, () => s.request(as('hunter2hunter2', 'x')));
    const said = (response) => ({ ...response.json(), request_id: '' });
    assert.deepEqual(said(known), said(unknown));
    assert.equal(access.detail, 'alice: wrong password');
    assert.equal(other.detail, 'no such user');
    assert.ok(!JSON.stringify([access, other]).includes('hunter2'));
    for (const password of ['', PASSWORD.slice(1), PASSWORD + ' ', PASSWORD.toUpperCase()]) await s.denied(WRONG, () => s.request(as('alice', password)));
    for (const user of ['Alice', 'alice ', 'kind', 'bob:x']) await s.denied(WRONG, () => s.request(as(user)));
  });
  it('who was revoked or has expired is told no more than who is wrong', async () => {
    for (const user of ['gone', 'late']) {
      await s.denied({ ...WRONG, reason: 'basic_ended' }, () => s.request(as(user)));
      await s.denied(WRONG, () => s.request(as(user, 'wrong')));
    }
  });
  it('what is no name and password is malformed', async () => {
    const text = (value) => ({ path: '/orders/1', fields: [['Authorization', value]] });
    const encode = (value) => Buffer.from(value, 'latin1').toString('base64');
    const right = encode(`alice:${PASSWORD}`);
    for (const value of ['Basic', 'Basic ', 'Basic *', `Basic ${right}=`, `Basic ${right.slice(0, -1)}`, `Basic ${right} x`, `Basic ${encode('alice')}`, `Basic ${encode(':x')}`, `Basic ${encode('alice:\0x')}`, `Basic ${encode('alice:x\x7f')}`, `Basic ${encode('alice:\xe4')}`, `Basic ${encode(`alice:${'x'.repeat(300)}`)}`, `Basic ${encode('x'.repeat(4000))}`]) {
      await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_malformed' }, () => s.request(text(value)));
    }
    await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request({ path: '/orders/1', fields: [basicField('alice', PASSWORD), basicField('alice', PASSWORD)] }));
    await s.allowed(() => s.request(text(`bAsIc  ${right}`)));
  });
  it('scopes, roles and tags are those of the set and the user', async () => {
    for (const path of ['/write/1', '/admin/1', '/night/1']) await s.allowed(() => s.request(as('alice', PASSWORD, path)));
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => s.request(as('kind1', PASSWORD, '/write/1')));
    await s.denied({ status: 403, code: 'forbidden', reason: 'role_missing' }, () => s.request(as('kind1', PASSWORD, '/admin/1')));
    await s.denied({ status: 403, code: 'forbidden', reason: 'claim_rule' }, () => s.request(as('kind1', PASSWORD, '/night/1')));
  });
  it("a user's own limit", async () => {
    for (let i = 0; i < 2; i++) await s.allowed(() => s.request(as('bob')));
    await s.denied({ status: 429, code: 'rate_limited', reason: 'rate_caller' }, () => s.request(as('bob')));
    await s.allowed(() => s.request(as('alice')));
  });
  it('the upstream learns who it was, and never the password', async () => {
    const { echo } = await s.allowed(() => s.request(as('alice', PASSWORD, '/told/1', [['X-User', 'root']])));
    assert.deepEqual(fieldsOf(echo, 'X-User'), ['alice']);
    assert.deepEqual(fieldsOf(echo, 'Authorization'), []);
  });
  it('beside other methods: a wrong password is refused where a token would do, and a right one counts', async () => {
    await s.allowed(() => s.request(as('alice', PASSWORD, '/either/1')));
    await s.allowed(async () => s.request({ path: '/either/1', token: await s.mint({ scope: 'read_orders' }) }));
    await s.denied(WRONG, () => s.request(as('alice', 'wrong', '/either/1')));
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request(as('alice', PASSWORD, '/tokens/1')));
  });
  it('optional: nothing is anonymous, and what is wrong is not', async () => {
    await s.allowed(() => s.request({ path: '/maybe/1' }));
    await s.denied({ ...WRONG, challenge: 'Basic realm="our house", charset="UTF-8"' }, () => s.request(as('alice', 'wrong', '/maybe/1')));
  });
  it('many at once with the same password: it is hashed once, and all are let in', async () => {
    const before = (await s.gateway.metrics()).sum('sallyport_basic_cache_misses_total');
    const answers = await Promise.all(Array.from({ length: 40 }, () => s.request(as('ours', 'corrëct horse'))));
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
    assert.ok((await s.gateway.metrics()).sum('sallyport_basic_cache_misses_total') - before <= 2);
  });
  it('too many different ones: 503 with Retry-After, never a pass; who was let in before still is', async () => {
    const slow = await lineOf('slow', 'right');
    const other = await open({ lines: [slow.trim(), `alice:${QUICK}`], config: { workers: 1, overload: { queue_deadline: '0s' } } });
    try {
      await other.s.allowed(() => other.s.request(as('alice')));
      const flood = Array.from({ length: 40 }, (_, i) => other.s.request(as('slow', `guess${i}`)));
      const busy = await Promise.race(flood.map(async (one) => ((await one).status === 503 ? one : new Promise(() => {}))));
      other.s.checkDenial(busy, { status: 503, code: 'authentication_unavailable' });
      assert.match(busy.fields.get('retry-after'), /^\d+$/);
      await other.s.allowed(() => other.s.request(as('alice')));
      const statuses = (await Promise.all(flood)).map((answer) => answer.status);
      assert.ok(statuses.every((status) => status === 401 || status === 503), `${statuses}`);
      assert.ok(statuses.includes(401));
      assert.ok((await other.s.gateway.metrics()).sum('sallyport_passwords_refused_total') > 0);
      await until('the right one is let in again', async () => (await other.s.request(as('slow', 'right'))).status === 200);
    } finally {
      await other.s.close();
    }
  });
  it('a client that leaves while its password is hashed harms nobody', async () => {
    const client = await s.connect();
    await client.send(`GET /orders/1 HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: ${basicField('cut', 'wrong')[1]}\r\n\r\n`);
    client.destroy();
    await s.allowed(() => s.request(as('alice')));
  });
  it('a name that nobody has takes as long as a wrong password: one hash of the same kind', async () => {
    const one = await open({ lines: [`somebody:${QUICK}`], set: { cache: '0s' } });
    try {
      const hashed = async () => (await one.s.gateway.metrics()).sum('sallyport_passwords_hashed_total');
      const costs = async (user, password) => {
        const before = await hashed();
        const { status } = await one.s.request(as(user, password));
        return [status, (await hashed()) - before];
      };
      for (let i = 0; i < 4; i++) {
        assert.deepEqual(await costs('somebody', `guess ${i}`), [401, 1]);
        assert.deepEqual(await costs('nobody', `guess ${i}`), [401, 1]);
        assert.deepEqual(await costs(`nobody ${i}`, PASSWORD), [401, 1]);
      }
      assert.deepEqual(await costs('somebody', PASSWORD), [200, 1]);
    } finally {
      await one.s.close();
    }
  });
  // The last: it changes the file of all of the above.
  it('the file is read again when it changes: a new password, a user who is gone; the others stay', async () => {
    const changed = await lineOf('alice', 'another one');
    writeFileSync(file, `${changed}bob:${QUICK}\ngone:${QUICK}\nlate:${QUICK}\n`);
    const everywhere = (request, status) => async () => {
      for (let i = 0; i < 12; i++) if ((await s.request(request)).status !== status) return false;
      return true;
    };
    await until('the old password is wrong', everywhere(as('alice'), 401), 10_000);
    await s.allowed(() => s.request(as('alice', 'another one')));
    await until('a user who is gone is not let in', everywhere(as('kind0'), 401), 10_000);
  });
  it('a file that has become wrong is refused, and the last good one stays', async () => {
    writeFileSync(file, 'alice:secret\n');
    const line = await s.gateway.event('reload_refused');
    assert.ok(!JSON.stringify(line).includes('secret'));
    await s.allowed(() => s.request(as('alice', 'another one')));
  });
});
