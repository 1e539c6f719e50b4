// T9: a fragment in the target cuts a path for some readers only.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';

describe('T9: fragments', () => {
  let s;
  before(async () => (s = await openStage({ routes: { public: { ...OPEN, match: { host: HOST, path: '/**' } } } })));
  after(() => s?.close());
  for (const path of ['/foo/secret#/bar', '/#', '/foo?x#y', '#', `https://${HOST}/a#b`]) {
    it(`refused: ${path}`, () => s.denied({ status: 400, code: ['invalid_request', 'invalid_path'], reason: ['bad_target', 'bad_path'] }, () => s.request({ path })));
  }
  it('twin: encoded, it is a byte like others', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/foo/secret%23/bar?x=%23' }));
    assert.equal(echo.target, '/foo/secret%23/bar?x=%23');
  });
});
