// T10: targets of a form that the method does not have, or that name another host.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, fieldsOf, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';

const bad = { status: 400, code: 'invalid_request', reason: ['bad_target', 'bad_host', 'bad_request'] };

describe('T10: strange targets', () => {
  let s;
  before(async () => (s = await openStage({ routes: { public: { ...OPEN, match: { host: HOST, path: '/**' } } } })));
  after(() => s?.close());

  const cases = {
    'absolute-form with another host': { path: 'https://evil.example.com/x' },
    'absolute-form with our host, Host with another': { path: `https://${HOST}/x`, host: 'evil.example.com' },
    'absolute-form with userinfo': { path: `https://user@${HOST}/x` },
    'absolute-form of another scheme': { path: `ftp://${HOST}/x` },
    'absolute-form without a host': { path: 'https:///x' },
    'authority-form on GET': { path: `${HOST}:443` },
    '* on GET': { path: '*' },
    'no leading slash': { path: 'open/x' },
    'only a query': { path: '?x' },
    'an empty Host': { host: '' },
    'a list of Hosts': { host: `${HOST}, evil.example.com` },
    'userinfo in Host': { host: `user@${HOST}` },
    'a path in Host': { host: `${HOST}/x` },
    'a port that is none in Host': { host: `${HOST}:99999` },
    'letters as port in Host': { host: `${HOST}:https` },
    'spaces in Host': { host: 'api example.com' },
    'brackets in Host': { host: '[api.example.com]' },
    'an escape in Host': { host: 'api%2eexample.com' },
  };
  for (const [name, parts] of Object.entries(cases)) it(`refused: ${name}`, () => s.denied(bad, () => s.request(parts)));

  for (const method of ['CONNECT', 'TRACE']) {
    it(`refused: ${method}`, () =>
      s.denied({ status: [400, 501], code: ['method_not_implemented', 'invalid_request'], reason: ['method_not_implemented', 'bad_target'] }, () =>
        s.request({ method, path: method === 'CONNECT' ? `${HOST}:443` : '/x' })));
  }

  it('twin: absolute-form with our host reaches the upstream in origin-form', async () => {
    for (const path of [`https://${HOST}/x?y`, `HTTPS://API.EXAMPLE.COM/x?y`]) {
      const { echo } = await s.allowed(() => s.request({ path, host: HOST }));
      assert.equal(echo.target, '/x?y');
      assert.equal(fieldsOf(echo, 'host').length, 1);
    }
    const { echo } = await s.allowed(() => s.request({ path: `https://${HOST}` }));
    assert.equal(echo.target, '/');
  });
  it('twin: a host in any case, with a port or a final dot', async () => {
    for (const host of ['API.Example.COM', `${HOST}:8443`, `${HOST}.`]) {
      const { response } = await s.allowed(() => s.request({ path: '/x', host }));
      const line = await s.gateway.access(host, (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.host, HOST);
    }
  });
  it('twin: the connection goes on after a denial by policy', async () => {
    const client = await s.connect();
    await client.send(requestText({ path: '/x' }));
    assert.equal((await client.response()).status, 200);
    client.end();
  });
});
