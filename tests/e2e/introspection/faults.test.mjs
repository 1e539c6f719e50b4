// An endpoint that is down, frozen, wrong or in demand; and tokens that nobody should believe.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { ScriptedEndpoint } from '../lib/introspection.mjs';
import { closeAll, HOST, openStage } from '../lib/stage.mjs';
import { deadline, until } from '../lib/wait.mjs';

// Soon for a test, and long enough for an endpoint that answers on a busy machine.
const SOON = `${deadline(1000)}ms`;

const ROUTE = { match: { host: HOST, path: '/orders/**', methods: ['GET'] }, upstream: 'order-service', auth: { introspection: 'main' }, authorize: { scopes: ['read_orders'] }, timeout: '60s' };

async function open(settings = {}, config = {}) {
  const endpoint = await ScriptedEndpoint.start();
  const s = await openStage({
    routes: { orders: ROUTE },
    gateway: { env: { INTROSPECTION_SECRET: 'secret' } },
    config: {
      workers: 1,
      introspection: { main: { endpoint: endpoint.url, client_id: 'gateway', client_secret: '${env:INTROSPECTION_SECRET}', audiences: ['orders'], timeout: '30s', ...settings } },
      ...config,
    },
  });
  return { s, endpoint, ask: (token) => s.request({ path: '/orders/1', token }), close: () => closeAll(() => s.close(), () => endpoint.close()) };
}

const unavailable = (reason) => ({ status: 503, code: 'authentication_unavailable', reason });

describe('answers that say nothing', () => {
  let t;
  before(async () => (t = await open()));
  after(() => t?.close());
  const answers = {
    'HTML': ['introspection_answer', (r) => r.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>')],
    'no JSON': ['introspection_answer', (r) => r.writeHead(200, { 'Content-Type': 'application/json' }).end('{"active": tru')],
    'no object': ['introspection_answer', (r) => r.writeHead(200, { 'Content-Type': 'application/json' }).end('[true]')],
    'a text that is true': ['introspection_answer', { active: 'true' }],
    'a number that is true': ['introspection_answer', { active: 1 }],
    'nothing about it': ['introspection_answer', { sub: 'user-1', aud: 'orders' }],
    'a member twice': ['introspection_answer', (r) => r.writeHead(200, { 'Content-Type': 'application/json' }).end('{"active":false,"active":true,"aud":"orders"}')],
    'an exp that is a text': ['introspection_answer', { active: true, aud: 'orders', scope: 'read_orders', exp: 'tomorrow' }],
    'a redirect': ['introspection_unavailable', (r) => r.writeHead(307, { Location: '/elsewhere' }).end()],
    'a server error': ['introspection_unavailable', (r) => r.writeHead(500).end()],
    'too many requests': ['introspection_unavailable', (r) => r.writeHead(429).end()],
    'a refusal': ['introspection_refused', (r) => r.writeHead(401).end()],
    'a connection that is cut': ['introspection_unavailable', (r) => r.destroy()],
    'too much': ['introspection_answer', (r) => r.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ active: true, aud: 'orders', filler: 'x'.repeat(100_000) }))],
  };
  let number = 0;
  for (const [name, [reason, answer]] of Object.entries(answers)) {
    it(`${name}: 503, never 401`, async () => {
      const token = `nonsense-${++number}`;
      t.endpoint.says.set(token, answer);
      const { response } = await t.s.denied(unavailable(reason), () => t.ask(token));
      assert.match(response.fields.get('retry-after'), /^[1-9]\d*$/);
      await t.s.allowed(() => t.ask(t.endpoint.active(`honest-${number}`))); // its twin; and it is well again
    });
  }
});

describe('tokens that make the endpoint fail', () => {
  let t;
  before(async () => (t = await open()));
  after(() => t?.close());
  for (const status of [400, 500]) {
    it(`with ${status}: nobody else is kept from being asked about`, async () => {
      for (let i = 0; i < 8; i++) {
        const token = `poison-${status}-${i}`;
        t.endpoint.says.set(token, (r) => r.writeHead(status).end());
        assert.equal((await t.ask(token)).status, 503);
        assert.equal(t.endpoint.count(token), 1);
      }
      await t.s.allowed(() => t.ask(t.endpoint.active(`honest-${status}`)));
    });
  }
  it('and the log is not flooded by it', async () => {
    for (let i = 0; i < 40; i++) {
      t.endpoint.says.set(`flood-${i}`, (r) => r.writeHead(500).end());
      await t.ask(i % 2 ? `flood-${i}` : t.endpoint.active(`fine-${i}`));
    }
    const told = t.s.gateway.events.filter((e) => e.event.startsWith('introspection_'));
    assert.ok(told.length > 1 && told.length <= 20, `${told.length} events`);
  });
});

