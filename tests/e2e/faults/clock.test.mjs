// Clocks that jump under a gateway at work. Dates decide on dates (tokens, certificates); nothing else follows them: no limit
// opens, no timeout hangs or fires early, keys go on being fetched.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, openSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { binary } from '../lib/gateway.mjs';
import { Issuer, seconds } from '../lib/issuer.mjs';
import { closeAll, gatewayCertificate, HOST, OPEN, openStage, originCertificate, READ_ORDERS } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { tempDir } from '../lib/temp.mjs';
import { deadline, pass, until } from '../lib/wait.mjs';
import { backAtRest, held, IDLE, serves } from './lib.mjs';

const built = join(dirname(binary()), 'tests/e2e/sallyport_clock');
const skip = existsSync(built) ? false : 'the program with movable clocks is not built';
const HOUR = 3_600;
const DAY = 24 * HOUR;

describe('clocks that jump', { skip }, () => {
  let s;
  let keys;
  let issuer;
  let file;
  let secure;
  const moved = Buffer.alloc(16);
  // By seconds from the true time: the date, and the time that only runs forward.
  const jump = (date, forward = 0) => {
    moved.writeBigInt64LE(BigInt(date), 0);
    moved.writeBigInt64LE(BigInt(forward), 8);
    writeSync(file, moved, 0, 16, 0);
  };
  before(async () => {
    const dir = tempDir('clock');
    copyFileSync(built, join(dir, 'sallyport'));
    file = openSync(join(dir, 'clock'), 'w+');
    jump(0);
    issuer = await new Issuer({ issuer: 'https://fetched.example.com' }).addKey('ES256', { kid: 'k' });
    keys = await issuer.serve();
    const server = gatewayCertificate();
    const { cert, key } = originCertificate();
    secure = await startUpstream({ name: 'secure', tls: { cert, key } });
    s = await openStage({
      gateway: { program: join(dir, 'sallyport') },
      config: (stage) => ({
        workers: 1,
        listeners: { mutual: { address: '127.0.0.1', port: 0, tls: { certificates: [{ cert: server.certFile, key: server.keyFile }], client_ca: stage.ca.certFile, client_certificate: 'required' } } },
        issuers: { fetched: { issuer: issuer.issuer, audiences: ['orders'], algorithms: ['ES256'], jwks_url: keys.url, jwks_refresh: '1s', jwks_unknown_kid_interval: '1s' } },
        upstreams: {
          'order-service': IDLE,
          secure: { endpoints: [secure.url], tls: { ca: stage.ca.certFile }, ...IDLE },
        },
      }),
      routes: Object.fromEntries(Object.entries({
        open: { ...OPEN, timeout: '600ms' },
        slow: { ...OPEN, match: { host: HOST, path: '/slow/**' }, timeout: '10s', idle_timeout: '10s' },
        limited: { ...OPEN, match: { host: HOST, path: '/limited/**' }, limits: [{ limit: '3/1h', by: 'address' }, { rate: '1/1h', burst: 10, by: 'address' }] },
        'read-orders': READ_ORDERS,
        fetched: { ...READ_ORDERS, match: { host: HOST, path: '/fetched/**' }, auth: { jwt: 'fetched' } },
        secure: { ...OPEN, match: { host: HOST, path: '/secure/**' }, upstream: 'secure' },
        mutual: { ...OPEN, match: { host: HOST, path: '/mutual/**' }, listeners: ['mutual'] },
      }).map(([name, route]) => [name, { listeners: ['public'], ...route }])),
      // Without TLS: its certificate would end with the date.
      upstream: {
        tls: null,
        script: async (exchange) => {
          const { target } = await exchange.request.read();
          if (target.endsWith('/never')) return new Promise(() => {});
          if (target.endsWith('/later')) await pass(400);
          return exchange.json(200, {});
        },
      },
    });
  });
  afterEach(() => file && jump(0));
  after(() => closeAll(() => s?.close(), () => keys?.stop(), () => secure?.close()));

  const statusOf = async (parts) => (await s.request(parts)).status;
  const denied = (reason, token) => s.denied({ status: 401, code: 'invalid_token', reason }, () => s.request({ path: '/orders/1', token }));

  it('tokens, forward: an old one ends, out of the cache too; back: it is good again', async () => {
    const token = await s.mint();
    assert.equal(await statusOf({ path: '/orders/1', token }), 200);
    jump(HOUR);
    await denied('token_expired', token);
    const now = seconds() + HOUR;
    assert.equal(await statusOf({ path: '/orders/1', token: await s.mint({ iat: now, exp: now + 300 }) }), 200);
    jump(0);
    assert.equal(await statusOf({ path: '/orders/1', token }), 200);
  });
  it('tokens, back: those of the future wait, cached or not; nothing that had ended before is let in for good', async () => {
    const token = await s.mint({ nbf: seconds() - 60 });
    assert.equal(await statusOf({ path: '/orders/1', token }), 200);
    jump(-HOUR);
    await denied('token_not_yet', token);
    const ended = await s.mint({ iat: seconds() - 2 * HOUR, exp: seconds() - HOUR / 2 });
    assert.equal(await statusOf({ path: '/orders/1', token: ended }), 200, 'by the date it has');
    jump(0);
    await denied('token_expired', ended);
  });
  it('limits are counted by the time that only runs forward: no jump of the date opens or closes one', async () => {
    const ask = () => statusOf({ path: '/limited/x' });
    for (let i = 0; i < 3; i++) assert.equal(await ask(), 200);
    for (const date of [0, 2 * HOUR, 400 * DAY, -2 * HOUR, -400 * DAY, 0]) {
      jump(date);
      const response = await s.request({ path: '/limited/x' });
      assert.equal(response.status, 429, `at ${date} s`);
      const wait = Number(response.fields.get('retry-after'));
      assert.ok(wait > 0 && wait <= HOUR + 1, `Retry-After ${wait} at ${date} s`);
    }
  });
  for (const [name, date] of [['forward', 400 * DAY], ['back', -400 * DAY]]) {
    it(`timeouts, ${name}: none fires early, none hangs`, async () => {
      const rest = await held(s.gateway);
      const later = s.request({ path: '/slow/later' });
      await s.upstream.request('it', (r) => r.target === '/slow/later');
      const from = performance.now();
      const never = s.request({ path: `/open/${name}/never` });
      await s.upstream.request('it', (r) => r.target === `/open/${name}/never`);
      jump(date);
      assert.equal((await later).status, 200);
      s.checkDenial(await never, { status: 504, code: 'gateway_timeout' });
      const took = performance.now() - from;
      assert.ok(took >= 550 && took < deadline(3_000), `after ${took} ms`);
      jump(0);
      s.upstream.requests.length = 0;
      await backAtRest(s.gateway, rest);
    });
    it(`keys, ${name}: fetched as often as before`, async () => {
      jump(date);
      const { fetches } = keys;
      await until('two more fetches', () => keys.fetches >= fetches + 2, 6_000);
      const now = seconds() + date;
      assert.equal(await statusOf({ path: '/fetched/1', token: await issuer.mint({ iat: now, exp: now + 300 }) }), 200);
    });
    it(`logs, ${name}: carry the date, and how long it took stays true`, async () => {
      jump(date);
      await s.request({ path: `/slow/${name}-logged/later` });
      const line = await s.gateway.access('it', (l) => l.path === `/slow/${name}-logged/later`);
      assert.ok(Math.abs(Date.parse(line.time) - (Date.now() + date * 1000)) < 60_000);
      assert.ok(line.duration_us > 300_000 && line.duration_us < deadline(5_000_000), `${line.duration_us}`);
    });
  }
  it("certificates: a client's that has ended is refused on the living connection and on a new one; back: served", async () => {
    const { cert, key } = s.ca.issue({ cn: 'mine', client: true, notAfter: new Date(Date.now() + DAY * 1000) });
    const client = await s.connect({ listener: 'mutual', tls: { cert, key } });
    const ask = async () => {
      await client.send(requestText({ path: '/mutual/x' }));
      return client.response();
    };
    assert.equal((await ask()).status, 200);
    jump(2 * DAY);
    s.checkDenial(await ask(), { status: 403, code: 'client_certificate_required' });
    const fresh = await s.request({ path: '/mutual/x', listener: 'mutual', tls: { cert, key } }).then((r) => r.status, () => 'refused');
    assert.ok([403, 'refused'].includes(fresh), `${fresh}`);
    jump(0);
    assert.equal(await statusOf({ path: '/mutual/x', listener: 'mutual', tls: { cert, key } }), 200);
    client.destroy();
  });
  it("certificates: an upstream's that has ended is 502 upstream_tls on a new connection; back: served", async () => {
    jump(60 * DAY);
    await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_tls' }, () => s.request({ path: '/secure/x' }));
    jump(0);
    await serves(s, '/secure/x');
  });
  it('a reload after a jump is taken up', async () => {
    for (const date of [400 * DAY, -400 * DAY]) {
      jump(date);
      assert.equal((await s.gateway.reload(s.config)).event, 'ready');
      await serves(s);
    }
  });
  // A machine that slept, or a virtual one that was moved.
  it('the time that only runs forward leaps by an hour: what waited is over, nothing hangs, and new requests are served', async () => {
    const client = await s.connect();
    const never = s.request({ path: '/slow/leap/never' });
    await s.upstream.request('it', (r) => r.target === '/slow/leap/never');
    jump(HOUR, HOUR);
    await serves(s);
    s.checkDenial(await never, { status: 504, code: 'gateway_timeout' });
    await client.ended(); // idle for an hour
    assert.equal(await statusOf({ path: '/limited/x' }), 200, 'the hour of the limit is over');
    const now = seconds() + HOUR;
    await until('keys', async () => (await statusOf({ path: '/fetched/1', token: await issuer.mint({ iat: now, exp: now + 300 }) })) === 200);
    assert.equal((await s.gateway.get('/healthz')).status, 200);
  });
});
