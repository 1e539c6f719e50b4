// Names that do not resolve, a resolver that stops answering, and both coming back. The gateway runs in a mount namespace
// whose resolv.conf names a resolver of ours on a loopback address of its own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Issuer } from '../lib/issuer.mjs';
import { tempDir } from '../lib/temp.mjs';
import { closeAll, HOST, OPEN, originCertificate, READ_ORDERS, openStage } from '../lib/stage.mjs';
import { deadline, pass, until } from '../lib/wait.mjs';
import { backAtRest, grows, held, IDLE, leavesNothing, serves } from './lib.mjs';

const WRAP = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"'];
const PATIENCE = 2; // seconds that the C library waits for an answer
const file = join(tempDir('names'), 'resolv.conf');
writeFileSync(file, '');
const skip =
  process.getuid() !== 0 ? 'only root can answer on port 53' : spawnSync(WRAP[0], [...WRAP.slice(1), file, 'true']).status !== 0 ? 'no mount namespace can be made here' : false;

// Answers A queries for names of `known`; others do not exist. `silent`: takes queries and says nothing.
class Resolver {
  constructor() {
    this.known = new Map();
    this.silent = false;
    this.queries = 0;
  }
  // Side by side with others: each has an address of its own.
  async start() {
    for (let i = 0; i < 50; i++) {
      this.address = `127.${100 + Math.floor(Math.random() * 100)}.${Math.floor(Math.random() * 250)}.53`;
      this.socket = dgram.createSocket('udp4');
      const bound = await new Promise((resolve) => {
        this.socket.once('error', () => resolve(false));
        this.socket.bind(53, this.address, () => resolve(true));
      });
      if (bound) break;
    }
    this.socket.on('message', (query, from) => this.#answer(query, from));
    writeFileSync(file, `nameserver ${this.address}\noptions timeout:${PATIENCE} attempts:1\n`);
    return this;
  }
  #answer(query, from) {
    this.queries++;
    if (this.silent) return;
    const labels = [];
    let at = 12;
    for (; query[at] !== 0; at += query[at] + 1) labels.push(query.toString('latin1', at + 1, at + 1 + query[at]));
    const question = query.subarray(12, at + 5);
    const isA = query.readUInt16BE(at + 1) === 1;
    const address = this.known.get(labels.join('.').toLowerCase());
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8580 | (address ? 0 : 3), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(address && isA ? 1 : 0, 6);
    const record = address && isA ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]) : Buffer.alloc(0);
    this.socket.send(Buffer.concat([head, question, record]), from.port, from.address);
  }
  stop() {
    return new Promise((resolve) => this.socket.close(resolve));
  }
}

