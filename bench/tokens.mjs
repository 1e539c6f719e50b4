// usage: node tokens.mjs DIRECTORY COUNT
// Writes there what the policy benchmarks need: an RSA key as jwks.json and public.pem, one token in token.txt, and COUNT
// different ones in tokens.txt, a line each. All live for a day and carry the scope read_orders.
import { createSign, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [directory, count] = process.argv.slice(2);
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const head = encode({ alg: 'RS256', typ: 'at+jwt', kid: 'bench' });
const now = Math.floor(Date.now() / 1000);

function token(number) {
  const claims = {
    iss: 'https://issuer.bench', aud: 'orders', sub: `user-${number}`, client_id: 'bench', jti: `${number}`,
    iat: now - 10, exp: now + 23 * 3600, scope: 'openid profile read_orders',
  };
  const text = `${head}.${encode(claims)}`;
  return `${text}.${createSign('sha256').update(text).sign(privateKey, 'base64url')}`;
}

const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'bench', alg: 'RS256', use: 'sig' };
writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [jwk] }));
writeFileSync(join(directory, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
writeFileSync(join(directory, 'token.txt'), token(0));
const lines = [];
for (let i = 1; i <= Number(count); i++) lines.push(token(i));
writeFileSync(join(directory, 'tokens.txt'), lines.join('\n') + '\n');
