// T21: that a token was good on one route says nothing about another.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Issuer, seconds } from '../lib/issuer.mjs';
import { HOST, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { join } from 'node:path';
import { until } from '../lib/wait.mjs';

const route = (name, jwt, scope) => ({ match: { host: HOST, path: `/${name}/**` }, upstream: 'order-service', auth: { jwt }, authorize: { scopes: [scope] } });

describe('T21: a cached token on another route', () => {
  let s;
  let other;
  before(async () => {
    other = await new Issuer({ issuer: 'https://other.example.com' }).addKey('ES256', { kid: 'ec-1' });
    s = await openStage({
      config: async (stage) => ({
        workers: 1, // one cache, so that a second use is a hit
        issuers: {
          main: { clock_skew: '0s' },
          'main-billing': { issuer: stage.issuer.issuer, audiences: ['billing'], algorithms: ['RS256'], jwks_file: stage.jwksFile },
          other: { issuer: other.issuer, audiences: ['orders'], algorithms: ['ES256'], jwks_file: await other.writeJwks(join(stage.dir, 'other.json')) },
        },
      }),
      routes: {
        a: route('a', 'main', 'read_orders'),
        issuer: route('issuer', 'other', 'read_orders'),
        audience: route('audience', 'main-billing', 'read_orders'),
        scope: route('scope', 'main', 'write_orders'),
        both: route('both', ['main', 'other'], 'read_orders'),
      },
    });
  });
  after(() => s?.close());

  const cached = async (token) => {
    for (let i = 0; i < 3; i++) await s.allowed(() => s.request({ path: '/a/1', token }));
  };

  it("another issuer's route: 401", async () => {
    const token = await s.mint();
    await cached(token);
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_issuer', route: 'issuer' }, () => s.request({ path: '/issuer/1', token }));
  });
  it("another audience's route: 401", async () => {
    const token = await s.mint();
    await cached(token);
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_audience', route: 'audience' }, () => s.request({ path: '/audience/1', token }));
  });
  it('a route with another scope: 403', async () => {
    const token = await s.mint();
    await cached(token);
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing', route: 'scope' }, () => s.request({ path: '/scope/1', token }));
  });
  it('a good token does not lend itself to one that differs in its signature', async () => {
    const token = await s.mint();
    await cached(token);
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_signature' }, () => s.request({ path: '/a/1', token: `${token.slice(0, -6)}AAAAAA` }));
  });
  it('an entry dies at exp, on a living connection too', async () => {
    const exp = seconds() + 2;
    const token = await s.mint({ exp });
    const client = await s.connect();
    let response;
    let good = 0;
    await until('the token to expire', async () => {
      const asked = Date.now();
      await client.send(requestText({ path: '/a/1', token }));
      response = await client.response();
      if (response.status === 200) {
        good++;
        assert.ok(asked < (exp + 1) * 1000, 'served after exp');
      }
      return response.status !== 200;
    });
    assert.ok(good > 2, 'it was served, and cached, before');
    s.checkDenial(response, { status: 401, code: 'invalid_token' });
    const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.equal(line.reason, 'token_expired');
    client.end();
  });
  it('twin: both issuers on a route that accepts both, and the cache is used', async () => {
    const before = await s.gateway.metrics();
    const mine = await s.mint();
    const theirs = await other.mint();
    for (let i = 0; i < 3; i++) {
      await s.allowed(() => s.request({ path: '/both/1', token: mine }));
      await s.allowed(() => s.request({ path: '/both/1', token: theirs }));
    }
    const after = await s.gateway.metrics();
    assert.equal(after.sum('sallyport_token_cache_hits_total') - before.sum('sallyport_token_cache_hits_total'), 4);
    assert.equal(after.sum('sallyport_token_cache_misses_total') - before.sum('sallyport_token_cache_misses_total'), 2);
  });
});
