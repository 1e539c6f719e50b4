// Who the gateway is to a service: its client certificate, and what happens where the service does not take it.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { nginx } from '../lib/proxy.mjs';
import { Authority } from '../lib/pki.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { DOMAIN, GATEWAY, ORDERS, files, routesTo, startOpensslServer, startPeer, startVerifyingNginx } from './peers.mjs';

const ID = { spiffe_ids: [ORDERS] };
const MISSING = /it asks for a client certificate, and none is configured \(tls\.cert\)/;
const EXPIRED = /the client certificate that it asked for \(tls\.cert\) has expired/;

describe('who the gateway is to a service', () => {
  let s, mesh, own, gateway, expired, stranger, peers, ca;
  const upstream = (peer, certificate, more = {}) => ({ endpoints: [peer.url], retries: 0, tls: { ca, ...ID, ...(certificate ? files(certificate) : {}) }, ...more });
  const refused = async (path, reason, detail) => {
    const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason, upstream: null }, () => s.request({ path }));
    assert.match(access.detail, detail);
  };

  before(async () => {
    mesh = new Authority('Mesh CA');
    ca = mesh.certFile;
    own = mesh.svid(ORDERS);
    gateway = mesh.svid(GATEWAY);
    expired = mesh.svid(GATEWAY, { notAfter: new Date(Date.now() - 60_000) });
    stranger = new Authority('Other CA').svid(GATEWAY);
    peers = {
      http1: await startPeer({ own, clients: mesh }),
      h2: await startPeer({ own, clients: mesh, h2: true }),
      old: await startPeer({ own, clients: mesh, versions: { maxVersion: 'TLSv1.2' } }),
      careless: await startPeer({ own, clients: mesh, reject: false }),
      openssl: await startOpensslServer({ own, clients: mesh }),
      ...(nginx ? { nginx: await startVerifyingNginx({ own, clients: mesh }) } : {}),
    };
    const upstreams = {};
    for (const [kind, peer] of Object.entries(peers)) {
      const more = { protocol: kind === 'h2' ? 'h2' : 'http1' };
      Object.assign(upstreams, { [`${kind}-shown`]: upstream(peer, gateway, more), [`${kind}-none`]: upstream(peer, null, more), [`${kind}-expired`]: upstream(peer, expired, more), [`${kind}-stranger`]: upstream(peer, stranger, more) });
    }
    for (const name of ['either', 'once']) upstreams[name] = { ...upstream(peers.openssl, stranger), endpoints: [peers.openssl.url, peers.careless.url], retry_budget: 100 };
    const routes = routesTo(Object.keys(upstreams));
    routes.either.retry = { on: ['reset'] };
    s = await openStage({ config: { workers: 1, upstreams }, routes });
  });
  after(() => closeAll(() => s?.close(), ...Object.values(peers ?? {}).map((peer) => () => peer.close())));

  for (const kind of ['http1', 'h2', 'old', 'careless']) {
    it(`${kind}: the service sees the certificate`, async () => {
      const { echo } = await s.allowed(() => s.request({ path: `/${kind}-shown/x` }));
      assert.deepEqual([echo.names, echo.serial], [`URI:${GATEWAY}`, gateway.serial]);
    });
  }

  for (const kind of ['http1', 'h2', 'old']) {
    it(`${kind}: none is configured: 502, and the log says what to do`, async () => {
      const count = async () => (await s.gateway.metrics()).sum('sallyport_upstream_connect_failures_total');
      const [seen, before] = [peers[kind].seen.length, await count()];
      await refused(`/${kind}-none/x`, 'upstream_tls', kind === 'old' ? /handshake failure.*none is configured/ : /alert certificate required: it asks for/);
      await refused(`/${kind}-none/x`, 'upstream_tls', MISSING);
      assert.equal(peers[kind].seen.length, seen);
      assert.equal(await count(), before + 2);
    });

    // Node's server closes without an alert.
    it(`${kind}: it has expired: 502, and the log says so`, async () => {
      const seen = peers[kind].seen.length;
      await refused(`/${kind}-expired/x`, ['upstream_closed', 'upstream_tls'], EXPIRED);
      assert.equal(peers[kind].seen.length, seen);
    });

    it(`${kind}: it is of another CA: 502`, async () => {
      const seen = peers[kind].seen.length;
      await refused(`/${kind}-stranger/x`, ['upstream_closed', 'upstream_tls'], /it may not take the client certificate that it was shown \(tls\.cert\)/);
      assert.equal(peers[kind].seen.length, seen);
    });
  }

  it('a service that only asks gets its requests without one', async () => {
    assert.equal((await s.allowed(() => s.request({ path: '/careless-none/x' }))).echo.names, null);
  });

  it("OpenSSL's server: taken, and each refusal by its alert", async () => {
    const response = await s.request({ path: '/openssl-shown/x' });
    assert.equal(response.status, 200);
    assert.match(response.text, /ns\/edge\/sa\/gateway|Client certificate/);
    await refused('/openssl-none/x', 'upstream_tls', MISSING);
    await refused('/openssl-expired/x', 'upstream_tls', /alert certificate expired: the client certificate/);
    await refused('/openssl-stranger/x', 'upstream_tls', /alert unknown ca: it may not take the client certificate that it was shown/);
  });

  it('another endpoint is asked where the route sends again after a reset, and else not', async () => {
    const statuses = async (path) => {
      const all = [];
      for (let i = 0; i < 4; i++) all.push((await s.request({ path })).status);
      return all.sort();
    };
    assert.deepEqual(await statuses('/once/x'), [200, 200, 502, 502]);
    assert.deepEqual(await statuses('/either/x'), [200, 200, 200, 200]);
  });

  it('nginx: taken; what it refuses it answers itself', { skip: !nginx && 'nginx is not installed' }, async () => {
    for (let i = 0; i < 3; i++) {
      const { echo } = await s.allowed(() => s.request({ path: '/nginx-shown/x' }));
      assert.deepEqual([echo.verified, echo.serial, echo.resumed], ['SUCCESS', gateway.serial, '.']);
    }
    const answers = {};
    for (const name of ['none', 'expired', 'stranger']) {
      const response = await s.request({ path: `/nginx-${name}/x` });
      answers[name] = [response.status, /No required SSL certificate|SSL certificate error/.test(response.text)];
    }
    assert.deepEqual(answers, { none: [400, true], expired: [400, true], stranger: [400, true] });
  });

  it('a start warns of the certificate that has expired', async () => {
    const warning = await s.gateway.event('configuration_warning', (e) => /has expired/.test(e.message));
    assert.match(warning.message, /gateway\.yaml:\d+:\d+: warning: .*client certificate has expired.*reload/);
  });
});

