// `sallyport block`: what it takes, what it refuses, what it shows; and what `check` says of a file of blocks.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { tempDir } from '../lib/temp.mjs';
import { block, done, piped } from './lib.mjs';

const SECRET = '"${env:SECRET}"';
const env = { SECRET: 'x'.repeat(32) };
const CONFIG = (blocks) => `
listeners: { public: { address: 127.0.0.1, port: 8080, plaintext: allow } }
issuers: { main: { issuer: "https://idp.example.com", audiences: [orders], algorithms: [HS256], secret: ${SECRET} } }
upstreams: { svc: { endpoints: ["http://127.0.0.1:9"] } }
routes: { orders: { match: { host: a.example, path: /o }, upstream: svc, auth: { jwt: main }, authorize: any_caller } }
blocks: ${blocks}
`;

let dir, file;
const run = (...args) => sallyport(['block', args[0], '--config', file, ...args.slice(1)], { env });
const ok = async (...args) => {
  const { code, stdout, stderr } = await run(...args);
  assert.equal(code, 0, stderr);
  return stdout;
};
const said = (stderr) => stderr.split('\n').filter((line) => line !== '' && !line.includes('warning:')).join('\n');
const fails = async (pattern, ...args) => {
  const { code, stdout, stderr } = await run(...args);
  assert.equal(code, 1, `${args.join(' ')}: ${stdout}`);
  assert.equal(stdout, '');
  assert.match(said(stderr), pattern);
  assert.equal(said(stderr).split('\n').length, 1, stderr);
};
const WHY = ['--expires', '1h', '--reason', 'why'];
const listed = async (...args) => JSON.parse(await ok('list', '--json', ...args));

beforeEach(() => {
  dir = tempDir('block');
  file = join(dir, 'gateway.yaml');
  writeFileSync(file, CONFIG('{ store: blocks.sqlite, exempt: [203.0.113.0/24] }'));
});

