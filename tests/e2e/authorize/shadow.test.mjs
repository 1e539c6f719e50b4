// Rules that are tried out: what they would deny passes, and is told; until their date.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const LATER = '2999-12-31';

describe('mode: observe', () => {
  let s;
  before(async () => {
    const route = (path, authorize, over = {}) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', auth: { jwt: 'main' }, authorize, ...over });
    s = await openStage({
      routes: {
        scopes: route('/scopes', { scopes: ['pay'], mode: 'observe', until: LATER }, { relay: { headers: { 'X-User': 'subject' } } }),
        past: route('/past', { scopes: ['pay'], mode: 'observe', until: '2020-01-01' }),
        maybe: route('/maybe', { scopes: ['pay'], mode: 'observe', until: LATER }, { auth: { jwt: 'main', mode: 'optional' }, relay: { headers: { 'X-User': 'subject' } } }),
        limited: route('/limited', 'any_caller', { limits: [{ limit: '2/1h', by: 'caller', mode: 'observe', until: LATER }] }),
        both: route('/both', 'any_caller', { limits: [{ limit: '1/1h', by: 'caller', mode: 'observe', until: LATER }, { limit: '3/1h', by: 'caller', name: 'real' }] }),
      },
    });
  });
  after(() => s?.close());
  const told = async (response, reason, route) => {
    const id = response.fields.get('x-request-id');
    const access = await s.gateway.access('what would have been denied', (l) => l.request_id === id);
    assert.deepEqual([access.would_deny, access.reason, access.status], [reason, undefined, 200]);
    const audit = await s.gateway.audit('what would have been denied', (l) => l.request_id === id);
    assert.deepEqual([audit.event, audit.would_deny, audit.route], ['would_deny', reason, route]);
  };
  const count = async (labels) => (await s.gateway.metrics()).sum('sallyport_would_deny_total', labels);

  it('what it would deny passes, and is logged, audited and counted with its reason', async () => {
    const token = await s.mint({ scope: 'read', sub: 'alice' });
    const { response, echo } = await s.allowed(() => s.request({ path: '/scopes/1', token }));
    await told(response, 'scope_missing', 'scopes');
    assert.equal(await count({ route: 'scopes', reason: 'scope_missing' }), 1);
    assert.deepEqual(fieldsOf(echo, 'X-User'), ['alice']);
    assert.equal((await s.gateway.metrics()).sum('sallyport_denied_total', { route: 'scopes' }), 0);
  });
  it('twin: what it lets in leaves no trace', async () => {
    const token = await s.mint({ scope: 'pay' });
    const { response } = await s.allowed(() => s.request({ path: '/scopes/1', token }));
    const access = await s.gateway.access('a good request', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.equal(access.would_deny, undefined);
    assert.equal(await count({ route: 'scopes' }), 1);
  });
  it('who is calling is proven all the same', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/scopes/1' }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request({ path: '/scopes/1', token: 'a.b.c' }));
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => s.request({ path: '/maybe/1', token: 'a.b.c' }));
    const { response, echo } = await s.allowed(() => s.request({ path: '/maybe/1', fields: [['X-User', 'root']] }));
    await told(response, 'credential_missing', 'maybe');
    assert.deepEqual(fieldsOf(echo, 'X-User'), []);
  });
  it('a date that has passed: it is enforced, and the log says so at the start', async () => {
    const token = await s.mint({ scope: 'read' });
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => s.request({ path: '/past/1', token }));
    await s.gateway.event('configuration_warning', (e) => /routes\.past\.authorize\.until.*has passed/.test(e.message));
  });
  it('a limit counts, and refuses nobody; nor do RateLimit fields tell of it', async () => {
    const token = await s.mint({ sub: 'counted' });
    for (let i = 0; i < 5; i++) {
      const { response } = await s.allowed(() => s.request({ path: '/limited/1', token }));
      assert.equal(response.fields.get('ratelimit'), undefined);
      if (i >= 2) await told(response, 'rate_caller', 'limited');
    }
    assert.equal(await count({ route: 'limited', reason: 'rate_caller' }), 3);
  });
  it('beside an observed limit one that is enforced refuses as ever', async () => {
    const token = await s.mint({ sub: 'both' });
    for (let i = 0; i < 3; i++) {
      const { response } = await s.allowed(() => s.request({ path: '/both/1', token }));
      assert.match(response.fields.get('ratelimit-policy'), /^"real";/);
    }
    await s.denied({ status: 429, code: 'rate_limited', reason: 'rate_caller' }, () => s.request({ path: '/both/1', token }));
    assert.equal(await count({ route: 'both', reason: 'rate_caller' }), 2);
  });
});

describe('the date of mode: observe', () => {
  it('comes while the gateway runs, without a reload', async () => {
    const end = Math.ceil(Date.now() / 1000 + 12) * 1000;
    const soon = new Date(end).toISOString().replace('.000Z', 'Z');
    const s = await openStage({ routes: { r: { match: { host: HOST, path: '/r' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: { scopes: ['pay'], mode: 'observe', until: soon } } } });
    try {
      const token = await s.mint({ scope: 'read' });
      await until('the rule to be enforced', async () => {
        const { status } = await s.request({ path: '/r', token });
        if (Date.now() < end) assert.equal(status, 200, 'before its date');
        return Date.now() >= end && status === 403;
      }, 60_000);
    } finally {
      await s.close();
    }
  });
});
