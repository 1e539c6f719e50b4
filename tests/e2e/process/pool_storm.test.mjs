// Endpoints that come and go and reloads at once, under all that holds a connection of a former generation: hedged requests, copies,
// fallbacks, retries, compressed answers, clients that leave. Nothing crashes, and nothing is left behind.
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EndpointFile } from '../discovery/lib.mjs';
import { startGateway } from '../lib/gateway.mjs';
import { Load } from '../lib/load.mjs';
import { requestText } from '../lib/raw.mjs';
import { HOST, closeAll } from '../lib/stage.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const LISTENER = { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' };
const SECONDS = 6 * Math.min(SLOW, 3);
const TEXT = 'a line of text that is said again. '.repeat(900);

// Answers late, not at all, with a failure, in pieces, or by closing: by chance.
async function startMoodyServer(scheme) {
  const sessions = new Set();
  const cut = ({ stream, socket }) => (scheme === 'h2c' ? stream.session?.destroy() : socket.destroy());
  const server = (scheme === 'h2c' ? http2 : http).createServer((request, response) => {
    const mood = Math.random();
    request.resume();
    request.on('error', () => {});
    response.on('error', () => {});
    setTimeout(() => {
      if (mood < 0.03) return cut(request);
      if (mood < 0.1) return response.writeHead(503).end('no');
      response.setHeader('Content-Type', 'text/plain');
      if (mood < 0.5) return response.end(TEXT);
      response.write(TEXT.slice(0, 5000));
      setTimeout(() => (mood < 0.53 ? cut(request) : response.end(TEXT.slice(5000))), 2);
    }, mood * 8);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  server.keepAliveTimeout = 50; // closes what is kept, too
  server.on('session', (session) => sessions.add(session.on('error', () => {})));
  return {
    url: `${scheme}://127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => (server.close(done), server.closeAllConnections?.(), sessions.forEach((s) => s.destroy()))),
  };
}

describe('endpoints and configurations that change under load', () => {
  let servers, files, gateway;
  before(async () => {
    servers = await Promise.all(['http', 'http', 'h2c', 'h2c'].map(startMoodyServer));
    files = [0, 1, 2].map(() => new EndpointFile(servers.map(({ url }) => url)));
    gateway = await startGateway({ config: config(0) });
  });
  after(() => closeAll(() => gateway?.stop(), ...servers.map((server) => () => server.close())));

  const open = (path, more) => ({ match: { host: HOST, path }, listeners: ['plain'], auth: 'none', timeout: '500ms', ...more });
  const found = (n, more) => ({ discover: files[n].url, connect_timeout: '200ms', retry_budget: 100, idle_timeout: '100ms', ...more });

  function config(i) {
    return {
      instance: 'storm',
      workers: 2,
      logs: { access: { file: 'off' } },
      listeners: { plain: LISTENER, ops: { ...LISTENER, status: true } },
      upstreams: {
        one: found(0, { max_connections: 4, max_pending: 8, pending_timeout: '100ms' }),
        two: found(1, { balance: 'hash', hash_by: 'address', outliers: { failures: 5, ejection: '1s' } }),
        three: found(2, { breaker: { failures: 50, minimum: 20, window: '1s', open: '100ms' } }),
        copies: found(i % 3),
        gone: { endpoints: ['http://127.0.0.1:1'], connect_timeout: '100ms' },
      },
      routes: {
        hedged: open('/hedged/**', { upstream: 'one', hedge: { after: '2ms' }, compress: true }),
        copied: open('/copied/**', { upstream: 'two', mirror: { upstream: 'copies' }, retry: { on: ['503', 'reset'], attempts: 2, backoff: '1ms' } }),
        fallen: open('/fallen/**', { upstream: 'gone', fallback: { upstream: 'three' }, compress: true }),
        split: open('/split/**', { split: { weights: { one: 1, two: 1, three: 1 } }, hedge: { after: `${1 + (i % 5)}ms` } }),
        [`changing-${i % 4}`]: open(`/changing/${i}/**`, { upstream: 'one' }),
      },
    };
  }

  it('nothing crashes, and nothing is left behind', { timeout: 60_000 * SLOW }, async () => {
    const fields = [['Accept-Encoding', 'gzip, zstd']];
    const requests = ['/hedged/x', '/copied/x', '/fallen/x', '/split/x'].map((path) => requestText({ path, host: HOST, fields }));
    const loads = [0, 1].map(() => new Load({ port: gateway.ports.plain, requests, rate: 300 / SLOW, connections: 24 }).start());
    const child = gateway.child();
    const end = Date.now() + SECONDS * 1000;
    // Clients that ask and are gone.
    const leaving = (async () => {
      while (Date.now() < end) {
        const socket = net.connect({ host: '127.0.0.1', port: gateway.ports.plain });
        socket.on('error', () => {});
        socket.write(requests[Math.floor(Math.random() * requests.length)]);
        await sleep(Math.random() * 10);
        socket.destroy();
      }
    })();
    let reloads = 0;
    while (Date.now() < end) {
      for (const file of files) file.write(servers.filter(() => Math.random() < 0.6).map(({ url }) => url));
      const event = await gateway.reload(config(++reloads));
      assert.equal(event.event, 'ready', JSON.stringify(event));
      // Long enough for the files to be looked at under one configuration, now and then.
      await sleep(reloads % 4 === 0 ? 1100 : 50);
    }
    await leaving;
    for (const load of loads) await load.stop();
    const metrics = await gateway.metrics();
    const done = ['hedges', 'hedges_won', 'mirrored_requests', 'fallbacks', 'upstream_retries', 'compressed_responses', 'client_aborts'];
    for (const name of done) assert.ok(metrics.sum(`sallyport_${name}_total`) > 0, name);
    assert.ok(loads.every((load) => load.answered > 20), 'some were answered');
    for (const file of files) file.write([]);
    await until('connections to be gone', async () => {
      const metrics = await gateway.metrics();
      return metrics.sum('sallyport_exchanges_open') === 0 && metrics.sum('sallyport_upstream_connections_open') === 0;
    });
    assert.equal(gateway.child(), child, 'the same process all the time');
    console.log(`# ${JSON.stringify({ reloads, statuses: loads.map(({ statuses }) => Object.fromEntries(statuses)) })}`);
    assert.deepEqual(gateway.complaints(), []);
  });
});
