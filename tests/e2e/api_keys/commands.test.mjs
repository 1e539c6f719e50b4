// `sallyport keys`: keys are made, shown once, and looked after.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { tempDir } from '../lib/temp.mjs';
import { changeKey, checksum, createKey, keys, POSTGRES, showKey, SQLITE, writePepper } from './lib.mjs';

const LISTENERS = 'listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }\n';
const pepper = '"${file:pepper}"';

let dir;
let file;
let place; // of a store of the kind under test, as it stands in a set
const write = (text) => writeFileSync(file, LISTENERS + text);
const kept = (where) => JSON.stringify(where).slice(1, -1);
const configure = (where = { store: 'keys.sqlite' }) => write(`api_keys: { partners: { ${kept(where)}, peppers: { p1: ${pepper} } } }\n`);
// What went wrong is said on one line, after what the configuration is warned of.
const said = (stderr) => stderr.split('\n').filter((line) => line !== '' && !line.includes('warning:')).join('\n');
const assertFails = async (pattern, ...args) => {
  const { code, stdout, stderr } = await keys(file, ...args);
  assert.equal(code, 1, stdout);
  assert.equal(stdout, '');
  assert.match(said(stderr), pattern);
};

const prepare = () => {
  dir = tempDir('keys');
  file = join(dir, 'gateway.yaml');
  writePepper(dir);
};

