// TLS towards clients: versions, certificates, protocols, resumption, client certificates, reload.
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { OPEN, openStage, gatewayCertificate, merge } from '../lib/stage.mjs';
import { Authority, authority } from '../lib/pki.mjs';
import { RawClient, curl, requestText } from '../lib/raw.mjs';
import { until, within } from '../lib/wait.mjs';

const A = 'a.example.com';
const B = 'b.example.com';
const MTLS = 'mtls.example.com';

describe('TLS listeners', () => {
  let s;
  let clients;
  let mine;
  let certificates;
  before(async () => {
    const ca = authority();
    clients = new Authority('Client CA');
    mine = clients.issue({ cn: 'mine', client: true });
    certificates = Object.fromEntries(Object.entries({ a: [A], b: [B, '*.b.example.com'], mtls: [MTLS] }).map(([name, dns]) => [name, ca.issue({ dns })]));
    const pair = ({ certFile: cert, keyFile: key }) => ({ cert, key });
    const rotating = ca.issue({ dns: [A] });
    const listener = (tlsSettings) => ({ address: '127.0.0.1', port: 0, tls: tlsSettings });
    s = await openStage({
      config: (stage) => {
        copyFileSync(rotating.certFile, join(stage.dir, 'rotating.crt'));
        copyFileSync(rotating.keyFile, join(stage.dir, 'rotating.key'));
        return {
          listeners: {
            public: { tls: { certificates: [pair(certificates.a), pair(certificates.b), { ...pair(certificates.mtls), client_ca: clients.certFile, client_certificate: 'required' }] } },
            modern: listener({ certificates: [pair(certificates.a)], min_version: '1.3' }),
            optional: listener({ certificates: [pair(certificates.a)], client_ca: clients.certFile, client_certificate: 'optional' }),
            required: listener({ certificates: [pair(certificates.a)], client_ca: clients.certFile, client_certificate: 'required' }),
            rotating: listener({ certificates: [{ cert: join(stage.dir, 'rotating.crt'), key: join(stage.dir, 'rotating.key') }] }),
          },
        };
      },
      routes: { open: { ...OPEN, listeners: ['public', 'modern', 'optional', 'required', 'rotating'], match: { host: '*', path: '/**' } } },
    });
  });
  after(() => s?.close());

  const connect = (options = {}, listener = 'public') => RawClient.connect({ port: s.gateway.ports[listener], tls: { ca: s.ca.cert, servername: A, ...options } });
  const ask = async (options, listener, host) => {
    const client = await connect(options, listener);
    await client.send(requestText({ host: host ?? options?.servername ?? A }));
    const response = await client.response();
    client.end();
    return response;
  };
  const namesOf = (client) => client.socket.getPeerCertificate().subjectaltname;

  describe('versions', () => {
    for (const version of ['TLSv1.2', 'TLSv1.3']) {
      it(`${version} is spoken`, async () => {
        const client = await connect({ minVersion: version, maxVersion: version });
        assert.equal(client.socket.getProtocol(), version);
        await client.send(requestText({ host: A }));
        const response = await client.response();
        assert.equal(response.status, 200);
        const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
        assert.equal(line.tls, version);
        client.end();
      });
    }
    it('TLS 1.2 with forward secrecy and AEAD only', async () => {
      const client = await connect({ maxVersion: 'TLSv1.2' });
      assert.match(client.socket.getCipher().standardName, /^TLS_ECDHE_.*(GCM|POLY1305)/);
      client.end();
      await assert.rejects(connect({ maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA:AES256-SHA:AES128-GCM-SHA256@SECLEVEL=0' }));
      await assert.rejects(connect({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384@SECLEVEL=0' }));
    });
    for (const version of ['TLSv1', 'TLSv1.1']) {
      it(`${version} is not`, () => assert.rejects(connect({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' })));
    }
    it('min_version 1.3 refuses 1.2', async () => {
      await assert.rejects(connect({ maxVersion: 'TLSv1.2' }, 'modern'));
      assert.equal((await ask({}, 'modern')).status, 200);
    });
    it('plaintext on a TLS listener gets no answer of HTTP', async () => {
      const client = await RawClient.connect({ port: s.gateway.ports.public });
      await client.send(requestText({ host: A }));
      assert.ok(!(await client.rest()).toString('latin1').startsWith('HTTP/1.1 200'));
      client.destroy();
    });
  });

  describe('the certificate is chosen by SNI', () => {
    for (const [servername, names] of [[A, `DNS:${A}`], [B, `DNS:${B}, DNS:*.b.example.com`], ['x.b.example.com', `DNS:${B}, DNS:*.b.example.com`], ['A.Example.Com', `DNS:${A}`]]) {
      it(servername, async () => {
        const client = await connect({ servername });
        assert.equal(namesOf(client), names);
        client.end();
      });
    }
    it('without SNI: the first', async () => {
      const client = await connect({ servername: '', checkServerIdentity: () => undefined });
      assert.equal(namesOf(client), `DNS:${A}`);
      client.end();
    });
    it('an unknown name gets the first, or nothing', async () => {
      const client = await connect({ servername: 'unknown.example.org', checkServerIdentity: () => undefined }).catch(() => null);
      if (client) {
        assert.equal(namesOf(client), `DNS:${A}`);
        await client.send(requestText({ host: 'unknown.example.org' }));
        assert.equal((await client.response()).status, 421);
        client.end();
      }
    });
  });

  describe('ALPN', () => {
    it('http/1.1 is chosen', async () => {
      const client = await connect({ ALPNProtocols: ['http/1.1'] });
      assert.equal(client.socket.alpnProtocol, 'http/1.1');
      client.end();
    });
    it('a client without ALPN is served', async () => {
      const client = await connect({ ALPNProtocols: undefined });
      await client.send(requestText({ host: A }));
      assert.equal((await client.response()).status, 200);
      client.end();
    });
    it('a client of another protocol is not', async () => {
      await assert.rejects(connect({ ALPNProtocols: ['smtp'] }));
    });
  });

  describe('resumption', () => {
    const session = async (options, listener, host) => {
      const client = await connect(options, listener);
      await client.send(requestText({ host: host ?? options.servername ?? A }));
      await client.response();
      const ticket = await until('a session ticket', () => client.session);
      client.end();
      return ticket;
    };
    const cert = () => ({ cert: mine.cert, key: mine.key });

    for (const version of ['TLSv1.2', 'TLSv1.3']) {
      const v = { minVersion: version, maxVersion: version };
      it(`${version}: with a ticket, on any worker`, async () => {
        const ticket = await session(v);
        for (let i = 0; i < 4; i++) {
          const client = await connect({ ...v, session: ticket });
          assert.equal(client.socket.isSessionReused(), true);
          await client.send(requestText({ host: A }));
          assert.equal((await client.response()).status, 200);
          client.end();
        }
        assert.ok((await s.gateway.metrics()).sum('sallyport_tls_handshakes_resumed_total') >= 4);
      });
      it(`${version}: a ticket of one host does not resume at another with client certificates`, async () => {
        const ticket = await session(v);
        const client = await connect({ ...v, session: ticket, servername: MTLS, checkServerIdentity: () => undefined });
        assert.equal(client.socket.isSessionReused(), false);
        await client.send(requestText({ host: MTLS }));
        assert.equal((await client.response()).status, 403);
        client.end();
      });
      it(`${version}: a resumed session keeps its client certificate`, async () => {
        const ticket = await session({ ...v, servername: MTLS, ...cert() });
        const client = await connect({ ...v, servername: MTLS, session: ticket, ...cert() });
        await client.send(requestText({ host: MTLS }));
        assert.equal((await client.response()).status, 200);
        client.end();
      });
      it(`${version}: a ticket from another listener's policy is not resumed`, async () => {
        const ticket = await session(v, 'optional');
        const client = await connect({ ...v, session: ticket }, 'required');
        assert.equal(client.socket.isSessionReused(), false);
        client.end();
      });
    }
    it('tickets outlive a reload', async () => {
      const ticket = await session({});
      assert.equal((await s.gateway.reload()).event, 'ready');
      const client = await connect({ session: ticket });
      assert.equal(client.socket.isSessionReused(), true);
      client.end();
    });
  });

  it('no renegotiation', async () => {
    const client = await connect({ maxVersion: 'TLSv1.2' });
    await within(10_000, 'an answer to the renegotiation', new Promise((resolve) => {
      client.socket.on('error', resolve);
      client.socket.once('close', resolve);
      client.socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error ?? assert.fail('renegotiated')));
    }));
    client.destroy();
    assert.equal((await ask({})).status, 200);
  });
  it('no early data', async () => {
    const file = join(s.dir, 'session.pem');
    const early = join(s.dir, 'early');
    writeFileSync(early, requestText({ host: A }));
    const client = (args, input) => within(15_000, 'openssl s_client', new Promise((resolve) => {
      const child = execFile('openssl', ['s_client', '-connect', `127.0.0.1:${s.gateway.ports.public}`, '-servername', A, '-CAfile', s.ca.certFile, '-tls1_3', ...args], (error, stdout, stderr) => resolve(stdout + stderr));
      child.stdin.on('error', () => {});
      child.stdin.end(input);
    }));
    await client(['-sess_out', file, '-ign_eof'], requestText({ host: A, fields: [['Connection', 'close']] }));
    const said = await client(['-sess_in', file, '-early_data', early], '');
    assert.doesNotMatch(said, /Early data was accepted/);
  });

  describe('client certificates', () => {
    const cert = (c) => ({ cert: c.cert, key: c.key });
    it('optional: with and without', async () => {
      assert.equal((await ask({}, 'optional')).status, 200);
      assert.equal((await ask(cert(mine), 'optional')).status, 200);
    });
    it('required: 403 without one, on every request; served with one', async () => {
      const client = await connect({}, 'required');
      for (let i = 0; i < 2; i++) {
        await client.send(requestText({ host: A }));
        const response = await client.response();
        s.checkDenial(response, { status: 403, code: 'client_certificate_required' });
        assert.equal(response.fields.has('www-authenticate'), false);
      }
      client.end();
      assert.equal((await ask(cert(mine), 'required')).status, 200);
    });
    it('of another authority, self-made or for servers: never taken for one', async () => {
      const foreign = new Authority('Foreign CA').issue({ cn: 'mine', client: true });
      const server = clients.issue({ cn: 'server', dns: ['x.example.com'] });
      for (const listener of ['optional', 'required']) {
        for (const wrong of [foreign, server]) {
          const outcome = await ask(cert(wrong), listener).then((r) => r.status, () => 'refused');
          assert.ok(outcome === 'refused' || outcome === 403, `${listener}: ${outcome}`);
        }
      }
    });
    it('that has ended', async () => {
      const old = clients.issue({ cn: 'old', client: true, notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) });
      const outcome = await ask(cert(old), 'required').then((r) => r.status, () => 'refused');
      assert.ok(outcome === 'refused' || outcome === 403, `${outcome}`);
    });
    it('that ends while its connection lives', async () => {
      const short = clients.issue({ cn: 'short', client: true, notAfter: new Date(Date.now() + 3_000) });
      const client = await connect(cert(short), 'required');
      let response;
      await client.send(requestText({ host: A }));
      assert.equal((await client.response()).status, 200);
      await until('the certificate to end', async () => {
        await client.send(requestText({ host: A }));
        response = await client.response();
        return response.status !== 200;
      });
      s.checkDenial(response, { status: 403, code: 'client_certificate_required' });
      const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.reason, 'client_certificate_expired');
      client.destroy();
    });
  });

  it('a changed certificate file is taken up by SIGHUP, living connections go on', async () => {
    const living = await connect({}, 'rotating');
    const old = living.socket.getPeerCertificate().fingerprint256;
    const next = s.ca.issue({ dns: [A] });
    copyFileSync(next.certFile, join(s.dir, 'rotating.crt'));
    copyFileSync(next.keyFile, join(s.dir, 'rotating.key'));
    assert.equal((await s.gateway.reload()).event, 'ready');
    const fresh = await connect({}, 'rotating');
    const current = fresh.socket.getPeerCertificate().fingerprint256;
    assert.notEqual(current, old);
    for (const client of [living, fresh]) {
      await client.send(requestText({ host: A }));
      assert.equal((await client.response()).status, 200);
      client.end();
    }
    // A pair that does not fit is refused, and the good one stays.
    copyFileSync(certificates.b.keyFile, join(s.dir, 'rotating.key'));
    assert.equal((await s.gateway.reload()).event, 'reload_refused');
    const still = await connect({}, 'rotating');
    assert.equal(still.socket.getPeerCertificate().fingerprint256, current);
    still.end();
    copyFileSync(next.keyFile, join(s.dir, 'rotating.key'));
    assert.equal((await s.gateway.reload()).event, 'ready');
  });

  it('curl agrees', async () => {
    const args = ['--cacert', s.ca.certFile, '--resolve', `${A}:${s.gateway.ports.public}:127.0.0.1`, '-o', '/dev/null', '-w', '%{http_code} %{http_version}', `https://${A}:${s.gateway.ports.public}/`];
    assert.equal((await curl(args)).stdout, '200 2');
  });
  it('handshakes that fail are counted', async () => {
    const before = (await s.gateway.metrics()).sum('sallyport_tls_handshakes_failed_total');
    await assert.rejects(connect({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }));
    await until('the count', async () => (await s.gateway.metrics()).sum('sallyport_tls_handshakes_failed_total') > before);
  });
});

describe('listeners without TLS', () => {
  let s;
  before(async () => {
    const plain = { address: '127.0.0.1', port: 0 };
    s = await openStage({
      config: {
        listeners: {
          redirecting: { ...plain, redirect_to_https: true, https_port: 443 },
          ported: { ...plain, redirect_to_https: true, https_port: 8443 },
          clear: { ...plain, exposure: 'internal', plaintext: 'allow' },
        },
      },
      routes: {
        open: { ...OPEN, listeners: ['public'] },
        clear: { ...OPEN, match: { host: 'inside.example.com', path: '/**' }, listeners: ['clear'] },
      },
    });
  });
  after(() => s?.close());

  const ask = (parts, listener = 'redirecting') => s.request({ listener, plain: true, ...parts });

  it('308 for GET and HEAD without credentials, to a configured host', async () => {
    for (const [listener, origin] of [['redirecting', 'https://api.example.com'], ['ported', 'https://api.example.com:8443']]) {
      for (const method of ['GET', 'HEAD']) {
        const response = await ask({ method, path: '/open/x?a=b' }, listener);
        assert.equal(response.status, 308);
        assert.equal(response.fields.get('location'), `${origin}/open/x?a=b`);
        assert.ok(response.fields.get('x-request-id'));
      }
    }
    const response = await ask({ path: '/open/x', host: 'API.example.com:8080' });
    assert.equal(response.fields.get('location'), 'https://api.example.com/open/x');
  });
  const refused = { status: 403, code: 'https_required', reason: 'plaintext' };
  for (const [name, parts] of Object.entries({
    'an Authorization field': { fields: [['Authorization', 'Bearer x']] },
    'a Basic credential': { fields: [['Authorization', 'Basic eDp5']] },
    'a cookie': { fields: [['Cookie', 'session=1']] },
    'a Proxy-Authorization field': { fields: [['Proxy-Authorization', 'Basic eDp5']] },
    'a DPoP proof': { fields: [['DPoP', 'x']] },
    POST: { method: 'POST', body: 'x' },
    DELETE: { method: 'DELETE' },
    OPTIONS: { method: 'OPTIONS' },
  })) {
    it(`403, not a redirect: ${name}`, () => s.denied(refused, () => ask({ path: '/open/x', ...parts })));
  }
  it('403, not an open redirect: a host that is not configured', async () => {
    for (const host of ['evil.example.org', 'api.example.com.evil.org']) {
      const { response } = await s.denied({ ...refused, status: [403, 404, 421], code: ['https_required', 'not_found', 'misdirected_request'], reason: ['plaintext', 'no_route', 'misdirected'] }, () => ask({ path: '/open/x', host }));
      assert.equal(response.fields.has('location'), false);
    }
  });
  it('a path that means another host elsewhere stays on ours', async () => {
    for (const path of ['//evil.example.org/x', '/\\evil.example.org', '/%0d%0aSet-Cookie:%20a=b', '/@evil.example.org']) {
      const response = await ask({ path });
      if (response.status === 308) assert.match(response.fields.get('location'), /^https:\/\/api\.example\.com\/(?!\/)/);
      else assert.ok([400, 403].includes(response.status), `${path}: ${response.status}`);
    }
  });
  it('nothing of it goes upstream', () => assert.equal(s.upstream.bytesSeen(), 0));
  it('plaintext: allow serves, told so to the upstream', async () => {
    const { echo } = await s.allowed(() => ask({ path: '/x', host: 'inside.example.com' }, 'clear'));
    assert.deepEqual(echo.fields.filter(([n]) => n.toLowerCase() === 'x-forwarded-proto').map(([, v]) => v), ['http']);
  });
  it('a route stands only on its listeners', async () => {
    await s.denied({ status: 404, code: 'not_found', reason: 'no_route' }, () => ask({ path: '/open/x' }, 'clear'));
  });
  it('a TLS handshake there is no request', async () => {
    await assert.rejects(new Promise((resolve, reject) => {
      const socket = tls.connect({ port: s.gateway.ports.clear, host: '127.0.0.1', rejectUnauthorized: false }, resolve);
      socket.on('error', reject);
    }));
  });
});

describe('TLS towards upstreams', () => {
  let s;
  let foreign;
  let mutual;
  before(async () => {
    foreign = new Authority('Foreign CA');
    const clients = new Authority('Gateway CA');
    mutual = clients.issue({ cn: 'gateway', client: true });
    const upstreams = (stage) => ({
      'wrong-ca': { endpoints: [stage.upstream.url], tls: { ca: foreign.certFile } },
      'wrong-name': { endpoints: [stage.upstream.url], tls: { ca: stage.ca.certFile, server_name: 'payments.internal' } },
      'right-name': { endpoints: [stage.upstream.url], tls: { ca: stage.ca.certFile, server_name: 'orders.internal' } },
      'by-name': { endpoints: [stage.upstream.url.replace('127.0.0.1', 'localhost')], tls: { ca: stage.ca.certFile } },
      plain: { endpoints: [stage.upstream.url.replace('https', 'http')] },
      modern: { endpoints: [stage.upstream.url], tls: { ca: stage.ca.certFile, min_version: '1.3' } },
      mutual: { endpoints: [stage.upstream.url], tls: { ca: stage.ca.certFile, cert: mutual.certFile, key: mutual.keyFile } },
    });
    s = await openStage({
      config: (stage) => ({ upstreams: upstreams(stage) }),
      routes: Object.fromEntries(['order-service', 'wrong-ca', 'wrong-name', 'right-name', 'by-name', 'plain', 'modern', 'mutual'].map((name) => [name, { ...OPEN, match: { host: 'api.example.com', path: `/${name}/**` }, upstream: name }])),
    });
  });
  after(() => s?.close());

  const refused = { status: 502, code: 'bad_gateway', reason: 'upstream_tls' };
  for (const name of ['wrong-ca', 'wrong-name', 'by-name']) {
    it(`502 upstream_tls: ${name}`, async () => {
      const { response, access } = await s.denied(refused, () => s.request({ path: `/${name}/x` }));
      assert.ok(!/certificate|openssl|issuer/i.test(response.text), 'the caller learns no detail');
      assert.equal(access.upstream, name);
    });
  }
  it('an https upstream spoken to in plaintext: 502', () => s.denied({ ...refused, reason: ['upstream_protocol', 'upstream_closed'] }, () => s.request({ path: '/plain/x' })));
  it('a certificate that has ended, then a good one: no verdict is remembered', async () => {
    const { cert, key } = s.ca.issue({ ip: ['127.0.0.1'], notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) });
    const good = s.upstream.options;
    for (const c of s.upstream.connections) c.socket.destroy();
    s.upstream.tlsServer.setSecureContext({ cert, key });
    await until('the ended certificate to be refused', async () => (await s.request({ path: '/order-service/x' })).status === 502);
    await s.denied(refused, () => s.request({ path: '/order-service/x' }));
    s.upstream.tlsServer.setSecureContext({ cert: good.cert, key: good.key });
    await s.allowed(() => s.request({ path: '/order-service/x' }));
  });
  it('an old protocol: 502', async () => {
    for (const c of s.upstream.connections) c.socket.destroy();
    s.upstream.tlsServer.setSecureContext({ ...s.upstream.options, maxVersion: 'TLSv1.2' });
    await s.denied(refused, () => s.request({ path: '/modern/x' }));
    await s.allowed(() => s.request({ path: '/right-name/x' }));
    s.upstream.tlsServer.setSecureContext(s.upstream.options);
  });
  it('twin: right authority, right name', async () => {
    for (const name of ['order-service', 'right-name', 'modern', 'mutual']) await s.allowed(() => s.request({ path: `/${name}/x` }));
  });
  it('a reload with another CA decides anew', async () => {
    const config = merge(s.config, { upstreams: { 'order-service': { tls: { ca: foreign.certFile } } } });
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    await until('the new CA to decide', async () => (await s.request({ path: '/order-service/x' })).status === 502);
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    await until('the old CA to decide again', async () => (await s.request({ path: '/order-service/x' })).status === 200);
  });
});

describe('a client certificate towards an upstream that demands one', () => {
  let s;
  before(async () => {
    const clients = new Authority('Gateway CA');
    const mine = clients.issue({ cn: 'gateway', client: true });
    const origin = authority().issue({ ip: ['127.0.0.1'] });
    s = await openStage({
      upstream: { tls: { cert: origin.cert, key: origin.key, ca: clients.cert, requestCert: true, rejectUnauthorized: true } },
      config: (stage) => ({
        upstreams: {
          'order-service': { tls: { cert: mine.certFile, key: mine.keyFile } },
          bare: { endpoints: [stage.upstream.url], tls: { ca: stage.ca.certFile } },
        },
        listeners: { public: { tls: { certificates: [{ cert: gatewayCertificate().certFile, key: gatewayCertificate().keyFile }] } } },
      }),
      routes: { open: OPEN, bare: { ...OPEN, match: { host: 'api.example.com', path: '/bare/**' }, upstream: 'bare' } },
    });
  });
  after(() => s?.close());
  it('is shown', () => s.allowed(() => s.request({ path: '/open/x' })));
  it('502 without it', () => s.denied({ status: 502, code: 'bad_gateway', reason: ['upstream_tls', 'upstream_closed'] }, () => s.request({ path: '/bare/x' })));
});
