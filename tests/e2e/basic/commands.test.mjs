// `sallyport basic hash`, and what `check` says of files of users.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { tempDir } from '../lib/temp.mjs';
import { basic, HASHES, lineOf } from './lib.mjs';

describe('sallyport basic hash', () => {
  it('makes a line of yescrypt, another each time', async () => {
    const [one, other] = [await lineOf('alice', 'secret'), await lineOf('alice', 'secret')];
    assert.match(one, /^alice:\$y\$j9T\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{43}\n$/);
    assert.notEqual(one, other);
  });
  it('or of bcrypt, of cost 12', async () => {
    assert.match(await lineOf('alice', 'secret', 'bcrypt'), /^alice:\$2y\$12\$[./0-9A-Za-z]{53}\n$/);
  });
  it('refuses what would never be right', async () => {
    for (const [args, input, pattern] of [
      [['hash', 'al:ice'], 'secret\n', /name is/],
      [['hash', '#alice'], 'secret\n', /name is/],
      [['hash', ''], 'secret\n', /name is/],
      [['hash', 'alice'], '\n', /no password/],
      [['hash', 'alice'], '', /no password/],
      [['hash', 'alice'], 'a\tb\n', /control characters/],
      [['hash', 'alice'], Buffer.from('\xff\n', 'latin1'), /UTF-8/],
      [['hash', 'alice'], `${'x'.repeat(257)}\n`, /256/],
      [['hash', '--method', 'bcrypt', 'alice'], `${'x'.repeat(73)}\n`, /72/],
    ]) {
      const { code, stdout, stderr } = await basic(args, input);
      assert.deepEqual([code, stdout], [1, ''], `${args}`);
      assert.match(stderr, pattern);
    }
    for (const args of [[], ['hash'], ['make', 'alice'], ['hash', 'a', 'b'], ['hash', '--method', 'md5', 'a'], ['hash', 'a', '--method']]) {
      assert.equal((await basic(args, 'secret\n')).code, 2, `${args}`);
    }
  });
});