describe('names', { skip }, () => {
  let s;
  let resolver;
  let issuer;
  let keys;
  const names = ['gone', 'silent', 'back', 'spare'];
  before(async () => {
    resolver = await new Resolver().start();
    issuer = await new Issuer({ issuer: 'https://named.example.com' }).addKey('ES256', { kid: 'k' });
    const { cert, key } = originCertificate();
    keys = await issuer.serve({ tls: { cert, key } });
    // Not there when the gateway asks for its keys for the first time.
    s = await openStage({
      gateway: { wrap: [...WRAP, file] },
      config: (stage) => ({
        workers: 1,
        issuers: {
          named: { issuer: issuer.issuer, audiences: ['orders'], algorithms: ['ES256'], jwks_url: `https://orders.internal:${keys.port}/jwks.json`, jwks_tls: { ca: stage.ca.certFile }, jwks_timeout: '500ms', jwks_refresh: '1s' },
        },
        upstreams: {
          'order-service': IDLE,
          ...Object.fromEntries(names.map((name) => [name, { endpoints: [`https://${name}.internal:${stage.upstream.port}`], tls: { ca: stage.ca.certFile, server_name: 'orders.internal' }, connect_timeout: '500ms', retries: 0, ...IDLE }])),
          pair: { endpoints: [`https://gone.internal:${stage.upstream.port}`, stage.upstream.url], tls: { ca: stage.ca.certFile, server_name: 'orders.internal' }, ...IDLE },
        },
      }),
      routes: {
        open: OPEN,
        named: { ...READ_ORDERS, match: { host: HOST, path: '/named/**' }, auth: { jwt: 'named' } },
        ...Object.fromEntries([...names, 'pair'].map((name) => [name, { ...OPEN, match: { host: HOST, path: `/${name}/**` }, upstream: name }])),
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => keys?.stop(), () => resolver?.stop()));

  const silently = async (act) => {
    resolver.silent = true;
    try {
      return await act();
    } finally {
      resolver.silent = false;
    }
  };
  const refused = (path, detail) =>
    grows(s, 'sallyport_upstream_connect_failures_total', {}, async () => {
      const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_connect', nothingUpstream: false }, () => s.request({ path }));
      assert.match(access.detail, detail);
    });

  it('a name that does not exist: 502 upstream_connect; once it exists: served', () =>
    leavesNothing(s, async () => {
      await refused('/gone/x', /host name not resolved/);
      resolver.known.set('gone.internal', '127.0.0.1');
      await serves(s, '/gone/x');
      resolver.known.delete('gone.internal');
    }));
  it('twin: another endpoint of the same upstream serves', () =>
    leavesNothing(s, async () => {
      for (let i = 0; i < 4; i++) await serves(s, '/pair/x');
    }));
  it('a resolver that stops answering: 502 upstream_connect after connect_timeout; nobody else waits', () =>
    leavesNothing(s, () =>
      silently(async () => {
        const from = performance.now();
        const slow = refused('/silent/x', /looking up the host took too long/);
        for (let i = 0; i < 5; i++) await serves(s);
        assert.ok(performance.now() - from < deadline(500), 'others waited');
        await slow;
        const took = performance.now() - from;
        assert.ok(took >= 450 && took < deadline(2_500), `after ${took} ms`);
      })));
  it('answering again: served, and what is known stays known when it stops once more', () =>
    leavesNothing(s, async () => {
      resolver.known.set('back.internal', '127.0.0.1');
      await serves(s, '/back/x');
      await silently(() => serves(s, '/back/x'));
      resolver.known.set('silent.internal', '127.0.0.1');
      await until('the name that was asked for in vain', async () => (await s.request({ path: '/silent/x' })).status === 200, PATIENCE * 1_000 + 5_000);
    }));
  it("a key server's name: keys_failed while it does not exist or nobody answers, and nothing stands still; then keys_fetched", async () => {
    const next = async (name) => {
      const from = s.gateway.events.length;
      return s.gateway.wait(name, () => s.gateway.events.slice(from).find((e) => e.event === name), 10_000);
    };
    const ask = async () => s.request({ path: '/named/1', token: await issuer.mint() });
    const rest = await held(s.gateway);
    assert.match((await next('keys_failed')).reason, /could not resolve/i);
    await s.denied({ status: 503, code: 'authentication_unavailable', reason: 'issuer_unavailable' }, ask);
    await silently(async () => {
      const { queries } = resolver;
      await until('a question that nobody answers', () => resolver.queries > queries);
      // A look-up that was given up must not hold up the thread that serves this.
      const end = performance.now() + 1_500;
      while (performance.now() < end) {
        const from = performance.now();
        assert.equal((await s.gateway.get('/healthz')).status, 200);
        assert.ok(performance.now() - from < deadline(500), `/healthz took ${performance.now() - from} ms`);
        await pass(50);
      }
      assert.match((await next('keys_failed')).reason, /resolv|timed? ?out/i);
    });
    resolver.known.set('orders.internal', '127.0.0.1');
    await until('the keys', async () => (await ask()).status === 200);
    await backAtRest(s.gateway, rest);
  });
  it('the end does not wait for a resolver that does not answer', async () => {
    resolver.silent = true;
    resolver.known.clear();
    const from = performance.now();
    const asked = s.request({ path: '/spare/x' });
    await asked;
    await s.gateway.stop();
    assert.ok(performance.now() - from < deadline(2_000), `ended after ${performance.now() - from} ms`);
  });
});
