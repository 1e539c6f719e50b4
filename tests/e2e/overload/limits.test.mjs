// Limits on connections and handshakes, kept right after accept: who is refused costs nothing, and others are served.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { userInfo } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { processorTime } from '../lib/processor.mjs';
import { requestText } from '../lib/raw.mjs';
import { gatewayCertificate, OPEN, openStage } from '../lib/stage.mjs';
import { until, within } from '../lib/wait.mjs';

const REFUSED = 'sallyport_connections_refused_total';

describe('limits on connections and handshakes', () => {
  let s;
  before(async () => {
    const server = gatewayCertificate();
    const secure = { address: '127.0.0.1', port: 0, tls: { certificates: [{ cert: server.certFile, key: server.keyFile }] } };
    const plain = { address: '127.0.0.1', port: 0, plaintext: 'allow' };
    s = await openStage({
      upstream: { record: false },
      config: {
        workers: 1,
        listeners: {
          few: { ...plain, max_connections: 2 },
          addresses: { ...plain, max_connections_per_address: 2, trusted_proxies: ['127.0.0.3'], forwarded: 'x_forwarded' },
          clients: { ...secure, handshakes_per_address: '3/1m', trusted_proxies: ['127.0.0.3'], forwarded: 'x_forwarded' },
          slow: { ...secure, handshakes: '5/1s' },
        },
      },
      routes: { open: { ...OPEN, listeners: ['public', 'few', 'addresses', 'clients', 'slow'] } },
    });
  });
  after(() => s?.close());

  const refused = async (reason) => (await s.gateway.metrics()).sum(REFUSED, { reason });
  const ask = async (client) => {
    await client.send(requestText({ path: '/open/x' }));
    return (await client.response()).status;
  };
  // Either no connection comes about, or it ends before any answer.
  const isTurnedAway = async (options) => {
    let client;
    try {
      client = await s.connect(options);
    } catch {
      return true;
    }
    try {
      await client.send(requestText({ path: '/open/x' }));
      return (await client.response()).status === undefined;
    } catch {
      return true;
    } finally {
      client.destroy();
    }
  };

  it('a listener has as many connections as it may', async () => {
    const before = await refused('listener_connections');
    const clients = [await s.connect({ listener: 'few', plain: true }), await s.connect({ listener: 'few', plain: true })];
    for (const client of clients) assert.equal(await ask(client), 200);
    assert.ok(await isTurnedAway({ listener: 'few', plain: true }));
    assert.equal(await refused('listener_connections'), before + 1);
    // Those that are there go on, and one that ends makes room.
    for (const client of clients) assert.equal(await ask(client), 200);
    clients[0].destroy();
    await until('room', async () => !(await isTurnedAway({ listener: 'few', plain: true })));
    clients[1].destroy();
  });

  it('a client address has as many as it may; another one and a trusted proxy are not counted with it', async () => {
    const open = (localAddress) => s.connect({ listener: 'addresses', plain: true, localAddress });
    const clients = [await open('127.0.0.1'), await open('127.0.0.1')];
    for (const client of clients) assert.equal(await ask(client), 200);
    assert.ok(await isTurnedAway({ listener: 'addresses', plain: true, localAddress: '127.0.0.1' }));
    assert.equal(await refused('address_connections'), 1);
    const other = await open('127.0.0.2');
    assert.equal(await ask(other), 200);
    const proxies = await Promise.all(Array.from({ length: 5 }, () => open('127.0.0.3')));
    for (const proxy of proxies) assert.equal(await ask(proxy), 200);
    // The same address at another listener: a count of its own.
    assert.equal((await s.request({ path: '/open/x', localAddress: '127.0.0.1' })).status, 200);
    clients[0].destroy();
    await until('room', async () => !(await isTurnedAway({ listener: 'addresses', plain: true, localAddress: '127.0.0.1' })));
    for (const client of [clients[1], other, ...proxies]) client.destroy();
  });

  it('a flood of handshakes from one address: no more of them than allowed, and others are served', async () => {
    const flood = { listener: 'clients', localAddress: '127.0.0.1' };
    const established = await s.connect(flood);
    assert.equal(await ask(established), 200); // its handshake is over for the gateway, too
    const before = await s.gateway.metrics();
    const attempts = Array.from({ length: 200 }, () => isTurnedAway(flood));
    for (let i = 0; i < 3; i++) assert.equal((await s.request({ path: '/open/x', listener: 'clients', localAddress: `127.0.1.${i + 1}` })).status, 200);
    assert.equal(await ask(established), 200, 'what is established goes on');
    const away = (await Promise.all(attempts)).filter(Boolean).length;
    assert.equal(away, 198, 'two more, of three a minute');
    const after = await s.gateway.metrics();
    assert.equal(after.sum(REFUSED, { reason: 'address_handshakes' }), 198);
    assert.equal(after.sum('sallyport_tls_handshakes_total') - before.sum('sallyport_tls_handshakes_total'), 5);
    // A proxy brings many clients.
    for (let i = 0; i < 6; i++) assert.equal((await s.request({ path: '/open/x', listener: 'clients', localAddress: '127.0.0.3' })).status, 200);
    established.destroy();
  });

  it("a worker's handshakes are spread over time: who waits is served, and nobody else waits", async () => {
    const established = await s.connect({ listener: 'slow' });
    const began = performance.now();
    const many = Array.from({ length: 6 }, () => s.request({ path: '/open/x', listener: 'slow' }));
    let done = false;
    const all = Promise.all(many).finally(() => (done = true));
    let meanwhile = 0;
    while (!done) {
      assert.equal(await ask(established), 200);
      meanwhile++;
    }
    for (const response of await all) assert.equal(response.status, 200);
    const took = performance.now() - began;
    assert.ok(took > 900, `six handshakes, five a second, took ${took} ms`);
    assert.ok(meanwhile > 10, `only ${meanwhile} requests were served meanwhile`);
    assert.ok((await s.gateway.metrics()).sum('sallyport_handshake_pauses_total') > 0);
    established.destroy();
  });
});

