// T23: a session of one host or listener is no way around the handshake of another that asks for a client certificate.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Authority } from '../lib/pki.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const LAX = 'lax.example.com';
const STRICT = 'strict.example.com';
const OTHER = 'other.example.com'; // strict too, by another authority

describe('T23: session resumption across hosts and listeners', () => {
  let s;
  let mine;
  let theirs;
  let authorities;
  let list;
  before(async () => {
    authorities = { [STRICT]: new Authority('Clients'), [OTHER]: new Authority('Other clients') };
    mine = authorities[STRICT].issue({ cn: 'mine', client: true });
    theirs = authorities[STRICT].issue({ cn: 'theirs', client: true });
    s = await openStage({
      config: (stage) => {
        list = join(stage.dir, 'clients.crl');
        writeFileSync(list, authorities[STRICT].crl());
        const pair = (host) => {
          const { certFile: cert, keyFile: key } = stage.ca.issue({ dns: [host] });
          return { cert, key, hosts: [host], ...(authorities[host] ? { client_ca: authorities[host].certFile, client_certificate: 'required' } : {}), ...(host === STRICT ? { crl: list } : {}) };
        };
        const tls = (...hosts) => ({ tls: { certificates: hosts.map(pair) } });
        return {
          listeners: {
            public: tls(LAX, STRICT, OTHER),
            second: { address: '127.0.0.1', port: 0, ...tls(STRICT) },
          },
        };
      },
      routes: { any: { ...OPEN, listeners: ['public', 'second'], match: { host: [LAX, STRICT, OTHER], path: '/**' } } },
    });
  });
  after(() => s?.close());

  const connect = (servername, { listener = 'public', ...options } = {}) =>
    RawClient.connect({ port: s.gateway.ports[listener], tls: { ca: s.ca.cert, servername, checkServerIdentity: () => undefined, ...options } });
  const ask = async (client, host) => {
    await client.send(requestText({ path: '/x', host }));
    return client.response();
  };
  // A session as a client gets it after one answer.
  const session = async (host, options) => {
    const client = await connect(host, options);
    await ask(client, host);
    const ticket = await until('a session', () => client.session);
    client.destroy();
    return ticket;
  };
  // With that session to another host: full handshake, and so 403 (or refused); never served.
  const refused = async (ticket, host, options) => {
    const handshakes = (await s.gateway.metrics()).sum('sallyport_tls_handshakes_resumed_total');
    const upstream = s.upstream.bytesSeen();
    const client = await connect(host, { ...options, session: ticket }).catch(() => null);
    if (client) {
      assert.equal(client.socket.isSessionReused(), false, 'resumed');
      const response = await ask(client, host).catch(() => null);
      if (response) s.checkDenial(response, { status: [403, 421], code: ['client_certificate_required', 'misdirected_request'] });
      client.destroy();
    }
    assert.equal(s.upstream.bytesSeen(), upstream);
    assert.equal((await s.gateway.metrics()).sum('sallyport_tls_handshakes_resumed_total'), handshakes);
  };

  for (const version of ['TLSv1.3', 'TLSv1.2']) {
    const v = { minVersion: version, maxVersion: version };
    const own = () => ({ ...v, cert: mine.cert, key: mine.key });

    it(`${version}: of the lax host, at the strict one`, async () => refused(await session(LAX, v), STRICT, v));
    it(`${version}: of the strict host with a certificate, at one that trusts another authority`, async () => refused(await session(STRICT, own()), OTHER, own()));
    it(`${version}: of the strict host without a certificate, there again`, async () => {
      // Its handshake was completed, so that the denial can say why: the session must not be worth more.
      const client = await connect(STRICT, { ...v, session: await session(STRICT, v) });
      s.checkDenial(await ask(client, STRICT), { status: 403, code: 'client_certificate_required' });
      client.destroy();
    });
    it(`${version}: of the lax host, under the strict host's authority on the same connection: 421`, async () => {
      const client = await connect(LAX, { ...v, session: await session(LAX, v) });
      s.checkDenial(await ask(client, STRICT), { status: 421, code: 'misdirected_request' });
      client.destroy();
    });
    it(`${version}: of the lax host, at the strict one's own listener`, async () => refused(await session(LAX, v), STRICT, { ...v, listener: 'second' }));
    it(`${version}: twin: each host resumes its own sessions, the certificate included`, async () => {
      for (const [host, options] of [[LAX, v], [STRICT, own()]]) {
        const ticket = await session(host, options);
        const client = await connect(host, { ...options, session: ticket });
        assert.equal(client.socket.isSessionReused(), true, host);
        assert.equal((await ask(client, host)).status, 200, host);
        client.destroy();
      }
    });
  }

  for (const version of ['TLSv1.3', 'TLSv1.2']) {
    it(`${version}: a ticket of a certificate that was revoked since gets no request through`, async () => {
      const v = { minVersion: version, maxVersion: version };
      const of = ({ cert, key }) => ({ ...v, cert, key });
      const tickets = [await session(STRICT, of(mine)), await session(STRICT, of(theirs))];
      writeFileSync(list, authorities[STRICT].crl([mine]));
      assert.equal((await s.gateway.reload()).event, 'ready');
      const seen = s.upstream.bytesSeen();
      for (const own of [of(mine), v]) {
        // With the certificate beside it, and with the ticket alone: the full handshake decides.
        const client = await connect(STRICT, { ...own, session: tickets[0] }).catch(() => null);
        const response = client ? await ask(client, STRICT).catch(() => null) : null;
        if (response) s.checkDenial(response, { status: 403, code: 'client_certificate_required' });
        client?.destroy();
      }
      assert.equal(s.upstream.bytesSeen(), seen);
      // Twin: who is not revoked shakes hands in full, and resumes the next time.
      const client = await connect(STRICT, { ...of(theirs), session: tickets[1] });
      assert.equal(client.socket.isSessionReused(), false);
      assert.equal((await ask(client, STRICT)).status, 200);
      client.destroy();
      const again = await connect(STRICT, { ...of(theirs), session: await session(STRICT, of(theirs)) });
      assert.equal(again.socket.isSessionReused(), true);
      assert.equal((await ask(again, STRICT)).status, 200);
      again.destroy();
      writeFileSync(list, authorities[STRICT].crl());
      assert.equal((await s.gateway.reload()).event, 'ready');
    });
  }
});
