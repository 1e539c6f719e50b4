// T12: a client that says who it is.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, READ_ORDERS, fieldsOf, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';

describe('T12: identity headers', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        open: OPEN,
        trailers: { ...OPEN, match: { host: HOST, path: '/trailers/**' }, relay: { trailers: true } },
        'read-orders': { ...READ_ORDERS, match: { host: HOST, path: '/orders/**', methods: ['GET', 'POST'] }, relay: { headers: { 'X-User': 'claims.sub', 'X-Role': 'claims.role', 'X-Scopes': 'scopes' } } },
        maybe: { match: { host: HOST, path: '/maybe/**' }, upstream: 'order-service', auth: { jwt: 'main', mode: 'optional' }, authorize: 'any_caller', relay: { headers: { 'X-User': 'claims.sub' } } },
      },
    });
  });
  after(() => s?.close());

  const none = (echo, name) => assert.deepEqual(fieldsOf(echo, name), [], name);

  it('where no authenticator produces it, the upstream sees none', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/open/x', fields: [['X-User', 'admin'], ['X-Role', 'admin'], ['X-Scopes', 'all']] }));
    for (const name of ['x-user', 'x-role', 'x-scopes']) none(echo, name);
  });
  it('where one is produced, it is the only one', async () => {
    const { echo } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint({ role: 'clerk' }), fields: [['X-User', 'admin'], ['X-Role', 'admin']] }));
    assert.deepEqual(fieldsOf(echo, 'x-user'), ['alice']);
    assert.deepEqual(fieldsOf(echo, 'x-role'), ['clerk']);
    assert.deepEqual(fieldsOf(echo, 'x-scopes'), ['read_orders']);
  });
  it('where the token lacks the claim, the client cannot fill the gap', async () => {
    const { echo } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), fields: [['X-Role', 'admin']] }));
    none(echo, 'x-role');
  });
  it('an anonymous caller of an optional route is nobody', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/maybe/x', fields: [['X-User', 'admin']] }));
    none(echo, 'x-user');
    const { echo: known } = await s.allowed(async () => s.request({ path: '/maybe/x', token: await s.mint(), fields: [['X-User', 'admin']] }));
    assert.deepEqual(fieldsOf(known, 'x-user'), ['alice']);
  });
  it('as a trailer it does not arrive either', async () => {
    for (const path of ['/open/x', '/trailers/x']) {
      const body = '5\r\nhello\r\n0\r\nX-User: admin\r\nx_user: admin\r\nX-Checksum: 1\r\n\r\n';
      const { echo } = await s.allowed(() => s.request({ method: 'POST', path, fields: [['Transfer-Encoding', 'chunked'], ['Trailer', 'X-User']], body }));
      assert.equal(echo.body, 'hello');
      const names = echo.trailers.map(([n]) => n.toLowerCase());
      assert.deepEqual(names, path === '/trailers/x' ? ['x-checksum'] : [], `trailers on ${path}`);
      none(echo, 'x-user');
    }
  });
  it('a trailer that frames, routes or authenticates is refused or dropped', async () => {
    for (const line of ['X-Forwarded-For: 6.6.6.6', 'Authorization: Bearer x', 'Host: evil.example.com', 'Cookie: a=b', 'Transfer-Encoding: chunked']) {
      const before = s.upstream.requests.length;
      const response = await s.request({ method: 'POST', path: '/trailers/x', fields: [['Transfer-Encoding', 'chunked']], body: `5\r\nhello\r\n0\r\n${line}\r\n\r\n` });
      if (response.status === 200) assert.deepEqual(response.json().trailers, [], line);
      else {
        assert.equal(response.status, 400, line);
        await until('the upstream to see it broken off', () => s.upstream.connections.every((c) => c.requests.every((r) => r.body !== undefined || c.closed || c.ended)));
        for (const request of s.upstream.requests.slice(before)) assert.equal(request.body, undefined);
      }
    }
  });
  it('a claim that is no field value is refused, not passed on broken', async () => {
    for (const sub of ['a\r\nX-Role: admin', 'a\nb', 'a\0b', 'a\rb']) {
      // By a path of its own: a body broken off before may still be on its way.
      const response = await s.request({ path: '/orders/broken', token: await s.mint({ sub }) });
      assert.ok([401, 403, 500].includes(response.status), `status ${response.status}`);
      assert.ok(!s.upstream.text.includes('/orders/broken'), 'nothing upstream');
    }
  });
  it('on the second request of a connection as on the first', async () => {
    const client = await s.connect();
    await client.send(requestText({ path: '/orders/1', token: await s.mint({ sub: 'bob' }) }));
    assert.deepEqual(fieldsOf((await client.response()).json(), 'x-user'), ['bob']);
    await client.send(requestText({ path: '/open/x', fields: [['X-User', 'admin']] }));
    none((await client.response()).json(), 'x-user');
    client.end();
  });
  it('twin: other fields of the client arrive as they were', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/open/x', fields: [['X-Users', 'two'], ['Accept', 'a/b'], ['Accept', 'c/d'], ['User-Agent', 'test']] }));
    assert.deepEqual(fieldsOf(echo, 'x-users'), ['two']);
    assert.deepEqual(fieldsOf(echo, 'accept'), ['a/b', 'c/d']);
    assert.deepEqual(fieldsOf(echo, 'user-agent'), ['test']);
  });
});
