// Revocation lists: at the handshake, on connections that live on, and when they or the authorities change.
import assert from 'node:assert/strict';
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Session } from '../lib/h2.mjs';
import { Authority } from '../lib/pki.mjs';
import { requestText } from '../lib/raw.mjs';
import { OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const HOST = 'api.example.com';

describe('revocation lists', () => {
  let s;
  let clients;
  let mine;
  let other;
  let list;
  let caFile;
  before(async () => {
    clients = new Authority('Clients');
    mine = clients.issue({ cn: 'mine', client: true });
    other = clients.issue({ cn: 'other', client: true });
    s = await openStage({
      config: (stage) => {
        list = join(stage.dir, 'clients.crl');
        caFile = join(stage.dir, 'clients.pem');
        copyFileSync(clients.certFile, caFile);
        writeFileSync(list, clients.crl());
        return { listeners: { public: { tls: { client_ca: caFile, client_certificate: 'required', crl: [list] } } } };
      },
      routes: { any: { ...OPEN, match: { host: HOST, path: '/**' } } },
    });
  });
  after(() => s?.close());

  // As a service does that fetches lists: whole, and in one step. Taken up by itself, or not.
  const publish = async (text, event = 'ready') => {
    const from = s.gateway.events.length;
    writeFileSync(`${list}.new`, text);
    renameSync(`${list}.new`, list);
    return s.gateway.wait(`the new list: ${event}`, () => s.gateway.events.slice(from).find((e) => e.event === event), 15_000);
  };
  beforeEach(async () => {
    await publish(clients.crl());
  });

  const cert = ({ cert: c, key }) => ({ tls: { cert: c, key } });
  const ask = async (client, path = '/x') => {
    await client.send(requestText({ path, host: HOST }));
    return client.response();
  };
  // No request of it gets through: TLS 1.3 tells the client only when it reads.
  const shutOut = async (who, options = {}) => {
    const seen = s.upstream.bytesSeen();
    const client = await s.connect({ tls: { cert: who.cert, key: who.key, ...options } }).catch(() => null);
    const outcome = client ? await ask(client).then((r) => r.status, () => 'refused') : 'refused';
    client?.destroy();
    assert.equal(outcome, 'refused');
    assert.equal(s.upstream.bytesSeen(), seen);
  };
  const reasonOf = async (response) => (await s.gateway.access('the denial', (l) => l.request_id === response.fields.get('x-request-id'))).reason;

  for (const der of [false, true]) {
    it(`${der ? 'DER' : 'PEM'}: a revoked certificate is refused by the handshake, its twin is not`, async () => {
      await s.allowed(() => s.request({ path: '/x', ...cert(mine) }));
      await publish(clients.crl([mine], { der }));
      await shutOut(mine);
      await shutOut(mine, { maxVersion: 'TLSv1.2' });
      await s.allowed(() => s.request({ path: '/x', ...cert(other) }));
    });
  }

  it('revoked while its connection lives: the next request is denied and the connection ends; others go on', async () => {
    const living = await s.connect(cert(mine));
    const honest = await s.connect(cert(other));
    assert.equal((await ask(living)).status, 200);
    assert.equal((await ask(honest)).status, 200);
    await publish(clients.crl([mine]));
    await s.denied({ status: 403, code: 'client_certificate_required', reason: 'client_certificate_revoked' }, async () => {
      const response = await ask(living);
      assert.match(response.fields.get('connection') ?? '', /close/);
      await living.ended();
      return response;
    });
    for (let i = 0; i < 2; i++) assert.equal((await ask(honest)).status, 200);
    living.destroy();
    honest.end();
  });

  it('the same over HTTP/2', async () => {
    const living = await Session.connect(s, cert(mine));
    const honest = await Session.connect(s, cert(other));
    for (const session of [living, honest]) assert.equal((await session.request({ path: '/x', host: HOST })).status, 200);
    await publish(clients.crl([mine]));
    await s.denied({ status: 403, code: 'client_certificate_required', reason: 'client_certificate_revoked' }, () => living.request({ path: '/x', host: HOST }));
    await until('GOAWAY', () => living.goaways.length > 0);
    await living.closing;
    assert.equal((await honest.request({ path: '/x', host: HOST })).status, 200);
    honest.destroy();
  });

  it('a list that expires lets nobody in and says so, and a newer one heals it on the same connection', async () => {
    const from = s.gateway.events.length;
    await publish(clients.crl([], { until: new Date(Date.now() + 4_000) }));
    assert.ok(await s.gateway.wait('a warning ahead', () => s.gateway.events.slice(from).find((e) => e.event === 'revocation_list_late' && e.listener === 'public')));
    const living = await s.connect(cert(mine));
    assert.equal((await ask(living)).status, 200);
    const response = await until('the list to expire', async () => {
      const answer = await ask(living);
      return answer.status === 200 ? null : answer;
    });
    s.checkDenial(response, { status: 503, code: 'authentication_unavailable' });
    assert.ok(response.fields.get('retry-after'));
    assert.equal(await reasonOf(response), 'client_crl_expired');
    await shutOut(other);
    assert.ok(await s.gateway.wait('an error', () => s.gateway.events.slice(from).find((e) => e.event === 'revocation_list_expired')));
    await publish(clients.crl());
    assert.equal((await ask(living)).status, 200);
    living.end();
  });

  it('a list that is corrupt or of another signer is not taken up: the old one holds', async () => {
    await publish(clients.crl([mine]));
    const fresh = new Authority('Clients'); // the same name, another key
    for (const text of ['-----BEGIN X509 CRL-----\nbm9uZQ==\n-----END X509 CRL-----\n', 'hello', fresh.crl()]) {
      const { reason } = await publish(text, 'reload_refused');
      assert.match(reason, /crl/);
      assert.match(reason, /clients\.crl/);
      await shutOut(mine);
      await s.allowed(() => s.request({ path: '/x', ...cert(other) }));
    }
  });

  it('other authorities: what verifies by them goes on, the rest is sent away', async () => {
    const strangers = new Authority('Strangers');
    const lists = join(s.dir, 'strangers.crl');
    writeFileSync(lists, strangers.crl());
    const living = await s.connect(cert(mine));
    assert.equal((await ask(living)).status, 200);
    const config = (cas, crl) => {
      const file = join(s.dir, 'cas.pem');
      writeFileSync(file, cas.map((a) => a.cert).join(''));
      return { ...s.config, listeners: { ...s.config.listeners, public: { ...s.config.listeners.public, tls: { ...s.config.listeners.public.tls, client_ca: file, crl } } } };
    };
    assert.equal((await s.gateway.reload(config([clients, strangers], [list, lists]))).event, 'ready');
    assert.equal((await ask(living)).status, 200);
    await s.allowed(() => s.request({ path: '/x', ...cert(strangers.issue({ cn: 'stranger', client: true })) }));
    assert.equal((await s.gateway.reload(config([strangers], [lists]))).event, 'ready');
    await s.denied({ status: 421, code: 'misdirected_request', reason: 'misdirected' }, async () => {
      const response = await ask(living);
      await living.ended();
      return response;
    });
    await shutOut(mine);
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    await s.allowed(() => s.request({ path: '/x', ...cert(mine) }));
    living.destroy();
  });
});
