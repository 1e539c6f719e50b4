// What `check` says of settings that cannot hold, where, and what to do.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { gatewayCertificate, HOST, merge, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';

describe('settings of proofs', () => {
  let dir, good;
  before(() => {
    dir = tempDir('dpop-settings');
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    writeFileSync(join(dir, 'keys.json'), JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'a', alg: 'EdDSA', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }] }));
    good = {
      listeners: { public: { address: '127.0.0.1', port: 8443, tls: { certificates: [{ cert, key }] } } },
      dpop: { origins: [`https://${HOST}`] },
      issuers: { main: { issuer: 'https://idp.example.com', audiences: ['orders'], algorithms: ['EdDSA'], jwks_file: 'keys.json', dpop: 'allowed' } },
      upstreams: { 'order-service': { endpoints: ['http://127.0.0.1:9001'] } },
      routes: { 'read-orders': { ...READ_ORDERS, limits: [{ limit: '1000/1m', by: 'address' }] } },
    };
  });
  const check = async (over) => {
    const file = join(dir, 'gateway.yaml');
    writeFileSync(file, JSON.stringify(merge(good, over), null, 1));
    return sallyport(['check', file]);
  };

  it('good ones', async () => {
    for (const over of [{}, { dpop: { origins: `https://${HOST}` } }, { dpop: [`https://${HOST}`] }, { dpop: { origins: ['http://localhost:8080', 'https://[2001:db8::1]'], nonces: 'required', algorithms: ['ES512'] } }, { dpop: null, issuers: { main: { dpop: 'off' } } }, { issuers: { main: { dpop: 'required' } } }]) {
      const { code, stderr } = await check(over);
      assert.equal(code, 0, stderr);
    }
  });
  for (const [name, over, message] of [
    ['an issuer with bound tokens and no dpop', { dpop: null }, /issuers\.main: takes tokens that are bound to a key, and dpop is missing: .*origins/],
    ['an introspection endpoint with bound tokens and no dpop', { dpop: null, issuers: { main: { dpop: null } }, introspection: { main: { endpoint: 'https://idp.example.com/introspect', client_id: 'gateway', client_secret: '${env:HOME}', audiences: ['orders'], dpop: 'required' } } }, /introspection\.main: takes tokens that are bound to a key, and dpop is missing: .*origins/],
    ['no origin', { dpop: { origins: null } }, /dpop.*origins/],
    ['an empty list of origins', { dpop: { origins: [] } }, /dpop\.origins/],
    ['an origin with a path', { dpop: { origins: [`https://${HOST}/v1`] } }, /dpop\.origins\[?0?\]?.*something behind its host/],
    ['a host alone', { dpop: { origins: [HOST] } }, /dpop\.origins.*is no origin: write scheme and host/],
    ['a pattern', { dpop: { origins: ['https://*.example.com'] } }, /dpop\.origins.*is no origin/],
    ['plain http', { dpop: { origins: [`http://${HOST}`] } }, /dpop\.origins.*plain http/],
    ['a symmetric algorithm', { dpop: { algorithms: ['HS256'] } }, /dpop\.algorithms.*HS256/],
    ['no algorithm', { dpop: { algorithms: [] } }, /dpop\.algorithms/],
    ['a proof for ever', { dpop: { proof_lifetime: '1d' } }, /dpop\.proof_lifetime.*10m/],
    ['a mode that there is not', { issuers: { main: { dpop: 'on' } } }, /issuers\.main\.dpop/],
    ['too little to remember', { dpop_proofs: 10 }, /dpop_proofs/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stdout, stderr } = await check(over);
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, message);
      assert.match(stdout + stderr, /gateway\.yaml:\d+:\d+: error/);
    });
  }
});
