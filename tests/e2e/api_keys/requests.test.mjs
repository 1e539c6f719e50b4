// Routes whose callers prove who they are by API keys: what is let in, as whom, and how soon a change bites.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { closeAll, fieldsOf, HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { changeKey, createKey, madeUp, POSTGRES, showKey, SQLITE, writePepper } from './lib.mjs';

const KEYED = { ...READ_ORDERS, auth: { api_key: 'partners' } };
const keyed = (path, over = {}) => ({ ...KEYED, match: { host: HOST, path: `${path}/**` }, ...over });
const withKey = (key, path = '/orders/1', fields = []) => ({ path, fields: [['X-API-Key', key], ...fields] });

// The gateway and a set of keys with a store. `file`: its configuration, for the commands.
async function open({ kind = SQLITE, set = {}, routes = {}, config = {}, ...rest } = {}) {
  const dir = tempDir('api-keys');
  writePepper(dir);
  const place = await kind.make(dir);
  const setOf = (where) => ({ ...where, peppers: { p1: `\${file:${join(dir, 'pepper')}}` }, ...set });
  const partners = setOf(place.gateway);
  const file = join(dir, 'keys.yaml');
  writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners: setOf(place.commands) } }));
  const made = await createKey(file, '--scope', 'read_orders', '--tag', 'gold', '--tag', 'eu');
  const s = await openStage({ config: { api_keys: { partners }, ...config }, routes: { 'read-orders': KEYED, ...routes }, ...rest });
  return { s, file, dir, made, place, store: partners.store };
}

const INVALID = { status: 401, code: 'invalid_api_key', challenge: 'ApiKey' };
const within2s = async (what, look) => {
  const began = Date.now();
  await until(what, look, 5000);
  // Two seconds are the promise; a machine that is busy with other tests is given a moment more.
  assert.ok(Date.now() - began < 2000 * Number(process.env.SALLYPORT_SLOW ?? 1) + 500, `${what} took ${Date.now() - began} ms`);
};

// By whichever worker answers: each has a memory of its own.
const everywhere = (s, key, status) => async () => {
  for (let i = 0; i < 12; i++) if ((await s.request(withKey(key))).status !== status) return false;
  return true;
};

