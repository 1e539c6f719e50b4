// Key sets on the disk (jwks_cache): a start while the provider is down; and records that must not be believed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startGateway } from '../lib/gateway.mjs';
import { forge, hmacKey, Issuer, seconds, serveKeys, signatureOf } from '../lib/issuer.mjs';
import { closeAll, HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const isRoot = process.getuid() === 0;
const NOBODY = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':')).find(([name]) => name === 'nobody').slice(2, 4).map(Number);
const UNAVAILABLE = { status: 503, code: 'authentication_unavailable', reason: 'issuer_unavailable' };

describe('key sets on the disk', () => {
  let s, issuer, server, port;
  // What a provider may publish though it should not: both are for nobody to keep.
  const published = async () => {
    const { keys } = await issuer.jwks();
    return { keys: [{ kty: 'oct', kid: 'shared', alg: 'HS256', k: Buffer.from('s'.repeat(32)).toString('base64url') }, ...keys.map((key) => ({ ...key, x5c: ['MIIB'], extra: { any: 'thing' } }))], other: true };
  };
  const up = async () => (server = await serveKeys(published, { port }));
  const down = async () => {
    await server?.stop();
    server = undefined;
  };
  // A directory of the gateway's user's own.
  const directory = () => {
    const path = join(tempDir('jwks'), 'cache');
    mkdirSync(path, { mode: 0o700 });
    if (isRoot) chownSync(path, ...NOBODY);
    return path;
  };
  const config = (cache, over = {}) => ({
    ...s.config,
    jwks_cache: cache,
    issuers: { main: { issuer: issuer.issuer, audiences: ['orders'], algorithms: ['RS256', 'ES256'], jwks_url: `http://127.0.0.1:${port}/jwks.json`, ...over } },
  });
  const start = async (...args) => (s.gateway = await startGateway({ config: config(...args) }));
  const stop = async () => {
    await s.gateway?.stop();
    s.gateway = undefined;
  };
  const record = (cache, name = 'main') => join(cache, `${name}.jwks`);
  const read = (cache, name) => JSON.parse(readFileSync(record(cache, name), 'utf8'));
  const write = (cache, value, name) => writeFileSync(record(cache, name), typeof value === 'string' ? value : JSON.stringify(value));
  const kept = (cache, name) => until('the record', () => { try { return read(cache, name); } catch { return false; } });
  const get = async (options) => s.request({ path: '/orders/1', token: await issuer.mint({}, options) });
  const event = (name) => s.gateway.event(name);
  // The gateway has run with the provider up, and the provider is down now.
  const fill = async (over) => {
    const cache = directory();
    await up();
    await start(cache, over);
    await event('keys_fetched');
    const value = await kept(cache);
    await stop();
    await down();
    return { cache, value };
  };
  // Whatever is done to the record, a start with it has no keys, and says why.
  const refused = async (cache, reason, over) => {
    await start(cache, over);
    try {
      const told = await event('keys_not_restored');
      assert.match(told.reason, reason);
      assert.ok(!s.gateway.events.some((e) => e.event === 'keys_restored'));
      await s.denied(UNAVAILABLE, async () => s.request({ path: '/orders/1', token: await issuer.mint({ iss: s.gateway.config.issuers.main.issuer }) }));
      await event('keys_failed'); // fetching goes on
      return told;
    } finally {
      await stop();
    }
  };

  before(async () => {
    s = await openStage({ start: false, routes: { 'read-orders': READ_ORDERS } });
    issuer = new Issuer({ issuer: 'https://warm.example.com' });
    await issuer.addKey('RS256', { kid: 'first' });
    await up();
    ({ port } = server);
    await down();
  });
  after(() => closeAll(stop, down, () => s.close()));

  it('a start while the provider is down: tokens are good as before; without it they are 503', async () => {
    const { cache } = await fill();
    await start(cache);
    const told = await event('keys_restored');
    assert.deepEqual([told.issuer, told.file], ['main', record(cache)]);
    assert.ok(told.age_s >= 0 && told.age_s < 60);
    for (let i = 0; i < 8; i++) await s.allowed(() => get());
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_signature' }, async () => s.request({ path: '/orders/1', token: `${(await issuer.mint({})).slice(0, -8)}AAAAAAAA` }));
    await event('keys_failed');
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_issuer_has_keys', { issuer: 'main' }), 1);
    assert.ok(metrics.sum('sallyport_issuer_keys_age_seconds', { issuer: 'main' }) < 120);
    assert.ok(metrics.sum('sallyport_issuer_fetch_failures_total', { issuer: 'main' }) >= 1);
    assert.equal((await s.request({ listener: 'ops', plain: true, path: '/readyz' })).status, 200);
    await stop();
    await start(undefined);
    await s.denied(UNAVAILABLE, () => get());
    assert.ok(!s.gateway.events.some((e) => /restored/.test(e.event)));
    await stop();
  });
  it('what is kept: keys that verify signatures, of them what that needs, for the gateway alone to read', async () => {
    const { cache, value } = await fill();
    assert.deepEqual(Object.keys(value).sort(), ['boot', 'fetched_at', 'fetched_since_boot', 'issuer', 'keys', 'source', 'version']);
    assert.deepEqual([value.issuer, value.source], [issuer.issuer, `http://127.0.0.1:${port}/jwks.json`]);
    assert.ok(Math.abs(value.fetched_at - seconds()) < 60);
    assert.deepEqual(value.keys.map((key) => Object.keys(key).sort()), [['alg', 'e', 'kid', 'kty', 'n', 'use']]);
    const facts = statSync(record(cache));
    assert.equal(facts.mode & 0o777, 0o600);
    assert.equal(facts.uid, isRoot ? NOBODY[0] : process.getuid());
    assert.deepEqual(readdirSync(cache), ['main.jwks']); // nothing half-written beside it
  });
  it('fetching begins at once all the same, and what comes replaces it', async () => {
    const { cache, value } = await fill();
    const old = await issuer.mint({}, { kid: 'first' });
    await start(cache);
    await s.allowed(() => s.request({ path: '/orders/1', token: old }));
    const other = new Issuer({ issuer: issuer.issuer });
    await other.addKey('RS256', { kid: 'second' });
    const before = issuer;
    issuer = other;
    try {
      await up();
      await event('keys_fetched');
      await until('the new keys', async () => (await get({ kid: 'second' })).status === 200);
      await until('the old ones to be gone', async () => (await s.request({ path: '/orders/1', token: old })).status === 401);
      await until('the record to be of the new ones', () => read(cache).keys[0].kid === 'second');
      assert.ok(read(cache).fetched_at >= value.fetched_at);
    } finally {
      issuer = before;
      await closeAll(stop, down);
    }
  });
  it('jwks_stale counts from when they were fetched, not from the start', async () => {
    const { cache, value } = await fill();
    write(cache, { ...value, fetched_at: value.fetched_at - 3594 });
    await start(cache);
    const began = Date.now();
    const { age_s: age } = await event('keys_restored');
    assert.ok(age >= 3594, `${age} s`);
    await s.allowed(() => get());
    await event('keys_stale');
    assert.ok(Date.now() - began < 8000 * SLOW);
    await s.denied(UNAVAILABLE, () => get());
    await stop();
  });
  it('too old: not taken', async () => {
    const { cache, value } = await fill();
    write(cache, { ...value, fetched_at: value.fetched_at - 3601 });
    await refused(cache, /older than jwks_stale/);
    // The twin: keys that are good for longer.
    await start(cache, { jwks_stale: '2h' });
    await s.allowed(() => get());
    await stop();
  });
  it('a clock that was set back makes no key younger', async () => {
    const { cache, value } = await fill({ jwks_stale: '5s' });
    // Set back since: the wall clock knows nothing of it, or the record seems to be of a time to come; the boot's clock tells.
    write(cache, { ...value, fetched_at: seconds(), fetched_since_boot: value.fetched_since_boot - 6 });
    await refused(cache, /older than jwks_stale/, { jwks_stale: '5s' });
    write(cache, { ...value, fetched_at: seconds() + 60 });
    await refused(cache, /a time to come/, { jwks_stale: '5s' });
    // Of another boot, whose clock says nothing here.
    write(cache, { ...value, fetched_at: seconds(), boot: '0'.repeat(36), fetched_since_boot: 0 });
    await start(cache, { jwks_stale: '5s' });
    await s.allowed(() => get());
    await stop();
  });
  it('of another issuer, or from another place: not taken', async () => {
    const { cache, value } = await fill();
    const foreign = /another issuer's, or come from another place/;
    for (const change of [{ issuer: 'https://other.example.com' }, { source: 'http://127.0.0.1:1/jwks.json' }]) {
      write(cache, { ...value, ...change });
      await refused(cache, foreign);
    }
    write(cache, value);
    await refused(cache, foreign, { issuer: 'https://other.example.com' });
    await refused(cache, foreign, { jwks_url: `http://127.0.0.1:${port}/other.json` });
    await refused(cache, foreign, { jwks_url: undefined, issuer: `http://127.0.0.1:${port}` });
  });
  it('damaged: not taken', async () => {
    const { cache, value } = await fill();
    const text = JSON.stringify(value);
    const { keys, ...head } = value;
    for (const [damaged, reason] of [
      ['', /is damaged/],
      [text.slice(0, -20), /is damaged/],
      [`${text}}`, /is damaged/],
      [text.replace('"issuer"', '"issuer":"a","issuer"'), /is damaged/],
      [{ ...value, version: 2 }, /another version/],
      [{ ...value, version: undefined }, /is damaged/],
      [{ ...value, fetched_at: '1' }, /is damaged/],
      [{ ...value, fetched_at: -1 }, /is damaged/],
      [{ ...value, boot: 'x' }, /is damaged/],
      [{ keys }, /is damaged/],
      [head, /no array `keys`/],
      [{ ...value, keys: [] }, /no key that can be used/],
      [{ ...value, keys: [{ ...keys[0], n: 'AQAB' }] }, /no key that can be used/],
      [{ ...value, more: 'x'.repeat(1 << 20) }, /too large/],
    ]) {
      write(cache, damaged);
      await refused(cache, reason);
    }
  });
  it('a symmetric key that somebody put there verifies nothing', async () => {
    const { cache, value } = await fill();
    const secret = 's'.repeat(32);
    write(cache, { ...value, keys: [...value.keys, { kty: 'oct', kid: 'shared', k: Buffer.from(secret).toString('base64url') }] });
    await start(cache);
    await s.allowed(() => get());
    const token = forge({ header: { alg: 'HS256', kid: 'shared' }, payload: issuer.claims(), sign: (input) => signatureOf('HS256', hmacKey(secret), input) });
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_algorithm' }, () => s.request({ path: '/orders/1', token }));
    await stop();
  });
  it('a file that somebody else can have written: not taken', async () => {
    const { cache, value } = await fill();
    const text = JSON.stringify(value);
    const own = (path) => isRoot && chownSync(path, ...NOBODY);
    const elsewhere = join(tempDir('elsewhere'), 'main.jwks');
    writeFileSync(elsewhere, text, { mode: 0o644 });
    own(elsewhere);
    for (const make of [
      (path) => symlinkSync(elsewhere, path),
      (path) => linkSync(elsewhere, path),
      (path) => (writeFileSync(path, text), own(path), chmodSync(path, 0o602)),
      (path) => (writeFileSync(path, text), own(path), chmodSync(path, 0o620)),
      (path) => execFileSync('mkfifo', [path]),
      (path) => mkdirSync(path),
      ...(isRoot ? [(path) => (writeFileSync(path, text), chownSync(path, 1, 1))] : []),
    ]) {
      rmSync(record(cache), { force: true, recursive: true });
      make(record(cache));
      await refused(cache, /only the gateway's user can have written/);
    }
    rmSync(record(cache), { force: true, recursive: true });
    writeFileSync(record(cache), text, { mode: 0o644 });
    own(record(cache));
    await start(cache);
    await s.allowed(() => get());
    await stop();
  });
  it('a directory that others may write to, or that is not there: nothing is taken from it, nothing put into it', async () => {
    const { cache } = await fill();
    for (const [mode, reason] of [[0o707, /others may write/], [0o720, /others may write/]]) {
      chmodSync(cache, mode);
      const told = await refused(cache, reason);
      assert.equal(told.directory, cache);
    }
    chmodSync(cache, 0o700);
    rmSync(record(cache));
    chmodSync(cache, 0o702);
    await up();
    try {
      await start(cache);
      assert.match((await event('keys_not_kept')).reason, /others may write/);
      await s.allowed(() => get());
      assert.deepEqual(readdirSync(cache), []);
      await stop();
      await start(join(cache, 'absent'));
      assert.match((await event('keys_not_kept')).reason, /cannot be opened: No such file/);
      await s.allowed(() => get());
    } finally {
      await closeAll(stop, down);
    }
  });
  it('keys that are discovered are kept, too', async () => {
    const base = `http://127.0.0.1:${port}`;
    const found = { issuer: base, jwks_url: undefined };
    const cache = directory();
    await up();
    server.answer = async (request, response) => response.end(JSON.stringify(request.url.includes('.well-known') ? { issuer: base, jwks_uri: `${base}/keys` } : await published()));
    const mint = () => issuer.mint({ iss: base });
    try {
      await start(cache, found);
      await event('keys_fetched');
      assert.equal((await kept(cache)).source, `discovery ${base}`);
      await closeAll(stop, down);
      await start(cache, found);
      await event('keys_restored');
      await s.allowed(async () => s.request({ path: '/orders/1', token: await mint() }));
    } finally {
      await closeAll(stop, down);
    }
  });
  it('a reload that brings it: another process relieves the one that serves, and keeps what it fetches', async () => {
    const cache = directory();
    await up();
    try {
      await start(undefined);
      await event('keys_fetched');
      assert.equal((await s.gateway.reload(config(cache))).event, 'ready');
      await kept(cache);
      await s.allowed(() => get());
    } finally {
      await closeAll(stop, down);
    }
  });
});
