// T29: whatever is wrong with a credential, neither the answer nor any log holds it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { forge, seconds } from '../lib/issuer.mjs';
import { HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';

const MARK = 'S3CRETMARK';

describe('T29: secrets in errors', () => {
  let s;
  const answers = [];
  const secrets = new Set([MARK, 'hs-secret-of-at-least-thirty-two-bytes']);
  before(async () => {
    s = await openStage({
      config: (stage) => ({
        listeners: { plain: { address: '127.0.0.1', port: 0, redirect_to_https: true } },
        logs: { access: { file: `${stage.dir}/access.log` }, audit: { file: `${stage.dir}/audit.log` } },
        issuers: { hs: { issuer: 'https://hs.example.com', audiences: ['orders'], algorithms: ['HS256'], secret: '${env:HS_SECRET}' } },
      }),
      gateway: { env: { HS_SECRET: 'hs-secret-of-at-least-thirty-two-bytes' } },
      routes: { open: { ...OPEN, listeners: ['public'] }, 'read-orders': { ...READ_ORDERS, listeners: ['public'], audit: 'all', auth: { jwt: ['main', 'hs'] } } },
    });
  });
  after(() => s?.close());

  const token = (text) => {
    for (const part of text.split('.')) if (part.length > 12) secrets.add(part);
    return text;
  };
  const send = async (parts) => {
    const raw = Buffer.isBuffer(parts) || typeof parts === 'string' ? parts : requestText(parts);
    const client = await s.connect();
    await client.send(raw);
    answers.push(await client.response());
    client.destroy();
    return answers.at(-1);
  };

  it('every way of failing', async () => {
    const now = seconds();
    const path = '/orders/1';
    const bad = [
      MARK, `${MARK}.${MARK}.${MARK}`, forge({ header: { alg: 'none', x: MARK }, payload: { iss: MARK } }), s.issuer.forge({ header: { kid: `${MARK}-kid` } }),
      s.issuer.forge({ payload: `{"iss":"${MARK}` }), await s.mint({ iss: `https://${MARK}` }), await s.mint({ aud: MARK }), await s.mint({ exp: now - 100, jti: MARK }), await s.mint({ nonce: MARK }),
      await s.mint({ cnf: { jkt: MARK } }), await s.mint({ scope: MARK }), `${(await s.mint()).slice(0, -10)}${MARK}`, await s.mint({ filler: 'x'.repeat(20_000) }),
    ];
    for (const text of bad) assert.ok((await send({ path, token: token(text) })).status >= 400);
    const good = token(await s.mint());
    for (const parts of [
      { path, fields: [['Authorization', `Bearer ${good} ${MARK}`]] },
      { path, fields: [['Authorization', `Bearer ${good}`], ['Authorization', `Bearer ${MARK}`]] },
      { path, fields: [['Authorization', `Basic ${MARK}`]] },
      { path, fields: [['Cookie', `session=${MARK}`]] },
      { path: `/orders/1?access_token=${MARK}` },
      { path: `/nowhere?key=${MARK}`, token: good },
      { path: `/orders/..%2f?key=${MARK}`, token: good },
      { path, fields: [['X-Api-Key', MARK], ['Proxy-Authorization', MARK]] },
      { path, token: good, fields: [['Transfer-Encoding', MARK]] },
      { method: 'DELETE', path: `${path}?secret=${MARK}`, token: good },
    ]) assert.ok((await send(parts)).status >= 400);
    await send(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: Bearer ${good}\0${MARK}\r\n\r\n`);
    await send(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization Bearer ${MARK}\r\n\r\n`);
    await send(`POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: ${MARK}\r\n\r\n${MARK}`);
    await send(`POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n${MARK}\r\n`);
    const plain = await RawClient.connect({ port: s.gateway.ports.plain });
    await plain.send(requestText({ path: `/orders/1?k=${MARK}`, fields: [['Authorization', `Bearer ${MARK}`]] }));
    answers.push(await plain.response());
    plain.destroy();
  });
  it('twin: a good request, its query and its answer', async () => {
    const { status } = await send({ path: `/orders/1?token=${MARK}`, token: token(await s.mint()), fields: [['Cookie', `a=${MARK}`]] });
    assert.equal(status, 200);
  });
  it('nothing of it stands in an answer, in a log or in the metrics', async () => {
    const last = answers.at(-1).fields.get('x-request-id');
    const metrics = (await s.gateway.get('/metrics')).text;
    await s.gateway.stop();
    const logs = { 'standard output and error': s.gateway.output, metrics };
    for (const name of ['access', 'audit']) {
      logs[`the ${name} log`] = readFileSync(`${s.dir}/${name}.log`, 'utf8');
      assert.ok(logs[`the ${name} log`].includes(last), `the ${name} log is complete`);
    }
    for (const secret of secrets) {
      for (const [name, text] of Object.entries(logs)) assert.ok(!text.includes(secret), `${name} holds ${secret.slice(0, 40)}`);
      for (const answer of answers.filter((a) => a.status >= 400)) {
        assert.ok(!answer.text.includes(secret) && !JSON.stringify(answer.fields.list).includes(secret), `an answer ${answer.status} holds ${secret.slice(0, 40)}`);
      }
    }
  });
});
