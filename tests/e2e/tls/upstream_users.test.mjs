// Who else goes by a service's TLS settings: its health checks, external authorizers, and the command that checks them all.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { Authority } from '../lib/pki.mjs';
import { HOST, OPEN, closeAll, merge, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { DOMAIN, GATEWAY, ORDERS, files, routesTo, startPeer } from './peers.mjs';

const OTHER = `spiffe://${DOMAIN}/ns/orders/sa/other`;
const health = { path: '/healthz', interval: '1s', timeout: '1s', unhealthy_after: 1, healthy_after: 1 };

describe('health checks', () => {
  let s, mesh, gateway, peers;
  const upstream = (kind, tls) => ({ endpoints: [peers[kind].url], protocol: kind === 'h2' ? 'h2' : 'http1', health, tls: { ca: mesh.certFile, ...tls } });
  const config = (id, certificate) => ({ upstreams: Object.fromEntries(Object.keys(peers).map((kind) => [kind, upstream(kind, { spiffe_ids: [id], ...certificate })])) });
  before(async () => {
    mesh = new Authority('Mesh CA');
    gateway = mesh.svid(GATEWAY);
    const own = mesh.svid(ORDERS);
    peers = { http1: await startPeer({ own, clients: mesh }), h2: await startPeer({ own, clients: mesh, h2: true }) };
    s = await openStage({ config: { workers: 1, ...config(ORDERS, files(gateway)) }, routes: routesTo(Object.keys(peers)) });
  });
  after(() => closeAll(() => s?.close(), ...Object.values(peers ?? {}).map((peer) => () => peer.close())));

  const change = async (over) => {
    const from = s.gateway.events.length;
    assert.equal((await s.gateway.reload(merge(s.config, over))).event, 'ready');
    return (event, kind) => s.gateway.wait(`${event} of ${kind}`, () => s.gateway.events.slice(from).find((e) => e.event === event && e.endpoint === peers[kind].url));
  };

  for (const kind of ['http1', 'h2']) {
    it(`${kind}: show the same certificate, and believe the same SPIFFE ID`, async () => {
      const check = await until('a check', () => peers[kind].seen.find((seen) => seen.url === health.path));
      assert.equal(check.serial, gateway.serial);
      await s.allowed(() => s.request({ path: `/${kind}/x` }));
    });
  }
  it('another ID is taken up by reload, and nothing but it: unhealthy', async () => {
    const told = await change(config(OTHER, files(gateway)));
    for (const kind of ['http1', 'h2']) {
      const event = await told('endpoint_unhealthy', kind);
      assert.deepEqual([event.reason, /is not one of spiffe_ids/.test(event.detail)], ['tls', true], JSON.stringify(event));
    }
  });
  it('the right one again: healthy', async () => {
    const told = await change(config(ORDERS, files(gateway)));
    for (const kind of ['http1', 'h2']) {
      await until(`${kind} to be healthy`, async () => (await s.gateway.metrics()).sum('sallyport_upstream_healthy', { service: kind }) === 1);
      await s.allowed(() => s.request({ path: `/${kind}/x` }));
    }
    assert.ok(told);
  });
  it('without the certificate: unhealthy, and the log says what is missing', async () => {
    const told = await change(config(ORDERS, { cert: null, key: null }));
    for (const kind of ['http1', 'h2']) {
      const event = await told('endpoint_unhealthy', kind);
      assert.deepEqual([event.reason, /none is configured \(tls\.cert\)/.test(event.detail)], ['tls', true], JSON.stringify(event));
    }
  });
});

describe('external authorizers', () => {
  let s, mesh, peer;
  before(async () => {
    mesh = new Authority('Mesh CA');
    peer = await startPeer({ own: mesh.svid(ORDERS), clients: mesh });
    const tls = { ca: mesh.certFile, spiffe_ids: [ORDERS], ...files(mesh.svid(GATEWAY)) };
    const authorizer = (over) => ({ contract: 'ext_authz', url: `${peer.url}/check`, tls: { ...tls, ...over } });
    const names = ['good', 'other', 'bare'];
    s = await openStage({
      config: { workers: 1, authorizers: { good: authorizer({}), other: authorizer({ spiffe_ids: [OTHER] }), bare: { ...authorizer({}), tls: { ca: mesh.certFile, spiffe_ids: [ORDERS] } } } },
      routes: Object.fromEntries(names.map((name) => [name, { ...OPEN, match: { host: HOST, path: `/${name}/**` }, authorize: { external: name } }])),
    });
  });
  after(() => closeAll(() => s?.close(), () => peer?.close()));

  it('are shown the certificate, and believed by their SPIFFE ID', async () => {
    await s.allowed(() => s.request({ path: '/good/x' }));
    assert.deepEqual([peer.seen.at(-1).url, peer.seen.at(-1).names], ['/check/good/x', `URI:${GATEWAY}`]);
  });
  for (const [name, what] of Object.entries({ other: 'another SPIFFE ID', bare: 'without the certificate' })) {
    it(`${what}: no answer, so 503`, async () => {
      const seen = peer.seen.length;
      const { access } = await s.denied({ status: 503, code: 'authorization_unavailable', reason: 'authorizer_unreachable' }, () => s.request({ path: `/${name}/x` }));
      assert.match(access.detail, name === 'other' ? /is not one of spiffe_ids/ : /none is configured \(tls\.cert\)/);
      assert.equal(peer.seen.length, seen);
    });
  }
});

describe('check', () => {
  let s, mesh, own, dir;
  before(async () => {
    dir = tempDir('check');
    mesh = new Authority('Mesh CA');
    own = mesh.svid(GATEWAY);
    s = await openStage({ start: false });
    chmodSync(dir, 0o755);
  });
  after(() => s?.close());

  const tell = async (tls, options) => {
    const file = join(dir, 'gateway.yaml');
    writeFileSync(file, JSON.stringify(merge(s.config, { upstreams: { 'order-service': { tls: { ca: mesh.certFile, ...tls } } } }), null, 2));
    const { code, stderr } = await sallyport(['check', file], options);
    return { code, lines: stderr.split('\n').filter((line) => line.includes('order-service')).join('\n') };
  };

  it('takes a good certificate and a SPIFFE ID', async () => {
    assert.deepEqual(await tell({ ...files(own), spiffe_ids: [ORDERS] }), { code: 0, lines: '' });
  });
  it('refuses what would not work: where, which file, and what to do', async () => {
    const encrypted = join(dir, 'encrypted.key');
    execFileSync('openssl', ['pkcs8', '-topk8', '-in', own.keyFile, '-out', encrypted, '-passout', 'pass:secret'], { stdio: 'pipe' });
    const expired = mesh.svid(GATEWAY, { notAfter: new Date(Date.now() - 60_000) });
    const missing = join(dir, 'missing.key');
    const wrong = [
      [{ ...files(own), key: mesh.svid(GATEWAY).keyFile }, /tls\.key: `key` does not belong to `cert` \(.*\.key, .*\.crt\)/],
      [files(expired), /tls\.cert: the client certificate has expired.*put a new one, and its key, in their place, and reload/],
      [{ ...files(own), key: encrypted }, /tls\.key: `key` is encrypted: a key without a passphrase is needed/],
      [{ ...files(own), key: missing }, /tls\.key: .*missing\.key: .*No such file/],
      [{ ...files(own), key: dir }, /tls\.key: .*: not a regular file/],
      [{ cert: own.certFile }, /tls\.cert: `cert` needs its `key`/],
      [{ ca: null, spiffe_ids: [ORDERS] }, /tls: `ca` is missing/],
      [{ spiffe_ids: ['spiffe://mesh.example/*'] }, /tls\.spiffe_ids\[0\]: .*without a star/],
      [{ spiffe_ids: ['orders.internal'] }, /tls\.spiffe_ids\[0\]: .*spiffe:\/\/trust-domain\/path is wanted/],
    ];
    for (const [tls, said] of wrong) {
      const { code, lines } = await tell(tls);
      assert.equal(code, 1, lines);
      assert.match(lines, /gateway\.yaml:\d+:\d+: error: upstreams\.order-service\.tls/);
      assert.match(lines, said);
    }
  });
  it('warns of one that is for servers only', async () => {
    const { code, lines } = await tell(files(mesh.svid(GATEWAY, { usage: 'serverAuth' })));
    assert.equal(code, 0);
    assert.match(lines, /warning: upstreams\.order-service\.tls\.cert: the certificate is not for clients .*clientAuth/);
  });
  it('refuses a key that its own user may not read', { skip: process.getuid() !== 0 && 'only root can be somebody else' }, async () => {
    const key = join(dir, 'own.key');
    copyFileSync(own.keyFile, key);
    chmodSync(key, 0o600);
    cpSync(own.certFile, join(dir, 'own.crt'));
    writeFileSync(join(dir, 'ca.crt'), mesh.cert);
    mkdirSync(join(dir, 'small'));
    const file = join(dir, 'small/gateway.yaml');
    writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, upstreams: { a: { endpoints: 'https://a.example', tls: { ca: '../ca.crt', cert: '../own.crt', key: '../own.key' } } } }));
    const { code, stderr } = await sallyport(['check', file], { uid: 65534, gid: 65534 });
    assert.equal(code, 1);
    assert.match(stderr, /error: upstreams\.a\.tls\.key: .*own\.key: .*Permission denied/);
  });
});