// One peer and several services at it, so that only their settings keep them apart.
describe('services with different identities', () => {
  let s, mesh, certificates, peers;
  const names = ['a', 'b', 'none', 'domain'];
  const settings = () => ({ a: { ...files(certificates.a), ...ID }, b: { ...files(certificates.b), ...ID }, none: ID, domain: { ...files(certificates.a), spiffe_trust_domain: DOMAIN } });
  before(async () => {
    mesh = new Authority('Mesh CA');
    certificates = { a: mesh.svid(`spiffe://${DOMAIN}/a`), b: mesh.svid(`spiffe://${DOMAIN}/b`) };
    const own = mesh.svid(ORDERS);
    peers = { http1: await startPeer({ own, clients: mesh, reject: false }), h2: await startPeer({ own, clients: mesh, reject: false, h2: true }), old: await startPeer({ own, clients: mesh, reject: false, versions: { maxVersion: 'TLSv1.2' } }) };
    const upstreams = {};
    for (const [kind, peer] of Object.entries(peers)) {
      for (const [name, tls] of Object.entries(settings())) upstreams[`${kind}-${name}`] = { endpoints: [peer.url], protocol: kind === 'h2' ? 'h2' : 'http1', tls: { ca: mesh.certFile, ...tls } };
    }
    s = await openStage({ config: { workers: 2, upstreams }, routes: routesTo(Object.keys(upstreams)) });
  });
  after(() => closeAll(() => s?.close(), ...Object.values(peers ?? {}).map((peer) => () => peer.close())));

  for (const kind of ['http1', 'h2', 'old']) {
    it(`${kind}: never share a connection or a session`, async () => {
      const expected = { a: `URI:spiffe://${DOMAIN}/a`, b: `URI:spiffe://${DOMAIN}/b`, none: null, domain: `URI:spiffe://${DOMAIN}/a` };
      const owners = new Map(); // connection → the service that it belongs to
      const ask = async (name) => {
        const { echo } = await s.allowed(() => s.request({ path: `/${kind}-${name}/x` }));
        assert.equal(echo.names, expected[name], name);
        assert.equal(echo.resumed, false);
        assert.equal(owners.get(echo.connection) ?? name, name, `connection ${echo.connection}`);
        owners.set(echo.connection, name);
      };
      for (let round = 0; round < 6; round++) for (const name of names) await ask(name);
      await Promise.all(Array.from({ length: 48 }, (_, i) => ask(names[i % names.length])));
      assert.ok(owners.size < 6 * names.length + 48, 'connections are kept');
    });
  }
});