for (const kind of [SQLITE, POSTGRES]) {
  describe(`sallyport keys, kept in ${kind.name}`, { skip: kind.skip }, () => {
    before(() => kind.open());
    after(() => kind.close());
    beforeEach(async () => {
      prepare();
      place = await kind.make(dir);
      configure(place.commands);
    });

    it('create: a key of the form that is documented, stored by its HMAC alone', async () => {
      const made = await createKey(file, '--scope', 'read', '--scope=write', '--tag', 'gold', '--limit', '100/1m', '--expires', '90d', '--description', "Night's work: €");
      assert.match(made.key, /^sallyport_[0-9A-Za-z]{36}$/);
      assert.equal(made.key.slice(-6), checksum(made.key.slice(0, -6)));
      assert.equal(made.digest, createHmac('sha256', readFileSync(join(dir, 'pepper'), 'utf8').trim()).update(made.key).digest('hex'));
      assert.deepEqual([made.consumer, made.scopes, made.tags, made.limit, made.pepper, made.description], ['acme', ['read', 'write'], ['gold'], '100/1m', 'p1', "Night's work: €"]);
      const left = Date.parse(made.expires) - Date.now();
      assert.ok(Math.abs(left - 90 * 86400e3) < 60e3);
      const store = await kind.contents(place);
      assert.ok(!store.includes(made.key) && !store.includes(made.key.slice(10, 40)));
      assert.ok(store.includes(kind === SQLITE ? Buffer.from(made.digest, 'hex').toString('latin1') : made.digest));
    });
    it('the key is printed once: not by list, not by show', async () => {
      const made = await createKey(file);
      for (const args of [['list'], ['list', '--json'], ['show', made.id], ['show', made.id, '--json']]) {
        const { code, stdout, stderr } = await keys(file, ...args);
        assert.equal(code, 0, stderr);
        assert.ok(stdout.includes(made.id) && !(stdout + stderr).includes(made.key.slice(10, 40)));
      }
      const { stdout, stderr } = await keys(file, 'create', '--consumer', 'acme');
      assert.equal(stdout.match(/sallyport_/g).length, 1);
      assert.match(stderr, /only time/);
    });
    it('list: by consumer, and what ends soon', async () => {
      const soon = await createKey(file, '--expires', '5d');
      const later = await createKey(file, '--expires', '2099-12-31');
      const other = JSON.parse((await keys(file, 'create', '--json', '--consumer', 'other')).stdout);
      const listed = async (...args) => JSON.parse(await changeKey(file, 'list', '--json', ...args)).map((key) => key.id);
      assert.deepEqual(await listed(), [soon.id, later.id, other.id]);
      assert.deepEqual(await listed('--consumer', 'other'), [other.id]);
      assert.deepEqual(await listed('--expiring', '30d'), [soon.id]);
      assert.deepEqual(await listed('--expiring', '4d'), []);
      assert.equal((await showKey(file, soon.id)).state, 'expiring');
      assert.equal((await showKey(file, later.id)).state, 'active');
      assert.equal((await showKey(file, later.id)).expires, '2099-12-31T00:00:00Z');
    });
    it('revoke and expire', async () => {
      const made = await createKey(file);
      assert.equal((await showKey(file, made.id)).state, 'active');
      await changeKey(file, 'expire', made.id, '--expires', '2d');
      assert.equal((await showKey(file, made.id)).state, 'expiring');
      await changeKey(file, 'expire', made.id, '--expires', 'never');
      assert.equal((await showKey(file, made.id)).expires, null);
      await changeKey(file, 'expire', made.id, '--expires', 'now');
      assert.equal((await showKey(file, made.id)).state, 'expired');
      await changeKey(file, 'revoke', made.id);
      assert.equal((await showKey(file, made.id)).state, 'revoked');
      await assertFails(/there is no such key: 0123/, 'revoke', '0123');
      await assertFails(/there is no such key: 0123/, 'show', '0123');
      await assertFails(/--expires WHEN is missing/, 'expire', made.id);
    });
    it('rotate: a successor of the same rights, and an end for its predecessor', async () => {
      const made = await createKey(file, '--scope', 'read', '--tag', 'gold', '--limit', '5/1s', '--expires', '10d');
      const next = JSON.parse(await changeKey(file, 'rotate', made.id, '--overlap', '1h', '--json'));
      assert.notEqual(next.key, made.key);
      assert.deepEqual([next.consumer, next.scopes, next.tags, next.limit, next.replaces], ['acme', ['read'], ['gold'], '5/1s', made.id]);
      assert.ok(Math.abs(Date.parse(next.expires) - Date.now() - 10 * 86400e3) < 60e3);
      const before = await showKey(file, made.id);
      assert.equal(before.state, 'superseded');
      assert.ok(Math.abs(Date.parse(before.expires) - Date.now() - 3600e3) < 60e3);
      await changeKey(file, 'rotate', next.id, '--overlap', '0');
      assert.equal((await showKey(file, next.id)).state, 'expired');
      await changeKey(file, 'revoke', next.id);
      await assertFails(/no such key, or it is revoked/, 'rotate', next.id);
      await assertFails(/--overlap "soon": a duration/, 'rotate', made.id, '--overlap', 'soon');
    });
    it('import: digests of a file, all or none', async () => {
      const digest = (text) => createHmac('sha256', readFileSync(join(dir, 'pepper'), 'utf8').trim()).update(text).digest('hex');
      const list = join(dir, 'old.yaml');
      writeFileSync(list, `keys:\n  one: { digest: ${digest('a')}, pepper: p1, consumer: acme, scopes: [read], created: 2025-01-31 }\n  two: { digest: ${digest('b')}, pepper: p1, consumer: acme, expires: 2027-01-31, revoked: true }\n`);
      await changeKey(file, 'import', list);
      assert.deepEqual((await showKey(file, 'one')).scopes, ['read']);
      assert.equal((await showKey(file, 'two')).state, 'revoked');
      await assertFails(/is there already: nothing was imported/, 'import', list);
      writeFileSync(list, `keys:\n  three: { digest: ${digest('c')}, pepper: p9, consumer: acme }\n  four: { digest: abc, pepper: p1, consumer: acme }\n  five: { digest: ${digest('d')}, pepper: p1, consumer: "a b" }\n`);
      const { code, stderr } = await keys(file, 'import', list);
      assert.equal(code, 1);
      assert.match(stderr, /old\.yaml:2:3: error: keys\.three: pepper names none of the peppers/);
      assert.match(stderr, /old\.yaml:3:3: error: keys\.four: digest is not of 64 hexadecimal characters/);
      assert.match(stderr, /old\.yaml:4:3: error: keys\.five: consumer is a name without spaces/);
      await assertFails(/no such key/, 'show', 'three');
      await assertFails(/absent\.yaml.*No such file/, 'import', join(dir, 'absent.yaml'));
    });
    it('peppers rotate: new keys are made with the one that is named', async () => {
      const old = await createKey(file);
      writePepper(dir, 'pepper2');
      write(`api_keys: { partners: { ${kept(place.commands)}, peppers: { p1: "\${file:pepper}", p2: "\${file:pepper2}" } } }\n`);
      const { code, stderr } = await keys(file, 'list');
      assert.equal(code, 1);
      assert.match(stderr, /several peppers: `pepper` names the one for new keys/);
      write(`api_keys: { partners: { ${kept(place.commands)}, pepper: p2, peppers: { p1: "\${file:pepper}", p2: "\${file:pepper2}" } } }\n`);
      assert.equal((await createKey(file)).pepper, 'p2');
      assert.equal((await showKey(file, old.id)).pepper, 'p1');
    });
  });
}