for (const kind of [SQLITE, POSTGRES]) {
  describe(`a route with API keys, kept in ${kind.name}`, { skip: kind.skip }, () => {
    let s, file, made, place;
    before(async () => {
      await kind.open();
      ({ s, file, made, place } = await open({
        kind,
        routes: {
          gold: keyed('/gold', { authorize: { claims: [{ claim: 'tags', contains: 'gold' }] } }),
          silver: keyed('/silver', { authorize: { claims: [{ claim: 'tags', contains: 'silver' }] } }),
          either: keyed('/either', { auth: { any_of: [{ jwt: 'main' }, { api_key: 'partners' }] } }),
          both: keyed('/both', { auth: { all_of: [{ jwt: 'main' }, { api_key: 'partners' }] } }),
          maybe: keyed('/maybe', { auth: { api_key: 'partners', mode: 'optional' }, authorize: 'any_caller' }),
          tokens: { ...READ_ORDERS, match: { host: HOST, path: '/tokens/**' } },
          open: { match: { host: HOST, path: '/open/**' }, upstream: 'order-service', auth: 'none' },
          told: keyed('/told', { relay: { headers: { 'X-Consumer': 'claims.consumer', 'X-Key-Id': 'claims.key_id' } } }),
        },
      }));
    });
    after(() => closeAll(() => s?.close(), () => kind.close()));

    it('twin: the right key is let in, again and again', async () => {
      for (let i = 0; i < 5; i++) await s.allowed(() => s.request(withKey(made.key)));
      const line = await s.gateway.access('a request with a key', (l) => l.path === '/orders/1' && l.status === 200);
      assert.ok(!JSON.stringify(line).includes(made.key));
    });
    it('no key: 401 with a challenge; a token is none', async () => {
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'ApiKey' }, () => s.request({ path: '/orders/1' }));
      const token = await s.mint();
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/orders/1', token }));
    });
    it('wrong keys: one public code for all of them', async () => {
      const typo = made.key.slice(0, -1) + (made.key.endsWith('x') ? 'y' : 'x');
      const wrong = { garbage: 'api_key_malformed', '': 'api_key_malformed', [typo]: 'api_key_malformed', [made.key.slice(0, -1)]: 'api_key_malformed', [`${made.key}0`]: 'api_key_malformed', [`Bearer ${made.key}`]: 'api_key_malformed', [made.id]: 'api_key_malformed', [made.digest]: 'api_key_malformed', [madeUp('acme_live')]: 'api_key_malformed', [madeUp()]: 'api_key_unknown' };
      for (const [key, reason] of Object.entries(wrong)) await s.denied({ ...INVALID, reason }, () => s.request(withKey(key)));
    });
    it('T20: a wrong key beside a right token is refused, and a wrong token beside a right key; the right ones are let in', async () => {
      const token = await s.mint();
      const bearer = (text) => [['Authorization', `Bearer ${text}`]];
      for (const path of ['/either/1', '/both/1']) {
        await s.denied({ ...INVALID, reason: 'api_key_unknown' }, () => s.request(withKey(madeUp(), path, bearer(token))));
        await s.denied({ ...INVALID, reason: 'api_key_malformed' }, () => s.request(withKey('garbage', path, bearer(token))));
        await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request(withKey(made.key, path, bearer('garbage'))));
        await s.allowed(() => s.request(withKey(made.key, path, bearer(token))));
      }
      await s.denied({ ...INVALID, reason: 'api_key_unknown' }, () => s.request(withKey(madeUp(), '/maybe/1')));
      await s.allowed(() => s.request({ path: '/maybe/1' }));
      await s.allowed(() => s.request(withKey(made.key, '/either/1')));
      await s.allowed(() => s.request({ path: '/either/1', token }));
      for (const one of [withKey(made.key, '/both/1'), { path: '/both/1', token }]) {
        await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request(one));
      }
    });
    it('the header twice: 400, in either order, equal ones too', async () => {
      for (const [one, other] of [[made.key, 'garbage'], ['garbage', made.key], [made.key, made.key]]) {
        await s.denied({ status: 400, code: 'invalid_request', reason: 'credential_repeated' }, () => s.request(withKey(one, '/orders/1', [['x-api-key', other]])));
      }
    });
    it('a key in the query, in a cookie, as a token or in a header spelt otherwise is none', async () => {
      const nowhere = [{ path: `/orders/1?X-API-Key=${made.key}&api_key=${made.key}` }, { path: '/orders/1', fields: [['Cookie', `X-API-Key=${made.key}`]] }, { path: '/orders/1', fields: [['Authorization', `Bearer ${made.key}`]] }, { path: '/orders/1', fields: [['X_API_Key', made.key]] }];
      for (const one of nowhere) await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request(one));
    });
    it('a key never goes on, on no route, in no spelling, in no trailer', async () => {
      for (const path of ['/orders/1', '/told/1', '/open/1']) {
        const { echo } = await s.allowed(() => s.request(withKey(made.key, path)));
        assert.ok(!JSON.stringify(echo).includes(made.key), path);
        assert.deepEqual(fieldsOf(echo, 'X-API-Key'), []);
      }
      const { echo } = await s.allowed(() => s.request({ path: '/open/1', fields: [['X_Api_Key', made.key], ['x-api-key', made.key]] }));
      assert.ok(!JSON.stringify(echo).includes(made.key));
      const token = await s.mint();
      const other = await s.allowed(() => s.request({ ...withKey(made.key, '/tokens/1'), token }));
      assert.ok(!JSON.stringify(other.echo).includes(made.key));
    });
    it('scopes, tags and the consumer are those of the key', async () => {
      await s.allowed(() => s.request(withKey(made.key, '/gold/1')));
      await s.denied({ status: 403, code: 'forbidden', reason: 'claim_rule' }, () => s.request(withKey(made.key, '/silver/1')));
      const weak = await createKey(file, '--scope', 'write_orders');
      await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => s.request(withKey(weak.key)));
      const { echo } = await s.allowed(() => s.request(withKey(made.key, '/told/1', [['X-Consumer', 'root']])));
      assert.deepEqual(fieldsOf(echo, 'X-Consumer'), ['acme']);
      assert.deepEqual(fieldsOf(echo, 'X-Key-Id'), [made.id]);
    });
    it('T29: a wrong key stands in no answer and in no log', async () => {
      const secrets = [madeUp(), `${madeUp().slice(0, -3)}???`, 'sallyport_thisLooksLikeAKeyAndIsNone'];
      for (const key of secrets) {
        const response = await s.request(withKey(key));
        assert.ok(!response.text.includes(key) && !JSON.stringify(response.fields.list).includes(key));
      }
      await s.allowed(() => s.request(withKey(made.key)));
      for (const key of [...secrets, made.key, made.digest]) assert.ok(!s.gateway.output.includes(key));
      assert.ok(!s.gateway.output.includes(made.key.slice(10, 40)));
    });
    it('a revoked key is refused within two seconds, and nobody else; one that is made is let in at once', async () => {
      const doomed = await createKey(file, '--scope', 'read_orders');
      await s.allowed(() => s.request(withKey(doomed.key)));
      await changeKey(file, 'revoke', doomed.id);
      await within2s('the revoked key to be refused', everywhere(s, doomed.key, 401));
      const { detail } = await s.gateway.audit('the change of a key', (l) => l.event === 'api_keys_changed');
      assert.equal(detail.slice(0, detail.lastIndexOf(': ')), place.label);
      // By every worker, for ever.
      for (let i = 0; i < 10; i++) await s.denied({ ...INVALID, reason: 'api_key_revoked' }, () => s.request(withKey(doomed.key)));
      await s.allowed(() => s.request(withKey(made.key)));
    });
    it('an end is an end: by its time, and by `expire`', async () => {
      const short = await createKey(file, '--scope', 'read_orders', '--expires', '3s');
      await s.allowed(() => s.request(withKey(short.key)));
      await until('the key to end', async () => (await s.request(withKey(short.key))).status === 401, 10_000);
      await s.denied({ ...INVALID, reason: 'api_key_expired' }, () => s.request(withKey(short.key)));
      await changeKey(file, 'expire', short.id, '--expires', '1h');
      await within2s('the key to live again', async () => (await s.request(withKey(short.key))).status === 200);
    });
    it('rotation: both are good in the overlap, the use of the old one is reported, and then it ends', async () => {
      const old = await createKey(file, '--scope', 'read_orders');
      await s.allowed(() => s.request(withKey(old.key)));
      const next = JSON.parse(await changeKey(file, 'rotate', old.id, '--overlap', '1h', '--json'));
      await s.allowed(() => s.request(withKey(next.key)));
      await until('the use of the old key to be reported', async () => {
        await s.allowed(() => s.request(withKey(old.key)));
        return s.gateway.events.find((e) => e.event === 'api_key_superseded_used' && e.id === old.id);
      }, 10_000);
      assert.ok(!s.gateway.events.some((e) => e.event === 'api_key_superseded_used' && e.id === next.id));
      await changeKey(file, 'expire', old.id, '--expires', 'now');
      await within2s('the old key to be refused', everywhere(s, old.key, 401));
      await s.allowed(() => s.request(withKey(next.key)));
    });
    it('a key in use that ends soon is reported; one with time left is not', async () => {
      const soon = await createKey(file, '--scope', 'read_orders', '--expires', '2d');
      const later = await createKey(file, '--scope', 'read_orders', '--expires', '90d');
      await until('the warning', async () => {
        await s.allowed(() => s.request(withKey(soon.key)));
        await s.allowed(() => s.request(withKey(later.key)));
        return s.gateway.events.find((e) => e.event === 'api_key_expiring' && e.id === soon.id && e.consumer === 'acme');
      }, 10_000);
      assert.ok(!s.gateway.events.some((e) => e.id === later.id));
    });
    it('the last use is known', async () => {
      const used = await createKey(file, '--scope', 'read_orders');
      assert.equal((await showKey(file, used.id)).last_used, null);
      await s.allowed(() => s.request(withKey(used.key)));
      await until('the use to be noted', async () => (await showKey(file, used.id)).last_used !== null, 10_000);
      assert.ok(Math.abs(Date.parse((await showKey(file, used.id)).last_used) - Date.now()) < 60e3);
    });
    it('a limit of its own holds over all routes and keys of the consumer', async () => {
      const args = ['--scope', 'read_orders', '--limit', '3/1h', '--consumer', 'small'];
      const [one, two] = [await createKey(file, ...args), await createKey(file, ...args)];
      await s.allowed(() => s.request(withKey(one.key)));
      await s.allowed(() => s.request(withKey(two.key)));
      const { response } = await s.allowed(() => s.request(withKey(one.key, '/told/1')));
      assert.match(response.fields.get('ratelimit-policy'), /"consumer";q=3;w=3600/);
      for (const key of [one.key, two.key]) await s.denied({ status: 429, code: 'rate_limited', reason: 'rate_caller' }, () => s.request(withKey(key)));
      await s.allowed(() => s.request(withKey(made.key)));
    });
    it('many wrong keys leave the right one quick and known', async () => {
      await s.allowed(() => s.request(withKey(made.key)));
      const before = await s.gateway.metrics();
      await Promise.all(Array.from({ length: 8 }, async () => {
        const client = await s.connect();
        for (let i = 0; i < 50; i++) {
          await client.send(`GET /orders/1 HTTP/1.1\r\nHost: ${HOST}\r\nX-API-Key: ${madeUp()}\r\n\r\n`);
          assert.equal((await client.response()).status, 401);
        }
        client.end();
      }));
      for (let i = 0; i < 20; i++) await s.allowed(() => s.request(withKey(made.key)));
      const after = await s.gateway.metrics();
      assert.ok(after.sum('sallyport_api_key_cache_misses_total') - before.sum('sallyport_api_key_cache_misses_total') <= 2); // one a worker
    });
  });
}

