// May the caller do this: scopes, roles, claims, path variables.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, openStage } from '../lib/stage.mjs';

const route = (path, authorize) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: { jwt: 'main' }, authorize });

describe('authorization', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        all: route('/all/**', { scopes: ['a', 'b'] }),
        any: route('/any/**', { scopes: { any: ['a', 'b'] } }),
        caller: route('/caller/**', 'any_caller'),
        tenant: route('/tenants/{tenant}/**', { claims: [{ claim: 'tenant', path_variable: 'tenant' }] }),
        role: route('/role/**', { claims: [{ claim: 'role', one_of: ['admin', 'clerk'] }] }),
        equals: route('/equals/**', { claims: [{ claim: 'level', equals: '3' }] }),
        contains: route('/contains/**', { claims: [{ claim: 'groups', contains: 'ops' }] }),
        nested: route('/nested/**', { claims: [{ claim: 'address.country', equals: 'DE' }] }),
        combined: route('/combined/{tenant}', { scopes: ['a'], claims: [{ claim: 'tenant', path_variable: 'tenant' }, { claim: 'role', one_of: ['admin'] }] }),
      },
    });
  });
  after(() => s?.close());

  const ask = async (path, claims) => s.request({ path, token: await s.mint({ scope: undefined, ...claims }) });
  const yes = (name, path, claims) => it(`yes: ${name}`, () => s.allowed(() => ask(path, claims)));
  const scope = { status: 403, code: 'insufficient_scope', reason: 'scope_missing' };
  const rule = { status: 403, code: 'forbidden', reason: ['claim_rule', 'authorization_error'] };
  const no = (name, path, claims, expected) => it(`no: ${name}`, async () => {
    const { response } = await s.denied(expected, () => ask(path, claims));
    if (expected === scope) assert.match(response.fields.get('www-authenticate'), /^Bearer .*error="insufficient_scope".*scope="a b"|scope="a b".*error="insufficient_scope"/);
  });

  describe('scopes', () => {
    yes('all of them', '/all/1', { scope: 'b a c' });
    yes('as an array scp', '/all/1', { scp: ['a', 'b'] });
    yes('as a text scp', '/all/1', { scp: 'a b' });
    yes('as roles', '/all/1', { roles: ['a', 'b'] });
    no('one of two', '/all/1', { scope: 'a' }, scope);
    no('none', '/all/1', {}, scope);
    no('in one word', '/all/1', { scope: 'a,b' }, scope);
    it('no: of the wrong type', () => s.denied({ status: 401, code: 'invalid_token', reason: ['token_malformed', 'token_claim'] }, () => ask('/all/1', { scope: { a: true, b: true } })));
    yes('any of them', '/any/1', { scope: 'b' });
    no('none of any', '/any/1', { scope: 'c' }, scope);
    yes('any caller', '/caller/1', {});
  });
  describe('claims', () => {
    yes('the tenant of the path', '/tenants/acme/x', { tenant: 'acme' });
    yes('with an escape in the path', '/tenants/a%20b/x', { tenant: 'a b' });
    no('another tenant', '/tenants/acme/x', { tenant: 'evil' }, rule);
    no('another case', '/tenants/ACME/x', { tenant: 'acme' }, rule);
    no('no tenant', '/tenants/acme/x', {}, rule);
    no('an array with the tenant in it', '/tenants/acme/x', { tenant: ['acme'] }, rule);
    no('null', '/tenants/null/x', { tenant: null }, rule);
    yes('one of', '/role/1', { role: 'clerk' });
    no('none of', '/role/1', { role: 'guest' }, rule);
    no('a list beside', '/role/1', { role: 'guest,admin' }, rule);
    yes('a number', '/equals/1', { level: 3 });
    yes('its text', '/equals/1', { level: '3' });
    no('another number', '/equals/1', { level: 4 }, rule);
    yes('an array that contains', '/contains/1', { groups: ['dev', 'ops'] });
    no('an array that does not', '/contains/1', { groups: ['opsx'] }, rule);
    no('a text that contains', '/contains/1', { groups: 'dev ops' }, rule);
    yes('nested', '/nested/1', { address: { country: 'DE' } });
    no('nested wrong', '/nested/1', { address: { country: 'FR' } }, rule);
    no('a flat name that looks nested', '/nested/1', { 'address.country': 'DE' }, rule);
  });
  describe('all that is given must hold', () => {
    const good = { scope: 'a', tenant: 'acme', role: 'admin' };
    yes('all', '/combined/acme', good);
    it('no: without the scope', () => s.denied(scope, () => ask('/combined/acme', { ...good, scope: 'b' })));
    no('without the tenant', '/combined/acme', { ...good, tenant: 'evil' }, rule);
    no('without the role', '/combined/acme', { ...good, role: 'guest' }, rule);
  });
  it('the caller learns no rule', async () => {
    const { response } = await s.denied(rule, () => ask('/role/1', { role: 'guest' }));
    assert.ok(!/clerk|admin|role/.test(response.text));
  });
});