describe('sallyport keys', () => {
  beforeEach(() => {
    prepare();
    configure();
  });

  it('the store is made for the gateway alone to read', { skip: process.getuid() !== 0 && 'not root' }, async () => {
    await createKey(file);
    const status = statSync(join(dir, 'keys.sqlite'));
    assert.equal(status.mode & 0o777, 0o640);
    assert.equal(status.uid, 0);
    assert.notEqual(status.gid, 0); // nobody's, whom the gateway runs as
  });
  it('keys in a file: create prints what is to be added, and it is read back', async () => {
    writeFileSync(join(dir, 'keys.yaml'), 'keys: {}\n');
    write(`api_keys: { partners: { file: keys.yaml, peppers: { p1: ${pepper} } } }\n`);
    const { code, stdout, stderr } = await keys(file, 'create', '--consumer', 'acme', '--scope', 'read', '--tag', 'gold', '--limit', '10/1s', '--expires', '30d', '--description', 'a "quoted" one');
    assert.equal(code, 0, stderr);
    const entry = stdout.slice(stdout.indexOf('under `keys`:\n') + 14);
    writeFileSync(join(dir, 'keys.yaml'), `keys:\n${entry}`);
    const [key] = JSON.parse(await changeKey(file, 'list', '--json'));
    assert.deepEqual([key.consumer, key.scopes, key.tags, key.limit, key.description, key.state], ['acme', ['read'], ['gold'], '10/1s', 'a "quoted" one', 'active']);
    await assertFails(/kept in .*keys\.yaml: change them there/, 'revoke', key.id);
    await assertFails(/kept in .*keys\.yaml: change them there/, 'rotate', key.id);
  });
  it('several sets: one is to be chosen', async () => {
    write(`api_keys:\n  a: { store: a.sqlite, peppers: { p1: ${pepper} } }\n  b: { store: b.sqlite, prefix: acme_live, peppers: { p1: ${pepper} } }\n`);
    await assertFails(/choose one of several sets by --set; there are: a b/, 'create', '--consumer', 'acme');
    await assertFails(/there is no such set; there are: a b/, 'create', '--consumer', 'acme', '--set', 'c');
    assert.match((await createKey(file, '--set', 'b')).key, /^acme_live_/);
    write('');
    await assertFails(/has no `api_keys`/, 'list');
  });
  it('what is wrong is said, and nothing is made', async () => {
    await assertFails(/there is no key store here: `sallyport keys create` makes it/, 'list');
    await assertFails(/--consumer NAME is missing/, 'create');
    await assertFails(/--consumer is a name without spaces/, 'create', '--consumer', 'a b');
    await assertFails(/scopes and tags are names/, 'create', '--consumer', 'a', '--scope', 'a,b');
    await assertFails(/--limit "5": a rate is wanted/, 'create', '--consumer', 'a', '--limit', '5');
    await assertFails(/--expires "soon": a date/, 'create', '--consumer', 'a', '--expires', 'soon');
    await assertFails(/--expires "2027-02-30": a date/, 'create', '--consumer', 'a', '--expires', '2027-02-30');
    await assertFails(/--expires is not in the future/, 'create', '--consumer', 'a', '--expires', '2020-01-01');
    await assertFails(/--description is one line/, 'create', '--consumer', 'a', '--description', 'a\nb');
    const { code, stdout } = await keys(file, 'list', '--json').then(() => keys(file, 'create', '--consumer', 'a', '--json')).then(() => keys(file, 'list', '--json'));
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).length, 1);
    writeFileSync(join(dir, 'keys.sqlite'), 'not a database, and longer than a header of one is, so that nobody takes it for an empty one: '.repeat(3));
    await assertFails(/keys\.sqlite: the file is no key store, or is damaged/, 'list');
    mkdirSync(join(dir, 'folder'));
    write(`api_keys: { partners: { store: folder, peppers: { p1: ${pepper} } } }\n`);
    await assertFails(/folder: the key store is no regular file/, 'create', '--consumer', 'a');
  });
  it('without the right to write', { skip: process.getuid() === 0 && 'root may write everywhere' }, async () => {
    await createKey(file);
    chmodSync(dir, 0o555);
    await assertFails(/cannot be/, 'create', '--consumer', 'a');
    chmodSync(dir, 0o755);
  });
  it('misuse: status 2 and how it is used', async () => {
    for (const args of [[], ['frobnicate'], ['list'], ['show', '--config', file], ['list', '--config', file, 'x'], ['create', '--config', file, '--nonsense'], ['create', '--config', file, '--scope']]) {
      const { code, stderr } = await sallyport(['keys', ...args]);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, /usage: sallyport keys create/);
    }
    assert.match((await sallyport(['help'])).stdout, /sallyport keys create\|list/);
  });
  it('the configuration: what is wrong with a set is told with its place', async () => {
    const wrong = [
      ['{ peppers: { p1: "${file:pepper}" } }', /api_keys\.partners: no keys: store, postgres, file or keys is missing/],
      ['{ store: a, file: b, peppers: { p1: "${file:pepper}" } }', /exclude each other/],
      ['{ store: a, prefix: Acme, peppers: { p1: "${file:pepper}" } }', /prefix is 2 to 24/],
      ['{ store: a, header: Cookie, peppers: { p1: "${file:pepper}" } }', /header is one that means something else/],
      ['{ store: a, header: "X Key", peppers: { p1: "${file:pepper}" } }', /header is no name of a header/],
      ['{ store: a, pepper: p2, peppers: { p1: "${file:pepper}" } }', /`pepper` names none of the peppers/],
      ['{ store: a, peppers: { p1: "${file:short}" } }', /a pepper is shorter than 32 bytes/],
      ['{ store: a, peppers: { p1: 0123456789abcdef0123456789abcdef } }', /a secret is not written here but named/],
      ['{ store: a }', /peppers is missing/],
      ['{ file: absent.yaml, peppers: { p1: "${file:pepper}" } }', /absent\.yaml: .*No such file/],
      ['{ keys: { a: { digest: 00, pepper: p1, consumer: x } }, peppers: { p1: "${file:pepper}" } }', /digest is not of 64 hexadecimal/],
      [`{ keys: { a: { digest: "${'0'.repeat(64)}", pepper: p1, consumer: x }, b: { digest: "${'0'.repeat(64)}", pepper: p1, consumer: x } }, peppers: { p1: "\${file:pepper}" } }`, /keys\.b: has the digest of "a"/],
    ];
    writeFileSync(join(dir, 'short'), 'short');
    for (const [set, pattern] of wrong) {
      write(`api_keys:\n  partners: ${set}\n`);
      const { code, stderr } = await sallyport(['check', file]);
      assert.equal(code, 1, set);
      assert.match(stderr, pattern);
      assert.match(stderr, /gateway\.yaml:3:\d+: error/);
    }
    configure();
    const { code, stdout } = await sallyport(['check', file]);
    assert.equal(code, 0);
    assert.match(stdout, /API keys partners/);
    assert.ok(!stdout.includes(readFileSync(join(dir, 'pepper'), 'utf8').trim()));
  });
});
