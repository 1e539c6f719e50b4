// Decisions that are remembered: each for its own key and time, asked for once, and gone with their configuration.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { closeAll, fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';
import { Authorizer } from './lib.mjs';

const route = (path, name) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', auth: { external: name }, authorize: 'any_caller' });

describe('the cache of decisions', () => {
  let s, sso;
  const authorizer = (cache, over = {}) => ({
    contract: 'forward_auth', url: sso.url, subject_header: 'Remote-User', upstream_headers: ['Remote-User'], client_headers: ['Set-Cookie', 'X-Session'],
    request_headers: ['Authorization', 'Cookie', 'X-Tenant'], timeout: '5s', cache, ...over,
  });
  before(async () => {
    sso = await Authorizer.start();
    s = await openStage({
      config: {
        workers: 1, // one cache, so that a second use is a hit
        authorizers: {
          session: authorizer({ for: '10m', by: ['credential', 'header:X-Tenant'] }),
          every: authorizer({ for: '10m', by: ['credential', 'method', 'host', 'path', 'query', 'address', 'header:X-Tenant'] }),
          short: authorizer({ for: '300ms', by: ['credential', 'path', 'header:X-Tenant'] }),
          none: authorizer(undefined),
        },
      },
      routes: { session: route('/session', 'session'), every: route('/every', 'every'), short: route('/short', 'short'), none: route('/none', 'none') },
    });
  });
  beforeEach(() => {
    sso.asked.length = 0;
    sso.decide = (asked) => [200, { 'Remote-User': asked.get('cookie') ?? asked.get('authorization') ?? 'nobody', 'X-Session': 'kept' }];
  });
  after(() => closeAll(() => s?.close(), () => sso?.close()));

  let serial = 0;
  const own = () => `session=${++serial}`;
  const get = (path, cookie, fields = [], more = {}) => s.allowed(() => s.request({ path, fields: [['Cookie', cookie], ...fields], ...more }));

  it('a yes is reused, with its fields either way and the caller that it named', async () => {
    const cookie = own();
    for (let i = 0; i < 3; i++) {
      const { response, echo } = await get('/session/1', cookie);
      assert.deepEqual([fieldsOf(echo, 'remote-user'), response.fields.all('x-session')], [[cookie], ['kept']]);
      const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.deepEqual([line.subject, line.authorizer, line.authorizer_us === undefined], [cookie, 'session', i > 0]);
    }
    assert.equal(sso.asked.length, 1);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_authorizer_requests_total', { authorizer: 'session', outcome: 'remembered' }), 2);
  });
  it('by all that is named and nothing else', async () => {
    const cookie = own();
    await get('/every/1?a=1', cookie);
    await get('/every/1?a=1', cookie);
    assert.equal(sso.asked.length, 1);
    const others = [['/every/2?a=1', cookie], ['/every/1?a=2', cookie], ['/every/1', cookie], ['/every/1?', cookie], ['/every/1?a=1', own()],
      ['/every/1?a=1', cookie, [['X-Tenant', 'a']]], ['/every/1?a=1', cookie, [['X-Tenant', 'b']]], ['/every/1?a=1', cookie, [['X-Tenant', 'a'], ['X-Tenant', 'b']]],
      ['/every/1?a=1', cookie, [['Authorization', 'Basic x']]], ['/every/1?a=1', cookie, [], { method: 'POST' }], ['/every/1?a=1', cookie, [], { host: `${HOST}:8443` }],
      ['/every/1?a=1', cookie, [], { localAddress: '127.0.0.2' }]];
    for (const [at, other] of others.entries()) {
      await get(...other);
      assert.equal(sso.asked.length, at + 2, JSON.stringify(other));
    }
    // Another path is the same session.
    const session = own();
    await get('/session/1', session);
    await get('/session/2?x', session, [], { method: 'POST' });
    assert.equal(sso.asked.length, others.length + 2);
  });
  it('parts of the key do not run into one another', async () => {
    await get('/session/1', 'a', [['X-Tenant', 'bc']]);
    await get('/session/1', 'ab', [['X-Tenant', 'c']]);
    await get('/session/1', 'abc', [['X-Tenant', '']]);
    assert.equal(sso.asked.length, 3);
  });
  it('a no is not remembered, nor what sets a cookie, nor a failure', async () => {
    for (const answer of [[403, {}], [401, {}], [500, {}]]) {
      const cookie = own();
      sso.decide = () => answer;
      await s.request({ path: '/session/1', fields: [['Cookie', cookie]] });
      sso.decide = () => [200, { 'Remote-User': 'alice' }];
      await get('/session/1', cookie);
    }
    const cookie = own();
    sso.decide = () => [200, { 'Remote-User': 'alice', 'Set-Cookie': `renewed=${++serial}` }];
    const first = await get('/session/1', cookie);
    const second = await get('/session/1', cookie);
    assert.notDeepEqual(first.response.fields.all('set-cookie'), second.response.fields.all('set-cookie'));
  });
  it('for as long as it says', async () => {
    const cookie = own();
    const began = Date.now();
    await get('/short/1', cookie);
    await until('it to be asked again', async () => (await get('/short/1', cookie), sso.asked.length > 1));
    assert.ok(Date.now() - began >= 300, `${Date.now() - began} ms`);
  });
  it('is asked once for requests that wait for the same, and each of them is answered', async () => {
    const cookie = own();
    let release;
    const held = new Promise((resolve) => (release = resolve));
    sso.decide = async (asked) => (await held, [200, { 'Remote-User': asked.get('cookie') }]);
    const before = await s.gateway.metrics();
    const clients = await Promise.all(Array.from({ length: 8 }, () => s.connect()));
    for (const client of clients) await client.send(requestText({ path: '/session/1', fields: [['Cookie', cookie]] }));
    const joined = async () => (await s.gateway.metrics()).sum('sallyport_authorizer_requests_total', { outcome: 'joined' }) - before.sum('sallyport_authorizer_requests_total', { outcome: 'joined' });
    await until('the others to wait', async () => (await joined()) === 7);
    clients[0].destroy(); // whoever asked first, or one that waits
    release();
    for (const client of clients.slice(1)) {
      const response = await client.response();
      assert.equal(response.status, 200);
      assert.deepEqual(fieldsOf(response.json(), 'remote-user'), [cookie]);
      client.end();
    }
    assert.equal(sso.asked.length, 1);
  });
  it('without a cache each request asks for itself', async () => {
    for (let i = 0; i < 3; i++) await get('/none/1', 'same');
    assert.equal(sso.asked.length, 3);
  });
  it('a new configuration begins with none', async () => {
    const cookie = own();
    await get('/session/1', cookie);
    assert.equal((await s.gateway.reload()).event, 'ready');
    await get('/session/1', cookie);
    assert.equal(sso.asked.length, 2);
  });
});
