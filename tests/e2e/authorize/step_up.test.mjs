// What the caller is, and how and when it logged in (RFC 9470).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { seconds } from '../lib/issuer.mjs';
import { HOST, openStage } from '../lib/stage.mjs';

describe('kinds and logins', () => {
  let s;
  before(async () => {
    const route = (path, authorize, over = {}) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', auth: { jwt: 'main', realm: 'shop' }, authorize, ...over });
    s = await openStage({
      config: { issuers: { main: { service_tokens: { claim: 'gty', equals: 'client-credentials' } } } },
      routes: {
        users: route('/users', { kinds: ['user'] }),
        services: route('/services', { kinds: ['service'] }),
        acr: route('/acr', { scopes: ['pay'], acr: ['gold', 'silver'] }),
        age: route('/age', { max_age: '5m' }),
        all: route('/all', { acr: ['gold'], amr: ['mfa'], max_age: '1h' }),
      },
    });
  });
  after(() => s?.close());
  const as = async (path, claims) => {
    const token = await s.mint(claims);
    return () => s.request({ path, token });
  };
  const WEAK = { status: 401, code: 'insufficient_user_authentication', reason: 'authentication_weak' };
  const challenge = (more) => `Bearer realm="shop", error="insufficient_user_authentication", error_description="Another login is required"${more}`;

  it('users and services are told apart', async () => {
    const user = { sub: 'alice', client_id: 'app' };
    const services = [{ sub: 'app', client_id: 'app' }, { sub: 'app', azp: 'app', client_id: undefined }, { sub: 'app@clients', client_id: 'app', gty: 'client-credentials' }];
    await s.allowed(await as('/users/1', user));
    await s.denied({ status: 403, code: 'forbidden', reason: 'caller_kind' }, await as('/services/1', user));
    for (const service of services) {
      await s.allowed(await as('/services/1', service));
      await s.denied({ status: 403, code: 'forbidden', reason: 'caller_kind' }, await as('/users/1', service));
    }
  });
  it('a weak login is asked for a strong one, by what it is to be', async () => {
    await s.denied({ ...WEAK, challenge: challenge(', acr_values="gold silver"') }, await as('/acr/1', { scope: 'pay', acr: 'bronze' }));
    await s.denied({ ...WEAK, challenge: challenge(', acr_values="gold silver"') }, await as('/acr/1', { scope: 'pay' }));
    await s.allowed(await as('/acr/1', { scope: 'pay', acr: 'silver' }));
  });
  it('and so is an old one', async () => {
    await s.denied({ ...WEAK, challenge: challenge(', max_age="300"') }, await as('/age/1', { auth_time: seconds() - 400 }));
    await s.denied({ ...WEAK, challenge: challenge(', max_age="300"') }, await as('/age/1', {}));
    await s.denied({ ...WEAK, challenge: challenge(', max_age="300"') }, await as('/age/1', { auth_time: Date.now() }));
    await s.allowed(await as('/age/1', { auth_time: seconds() - 100 }));
  });
  it('all that is demanded must hold, on each request', async () => {
    const right = { acr: 'gold', amr: ['pwd', 'mfa'], auth_time: seconds() - 60 };
    await s.allowed(await as('/all/1', right));
    for (const wrong of [{ acr: 'silver' }, { amr: ['pwd'] }, { amr: 'mfa' }, { auth_time: seconds() - 4000 }]) {
      await s.denied({ ...WEAK, challenge: challenge(', acr_values="gold", max_age="3600"') }, await as('/all/1', { ...right, ...wrong }));
    }
  });
  it('T21: a token that is known from a laxer route is asked all the same', async () => {
    const token = await s.mint({ sub: 'alice', client_id: 'app', acr: 'silver', scope: 'pay', auth_time: seconds() - 10 });
    await s.allowed(() => s.request({ path: '/acr/1', token }));
    await s.denied(WEAK, () => s.request({ path: '/all/1', token }));
    await s.allowed(() => s.request({ path: '/age/1', token }));
  });
  it('nobody logs in again in vain: a lack of scopes comes first', async () => {
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, await as('/acr/1', { scope: 'read', acr: 'bronze' }));
    const { response } = await s.denied({ ...WEAK }, await as('/acr/1', { scope: 'pay' }));
    assert.match(response.fields.get('www-authenticate'), /^Bearer realm="shop"/);
  });
});
