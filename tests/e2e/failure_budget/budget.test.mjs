// Failure budgets: a network whose credentials are wrong again and again is verified at a rate, and no more; who shares it, and was
// verified before, notices nothing.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { basicField, HASHES, PASSWORD } from '../basic/lib.mjs';
import { changeKey, createKey, madeUp, writePepper } from '../api_keys/lib.mjs';
import { HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';

const OVER = { status: 429, code: 'too_many_failures', reason: 'verification_rate', audit: false };
const to = (path) => ({ ...READ_ORDERS, match: { host: HOST, path: `${path}/**` } });
// Regained so slowly that nothing comes back while a test runs.
const BUDGET = { failures: '5/1h', verifications: '2/1h', passwords: '2/1h', account: '3/1h' };

let s, key, file;
async function open({ budget = BUDGET, config = {} } = {}) {
  const dir = tempDir('budget');
  writePepper(dir);
  const users = join(dir, 'users');
  writeFileSync(users, ['alice', 'bob', 'carol'].map((name) => `${name}:${HASHES.yescrypt}\n`).join(''));
  const partners = { store: join(dir, 'keys.sqlite'), peppers: { p1: `\${file:${join(dir, 'pepper')}}` } };
  file = join(dir, 'keys.yaml');
  writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners } }));
  key = (await createKey(file, '--scope', 'read_orders')).key;
  s = await openStage({
    config: {
      workers: 1,
      failure_budget: budget,
      api_keys: { partners },
      basic: { staff: { htpasswd: users, scopes: ['read_orders'] } },
      ...config,
    },
    routes: {
      tokens: to('/tokens'),
      keys: { ...to('/keys'), auth: { api_key: 'partners' } },
      people: { ...to('/people'), auth: { basic: 'staff' } },
      open: { match: { host: HOST, path: '/open/**' }, upstream: 'order-service', auth: 'none' },
    },
  });
}
// The gateway's first look at a store takes every key for changed: what was cached before is asked again. A key that is revoked tells
// when that is over.
async function isFollowed() {
  const gone = await createKey(file, '--scope', 'read_orders');
  assert.equal((await from('127.0.0.9', withKey(gone.key))).status, 200);
  await changeKey(file, 'revoke', gone.id);
  await until('the revocation is seen', async () => (await from('127.0.0.9', withKey(gone.key))).status === 401, 5000);
}
const from = (localAddress, parts) => s.request({ localAddress, ...parts });
const token = async (over) => ({ path: '/tokens/1', token: await s.mint(over) });
const forged = async () => {
  const good = await s.mint({ jti: `${Math.random()}` });
  return { path: '/tokens/1', token: good.slice(0, -20) + 'A'.repeat(20) };
};
const withKey = (text) => ({ path: '/keys/1', fields: [['X-API-Key', text]] });
const as = (user, password) => ({ path: '/people/1', fields: [basicField(user, password)] });
const exhaust = async (address, make, status = 401, count = 5) => {
  for (let i = 0; i < count; i++) assert.equal((await from(address, await make(i))).status, status);
};

