// Routes of one host, path and method, told apart by headers, parameters, cookies, addresses and time.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';

const at = (conditions) => ({ ...READ_ORDERS, match: { ...READ_ORDERS.match, ...conditions } });

describe('conditions', () => {
  let s;
  before(async () => {
    const other = { ...READ_ORDERS, match: { host: HOST, path: '/only/**', methods: ['GET'], headers: { 'X-Preview': '*' } } };
    s = await openStage({
      routes: {
        plain: at({}),
        version: at({ headers: { 'X-Version': ['v2', 'v3*'] } }),
        beta: at({ cookies: { tier: 'beta' }, priority: 5 }),
        preview: at({ query: { preview: 'yes' }, priority: 10 }),
        both: at({ headers: { 'X-Version': 'v2' }, query: { preview: 'yes' }, priority: 10 }),
        office: { ...READ_ORDERS, match: { host: HOST, path: '/office/**', addresses: ['127.0.0.7', '127.0.1.0/24'] } },
        'from-elsewhere': { ...READ_ORDERS, match: { host: HOST, path: '/office/**' }, authorize: { scopes: ['office'] } },
        past: { ...READ_ORDERS, match: { host: HOST, path: '/sale/**', before: '2020-01-01' } },
        present: { ...READ_ORDERS, match: { host: HOST, path: '/sale/**', after: '2020-01-01', before: '2120-01-01T00:00:00Z' } },
        only: other,
        cors: { ...READ_ORDERS, match: { host: HOST, path: '/cors/**', headers: { 'X-Version': 'v2' } }, cors: { origins: ['https://app.example.com'], headers: ['X-Version', 'Authorization'] } },
      },
    });
  });
  after(() => s?.close());

  async function served(expected, parts) {
    const { response } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), ...parts }));
    const id = response.fields.get('x-request-id');
    assert.equal((await s.gateway.access('the request', (l) => l.request_id === id)).route, expected);
  }

  for (const [name, route, parts] of [
    ['nothing', 'plain', {}],
    ['a header', 'version', { fields: [['x-version', 'v2']] }],
    ['a header that begins so', 'version', { fields: [['X-Version', 'v3.7']] }],
    ['a header of another value', 'plain', { fields: [['X-Version', 'v22']] }],
    ['a header twice', 'plain', { fields: [['X-Version', 'v2'], ['X-Version', 'v2']] }],
    ['a cookie', 'beta', { fields: [['Cookie', 'a=b; tier=beta']] }],
    ['a cookie twice', 'plain', { fields: [['Cookie', 'tier=beta; tier=beta']] }],
    ['a parameter', 'preview', { path: '/orders/1?preview=y%65s' }],
    ['a parameter twice', 'plain', { path: '/orders/1?preview=yes&preview=no' }],
    ['more conditions go first', 'both', { path: '/orders/1?preview=yes', fields: [['X-Version', 'v2']] }],
    ['a higher priority goes first', 'preview', { path: '/orders/1?preview=yes', fields: [['Cookie', 'tier=beta']] }],
    ['an address', 'office', { path: '/office/1', localAddress: '127.0.0.7' }],
    ['a prefix', 'office', { path: '/office/1', localAddress: '127.0.1.9' }],
    ['a time', 'present', { path: '/sale/1' }],
  ]) {
    it(`${name}: ${route}`, () => served(route, parts));
  }

  it('where no condition holds there is no route, and neither a wider one nor 405', async () => {
    await served('only', { path: '/only/1', fields: [['X-Preview', '']] });
    const token = await s.mint();
    const { access } = await s.denied({ status: 404, code: 'not_found', reason: 'no_route' }, () => s.request({ path: '/only/1', token }));
    assert.equal(access.detail, 'conditions');
    await s.denied({ status: 405, code: 'method_not_allowed', reason: 'method_not_allowed' }, () => s.request({ method: 'DELETE', path: '/only/1', token }));
  });

  it('an address may open what others need more for, and nothing that a client sends does', async () => {
    const token = await s.mint();
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => s.request({ path: '/office/1', token }));
    for (const name of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP']) {
      const value = name === 'Forwarded' ? 'for=127.0.0.7' : '127.0.0.7';
      await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => s.request({ path: '/office/1', token, fields: [[name, value]] }));
    }
  });

  it('a preflight has not the headers that the request will have', async () => {
    const fields = [['Origin', 'https://app.example.com'], ['Access-Control-Request-Method', 'GET'], ['Access-Control-Request-Headers', 'x-version,authorization']];
    const response = await s.request({ method: 'OPTIONS', path: '/cors/1', fields });
    assert.equal(response.fields.get('access-control-allow-origin'), 'https://app.example.com');
  });
});

