// May the caller do this: scopes, roles, claims, path variables.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, openStage } from '../lib/stage.mjs';

const route = (path, authorize) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: { jwt: 'main' }, authorize });

describe('authorization', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: (stage) => ({
        issuers: Object.fromEntries(
          Object.entries({ keycloak: 'realm_access.roles', cognito: 'cognito:groups', auth0: '["https://example.com/roles"]' }).map(([name, roles_claim]) => [
            name,
            { issuer: stage.issuer.issuer, audiences: ['orders'], algorithms: ['RS256', 'ES256'], jwks_file: stage.jwksFile, roles_claim },
          ]),
        ),
      }),
      routes: {
        roles: route('/roles/**', { roles: ['admin', 'Order Desk'] }),
        'any-role': { ...route('/any-role/**', { roles: { any: ['admin', 'owner'] } }), relay: { headers: { 'X-Roles': 'roles' } } },
        keycloak: { ...route('/keycloak/**', { roles: ['admin'] }), auth: { jwt: 'keycloak' } },
        cognito: { ...route('/cognito/**', { roles: ['admin'] }), auth: { jwt: 'cognito' } },
        auth0: { ...route('/auth0/**', { roles: ['admin'] }), auth: { jwt: 'auth0' } },
        all: route('/all/**', { scopes: ['a', 'b'] }),
        any: route('/any/**', { scopes: { any: ['a', 'b'] } }),
        caller: route('/caller/**', 'any_caller'),
        tenant: route('/tenants/{tenant}/**', { claims: [{ claim: 'tenant', path_variable: 'tenant' }] }),
        role: route('/role/**', { claims: [{ claim: 'role', one_of: ['admin', 'clerk'] }] }),
        equals: route('/equals/**', { claims: [{ claim: 'level', equals: '3' }] }),
        contains: route('/contains/**', { claims: [{ claim: 'groups', contains: 'ops' }] }),
        denied: route('/denied/**', { any_caller: true, deny: [{ header: 'X-Role', equals: 'admin' }, { claim: 'groups', one_of: ['banned', 'left'] }] }),
        age: route('/age/**', { claims: [{ claim: 'age', at_least: 18, at_most: 65.5 }] }),
        query: route('/query/**', { claims: [{ claim: 'tenant', query: 'tenant' }] }),
        header: route('/header/**', { claims: [{ claim: 'tenant', header: 'X-Tenant' }] }),
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
  describe('roles', () => {
    const role = { status: 403, code: 'forbidden', reason: 'role_missing' };
    yes('all of them', '/roles/1', { roles: ['Order Desk', 'x', 'admin'] });
    no('one of two', '/roles/1', { roles: ['admin'] }, role);
    no('scopes of their names', '/roles/1', { scp: ['admin', 'Order Desk'] }, role);
    no('in one text', '/roles/1', { roles: 'admin Order Desk' }, role);
    no('of another type', '/roles/1', { roles: { admin: true, 'Order Desk': true } }, role);
    yes('one text is one role', '/any-role/1', { roles: 'owner' });
    no('none of any', '/any-role/1', { roles: ['Admin'] }, role);
    yes('of Keycloak', '/keycloak/1', { realm_access: { roles: ['user', 'admin'] } });
    no('of Keycloak, elsewhere', '/keycloak/1', { roles: ['admin'], 'realm_access.roles': ['admin'] }, role);
    yes('of Cognito', '/cognito/1', { 'cognito:groups': ['admin'] });
    no('of Cognito, elsewhere', '/cognito/1', { roles: ['admin'] }, role);
    yes('of Auth0', '/auth0/1', { 'https://example.com/roles': ['admin'] });
    no('of Auth0, elsewhere', '/auth0/1', { roles: ['admin'] }, role);
    it('are told to the upstream', async () => {
      const { echo } = await s.allowed(() => ask('/any-role/told', { roles: ['Order Desk', 'admin'] }));
      assert.deepEqual(echo.fields.filter(([name]) => name.toLowerCase() === 'x-roles').map(([, value]) => value), ['Order Desk, admin']);
    });
    it('one token has the roles of each issuer that a route names', async () => {
      const token = await s.mint({ roles: ['admin'], realm_access: { roles: ['user'] } });
      await s.allowed(() => s.request({ path: '/any-role/1', token }));
      await s.denied(role, () => s.request({ path: '/keycloak/1', token }));
      await s.allowed(() => s.request({ path: '/any-role/1', token }));
    });
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
    yes('a number within', '/age/1', { age: 18 });
    yes('a fraction within', '/age/1', { age: 65.5 });
    no('a number below', '/age/1', { age: 17.99 }, rule);
    no('a number above', '/age/1', { age: 66 }, rule);
    no('a text within', '/age/1', { age: '30' }, rule);
    yes('the tenant of the query', '/query/1?a=b&tenant=ac%6De', { tenant: 'acme' });
    no('another of the query', '/query/1?tenant=evil', { tenant: 'acme' }, rule);
    no('none in the query', '/query/1', { tenant: 'acme' }, rule);
    no('two in the query', '/query/1?tenant=acme&tenant=evil', { tenant: 'acme' }, rule);
    no('two in the query, one in disguise', '/query/1?tenant=acme&%74enant=evil', { tenant: 'acme' }, rule);
    const withHeaders = (...values) => async () => s.request({ path: '/header/1', fields: values.map((value) => ['X-Tenant', value]), token: await s.mint({ tenant: 'acme' }) });
    it('yes: the tenant of the header', () => s.allowed(withHeaders('acme')));
    it('no: another of the header', () => s.denied(rule, withHeaders('evil')));
    it('no: two headers', () => s.denied(rule, withHeaders('acme', 'acme')));
    it('no: a list in the header', () => s.denied(rule, withHeaders('acme,evil')));
    yes('nested', '/nested/1', { address: { country: 'DE' } });
    no('nested wrong', '/nested/1', { address: { country: 'FR' } }, rule);
    no('a flat name that looks nested', '/nested/1', { 'address.country': 'DE' }, rule);
  });
  describe('deny rules win', () => {
    const deny = { status: 403, code: 'forbidden', reason: 'deny_rule' };
    const withRoles = (...values) => async () => s.request({ path: '/denied/1', fields: values.map((value) => ['X-Role', value]), token: await s.mint({}) });
    for (const values of [[], ['user'], ['user', 'guest'], ['administrator, sysadmin']]) it(`yes: X-Role ${JSON.stringify(values)}`, () => s.allowed(withRoles(...values)));
    for (const values of [['admin'], ['user,admin'], ['user', 'admin'], ['ADMIN'], ['"user, admin"']]) it(`no: X-Role ${JSON.stringify(values)}`, () => s.denied(deny, withRoles(...values)));
    yes('another group', '/denied/1', { groups: ['staff'] });
    no('a group', '/denied/1', { groups: ['staff', 'left'] }, deny);
    no('a group as a text', '/denied/1', { groups: 'banned' }, deny);
    no('groups that cannot be judged', '/denied/1', { groups: { staff: true } }, deny);
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
