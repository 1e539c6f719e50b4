// Ephemeral certificate authorities and certificates, made with the openssl command.
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from './temp.mjs';

const openssl = (args, options = {}) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });

const newKey = (file) => openssl(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file]);

const asn1Time = (date) => date.toISOString().replace(/[-:T]/g, '').replace(/\.\d+Z$/, 'Z');

export class Authority {
  constructor(name = 'Test CA') {
    this.dir = tempDir('pki');
    this.name = name;
    this.serial = 0;
    this.keyFile = join(this.dir, 'ca.key');
    this.certFile = join(this.dir, 'ca.crt');
    newKey(this.keyFile);
    openssl([
      'req', '-x509', '-new', '-key', this.keyFile, '-out', this.certFile, '-days', '30', '-subj', `/CN=${name}`,
      '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
    ]);
    this.cert = readFileSync(this.certFile, 'utf8');
  }

  // `notBefore` and `notAfter` are dates; the default is from an hour ago to a month ahead.
  issue({ cn, dns = [], ip = [], uri = [], email = [], client = false, usage = client ? 'clientAuth' : 'serverAuth', notBefore, notAfter } = {}) {
    const id = `${++this.serial}-${(cn ?? dns[0] ?? ip[0] ?? 'leaf').replace(/[^a-z0-9.-]/gi, '_')}`;
    const file = (suffix) => join(this.dir, `${id}.${suffix}`);
    const names = [...dns.map((n) => `DNS:${n}`), ...ip.map((n) => `IP:${n}`), ...uri.map((n) => `URI:${n}`), ...email.map((n) => `email:${n}`)];
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      `extendedKeyUsage=${usage}`,
      ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : []),
    ];
    const work = join(this.dir, `${id}.ca`);
    mkdirSync(work);
    writeFileSync(join(work, 'index.txt'), '');
    writeFileSync(
      join(work, 'ca.cnf'),
      [
        '[ca]', 'default_ca=d', '[d]', `dir=${work}`, `database=${work}/index.txt`, 'rand_serial=yes',
        `new_certs_dir=${work}`, `certificate=${this.certFile}`, `private_key=${this.keyFile}`, 'default_md=sha256',
        'policy=p', 'unique_subject=no', 'x509_extensions=x', '[p]', 'commonName=supplied', '[x]', ...extensions, '',
      ].join('\n'),
    );
    newKey(file('key'));
    openssl(['req', '-new', '-key', file('key'), '-out', file('csr'), '-subj', `/CN=${cn ?? dns[0] ?? ip[0] ?? 'leaf'}`]);
    const now = Date.now();
    openssl([
      'ca', '-batch', '-notext', '-config', join(work, 'ca.cnf'), '-in', file('csr'), '-out', file('crt'),
      '-startdate', asn1Time(notBefore ?? new Date(now - 3_600_000)),
      '-enddate', asn1Time(notAfter ?? new Date(now + 30 * 86_400_000)),
    ]);
    const cert = readFileSync(file('crt'), 'utf8');
    return {
      cert,
      key: readFileSync(file('key'), 'utf8'),
      certFile: file('crt'),
      keyFile: file('key'),
      serial: new X509Certificate(cert).serialNumber,
      thumbprint: createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url'),
    };
  }

  // As a workload has it for both directions: its name is the SPIFFE ID.
  svid(id, options = {}) {
    return this.issue({ cn: 'workload', uri: [id].flat(), usage: 'serverAuth,clientAuth', ...options });
  }

  // The revocation list of this authority, in PEM or DER: good from an hour ago until `until` (a day ahead).
  crl(revoked = [], { until, der = false } = {}) {
    const work = mkdtempSync(join(this.dir, 'crl-'));
    const now = Date.now();
    const short = (date) => asn1Time(date).slice(2);
    const lines = revoked.map(({ serial }) => ['R', short(new Date(now + 86_400_000)), short(new Date(now - 60_000)), serial, 'unknown', '/CN=revoked'].join('\t') + '\n');
    writeFileSync(join(work, 'index.txt'), lines.join(''));
    writeFileSync(join(work, 'crl.cnf'), ['[ca]', 'default_ca=d', '[d]', `database=${work}/index.txt`, `certificate=${this.certFile}`, `private_key=${this.keyFile}`, 'default_md=sha256', ''].join('\n'));
    openssl([
      'ca', '-gencrl', '-config', join(work, 'crl.cnf'), '-out', join(work, 'crl.pem'),
      '-crl_lastupdate', asn1Time(new Date(now - 3_600_000)), '-crl_nextupdate', asn1Time(until ?? new Date(now + 86_400_000)),
    ]);
    if (!der) return readFileSync(join(work, 'crl.pem'));
    return openssl(['crl', '-in', join(work, 'crl.pem'), '-outform', 'DER']);
  }
}

let shared;
// One authority for everything of a test process that does not need another.
export const authority = () => (shared ??= new Authority());
