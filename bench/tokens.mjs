// usage: node tokens.mjs DIRECTORY COUNT [RS256|ES256]
// Writes there what the policy benchmarks need: a key as jwks.json and public.pem, one token in token.txt, and COUNT
// different ones in tokens.txt, a line each. All live for a day and carry the scope read_orders.
import { createSign, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [directory, count, alg = 'RS256'] = process.argv.slice(2);
const { publicKey, privateKey } = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const head = encode({ alg, typ: 'at+jwt', kid: 'bench' });
const now = Math.floor(Date.now() / 1000);

function token(number) {
  const claims = {
    iss: 'https://issuer.bench', aud: 'orders', sub: `user-${number}`, client_id: 'bench', jti: `${number}`,
    iat: now - 10, exp: now + 23 * 3600, scope: 'openid profile read_orders',
  };
  const text = `${head}.${encode(claims)}`;
  return `${text}.${createSign('sha256').update(text).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }, 'base64url')}`;
}

const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg, use: 'sig' };
writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [jwk] }));
writeFileSync(join(directory, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
writeFileSync(join(directory, 'token.txt'), token(0));
const lines = [];
for (let i = 1; i <= Number(count); i++) lines.push(token(i));
writeFileSync(join(directory, 'tokens.txt'), lines.join('\n') + '\n');
