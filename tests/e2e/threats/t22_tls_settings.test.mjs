// T22: a TLS setting that cannot be honoured stops the start; on reload the old configuration stays and says so.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Gateway, sallyport } from '../lib/gateway.mjs';
import { authority, Authority } from '../lib/pki.mjs';
import { gatewayCertificate, merge, openStage } from '../lib/stage.mjs';
import { within } from '../lib/wait.mjs';

// The file, and the field that names it.
const says = (text, named) => [named].flat().every((word) => text.includes(word));

describe('T22: TLS settings that cannot be honoured', () => {
  let s;
  let broken;
  before(async () => {
    s = await openStage();
    const file = (name, text) => {
      const path = join(s.dir, name);
      writeFileSync(path, text);
      return path;
    };
    const server = gatewayCertificate();
    const other = authority().issue({ dns: ['api.example.com'] });
    const garbage = file('garbage.pem', '-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n');
    const empty = file('empty.pem', '');
    const text = file('text.pem', 'hello\n');
    const missing = join(s.dir, 'missing.pem');
    const listener = (tls) => ({ listeners: { public: { tls } } });
    const certificate = (fields) => listener({ certificates: [{ cert: server.certFile, key: server.keyFile, ...fields }] });
    const clients = new Authority('Clients');
    const twin = new Authority('Clients'); // the same name, another key
    const lists = { good: file('good.crl', clients.crl()), forged: file('forged.crl', twin.crl()), corrupt: file('corrupt.crl', '-----BEGIN X509 CRL-----\nbm90\n-----END X509 CRL-----\n'), other: file('other.crl', s.ca.crl()) };
    const revoking = (crl, more = {}) => listener({ client_ca: clients.certFile, client_certificate: 'required', crl, ...more });
    const upstream = (tls) => ({ upstreams: { 'order-service': { tls } } });
    broken = {
      'certificate missing': [certificate({ cert: missing }), 'missing.pem'],
      'certificate corrupt': [certificate({ cert: garbage }), ['garbage.pem', 'certificates[0].cert: ']],
      'certificate empty': [certificate({ cert: empty }), 'empty.pem'],
      'key missing': [certificate({ key: missing }), 'missing.pem'],
      'key corrupt': [certificate({ key: text }), ['text.pem', 'certificates[0].key: ']],
      'key of another certificate': [certificate({ key: other.keyFile }), [other.keyFile, server.certFile, 'certificates[0].key: ']],
      'client CA missing': [listener({ client_ca: missing, client_certificate: 'required' }), 'missing.pem'],
      'client CA corrupt': [listener({ client_ca: garbage, client_certificate: 'required' }), ['garbage.pem', 'tls.client_ca: ']],
      'client CA empty': [listener({ client_ca: empty, client_certificate: 'required' }), 'empty.pem'],
      'client certificates required without a CA': [listener({ client_certificate: 'required' }), 'client_c'],
      "a certificate's client CA missing": [certificate({ client_ca: missing, client_certificate: 'optional' }), 'missing.pem'],
      'revocation list missing': [revoking(join(s.dir, 'missing.crl')), ['missing.crl', 'tls.crl']],
      'revocation list corrupt': [revoking(lists.corrupt), ['corrupt.crl', 'tls.crl']],
      'revocation list empty': [revoking(empty), ['empty.pem', 'tls.crl']],
      'revocation list that is none': [revoking([lists.good, text]), ['text.pem', 'tls.crl']],
      'revocation list of another signer': [revoking(lists.forged), ['forged.crl', 'did not sign']],
      'revocation list of another CA only': [revoking(lists.other), ['other.crl', 'no list of a CA']],
      'revocation list without a client CA': [listener({ crl: lists.good }), ['`crl`', 'client_ca']],
      'revocation list where no certificate is asked for': [certificate({ crl: lists.good }), ['`crl`', 'asks for none']],
      'upstream CA missing': [upstream({ ca: missing }), 'missing.pem'],
      'upstream CA corrupt': [upstream({ ca: text }), ['text.pem', 'tls.ca: ']],
      'upstream CA empty': [upstream({ ca: empty }), 'empty.pem'],
      'upstream client key not matching': [upstream({ ca: s.ca.certFile, cert: server.certFile, key: other.keyFile }), [other.keyFile, server.certFile, 'tls.key: ']],
      'upstream SPIFFE ID that is none': [upstream({ spiffe_ids: ['spiffe://mesh.example/*'] }), 'tls.spiffe_ids[0]: '],
      'upstream SPIFFE ID without a CA': [upstream({ ca: null, spiffe_ids: ['spiffe://mesh.example/orders'] }), ['tls: ', '`ca` is missing']],
      'upstream client certificate corrupt': [upstream({ ca: s.ca.certFile, cert: garbage, key: other.keyFile }), ['garbage.pem', 'tls.cert: ']],
    };
  });
  after(() => s?.close());

  for (const name of [
    'certificate missing', 'certificate corrupt', 'certificate empty', 'key missing', 'key corrupt', 'key of another certificate', 'client CA missing', 'client CA corrupt',
    'client CA empty', 'client certificates required without a CA', "a certificate's client CA missing",
    'revocation list missing', 'revocation list corrupt', 'revocation list empty', 'revocation list that is none', 'revocation list of another signer',
    'revocation list of another CA only', 'revocation list without a client CA', 'revocation list where no certificate is asked for',
    'upstream CA missing', 'upstream CA corrupt', 'upstream CA empty',
    'upstream client key not matching', 'upstream client certificate corrupt',
    'upstream SPIFFE ID that is none', 'upstream SPIFFE ID without a CA',
  ]) {
    it(`${name}: check names the place, start refuses, reload keeps the old configuration`, async () => {
      const [change, named] = broken[name];
      const config = merge(s.config, change);
      const gateway = new Gateway({ config });
      const { code, stderr } = await sallyport(['check', gateway.file]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /gateway\.yaml:[0-9]+:[0-9]+: error: /);
      assert.ok(says(stderr, named), `${named} in: ${stderr}`);

      await gateway.start({ ready: false });
      const status = await within(10_000, 'the refused start to end', gateway.exited);
      await gateway.closed;
      assert.notEqual(status.code, 0);
      assert.ok(!gateway.events.some((e) => e.event === 'ready'));
      assert.ok(says(gateway.output, named), gateway.output);

      const answer = await s.gateway.reload(config);
      assert.equal(answer.event, 'reload_refused');
      assert.ok(says(answer.reason, named), answer.reason);
      await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint() }));
    });
  }

  it('twin: after all that a good configuration is taken up', async () => {
    const fresh = new Authority('Fresh CA');
    const { certFile: cert, keyFile: key } = fresh.issue({ dns: ['api.example.com'] });
    assert.equal((await s.gateway.reload(merge(s.config, { listeners: { public: { tls: { certificates: [{ cert, key }] } } } }))).event, 'ready');
    await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint(), tls: { ca: fresh.cert } }));
  });
});