// As a program does that writes and does not end: Python's, which the build needs anyway.
async function lock(store) {
  const script = 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute("BEGIN EXCLUSIVE"); print("locked", flush=True); sys.stdin.read()';
  const holder = spawn('python3', ['-c', script, store], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(holder, 'exit');
  await once(holder.stdout, 'data');
  return { release: () => (holder.stdin.end(), ended) };
}

describe('a store that is gone', () => {
  for (const [how, kill, revive] of [
    ['removed', (store) => renameSync(store, `${store}.away`), (store) => renameSync(`${store}.away`, store)],
    ['locked', lock, (store, holder) => holder.release()],
    ['overwritten', (store) => (renameSync(store, `${store}.away`), writeFileSync(store, 'garbage '.repeat(2000))), (store) => renameSync(`${store}.away`, store)],
  ]) {
    it(`${how}: known keys go on, others are 503 with Retry-After; back again, all is well`, async () => {
      const { s, file, made, store } = await open();
      try {
        const unknown = await createKey(file, '--scope', 'read_orders');
        await warm(s, made.key);
        const killed = await kill(store);
        await s.gateway.event('key_store_unavailable');
        for (let i = 0; i < 10; i++) await s.allowed(() => s.request(withKey(made.key)));
        const { response } = await s.denied({ status: 503, code: 'authentication_unavailable', reason: 'key_store_unavailable' }, () => s.request(withKey(unknown.key)));
        assert.ok(Number(response.fields.get('retry-after')) >= 1);
        await s.denied({ ...INVALID, reason: 'api_key_malformed' }, () => s.request(withKey('garbage')));
        await revive(store, killed);
        await within2s('the store to be read again', async () => (await s.request(withKey(unknown.key))).status === 200);
      } finally {
        await s.close();
      }
    });
  }
  it('for longer than `stale`: nobody knows any more', async () => {
    const { s, made, store } = await open({ set: { stale: '2s' } });
    try {
      await warm(s, made.key);
      renameSync(store, `${store}.away`);
      await until('the key to be too old', async () => (await s.request(withKey(made.key))).status === 503, 10_000);
      renameSync(`${store}.away`, store);
      await within2s('the store to be read again', async () => (await s.request(withKey(made.key))).status === 200);
    } finally {
      await s.close();
    }
  });
  it('from the start: the gateway serves what needs no keys, and keys as soon as there is a store', async () => {
    const { s, made, store } = await open({ routes: { open: { match: { host: HOST, path: '/open/**' }, upstream: 'order-service', auth: 'none' } }, start: false });
    renameSync(store, `${store}.away`);
    try {
      const { startGateway } = await import('../lib/gateway.mjs');
      s.gateway = await startGateway({ config: s.config });
      await s.allowed(() => s.request({ path: '/open/1' }));
      await s.denied({ status: 503, code: 'authentication_unavailable', reason: 'key_store_unavailable' }, () => s.request(withKey(made.key)));
      renameSync(`${store}.away`, store);
      await within2s('the store to be read', async () => (await s.request(withKey(made.key))).status === 200);
    } finally {
      await s.close();
    }
  });
});

// Until both workers know it: then no look-up of it is left to be made.
async function warm(s, key) {
  const known = async () => (await s.gateway.metrics()).sum('sallyport_api_key_cache_misses_total');
  await until('both workers to know the key', async () => {
    for (let i = 0; i < 10; i++) await s.allowed(() => s.request(withKey(key)));
    return (await known()) >= 2;
  }, 20_000);
}

describe('configurations of API keys', () => {
  it('keys in a file: a change is taken up', async () => {
    const dir = tempDir('api-keys');
    writePepper(dir);
    const partners = { file: join(dir, 'keys.yaml'), prefix: 'acme_live', header: 'Acme-Key', peppers: { p1: `\${file:${join(dir, 'pepper')}}` } };
    const file = join(dir, 'gateway.yaml');
    writeFileSync(partners.file, 'keys: {}\n');
    writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners } }));
    const entry = (made, more = '') => `  ${made.id}: { digest: "${made.digest}", pepper: p1, consumer: acme, scopes: [read_orders]${more} }\n`;
    const [one, two] = [await createKey(file), await createKey(file)];
    writeFileSync(partners.file, `keys:\n${entry(one)}`);
    const s = await openStage({ config: { api_keys: { partners } }, routes: { 'read-orders': KEYED } });
    const send = (key) => s.request({ path: '/orders/1', fields: [['Acme-Key', key]] });
    try {
      await s.allowed(() => send(one.key));
      await s.denied({ ...INVALID, reason: 'api_key_unknown' }, () => send(two.key));
      writeFileSync(partners.file, `keys:\n${entry(one, ', revoked: true')}${entry(two)}`);
      await until('the file to be taken up', async () => (await send(two.key)).status === 200, 10_000);
      await s.denied({ ...INVALID, reason: 'api_key_revoked' }, () => send(one.key));
    } finally {
      await s.close();
    }
  });
  it('two sets share a header: the prefix tells them apart; with one prefix they are refused', async () => {
    const dir = tempDir('api-keys');
    writePepper(dir);
    const set = (name, prefix) => ({ store: join(dir, `${name}.sqlite`), prefix, peppers: { p1: `\${file:${join(dir, 'pepper')}}` } });
    const sets = { test: set('test', 'acme_test'), live: set('live', 'acme_live') };
    const file = join(dir, 'gateway.yaml');
    const write = (api_keys) => writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys, upstreams: { a: { endpoints: ['http://127.0.0.1:9'] } }, routes: { r: { ...keyed('/x'), upstream: 'a', auth: { api_key: ['test', 'live'] } } } }));
    write(sets);
    const [test, live] = [await createKey(file, '--set', 'test', '--scope', 'read_orders'), await createKey(file, '--set', 'live', '--scope', 'read_orders')];
    const s = await openStage({ config: { api_keys: sets }, routes: { 'read-orders': { ...KEYED, auth: { api_key: ['test', 'live'] } }, live: keyed('/live', { auth: { api_key: 'live' } }) } });
    try {
      await s.allowed(() => s.request(withKey(test.key)));
      await s.allowed(() => s.request(withKey(live.key)));
      await s.allowed(() => s.request(withKey(live.key, '/live/1')));
      await s.denied({ ...INVALID, reason: 'api_key_malformed' }, () => s.request(withKey(test.key, '/live/1')));
    } finally {
      await s.close();
    }
    const { sallyport } = await import('../lib/gateway.mjs');
    write({ test: sets.test, live: { ...sets.live, prefix: 'acme_test' } });
    const { code, stderr } = await sallyport(['check', file]);
    assert.equal(code, 1);
    assert.match(stderr, /have the same header and prefix: a key could be either's/);
  });
  it('a reload that brings a store elsewhere takes it up; a route without its set is refused', async () => {
    const { s, made, dir, store } = await open();
    try {
      await s.allowed(() => s.request(withKey(made.key)));
      const elsewhere = tempDir('api-keys-elsewhere');
      renameSync(store, join(elsewhere, 'keys.sqlite'));
      const config = structuredClone(s.config);
      config.api_keys.partners.store = join(elsewhere, 'keys.sqlite');
      s.gateway.write(config);
      await s.gateway.reload();
      await until('the store to be read', async () => (await s.request(withKey(made.key))).status === 200, 10_000);
      assert.ok(existsSync(join(dir, 'pepper')));
      delete config.api_keys;
      s.gateway.write(config);
      const { sallyport } = await import('../lib/gateway.mjs');
      const { stderr } = await sallyport(['check', s.gateway.file]);
      assert.match(stderr, /there is no set of API keys "partners"/);
    } finally {
      await s.close();
    }
  });
});
