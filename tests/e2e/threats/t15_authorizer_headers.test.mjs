// T15, of headers that an external authorizer hands back: a deny rule sees each element of what it says, in place of what the
// client says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { closeAll, fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { startBytes } from '../external/lib.mjs';

describe('T15: multi-value headers of an authorizer', () => {
  let s, told;
  before(async () => {
    told = await startBytes('');
    const deny = [{ header: 'X-Role', equals: 'admin' }];
    s = await openStage({
      config: { authorizers: { sso: { contract: 'forward_auth', url: told.url, subject_header: 'X-User', upstream_headers: ['X-Role'] } } },
      routes: {
        way: { match: { host: HOST, path: '/way/**' }, upstream: 'order-service', auth: { external: 'sso' }, authorize: { any_caller: true, deny } },
        step: { match: { host: HOST, path: '/step/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: { external: 'sso', deny } },
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => told?.close()));

  const says = (...roles) => (told.bytes = ['HTTP/1.1 200 OK', 'X-User: alice', ...roles.map((role) => `X-Role: ${role}`), 'Content-Length: 0', '', ''].join('\r\n'));
  const ask = async (path, ...fields) => s.request({ path, token: path.startsWith('/step') ? await s.mint() : undefined, fields });

  for (const path of ['/way/1', '/step/1']) {
    for (const role of ['admin', 'user,admin', 'user, Admin', 'admin ,user', '"user, admin"']) {
      it(`${path}: the rule fires on ${role}`, async () => {
        says(role);
        await s.denied({ status: 403, code: 'forbidden', reason: 'deny_rule' }, () => ask(path));
      });
    }
    it(`${path}: two lines are refused`, async () => {
      says('user', 'admin');
      await s.denied({ status: 503, code: 'authorization_unavailable', reason: 'authorizer_answer' }, () => ask(path));
    });
    it(`${path}, twin: another role passes, alone and in a list`, async () => {
      for (const role of ['user', 'user, administrator']) {
        says(role);
        const { echo } = await s.allowed(() => ask(path));
        assert.deepEqual(fieldsOf(echo, 'x-role'), [role]);
      }
    });
  }
  it("a client's own field of the name does not reach the upstream, nor hide what the authorizer says", async () => {
    says('admin');
    await s.denied({ status: 403, code: 'forbidden', reason: 'deny_rule' }, () => ask('/way/1', ['X-Role', 'user']));
    says('user');
    const { echo } = await s.allowed(() => ask('/way/1', ['X-Role', 'guest']));
    assert.deepEqual(fieldsOf(echo, 'x-role'), ['user']);
  });
});