describe('conditions, checked', () => {
  const write = (routes) => {
    const dir = tempDir('conditions');
    const file = join(dir, 'gateway.yaml');
    writeFileSync(join(dir, 'keys.json'), JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'a', alg: 'EdDSA', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }] }));
    writeFileSync(file, JSON.stringify({
      listeners: { public: { address: '127.0.0.1', port: 1, plaintext: 'allow' } },
      issuers: { main: { issuer: 'https://idp.example.com', audiences: ['orders'], algorithms: ['EdDSA'], jwks_file: 'keys.json' } },
      upstreams: { 'order-service': { endpoints: ['http://127.0.0.1:9001'] }, canary: { endpoints: ['http://127.0.0.1:9002'] } },
      routes,
    }));
    return file;
  };
  const check = (routes) => sallyport(['check', write(routes)]);

  it('shared policy: another upstream is fine, and shown', async () => {
    const { code, stdout, stderr } = await check({ plain: at({}), canary: { ...at({ headers: { 'X-Canary': '*' }, priority: 3 }), upstream: 'canary' } });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /where +header X-Canary is \*; priority 3 /);
  });
  for (const [name, loose, said] of [
    ['no authentication', { auth: 'none', authorize: undefined }, /PUBLIC/],
    ['no scope', { authorize: 'any_caller' }, /read_orders/],
    ['another limit', { limits: [{ limit: '5/1m', by: 'caller' }] }, /5\/1m/],
    ['larger bodies', { body: '1GiB' }, /1GiB/],
  ]) {
    it(`what a client may choose has one policy: ${name}`, async () => {
      const { code, stderr } = await check({ plain: at({}), loose: { ...at({ cookies: { tier: 'beta' } }), ...loose } });
      assert.equal(code, 1);
      assert.match(stderr, /routes\.loose: a client chooses between this route and "plain" by what it sends, so both must let the same callers do the same/);
      assert.match(stderr, said);
    });
  }
  it('twin: by address, the policy may differ', async () => {
    const { code, stderr } = await check({ plain: at({}), inside: { ...at({ addresses: ['10.0.0.0/8'] }), authorize: 'any_caller' } });
    assert.equal(code, 0, stderr);
  });
  it('diff: a route that is gone gives its requests to the one without conditions, and not more', async () => {
    const two = write({ plain: at({}), canary: { ...at({ headers: { 'X-Canary': '*' } }), upstream: 'canary' } });
    const one = write({ plain: at({}) });
    const { stdout } = await sallyport(['diff', two, one]);
    assert.match(stdout, /GET, HEAD api\.example\.com\/orders\/\*\* where header X-Canary is \* on public .*: upstream is order-service, was canary/);
    assert.doesNotMatch(stdout, /access/);
    const { stdout: gained } = await sallyport(['diff', write({ canary: at({ headers: { 'X-Canary': '*' } }) }), one]);
    assert.match(gained, /Gains access\n.*there was no such route/);
  });
  for (const [name, one, other, said] of [
    ['two that may both hold', { headers: { 'X-A': '1' } }, { query: { b: '2' } }, /is ambiguous: route "one" .*: say by match\.priority which is asked first/],
    ['one that would hide the other', { headers: { 'X-A': '1' } }, { priority: 1 }, /ambiguous.*the other is never asked/],
  ]) {
    it(`ambiguous: ${name}`, async () => {
      const { code, stderr } = await check({ one: at(one), other: at(other) });
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }
  for (const [name, conditions, said] of [
    ['a credential', { headers: { Authorization: 'Bearer*' } }, /match\.headers\.Authorization: a credential decides by auth, not by match/],
    ['the Cookie header', { headers: { Cookie: 'a=1' } }, /match\.cookies/],
    ['a star in the middle', { query: { a: 'x*y' } }, /match\.query\.a: a star stands at the end only/],
    ['no values', { cookies: { a: [] } }, /match\.cookies\.a/],
    ['no prefix', { addresses: ['10.0.0.1/8'] }, /match\.addresses\[0\]: this is no address and no prefix/],
    ['no date', { after: 'tomorrow' }, /match\.after: a date is wanted/],
    ['no time at all', { after: '2027-02-01', before: '2027-01-01' }, /match\.before: no time is both/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stderr } = await check({ one: at(conditions) });
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }
});