describe('sallyport block', () => {
  it('add, list and remove; one form for each value', async () => {
    const digest = 'ab'.repeat(32);
    const forms = [
      ['sub', 'alice', '--issuer', 'main'],
      ['jti', 'x', '--issuer', 'https://idp.example.com'],
      ['sid', 's', '--issuer', 'main'],
      ['token', `sha256:${digest.toUpperCase()}`],
      ['certificate', digest.toUpperCase().replace(/..(?=.)/g, '$&:')],
      ['serial', '0x00:0A:bC', '--issuer', 'CN=CA,O=Acme'],
      ['api_key', 'ac7aacd9b41e7139'],
      ['consumer', 'acme'],
      ['address', '192.0.2.0/24'],
      ['address', '2001:db8::1'],
      ['route', 'orders'],
    ];
    for (const form of forms) await ok('add', ...form, ...WHY);
    const all = await listed();
    assert.deepEqual(all.map((b) => [b.kind, b.value, b.issuer]), [
      ['sub', 'alice', 'https://idp.example.com'], ['jti', 'x', 'https://idp.example.com'], ['sid', 's', 'https://idp.example.com'],
      ['token', digest, null], ['certificate', digest, null], ['serial', '0abc', 'CN=CA,O=Acme'], ['api_key', 'ac7aacd9b41e7139', null],
      ['consumer', 'acme', null], ['address', '192.0.2.0/24', null], ['address', '2001:db8::1', null], ['route', 'orders', null],
    ]);
    assert.ok(all.every((b) => b.state === 'in force' && b.reason === 'why' && b.by.length > 0 && Math.abs(Date.parse(b.expires) - Date.now() - 3600e3) < 60e3));
    assert.deepEqual((await listed('--kind', 'address')).map((b) => b.value), ['192.0.2.0/24', '2001:db8::1']);
    assert.match(await ok('list'), /NUMBER +KIND[\s\S]*1 +sub +alice .*why \(issuer https:\/\/idp\.example\.com\)/);
    await ok('remove', '1', '--reason', 'over', '--by', 'olga');
    await ok('remove', 'serial', 'abc', '--issuer', 'CN=CA,O=Acme');
    assert.equal((await listed()).length, forms.length - 2);
    const removed = (await listed('--all')).filter((b) => b.state === 'removed');
    assert.deepEqual([removed[0].removed_by, removed[0].removal_reason], ['olga', 'over']);
  });
  it('what others wrote makes no terminal act', async () => {
    const reason = 'caf\u00e9 \u009b31m\u202ered';
    await ok('add', 'consumer', 'acme', '--expires', '1h', '--reason', reason, '--by', 'olga\u0085');
    assert.match(await ok('list'), /olga\?\? +caf\u00e9 \?\?31m\?\?\?red\n/);
    assert.deepEqual((await listed()).map((b) => b.reason), [reason]); // programs get it as it is
  });
  it('the same again: with the newer end and reason', async () => {
    await ok('add', 'consumer', 'acme', ...WHY);
    await ok('add', 'consumer', 'acme', '--expires', 'never', '--reason', 'for good');
    assert.deepEqual((await listed()).map((b) => [b.expires, b.reason]), [[null, 'for good']]);
  });
  it('a token does not belong on the command line', async () => {
    await fails(/does not belong on the command line/, 'add', 'token', 'eyJhbGciOi.eyJ.x', ...WHY);
    const none = /no token came by standard input, or none of 16384 bytes at the most/;
    for (const [input, wanted, why] of [['', 1, none], [' \n', 1, none], ['x'.repeat(20_000), 1, none], ['Bearer opaque-token\n', 1, /is no token/], ['  opaque-token\n', 0]]) {
      const { code, stdout, stderr } = await piped(input, ['block', 'add', 'token', '-', '--config', file, '--json', ...WHY], env);
      assert.equal(code, wanted, stderr);
      if (wanted === 1) assert.match(stderr, why);
      else assert.equal(JSON.parse(stdout).value, createHash('sha256').update('opaque-token').digest('hex'));
    }
  });
  it('what is wrong is said, with what to do', async () => {
    const cases = [
      [/--expires WHEN is missing: a date/, 'add', 'consumer', 'acme', '--reason', 'why'],
      [/--reason TEXT is missing/, 'add', 'consumer', 'acme', '--expires', '1h'],
      [/--expires "soon": a date/, 'add', 'consumer', 'acme', '--expires', 'soon', '--reason', 'why'],
      [/--expires is not in the future/, 'add', 'consumer', 'acme', '--expires', '2020-01-31', '--reason', 'why'],
      [/--reason and --by are one line/, 'add', 'consumer', 'acme', '--expires', '1h', '--reason', 'a\nb'],
      [/there is no kind "user"; there are: address api_key/, 'add', 'user', 'acme', ...WHY],
      [/sub "alice" needs its issuer/, 'add', 'sub', 'alice', ...WHY],
      [/sub "alice" has an issuer that is none of `issuers`/, 'add', 'sub', 'alice', '--issuer', 'mian', ...WHY],
      [/consumer "acme" has no issuer/, 'add', 'consumer', 'acme', '--issuer', 'main', ...WHY],
      [/token "abc" is no SHA-256/, 'add', 'token', 'abc', ...WHY],
      [/serial "xyz" is no serial number/, 'add', 'serial', 'xyz', '--issuer', 'CN=CA', ...WHY],
      [/route "order" is no route/, 'add', 'route', 'order', ...WHY],
      [/address "10.0.0.1\/8" is no address or network/, 'add', 'address', '10.0.0.1/8', ...WHY],
      [/loopback/, 'add', 'address', '127.0.0.1', ...WHY],
      [/loopback/, 'add', 'address', '::1', ...WHY],
      [/loopback/, 'add', 'address', '0.0.0.0/0', ...WHY],
      [/loopback/, 'add', 'address', '::/0', ...WHY],
      [/wider than \/8/, 'add', 'address', '16.0.0.0/4', ...WHY],
      [/wider than \/8 \(IPv4\) or \/16 \(IPv6\)/, 'add', 'address', '2000::/8', ...WHY],
      [/is exempt by blocks\.exempt/, 'add', 'address', '203.0.113.9', ...WHY],
      [/there is no such block: 99/, 'remove', '99'],
      [/there is no such block: consumer nobody/, 'remove', 'consumer', 'nobody'],
      [/a number as `sallyport block list` shows it/, 'remove', 'twelve'],
    ];
    await ok('init');
    for (const [pattern, ...args] of cases) await fails(pattern, ...args);
    assert.deepEqual(await listed(), []);
  });
  it('misuse', async () => {
    for (const [pattern, ...args] of [
      [/a command is missing/],
      [/there is no such command: ban/, 'ban'],
      [/no configuration is named/, 'list'],
      [/what is missing is what to block/, 'add', 'sub', '--config', 'x'],
      [/this is not understood: --when/, 'add', 'sub', 'alice', '--when', 'now', '--config', 'x'],
      [/a value is missing after: --reason/, 'add', 'sub', 'alice', '--config', 'x', '--reason'],
    ]) {
      const { code, stderr } = await sallyport(['block', ...args]);
      assert.equal(code, 2);
      assert.match(stderr, pattern);
      assert.match(stderr, /usage: sallyport block add/);
    }
  });
  it('a store that is none, is not there, or is of another', async () => {
    await fails(/blocks\.sqlite: there is no block store here: `sallyport block init` makes it/, 'list');
    await ok('init');
    await ok('init'); // again: nothing happens
    assert.deepEqual(await listed(), []);
    writeFileSync(join(dir, 'blocks.sqlite'), 'no database at all, '.repeat(100));
    await fails(/no block store, or is damaged/, 'list');
    mkdirSync(join(dir, 'sub'));
    writeFileSync(file, CONFIG('{ store: sub }'));
    await fails(/no regular file/, 'list');
    writeFileSync(file, CONFIG('{ file: blocks.yaml }'));
    writeFileSync(join(dir, 'blocks.yaml'), 'blocks: {}\n');
    await fails(/are kept in .*blocks\.yaml: change them there/, 'add', 'consumer', 'acme', ...WHY);
    writeFileSync(file, CONFIG('{ store: blocks.sqlite }').replace(/\nblocks:.*/, ''));
    await fails(/has no `blocks`/, 'list');
  });
  it('the store is made for the gateway alone to read', { skip: process.getuid() !== 0 && 'not root' }, async () => {
    await ok('init');
    const status = statSync(join(dir, 'blocks.sqlite'));
    assert.equal(status.mode & 0o777, 0o640);
    assert.notEqual(status.gid, 0); // nobody's, whom the gateway runs as
  });
});

