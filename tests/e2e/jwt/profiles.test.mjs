// Tokens as well-known providers shape them: access tokens pass, everything else that they sign does not. Each with the
// settings that docs/authentication.md advises.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Issuer, seconds } from '../lib/issuer.mjs';
import { HOST, openStage } from '../lib/stage.mjs';

const uuid = '6f0c3c8e-3f6d-4b77-9a51-0c8a2f1d7e42';
const at = () => ({ iat: seconds(), exp: seconds() + 300 });

// access: tokens that pass. other: [what it is, its claims, its header]; `aud` is the client's there, as it is issued. Each
// is tried for the API's audience as well, as where a client and its API share one registration: then what marks its kind
// refuses it, or the claim that the settings require.
const PROFILES = {
  keycloak: {
    issuer: 'https://kc.example.com/realms/main',
    audience: 'orders-api',
    header: { typ: 'JWT' },
    settings: { token_types: ['JWT'] },
    access: [
      { jti: `onrtac:${uuid}`, sub: uuid, typ: 'Bearer', azp: 'web', sid: uuid, acr: '1', 'allowed-origins': ['https://web.example.com'], realm_access: { roles: ['offline_access', 'user'] }, resource_access: { account: { roles: ['view-profile'] } }, scope: 'openid read_orders profile', aud: ['orders-api', 'account'], email_verified: true, preferred_username: 'alice' },
      { jti: `trrtcc:${uuid}`, sub: uuid, typ: 'Bearer', azp: 'batch', acr: '1', scope: 'read_orders', aud: 'orders-api', clientHost: '10.0.0.1', client_id: 'batch' },
    ],
    other: [
      ['an ID token', { jti: uuid, sub: uuid, typ: 'ID', azp: 'web', aud: 'web', sid: uuid, auth_time: seconds(), at_hash: 'E3SHHlSdUZ2Kp1GAQTlRUQ', acr: '1', preferred_username: 'alice' }],
      ['an ID token without at_hash', { jti: uuid, sub: uuid, typ: 'ID', azp: 'web', aud: 'web', acr: '1' }],
      ['a logout token', { jti: uuid, sub: uuid, typ: 'Logout', aud: 'web', sid: uuid, events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }],
      ['a refresh token', { jti: uuid, sub: uuid, typ: 'Refresh', azp: 'web', scope: 'openid read_orders', aud: 'https://kc.example.com/realms/main' }],
      ['an offline token', { jti: uuid, sub: uuid, typ: 'Offline', azp: 'web', scope: 'openid read_orders', aud: 'https://kc.example.com/realms/main' }],
    ],
  },
  auth0: {
    issuer: 'https://tenant.eu.auth0.com/',
    audience: 'https://orders.example.com',
    header: { typ: 'JWT' },
    settings: { token_types: ['JWT', 'at+jwt'], required_claims: ['scope'] },
    access: [
      { sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: ['https://orders.example.com', 'https://tenant.eu.auth0.com/userinfo'], azp: 'my_client', scope: 'openid profile read_orders', permissions: ['read_orders'] },
      { sub: 'my_client@clients', aud: 'https://orders.example.com', azp: 'my_client', gty: 'client-credentials', scope: 'read_orders' },
      [{ sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: 'https://orders.example.com', client_id: 'my_client', jti: uuid, scope: 'read_orders' }, { typ: 'at+jwt' }],
    ],
    other: [
      ['an ID token', { sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: 'my_client', nonce: 'n-0S6_WzA2Mj', name: 'Alice', email: 'alice@example.com', sid: uuid }],
      ['an ID token without nonce', { sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: 'my_client', name: 'Alice', sid: uuid }],
      ['a logout token', { sub: 'auth0|5f7c8ec7c33c6c004bbafe82', aud: 'my_client', jti: uuid, sid: uuid, events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }, { typ: 'logout+jwt' }],
    ],
  },
  entra: {
    issuer: `https://login.microsoftonline.com/${uuid}/v2.0`,
    audience: '00000003-aaaa-bbbb-cccc-000000000001',
    header: { typ: 'JWT' },
    settings: { token_types: ['JWT'], required_claims: ['azpacr'] },
    access: [
      { aud: '00000003-aaaa-bbbb-cccc-000000000001', nbf: seconds(), aio: 'ATQAy/8T', azp: 'web', azpacr: '1', name: 'Alice', oid: uuid, preferred_username: 'alice@example.com', rh: '0.AX0A', scp: 'read_orders', sub: 'AbFZ', tid: uuid, uti: 'q-2', ver: '2.0' },
      { aud: '00000003-aaaa-bbbb-cccc-000000000001', nbf: seconds(), azp: 'daemon', azpacr: '2', oid: uuid, roles: ['read_orders'], sub: uuid, tid: uuid, uti: 'q-3', ver: '2.0' },
    ],
    other: [
      ['an ID token', { aud: 'web', nbf: seconds(), name: 'Alice', nonce: '123523', oid: uuid, preferred_username: 'alice@example.com', rh: '0.AX0A', sub: 'AbFZ', tid: uuid, uti: 'q-4', ver: '2.0' }],
      ['an ID token without nonce', { aud: 'web', nbf: seconds(), name: 'Alice', oid: uuid, roles: ['read_orders'], sub: 'AbFZ', tid: uuid, uti: 'q-5', ver: '2.0' }],
    ],
  },
  okta: {
    issuer: 'https://org.okta.com/oauth2/default',
    audience: 'api://default',
    header: {},
    settings: { token_types: ['absent', 'JWT'], required_claims: ['cid'] },
    access: [
      { ver: 1, jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE', aud: 'api://default', cid: '0oabucvyc38HLL1ef0h7', uid: '00ujmkLgagxeRrAg20g3', scp: ['openid', 'read_orders'], auth_time: seconds(), sub: 'alice@example.com' },
      { ver: 1, jti: 'AT.1', aud: 'api://default', cid: '0oabatch', scp: ['read_orders'], sub: '0oabatch' },
    ],
    other: [
      ['an ID token', { ver: 1, jti: 'ID.4eAWJOCMB3SX8XewDfVR', aud: '0oabucvyc38HLL1ef0h7', amr: ['pwd'], idp: '00o', nonce: 'n', auth_time: seconds(), at_hash: 'cpqKfdQA5eH891Ff5oJr_Q', sub: '00uid4BxXw6I6TV4m0g3', name: 'Alice' }],
      ['an ID token of a code flow without nonce', { ver: 1, jti: 'ID.5', aud: '0oabucvyc38HLL1ef0h7', amr: ['pwd'], idp: '00o', auth_time: seconds(), sub: '00uid4BxXw6I6TV4m0g3' }],
    ],
  },
  cognito: {
    issuer: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_example',
    audience: 'https://orders.example.com',
    header: {},
    settings: { token_types: ['absent'], required_claims: ['token_use'] },
    access: [
      // With a resource binding: `aud` is the resource that was asked for.
      { sub: uuid, aud: 'https://orders.example.com', 'cognito:groups': ['users'], version: 2, client_id: '7example', origin_jti: uuid, token_use: 'access', scope: 'openid read_orders', auth_time: seconds(), jti: uuid, username: 'alice' },
    ],
    other: [
      ['an ID token', { sub: uuid, aud: '7example', email_verified: true, 'cognito:username': 'alice', origin_jti: uuid, event_id: uuid, token_use: 'id', auth_time: seconds(), jti: uuid, at_hash: 'x' }],
      ['an ID token without at_hash', { sub: uuid, aud: '7example', 'cognito:username': 'alice', token_use: 'id', auth_time: seconds(), jti: uuid }],
    ],
    // Without one it says for nobody that it is meant for him.
    unbound: { sub: uuid, version: 2, client_id: '7example', token_use: 'access', scope: 'read_orders', jti: uuid, username: 'alice' },
  },
  google: {
    issuer: 'https://accounts.google.com',
    audience: 'https://orders.example.com',
    header: { typ: 'JWT' },
    settings: { token_types: ['JWT'] },
    authorize: 'any_caller',
    // Google's access tokens are no JWTs. What its services prove themselves with is a token for one audience alone.
    access: [{ aud: 'https://orders.example.com', azp: '113774264463038321964', email: 'batch@project.iam.gserviceaccount.com', email_verified: true, sub: '113774264463038321964' }],
    other: [
      ['an ID token', { azp: '1234.apps.googleusercontent.com', aud: '1234.apps.googleusercontent.com', sub: '10769150350006150715113082367', at_hash: 'HK6E_P6Dh8Y93mRNtsDB1Q', email: 'alice@example.com', email_verified: true, nonce: '0394852-3190485-2490358' }],
      ['an ID token without nonce', { azp: '1234.apps.googleusercontent.com', aud: '1234.apps.googleusercontent.com', sub: '10769150350006150715113082367', at_hash: 'HK6E_P6Dh8Y93mRNtsDB1Q' }],
    ],
    opaque: 'ya29.a0AfH6SMBx-opaque_access_token',
  },
};

describe('profiles of providers', () => {
  let s;
  const issuers = {};
  before(async () => {
    const { keys } = await new Issuer().addKey('RS256', { kid: 'rsa' });
    for (const [name, profile] of Object.entries(PROFILES)) issuers[name] = Object.assign(new Issuer({ issuer: profile.issuer, audience: profile.audience }), { keys });
    s = await openStage({
      issuer: issuers.keycloak,
      config: (stage) => ({
        issuers: { main: null, ...Object.fromEntries(Object.entries(PROFILES).map(([name, { issuer, audience, settings }]) => [name, { issuer, audiences: [audience], algorithms: ['RS256'], jwks_file: stage.jwksFile, ...settings }])) },
      }),
      routes: Object.fromEntries(Object.entries(PROFILES).map(([name, { authorize }]) => [name, { match: { host: HOST, path: `/${name}/**` }, upstream: 'order-service', auth: { jwt: name }, authorize: authorize ?? { scopes: ['read_orders'] } }])),
    });
  });
  after(() => s?.close());

  const ask = (name, claims, header = {}) => s.request({ path: `/${name}/1`, token: issuers[name].forge({ header: { ...PROFILES[name].header, ...header }, payload: { iss: PROFILES[name].issuer, ...at(), ...claims } }) });

  for (const [name, profile] of Object.entries(PROFILES)) {
    profile.access.forEach((token, i) =>
      it(`${name}: access token ${i + 1} passes`, () => s.allowed(() => ask(name, ...[token].flat()))));
    for (const [what, claims, header] of profile.other) {
      it(`${name}: ${what} is refused, for whomever it is`, async () => {
        await s.denied({ status: 401, code: 'invalid_token', reason: ['token_kind', 'token_audience', 'token_claim'] }, () => ask(name, claims, header));
        await s.denied({ status: 401, code: 'invalid_token', reason: ['token_kind', 'token_claim'] }, () => ask(name, { ...claims, aud: profile.audience }, header));
      });
    }
  }
  it('cognito: an access token without aud is refused', () =>
    s.denied({ status: 401, code: 'invalid_token', reason: 'token_audience' }, () => ask('cognito', PROFILES.cognito.unbound)));
  it('google: an access token, which is none of ours to read, is refused and logged nowhere', async () => {
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request({ path: '/google/1', token: PROFILES.google.opaque }));
    assert.equal(s.gateway.output.includes(PROFILES.google.opaque), false);
  });
  it('no provider passes for another', async () => {
    for (const [name, profile] of Object.entries(PROFILES)) {
      const [claims] = [profile.access[0]].flat();
      const other = name === 'okta' ? 'auth0' : 'okta';
      await s.denied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, () => s.request({ path: `/${other}/1`, token: issuers[name].forge({ header: profile.header, payload: { iss: profile.issuer, ...at(), ...claims } }) }));
    }
  });
});
