// T8: slashes that only some readers see.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';

const routes = {
  public: { ...OPEN, match: { host: HOST, path: '/**' } },
  files: { ...OPEN, match: { host: HOST, path: '/files/{name}' }, path_allows: ['encoded_slash'] },
  admin: { match: { host: HOST, path: '/admin/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: { scopes: ['admin'] } },
};
const bad = { status: 400, code: ['invalid_path', 'invalid_request'], reason: ['bad_path', 'bad_target'] };

describe('T8: encoded and double slashes', () => {
  let s;
  before(async () => (s = await openStage({ routes })));
  after(() => s?.close());

  for (const path of [
    '/a%2Fadmin', '/a%2fadmin', '/%2Fadmin', '/a%5Cadmin', '/a%5cadmin', '/a\\admin', '//admin', '/a//admin', '///', '/admin//', '/x;/admin', '/x;a=b/admin',
    '/;/admin', '/%252e%252e/', '/%252Fadmin', '/a%00b', '/a%0ab', '/a%0d%0ab', '/a%7fb', '/%c0%af', '/%e0%80%af', '/%c0%ae', '/%ff', '/%ed%a0%80', '/%f8%88%80%80%af',
    '/a%', '/a%2', '/a%zz', '/a%u002f', '/caf\xe9', '/a<b', '/a"b', '/a b',
  ]) {
    it(`refused: ${path}`, async () => {
      // These two are not even a request line.
      const what = /[ \x80-\xff]/.test(path) ? { ...bad, reason: [...bad.reason, 'bad_request'] } : bad;
      await s.denied(what, () => s.request({ path }));
    });
  }

  it('a route that allows %2F by name keeps it encoded, upstream and in the log', async () => {
    for (const [sent, canonical] of [['/files/a%2Fb', '/files/a%2Fb'], ['/files/a%2fb%2Fc', '/files/a%2Fb%2Fc']]) {
      const { echo, response } = await s.allowed(() => s.request({ path: sent }));
      assert.equal(echo.target, canonical);
      const line = await s.gateway.access(sent, (l) => l.request_id === response.fields.get('x-request-id'));
      assert.deepEqual([line.path, line.route], [canonical, 'files']);
    }
  });
  it('and allows nothing else', async () => {
    for (const path of ['/files/..%2Fadmin', '/files/%2e%2e%2Fadmin', '/files/a%5Cb', '/files/a//b', '/files/%252F', '/files/a%2F..%2Fadmin', '/files/..%2F..%2Fadmin%2Fx']) {
      await s.denied(bad, () => s.request({ path }));
    }
  });
  it('an encoded slash does not lead past a rule', async () => {
    for (const path of ['/admin%2Fx', '/%61dmin%2Fx', '/files%2F..%2Fadmin']) await s.denied(bad, () => s.request({ path }));
  });

  it('twin: lawful escapes pass in canonical form', async () => {
    for (const [sent, canonical] of [['/caf%c3%a9', '/caf%C3%A9'], ['/%41%42', '/AB'], ['/a%20b', '/a%20b'], ['/a%7Eb', '/a~b'], ["/a!$&'()*+,=:@b", "/a!$&'()*+,=:@b"], ['/a/', '/a/'], ['/a?x=//b%2F..', '/a?x=//b%2F..']]) {
      const { echo } = await s.allowed(() => s.request({ path: sent }));
      assert.equal(echo.target, canonical);
    }
  });
});
