// T33: a handshake under one host's policy serves no other policy's host.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Session } from '../lib/h2.mjs';
import { OPEN, openStage } from '../lib/stage.mjs';
import { Authority, authority } from '../lib/pki.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { tempDir } from '../lib/temp.mjs';

const listeners = ['public', 'shared'];

describe('T33: SNI and authority differ', () => {
  let s;
  let clients;
  let client;
  before(async () => {
    const ca = authority();
    clients = new Authority('Client CA');
    const foreign = new Authority('Foreign CA');
    client = { good: clients.issue({ cn: 'partner', client: true }), other: clients.issue({ cn: 'other', client: true }), foreign: foreign.issue({ cn: 'stranger', client: true }) };
    const lax = ca.issue({ dns: ['lax.example.com', 'lax2.example.com'] });
    const strict = ca.issue({ dns: ['strict.example.com', '*.strict.example.com'] });
    const everything = ca.issue({ dns: ['lax.example.com', 'strict.example.com'] });
    const listed = ca.issue({ dns: ['listed.example.com'] });
    const lists = clients.crl([client.good]);
    const certificates = [
      { cert: lax.certFile, key: lax.keyFile },
      { cert: strict.certFile, key: strict.keyFile, client_ca: clients.certFile, client_certificate: 'required' },
    ];
    // The same policies, where one certificate's names cover both hosts.
    const shared = [
      { cert: everything.certFile, key: everything.keyFile, hosts: ['lax.example.com'] },
      { cert: everything.certFile, key: everything.keyFile, hosts: ['strict.example.com'], client_ca: clients.certFile, client_certificate: 'required' },
    ];
    const crl = join(tempDir('t33'), 'clients.crl');
    writeFileSync(crl, lists);
    // The strict host's authority, with a list that the strict host does not ask.
    certificates.push({ cert: listed.certFile, key: listed.keyFile, client_ca: clients.certFile, client_certificate: 'required', crl });
    s = await openStage({
      config: { listeners: { public: { tls: { certificates } }, shared: { address: '127.0.0.1', port: 0, tls: { certificates: shared } } } },
      routes: {
        lax: { ...OPEN, listeners, match: { host: ['lax.example.com', 'lax2.example.com'], path: '/**' } },
        strict: { ...OPEN, listeners, match: { host: ['strict.example.com', '*.strict.example.com'], path: '/**' } },
        listed: { ...OPEN, listeners: ['public'], match: { host: 'listed.example.com', path: '/**' } },
        any: { ...OPEN, listeners, match: { host: '*', path: '/any/**' } },
      },
    });
  });
  after(() => s?.close());

  const misdirected = { status: 421, code: 'misdirected_request', reason: 'misdirected' };
  const on = (servername, host, { cert, listener, path = '/x' } = {}) => s.request({ path, host, listener, tls: { servername, ...(cert ? { cert: cert.cert, key: cert.key } : {}) } });

  for (const host of ['strict.example.com', 'STRICT.example.com', 'strict.example.com.', 'strict.example.com:443', 'a.strict.example.com', 'A.Strict.Example.Com.', 'a.b.strict.example.com']) {
    it(`handshake for lax.example.com, request for ${host}`, () => s.denied(misdirected, () => on('lax.example.com', host)));
  }
  it('in absolute-form', () => s.denied(misdirected, () => on('lax.example.com', 'strict.example.com', { path: 'https://strict.example.com/x' })));
  it('on a route that serves every host', () => s.denied(misdirected, () => on('lax.example.com', 'strict.example.com', { path: '/any/x' })));
  it('without SNI the first certificate\'s policy counts', async () => {
    await s.denied(misdirected, async () => {
      const c = await RawClient.connect({ port: s.gateway.ports.public, tls: { ca: s.ca.cert, servername: '', checkServerIdentity: () => undefined } });
      await c.send(requestText({ path: '/x', host: 'strict.example.com' }));
      const response = await c.response();
      c.destroy();
      return response;
    });
  });
  it('the other way round: handshake for strict, request for lax', () => s.denied(misdirected, () => on('strict.example.com', 'lax.example.com', { cert: client.good })));
  it('the second request of a connection', async () => {
    const c = await s.connect({ tls: { servername: 'lax.example.com' } });
    await c.send(requestText({ path: '/x', host: 'lax.example.com' }));
    assert.equal((await c.response()).status, 200);
    const seen = s.upstream.bytesSeen();
    await c.send(requestText({ path: '/x', host: 'strict.example.com' }));
    assert.equal((await c.response()).status, 421);
    assert.equal(s.upstream.bytesSeen(), seen);
    c.destroy();
  });
  // A browser that has a connection to one host sends requests for another on it, where the certificate names both (RFC 9113
  // section 9.1.1).
  it('HTTP/2 coalescing: a request for a host of another policy is sent back, and comes by a connection of its own', async () => {
    for (const listener of listeners) {
      const session = await Session.connect(s, { listener, tls: { servername: 'lax.example.com' } });
      assert.equal((await session.request({ path: '/x', host: 'lax.example.com' })).status, 200);
      for (const host of ['strict.example.com', 'STRICT.example.com', 'strict.example.com.', 'a.strict.example.com', 'strict.example.com:443']) {
        await s.denied(misdirected, () => session.request({ path: '/x', host }));
      }
      await s.denied(misdirected, () => session.request({ path: '/any/x', host: 'strict.example.com' }));
      // Twins: the same connection serves its own policy still, and another host of it.
      assert.equal((await session.request({ path: '/x', host: 'lax.example.com' })).status, 200);
      if (listener === 'public') assert.equal((await session.request({ path: '/x', host: 'lax2.example.com' })).status, 200);
      session.destroy();
      const own = await Session.connect(s, { listener, tls: { servername: 'strict.example.com', cert: client.good.cert, key: client.good.key } });
      assert.equal((await own.request({ path: '/x', host: 'strict.example.com' })).status, 200);
      own.destroy();
    }
  });
  it('one certificate for both hosts: the policy decides, not the name on it', () => s.denied(misdirected, () => on('lax.example.com', 'strict.example.com', { listener: 'shared' })));
  it('a host that no certificate serves', () => s.denied(misdirected, () => on('lax.example.com', 'elsewhere.example.org', { path: '/any/x' })));

  it('strict without a certificate: 403', () => s.denied({ status: 403, code: 'client_certificate_required', reason: 'client_certificate_missing' }, () => on('strict.example.com', 'strict.example.com')));
  it('strict with a stranger\'s certificate: no request at all, or 403', async () => {
    const seen = s.upstream.bytesSeen();
    const outcome = await on('strict.example.com', 'strict.example.com', { cert: client.foreign }).then((r) => r.status, () => 'refused');
    assert.ok(outcome === 'refused' || outcome === 403, `${outcome}`);
    assert.equal(s.upstream.bytesSeen(), seen);
  });

  it('a certificate that is revoked for the host: no way there by a host that asks no list', async () => {
    await s.denied(misdirected, () => on('strict.example.com', 'listed.example.com', { cert: client.good }));
    const seen = s.upstream.bytesSeen();
    assert.equal(await on('listed.example.com', 'listed.example.com', { cert: client.good }).then((r) => r.status, () => 'refused'), 'refused');
    assert.equal(s.upstream.bytesSeen(), seen);
    await s.allowed(() => on('listed.example.com', 'listed.example.com', { cert: client.other }));
  });

  it('twin: strict with its certificate', async () => {
    for (const [sni, host] of [['strict.example.com', 'strict.example.com'], ['a.strict.example.com', 'a.strict.example.com'], ['strict.example.com', 'A.STRICT.example.com.']]) {
      await s.allowed(() => on(sni, host, { cert: client.good }));
    }
    await s.allowed(() => on('strict.example.com', 'strict.example.com', { cert: client.good, listener: 'shared' }));
  });
  it('twin: two hosts of the same policy share a connection', async () => {
    await s.allowed(() => on('lax.example.com', 'lax2.example.com'));
  });
});
