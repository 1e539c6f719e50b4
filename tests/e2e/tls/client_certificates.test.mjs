// Client certificates as the proof of who is calling.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { Authority } from '../lib/pki.mjs';
import { requestText } from '../lib/raw.mjs';
import { fieldsOf, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const HOST = 'api.example.com';
const BILLING = 'spiffe://example.org/ns/billing/sa/web';

describe('client certificates', () => {
  let s;
  let own;
  before(async () => {
    const clients = new Authority('Clients');
    const issue = (names) => clients.issue({ cn: 'client', client: true, ...names });
    own = {
      billing: issue({ uri: [BILLING], dns: ['web.example.com'] }),
      shop: issue({ uri: ['spiffe://example.org/ns/shop/sa/web'] }),
      elsewhere: issue({ uri: ['spiffe://example.net/ns/billing/sa/web'] }),
      port: issue({ uri: ['spiffe://example.org:443/ns/billing/sa/web'] }),
      two: issue({ uri: [BILLING, 'https://example.com/'] }),
      named: issue({ cn: 'partner.example.com' }), // the name of a partner, where none counts
      partner: issue({ dns: ['Partner.example.com', 'other.example.net'] }),
      twice: issue({ dns: ['a.partners.example.com', 'b.partners.example.com'] }),
      mailbox: issue({ email: ['ops@example.com'] }),
      bare: issue({ cn: 'bare' }),
    };
    const fingerprint = Buffer.from(own.bare.thumbprint, 'base64url').toString('hex');
    const route = (path, auth, more = {}) => ({
      match: { host: HOST, path }, upstream: 'order-service', auth, authorize: 'any_caller',
      relay: { headers: { 'X-Caller': 'subject', 'X-By': 'issuer', 'X-Scopes': 'scopes' } }, ...more,
    });
    s = await openStage({
      config: {
        listeners: { public: { tls: { client_ca: clients.certFile, client_certificate: 'optional' } } },
        client_certificates: {
          mesh: { identity: 'spiffe', trust_domains: ['example.org'], allow: ['spiffe://example.org/ns/billing/sa/*'], scopes: ['write', 'read', 'read'] },
          domain: { identity: 'spiffe', trust_domains: ['example.org'] },
          partners: { identity: 'dns', allow: ['partner.example.com', '*.partners.example.com'] },
          mail: { identity: 'email', allow: ['*@example.com'] },
          subject: { identity: 'subject', allow: ['CN=bare'] },
          pinned: { identity: 'fingerprint', allow: [fingerprint] },
          uris: { identity: 'uri', allow: ['https://example.com/'] },
        },
      },
      routes: {
        mesh: route('/mesh/**', { certificate: 'mesh' }),
        domain: route('/domain/**', { certificate: 'domain' }),
        partners: route('/partners/**', { certificate: 'partners' }),
        mail: route('/mail/**', { certificate: 'mail' }),
        subject: route('/subject/**', { certificate: 'subject' }),
        pinned: route('/pinned/**', { certificate: 'pinned' }),
        uris: route('/uris/**', { certificate: 'uris' }),
        several: route('/several/**', { certificate: ['partners', 'mesh'] }),
        read: route('/read/**', { certificate: 'mesh' }, { authorize: { scopes: ['read'] } }),
        admin: route('/admin/**', { certificate: 'mesh' }, { authorize: { scopes: ['admin'] } }),
        either: route('/either/**', { any_of: [{ jwt: 'main' }, { certificate: 'mesh' }] }),
        perhaps: route('/perhaps/**', { mode: 'optional', any_of: [{ jwt: 'main' }, { certificate: 'mesh' }] }),
        'partners-or-token': route('/partners-or-token/**', { any_of: [{ jwt: 'main' }, { certificate: 'partners' }] }),
        both: route('/both/**', { all_of: [{ certificate: 'mesh' }, { jwt: 'main' }] }),
        maybe: route('/maybe/**', { mode: 'optional', certificate: 'mesh' }),
        counted: route('/counted/**', { certificate: 'domain' }, { limits: [{ limit: '2/1h', by: 'caller' }] }),
      },
    });
  });
  after(() => s?.close());

  const as = (who, path, more = {}) => s.request({ path, ...(who ? { tls: { cert: own[who].cert, key: own[who].key } } : {}), ...more });
  const refused = async (who, path, more) => {
    const { response } = await s.denied({ status: 403, code: 'client_certificate_required', reason: 'certificate_identity' }, () => as(who, path, more));
    assert.equal(response.fields.has('www-authenticate'), false);
  };

  describe('which name counts', () => {
    for (const [who, path, id] of [
      ['billing', '/mesh/x', BILLING], ['shop', '/domain/x', 'spiffe://example.org/ns/shop/sa/web'], ['partner', '/partners/x', 'partner.example.com'],
      ['mailbox', '/mail/x', 'ops@example.com'], ['bare', '/subject/x', 'CN=bare'],
    ]) {
      it(`${path}: ${id}`, async () => {
        const { response, echo } = await s.allowed(() => as(who, path, { fields: [['X-Caller', 'root'], ['X-Scopes', 'admin']] }));
        assert.deepEqual(fieldsOf(echo, 'x-caller'), [id]);
        const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
        assert.equal(line.subject, id);
      });
    }
    it('/pinned/x: the fingerprint', async () => {
      const { echo } = await s.allowed(() => as('bare', '/pinned/x'));
      assert.match(fieldsOf(echo, 'x-caller')[0], /^[0-9a-f]{64}$/);
      await refused('named', '/pinned/x');
    });
    it('over HTTP/2, and of a resumed session', async () => {
      const { cert, key } = own.billing;
      assert.equal((await requestH2(s, { path: '/mesh/x', tls: { cert, key } })).status, 200);
      const first = await s.connect({ tls: { cert, key } });
      await first.send(requestText({ path: '/mesh/x' }));
      assert.equal((await first.response()).status, 200);
      const session = await until('a session', () => first.session);
      first.destroy();
      const resumed = await s.connect({ tls: { cert, key, session } });
      assert.equal(resumed.socket.isSessionReused(), true);
      await resumed.send(requestText({ path: '/mesh/x' }));
      const response = await resumed.response();
      assert.equal(response.status, 200);
      assert.deepEqual(fieldsOf(response.json(), 'x-caller'), [BILLING]);
      resumed.destroy();
    });
  });

  describe('who is not let in', () => {
    for (const [who, path, what] of [
      ['shop', '/mesh/x', 'a name that no pattern fits'],
      ['elsewhere', '/domain/x', 'another trust domain'],
      ['port', '/domain/x', 'a URI that is no SPIFFE ID'],
      ['two', '/mesh/x', 'a SPIFFE ID beside another URI'],
      ['named', '/partners/x', 'a common name that is spelt like a DNS name'],
      ['twice', '/partners/x', 'two names that are both allowed'],
      ['partner', '/uris/x', 'a DNS name where URIs count'],
      ['partner', '/mail/x', 'a DNS name where mailboxes count'],
      ['bare', '/domain/x', 'no name at all'],
    ]) {
      it(what, () => refused(who, path));
    }
    it('none at all: 403, for nothing can ask for one', async () => {
      const { response } = await s.denied({ status: 403, code: 'client_certificate_required', reason: 'client_certificate_missing' }, () => as(null, '/mesh/x'));
      assert.equal(response.fields.has('www-authenticate'), false);
    });
    it('twin: the names that are meant', async () => {
      await s.allowed(() => as('two', '/uris/x'));
      await s.allowed(() => as('billing', '/several/x'));
      await s.allowed(() => as('partner', '/several/x'));
    });
  });

  it('scopes of the name', async () => {
    const { echo } = await s.allowed(() => as('billing', '/read/x'));
    assert.deepEqual(fieldsOf(echo, 'x-scopes'), ['read write']);
    assert.deepEqual(fieldsOf(echo, 'x-by'), ['client_certificate:spiffe']);
    const { response } = await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => as('billing', '/admin/x'));
    assert.equal(response.fields.has('www-authenticate'), false);
  });

  it('beside a token: either', async () => {
    const token = await s.mint();
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'Bearer' }, () => as(null, '/either/x'));
    await s.allowed(() => as(null, '/either/x', { token }));
    await s.allowed(() => as('billing', '/either/x'));
    const { echo } = await s.allowed(() => as('billing', '/either/x', { token }));
    assert.notDeepEqual(fieldsOf(echo, 'x-caller'), [BILLING], 'the first listed is the caller');
  });

  it('beside a token: one that is not let in is no proof, and no reason to refuse another one', async () => {
    const token = await s.mint({ sub: 'alice' });
    for (const who of ['shop', 'bare']) {
      const { echo } = await s.allowed(() => as(who, '/either/x', { token }));
      assert.deepEqual([fieldsOf(echo, 'x-caller'), fieldsOf(echo, 'x-scopes')], [['alice'], ['read_orders']]);
    }
    // It opens nothing: without a token, or with a wrong one, or where it is needed.
    const { access } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: 'Bearer' }, () => as('shop', '/either/x'));
    assert.equal(access.detail, 'jwt: absent, certificate: not let in');
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => as('shop', '/either/x', { token: 'a.b.c' }));
    await refused('shop', '/both/x', { token });
    await refused('shop', '/both/x');
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => as('shop', '/perhaps/x'));
    await s.allowed(() => as('shop', '/perhaps/x', { token }));
    await s.allowed(() => as(null, '/perhaps/x'));
    // Two names that are both let in are two callers.
    await refused('twice', '/partners-or-token/x', { token });
    await s.allowed(() => as('partner', '/partners-or-token/x', { token }));
  });

  it('beside a token: what is there must be right', async () => {
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, () => as('billing', '/either/x', { token: 'a.b.c' }));
  });

  it('beside a token: both', async () => {
    const token = await s.mint();
    const { echo } = await s.allowed(() => as('billing', '/both/x', { token }));
    assert.deepEqual(fieldsOf(echo, 'x-caller'), [BILLING]);
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => as('billing', '/both/x'));
    await s.denied({ status: 403, code: 'client_certificate_required', reason: 'client_certificate_missing' }, () => as(null, '/both/x', { token }));
  });

  it('optional lets in who shows none, never who shows a wrong one', async () => {
    const { echo } = await s.allowed(() => as(null, '/maybe/x', { fields: [['X-Caller', 'root']] }));
    assert.deepEqual(fieldsOf(echo, 'x-caller'), []);
    await refused('shop', '/maybe/x');
    await s.allowed(() => as('billing', '/maybe/x'));
  });

  it('limits count by it', async () => {
    for (let i = 0; i < 2; i++) await s.allowed(() => as('billing', '/counted/x'));
    await s.denied({ status: 429, code: 'rate_limited', reason: 'rate_caller' }, () => as('billing', '/counted/x'));
    await s.allowed(() => as('shop', '/counted/x'));
  });

  it('check: a name that leads nowhere, a pattern that lets nobody in, a listener that asks for none', async () => {
    const file = join(s.dir, 'check.json');
    const run = async (change) => {
      writeFileSync(file, JSON.stringify({ ...s.config, ...change }));
      return sallyport(['check', file]);
    };
    const { client_certificates: names, routes, listeners } = s.config;
    let result = await run({ routes: { ...routes, mesh: { ...routes.mesh, auth: { certificate: 'mash' } } } });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /client certificate.*mash.*mesh/);
    result = await run({ client_certificates: { ...names, mesh: { ...names.mesh, allow: ['spiffe://example.net/a'] } } });
    assert.equal(result.code, 1);
    assert.match(result.stderr, /client_certificates\.mesh\.allow\[0\]: .*trust_domains/);
    result = await run({ listeners: { ...listeners, public: { ...listeners.public, tls: { certificates: listeners.public.tls.certificates } } } });
    assert.match(result.stderr, /listener "public" asks clients for no certificate/);
    result = await run({});
    assert.equal(result.code, 0, result.stderr);
    assert.doesNotMatch(result.stderr, /asks clients for no certificate/);
  });
});
