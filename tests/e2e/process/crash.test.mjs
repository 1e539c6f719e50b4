// The gateway process is killed under load: accepting goes on at once on the same sockets, who waits in their queues is
// served, and no request is lost but those that were under way.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport, startGateway } from '../lib/gateway.mjs';
import { Load, startPlainUpstream } from '../lib/load.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { HOST, closeAll } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { SLOW, until, within } from '../lib/wait.mjs';

const LISTENER = { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' };
const OPEN = requestText({ path: '/open/x', host: HOST });

describe('a gateway process that is killed under load', () => {
  let dir, upstream, gateway;
  let kills = 0;
  before(async () => {
    dir = tempDir('crash');
    upstream = await startPlainUpstream();
    gateway = await startGateway({
      config: {
        instance: 'crash',
        workers: 2,
        logs: { access: { file: 'off' }, audit: { file: join(dir, 'audit.log') } },
        listeners: { plain: LISTENER, ops: { ...LISTENER, status: true } },
        upstreams: { u: { endpoints: [upstream.url] } },
        routes: { open: { match: { host: HOST, path: '/open/**' }, upstream: 'u', auth: 'none', listeners: ['plain'], limits: [{ limit: '1000000/10m', by: 'address', name: 'many' }] } },
      },
    });
  });
  after(() => closeAll(() => gateway?.stop(), () => upstream?.close()));

  const kill = async () => {
    const from = gateway.events.length;
    const at = performance.now();
    process.kill(gateway.child(), 'SIGKILL');
    kills++;
    await gateway.wait('it to be ready again', () => gateway.events.slice(from).find((e) => e.event === 'ready'));
    return { ms: performance.now() - at, restarting: gateway.events.slice(from).find((e) => e.event === 'gateway_restarting') };
  };
  const ask = async () => {
    const client = await RawClient.connect({ port: gateway.ports.plain });
    await client.send(OPEN);
    const response = await client.response();
    client.end();
    return response;
  };
  const left = async () => Number(/r=([0-9]+)/.exec((await ask()).fields.get('ratelimit'))[1]);

  it('only requests in flight are lost, none is refused, none hangs', async () => {
    const CLIENTS = 24;
    const counted = 1_000_000 - (await left());
    const loads = [
      new Load({ port: gateway.ports.plain, requests: [OPEN], rate: 500 / SLOW, connections: CLIENTS }),
      new Load({ port: gateway.ports.plain, requests: [OPEN], rate: 300 / SLOW, connections: CLIENTS, each: 1 }),
    ].map((load) => load.start());
    const traffic = async () => {
      const seen = loads.map((load) => load.answered);
      await until('traffic', () => loads.every((load, i) => load.answered > seen[i] + 20));
    };
    await traffic();
    const times = [];
    for (let i = 0; i < 3; i++) {
      const { ms, restarting } = await kill();
      times.push(Math.round(ms));
      // The first time at once, then with growing delays.
      assert.equal(restarting.delay_ms, [0, 100, 200][i]);
      await traffic();
    }
    for (const load of loads) {
      await load.stop();
      assert.equal(load.count('refused'), 0);
      assert.equal(load.count('unanswered'), 0);
      assert.equal(load.count('status'), 0);
      assert.ok(load.count('lost') <= 3 * CLIENTS, `${load.count('lost')} of ${load.answered} lost`);
    }
    console.log(`# ready again after ${times} ms; ${loads.map((l) => `${l.answered} answered, ${l.count('lost')} lost, slowest ${Math.round(l.slowest)} ms`).join('; ')}`);
    // What was counted before the kills is counted still.
    const all = loads.reduce((sum, load) => sum + load.answered, 0);
    const now = 1_000_000 - (await left());
    assert.ok(now >= counted + all, `${now} counted, ${counted} before and ${all} answered since`);
  });

  it('connections that wait in the accept queues are served by the next one', async () => {
    const child = gateway.child();
    process.kill(child, 'SIGSTOP'); // it accepts nothing any more, once all its threads stand
    const stands = (task) => /\) T /.test(readFileSync(`/proc/${child}/task/${task}/stat`, 'latin1'));
    await until('its threads to stop', () => readdirSync(`/proc/${child}/task`).every(stands));
    const clients = [];
    for (let i = 0; i < 40; i++) {
      const client = await RawClient.connect({ port: gateway.ports.plain });
      await client.send(OPEN);
      clients.push(client);
    }
    await kill();
    // Those that were accepted in the last moment before are lost with it: here nobody was.
    for (const client of clients) {
      assert.equal((await within(10_000, 'an answer from the queue', client.response())).status, 200);
      client.end();
    }
  });

  it('the audit log tells of each start, and its chain holds; the metric tells of restarts', async () => {
    const file = join(dir, 'audit.log');
    const started = () => readFileSync(file, 'utf8').split('\n').filter((line) => line.endsWith('}')).map((line) => JSON.parse(line)).filter((line) => line.event === 'started');
    await until('the last start', () => started().length === kills + 1);
    assert.equal(new Set(started().map((line) => line.boot)).size, kills + 1, 'each start is a boot of its own');
    assert.ok(started().every((line) => line.seq === 1));
    const { code, stdout } = await sallyport(['audit', 'verify', file]);
    assert.equal(code, 0, stdout);
    assert.equal((await gateway.metrics()).sum('sallyport_gateway_restarts_total'), kills);
  });
});
