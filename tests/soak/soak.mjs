// Mixed honest and hostile clients, faulty upstreams, reloads and rotated logs, for SALLYPORT_SOAK_SECONDS (8): the honest ones see
// no failure, and at the end nothing is left: no connection, exchange, buffer or descriptor, by /metrics and by /proc. A program of
// its own, run by soak.test.mjs: Node's test runner keeps a note of every promise, and there are millions.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { sallyport } from '../e2e/lib/gateway.mjs';
import { Issuer, forge } from '../e2e/lib/issuer.mjs';
import { RawClient } from '../e2e/lib/raw.mjs';
import { gatewayCertificate, merge, openStage } from '../e2e/lib/stage.mjs';
import { tempDir } from '../e2e/lib/temp.mjs';
import { startHttp2 } from '../e2e/http2_upstreams/lib.mjs';
import { startGrpcEcho } from '../e2e/lib/tunnels.mjs';
import { echo, startUpstream } from '../e2e/lib/upstream.mjs';
import { SLOW, until } from '../e2e/lib/wait.mjs';
import { ACCEPT, acceptOf } from '../e2e/lib/websocket.mjs';
import { HOST, Hostile, Honest, knock, random } from './clients.mjs';
import { HonestHttp2, hostileHttp2 } from './clients_http2.mjs';

const SECONDS = Number(process.env.SALLYPORT_SOAK_SECONDS || 8);
const SEED = Number(process.env.SALLYPORT_SOAK_SEED || Date.now() % 1_000_000);
const HONEST = 10;
const HONEST_H2 = 6;
const HOSTILE = 40;

// ---- upstreams

const block = Buffer.alloc(64 * 1024, 'sallyport');