describe('failure budgets', () => {
  afterEach(() => s?.close());

  const kinds = {
    tokens: { wrong: forged, right: () => token(), fresh: () => token({ jti: 'another' }) },
    'API keys': { wrong: () => withKey(madeUp()), right: () => withKey(key), followed: isFollowed },
    passwords: { wrong: (i) => as(`nobody${i}`, 'x'), right: () => as('alice', PASSWORD), fresh: () => as('bob', PASSWORD) },
  };
  for (const [name, { wrong, right, fresh, followed }] of Object.entries(kinds)) {
    it(`${name}: wrong ones are verified at a rate once the budget is spent; what was verified before passes, and other networks`, async () => {
      await open();
      await followed?.();
      const good = await right();
      assert.equal((await from('127.0.0.2', good)).status, 200);
      await exhaust('127.0.0.2', wrong);
      await exhaust('127.0.0.2', (i) => wrong(10 + i), 401, 2); // at the rate
      const { response } = await s.denied(OVER, async () => from('127.0.0.2', await wrong(99)));
      assert.match(response.fields.get('retry-after'), /^[1-9]\d*$/);
      assert.equal(response.fields.get('www-authenticate'), undefined);
      // The honest twins: behind the same address, what is known; behind another, everything.
      for (let i = 0; i < 20; i++) assert.equal((await from('127.0.0.2', good)).status, 200);
      if (fresh) {
        assert.equal((await from('127.0.0.2', await fresh())).status, 429);
        assert.equal((await from('127.0.0.3', await fresh())).status, 200);
      }
      assert.equal((await from('127.0.0.3', await wrong(7))).status, 401);
      assert.equal((await from('127.0.0.2', { path: '/open/1' })).status, 200);
      const metrics = await s.gateway.metrics();
      assert.equal(metrics.sum('sallyport_over_budget_verifications_total', { outcome: 'verified' }), 2);
      assert.ok(metrics.sum('sallyport_over_budget_verifications_total', { outcome: 'refused' }) >= 1);
    });
  }

  it('twin: a victim behind the same address with a good credential that nobody verified yet passes at the rate', async () => {
    await open({ budget: { ...BUDGET, verifications: '20/1s' } });
    await exhaust('127.0.0.2', forged);
    await until('the victim is let in', async () => (await from('127.0.0.2', await token({ jti: 'victim' }))).status === 200, 5000);
  });

  it('a budget is regained with time', async () => {
    await open({ budget: { ...BUDGET, failures: '5/1s' } });
    await exhaust('127.0.0.2', forged);
    await until('failures are told as such again', async () => {
      const before = (await s.gateway.metrics()).sum('sallyport_over_budget_verifications_total');
      const { status } = await from('127.0.0.2', await forged());
      return status === 401 && (await s.gateway.metrics()).sum('sallyport_over_budget_verifications_total') === before;
    }, 5000);
  });

  it('good credentials cost nothing, however many, and neither does their absence', async () => {
    await open();
    for (let i = 0; i < 30; i++) assert.equal((await from('127.0.0.2', await token({ jti: `${i}` }))).status, 200);
    for (let i = 0; i < 30; i++) assert.equal((await from('127.0.0.2', { path: '/tokens/1' })).status, 401);
    for (const user of ['alice', 'bob', 'carol']) assert.equal((await from('127.0.0.2', as(user, PASSWORD))).status, 200);
    await exhaust('127.0.0.2', forged);
    assert.equal((await s.gateway.metrics()).sum('sallyport_over_budget_verifications_total'), 0);
  });

  it('what is found wrong for nothing counts, too: malformed keys, tokens of others', async () => {
    await open();
    await exhaust('127.0.0.2', () => withKey('garbage'));
    await exhaust('127.0.0.2', () => withKey('garbage'), 401, 3); // they need no verification
    await s.gateway.audit('one failure by itself', (l) => l.reason === 'api_key_malformed');
    assert.equal((await s.gateway.metrics()).sum('sallyport_authentication_failures_summarised_total'), 3);
  });

  it('IPv6 counts by the /64, and IPv4 in IPv6 as IPv4', async () => {
    await open({ config: { listeners: { public: { trusted_proxies: ['127.0.0.1'], forwarded: 'x_forwarded' } } } });
    const of = async (address) => ({ ...(await forged()), fields: [['X-Forwarded-For', address]] });
    const statusOf = async (address) => (await s.request(await of(address))).status;
    for (let i = 0; i < 7; i++) assert.equal(await statusOf(`2001:db8:1:2::${i}`), 401);
    assert.equal(await statusOf('2001:db8:1:2:ffff::1'), 429);
    assert.equal(await statusOf('2001:db8:1:3::1'), 401);
    for (let i = 0; i < 7; i++) assert.equal(await statusOf(i % 2 ? '192.0.2.1' : '::ffff:192.0.2.1'), 401);
    assert.equal(await statusOf('192.0.2.1'), 429);
  });

  it('passwords: an account is locked for a network, not for others, and not for who is in already', async () => {
    await open({ budget: { ...BUDGET, failures: '100/1h' } });
    assert.equal((await from('127.0.0.2', as('carol', PASSWORD))).status, 200);
    for (const user of ['alice', 'carol', 'nobody']) {
      await exhaust('127.0.0.2', (i) => as(user, `guess${i}`), 401, 3);
      const { response } = await s.denied({ status: 429, code: 'too_many_failures', reason: 'account_locked' }, () => from('127.0.0.2', as(user, 'guess')));
      assert.match(response.fields.get('retry-after'), /^[1-9]\d*$/);
    }
    assert.equal((await from('127.0.0.2', as('alice', PASSWORD))).status, 429, 'a guess that is right tells nothing');
    assert.equal((await from('127.0.0.3', as('alice', PASSWORD))).status, 200);
    assert.equal((await from('127.0.0.2', as('carol', PASSWORD))).status, 200);
    assert.equal((await from('127.0.0.2', as('bob', PASSWORD))).status, 200);
  });

  it('many guesses at once get no more than the account has', async () => {
    await open({ budget: { ...BUDGET, failures: '100/1h' } });
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => from('127.0.0.2', as('alice', `guess${i}`))));
    assert.equal(answers.filter((answer) => answer.status === 401).length, 3);
    assert.equal(answers.filter((answer) => answer.status === 429).length, 9);
  });

  it('audit: failures have a line each until the budget is spent, and then are counted', async () => {
    await open();
    const said = [];
    for (let i = 0; i < 40; i++) said.push(await from('127.0.0.2', await forged()));
    const summary = await s.gateway.audit('the summary', (l) => l.event === 'authentication_failures', 20_000);
    assert.match(summary.detail, /^127\.0\.0\.2: 35 in \d+s: token_signature 2, verification_rate 33$/);
    const ids = new Set(said.map((answer) => answer.fields.get('x-request-id')));
    const lines = s.gateway.lines.filter((l) => l.log === 'audit' && ids.has(l.request_id));
    assert.equal(lines.length, 5);
    assert.equal((await s.gateway.metrics()).sum('sallyport_authentication_failures_total'), 40);
  });

  it('audit: what is not told yet is told when the gateway ends', async () => {
    await open();
    for (let i = 0; i < 9; i++) await from('127.0.0.2', await forged());
    await s.gateway.stop();
    const summary = s.gateway.lines.find((l) => l.log === 'audit' && l.event === 'authentication_failures');
    assert.match(summary?.detail ?? '', /^127\.0\.0\.2: 4 in /);
  });

  it('off: everything is verified, and told', async () => {
    await open({ budget: 'off' });
    await exhaust('127.0.0.2', forged, 401, 30);
    assert.equal((await s.gateway.metrics()).sum('sallyport_authentication_failures_summarised_total'), 0);
  });
});

describe('failure budgets by default', () => {
  before(() => open({ budget: undefined, config: { failure_budget: {} } }));
  after(() => s?.close());
  it('are on', async () => {
    let refused = 0;
    for (let i = 0; i < 400 && refused === 0; i++) refused += (await from('127.0.0.2', as(`nobody${i}`, 'x'))).status === 429 ? 1 : 0;
    assert.equal(refused, 1);
  });
});
