// The admin API with keys in PostgreSQL: what holds while the database is gone, hangs or refuses, and what a role may.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKey, POSTGRES, writePepper } from '../api_keys/lib.mjs';
import { READER, ROLES, WRITER } from '../lib/postgres.mjs';
import { closeAll, OPEN, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { SLOW, until } from '../lib/wait.mjs';
import { openAdmin } from './lib.mjs';

const UNAVAILABLE = { status: 503, code: 'unavailable', reason: 'admin_unavailable' };
const BOUND = 10_000; // of whatever a store may take for a request

describe('the admin API, its database', { skip: POSTGRES.skip }, () => {
  before(() => POSTGRES.open());
  after(() => POSTGRES.close());
  const open = (options = {}) => openAdmin({ kind: POSTGRES, ...options });
  // As another role, or with other settings, as the admin's.
  const as = async (role, over = {}) => {
    const s = await open({ start: false });
    s.config.api_keys.partners.postgres = s.place.database.settings(role, over);
    return s;
  };
  // Refused for a reason that stands in the log, and no secret in any of it.
  const refused = async (s, detail, make) => {
    const { response, access } = await s.denied(UNAVAILABLE, make);
    assert.match(access.detail, detail);
    assert.ok(Number(response.fields.get('retry-after')) >= 1);
    noSecret(s, response.text);
  };
  const noSecret = (s, text = '') => {
    for (const { password } of ROLES) assert.ok(!(s.gateway.output + text).includes(password), 'a password was told');
  };

  it('frozen: 503 in time, whatever its timeouts say; workers and the pool serve the others meanwhile', async () => {
    const dir = tempDir('local');
    writePepper(dir);
    const s = await open({
      config: { workers: 4, api_keys: { local: { store: join(dir, 'keys.sqlite'), header: 'X-Local-Key', peppers: { p1: `\${file:${join(dir, 'pepper')}}` } } } },
      admin: { api_keys: ['partners'] },
      routes: { open: OPEN, local: { ...READ_ORDERS, match: { ...READ_ORDERS.match, path: '/local/**' }, auth: { api_key: 'local' } } },
    });
    try {
      const made = await s.make({ consumer: 'acme' });
      const locals = [];
      for (let i = 0; i < 4; i++) locals.push((await createKey(s.gateway.file, '--set', 'local', '--scope', 'read_orders')).key);
      POSTGRES.server.freeze();
      const began = Date.now();
      let answered = 0;
      const asked = Array.from({ length: 16 }, () => s.post(`/v1/keys/${made.id}/revoke`).finally(() => answered++));
      await until('it to be asked', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') > 0);
      // A look-up in a file is work for the pool.
      for (const key of locals) {
        await s.allowed(() => s.request({ path: '/local/1', fields: [['X-Local-Key', key]] }));
        await s.allowed(() => s.request({ path: '/open/1' }));
      }
      assert.ok(answered < 16 && Date.now() - began < BOUND, 'the others waited for the database');
      const responses = await Promise.all(asked);
      const took = Date.now() - began;
      assert.deepEqual([...new Set(responses.map((r) => r.status))], [503]);
      assert.ok(took < BOUND * 1.5 * SLOW, `${took} ms`);
      POSTGRES.server.thaw();
      assert.equal((await s.post(`/v1/keys/${made.id}/revoke`)).status, 200);
      noSecret(s);
    } finally {
      await closeAll(() => POSTGRES.server.restore(), () => s.close());
    }
  });
  it('locked by somebody: 503, nothing is changed, and well again', async () => {
    const s = await open();
    try {
      const made = await s.make();
      const lock = s.place.database.sql('BEGIN; LOCK TABLE sallyport.store IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT');
      await until('the lock', async () => (await s.place.database.sql("SELECT count(*) FROM pg_locks WHERE relation = 'sallyport.store'::regclass AND mode = 'AccessExclusiveLock' AND granted")) === '1');
      await refused(s, /locked by another process/, () => s.post(`/v1/keys/${made.id}/revoke`));
      await lock;
      assert.equal((await s.get(`/v1/keys/${made.id}`)).json().state, 'active');
    } finally {
      await s.close();
    }
  });
  it('a role that may only read: keys are told, and none is changed', async () => {
    const s = await as(READER);
    try {
      const made = await createKey(s.commands, '--scope', 'read_orders');
      await s.start();
      assert.equal((await s.get(`/v1/keys/${made.id}`)).json().state, 'active');
      for (const [path, body] of [['/v1/keys', { consumer: 'acme', id: 'mine' }], [`/v1/keys/${made.id}/revoke`], [`/v1/keys/${made.id}/rotate`, { id: 'mine' }], [`/v1/keys/${made.id}/expire`, { expires: 'now' }]]) {
        await refused(s, /has no right to that/, () => s.post(path, body));
      }
      assert.equal((await s.get(`/v1/keys/${made.id}`)).json().state, 'active');
      assert.equal((await s.get('/v1/keys/mine')).status, 404);
      assert.equal((await s.use(made.key)).status, 200);
    } finally {
      await s.close();
    }
  });
  it('the role that docs/api-keys.md names for it: no key is deleted, no table is dropped by it', async () => {
    const s = await open();
    try {
      await s.make();
      const { database } = s.place;
      for (const sql of ['DELETE FROM sallyport.keys', 'TRUNCATE sallyport.keys', 'DROP TABLE sallyport.keys', 'ALTER TABLE sallyport.store DISABLE TRIGGER ALL', 'CREATE TABLE sallyport.mine ()']) {
        await assert.rejects(() => database.sql(`SET ROLE sallyport_admin; ${sql}`), /permission denied|must be owner/, sql);
      }
    } finally {
      await s.close();
    }
  });
  it('the role that owns the schema: the first key makes the tables', async () => {
    const s = await as(WRITER);
    try {
      await s.place.database.sql('DROP SCHEMA sallyport CASCADE; CREATE SCHEMA sallyport AUTHORIZATION sallyport_keys');
      await s.start();
      await refused(s, /there is no key store here/, () => s.get('/v1/keys'));
      const made = await s.make();
      assert.deepEqual((await s.get('/v1/keys')).json().keys.map((key) => key.id), [made.id]);
      await until('it to work', async () => (await s.use(made.key)).status === 200, 10_000);
    } finally {
      await s.close();
    }
  });
  it('a password that is refused: said in the log, without it', async () => {
    const s = await as(READER);
    const file = join(s.dir, 'wrong');
    writeFileSync(file, 'not-the-secret');
    s.config.api_keys.partners.postgres.password = `\${file:${file}}`;
    try {
      await s.start();
      await refused(s, /refuses the password/, () => s.get('/v1/keys'));
      assert.ok(!s.gateway.output.includes('not-the-secret'));
    } finally {
      await s.close();
    }
  });
  it('a large store, of which little is wanted: page by page, each in time', async () => {
    const s = await open();
    try {
      const few = [];
      const fill = () =>
        s.place.database.sql(`INSERT INTO sallyport.keys (digest, sequence, id, pepper_id, consumer, description, scopes, tags, limit_count, limit_window, created, expires, revoked, superseded, replaces)
          SELECT sha256(('x' || n)::bytea), n, 'x' || n, 'p1', 'crowd', '', '', '', 0, 0, 1, 0, 0, 0, '' FROM (SELECT (SELECT max(sequence) FROM sallyport.keys) + generate_series(1, 15000) AS n) AS s;
          UPDATE sallyport.store SET sequence = (SELECT max(sequence) FROM sallyport.keys)`);
      for (let i = 0; i < 3; i++) {
        few.push((await s.make({ expires: '5d' })).id);
        await fill();
      }
      const seen = [];
      let pages = 0;
      for (let next = ''; next !== null; pages++) {
        const page = (await s.get(`/v1/keys?expiring=30d${next ? `&after=${next}` : ''}`)).json();
        seen.push(...page.keys.map((key) => key.id));
        next = page.next;
      }
      assert.deepEqual(seen, few);
      assert.equal(pages, 3); // of 45004 keys, 20000 looked at for each
      const page = (await s.get('/v1/keys?consumer=crowd&limit=1000')).json();
      assert.ok(page.keys.length > 100 && page.next !== null);
    } finally {
      await s.close();
    }
  });
});