describe('reload', () => {
  let s, mesh, first, second, peers;
  before(async () => {
    mesh = new Authority('Mesh CA');
    [first, second] = [mesh.svid(GATEWAY), mesh.svid(GATEWAY)];
    const own = mesh.svid(ORDERS);
    peers = { http1: await startPeer({ own, clients: mesh }), h2: await startPeer({ own, clients: mesh, h2: true }) };
    s = await openStage({
      config: (stage) => {
        put(stage, first);
        const tls = { ca: mesh.certFile, ...ID, cert: join(stage.dir, 'own.crt'), key: join(stage.dir, 'own.key') };
        return { workers: 1, upstreams: { http1: { endpoints: [peers.http1.url], tls }, h2: { endpoints: [peers.h2.url], protocol: 'h2', tls } } };
      },
      routes: routesTo(['http1', 'h2']),
    });
  });
  after(() => closeAll(() => s?.close(), ...Object.values(peers ?? {}).map((peer) => () => peer.close())));

  const put = (stage, { certFile, keyFile }) => {
    copyFileSync(certFile, join(stage.dir, 'own.crt'));
    copyFileSync(keyFile, join(stage.dir, 'own.key'));
  };
  const serial = async (kind) => (await s.allowed(() => s.request({ path: `/${kind}/x` }))).echo.serial;

  for (const kind of ['http1', 'h2']) {
    it(`${kind}: a new certificate is shown, and connections of the old one end`, async () => {
      put(s, first);
      assert.equal((await s.gateway.reload()).event, 'ready');
      assert.deepEqual([await serial(kind), await serial(kind)], [first.serial, first.serial]);
      const before = peers[kind].sockets.filter((socket) => !socket.destroyed);
      assert.ok(before.length > 0);
      put(s, second);
      assert.equal(await serial(kind), first.serial, 'files alone change nothing');
      assert.equal((await s.gateway.reload()).event, 'ready');
      assert.deepEqual([await serial(kind), await serial(kind)], [second.serial, second.serial]);
      await until('connections of the old identity to end', () => before.every((socket) => socket.destroyed));
    });

    it(`${kind}: a long answer holds no other connection of the old identity, and its own ends with it`, async () => {
      put(s, first);
      assert.equal((await s.gateway.reload()).event, 'ready');
      const from = peers[kind].sockets.length;
      const held = s.request({ path: `/${kind}/held` });
      await until('the answer to begin', () => peers[kind].held);
      if (kind === 'http1') assert.equal(await serial(kind), first.serial); // by a connection of its own, idle now
      const old = peers[kind].sockets.slice(from);
      assert.equal(old.length, kind === 'http1' ? 2 : 1);
      put(s, second);
      assert.equal((await s.gateway.reload()).event, 'ready');
      assert.equal(await serial(kind), second.serial);
      await until('idle ones to end', () => old.slice(1).every((socket) => socket.destroyed));
      assert.equal(old[0].destroyed, false);
      peers[kind].held.end('{}');
      peers[kind].held = null;
      assert.equal((await held).status, 200);
      await until('its own to end', () => old[0].destroyed);
    });

    it(`${kind}: a key that is another certificate's changes nothing, and the refusal names both files`, async () => {
      put(s, first);
      assert.equal((await s.gateway.reload()).event, 'ready');
      copyFileSync(second.certFile, join(s.dir, 'own.crt'));
      const answer = await s.gateway.reload();
      assert.equal(answer.event, 'reload_refused');
      assert.match(answer.reason, /tls\.key: `key` does not belong to `cert` \(.*own\.key, .*own\.crt\)/);
      assert.equal(await serial(kind), first.serial);
    });
  }
});
