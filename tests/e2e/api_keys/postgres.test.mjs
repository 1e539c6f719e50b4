// Keys in PostgreSQL: what holds while it is gone, hangs, or is not who it should be; and many gateways with one store.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport, startGateway } from '../lib/gateway.mjs';
import { Authority, authority } from '../lib/pki.mjs';
import { noPostgres, READER, ROLES, WRITER } from '../lib/postgres.mjs';
import { closeAll, HOST, OPEN, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { SLOW, until } from '../lib/wait.mjs';
import { changeKey, createKey, keys, POSTGRES, showKey, writePepper } from './lib.mjs';

const KEYED = { ...READ_ORDERS, auth: { api_key: 'partners' } };
const withKey = (key) => ({ path: '/orders/1', fields: [['X-API-Key', key]] });
const UNAVAILABLE = { status: 503, code: 'authentication_unavailable', reason: 'key_store_unavailable' };

const within = async (ms, what, look) => {
  const began = Date.now();
  await until(what, look, ms * 3);
  const took = Date.now() - began;
  assert.ok(took < ms * SLOW + 500, `${what} took ${took} ms`); // a machine that is busy with other tests is given a moment more
  return took;
};

let server;

// The gateway, its database, and a key. `over`: settings of the gateway's connection.
async function open({ over = {}, set = {}, config = {}, routes = {}, ...rest } = {}) {
  const dir = tempDir('postgres');
  writePepper(dir);
  const database = await server.database();
  const peppers = { p1: `\${file:${join(dir, 'pepper')}}` };
  const file = join(dir, 'keys.yaml');
  const write = (settings) =>
    writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners: { postgres: settings, peppers } } }));
  write(database.settings(WRITER));
  const made = await createKey(file, '--scope', 'read_orders');
  const partners = { postgres: database.settings(READER, over), peppers, ...set };
  const s = await openStage({ config: { api_keys: { partners }, ...config }, routes: { 'read-orders': KEYED, open: OPEN, ...routes }, ...rest });
  return { s, file, made, database, write };
}

// Until both workers know it.
const warm = (s, key) =>
  until('both workers to know the key', async () => {
    for (let i = 0; i < 10; i++) await s.allowed(() => s.request(withKey(key)));
    return (await s.gateway.metrics()).sum('sallyport_api_key_cache_misses_total') >= 2;
  }, 20_000);

const refusedEverywhere = (s, key) => async () => {
  for (let i = 0; i < 12; i++) if ((await s.request(withKey(key))).status !== 401) return false;
  return true;
};

const noSecret = (text) => {
  for (const { password } of ROLES) assert.ok(!text.includes(password), 'a password was told');
};

before(async () => {
  if (noPostgres) return;
  await POSTGRES.open({ tls: authority().issue({ dns: ['localhost'] }) });
  server = POSTGRES.server;
});
after(() => POSTGRES.close());

