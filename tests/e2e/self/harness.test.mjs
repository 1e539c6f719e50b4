// The tests' own tools, tested without a gateway.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { X509Certificate, createPublicKey, verify } from 'node:crypto';
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { ASYMMETRIC, Issuer, forge, signatureOf } from '../lib/issuer.mjs';
import { undocumented } from '../lib/documented_metrics.mjs';
import { parseMetrics } from '../lib/metrics.mjs';
import { Authority, authority } from '../lib/pki.mjs';
import { RawClient, chunked, curl, requestText } from '../lib/raw.mjs';
import { merge, originCertificate } from '../lib/stage.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { pass, until, within } from '../lib/wait.mjs';

describe('certificates', () => {
  it('are signed by their authority and carry their names', () => {
    const ca = authority();
    const leaf = ca.issue({ dns: ['a.example.com', '*.b.example.com'], ip: ['127.0.0.1'] });
    const cert = new X509Certificate(leaf.cert);
    assert.ok(cert.verify(new X509Certificate(ca.cert).publicKey));
    assert.equal(cert.subjectAltName, 'DNS:a.example.com, DNS:*.b.example.com, IP Address:127.0.0.1');
    assert.ok(!cert.verify(new X509Certificate(new Authority('Another').cert).publicKey));
  });
  it('can have ended already', () => {
    const cert = new X509Certificate(authority().issue({ dns: ['old.example.com'], notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 60_000) }).cert);
    assert.ok(Date.parse(cert.validTo) < Date.now());
  });
});

