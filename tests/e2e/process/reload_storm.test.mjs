// Reload after reload under traffic, each with other routes, certificates, issuers and listeners: no request fails, and
// nothing is left behind. In full (200 reloads, 2,000 requests a second) with SALLYPORT_SLOW=1.
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startGateway } from '../lib/gateway.mjs';
import { standardIssuer } from '../lib/issuer.mjs';
import { Load, startPlainUpstream } from '../lib/load.mjs';
import { authority } from '../lib/pki.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { HOST, closeAll } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const FULL = process.env.SALLYPORT_SLOW === '1';
const RELOADS = FULL ? 200 : 25;
const RATE = (FULL ? 2000 : 1000) / SLOW;
const LISTENER = { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' };

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const resident = (pid) => Number(/^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]);

describe(`${RELOADS} reloads under ${RATE} requests a second`, () => {
  let dir, upstream, issuer, second, gateway, certificates;
  before(async () => {
    dir = tempDir('storm');
    upstream = await startPlainUpstream();
    issuer = await standardIssuer();
    second = await standardIssuer();
    await issuer.writeJwks(join(dir, 'keys.json'));
    await second.writeJwks(join(dir, 'second.json'));
    certificates = [0, 1].map(() => authority().issue({ dns: [HOST] }));
    take(0);
    gateway = await startGateway({ config: config(0) });
  });
  after(() => closeAll(() => gateway?.stop(), () => upstream?.close()));

  // The certificate's files change under their names, as a renewal does it.
  function take(i) {
    copyFileSync(certificates[i % 2].certFile, join(dir, 'server.pem'));
    copyFileSync(certificates[i % 2].keyFile, join(dir, 'server.key'));
  }

  function config(i) {
    const open = (path) => ({ match: { host: HOST, path }, listeners: ['public', 'plain'], upstream: 'u', auth: 'none' });
    return {
      instance: 'storm',
      workers: 2,
      logs: { access: { file: 'off' }, audit: { file: join(dir, 'audit.log') } },
      listeners: {
        public: { address: '127.0.0.1', port: 0, tls: { certificates: [{ cert: join(dir, 'server.pem'), key: join(dir, 'server.key') }] } },
        plain: LISTENER,
        ops: { ...LISTENER, status: true },
        ...(i % 2 === 1 ? { extra: LISTENER } : {}),
      },
      issuers: {
        main: { issuer: issuer.issuer, audiences: ['orders', ...(i % 2 ? ['more'] : [])], algorithms: ['RS256', 'ES256'], jwks_file: join(dir, 'keys.json') },
        ...(i % 3 === 0 ? { second: { issuer: `${second.issuer}/${i}`, audiences: ['orders'], algorithms: ['ES256'], jwks_file: join(dir, 'second.json') } } : {}),
      },
      upstreams: { u: { endpoints: [upstream.url] } },
      routes: {
        open: open('/open/**'),
        secure: { ...open('/orders/**'), auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'] }, limits: [{ limit: '1000000/1m', by: 'caller' }] },
        // Names come again: what is counted of a route's name is kept.
        [`changing-${i % 4}`]: open(`/changing/${i}/**`),
        ...(i % 2 === 1 ? { extra: { ...open('/extra/**'), listeners: ['extra'] } } : {}),
      },
    };
  }

  async function ask(listener, path) {
    const client = await RawClient.connect({ port: gateway.ports[listener] });
    await client.send(requestText({ path, host: HOST }));
    const response = await client.response();
    client.end();
    return response.status;
  }

  // What the processes hold that is no connection.
  async function held() {
    await until('connections to be gone', async () => (await gateway.metrics()).sum('sallyport_connections_open') === 0);
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('sallyport_exchanges_open'), 0);
    const child = gateway.child();
    return {
      gateway: descriptors(child) - metrics.sum('sallyport_upstream_connections_open'),
      supervisor: descriptors(gateway.process.pid),
      memory: resident(child),
      supervisorMemory: resident(gateway.process.pid),
    };
  }

  it('not one request fails, and nothing grows', async () => {
    const token = await issuer.mint({ aud: 'orders', scope: 'read_orders' });
    const authorization = ['Authorization', `Bearer ${token}`];
    const open = requestText({ path: '/open/x', host: HOST });
    const orders = requestText({ path: '/orders/1', host: HOST, fields: [authorization] });
    const secure = { ca: authority().cert, servername: HOST };
    const loads = () => [
      new Load({ port: gateway.ports.plain, requests: [open, orders], rate: RATE * 0.5, connections: 24 }),
      new Load({ port: gateway.ports.plain, requests: [orders], rate: RATE * 0.25, connections: 16, each: 10 }),
      new Load({ port: gateway.ports.public, requests: [orders, open], rate: RATE * 0.23, connections: 16, secure }),
      new Load({ port: gateway.ports.public, requests: [open], rate: Math.max(20, RATE * 0.02), connections: 4, each: 2, secure }),
    ];
    const child = gateway.child();
    const before = (await gateway.metrics()).sum('sallyport_reloads_total');
    const rounds = [];
    let reloads = 0;
    let answered = 0;
    let slowest = 0;
    const began = performance.now();
    // Traffic stops for a moment in between, so that what is held can be told from connections.
    for (const share of [0.2, 0.4, 0.4]) {
      const running = loads().map((load) => load.start());
      for (let n = 0; n < RELOADS * share; n++) {
        const i = ++reloads;
        take(i);
        const event = await gateway.reload(config(i));
        assert.equal(event.event, 'ready', JSON.stringify(event));
        assert.equal(await ask('plain', `/changing/${i}/x`), 200);
        assert.equal(await ask('plain', `/changing/${i - 1}/x`), 404);
        if (i % 2 === 1) assert.equal(await ask('extra', '/extra/x'), 200);
        const seen = running.map((load) => load.answered);
        await until('traffic under this configuration', () => running.every((load, k) => load.failures.length > 0 || load.answered > seen[k]));
      }
      for (const load of running) {
        await load.stop();
        assert.deepEqual(load.failures.slice(0, 5), [], `${load.failures.length} of ${load.answered} failed`);
        answered += load.answered;
        slowest = Math.max(slowest, load.slowest);
      }
      rounds.push(await held());
    }
    const seconds = (performance.now() - began) / 1000;
    const [warm, middle, end] = rounds;
    const figures = JSON.stringify({ reloads, answered, perSecond: Math.round(answered / seconds), slowest: Math.round(slowest), rounds });
    console.log(`# ${figures}`);
    // An even and an odd configuration differ by a listener: two sockets in the gateway, two in the supervisor.
    assert.ok(Math.abs(end.gateway - warm.gateway) <= 4, `descriptors of the gateway: ${figures}`);
    assert.ok(Math.abs(end.supervisor - warm.supervisor) <= 4, `descriptors of the supervisor: ${figures}`);
    if (!process.env.SALLYPORT_SANITIZER) {
      assert.ok(end.memory - middle.memory < 2048 + middle.memory * 0.03, `memory of the gateway in kB: ${figures}`);
      assert.ok(end.supervisorMemory - middle.supervisorMemory < 1024, `memory of the supervisor in kB: ${figures}`);
    }
    assert.equal(gateway.child(), child, 'the same process all the time');
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('sallyport_reloads_total') - before, reloads);
    assert.equal(metrics.sum('sallyport_reloads_refused_total'), 0);
    assert.equal(metrics.sum('sallyport_gateway_restarts_total'), 0);
  });
});