describe('a database that is gone', { skip: noPostgres }, () => {
  for (const [how, kill, revive] of [
    ['stopped', () => server.down('SIGINT'), () => server.up()],
    ['crashed', () => server.down('SIGQUIT'), () => server.up()],
    ['frozen', () => server.freeze(), () => server.thaw()],
  ]) {
    it(`${how}: known keys go on, others are 503, nobody else waits; back again, all is well`, async () => {
      const { s, file, made } = await open({ over: { statement_timeout: '3s' } });
      try {
        const unknown = await createKey(file, '--scope', 'read_orders');
        await warm(s, made.key);
        await kill();
        // What needs no store, and what is known, does not wait for one that is asked for while the database hangs.
        const began = Date.now();
        let answered = false;
        const asked = s.request(withKey(unknown.key)).finally(() => (answered = true));
        for (let i = 0; i < 5; i++) {
          await s.allowed(() => s.request({ path: '/open/1' }));
          await s.allowed(() => s.request(withKey(made.key)));
        }
        if (how === 'frozen') assert.ok(!answered, 'others waited as long as the one that asks the database');
        assert.equal((await asked).status, 503);
        assert.ok(Date.now() - began < 6000 * SLOW, `the answer took ${Date.now() - began} ms`);
        await s.gateway.event('key_store_unavailable');
        for (let i = 0; i < 10; i++) await s.allowed(() => s.request(withKey(made.key)));
        const { response } = await s.denied(UNAVAILABLE, () => s.request(withKey(unknown.key)));
        assert.ok(Number(response.fields.get('retry-after')) >= 1);
        await revive();
        await within(4000, 'the database to be asked again', async () => (await s.request(withKey(unknown.key))).status === 200);
        await s.gateway.event('key_store_available', (e) => e.store.includes('postgresql://'));
      } finally {
        await closeAll(() => server.restore(), () => s.close());
      }
    });
  }
  it('for longer than `stale`: nobody knows any more', async () => {
    const { s, made } = await open({ set: { stale: '2s' } });
    try {
      await warm(s, made.key);
      await server.down();
      await until('the key to be too old', async () => (await s.request(withKey(made.key))).status === 503, 10_000);
      await server.up();
      await within(4000, 'the database to be asked again', async () => (await s.request(withKey(made.key))).status === 200);
    } finally {
      await closeAll(() => server.restore(), () => s.close());
    }
  });
  it('from the start: the gateway serves what needs no keys, and keys as soon as there is a database', async () => {
    const { s, made } = await open({ start: false });
    await server.down();
    try {
      s.gateway = await startGateway({ config: s.config });
      await s.allowed(() => s.request({ path: '/open/1' }));
      await s.denied(UNAVAILABLE, () => s.request(withKey(made.key)));
      await server.up();
      await within(4000, 'the database to be asked', async () => (await s.request(withKey(made.key))).status === 200);
    } finally {
      await closeAll(() => server.restore(), () => s.close());
    }
  });
  it('locked by somebody: 503 in time, and well again', async () => {
    const { s, file, made, database } = await open();
    try {
      await warm(s, made.key);
      const unknown = await createKey(file, '--scope', 'read_orders');
      const lock = database.sql('BEGIN; LOCK TABLE sallyport.keys IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2); COMMIT');
      await until('the lock', async () => (await database.sql("SELECT count(*) FROM pg_locks WHERE relation = 'sallyport.keys'::regclass AND mode = 'AccessExclusiveLock' AND granted")) === '1');
      await s.denied(UNAVAILABLE, () => s.request(withKey(unknown.key)));
      await s.allowed(() => s.request(withKey(made.key)));
      await lock;
      await within(1000, 'the key to be looked up', async () => (await s.request(withKey(unknown.key))).status === 200);
    } finally {
      await s.close();
    }
  });
  it('a connection that is ended is made anew, and no request sees it', async () => {
    const { s, file, database } = await open();
    try {
      for (let i = 0; i < 5; i++) {
        const one = await createKey(file, '--scope', 'read_orders');
        await until('the connection', async () => (await database.connections()) === 1);
        assert.equal(await database.terminate(), 1);
        await s.allowed(() => s.request(withKey(one.key)));
      }
    } finally {
      await s.close();
    }
  });
});

describe('changes in the database', { skip: noPostgres }, () => {
  let s, file, made, database;
  before(async () => ({ s, file, made, database } = await open()));
  after(() => s?.close());

  const revoke = (id, more = '') => database.sql(`BEGIN; UPDATE sallyport.keys SET revoked = 1, sequence = (SELECT sequence + 1 FROM sallyport.store) WHERE id = '${id}'; UPDATE sallyport.store SET sequence = sequence + 1;${more} COMMIT`);
  it('are told by its notices, long before it would be looked at', async () => {
    const doomed = await createKey(file, '--scope', 'read_orders');
    await s.allowed(() => s.request(withKey(doomed.key)));
    const told = () => s.gateway.lines.filter((l) => l.event === 'api_keys_changed').length;
    let soon = 0;
    for (let i = 0; i < 10; i++) {
      const before = told();
      await revoke(doomed.id);
      const began = Date.now();
      await s.gateway.wait('the change to be told', () => told() > before);
      soon += Date.now() - began < 300;
    }
    assert.ok(soon >= 7, `${soon} of 10`); // a look each second would be as quick in three
    await within(2000, 'the key to be refused', refusedEverywhere(s, doomed.key));
  });
  it('are seen within two seconds where no notice comes, and where the connection broke as they were made', async () => {
    const [one, two] = [await createKey(file, '--scope', 'read_orders'), await createKey(file, '--scope', 'read_orders')];
    for (const { key } of [one, two]) await s.allowed(() => s.request(withKey(key)));
    await database.sql('ALTER TABLE sallyport.store DISABLE TRIGGER tell_change');
    await revoke(one.id);
    await within(2000, 'the change without a notice', refusedEverywhere(s, one.key));
    await database.sql('ALTER TABLE sallyport.store ENABLE TRIGGER tell_change');
    assert.equal(await database.terminate(), 1);
    await revoke(two.id);
    await within(2000, 'the change while nobody listened', refusedEverywhere(s, two.key));
    await s.allowed(() => s.request(withKey(made.key)));
  });
  it('an older state of the store is noticed: nothing that was known holds', async () => {
    await s.allowed(() => s.request(withKey(made.key)));
    const doomed = await createKey(file, '--scope', 'read_orders');
    await s.allowed(() => s.request(withKey(doomed.key)));
    // As a restored backup: the key is not in it, and no change tells so.
    await database.sql(`BEGIN; DELETE FROM sallyport.keys WHERE id = '${doomed.id}'; UPDATE sallyport.store SET sequence = sequence - 1; COMMIT`);
    await within(2000, 'the key to be unknown', refusedEverywhere(s, doomed.key));
    await s.allowed(() => s.request(withKey(made.key)));
  });
});