async function sendBytes(exchange, size) {
  await exchange.request.skip();
  if (!(await exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`))) return;
  for (let left = size; left > 0; left -= block.length) {
    if (!(await exchange.send(left < block.length ? block.subarray(0, left) : block))) return;
  }
}

function* pieces(size) {
  for (let left = size; left > 0; left -= block.length) yield left < block.length ? block.subarray(0, left) : block;
}

const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;

// What comes goes back as it is; or frames go out until nobody takes them.
async function socket(exchange, floods) {
  const { reader } = exchange;
  exchange.stop = true;
  // Over HTTP/2 the key is the gateway's own.
  await exchange.send(SWITCHED.replace(ACCEPT, acceptOf(exchange.request.fields.get('sec-websocket-key'))));
  (async () => {
    const piece = Buffer.concat([Buffer.from([0x82, 0x7e, 0xff, 0xff]), block.subarray(0, 65_535)]);
    while (floods && (await exchange.send(piece)));
    while (await reader.fill('what the tunnel brings', 600_000)) await exchange.send(reader.take(reader.buffer.length));
    exchange.end();
  })().catch(() => exchange.destroy());
}

async function honestUpstream(exchange) {
  const { target } = exchange.request;
  const size = /^\/open\/bytes\/([0-9]+)$/.exec(target);
  if (size) return sendBytes(exchange, Number(size[1]));
  if (target.startsWith('/socket/')) return socket(exchange, target === '/socket/flood');
  if (target === '/open/slow') await delay(30);
  return echo(exchange);
}

// Everything that an upstream may do wrong.
const faults = [
  (e) => e.reset(),
  (e) => e.end(),
  (e) => e.destroy(),
  async (e) => (await e.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf'), e.reset()),
  async (e) => (await e.send('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf'), e.end()),
  async (e) => (await e.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'), e.end()),
  async (e) => (await e.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n'), e.end()),
  async (e) => (await e.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n'), e.end()),
  async (e) => (await e.send('HTTP/1.1 200 OK\r\n\r\nuntil the end'), e.end()),
  async (e) => (await e.send('\x00\x01\x02 no HTTP at all\r\n\r\n'), e.end()),
  async (e) => (await e.send(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`), e.end()),
  async (e) => (await e.request.skip(), await e.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen')),
  async (e) => (await e.request.skip(), await e.send(`${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`)),
  async (e) => (await e.request.skip(), await e.send('HTTP/1.1 204 No Content\r\n\r\n')),
  async (e) => (await e.request.skip(), await e.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'), await delay(300), await e.send(e.request.method === 'HEAD' ? '' : 'hello')),
  async (e) => (await delay(3000), e.destroy()), // longer than the route waits
  async (e) => (await e.request.skip(), await e.respond(200, [], 'well')),
  async (e) => (await e.send(SWITCHED), e.reset()),
  async (e) => (await e.send(`${SWITCHED}\x82\x7e\xff\xffhalf`), await delay(50), e.end()),
  async (e) => (await e.send(SWITCHED.replace(ACCEPT, 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=')), e.end()),
];

// What was served is not kept for ever.
function forget(upstream) {
  upstream.requests.length = 0;
  upstream.connections = upstream.connections.filter((c) => !c.closed);
  for (const connection of upstream.connections) connection.requests.length = 0;
}

function forgetHttp2(upstream) {
  upstream.requests.length = 0;
  upstream.sessions = upstream.sessions.filter((session) => !session.destroyed);
}

// ---- the gateway

async function tokens(issuer, stranger) {
  const claims = { scope: 'read_orders', exp: Math.floor(Date.now() / 1000) + SECONDS + 3600 };
  const good = await Promise.all(['RS256', 'ES256', 'EdDSA'].flatMap((alg) => [1, 2, 3].map((n) => issuer.mint({ ...claims, jti: `${alg}-${n}` }, { alg }))));
  return {
    good,
    slow: await issuer.mint(claims, { alg: 'ES384' }),
    scopeless: await issuer.mint({ ...claims, scope: 'other' }, { alg: 'RS256' }),
    bad: [
      'x.y.z', 'nonsense', `${good[0].slice(0, -6)}AAAAAA`, forge({ header: { alg: 'none' }, payload: issuer.claims() }),
      await stranger.mint(claims, { alg: 'RS256' }), await issuer.mint({ ...claims, exp: 1000 }, { alg: 'ES256' }),
      await issuer.mint({ ...claims, aud: 'another' }, { alg: 'EdDSA' }), await issuer.mint({ ...claims, cnf: { jkt: 'x' } }, { alg: 'ES256' }),
    ],
  };
}

function configOf(s, { faulty, http2, chats }, dir) {
  const certificate = gatewayCertificate();
  const tls = { certificates: [{ cert: certificate.certFile, key: certificate.keyFile }] };
  const short = { handshake: '2s', head: '2s', body: '2s', idle: '3s', write: '2s', drain: '500ms' };
  const route = (path, more) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: 'none', body: '1GiB', ...more });
  const protectedBy = (more) => ({ auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'] }, relay: { headers: { 'X-User-Id': 'claims.sub' } }, ...more });
  return {
    workers: 2,
    logs: { access: { file: join(dir, 'access.log') }, audit: { file: join(dir, 'audit.log') } },
    // The honest upstream is this process, and shares a busy machine: what is slow here is not the gateway's fault.
    overload: { queue_deadline: '0s' },
    defaults: { listeners: ['public', 'plain', 'rough', 'roughPlain'], timeout: '1m', idle_timeout: '1m' },
    listeners: {
      public: { timeouts: { idle: '60s' } },
      plain: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', h2c: true, timeouts: { idle: '60s' } },
      rough: { address: '127.0.0.1', port: 0, tls, timeouts: short },
      roughPlain: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', h2c: true, timeouts: short },
    },
    issuers: { main: { algorithms: ['RS256', 'ES256', 'EdDSA', 'ES384'] } },
    upstreams: {
      'order-service': { idle_timeout: '2s', connect_timeout: '1m' },
      faulty: { endpoints: [faulty.url], idle_timeout: '1s', connect_timeout: '2s' },
      http2: { endpoints: [http2.url], idle_timeout: '2s', connect_timeout: '1m' },
      chats: { endpoints: [chats.url], protocol: 'h2', tls: { ca: s.ca.certFile }, idle_timeout: '2s', connect_timeout: '1m' },
    },
    routes: {
      open: route('/open/**'),
      orders: route('/orders/**', protectedBy({ match: { host: HOST, path: '/orders/**', methods: ['GET'] } })),
      slow: route('/slow/**', protectedBy()),
      limited: route('/limited/**', { limits: [{ limit: '20/1s', by: 'address' }, { rate: '50/1s', burst: 10, by: 'header:X-Client' }] }),
      socket: route('/socket/**', { websocket: { idle_timeout: '2s' } }),
      // Of the honest: a busy machine may hold them up for longer than the hostile are waited for.
      patient: route('/socket/patient', { websocket: { idle_timeout: '1m' } }),
      h2: route('/h2/**', { upstream: 'http2' }),
      chat: route('/test.Echo/**', { upstream: 'chats' }),
      faulty: route('/faulty/**', { websocket: { idle_timeout: '1s' }, upstream: 'faulty', timeout: '2s', idle_timeout: '1s' }),
    },
  };
}

class World {
  constructor(stage, dir) {
    Object.assign(this, { stage, dir, stopping: false, failures: [], counts: { honest: {}, hostile: {} }, started: Date.now(), clients: new Set(), reloads: 0, rotations: 0 });
    // The sanitizers' builds, and a machine that is used by others, are given time to breathe.
    this.honestPace = 20 * SLOW;
    this.hostilePace = 30 * SLOW;
  }
  count(side, kind) {
    this.counts[side][kind] = (this.counts[side][kind] ?? 0) + 1;
  }
  // A failure is told with what the log says of it.
  async fail(who, error) {
    const at = ((Date.now() - this.started) / 1000).toFixed(1);
    const line = error.requestId && (await until('its line', () => this.line(error.requestId), 2_000).catch(() => null));
    this.failures.push(`${at} s: ${who}: ${error.message}${line ? `; ${line}` : ''}`);
  }
  line(id) {
    const texts = readdirSync(this.dir).filter((name) => name.startsWith('access')).map((name) => readFileSync(join(this.dir, name), 'utf8'));
    return texts.join('').split('\n').find((line) => line.includes(id));
  }
  connect(listener) {
    return this.connectWith(listener, listener === 'public' || listener === 'rough' ? this.stage.tls() : null);
  }
  connectPlain(listener) {
    return this.connectWith(listener, null);
  }
  async connectWith(listener, tls) {
    const client = await RawClient.connect({ port: this.stage.gateway.ports[listener], tls });
    this.clients.add(client);
    client.closing.then(() => this.clients.delete(client));
    return client;
  }
}

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const resident = (pid) => Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]);

// What is open when nobody is there: asked over a connection that is gone when the answer is looked at.
async function atRest(gateway) {
  const metrics = await gateway.metrics();
  const open = Object.fromEntries(['connections_open', 'exchanges_open', 'upstream_connections_open', 'buffer_bytes'].map((name) => {
    assert.ok(metrics.has(`sallyport_${name}`), `no sallyport_${name}`);
    return [name, metrics.sum(`sallyport_${name}`)];
  }));
  open.streams_open = metrics.sum('sallyport_streams_open'); // not told before there was one
  return { open, descriptors: [gateway.process.pid, gateway.child()].map(descriptors) };
}

async function reloads(world, config, gateway) {
  const extra = { listeners: { extra: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } }, routes: { more: { match: { host: HOST, path: '/more/**' }, upstream: 'order-service', auth: 'none', listeners: ['extra', 'public'] } } };
  const other = { routes: { open: { timeout: '20s' }, limited: { limits: [{ limit: '30/1s', by: 'address' }] } }, upstreams: { faulty: { retries: 0 } } };
  const changes = [extra, other, {}];
  for (let i = 0; !world.stopping; i++) {
    const event = await gateway.reload(merge(config, changes[i % changes.length]));
    if (event.event !== 'ready') world.failures.push(`a reload was refused: ${event.reason}`);
    world.reloads++;
    if (changes[i % changes.length] === extra) {
      const { port } = await gateway.event('listening', (e) => e.listener === 'extra');
      await knock(port);
    }
    gateway.events.splice(0, gateway.events.length - 50);
    if (i % 7 === 6) {
      await gateway.reload('{ no configuration');
      gateway.write(config);
    }
    await delay(700 * SLOW);
  }
}

async function rotations(world, dir, gateway) {
  const name = (n) => join(dir, `access.log.${n % 2}`);
  for (; !world.stopping; world.rotations++) {
    await delay(1100 * SLOW);
    renameSync(join(dir, 'access.log'), name(world.rotations));
    gateway.process.kill('SIGUSR1');
    await until('a new access log', () => statSync(join(dir, 'access.log'), { throwIfNoEntry: false }));
  }
}

async function comesAndGoes(world, upstream) {
  while (!world.stopping) {
    await delay(1500);
    const { port } = upstream;
    await upstream.stop();
    await delay(400);
    await upstream.start(port);
  }
}

async function soak() {
  console.log(`seed ${SEED}`);
  const issuer = new Issuer();
  const stranger = new Issuer();
  for (const alg of ['RS256', 'ES256', 'EdDSA', 'ES384']) await issuer.addKey(alg);
  await stranger.addKey('RS256');
  const dir = tempDir('soak-logs');
  mkdirSync(dir, { recursive: true });
  const luck = random(SEED ^ 0xfa17);
  const chats = await startGrpcEcho();
  const http2 = await startHttp2({
    tls: false,
    script: (stream, headers) => {
      const size = /^\/h2\/bytes\/([0-9]+)$/.exec(headers[':path']);
      stream.respond({ ':status': 200 });
      if (!size) stream.pipe(stream);
      else Readable.from(pieces(Number(size[1]))).pipe(stream);
    },
  });
  const faulty = await startUpstream({ name: 'faulty', record: false, script: (exchange) => luck.pick(faults)(exchange) });
  const s = await openStage({ issuer, routes: {}, upstream: { record: false, script: honestUpstream }, config: (stage) => configOf(stage, { faulty, http2, chats }, dir) });
  const { gateway } = s;
  const world = new World(s, dir);
  world.tokens = await tokens(issuer, stranger);
  world.hostile = hostileHttp2;
  const sweep = setInterval(() => (forget(s.upstream), forget(faulty), forgetHttp2(http2)), 500);
  try {
    // The first answer costs what stays; what the second costs must go again.
    await gateway.metrics();
    const before = await atRest(gateway);
    assert.deepEqual(before.open, { connections_open: 0, exchanges_open: 0, upstream_connections_open: 0, buffer_bytes: 0, streams_open: 0 });
    const memory = [];
    const measure = setInterval(() => memory.push(resident(gateway.child())), 1000);
    const clients = [
      ...Array.from({ length: HONEST }, (_, i) => new Honest(world, `honest-${i}`, SEED + i)),
      ...Array.from({ length: HONEST_H2 }, (_, i) => new HonestHttp2(world, `honest-h2-${i}`, SEED + 500 + i)),
      ...Array.from({ length: HOSTILE }, (_, i) => new Hostile(world, `hostile-${i}`, SEED + 1000 + i)),
    ];
    const running = [...clients.map((c) => c.run()), reloads(world, s.config, gateway), rotations(world, dir, gateway), comesAndGoes(world, faulty)];
    const over = delay(SECONDS * 1000).then(() => (world.stopping = true));
    await Promise.all([over, ...running]);
    // Those of clients that failed.
    for (const client of world.clients) client.destroy();
    clearInterval(measure);

    assert.equal((await gateway.reload(s.config)).event, 'ready');
    let rest;
    const settled = async () => isDeepStrictEqual((rest = await atRest(gateway)), before);
    await until(() => `everything to be at rest: ${JSON.stringify(rest)}, before: ${JSON.stringify(before)}`, settled, 20_000);
    const audit = await sallyport(['audit', 'verify', join(dir, 'audit.log')]);
    assert.equal(audit.code, 0, `the audit log's chain: ${audit.stdout}${audit.stderr}`);
    const total = (side) => Object.values(world.counts[side]).reduce((sum, n) => sum + n, 0);
    console.log(`honest ${JSON.stringify(world.counts.honest)}`);
    console.log(`hostile ${JSON.stringify(world.counts.hostile)}`);
    console.log(`${total('honest')} honest and ${total('hostile')} hostile turns, ${world.reloads} reloads, ${world.rotations} rotations, at rest ${JSON.stringify(rest)}`);
    const quarter = memory[Math.floor(memory.length / 4)];
    console.log(`resident kB: ${quarter} after a quarter of the time, ${memory.at(-1)} at the end, ${Math.max(...memory)} at most`);
    assert.equal(world.failures.length, 0, `${world.failures.length} failures:\n${world.failures.slice(0, 100).join('\n')}`);
    assert.ok(total('honest') >= HONEST && total('hostile') >= HOSTILE, 'hardly anything was done');
  } finally {
    clearInterval(sweep);
    world.stopping = true;
    await s.close();
    await faulty.close();
    await http2.close();
    chats.close();
  }
}

process.once('SIGTERM', () => process.exit(1)); // and the gateway with it
soak().then(
  () => process.exit(0),
  (error) => {
    console.log(error.stack);
    process.exit(1);
  },
);