describe('diff of blocks', () => {
  it('who is blocked now, and who is not any more', async () => {
    const write = (name, blocks, entries) => {
      writeFileSync(join(dir, `${name}.blocks`), JSON.stringify({ blocks: entries }));
      writeFileSync(join(dir, `${name}.yaml`), CONFIG(blocks.replace('FILE', `file: ${name}.blocks`)));
    };
    const alice = { kind: 'sub', value: 'alice', issuer: 'main', expires: 'never', reason: 'x' };
    write('old', '{ FILE, store: a.sqlite, exempt: [10.1.0.0/16] }', { one: alice });
    write('new', '{ FILE, exempt: [10.2.0.0/16] }', { two: { ...alice, value: 'bob' } });
    const { code, stdout } = await sallyport(['diff', join(dir, 'old.yaml'), join(dir, 'new.yaml')], { env });
    assert.equal(code, 1);
    for (const line of [/sub bob of https:\/\/idp\.example\.com is blocked now, until never \(two\)/, /sub alice of .* was blocked, and is not so any more/, /there is no store/, /10\.2\.0\.0\/16.* are exempt from blocks now/, /10\.1\.0\.0\/16.* are not exempt/]) assert.match(stdout, line);
    assert.equal((await sallyport(['diff', join(dir, 'old.yaml'), join(dir, 'old.yaml')], { env })).code, 0);
  });
});

describe('check of blocks', () => {
  const check = async (entries) => {
    writeFileSync(file, CONFIG('{ file: blocks.yaml, exempt: [203.0.113.0/24] }'));
    writeFileSync(join(dir, 'blocks.yaml'), `blocks:\n${entries.map((entry, i) => `  b${i}: { ${entry} }`).join('\n')}\n`);
    const { code, stderr } = await sallyport(['check', file], { env });
    return { code, told: stderr.split('\n').filter((line) => line.includes('blocks.yaml:')) };
  };
  it('twin: a file of good ones', async () => {
    const { code, told } = await check(['kind: sub, value: a, issuer: main, expires: never, reason: x', 'kind: address, value: 192.0.2.0/24, expires: 2099-01-31, reason: x', 'kind: route, value: orders, expires: "2099-01-31T12:00:00Z", reason: x']);
    assert.equal(code, 0, told.join('\n'));
    assert.deepEqual(told, []);
  });
  it('what, where, what to do', async () => {
    const { code, told } = await check([
      'kind: sub, value: a, issuer: other, expires: never, reason: x', 'kind: user, value: a, expires: never, reason: x', 'kind: consumer, value: a, reason: x',
      'kind: consumer, value: a, expires: never', 'kind: consumer, value: a, expires: 1h, reason: x', 'kind: address, value: 127.0.0.0/8, expires: never, reason: x',
      'kind: address, value: 203.0.113.1, expires: never, reason: x', 'kind: route, value: none, expires: never, reason: x', 'kind: consumer, value: b, expires: 2020-01-31, reason: x',
      'kind: consumer, value: c, expires: never, reason: x', 'kind: consumer, value: c, expires: never, reason: x', 'kind: token, value: zz, expires: never, reason: x',
    ]);
    assert.equal(code, 1);
    const at = (line) => told.filter((text) => text.includes(`blocks.yaml:${line + 2}:`)).join('\n');
    const expected = [/has an issuer that is none of/, /one of address, api_key/, /expires/, /reason/, /expires is written/, /loopback/, /is exempt/, /is no route/, /warning: .*has expired: it can be deleted/, null, /blocks the same as "b9"/, /is no SHA-256/];
    expected.forEach((pattern, i) => (pattern ? assert.match(at(i), pattern) : assert.equal(at(i), '')));
  });
  it('a file that is not there; neither store nor file', async () => {
    writeFileSync(file, CONFIG('{ file: none.yaml }'));
    assert.match((await sallyport(['check', file], { env })).stderr, /gateway\.yaml:6:.*none\.yaml: .*No such file/);
    writeFileSync(file, CONFIG('{ exempt: ["10.0.0.0/33"] }'));
    assert.match((await sallyport(['check', file], { env })).stderr, /names neither a store nor a file/);
    writeFileSync(file, CONFIG('{ store: x.sqlite, exempt: ["10.0.0.0/33"] }'));
    assert.match((await sallyport(['check', file], { env })).stderr, /an address or a network is wanted here, not "10\.0\.0\.0\/33"/);
  });
});