describe('check of Basic users', () => {
  let dir, file;
  beforeEach(() => {
    dir = tempDir('users');
    file = join(dir, 'gateway.yaml');
  });
  const check = async (lines, more = {}, auth = { basic: 'staff' }) => {
    const { sets = {}, ...set } = more;
    writeFileSync(join(dir, 'users'), lines);
    writeFileSync(file, JSON.stringify({
      listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } },
      basic: { staff: { htpasswd: 'users', ...set }, ...sets },
      upstreams: { orders: { endpoints: ['http://127.0.0.1:9'] } },
      defaults: { limits: [{ limit: '10/1m', by: 'address' }] },
      routes: { read: { match: { host: 'a.example', path: '/**' }, upstream: 'orders', auth, authorize: 'any_caller' } },
    }));
    const { code, stderr } = await sallyport(['check', file]);
    return { code, said: stderr.split('\n').filter((line) => line !== '').map((line) => line.replace(`${dir}/`, '')) };
  };
  const GOOD = `alice:${HASHES['bcrypt, 2y'].replace('$04$', '$10$')}\n`;

  it('twin: a good file has nothing said about it', async () => {
    assert.deepEqual(await check(`# users\r\n\r\n${GOOD}`), { code: 0, said: [] });
  });
  it('names each line that is wrong, and shows no password', async () => {
    const wrong = {
      'bob:secret': /^users:2:1: error: the hash of "bob" is DES, the password itself, or of a kind that is not known: make one anew/,
      'bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=': /SHA-1/,
      'bob:{SSHA}xxxxxxx': /SHA-1/,
      'bob:$apr1$saltsalt$R1o7hA6YrvRvgkrgWAZXo/': /MD5/,
      'bob:$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/': /MD5/,
      'bob:rqXexS6ZhobKA': /DES/,
      'bob:$argon2id$v=19$m=65536,t=3,p=4$x$y': /Argon2/,
      'bob:{PLAIN}secret': /the password itself/,
      'bob:': /the password itself/,
      'secret': /^users:2:1: error: this is no USER:HASH$/,
      ':secret': /this is no USER:HASH/,
      [`alice:${HASHES.yescrypt}`]: /the user "alice" has a line above already/,
      [`bob:${HASHES.yescrypt.slice(0, -1)}`]: /cut off/,
      [`bob:${HASHES.scrypt}x`]: /cut off/,
      [`bob:${HASHES['bcrypt, 2b'].slice(0, -1)}`]: /cut off/,
      [`bob:${HASHES['SHA-512'].replace('salt', 'sa:t')}`]: /cut off/,
      [`bob:${HASHES['bcrypt, 2y'].replace('$04$', '$15$')}`]: /cost above 14/,
      [`bob:${HASHES['SHA-256, rounds'].replace('1000', '9000000')}`]: /2000000 rounds/,
      [`bob:${HASHES.yescrypt.replace('j75', 'jFT')}`]: /more than 64 MiB/,
      [`bob:${HASHES.yescrypt.replace('j75', 'j75.')}`]: /other parameters/,
      [`bob:${HASHES.scrypt.replace('$7$B', '$7$I')}`]: /more than 64 MiB/,
    };
    for (const [line, pattern] of Object.entries(wrong)) {
      const { code, said } = await check(`${GOOD}${line}\n`);
      assert.equal(code, 1, line);
      assert.equal(said.length, 1, said.join('\n'));
      assert.match(said[0], pattern);
      assert.ok(!said[0].includes('secret'));
    }
  });
  it('hashes that can be guessed fast are a warning, once', async () => {
    const { code, said } = await check(`${GOOD}bob:${HASHES['SHA-512']}\ncarol:${HASHES['bcrypt, 2a']}\n`);
    assert.equal(code, 0);
    assert.deepEqual(said, ['users:2:1: warning: 2 of the hashes can be guessed fast, of which this is the first: make them anew with `sallyport basic hash`']);
  });
  it('a file that is not there, is empty, or holds nobody', async () => {
    assert.match((await check('')).said.join('\n'), /users is empty/);
    assert.match((await check('# nobody\n')).said.join('\n'), /users holds no user/);
    assert.match((await check(GOOD, { htpasswd: 'elsewhere' })).said.join('\n'), /elsewhere/);
    assert.match((await check(GOOD, { htpasswd: undefined })).said.join('\n'), /htpasswd/);
  });
  it('what is said of users fits the file', async () => {
    const problem = async (users, set = {}) => (await check(GOOD, { users, ...set })).said.join('\n');
    assert.match(await problem({ alcie: {} }), /no line of this user/);
    assert.match(await problem({ alice: { expires: 'soon' } }), /a date is written/);
    assert.match(await problem({ alice: { scopes: ['a b'] } }), /without spaces/);
    assert.match(await problem({}, { roles: ['a"b'] }), /without spaces/);
    assert.match(await problem({ alice: { password: 'x' } }), /password/);
  });
  it('names lead somewhere, and two sets of a route share no user', async () => {
    assert.match((await check(GOOD, {}, { basic: 'staf' })).said.join('\n'), /there is no set of Basic users "staf"; did you mean "staff"/);
    mkdirSync(join(dir, 'more'));
    writeFileSync(join(dir, 'more/users'), GOOD);
    assert.match((await check(GOOD, { sets: { more: { htpasswd: 'more/users' } } }, { basic: ['staff', 'more'] })).said.join('\n'), /both have a user "alice"/);
    writeFileSync(join(dir, 'more/users'), GOOD.replace('alice', 'bob'));
    assert.deepEqual((await check(GOOD, { sets: { more: { htpasswd: 'more/users' } } }, { basic: ['staff', 'more'] })).said, []);
  });
  it('diff says who gains and who loses', async () => {
    await check(`${GOOD}gone:${HASHES.yescrypt}\nother:${HASHES.yescrypt}\n`);
    const old = join(dir, 'old.yaml');
    mkdirSync(join(dir, 'new'));
    copyFileSync(file, old);
    copyFileSync(file, join(dir, 'new/gateway.yaml'));
    writeFileSync(join(dir, 'new/users'), `${GOOD}other:${HASHES['bcrypt, 2b']}\nfresh:${HASHES.yescrypt}\n`);
    const { stdout } = await sallyport(['diff', old, join(dir, 'new/gateway.yaml')]);
    for (const said of [/"fresh" is let in now/, /"gone" is not let in any more/, /"other" has another password now/]) assert.match(stdout, said);
    assert.doesNotMatch(stdout, /alice/);
  });
});