describe('one database for many', { skip: noPostgres }, () => {
  it('two gateways: both see a change, both note uses, each has one connection', async () => {
    const { s, file, made, database } = await open();
    const other = await startGateway({ config: { ...s.config, instance: 'other' } });
    const twin = Object.assign(Object.create(s), { gateway: other });
    try {
      const doomed = await createKey(file, '--scope', 'read_orders');
      for (const stage of [s, twin]) await stage.allowed(() => stage.request(withKey(doomed.key)));
      await changeKey(file, 'revoke', doomed.id);
      await Promise.all([s, twin].map((stage) => within(2000, 'the key to be refused', refusedEverywhere(stage, doomed.key))));
      await twin.allowed(() => twin.request(withKey(made.key)));
      await until('the use to be noted', async () => (await showKey(file, made.id)).last_used !== null, 10_000);
      assert.equal(await database.connections(), 2);
    } finally {
      await closeAll(() => s.close(), () => other.stop());
    }
  });
  it('many keys at once: one connection, and every one has its answer', async () => {
    const { s, file, made, database } = await open();
    try {
      const some = await Promise.all(Array.from({ length: 4 }, () => createKey(file, '--scope', 'read_orders')));
      const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => s.request(withKey(some[i % 4].key))));
      // A slow build on a busy machine may shed some of so many for its own sake: not for the store's.
      assert.deepEqual(answers.filter((a) => a.status !== 200 && a.json().code !== 'unavailable').map((a) => a.text), []);
      assert.equal(await database.connections(), 1);
      await s.allowed(() => s.request(withKey(made.key)));
    } finally {
      await s.close();
    }
  });
  it('the schema is made once, by however many at once; a newer one is never made older', async () => {
    const dir = tempDir('postgres');
    writePepper(dir);
    const database = await server.database();
    const file = join(dir, 'keys.yaml');
    writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners: { postgres: database.settings(WRITER), peppers: { p1: '${file:pepper}' } } } }));
    const made = await Promise.all(Array.from({ length: 4 }, () => createKey(file)));
    assert.equal(JSON.parse(await changeKey(file, 'list', '--json')).length, 4);
    // Newer, and older programs may read it: the list is shown, nothing is changed.
    await database.sql('UPDATE sallyport.store SET version = 99');
    assert.equal(JSON.parse(await changeKey(file, 'list', '--json')).length, 4);
    for (const args of [['create', '--consumer', 'acme'], ['revoke', made[0].id]]) {
      const { code, stderr } = await keys(file, ...args);
      assert.equal(code, 1);
      assert.match(stderr, /written by a newer version of sallyport/);
    }
    await database.sql('UPDATE sallyport.store SET readable = 99');
    assert.match((await keys(file, 'list')).stderr, /written by a newer version of sallyport/);
    assert.equal(await database.sql('SELECT version FROM sallyport.store'), '99');
  });
});

