// T15, as far as there are rules on headers: two lines of a header, or a list in one, are no way around what is decided by it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fieldsOf, HOST, OPEN, openStage } from '../lib/stage.mjs';

const APP = 'https://app.example.com';
const EVIL = 'https://evil.example.org';

describe('T15: multi-value headers', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        open: { ...OPEN, cors: { origins: [APP], methods: ['GET'], credentials: true } },
        limited: { ...OPEN, match: { host: HOST, path: '/limited/**' }, limits: [{ limit: '2/1h', by: 'header:X-Client', name: 'client' }] },
      },
    });
  });
  after(() => s?.close());

  const asked = ['Access-Control-Request-Method', 'GET'];
  const origins = {
    'the foreign one second': [['Origin', APP], ['Origin', EVIL]],
    'the foreign one first': [['Origin', EVIL], ['Origin', APP]],
    'a list': [['Origin', `${APP}, ${EVIL}`]],
    'a list by spaces': [['Origin', `${APP} ${EVIL}`]],
    'the same twice': [['Origin', APP], ['Origin', APP]],
  };
  for (const [name, fields] of Object.entries(origins)) {
    it(`two origins are none: ${name}`, async () => {
      const preflight = await s.request({ method: 'OPTIONS', path: '/open/x', fields: [...fields, asked] });
      const actual = await s.request({ path: '/open/x', fields });
      for (const response of [preflight, actual]) {
        for (const field of ['access-control-allow-origin', 'access-control-allow-credentials']) assert.deepEqual(response.fields.all(field), [], field);
      }
    });
  }
  it('a header that is counted by stands there once: further lines make no other caller, whichever is varied', async () => {
    const ask = (...values) => s.request({ path: '/limited/x', fields: values.map((value) => ['X-Client', value]) });
    assert.equal((await ask('a')).status, 200);
    for (const more of [['c'], ['d', 'e'], ['a']]) {
      for (const values of [['a', ...more], [...more, 'a']]) {
        await s.denied({ status: 400, code: 'invalid_request', reason: 'limit_field_repeated' }, () => ask(...values));
      }
    }
    assert.equal((await ask('a')).status, 200);
    const { response } = await s.denied({ status: 429, code: 'rate_limited', reason: 'rate_client' }, () => ask('a'));
    assert.ok(response.fields.has('retry-after'));
  });
  it('twin: one origin, and another value counted for itself', async () => {
    const { response } = await s.allowed(() => s.request({ path: '/open/x', fields: [['Origin', APP]] }));
    assert.equal(response.fields.get('access-control-allow-origin'), APP);
    const { echo } = await s.allowed(() => s.request({ path: '/limited/x', fields: [['X-Client', 'other'], ['Accept', 'a/b'], ['Accept', 'c/d']] }));
    assert.deepEqual([fieldsOf(echo, 'x-client'), fieldsOf(echo, 'accept')], [['other'], ['a/b', 'c/d']]);
  });
});
