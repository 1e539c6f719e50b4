// T13: other spellings of an identity header, which some servers take for the same.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, READ_ORDERS, fieldsOf, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';

// What CGI, WSGI and their kin make of a name.
const same = (a, b) => a.toLowerCase().replace(/[^a-z0-9]/g, '_') === b.toLowerCase().replace(/[^a-z0-9]/g, '_');

describe('T13: header aliases', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        open: OPEN,
        underscores: { ...OPEN, match: { host: HOST, path: '/underscores/**' }, relay: { underscores: true } },
        'read-orders': { ...READ_ORDERS, relay: { headers: { 'X-User': 'claims.sub' } } },
      },
    });
  });
  after(() => s?.close());

  for (const name of ['X_User', 'x_user', 'X-USER', 'x-user', 'X_USER', 'x-User']) {
    it(`${name} does not arrive, on any route`, async () => {
      for (const path of ['/open/x', '/underscores/x']) {
        const { echo } = await s.allowed(() => s.request({ path, fields: [[name, 'admin'], [name, 'root']] }));
        assert.deepEqual(echo.fields.filter(([n]) => same(n, 'X-User')), [], path);
      }
      const { echo } = await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), fields: [[name, 'admin'], [name, 'root']] }));
      assert.deepEqual(echo.fields.filter(([n]) => same(n, 'X-User')), [['X-User', 'alice']]);
    });
  }
  it('aliases by other punctuation do not arrive', async () => {
    for (const name of ['X.User', 'X~User', 'X!User', 'X+User']) {
      const { echo } = await s.allowed(() => s.request({ path: '/open/x', fields: [[name, 'admin']] }));
      assert.deepEqual(echo.fields.filter(([n]) => same(n, 'X-User')), [], name);
    }
  });
  it('a trailing space in the name is refused', () => s.refusedBytes(requestText({ path: '/open/x', fields: [['X-User ', 'admin']] })));
  it('aliases of framing and credentials do not arrive, on any route', async () => {
    for (const field of [['Content_Length', '5'], ['Transfer_Encoding', 'chunked'], ['X_Forwarded_For', '6.6.6.6'], ['Proxy_Authorization', 'Basic x'], ['X_HTTP_Method_Override', 'DELETE']]) {
      for (const path of ['/open/x', '/underscores/x']) {
        const seen = s.upstream.bytesSeen();
        const response = await s.request({ path, fields: [field] });
        if (response.status === 200) {
          assert.ok(!response.json().fields.some(([n]) => same(n, field[0]) && n.includes('_')), field[0]);
        } else {
          assert.equal(response.status, 400);
          assert.equal(s.upstream.bytesSeen(), seen);
        }
      }
    }
  });
  it('names with _ are dropped by default, and pass where a route says so', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/open/x', fields: [['My_Header', '1']] }));
    assert.deepEqual(fieldsOf(echo, 'my_header'), []);
    const { echo: told } = await s.allowed(() => s.request({ path: '/underscores/x', fields: [['My_Header', '1']] }));
    assert.deepEqual(fieldsOf(told, 'my_header'), ['1']);
  });
  it('twin: a name that only resembles it passes', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/open/x', fields: [['X-User-Agent', 'a'], ['XUser', 'b']] }));
    assert.deepEqual([fieldsOf(echo, 'x-user-agent'), fieldsOf(echo, 'xuser')], [['a'], ['b']]);
  });
});
