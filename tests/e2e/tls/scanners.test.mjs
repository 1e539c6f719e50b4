// What the usual scanners find at a TLS listener with default settings: nothing. And that they would, at a server that is weak.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { HOST, OPEN, gatewayCertificate, openStage } from '../lib/stage.mjs';
import { deadline } from '../lib/wait.mjs';

// Resolves with what it printed, whatever its status; null where there is no such program.
const run = (program, args, ms) => new Promise((resolve, reject) => {
  execFile(program, args, { timeout: deadline(ms), maxBuffer: 1 << 26, env: { PATH: process.env.PATH, LANG: 'C.UTF-8', TERM: 'dumb' } }, (error, stdout, stderr) => {
    if (error?.code === 'ENOENT') resolve(null);
    else if (error?.killed) reject(new Error(`${program} was not done in ${deadline(ms)} ms: ${stdout.slice(-500)}`));
    else resolve(stdout + stderr);
  });
});

describe('scanners of TLS', () => {
  let s, weak;
  before(async () => {
    s = await openStage({ routes: { open: OPEN } });
    const { cert, key } = gatewayCertificate();
    weak = tls.createServer({ cert, key, minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0', honorCipherOrder: false }, (socket) => socket.on('error', () => {}));
    weak.on('tlsClientError', () => {});
    weak.listen(0, '127.0.0.1');
    await once(weak, 'listening');
  });
  after(async () => {
    weak?.close();
    await s?.close();
  });

  describe('sslscan', () => {
    const elements = (xml, name) => [...xml.matchAll(new RegExp(`<${name} ([^>]*?)/?>`, 'g'))].map(([, text]) => Object.fromEntries([...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, k, v]) => [k, v])));
    const scan = async (t, port) => {
      const xml = await run('sslscan', ['--xml=-', `--sni-name=${HOST}`, `127.0.0.1:${port}`], 120_000);
      if (xml === null) return t.skip('sslscan is not installed: tools/need test');
      const of = (name) => elements(xml, name);
      return { of, versions: of('protocol').filter((p) => p.enabled === '1').map((p) => `${p.type}${p.version}`) };
    };

    it('a listener: TLS 1.2 and 1.3, forward secrecy and AEAD, elliptic curves, nothing old', async (t) => {
      const found = await scan(t, s.gateway.ports.public);
      if (!found) return;
      assert.deepEqual(found.versions, ['tls1.2', 'tls1.3']);
      const ciphers = found.of('cipher');
      assert.deepEqual(ciphers.map((c) => c.cipher).sort(), [
        'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305',
        'TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256',
      ]);
      for (const c of ciphers) assert.ok(['strong', 'acceptable'].includes(c.strength), JSON.stringify(c));
      assert.deepEqual([...new Set(found.of('group').map((g) => g.name.split(' ')[0]))].sort(), ['secp256r1', 'secp384r1', 'secp521r1', 'x25519']);
      assert.deepEqual(found.of('renegotiation'), [{ supported: '0', secure: '0' }]);
      assert.ok(found.of('compression').every((c) => c.supported === '0'));
      const heartbleed = found.of('heartbleed');
      assert.deepEqual([heartbleed.length, heartbleed.filter((h) => h.vulnerable !== '0')], [2, []]);
    });
    it('twin: it finds old versions, weak ciphers and finite fields where there are some', async (t) => {
      const found = await scan(t, weak.address().port);
      if (!found) return;
      assert.ok(found.versions.includes('tls1.0') && found.versions.includes('tls1.1'), found.versions.join());
      assert.ok(found.of('cipher').some((c) => /CBC|SHA$/.test(c.cipher)));
      assert.ok(found.of('group').some((g) => /^ffdhe/.test(g.name)));
    });
  });

  describe('testssl.sh', () => {
    // Findings as { id: { severity, finding } }. Everything but what it thinks of the certificate, which is the test's own.
    // It takes minutes of processor, none of it the gateway's: under a sanitizer sslscan's handshakes must do.
    const scan = async (t, name, checks, port) => {
      if (process.env.SALLYPORT_SANITIZER) return t.skip('testssl.sh scans builds without a sanitizer');
      const file = join(s.dir, `${name}.json`);
      const told = await run('testssl', ['--quiet', '--color', '0', '--warnings', 'off', '--ip', '127.0.0.1', '--nodns', 'none', '--jsonfile', file, ...checks, `${HOST}:${port}`], 400_000);
      if (told === null) return t.skip('testssl.sh is not installed: tools/need test');
      const list = JSON.parse(readFileSync(file, 'utf8'));
      return { of: Object.fromEntries(list.map((one) => [one.id, one])), bad: list.filter((one) => ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL', 'FATAL'].includes(one.severity)).map((one) => `${one.severity} ${one.id}: ${one.finding}`) };
    };

    it('a listener: no weakness at all', async (t) => {
      const found = await scan(t, 'listener', ['--protocols', '--fs', '--vulnerable'], s.gateway.ports.public);
      if (!found) return;
      assert.deepEqual(found.bad, []);
      const finding = (id) => found.of[id]?.finding;
      for (const id of ['SSLv2', 'SSLv3', 'TLS1', 'TLS1_1']) assert.equal(finding(id), 'not offered', id);
      assert.equal(finding('TLS1_2'), 'offered');
      assert.match(finding('TLS1_3'), /^offered with final/);
      assert.equal(finding('ALPN_HTTP2'), 'h2');
      assert.match(finding('ALPN'), /http\/1\.1/);
      assert.match(finding('PFS') ?? finding('FS'), /^offered/);
      assert.equal(found.of.DH_groups, undefined, 'finite fields');
      for (const id of ['heartbleed', 'CCS', 'ticketbleed', 'ROBOT', 'secure_client_renego', 'CRIME_TLS', 'BREACH', 'POODLE_SSL', 'SWEET32', 'FREAK', 'DROWN', 'LOGJAM', 'BEAST', 'LUCKY13', 'RC4']) {
        assert.equal(found.of[id]?.severity, 'OK', `${id}: ${finding(id)}`);
        assert.match(finding(id), /^not vulnerable/, id);
      }
    });
    it('twin: it finds what is old', async (t) => {
      const found = await scan(t, 'weak', ['--protocols'], weak.address().port);
      if (!found) return;
      assert.deepEqual(found.bad.map((text) => text.split(' ')[1]), ['TLS1:', 'TLS1_1:']);
    });
  });
});