describe('who may, and who it is', { skip: noPostgres }, () => {
  // What the commands say of a connection; all of it.
  const said = async (write, settings, ...args) => {
    const file = write(settings);
    const { code, stdout, stderr } = await keys(file, ...(args.length > 0 ? args : ['list']));
    noSecret(stdout + stderr);
    return { code, stderr };
  };
  let dir, database, write;
  before(async () => {
    dir = tempDir('postgres');
    writePepper(dir);
    database = await server.database();
    write = (settings) => {
      const file = join(dir, 'keys.yaml');
      writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners: { postgres: settings, peppers: { p1: '${file:pepper}' } } } }));
      return file;
    };
    await createKey(write(database.settings(WRITER)));
  });

  it('a gateway may read and note uses, and no more', async () => {
    const as = (text) => database.sql(`SET ROLE ${READER.user}; ${text}`);
    assert.equal(await as('SELECT count(*) FROM sallyport.keys'), '1');
    await as("SELECT sallyport.note_uses('{1,1,77}', '{5,4000000000,5}')");
    assert.equal(await database.sql('SELECT count(*) FROM sallyport.uses WHERE number = 1 AND abs(used - extract(epoch FROM now())) < 60'), '1');
    assert.equal(await database.sql('SELECT count(*) FROM sallyport.uses'), '1'); // of a key that there is, and not in the future
    for (const text of ['UPDATE sallyport.keys SET revoked = 0', "UPDATE sallyport.store SET sequence = 0", 'DELETE FROM sallyport.uses', 'INSERT INTO sallyport.uses VALUES (2, 2)', 'CREATE TABLE sallyport.x ()']) {
      await assert.rejects(as(text), /permission denied/);
    }
    const { code, stderr } = await said(write, database.settings(READER), 'create', '--consumer', 'a');
    assert.equal(code, 1);
    assert.match(stderr, /has no right to that \(docs\/api-keys\.md/);
    assert.equal((await said(write, database.settings(READER))).code, 0);
  });
  it('what is wrong is said, and the password never', async () => {
    writeFileSync(join(dir, 'wrong'), 'readers-wrong-secret');
    const ca = authority().certFile;
    const wrong = [
      [{ password: '${file:wrong}' }, /refuses the password of this user/],
      [{ password: undefined }, /wants a password, and none is named/],
      [{ user: 'nobody_here' }, /refuses the password of this user/],
      [{ database: 'nothing_here' }, /no such database/],
      [{ schema: 'elsewhere' }, /no key store here/],
      [{ port: 1 }, /cannot be reached: Connection refused/],
      [{ host: '/nonexistent' }, /cannot be reached: No such file/],
      [{ host: 'no-such-host.invalid', sslrootcert: ca }, /host has no address/],
      [{ host: 'localhost', sslrootcert: new Authority('Another CA').certFile }, /does not come from sslrootcert/],
      [{ sslrootcert: ca }, /certificate of the database is another host's/], // 127.0.0.1 does not stand in it
    ];
    for (const [over, pattern] of wrong) {
      const { code, stderr } = await said(write, database.settings(READER, over));
      assert.equal(code, 1, JSON.stringify(over));
      assert.match(stderr, pattern);
    }
    for (const over of [{ host: 'localhost', sslrootcert: ca }, { sslrootcert: ca, sslmode: 'verify-ca' }, { sslmode: 'require' }, { host: server.dir }]) {
      assert.equal((await said(write, database.settings(READER, over))).code, 0, JSON.stringify(over));
    }
    await database.sql('CREATE SCHEMA others CREATE TABLE store (one integer)');
    await database.sql(`GRANT USAGE ON SCHEMA others TO ${READER.user}; GRANT SELECT ON others.store TO ${READER.user}`);
    assert.match((await said(write, database.settings(READER, { schema: 'others' }))).stderr, /another program's, and no key store/);
  });
  it('a server without TLS is not spoken to where TLS is wanted', async () => {
    const ca = authority().certFile;
    await server.sql('ALTER SYSTEM SET ssl = off');
    await server.sql('SELECT pg_reload_conf()');
    try {
      await until('TLS to be off', async () => /has no TLS/.test((await said(write, database.settings(READER, { host: 'localhost', sslrootcert: ca }))).stderr));
      assert.equal((await said(write, database.settings(READER))).code, 0);
    } finally {
      await server.sql('ALTER SYSTEM RESET ssl');
      await server.sql('SELECT pg_reload_conf()');
    }
    await until('TLS to be on', async () => (await said(write, database.settings(READER, { host: 'localhost', sslrootcert: ca }))).code === 0);
  });
  it('neither environment nor home directory has a say', async () => {
    const home = join(dir, 'home');
    mkdirSync(join(home, '.postgresql'), { recursive: true });
    writeFileSync(join(home, '.pgpass'), `*:*:*:*:${READER.password}\n`, { mode: 0o600 });
    writeFileSync(join(home, '.pg_service.conf'), '[bad]\nhost=192.0.2.1\n');
    writeFileSync(join(home, '.postgresql', 'root.crt'), 'no certificate');
    const env = { HOME: home, PGHOSTADDR: '192.0.2.1', PGSERVICE: 'bad', PGOPTIONS: '-c nonsense=1', PGSSLMODE: 'verify-full', PGREQUIREPEER: 'root', PGSSLMAXPROTOCOLVERSION: 'TLSv1', PGPASSWORD: READER.password, PGTARGETSESSIONATTRS: 'standby' };
    const list = (settings) => sallyport(['keys', 'list', '--config', write(settings)], { env });
    assert.equal((await list(database.settings(READER))).code, 0);
    const { code, stderr } = await list(database.settings(READER, { password: undefined }));
    assert.equal(code, 1);
    assert.match(stderr, /wants a password, and none is named/);
  });
  for (const [how, over] of [
    ['by TLS that is verified', () => ({ host: 'localhost', sslrootcert: authority().certFile })],
    ['by a Unix socket', () => ({ host: server.dir })],
    ['by URL', ({ database: name }) => ({ host: undefined, port: undefined, database: undefined, user: undefined, url: `postgresql://${READER.user}@127.0.0.1:${server.port}/${name}` })],
  ]) {
    it(`the gateway, confined: ${how}`, async () => {
      const { s, made, database: own } = await open({ start: false });
      const postgres = { ...s.config.api_keys.partners.postgres };
      s.config.api_keys.partners.postgres = { ...postgres, ...over(postgres) };
      s.config.confinement = { mode: 'enforce', connect_ports: [server.port, Number(new URL(s.upstream.url).port)] };
      s.gateway = await startGateway({ config: s.config });
      try {
        await s.allowed(() => s.request(withKey(made.key)));
        const tls = await own.sql(`SELECT bool_or(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '${READER.user}' AND datname = '${own.name}'`);
        assert.equal(tls, how.includes('TLS') ? 't' : 'f');
        // Reconnecting asks the kernel for the same things, when all is closed.
        await own.terminate();
        await until('the connection to be made anew', async () => (await own.connections()) === 1);
        assert.ok(!s.gateway.events.some((e) => e.event === 'forbidden_call'));
      } finally {
        await s.close();
      }
    });
  }
  it('a password that changes: known keys stay known, with a wrong one too', async () => {
    const { s, file: commands, made } = await open();
    const unknown = await createKey(commands, '--scope', 'read_orders');
    const file = join(dir, 'new-password');
    writeFileSync(file, 'not-the-secret');
    try {
      await warm(s, made.key);
      const right = s.config.api_keys.partners.postgres.password;
      s.config.api_keys.partners.postgres.password = `\${file:${file}}`;
      await s.gateway.reload(s.config);
      await s.gateway.event('key_store_unavailable', (e) => /refuses the password/.test(e.reason));
      for (let i = 0; i < 10; i++) await s.allowed(() => s.request(withKey(made.key)));
      await s.denied(UNAVAILABLE, () => s.request(withKey(unknown.key)));
      s.config.api_keys.partners.postgres.password = right;
      await s.gateway.reload(s.config);
      await changeKey(commands, 'revoke', made.id);
      await within(2000, 'the key to be refused', refusedEverywhere(s, made.key));
      await s.allowed(() => s.request(withKey(unknown.key)));
    } finally {
      await s.close();
    }
  });
  it('a gateway with a wrong password: 503, said once, and well again with the right one', async () => {
    const { s, made } = await open({ start: false });
    const right = s.config.api_keys.partners.postgres.password;
    const file = join(dir, 'password');
    writeFileSync(file, 'not-the-secret');
    s.config.api_keys.partners.postgres.password = `\${file:${file}}`;
    s.gateway = await startGateway({ config: s.config });
    try {
      const { reason } = await s.gateway.event('key_store_unavailable');
      assert.match(reason, /refuses the password/);
      await s.denied(UNAVAILABLE, () => s.request(withKey(made.key)));
      assert.equal(s.gateway.events.filter((e) => e.event === 'key_store_unavailable').length, 1);
      s.config.api_keys.partners.postgres.password = right;
      await s.gateway.reload(s.config);
      await until('the key to be looked up', async () => (await s.request(withKey(made.key))).status === 200, 10_000);
      noSecret(s.gateway.output);
      assert.ok(!s.gateway.output.includes('not-the-secret'));
    } finally {
      await s.close();
    }
  });
});

describe('the configuration of a database', () => {
  it('what is wrong is told with its place; what is weak is warned of', async () => {
    const dir = tempDir('postgres');
    writePepper(dir);
    const file = join(dir, 'gateway.yaml');
    writeFileSync(join(dir, 'secret'), 'a-secret');
    writeFileSync(join(dir, 'garbage.crt'), 'garbage');
    const ca = authority().certFile;
    const check = async (postgres, more = '') => {
      writeFileSync(file, `listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\napi_keys:\n  partners:\n    postgres: ${postgres}\n    peppers: { p1: "\${file:pepper}" }\n${more}`);
      return sallyport(['check', file]);
    };
    const wrong = [
      ['{ host: db, user: u }', /named by host, database and user, or by url/],
      ['postgresql://u:p4ss@db/d', /a password does not stand in a URL/],
      ['postgresql://u@db/d?sslmode=disable', /url has no parameters/],
      ['postgresql://u@db:0/d', /the port is not a number from 1 to 65535/],
      ['postgresql://%2Frun/d', /url has no "%"/],
      ['mysql://u@db/d', /url is written postgresql:/],
      ['{ url: "postgresql://u@db/d", host: db }', /url stands instead of host/],
      ['{ url: "postgresql://u@db/d", user: v }', /the user is named twice/],
      ['postgresql://u@db/d', /sslrootcert is missing/],
      ['{ host: "a,b", database: d, user: u }', /host is one name/],
      ['{ host: db, database: d, user: u, schema: "a-b" }', /schema is 1 to 40/],
      ['{ host: db, database: d, user: u, schema: pg_x }', /schema is 1 to 40/],
      ['{ host: db, database: d, user: u, sslmode: prefer }', /prefer/],
      ['{ host: /run/postgresql, database: d, user: u, sslmode: require }', /no TLS on a Unix socket/],
      [`{ host: db, database: d, user: u, sslmode: require, sslrootcert: ${ca} }`, /sslrootcert is not looked at/],
      ['{ host: db, database: d, user: u, sslrootcert: garbage.crt }', /garbage\.crt: sslrootcert holds no certificate/],
      ['{ host: db, database: d, user: u, sslrootcert: absent.crt }', /absent\.crt: .*No such file/],
      ['{ host: "::1", database: d, user: u, password: a-secret }', /a secret is not written here but named/],
    ];
    for (const [postgres, pattern] of wrong) {
      const { code, stdout, stderr } = await check(postgres);
      assert.equal(code, 1, postgres);
      assert.match(stderr, pattern);
      assert.match(stderr, /gateway\.yaml:[0-9]+:\d+: error/);
      assert.ok(!(stdout + stderr).includes('p4ss'));
    }
    assert.match((await check('{ host: "::1", database: d, user: u }', 'confinement: { connect_ports: [443] }\n')).stderr, /port 5432 is not among confinement\.connect_ports/);
    for (const mode of ['verify-ca', 'require', 'disable']) {
      const { code, stderr } = await check(`{ host: db, database: d, user: u, sslmode: ${mode}${mode === 'verify-ca' ? `, sslrootcert: ${ca}` : ''} }`);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /warning: api_keys\.partners\.postgres\.sslmode: .*(makes? up keys|taken for the database)/);
    }
    for (const postgres of [`{ url: "postgresql://u@db/d", password: "\${file:secret}", sslrootcert: ${ca} }`, '{ host: 127.0.0.1, database: d, user: u }', 'postgresql://u@[::1]:6000/d', '{ host: /run/postgresql, database: d, user: u }']) {
      const { code, stdout, stderr } = await check(postgres);
      assert.equal(code, 0, stderr);
      assert.ok(!stderr.includes('sslmode') && !stdout.includes('a-secret'));
      assert.match(stdout, /API keys partners/);
    }
  });
});
