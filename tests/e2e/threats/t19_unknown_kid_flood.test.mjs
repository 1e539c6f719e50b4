// T19: ten thousand tokens with keys nobody knows: the key server hears of it as often as is configured, honest callers not at all.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Issuer } from '../lib/issuer.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const TOKENS = 10_000;
const CONNECTIONS = 10;
const BATCH = 50;
const INTERVAL = 4 * SLOW; // seconds

describe('T19: unknown kid', () => {
  let s;
  let issuer;
  let keys;
  before(async () => {
    issuer = await new Issuer().addKey('ES256', { kid: 'known' });
    keys = await issuer.serve();
    s = await openStage({ issuer, config: { issuers: { main: { algorithms: ['ES256'], jwks_file: null, jwks_url: keys.url, jwks_unknown_kid_interval: `${INTERVAL}s`, jwks_refresh: '1h' } } } });
    await until('the keys', async () => (await good()) === 200);
  });
  after(() => closeAll(() => s?.close(), () => keys?.stop()));

  const good = async () => (await s.request({ path: '/orders/1', token: await issuer.mint() })).status;
  // A signature of the right form: what is refused is the kid.
  const stranger = () => issuer.forge({ header: { kid: randomBytes(8).toString('hex') }, sign: randomBytes(64) });

  it(`${TOKENS} of them: 401 each, at most one fetch each ${INTERVAL} s; good tokens are served meanwhile, and memory is bounded`, async () => {
    const { fetches } = keys;
    const from = performance.now();
    const rss = s.gateway.rss();
    let over = false;
    const honest = (async () => {
      let count = 0;
      for (; !over; count++) assert.equal(await good(), 200);
      return count;
    })();
    const flood = Array.from({ length: CONNECTIONS }, async () => {
      const client = await s.connect();
      for (let sent = 0; sent < TOKENS / CONNECTIONS; sent += BATCH) {
        await client.send(Buffer.concat(Array.from({ length: BATCH }, () => requestText({ path: '/orders/1', token: stranger() }))));
        for (let i = 0; i < BATCH; i++) {
          const response = await client.response();
          assert.equal(response.status, 401);
          assert.equal(response.fields.get('www-authenticate').includes('invalid_token'), true);
        }
      }
      client.destroy();
    });
    await Promise.all(flood);
    over = true;
    assert.ok((await honest) >= 1);
    // By the gateway's own measure: this process is busy with the flood, as client and as upstream. Who had to wait for keys that
    // are not asked for again before INTERVAL would wait for any part of it, most of them for longer than this.
    const waited = s.gateway.lines.filter((l) => l.log === 'access' && l.status === 200).map((l) => l.duration_us - l.upstream_us);
    assert.ok(Math.max(...waited) < (INTERVAL * 1_000_000) / 2, `an honest caller waited ${Math.max(...waited)} µs`);
    const allowed = Math.ceil((performance.now() - from) / 1000 / INTERVAL) + 1;
    assert.ok(keys.fetches - fetches <= allowed, `${keys.fetches - fetches} fetches, ${allowed} allowed`);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_denied_total', { reason: 'token_key_unknown' }), TOKENS);
    // One more may wait for its time.
    const hastened = metrics.sum('sallyport_issuer_unknown_kid_fetches_total', { issuer: 'main' });
    assert.ok(hastened >= keys.fetches - fetches && hastened <= allowed + 1, `${hastened} fetches counted, ${keys.fetches - fetches} seen`);
    assert.ok(s.gateway.rss() - rss < 32 * 1024 * 1024 * SLOW, `grew by ${s.gateway.rss() - rss} bytes`);
  });
  it('twin: a new key is found by its first token', async () => {
    await issuer.addKey('ES256', { kid: 'fresh' });
    const ask = async () => (await s.request({ path: '/orders/1', token: await issuer.mint({}, { kid: 'fresh' }) })).status;
    await until('the new key', async () => (await ask()) === 200, (INTERVAL + 5) * 1000);
  });
});
