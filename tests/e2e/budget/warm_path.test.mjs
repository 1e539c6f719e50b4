// What a warm request may cost beyond its work: nothing of our own is allocated, no lock is taken, and the libraries keep
// within their budgets. Measured in the program itself, whose worker tells what it did for every 500 requests.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { binary } from '../lib/gateway.mjs';
import { DPOP, Holder } from '../lib/dpop.mjs';
import { requestText } from '../lib/raw.mjs';
import { Session } from '../lib/h2.mjs';
import { ScriptedEndpoint } from '../lib/introspection.mjs';
import { HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { echo } from '../lib/upstream.mjs';
import { ACCEPT, HANDSHAKE } from '../lib/websocket.mjs';
import { startServers } from '../balance/lib.mjs';
import { createKey, writePepper } from '../api_keys/lib.mjs';
import { Authorizer } from '../external/lib.mjs';
import { startHttp2 } from '../http2_upstreams/lib.mjs';

const TOLD = 500;
const CONNECTIONS = 4;
// Buffers grow, and more of them are in use, when by chance more streams are busy at once than ever before.
const few = { ownAllocations: 0.1, ownLocks: 0, allocations: 0.1, locks: 0 };
const STREAMS = 5;
// A WebSocket at /socket whose bytes come back, whatever they are.
async function script(exchange) {
  if (exchange.request.target !== '/socket') return echo(exchange);
  exchange.stop = true;
  const { reader } = exchange;
  await exchange.send(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`);
  (async () => {
    while (await reader.fill('what the tunnel brings', 600_000)) await exchange.send(reader.take(reader.buffer.length));
  })().catch(() => {});
}

const writeSecret = () => {
  const file = join(tempDir('secret'), 'secret');
  writeFileSync(file, 'secret');
  return file;
};

const program = join(dirname(binary()), 'tests/counted/sallyport-counted');
const skip = existsSync(program) ? false : 'the counted program is not part of this build';

describe('a warm request', { skip }, () => {
  const stages = [];
  after(() => Promise.all(stages.map((s) => s.close())));

  const open = async (config = {}) => {
    const s = await openStage({
      upstream: { tls: undefined, record: false, script },
      gateway: { program },
      config: { workers: 1, listeners: { plain: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', h2c: true } }, ...config },
      routes: {
        open: { ...OPEN, listeners: ['plain', 'public'] },
        socket: { ...OPEN, match: { host: HOST, path: '/socket' }, listeners: ['plain', 'public'], websocket: {} },
        orders: { ...READ_ORDERS, listeners: ['plain', 'public'], limits: [{ limit: '1000000/1m', by: 'caller' }, { rate: '1000000/1s', burst: 1000000, by: 'address' }] },
      },
    });
    stages.push(s);
    return s;
  };

  // What the worker did per request, once warm: `make(i)` gives the text of the i-th request.
  const measure = async (s, make, { rounds = 4, ...where } = {}) => {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => s.connect(where)));
    let next = 0;
    await Promise.all(clients.map(async (client) => {
      while (next < rounds * TOLD) {
        await client.send(await make(next++));
        const response = await client.response();
        assert.equal(response.status, 200);
      }
      client.end();
    }));
    return counted(s, rounds);
  };

  // The same over HTTP/2, `STREAMS` at once on each connection.
  const measureH2 = async (s, parts, { rounds = 4, ...where } = {}) => {
    const sessions = await Promise.all(Array.from({ length: CONNECTIONS }, () => Session.connect(s, where)));
    let next = 0;
    await Promise.all(sessions.flatMap((session) => Array.from({ length: STREAMS }, async () => {
      while (next++ < rounds * TOLD) assert.equal((await session.request(parts)).status, 200);
    })));
    for (const session of sessions) session.destroy();
    return counted(s, rounds);
  };

  const counted = async (s, rounds) => {
    const told = () => s.gateway.events.filter((e) => e.event === 'counted');
    await s.gateway.wait('the last count', () => told().length >= rounds);
    // The first round warms up; what others asked before is over by then. Of the rest the one that cost least: what comes by the
    // clock is no request's.
    const last = told().slice(-rounds);
    const costs = last.slice(1).map((to, i) => {
      const from = last[i];
      assert.equal(to.requests - from.requests, TOLD);
      const per = (name) => (to[name] - from[name]) / TOLD;
      return { ownAllocations: per('own_allocations'), ownLocks: per('own_locks'), allocations: per('allocations'), locks: per('locks') };
    });
    return costs.reduce((least, cost) => (cost.allocations < least.allocations ? cost : least));
  };

  const within = (cost, budget) => {
    for (const [name, most] of Object.entries(budget)) assert.ok(cost[name] <= most, `${name}: ${cost[name]} a request, at most ${most} (${JSON.stringify(cost)})`);
  };

  it('of a public route', async () => {
    const s = await open();
    const cost = await measure(s, () => requestText({ path: '/open/x?a=1' }), { listener: 'plain', plain: true });
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 0, locks: 0 });
  });

  for (const balance of ['weighted', 'least_requests', 'p2c', 'hash']) {
    it(`to a service of several servers, by ${balance}, their health checked and their failures counted`, async () => {
      const servers = await startServers(4);
      const more = { weighted: {}, least_requests: {}, p2c: {}, hash: { hash_by: 'header:X-Key', max_load: 150 } }[balance];
      try {
        const s = await open({
          upstreams: { many: { endpoints: servers.map(({ url }, i) => ({ url, weight: balance === 'weighted' ? i + 1 : 1 })), balance, health: { path: '/healthz' }, outliers: { success_gap: 20 }, slow_start: '30s', ...more } },
          routes: { many: { ...OPEN, match: { host: HOST, path: '/many/**' }, upstream: 'many', listeners: ['plain'] } },
        });
        const cost = await measure(s, (i) => requestText({ path: '/many/x', fields: [['X-Key', `${i % 16}`]] }), { listener: 'plain', plain: true, rounds: 5 });
        within(cost, few);
      } finally {
        servers.forEach((server) => server.close());
      }
    });
  }

  it('that is never slow enough for its `hedge`', async () => {
    const servers = await startServers(2);
    try {
      const s = await open({
        upstreams: { pair: { endpoints: servers.map(({ url }) => url) } },
        routes: { hedged: { ...OPEN, match: { host: HOST, path: '/hedged/**' }, upstream: 'pair', listeners: ['plain'], hedge: '10s' } },
      });
      within(await measure(s, () => requestText({ path: '/hedged/x' }), { listener: 'plain', plain: true }), few);
    } finally {
      servers.forEach((server) => server.close());
    }
  });

  it('with a body both ways', async () => {
    const s = await open();
    const body = 'x'.repeat(3000);
    const cost = await measure(s, () => requestText({ method: 'POST', path: '/open/x', body }), { listener: 'plain', plain: true });
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 0, locks: 0 });
  });

  it('with an API key that is known, its own limit, those of the route, and a log line', async () => {
    const dir = tempDir('api-keys');
    writePepper(dir);
    const partners = { store: join(dir, 'keys.sqlite'), peppers: { p1: `\${file:${join(dir, 'pepper')}}` } };
    const file = join(dir, 'gateway.yaml');
    writeFileSync(file, JSON.stringify({ listeners: { plain: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners } }));
    const { key } = await createKey(file, '--scope', 'read_orders', '--limit', '1000000/1m');
    const s = await open({ api_keys: { partners }, routes: { keyed: { ...READ_ORDERS, match: { host: HOST, path: '/keyed/**' }, auth: { api_key: 'partners' }, listeners: ['plain'], limits: [{ limit: '1000000/1m', by: 'caller' }] } } });
    const cost = await measure(s, () => requestText({ path: '/keyed/1', fields: [['X-API-Key', key]] }), { listener: 'plain', plain: true });
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 0, locks: 0 });
  });

  it('with a token that is known, limits and a log line', async () => {
    const s = await open();
    const token = await s.mint();
    const cost = await measure(s, () => requestText({ path: '/orders/1', token }), { listener: 'plain', plain: true });
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 0, locks: 0 });
  });

  it("with an external authorizer's decision that is remembered, a limit and a log line", async () => {
    const sso = await Authorizer.start(() => [200, { 'X-User': 'alice', 'X-Groups': 'a, b', 'X-Told': 'yes' }]);
    try {
      const s = await open({
        authorizers: { sso: { contract: 'forward_auth', url: sso.url, request_headers: ['Cookie'], upstream_headers: ['X-User'], client_headers: ['X-Told'], subject_header: 'X-User', roles_header: 'X-Groups', cache: { for: '1h', by: ['credential', 'method', 'host', 'path', 'query'] } } },
        routes: { asked: { match: { host: HOST, path: '/asked/**' }, upstream: 'order-service', auth: { external: 'sso' }, authorize: { roles: ['a'] }, listeners: ['plain'], limits: [{ limit: '1000000/1m', by: 'caller' }] } },
      });
      const cost = await measure(s, () => requestText({ path: '/asked/1', fields: [['Cookie', 'session=1']] }), { listener: 'plain', plain: true });
      within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 0, locks: 0 });
      assert.ok(sso.asked.length <= CONNECTIONS, `asked ${sso.asked.length} times`);
    } finally {
      await sso.close();
    }
  });
  it('with a token that an endpoint was asked about, limits and a log line', async () => {
    const endpoint = await ScriptedEndpoint.start();
    const s = await open({
      introspection: { main: { endpoint: endpoint.url, client_id: 'gateway', client_secret: `\${file:${writeSecret()}}`, audiences: ['orders'], cache: '10m' } },
      routes: { opaque: { ...READ_ORDERS, match: { host: HOST, path: '/opaque/**' }, auth: { any_of: [{ jwt: 'main' }, { introspection: 'main' }] }, listeners: ['plain'], limits: [{ limit: '1000000/1m', by: 'caller' }] } },
    });
    const token = endpoint.active('opaque-token-of-the-usual-length-of-43-characters');
    const cost = await measure(s, () => requestText({ path: '/opaque/1', token }), { listener: 'plain', plain: true });
    await endpoint.close();
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 0, locks: 0 });
  });

  // The verification is OpenSSL's: its big numbers, and a lock for the key's Montgomery form.
  it('with a new token: one piece of memory, which is the token', async () => {
    const s = await open({ token_cache: 64 });
    const cost = await measure(s, async (i) => requestText({ path: '/orders/1', token: await s.mint({ jti: `${i}` }) }), { listener: 'plain', plain: true });
    within(cost, { ownAllocations: 1, ownLocks: 0, allocations: 16, locks: 1 });
    assert.ok(cost.ownAllocations > 0.9, `own allocations are told apart: ${JSON.stringify(cost)}`);
  });

  // The token is known, and the key: what is left is the signature, which is OpenSSL's.
  it('with a known token and a new proof of its key', async () => {
    const holder = await Holder.make();
    const s = await open({ dpop: DPOP, issuers: { main: { dpop: 'allowed' } } });
    const token = await s.mint({ cnf: holder.cnf });
    await holder.ask((parts) => s.request({ ...parts, listener: 'plain', plain: true }), token);
    const cost = await measure(s, async () => requestText(holder.with(token, await holder.proof(token))), { listener: 'plain', plain: true });
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 40, locks: 0 });
  });

  // Requests are what is counted by, so each brings a message there and back.
  it('with a message of a WebSocket beside it', async () => {
    const s = await open();
    const socket = await s.connect({ listener: 'plain', plain: true });
    await socket.send(requestText({ path: '/socket', fields: HANDSHAKE }));
    assert.equal((await socket.head()).status, 101);
    const frame = Buffer.from([0x81, 0x85, 0, 0, 0, 0, ...Buffer.from('hello')]);
    let last = Promise.resolve();
    const message = () =>
      (last = last.then(async () => {
        await socket.send(frame);
        assert.deepEqual(await socket.reader.exactly(frame.length, 'the echo'), frame);
      }));
    const cost = await measure(s, async () => (await message(), requestText({ path: '/open/x' })), { listener: 'plain', plain: true });
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 0, locks: 0 });
    socket.destroy();
  });

  // OpenSSL's buffers, which it gives back between records so that an idle connection holds none.
  it('over TLS, with a token and limits', async () => {
    const s = await open();
    const token = await s.mint();
    const cost = await measure(s, () => requestText({ path: '/orders/1', token }));
    within(cost, { ownAllocations: 0, ownLocks: 0, allocations: 7, locks: 0.1 });
  });

  // nghttp2 allocates from a pool of ours, which is warm.
  it('over HTTP/2: public, with a body both ways, with a token and limits', async () => {
    const s = await open();
    const token = await s.mint();
    within(await measureH2(s, { path: '/open/x?a=1' }, { listener: 'plain', plain: true }), few);
    within(await measureH2(s, { path: '/open/x', method: 'POST', body: 'x'.repeat(3000) }, { listener: 'plain', plain: true }), few);
    within(await measureH2(s, { path: '/orders/1', fields: { authorization: `Bearer ${token}` } }, { listener: 'plain', plain: true }), few);
  });

  // The connection keeps a call's buffers for the next one, and nghttp2's memory.
  it('to an HTTP/2 upstream', async () => {
    const up = await startHttp2({ tls: false, script: async (stream) => {
      for await (const piece of stream) void piece;
      stream.respond({ ':status': 200, 'content-type': 'text/plain' });
      stream.end('x'.repeat(1000));
    } });
    try {
      const s = await open({ upstreams: { 'order-service': { endpoints: [up.url] } }, routes: { socket: null } });
      const get = await measure(s, () => requestText({ path: '/open/x?a=1' }), { listener: 'plain', plain: true });
      within(get, few);
      const body = 'x'.repeat(3000);
      const post = await measure(s, () => requestText({ method: 'POST', path: '/open/x', body }), { listener: 'plain', plain: true, rounds: 6 });
      within(post, few);
    } finally {
      await up.close();
    }
  });
});
