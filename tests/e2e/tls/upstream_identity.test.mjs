// Whom the gateway believes that a service is: by SPIFFE ID, by name, and always by its chain.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Authority } from '../lib/pki.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { DOMAIN, ORDERS, routesTo, startPeer } from './peers.mjs';

const NONE = /no SPIFFE ID, which is the only URI/;
const OTHER = /is not one of spiffe_ids/;
const OUTSIDE = /is not of spiffe_trust_domain/;
const by_id = { spiffe_ids: [`spiffe://${DOMAIN}/ns/orders/sa/batch`, ORDERS] };
const by_domain = { spiffe_trust_domain: DOMAIN };

// What the service shows, what the gateway wants, and why it does not do: nothing where it does.
const cases = (mesh, foreign) => {
  const id = mesh.svid(ORDERS);
  const two = mesh.svid([ORDERS, `spiffe://${DOMAIN}/ns/orders/sa/other`]);
  const named = mesh.issue({ dns: ['localhost'], ip: ['127.0.0.1'] });
  return {
    'the one SPIFFE ID': [id, by_id],
    'the trust domain': [id, by_domain],
    'beside other names that are not the host': [mesh.svid(ORDERS, { dns: ['elsewhere.example'] }), by_id],
    'another SPIFFE ID of the trust domain': [mesh.svid(`spiffe://${DOMAIN}/ns/shop/sa/api`), by_id, OTHER],
    'one that begins alike': [mesh.svid(`${ORDERS}/admin`), by_id, OTHER],
    'the same path of another trust domain': [mesh.svid('spiffe://mesh.example.evil.test/ns/orders/sa/api'), by_id, OTHER],
    'another trust domain': [mesh.svid('spiffe://sub.mesh.example/ns/orders/sa/api'), by_domain, OUTSIDE],
    'two URIs, one of them right': [two, by_id, NONE],
    'two URIs, both of the trust domain': [two, by_domain, NONE],
    'the ID as a DNS name': [mesh.issue({ cn: 'api', dns: [ORDERS] }), by_id, NONE],
    'the ID as common name': [mesh.issue({ cn: ORDERS.replaceAll('/', '\\/'), dns: ['localhost'], ip: ['127.0.0.1'] }), by_id, NONE],
    'the right host name, and no ID': [named, by_id, NONE],
    'the right ID of a wrong CA': [foreign.svid(ORDERS), by_id, /unable to get local issuer/],
    'the right trust domain of a wrong CA': [foreign.svid(ORDERS), by_domain, /unable to get local issuer/],
    'the right ID, expired': [mesh.svid(ORDERS, { notAfter: new Date(Date.now() - 60_000) }), by_id, /certificate has expired/],
    'the right ID for clients only': [mesh.svid(ORDERS, { usage: 'clientAuth' }), by_id, /certificate purpose|unsuitable/],
    'by name: the name': [named, {}],
    'by name: the ID alone is none': [id, {}, /mismatch/],
  };
};

describe('whom the gateway believes that a service is', () => {
  let s, mesh, rows, peers;
  before(async () => {
    mesh = new Authority('Mesh CA');
    rows = cases(mesh, new Authority('Mesh CA'));
    peers = {};
    const upstreams = {};
    for (const [index, [shown, wanted]] of Object.values(rows).entries()) {
      for (const protocol of ['http1', 'h2']) {
        const name = `${protocol}-${index}`;
        peers[name] = await startPeer({ own: shown, h2: protocol === 'h2' });
        upstreams[name] = { endpoints: [peers[name].url], protocol, retries: 0, tls: { ca: mesh.certFile, ...wanted } };
      }
    }
    s = await openStage({ config: { workers: 1, upstreams }, routes: routesTo(Object.keys(upstreams)) });
  });
  after(() => closeAll(() => s?.close(), ...Object.values(peers ?? {}).map((peer) => () => peer.close())));

  for (const protocol of ['http1', 'h2']) {
    for (const [index, what] of Object.keys(cases({ svid: () => {}, issue: () => {} }, { svid: () => {} })).entries()) {
      it(`${protocol}: ${what}`, async () => {
        const name = `${protocol}-${index}`;
        const refused = Object.values(rows)[index][2];
        const ask = () => s.request({ path: `/${name}/x` });
        if (!refused) {
          await s.allowed(ask);
          return;
        }
        const failures = async () => (await s.gateway.metrics()).sum('sallyport_upstream_connect_failures_total');
        const before = await failures();
        const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_tls', upstream: null }, ask);
        assert.match(access.detail, /^certificate verify failed: /);
        assert.match(access.detail, refused);
        assert.equal(peers[name].seen.length, 0, 'nothing was said to it');
        assert.equal(await failures(), before + 1);
      });
    }
  }

  it('another CA in the same file name is taken up by reload, and old connections are not used again', async () => {
    const file = join(s.dir, 'ca.crt');
    const next = new Authority('Mesh CA');
    const [was, is] = [await startPeer({ own: mesh.svid(ORDERS) }), await startPeer({ own: next.svid(ORDERS) })];
    try {
      writeFileSync(file, mesh.cert);
      const upstream = (peer) => ({ endpoints: [peer.url], tls: { ca: file, ...by_id } });
      const config = { ...s.config, upstreams: { ...s.config.upstreams, was: upstream(was), is: upstream(is) }, routes: { ...s.config.routes, ...routesTo(['was', 'is']) } };
      assert.equal((await s.gateway.reload(config)).event, 'ready');
      await s.allowed(() => s.request({ path: '/was/x' }));
      await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_tls', upstream: null }, () => s.request({ path: '/is/x' }));
      writeFileSync(file, next.cert);
      assert.equal((await s.gateway.reload()).event, 'ready');
      await s.allowed(() => s.request({ path: '/is/x' }));
      await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_tls', upstream: null }, () => s.request({ path: '/was/x' }));
    } finally {
      was.close();
      is.close();
    }
  });
});