describe('T36, T37: tokens that are active and not for here', () => {
  let t;
  before(async () => (t = await open({ issuer: 'https://idp.example.com', required_claims: ['tenant'] })));
  after(() => t?.close());
  const good = { iss: 'https://idp.example.com', tenant: 'acme', token_type: 'Bearer' };
  const now = () => Math.floor(Date.now() / 1000);
  const cases = {
    'another audience': ['token_audience', { aud: 'invoices' }],
    'no audience': ['token_audience', { aud: undefined }],
    'another issuer': ['token_issuer', { iss: 'https://idp.example.com/' }],
    'no issuer': ['token_issuer', { iss: undefined }],
    'no tenant': ['token_claim', { tenant: undefined }],
    'expired': ['token_expired', () => ({ exp: now() - 60 })],
    'not yet': ['token_not_yet', () => ({ nbf: now() + 120 })],
    'a refresh token': ['token_kind', { token_type: 'refresh_token' }],
    'another type': ['token_kind', { token_type: 'mac' }],
    'an ID token': ['token_kind', { nonce: 'x' }],
    'a DPoP token as Bearer': ['token_bound', { token_type: 'DPoP' }],
    'bound to a DPoP key': ['token_bound', { cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } }],
    'bound to a certificate': ['token_bound', { cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' } }],
    'bound to something unknown': ['token_bound', { cnf: {} }],
  };
  for (const [name, [reason, claims]] of Object.entries(cases)) {
    it(name, async () => {
      const token = t.endpoint.active(name.replaceAll(' ', '-'), { ...good, ...(typeof claims === 'function' ? claims() : claims) });
      for (let i = 0; i < 2; i++) await t.s.denied({ status: 401, code: 'invalid_token', reason }, () => t.ask(token));
      assert.equal(t.endpoint.count(token), 1, 'the second is judged by what is known');
      await t.s.allowed(() => t.ask(t.endpoint.active(`honest-${token}`, good)));
    });
  }
});

describe('many at once', () => {
  let t;
  before(async () => (t = await open({ max_concurrent: 3, timeout: '60s' })));
  after(() => t?.close());
  it('ask about one token once, and about no more than max_concurrent', async () => {
    t.endpoint.frozen = true;
    const token = t.endpoint.active('popular');
    const asking = Array.from({ length: 20 }, () => t.ask(token));
    await until('the question', () => t.endpoint.count(token) > 0);
    const others = Array.from({ length: 12 }, (_, i) => t.ask(t.endpoint.active(`other-${i}`)));
    await until('three', () => t.endpoint.open === 3);
    await until('the others wait', async () => (await t.s.gateway.metrics()).sum('sallyport_introspection_waiting', { endpoint: 'main' }) === 10);
    t.endpoint.thaw();
    for (const response of await Promise.all([...asking, ...others])) assert.equal(response.status, 200, response.text);
    assert.equal(t.endpoint.count(token), 1);
    assert.equal(t.endpoint.most, 3);
    const metrics = await t.s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_introspection_requests_total', { endpoint: 'main' }), 13);
    assert.ok(metrics.sum('sallyport_introspection_seconds_total', { endpoint: 'main' }) > 0);
    assert.ok(metrics.sum('sallyport_introspection_cache_misses_total') >= 32);
  });
  it('wrong ones are asked about once, too, and push no good one out', async () => {
    const good = t.endpoint.active('good');
    await t.s.allowed(() => t.ask(good));
    for (let i = 0; i < 2; i++) assert.equal((await t.ask('wrong')).status, 401);
    assert.equal(t.endpoint.count('wrong'), 1);
    await Promise.all(Array.from({ length: 60 }, (_, i) => t.ask(`random-${i}`)));
    await t.s.allowed(() => t.ask(good));
    assert.equal(t.endpoint.count(good), 1);
    assert.ok((await t.s.gateway.metrics()).sum('sallyport_introspection_cache_hits_total') >= 2);
  });
});

describe('an endpoint that is gone', () => {
  let t;
  before(async () => (t = await open({ cache: '60s', timeout: SOON })));
  after(() => t?.close());
  it('frozen: what is known passes, the rest is 503 in time; thawed: all is well', async () => {
    const known = t.endpoint.active('known');
    await t.s.allowed(() => t.ask(known));
    t.endpoint.frozen = true;
    const began = Date.now();
    const { response } = await t.s.denied(unavailable('introspection_unavailable'), () => t.ask(t.endpoint.active('unknown')));
    assert.ok(Date.now() - began < deadline(10_000));
    assert.match(response.fields.get('retry-after'), /^[1-9]/);
    await t.s.allowed(() => t.ask(known));
    t.endpoint.thaw();
    await until('it is well', async () => (await t.ask('unknown')).status === 200);
    await t.s.gateway.event('introspection_recovered', (e) => e.endpoint === 'main');
  });
  it('killed: it is left alone after five failures; back: it is found', async () => {
    const known = t.endpoint.active('known');
    await t.endpoint.stop();
    for (let i = 0; i < 8; i++) await t.s.denied(unavailable('introspection_unavailable'), () => t.ask(t.endpoint.active(`late-${i}`)));
    await t.s.allowed(() => t.ask(known));
    const metrics = await t.s.gateway.metrics();
    assert.ok(metrics.sum('sallyport_introspection_failures_total', { endpoint: 'main' }) < 8 + 2, 'it was left alone');
    assert.equal(metrics.sum('sallyport_introspection_up', { endpoint: 'main' }), 0);
    const event = await t.s.gateway.event('introspection_failed', (e) => e.endpoint === 'main');
    assert.ok(event.reason.length > 0);
    await t.endpoint.restart();
    await until('it is found', async () => (await t.ask('late-1')).status === 200);
    assert.equal((await t.s.gateway.metrics()).sum('sallyport_introspection_up', { endpoint: 'main' }), 1);
  });
});

describe('stale', () => {
  let t;
  before(async () => (t = await open({ cache: '0s', stale: '60s', timeout: SOON })));
  after(() => t?.close());
  it('a token that was active is believed for longer while nobody can be asked, and no other', async () => {
    const known = t.endpoint.active('known');
    await t.s.allowed(() => t.ask(known));
    await t.s.allowed(() => t.ask(known));
    assert.equal(t.endpoint.count(known), 2, 'without a cache each request asks');
    await t.endpoint.stop();
    await t.s.allowed(() => t.ask(known));
    await t.s.denied(unavailable('introspection_unavailable'), () => t.ask('unknown'));
    assert.ok((await t.s.gateway.metrics()).sum('sallyport_introspection_stale_total') >= 1);
    t.endpoint.says.delete(known);
    await t.endpoint.restart();
    await until('the revocation', async () => (await t.ask(known)).status === 401);
    await t.endpoint.stop();
    await t.s.denied({ status: [401, 503], code: ['invalid_token', 'authentication_unavailable'], reason: ['token_inactive', 'introspection_unavailable'] }, () => t.ask(known));
    await t.endpoint.restart();
  });
});

describe('a client that does not wait, and a gateway that ends', () => {
  let t;
  beforeEach(async () => (t = await open({ timeout: '30s' })));
  it('leaves nothing behind', async () => {
    t.endpoint.frozen = true;
    const client = await t.s.connect();
    await client.send(`GET /orders/1 HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: Bearer ${t.endpoint.active('left')}\r\n\r\n`);
    await until('the question', () => t.endpoint.count('left') === 1);
    client.destroy();
    await until('the answer', async () => {
      t.endpoint.thaw();
      return (await t.s.gateway.metrics()).sum('sallyport_exchanges_open') === 0;
    });
    await t.close();
  });
  it('ends in its time while questions are under way', async () => {
    t.endpoint.frozen = true;
    const client = await t.s.connect();
    await client.send(`GET /orders/1 HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: Bearer ${t.endpoint.active('last')}\r\n\r\n`);
    await until('the question', () => t.endpoint.count('last') === 1);
    t.endpoint.server.closeAllConnections(); // the question fails while the gateway drains
    await t.s.gateway.stop();
    client.destroy();
    await closeAll(() => t.s.close(), () => t.endpoint.close());
  });
});
