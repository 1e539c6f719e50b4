// T11: where a request says it came from.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, fieldsOf, gatewayCertificate, openStage } from '../lib/stage.mjs';

const SPOOFED = [
  ['X-Forwarded-For', '203.0.113.66'], ['X-Forwarded-Proto', 'http'], ['X-Forwarded-Host', 'evil.example.com'], ['X-Forwarded-Port', '1'],
  ['X-Forwarded-Prefix', '/evil'], ['X-Forwarded-Client-Cert', 'Subject="CN=admin"'], ['Forwarded', 'for=203.0.113.66;host=evil.example.com'],
  ['X-Real-IP', '203.0.113.66'], ['X-Original-URL', '/admin'], ['X-Rewrite-URL', '/admin'], ['Client-Cert', ':AAAA:'], ['Proxy', 'http://evil.example.com'],
];
const STRIPPED = SPOOFED.map(([name]) => name).filter((name) => !/^X-Forwarded-(For|Proto|Host|Port)$/.test(name));

describe('T11: forwarded headers', () => {
  let s;
  before(async () => {
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    const proxied = (forwarded) => ({ address: '127.0.0.1', port: 0, tls: { certificates: [{ cert, key }] }, trusted_proxies: ['127.0.0.1/32', '10.0.0.0/8'], forwarded });
    const listeners = ['public', 'proxied', 'proxied7239'];
    s = await openStage({
      config: { listeners: { proxied: proxied('x_forwarded'), proxied7239: proxied('forwarded') } },
      routes: {
        open: { ...OPEN, listeners },
        limited: { ...OPEN, match: { host: HOST, path: '/limited/**' }, listeners, limits: [{ limit: '2/1m', by: 'address' }] },
      },
    });
  });
  after(() => s?.close());

  const clientOf = async (response) => (await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'))).client;

  it('from an untrusted peer: stripped, and set anew from the connection', async () => {
    const { echo, response } = await s.allowed(() => s.request({ path: '/open/x', fields: SPOOFED }));
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-proto'), ['https']);
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-host'), [HOST]);
    for (const name of STRIPPED) assert.deepEqual(fieldsOf(echo, name), [], name);
    assert.ok(!JSON.stringify(echo).includes('203.0.113.66'));
    assert.ok(!JSON.stringify(echo).includes('evil'));
    assert.equal(echo.target, '/open/x');
    assert.equal(await clientOf(response), '127.0.0.1');
  });

  it('in any spelling', async () => {
    for (const name of ['x-FORWARDED-for', 'X_Forwarded_For', 'X-Forwarded_For', 'x_real_ip', 'x_original_url', 'X-REWRITE-url']) {
      const { echo } = await s.allowed(() => s.request({ path: '/open/x', fields: [[name, '203.0.113.66']] }));
      assert.ok(!JSON.stringify(echo).includes('203.0.113.66'), name);
    }
  });

  it('a limit by address is not escaped by naming other addresses', async () => {
    const statuses = [];
    for (let i = 0; i < 4; i++) {
      statuses.push((await s.request({ path: '/limited/x', localAddress: '127.0.0.3', fields: [['X-Forwarded-For', `203.0.113.${i}`], ['X-Real-IP', `203.0.113.${i}`], ['Forwarded', `for=203.0.113.${i}`]] })).status);
    }
    assert.deepEqual(statuses, [200, 200, 429, 429]);
  });

  it('rules read the request line, not X-Original-URL', async () => {
    await s.denied({ status: 404, code: 'not_found', reason: 'no_route' }, () => s.request({ path: '/nowhere', fields: [['X-Original-URL', '/open/x'], ['X-Rewrite-URL', '/open/x'], ['X-Forwarded-Host', HOST]] }));
  });

  it('twin: from a trusted proxy the right-most untrusted hop counts', async () => {
    for (const [value, client] of [['198.51.100.7', '198.51.100.7'], ['6.6.6.6, 198.51.100.7', '198.51.100.7'], ['6.6.6.6, 198.51.100.7, 10.1.2.3', '198.51.100.7'], ['2001:db8::7', '2001:db8::7']]) {
      const { echo, response } = await s.allowed(() => s.request({ listener: 'proxied', path: '/open/x', fields: [['X-Forwarded-For', value], ['Forwarded', 'for=203.0.113.66']] }));
      assert.equal(await clientOf(response), client, value);
      assert.match(fieldsOf(echo, 'x-forwarded-for').join(', '), new RegExp(`(^|, )${client}$`), value);
      assert.ok(!JSON.stringify(echo).includes('203.0.113.66'), 'the other family is stripped');
    }
  });
  it('twin: over two field lines as over one', async () => {
    const { response } = await s.allowed(() => s.request({ listener: 'proxied', path: '/open/x', fields: [['X-Forwarded-For', '6.6.6.6'], ['X-Forwarded-For', '198.51.100.8']] }));
    assert.equal(await clientOf(response), '198.51.100.8');
  });
  it('twin: Forwarded, where that is the source', async () => {
    for (const [value, client] of [['for=198.51.100.9;proto=https', '198.51.100.9'], ['for=6.6.6.6, for=198.51.100.9', '198.51.100.9'], ['for="[2001:db8::9]:4711"', '2001:db8::9']]) {
      const { echo, response } = await s.allowed(() => s.request({ listener: 'proxied7239', path: '/open/x', fields: [['Forwarded', value], ['X-Forwarded-For', '203.0.113.66']] }));
      assert.equal(await clientOf(response), client, value);
      assert.ok(!JSON.stringify(echo).includes('203.0.113.66'), 'the other family is stripped');
    }
  });
  it('an untrusted peer of the same listener is not believed', async () => {
    const { response } = await s.allowed(() => s.request({ listener: 'proxied', localAddress: '127.0.0.2', path: '/open/x', fields: [['X-Forwarded-For', '198.51.100.7']] }));
    assert.equal(await clientOf(response), '127.0.0.2');
  });
  it('garbage from a trusted proxy never becomes an address of the client\'s choice', async () => {
    for (const value of ['unknown', '198.51.100.7, not-an-address', ', ,', '198.51.100.7;drop', '999.1.1.1', '"198.51.100.7"']) {
      const response = await s.request({ listener: 'proxied', path: '/open/x', fields: [['X-Forwarded-For', value]] });
      assert.ok([200, 400].includes(response.status), `${value}: ${response.status}`);
      assert.equal(await clientOf(response), '127.0.0.1', value);
    }
  });
  it('twin: the limit by address follows the told address', async () => {
    const ask = (address) => s.request({ listener: 'proxied', path: '/limited/x', fields: [['X-Forwarded-For', address]] });
    assert.deepEqual([(await ask('198.51.100.20')).status, (await ask('198.51.100.20')).status, (await ask('198.51.100.20')).status, (await ask('198.51.100.21')).status], [200, 200, 429, 200]);
  });
});