describe('no descriptor left', () => {
  let s;
  before(async () => {
    s = await openStage({
      upstream: { tls: null, record: false },
      // As whoever runs the tests, who may then lower its limits.
      config: { workers: 1, user: userInfo().username, listeners: { plain: { address: '127.0.0.1', port: 0, plaintext: 'allow' } } },
      routes: { open: { ...OPEN, listeners: ['plain'] } },
    });
  });
  after(() => s?.close());

  it('clients are turned away at once, what is there goes on, the loop does not spin', async () => {
    const pid = s.gateway.child();
    const established = await s.connect({ listener: 'plain', plain: true });
    const ask = async () => {
      await established.send(requestText({ path: '/open/x' }));
      return (await established.response()).status;
    };
    assert.equal(await ask(), 200);
    const highest = Math.max(...readdirSync(`/proc/${pid}/fd`).map(Number));
    // Everything below is in use or will be by the first of them.
    const before = /Max open files +(\S+)/.exec(readFileSync(`/proc/${pid}/limits`, 'latin1'))[1];
    execFileSync('prlimit', ['--pid', String(pid), `--nofile=${highest + 1}:`]);
    try {
      const clients = Array.from({ length: 100 }, () => {
        const socket = net.connect(s.gateway.ports.plain, '127.0.0.1');
        socket.on('error', () => {});
        socket.resume();
        return { socket, closed: new Promise((resolve) => socket.once('close', resolve)) };
      });
      await until('refusals', async () => clients.filter((c) => c.socket.destroyed).length >= 50);
      const spent = processorTime(pid);
      for (let i = 0; i < 20; i++) assert.equal(await ask(), 200);
      await new Promise((resolve) => setTimeout(resolve, 300)); // the subject: what does it do with nothing to do?
      assert.ok(processorTime(pid) - spent < 200, `it spent ${processorTime(pid) - spent} ms on nothing`);
      for (const { socket } of clients) socket.destroy();
    } finally {
      execFileSync('prlimit', ['--pid', String(pid), `--nofile=${before}:`]);
    }
    const metrics = await s.gateway.metrics();
    assert.ok(metrics.sum(REFUSED, { reason: 'descriptors' }) >= 50);
    // Twin: with descriptors again, everybody is served.
    assert.equal(await within(10_000, 'a new connection', s.request({ path: '/open/x', listener: 'plain', plain: true }).then((r) => r.status)), 200);
    established.destroy();
  });
});
