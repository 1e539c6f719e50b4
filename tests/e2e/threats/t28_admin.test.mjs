// T28: the admin API is called by who may not: without a credential, by a browser's page, under another name (DNS rebinding).
// There is no default key, and no way in beside the authentication of routes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ADMIN, openAdmin } from '../admin/lib.mjs';

describe('T28: admin abuse', () => {
  let s, made;
  before(async () => {
    s = await openAdmin();
    made = await s.make();
  });
  after(() => s?.close());
  const still = async () => assert.equal((await s.get(`/v1/keys/${made.id}`)).json().state, 'active');
  const mint = (scope, more) => s.mint({ scope, ...more });
  const OPERATIONS = [
    ['GET', '/v1/keys'],
    ['GET', '/v1/key-sets'],
    ['POST', '/v1/keys', { consumer: 'evil' }],
    ['POST', '/v1/keys/import', { keys: {} }],
    ['POST', '/v1/keys/ID/revoke', {}],
    ['POST', '/v1/keys/ID/rotate', {}],
    ['POST', '/v1/keys/ID/expire', { expires: 'now' }],
  ].map(([method, path, body]) => ({ method, path, body }));
  const at = ({ path, ...rest }) => ({ ...rest, path: path.replace('ID', made.id) });

  for (const operation of OPERATIONS) {
    const name = `${operation.method} ${operation.path}`;
    it(`${name}: nobody, a stranger's certificate, a wrong token, a caller without the scope`, async () => {
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.admin(at(operation)));
      await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.admin({ ...at(operation), as: 'stranger' }));
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.admin({ ...at(operation), token: 'admin' }));
      const other = await mint('keys_read keys_write', { aud: 'another' });
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_audience' }, () => s.admin({ ...at(operation), token: other }));
      const lacks = await mint(operation.method === 'GET' ? 'keys_write' : 'keys_read');
      await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => s.admin({ ...at(operation), token: lacks }));
      if (operation.method === 'POST') await s.denied({ status: 403, code: ['forbidden', 'insufficient_scope'], reason: 'scope_missing' }, () => s.admin({ ...at(operation), as: 'viewer' }));
      await still();
    });
  }
  it('twin: who may is let in, by certificate and by token, to read and to write apart', async () => {
    assert.equal((await s.admin({ as: 'viewer', path: '/v1/keys' })).status, 200);
    assert.equal((await s.admin({ as: 'root', path: '/v1/keys' })).status, 200);
    assert.equal((await s.admin({ token: await mint('keys_read'), path: '/v1/keys' })).status, 200);
    const response = await s.admin({ token: await mint('keys_write'), method: 'POST', path: '/v1/keys', body: { consumer: 'honest' } });
    assert.equal(response.status, 201, response.text);
  });
  it('names and passwords that others had by default are none', async () => {
    for (const fields of [
      [['X-API-KEY', 'edd1c9f034335f136f87ad84b625c8f1']],
      [['Authorization', 'Basic YWRtaW46YWRtaW4=']],
      [['X-Api-Key', made.key]],
      [['Kong-Admin-Token', 'admin']],
      [['X-Forwarded-Client-Cert', 'URI=spiffe://example.org/ops/root']],
      [['X-Forwarded-For', '127.0.0.1']],
    ]) {
      const response = await s.admin({ path: '/v1/keys', fields });
      assert.ok([400, 401].includes(response.status), `${fields} ${response.status}`);
    }
  });
  it("a browser's page asks, with the operator's certificate or token: 403, nothing done; no CORS", async () => {
    for (const origin of ['https://evil.example', 'null', `https://${ADMIN}`, '']) {
      for (const operation of OPERATIONS) {
        await s.denied({ status: 403, code: 'forbidden', reason: 'admin_origin' }, () => s.admin({ ...at(operation), as: 'root', fields: [['Origin', origin]] }));
      }
    }
    for (const site of ['cross-site', 'same-site', 'same-origin']) {
      await s.denied({ status: 403, code: 'forbidden', reason: 'admin_origin' }, () => s.get('/v1/keys', { fields: [['Sec-Fetch-Site', site]] }));
    }
    const preflight = await s.admin({ as: 'root', method: 'OPTIONS', path: '/v1/keys', fields: [['Origin', 'https://evil.example'], ['Access-Control-Request-Method', 'POST'], ['Access-Control-Request-Headers', 'content-type']] });
    assert.equal(preflight.status, 405);
    assert.equal(preflight.fields.get('access-control-allow-origin'), undefined);
    await still();
  });
  it('a form, which a page may send unasked: 415', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/json; charset=latin1', 'application/jsonx', 'text/json']) {
      await s.denied({ status: 415, code: 'unsupported_media_type', reason: 'admin_media_type' }, () => s.post(`/v1/keys/${made.id}/revoke`, {}, { fields: [['Content-Type', type]] }));
    }
    await s.denied({ status: 415, code: 'unsupported_media_type', reason: 'admin_media_type' }, () => s.admin({ as: 'root', method: 'POST', path: `/v1/keys/${made.id}/revoke` }));
    await s.denied({ status: 415, code: 'unsupported_media_type', reason: 'admin_media_type' }, () => s.post(`/v1/keys/${made.id}/revoke`, {}, { fields: [['Content-Type', 'application/json'], ['Content-Encoding', 'gzip']] }));
    await still();
    assert.equal((await s.post('/v1/keys', { consumer: 'a' }, { fields: [['Content-Type', 'Application/JSON; charset=UTF-8']] })).status, 201);
  });
  it('another Host, as after DNS rebinding: 403; a name of its own: 200', async () => {
    for (const host of ['evil.example', '127.0.0.1', `${ADMIN}.evil.example`, `evil.${ADMIN}`, 'api.example.com']) {
      for (const operation of OPERATIONS.slice(0, 3)) {
        await s.denied({ status: 403, code: 'forbidden', reason: 'admin_host' }, () => s.admin({ ...at(operation), as: 'root', host }));
      }
    }
    for (const host of [ADMIN, 'localhost', `${ADMIN}:8443`, 'ADMIN.internal']) assert.equal((await s.get('/v1/keys', { host })).status, 200, host);
  });
  it('the API is nowhere else, and nothing else is there', async () => {
    for (const listener of ['public', 'ops']) {
      const response = await s.admin({ as: 'root', path: '/v1/keys', listener, plain: listener === 'ops', tls: { servername: 'api.example.com' } });
      assert.ok([403, 404, 421].includes(response.status), `${listener}: ${response.status}`);
    }
    assert.equal((await s.get('/orders/1')).status, 404);
    assert.equal((await s.get('/metrics')).status, 404);
  });
  it('X-HTTP-Method-Override and its kin make no change of a look', async () => {
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
      const response = await s.admin({ as: 'viewer', path: '/v1/keys', fields: [[name, 'POST']] });
      assert.equal(response.status, 200);
    }
  });
});
