// Each kind of block bites within two seconds in all workers, whatever they remember; its twin is not touched; its end lets go.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Authority } from '../lib/pki.mjs';
import { v1 } from '../lib/proxy.mjs';
import { requestText } from '../lib/raw.mjs';
import { gatewayCertificate, HOST, READ_ORDERS } from '../lib/stage.mjs';
import { until, within } from '../lib/wait.mjs';
import { createKey, writePepper } from '../api_keys/lib.mjs';
import { everywhere, makeStore, openBlocked, piped, within2s } from './lib.mjs';

const ISSUER = 'https://idp.example.com';
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const route = (path, more) => ({ match: { host: HOST, path }, upstream: 'order-service', ...more });

describe('blocks', () => {
  let s, file, add, remove, keysFile, clients;
  before(async () => {
    const { dir } = await makeStore();
    writePepper(dir);
    const partners = { store: join(dir, 'keys.sqlite'), peppers: { p1: `\${file:${join(dir, 'pepper')}}` } };
    keysFile = join(dir, 'keys.yaml');
    writeFileSync(keysFile, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners } }));
    clients = new Authority('Clients CA');
    const server = gatewayCertificate();
    const tls = { certificates: [{ cert: server.certFile, key: server.keyFile }] };
    await createKey(keysFile); // makes the store
    ({ s, file, add, remove } = await openBlocked({
      config: (stage) => ({
        api_keys: { partners },
        issuers: { second: { issuer: 'https://second.example.com', audiences: ['orders'], algorithms: ['RS256'], jwks_file: stage.jwksFile } },
        client_certificates: { any: { identity: 'subject', allow: ['**'] } },
        listeners: {
          mutual: { address: '127.0.0.1', port: 0, tls: { ...tls, client_ca: clients.certFile, client_certificate: 'optional' } },
          proxied: { address: '127.0.0.1', port: 0, tls, proxy_protocol: 'required', trusted_proxies: ['127.0.0.1'] },
          forwarded: { address: '127.0.0.1', port: 0, tls, forwarded: 'x_forwarded', trusted_proxies: ['127.0.0.1'] },
        },
        defaults: { listeners: ['public', 'mutual', 'proxied', 'forwarded'] },
      }),
      blocks: { exempt: ['198.51.100.64/26'] },
      routes: {
        'read-orders': READ_ORDERS,
        'other-orders': { ...READ_ORDERS, match: { host: HOST, path: '/other/**' } },
        open: route('/open/**', { auth: 'none' }),
        shut: route('/shut/**', { auth: 'none' }),
        keyed: route('/keyed/**', { auth: { api_key: 'partners' }, authorize: 'any_caller' }),
        both: route('/both/**', { auth: { all_of: [{ jwt: 'main' }, { api_key: 'partners' }] }, authorize: 'any_caller' }),
      },
    }));
  });
  after(() => s?.close());

  const call = (token, path = '/orders/1') => () => s.request({ path, token });
  const token401 = (reason) => ({ status: 401, code: 'invalid_token', reason });

  // Known to every worker's cache before, denied by all of them after, and let in again by all of them at the end.
  async function bites({ bad, good, expected, args, status = expected.status }) {
    await until('all workers know it', everywhere(bad, 200), 20_000);
    await add(...args);
    await within2s(`the block of ${args[0]} bites`, everywhere(bad, status));
    const { access } = await s.denied(expected, bad);
    assert.match(access.detail, /^block \d+: a test$/);
    for (let i = 0; i < 6; i++) assert.equal((await good()).status, 200, 'the twin');
    await remove(args[0], args[1], ...args.slice(2));
    await within2s(`the block of ${args[0]} is over`, everywhere(bad, 200));
  }

  it('jti, at its issuer', async () => {
    const bad = await s.mint({ jti: 'bad-1', sub: 'alice' });
    const good = await s.mint({ jti: 'good-1', sub: 'alice' });
    await bites({ bad: call(bad), good: call(good), expected: token401('token_blocked'), args: ['jti', 'bad-1', '--issuer', 'main'] });
  });
  it('token, by its digest, and by standard input: it stands nowhere', async () => {
    const bad = await s.mint({ sub: 'carol' });
    const good = await s.mint({ sub: 'carol', jti: 'another' });
    await bites({ bad: call(bad), good: call(good), expected: token401('token_blocked'), args: ['token', sha256(bad)] });
    const { code, stdout, stderr } = await piped(`${bad}\n`, ['block', 'add', 'token', '-', '--config', file, '--expires', '1h', '--reason', 'leaked', '--json']);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).value, sha256(bad));
    await within2s('it bites', everywhere(call(bad), 401));
    assert.ok(!(stdout + stderr + s.gateway.output).includes(bad));
  });
  it('sub: all tokens of it, not that of another issuer or name', async () => {
    const bad = await s.mint({ sub: 'mallory' });
    const good = await s.mint({ sub: 'mallory2' });
    await bites({ bad: call(bad), good: call(good), expected: token401('subject_blocked'), args: ['sub', 'mallory', '--issuer', ISSUER] });
  });
  it('sid: all tokens of a session', async () => {
    const bad = await s.mint({ sid: 'session-1' });
    const good = await s.mint({ sid: 'session-2' });
    await bites({ bad: call(bad), good: call(good), expected: token401('session_blocked'), args: ['sid', 'session-1', '--issuer', 'main'] });
  });
  it('api_key and consumer', async () => {
    const bad = await createKey(keysFile), good = await createKey(keysFile);
    const other = JSON.parse((await piped('', ['keys', 'create', '--config', keysFile, '--json', '--consumer', 'globex'])).stdout);
    const withKey = (made) => () => s.request({ path: '/keyed/1', fields: [['X-API-Key', made.key]] });
    await bites({ bad: withKey(bad), good: withKey(good), expected: { status: 401, code: 'invalid_api_key', reason: 'api_key_blocked', challenge: 'ApiKey' }, args: ['api_key', bad.id] });
    await bites({ bad: withKey(good), good: withKey(other), expected: { status: 403, code: 'forbidden', reason: 'consumer_blocked' }, args: ['consumer', 'acme'] });
  });
  it('whoever else is proven counts too: a blocked key beside a good token', async () => {
    const bad = await createKey(keysFile), good = await createKey(keysFile);
    const token = await s.mint();
    const both = (made) => () => s.request({ path: '/both/1', token, fields: [['X-API-Key', made.key]] });
    await bites({ bad: both(bad), good: both(good), expected: { status: 401, code: 'invalid_api_key', reason: 'api_key_blocked' }, args: ['api_key', bad.id] });
  });
  it('certificate, by its fingerprint and by its serial number and issuer', async () => {
    const bad = clients.issue({ cn: 'bad', client: true }), good = clients.issue({ cn: 'good', client: true });
    const shown = ({ cert, key }) => () => s.request({ path: '/open/1', listener: 'mutual', tls: { cert, key } });
    const expected = { status: 403, code: 'client_certificate_required', reason: 'certificate_blocked' };
    const fingerprint = new X509Certificate(bad.cert).fingerprint256;
    await bites({ bad: shown(bad), good: shown(good), expected, args: ['certificate', fingerprint] });
    await bites({ bad: shown(bad), good: shown(good), expected, args: ['serial', `0x00${bad.serial}`, '--issuer', 'CN=Clients CA'] });
  });
  it('T23: a session that is resumed is as blocked as its certificate was when it began', async () => {
    const bad = clients.issue({ cn: 'resumer', client: true }), good = clients.issue({ cn: 'other resumer', client: true });
    const ask = async ({ cert, key }, session) => {
      const client = await s.connect({ listener: 'mutual', tls: { cert, key, session } });
      await client.send(requestText({ path: '/open/1' }));
      const { status } = await client.response();
      if (!session) await until('a ticket', () => client.session);
      client.end();
      return { status, resumed: client.socket.isSessionReused(), session: client.session };
    };
    const tickets = [await ask(bad), await ask(good)];
    assert.deepEqual(tickets.map((t) => t.status), [200, 200]);
    await add('certificate', new X509Certificate(bad.cert).fingerprint256);
    await within2s('it bites', async () => (await ask(bad)).status === 403);
    const again = [await ask(bad, tickets[0].session), await ask(good, tickets[1].session)];
    assert.deepEqual(again.map((a) => [a.status, a.resumed]), [[403, true], [200, true]]);
  });
  it('T21: a block of one issuer says nothing about the same names at another', async () => {
    const token = await s.mint({ sub: 'shared', jti: 'shared', sid: 'shared' });
    for (const kind of ['sub', 'jti', 'sid']) await add(kind, 'shared', '--issuer', 'second');
    const mark = await s.mint({ sub: 'mark' });
    await add('sub', 'mark', '--issuer', 'main');
    await within2s('they bite', everywhere(call(mark), 401));
    assert.ok(await everywhere(call(token), 200)());
  });
  it('route: for everybody, with Retry-After; the others serve', async () => {
    const token = await s.mint();
    const expected = { status: 503, code: 'unavailable', reason: 'route_blocked', route: 'other-orders' };
    await bites({ bad: call(token, '/other/1'), good: call(token), expected, args: ['route', 'other-orders'] });
    await add('route', 'shut');
    await within2s('it bites', everywhere(call(undefined, '/shut/1'), 503));
    assert.equal((await call(undefined, '/shut/1')()).fields.get('retry-after'), '60');
  });
  it('address: behind a proxy that names its clients each request is looked at; others of the proxy go on', async () => {
    const from = (address) => () => s.request({ path: '/open/1', listener: 'forwarded', fields: [['X-Forwarded-For', address]] });
    const expected = { status: 403, code: 'forbidden', reason: 'address_blocked' };
    await bites({ bad: from('203.0.113.7'), good: from('203.0.113.8'), expected, args: ['address', '203.0.113.7'] });
    await bites({ bad: from('203.0.113.200'), good: from('203.0.114.1'), expected, args: ['address', '203.0.113.0/24'] });
    await bites({ bad: from('2001:db8:1::5'), good: from('2001:db8:2::5'), expected, args: ['address', '2001:db8:1::/48'] });
  });
  it('address: what is exempt is not touched', async () => {
    const from = (address) => () => s.request({ path: '/open/1', listener: 'forwarded', fields: [['X-Forwarded-For', address]] });
    await add('address', '198.51.100.0/24');
    await within2s('it bites', everywhere(from('198.51.100.1'), 403));
    for (let i = 0; i < 6; i++) assert.equal((await from('198.51.100.65')()).status, 200);
  });
  it('address: of a peer right after accept, before TLS; its open connections end', async () => {
    const from = (address) => () => s.request({ path: '/open/1', listener: 'proxied', preface: v1(address) });
    const connect = (address) => s.connect({ listener: 'proxied', preface: v1(address) });
    const bad = await connect('192.0.2.7'), good = await connect('192.0.2.8');
    for (const client of [bad, good]) {
      await client.send(requestText({ path: '/open/1' }));
      assert.equal((await client.response()).status, 200);
    }
    const before = (await s.gateway.metrics()).sum('sallyport_connections_refused_total', { reason: 'address_blocked' });
    await add('address', '192.0.2.7');
    await within(2800, 'its idle connection ends', bad.ended());
    await within2s('new ones are reset', everywhere(from('192.0.2.7'), 0));
    assert.ok((await s.gateway.metrics()).sum('sallyport_connections_refused_total', { reason: 'address_blocked' }) >= before + 8);
    await s.gateway.event('address_blocked', (e) => e.peer === '192.0.2.7');
    await good.send(requestText({ path: '/open/1' }));
    assert.equal((await good.response()).status, 200);
    good.end();
    assert.equal((await from('192.0.2.8')()).status, 200);
  });
  it('a connection that is kept is checked with each request', async () => {
    const bad = await s.mint({ sub: 'keeper' }), good = await s.mint({ sub: 'keeper2' });
    const client = await s.connect();
    const ask = async (token) => {
      await client.send(requestText({ path: '/orders/1', token }));
      return (await client.response()).status;
    };
    assert.deepEqual([await ask(bad), await ask(good)], [200, 200]);
    await add('sub', 'keeper', '--issuer', 'main');
    await within2s('it bites', async () => (await ask(bad)) === 401);
    assert.equal(await ask(good), 200);
    client.end();
  });
  it('ends by itself when it expires, and is told', async () => {
    const bad = await s.mint({ sub: 'shortly' });
    await within2s('it passes', everywhere(call(bad), 200));
    await add('sub', 'shortly', '--issuer', 'main', '--expires', '3s');
    await within2s('it bites', everywhere(call(bad), 401));
    await s.gateway.audit('the end', (l) => l.event === 'block_expired' && /sub shortly of https:\/\/idp\.example\.com/.test(l.detail));
    await within2s('it is over', everywhere(call(bad), 200));
  });
  it('who blocked what and why stands in the audit log; how many there are in the metrics', async () => {
    const token = await s.mint({ sub: 'audited' });
    await add('sub', 'audited', '--issuer', 'main', '--by', 'olga');
    await s.gateway.audit('the block', (l) => l.event === 'block_added' && /^\d+: sub audited of https:\/\/idp\.example\.com, until 20.*, by olga: a test$/.test(l.detail));
    await within2s('it bites', everywhere(call(token), 401));
    const metrics = await s.gateway.metrics();
    assert.ok(metrics.sum('sallyport_blocks', { kind: 'sub' }) >= 1);
    assert.ok(metrics.sum('sallyport_block_denials_total', { kind: 'sub' }) >= 1);
    assert.equal(metrics.sum('sallyport_block_store_up'), 1);
    await remove('sub', 'audited', '--issuer', 'main', '--by', 'piet', '--reason', 'false alarm');
    await s.gateway.audit('its end', (l) => l.event === 'block_removed' && / by piet: false alarm$/.test(l.detail));
    await within2s('it is over', everywhere(call(token), 200));
  });
});
