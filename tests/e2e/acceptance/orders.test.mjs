// In the words of those who asked for the gateway.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { request as undici, Agent } from 'undici';
import { forge, seconds } from '../lib/issuer.mjs';
import { HOST, READ_ORDERS, fieldsOf, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';

const routes = {
  'read-orders': { ...READ_ORDERS, relay: { token: 'forward' } },
  'change-orders': { match: { host: HOST, path: '/orders/**', methods: ['POST'] }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: 'any_caller' },
  'everything-else': { match: { host: HOST, path: '/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: 'any_caller' },
};

describe('the order service behind the gateway', () => {
  let s;
  before(async () => (s = await openStage({ routes })));
  after(() => s?.close());

  describe('only callers with read_orders reach GET /orders/**', () => {
    for (const path of ['/orders', '/orders/42', '/orders/42/items/7', '/orders/42?expand=items']) {
      it(`with it: GET ${path}`, async () => {
        for (const scope of ['read_orders', 'openid read_orders write_orders']) {
          const { echo } = await s.allowed(async () => s.request({ path, token: await s.mint({ scope }) }));
          assert.equal(echo.target, path);
          assert.equal(echo.method, 'GET');
        }
      });
      it(`without it: GET ${path}`, async () => {
        for (const scope of [undefined, '', 'write_orders', 'READ_ORDERS', 'read_orders2', 'read', 'xread_orders', 'read_orders,write_orders']) {
          const { response } = await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing', route: 'read-orders' }, async () =>
            s.request({ path, token: await s.mint({ scope }) }));
          const challenge = response.fields.get('www-authenticate');
          assert.match(challenge, /^Bearer .*error="insufficient_scope"/);
          assert.match(challenge, /scope="read_orders"/);
        }
      });
      it(`without a token: GET ${path}`, async () => {
        await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', route: 'read-orders', challenge: 'Bearer' }, () => s.request({ path }));
      });
    }
    it('HEAD is GET without its body', async () => {
      const response = await s.request({ method: 'HEAD', path: '/orders/42', token: await s.mint() });
      assert.equal(response.status, 200);
      assert.equal(response.body.length, 0);
      await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, async () =>
        s.request({ method: 'HEAD', path: '/orders/42', token: await s.mint({ scope: 'x' }) }));
    });
    it('also for an ordinary client, over one kept connection', async () => {
      const agent = new Agent({ connect: s.tls(), connections: 1 });
      const url = `https://127.0.0.1:${s.gateway.ports.public}/orders/42`;
      const seen = new Set();
      for (let i = 0; i < 5; i++) {
        const { statusCode, body } = await undici(url, { dispatcher: agent, headers: { host: HOST, authorization: `Bearer ${await s.mint({ sub: `user-${i}` })}` } });
        assert.equal(statusCode, 200);
        seen.add((await body.json()).target);
        const denied = await undici(url, { dispatcher: agent, headers: { host: HOST, authorization: `Bearer ${await s.mint({ scope: 'none' })}` } });
        assert.equal(denied.statusCode, 403);
        await denied.body.dump();
      }
      assert.deepEqual([...seen], ['/orders/42']);
      await agent.close();
    });
  });

  describe('any other request needs authentication', () => {
    for (const [method, path] of [['GET', '/'], ['GET', '/customers/1'], ['POST', '/orders'], ['POST', '/orders/42'], ['DELETE', '/customers/1'], ['PUT', '/orders-archive'], ['OPTIONS', '/customers']]) {
      it(`${method} ${path}: refused without, passed with any caller's token`, async () => {
        await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'Bearer' }, () => s.request({ method, path }));
        const { echo } = await s.allowed(async () => s.request({ method, path, token: await s.mint({ scope: undefined }) }));
        assert.deepEqual([echo.method, echo.target], [method, path]);
      });
    }
    it('what no route names is refused whoever asks', async () => {
      await s.denied({ status: 405, code: 'method_not_allowed', reason: 'method_not_allowed' }, async () =>
        s.request({ method: 'DELETE', path: '/orders/42', token: await s.mint() }));
    });
  });

  it('the token is relayed to order-service', async () => {
    const token = await s.mint();
    const { echo } = await s.allowed(() => s.request({ path: '/orders/42', token }));
    assert.deepEqual(fieldsOf(echo, 'authorization'), [`Bearer ${token}`]);
    // and only where the route says so
    const { echo: other } = await s.allowed(() => s.request({ path: '/customers', token }));
    assert.deepEqual(fieldsOf(other, 'authorization'), []);
  });

  describe('a request without a valid JWT in Authorization is refused', () => {
    const path = '/orders/42';
    const missing = { status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'Bearer' };
    const cases = {
      'no Authorization': () => ({ path }),
      'the token in the query': (token) => ({ path: `${path}?access_token=${token}` }),
      'the token in a cookie': (token) => ({ path, fields: [['Cookie', `access_token=${token}; Authorization=Bearer ${token}`]] }),
      'the token in another field': (token) => ({ path, fields: [['X-Authorization', `Bearer ${token}`], ['Proxy-Authorization', `Bearer ${token}`]] }),
      'another scheme': () => ({ path, fields: [['Authorization', 'Basic YWxpY2U6c2VjcmV0']] }),
    };
    for (const [name, parts] of Object.entries(cases)) {
      it(name, async () => s.denied(missing, async () => s.request(parts(await s.mint()))));
    }
    const malformed = { status: 400, code: 'invalid_request' };
    it('two Authorization fields', async () => {
      const token = await s.mint();
      await s.denied({ ...malformed, reason: 'credential_repeated' }, () => s.request({ path, token, fields: [['Authorization', `Bearer ${token}`]] }));
    });
    for (const value of ['Bearer', 'Bearer ', 'Bearer a b', 'Bearer a, Bearer b', 'Bearer "quoted"']) {
      it(`malformed: ${value}`, async () => {
        await s.denied({ ...malformed, reason: 'credential_malformed' }, () => s.request({ path, fields: [['Authorization', value]] }));
      });
    }
    it('a bearer that is no JWT', async () => {
      for (const token of ['garbage', 'a.b.c', 'a.b', '..', 'eyJhbGciOiJSUzI1NiJ9..']) {
        const { response } = await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request({ path, token }));
        assert.match(response.fields.get('www-authenticate'), /error="invalid_token"/);
      }
    });
    it('the scheme is written in any case', async () => {
      await s.allowed(async () => s.request({ path, fields: [['Authorization', `bEARER ${await s.mint()}`]] }));
    });
  });

  it('every failed authentication is in the audit log', async () => {
    const now = seconds();
    const good = await s.mint();
    const failures = [
      ['credential_missing', undefined],
      ['token_malformed', 'garbage'],
      ['token_algorithm', forge({ header: { alg: 'none' }, payload: s.issuer.claims() })],
      ['token_key_unknown', s.issuer.forge({ header: { kid: 'unknown' } })],
      ['token_signature', `${good.slice(0, -8)}AAAAAAAA`],
      ['token_issuer', await s.mint({ iss: 'https://evil.example.com' })],
      ['token_audience', await s.mint({ aud: 'payments' })],
      ['token_expired', await s.mint({ exp: now - 120, iat: now - 600 })],
      ['token_not_yet', await s.mint({ nbf: now + 120 })],
      ['token_lifetime', await s.mint({ exp: undefined })],
      ['token_kind', await s.mint({ nonce: 'n' })],
      ['token_bound', await s.mint({ cnf: { jkt: 'x' } })],
    ];
    const client = await s.connect();
    const ids = [];
    for (const [reason, token] of [...failures, ...failures]) {
      await client.send(requestText({ path: '/orders/42?secret=1', token }));
      const response = await client.response();
      assert.equal(response.status, 401, reason);
      ids.push([reason, response.fields.get('x-request-id')]);
    }
    client.end();
    for (const [reason, id] of ids) {
      const line = await s.gateway.audit(reason, (l) => l.request_id === id);
      assert.deepEqual(
        [line.event, line.reason, line.status, line.route, line.method, line.host, line.path, line.client],
        ['denied', reason, 401, 'read-orders', 'GET', HOST, '/orders/42', '127.0.0.1'],
      );
    }
    const numbers = s.gateway.lines.filter((l) => l.log === 'audit').map((l) => l.seq);
    assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] + i), 'no audit line is missing');
  });
});