describe('the issuer', () => {
  it('mints tokens of every algorithm that another library accepts', async () => {
    const issuer = new Issuer();
    for (const alg of ASYMMETRIC) await issuer.addKey(alg, { kid: alg });
    const keys = createLocalJWKSet(await issuer.jwks());
    for (const alg of ASYMMETRIC) {
      const token = await issuer.mint({}, { kid: alg });
      assert.equal(decodeProtectedHeader(token).alg, alg);
      if (alg === 'Ed25519') {
        const [head, body, signature] = token.split('.');
        const key = createPublicKey({ key: (await issuer.jwks()).keys.find((k) => k.kid === alg), format: 'jwk' });
        assert.ok(verify(null, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')));
        continue;
      }
      const { payload } = await jwtVerify(token, keys, { issuer: issuer.issuer, audience: 'orders' });
      assert.equal(payload.scope, 'read_orders');
    }
  });
  it('forges as told', async () => {
    const issuer = await new Issuer().addKey('RS256', { kid: 'k' });
    const keys = createLocalJWKSet(await issuer.jwks());
    await jwtVerify(issuer.forge({}), keys);
    await assert.rejects(jwtVerify(issuer.forge({ sign: '' }), keys));
    await assert.rejects(jwtVerify(forge({ header: { alg: 'none' }, payload: {} }), keys));
    assert.equal(signatureOf('HS256', 'secret', 'x').length, 32);
  });
  it('serves its keys and counts who asks', async () => {
    const issuer = await new Issuer().addKey('ES256', { kid: 'k' });
    const server = await issuer.serve();
    await jwtVerify(await issuer.mint(), createRemoteJWKSet(new URL(server.url)));
    assert.equal(server.fetches, 1);
    await server.stop();
  });
});

describe('the upstream and the raw client', () => {
  const open = async (options = {}) => {
    const { cert, key } = originCertificate();
    const upstream = await startUpstream({ tls: { cert, key }, ...options });
    const connect = () => RawClient.connect({ port: upstream.port, tls: { ca: authority().cert, servername: 'orders.internal' } });
    return { upstream, connect };
  };
  it('echo what was sent, on one connection, in order', async () => {
    const { upstream, connect } = await open();
    const client = await connect();
    assert.equal(upstream.bytesSeen(), 0);
    const first = requestText({ path: '/a', method: 'POST', fields: [['Transfer-Encoding', 'chunked']], body: chunked('he', 'llo') });
    const second = requestText({ path: '/b' });
    await client.sendSplit(Buffer.concat([first, second]));
    const one = (await client.response()).json();
    const two = (await client.response()).json();
    assert.deepEqual([one.method, one.target, one.body, one.size, two.target], ['POST', '/a', 'hello', 5, '/b']);
    assert.equal(upstream.bytesSeen(), first.length + second.length);
    client.end();
    await client.ended();
    await upstream.close();
  });
  it('say what was malformed', async () => {
    const { upstream, connect } = await open();
    const client = await connect();
    await client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    await client.ended();
    await assert.rejects(upstream.close(), /Content-Length with Transfer-Encoding/);
  });
  it('read nothing lenient from an answer', async () => {
    for (const answer of ['HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'HTTP/1.1 200\r\n\r\n', 'HTTP/1.1 200 OK\r\nA : b\r\n\r\n', 'HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n']) {
      const { upstream, connect } = await open({ script: async (exchange) => (await exchange.send(answer), exchange.end()) });
      const client = await connect();
      await client.send(requestText({}));
      await assert.rejects(client.response(), undefined, answer);
      client.destroy();
      await upstream.close();
    }
  });
  it('pass informational answers, trailers and HEAD', async () => {
    const script = async (exchange) => {
      if (exchange.request.method === 'HEAD') return exchange.respond(200, [], 'twelve bytes');
      await exchange.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n');
    };
    const { upstream, connect } = await open({ script });
    const client = await connect();
    await client.send(requestText({}));
    const response = await client.response();
    assert.deepEqual([response.informational[0].status, response.text, response.trailers.get('x-t')], [103, 'hi', '1']);
    await client.send(requestText({ method: 'HEAD' }));
    assert.equal((await client.response({ method: 'HEAD' })).body.length, 0);
    client.end();
    await upstream.close();
  });
  it('answer curl', async () => {
    const { upstream } = await open();
    const { code, stdout } = await curl(['--cacert', authority().certFile, '--resolve', `orders.internal:${upstream.port}:127.0.0.1`, `https://orders.internal:${upstream.port}/x`]);
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).target, '/x');
    await upstream.close();
  });
});

describe('small tools', () => {
  it('metrics are read strictly', () => {
    const metrics = parseMetrics('# HELP a_total Things\n# TYPE a_total counter\na_total{route="x\\"y",status="200"} 3\na_total{route="z",status="200"} 4\n');
    assert.equal(metrics.sum('a_total'), 7);
    assert.equal(metrics.sum('a_total', { route: 'x"y' }), 3);
    assert.throws(() => parseMetrics('a_total 1'));
    assert.throws(() => parseMetrics('a total 1\n'));
    assert.throws(() => parseMetrics('a_total{x=1} 1\n'));
  });
  it('are held against their documentation', () => {
    const of = (text) => undocumented(parseMetrics(text)).length;
    const histogram = '# TYPE sallyport_request_duration_seconds histogram\n';
    assert.equal(of('# TYPE sallyport_upgrades_total counter\nsallyport_upgrades_total 1\n'), 0);
    assert.equal(of('# TYPE sallyport_upgrades_total counter\nsallyport_upgrades_total{why="x"} 1\n'), 1);
    assert.equal(of('sallyport_denied_total{reason="x"} 1\n'), 1);
    assert.equal(of('sallyport_denied_total{reason="x",route="y"} 1\n'), 0);
    assert.equal(of(`${histogram}sallyport_request_duration_seconds_bucket{route="r",le="1"} 1\nsallyport_request_duration_seconds_sum{route="r"} 1\n`), 0);
    assert.equal(of('# TYPE sallyport_nobody_knows gauge\n'), 1);
  });
  it('merging replaces lists and deletes null', () => {
    assert.deepEqual(merge({ a: { b: 1, c: [1] }, d: 1 }, { a: { c: [2] }, d: null }), { a: { b: 1, c: [2] } });
  });
  it('waiting fails by name', async () => {
    await assert.rejects(within(10, 'the thing', new Promise(() => {})), /the thing/);
    await assert.rejects(until('the other', () => false, 20), /the other/);
    assert.equal(await within(1000, 'x', pass(1).then(() => 5)), 5);
  });
});
