// `sallyport upgrade`: another binary takes over under the same process id, while traffic goes on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync, readlinkSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { binary, sallyport, startGateway } from '../lib/gateway.mjs';
import { standardIssuer } from '../lib/issuer.mjs';
import { listen } from '../lib/listen.mjs';
import { Load, startPlainUpstream } from '../lib/load.mjs';
import { authority } from '../lib/pki.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { HOST, OPEN, closeAll, gatewayCertificate, merge, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { SLOW, until } from '../lib/wait.mjs';
import { echo } from '../lib/upstream.mjs';

const LISTENER = { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' };
const upgrade = (gateway, options) => sallyport(['upgrade', '--config', gateway.file], { ms: 60_000, ...options });
const isRoot = process.getuid() === 0;

describe('an upgrade under traffic', () => {
  let dir, upstream, issuer, keys, gateway, program;
  before(async () => {
    dir = tempDir('upgrade');
    upstream = await startPlainUpstream();
    issuer = await standardIssuer();
    // Keys by URL, and slowly: the new process must have them before it takes its first request.
    const file = await issuer.writeJwks(join(dir, 'keys.json'));
    keys = http.createServer((request, response) => setTimeout(() => response.end(readFileSync(file)), 200));
    await new Promise((done) => keys.listen(0, '127.0.0.1', done));
    // Versions side by side, and a link to the one in use.
    program = join(dir, 'sallyport');
    symlinkSync(binary(), program);
    const server = gatewayCertificate();
    const open = (path) => ({ match: { host: HOST, path }, listeners: ['public', 'plain'], upstream: 'u', auth: 'none' });
    gateway = await startGateway({
      program,
      config: {
        instance: 'upgrade',
        workers: 2,
        // For half of it no idle connection is closed: each of the clients asks again by then.
        shutdown: { deadline: '20s' },
        logs: { access: { file: 'off' }, audit: { file: join(dir, 'audit.log') } },
        listeners: {
          public: { address: '127.0.0.1', port: 0, tls: { certificates: [{ cert: server.certFile, key: server.keyFile }] } },
          plain: LISTENER,
          ops: { ...LISTENER, status: true },
        },
        issuers: { main: { issuer: issuer.issuer, audiences: ['orders'], algorithms: ['RS256'], jwks_url: `http://127.0.0.1:${keys.address().port}/keys` } },
        upstreams: { u: { endpoints: [upstream.url] } },
        routes: {
          open: { ...open('/open/**'), limits: [{ limit: '1000000/10m', by: 'address', name: 'many' }] },
          orders: { ...open('/orders/**'), auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'] } },
        },
      },
    });
    await gateway.event('keys_fetched');
  });
  after(() => closeAll(() => gateway?.stop(), () => keys?.close(), () => upstream?.close()));

  const left = async () => {
    const client = await RawClient.connect({ port: gateway.ports.plain });
    await client.send(requestText({ path: '/open/x', host: HOST }));
    const response = await client.response();
    client.end();
    return Number(/r=([0-9]+)/.exec(response.fields.get('ratelimit'))[1]);
  };

  it('no connection is refused and no request fails; limits count on; the process id stays', async () => {
    const token = await issuer.mint({ aud: 'orders', scope: 'read_orders' }, { alg: 'RS256' });
    const open = requestText({ path: '/open/x', host: HOST });
    const orders = requestText({ path: '/orders/1', host: HOST, fields: [['Authorization', `Bearer ${token}`]] });
    const secure = { ca: authority().cert, servername: HOST };
    const { plain, public: port } = gateway.ports;
    const pid = gateway.process.pid;
    const before = await left();
    const loads = [
      new Load({ port: plain, requests: [open, orders], rate: 300 / SLOW, connections: 16 }),
      new Load({ port: plain, requests: [orders], rate: 200 / SLOW, connections: 16, each: 1 }),
      new Load({ port, requests: [orders, open], rate: 200 / SLOW, connections: 8, secure }),
      new Load({ port, requests: [open], rate: 20 / SLOW, connections: 4, each: 1, secure }),
      // Denied: so that all of them write to the audit log.
      new Load({ port: plain, requests: [requestText({ path: '/nowhere', host: HOST })], rate: 50 / SLOW, connections: 4, expected: 404 }),
      // Seldom: its connections are idle while their process retires.
      new Load({ port: plain, requests: [open], rate: 10, connections: 8 }),
    ].map((load) => load.start());
    const traffic = async () => {
      const seen = loads.map((load) => load.answered);
      await until('traffic', () => loads.every((load, i) => load.failures.length > 0 || load.answered > seen[i] + 3));
    };
    await traffic();
    const generations = [gateway.child()];
    for (let i = 1; i <= 3; i++) {
      const next = join(dir, `sallyport-${i}`);
      copyFileSync(binary(), next);
      symlinkSync(next, `${program}.new`);
      renameSync(`${program}.new`, program);
      const { code, stdout, stderr } = await upgrade(gateway);
      assert.equal(code, 0, stderr + gateway.output.slice(-2000));
      assert.match(stdout, new RegExp(`version .* as process ${pid}\n`));
      if (isRoot) {
        assert.equal(readlinkSync(`/proc/${pid}/exe`), next);
        assert.equal(readlinkSync(`/proc/${gateway.child()}/exe`), next);
      }
      assert.equal(readFileSync(`/proc/${pid}/comm`, 'latin1'), 'sallyport\n');
      generations.push(gateway.child());
      await traffic();
    }
    for (const load of loads) {
      await load.stop();
      assert.deepEqual(load.failures.slice(0, 5), [], `${load.failures.length} of ${load.answered} failed`);
    }
    console.log(`# 3 upgrades, ${loads.reduce((sum, l) => sum + l.answered, 0)} answered, none failed; slowest ${Math.round(Math.max(...loads.map((l) => l.slowest)))} ms`);
    assert.equal(new Set(generations).size, 4);
    const counted = loads[0].answered / 2 + loads[3].answered;
    assert.ok(before - (await left()) > counted * 0.9, 'what the programs before counted is counted');
    const metrics = await gateway.metrics();
    assert.equal(metrics.sum('sallyport_upgrades_total'), 3);
    assert.equal(metrics.sum('sallyport_gateway_restarts_total'), 0);
    await until('the older ones to be gone', () => gateway.children().length === 1, 20_000);
    assert.ok(gateway.events.every((e) => !['gateway_exited', 'gateway_killed'].includes(e.event)));
  });

  it('the audit log names who relieved whom, and its chain holds', async () => {
    const file = join(dir, 'audit.log');
    const lines = (event) => readFileSync(file, 'utf8').split('\n').filter((line) => line.endsWith('}')).map((line) => JSON.parse(line)).filter((line) => line.event === event);
    await until('the last end to be sealed', () => lines('succeeded').length === 3);
    const boots = lines('started').map((line) => line.boot);
    assert.equal(new Set(boots).size, 4);
    assert.deepEqual(lines('relieved').map((line) => [line.boot, line.detail]), [0, 1, 2].map((i) => [boots[i], boots[i + 1]]));
    const { code, stdout } = await sallyport(['audit', 'verify', file]);
    assert.equal(code, 0, stdout);
    // The negative twin: without one line of a program before it does not hold.
    const text = readFileSync(file, 'utf8').split('\n');
    const at = text.findIndex((line) => line.includes('"stopped"'));
    writeFileSync(join(dir, 'cut.log'), [...text.slice(0, at), ...text.slice(at + 1)].join('\n'));
    assert.equal((await sallyport(['audit', 'verify', join(dir, 'cut.log')])).code, 1);
  });
});

describe('an upgrade', () => {
  let s, program, dir;
  before(async () => {
    dir = tempDir('versions');
    program = join(dir, 'sallyport');
    copyFileSync(binary(), program);
    s = await openStage({ config: { shutdown: { deadline: '10s' } }, routes: { open: OPEN }, gateway: { program } });
  });
  after(() => s?.close());

  const serves = async () => assert.equal((await s.request({ path: '/open/x' })).status, 200);
  const install = (make) => {
    make(`${program}.new`);
    renameSync(`${program}.new`, program);
  };
  const good = (path) => copyFileSync(binary(), path);

  it('a request that is under way is answered by the program that it began with', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    s.upstream.script = async (exchange) => {
      if (exchange.request.target === '/open/held') await held;
      await echo(exchange);
    };
    const old = s.gateway.child();
    const busy = await s.connect();
    await busy.send(requestText({ path: '/open/held' }));
    await s.upstream.request('the held request', (r) => r.target === '/open/held');
    const idle = await s.connect(); // nothing was asked yet
    assert.equal((await upgrade(s.gateway)).code, 0);
    assert.deepEqual(s.gateway.children(), [old, s.gateway.child()]);
    assert.notEqual(s.gateway.child(), old);
    await serves();
    // One more request on a connection to the old one; its answer says that it is the last.
    await idle.send(requestText({ path: '/open/x' }));
    const last = await idle.response();
    assert.equal(last.status, 200);
    assert.match(last.fields.get('connection') ?? '', /close/i);
    release();
    assert.equal((await busy.response()).status, 200);
    await until('the old one to end', () => s.gateway.children().length === 1);
    // The health of the new one is what is told meanwhile.
    assert.equal((await s.gateway.get('/readyz')).status, 200);
  });

  it('takes up a configuration that changed, even what a reload cannot', async () => {
    const changed = merge(s.config, { workers: 3, listeners: { more: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } }, routes: { open: { listeners: ['public', 'more'] } } });
    s.gateway.write(changed);
    assert.equal((await upgrade(s.gateway)).code, 0);
    await s.gateway.event('listening', (e) => e.listener === 'more');
    assert.equal((await s.request({ listener: 'more', plain: true, path: '/open/x' })).status, 200);
    for (let i = 0; i < 12; i++) await serves(); // each worker has a socket, and each socket a worker
    s.gateway.write({ ...changed, workers: 1 });
    assert.equal((await upgrade(s.gateway)).code, 0);
    for (let i = 0; i < 12; i++) await serves();
  });

  for (const [name, make, reason] of [
    ['a configuration with errors', () => s.gateway.write(merge(s.config, { routes: { open: { upstraem: 'x' } } })), /refuses the configuration/],
    ['a program that is none', () => install((path) => (writeFileSync(path, 'nothing\n'), chmodSync(path, 0o755))), /cannot be executed/],
    ['a program that is another', () => install((path) => copyFileSync('/bin/true', path)), /cannot take over \(exit status 0\)/],
    ['no program', () => renameSync(program, `${program}.gone`), /cannot be opened/],
  ]) {
    it(`${name}: the old one goes on and says so`, async () => {
      const child = s.gateway.child();
      const from = s.gateway.events.length;
      make();
      const { code, stderr } = await upgrade(s.gateway);
      assert.equal(code, 1);
      assert.match(stderr, reason);
      await s.gateway.wait('the refusal', () => s.gateway.events.slice(from).find((e) => e.event === 'upgrade_refused' && reason.test(e.reason)));
      assert.equal(s.gateway.child(), child);
      await serves();
      install(good);
      s.gateway.write(s.config);
    });
  }

  it('a program that fails after it took over becomes the old one again', async () => {
    const child = s.gateway.child();
    const taken = net.createServer().listen(0, '127.0.0.1');
    await new Promise((done) => taken.once('listening', done));
    s.gateway.write(merge(s.config, { listeners: { taken: { address: '127.0.0.1', port: taken.address().port, exposure: 'internal', plaintext: 'allow' } }, routes: { open: { listeners: ['public'] } } }));
    const { code, stderr } = await upgrade(s.gateway);
    assert.equal(code, 1);
    assert.match(stderr, /listener taken: 127\.0\.0\.1:[0-9]+ is in use/);
    taken.close();
    assert.equal(s.gateway.child(), child, 'the gateway process noticed nothing');
    await serves();
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    assert.equal((await upgrade(s.gateway)).code, 0);
    await serves();
  });

  it('is not to be had for everybody', { skip: isRoot ? false : 'not started as root' }, async () => {
    const child = s.gateway.child();
    chmodSync(s.gateway.dir, 0o755);
    chmodSync(s.gateway.file, 0o644);
    const stranger = (path) => execFileSync(path, ['upgrade', '--config', s.gateway.file], { uid: 65534, gid: 65534, stdio: 'pipe', cwd: '/' });
    assert.throws(() => stranger(program), (error) => error.status === 1 && /without an answer/.test(String(error.stderr)));
    await serves();
    assert.equal(s.gateway.child(), child);
    assert.equal((await upgrade(s.gateway)).code, 0);
    assert.notEqual(s.gateway.child(), child);
  });

  it('where nobody runs the configuration, the command says so', async () => {
    const file = join(dir, 'other.yaml');
    writeFileSync(file, '{}');
    const { code, stderr } = await sallyport(['upgrade', '--config', file]);
    assert.equal(code, 1);
    assert.match(stderr, /no supervisor runs with this configuration/);
    assert.equal((await sallyport(['upgrade', '--config', '/nonexistent.yaml'])).code, 1);
    assert.equal((await sallyport(['upgrade'])).code, 2);
  });
});

describe('what one program leaves to the next', () => {
  let dir, issuer, upstream, gateway, ca, port;
  let keys = null;
  const startKeys = async () => {
    const file = await issuer.writeJwks(join(dir, 'keys.json'));
    keys = http.createServer((request, response) => response.end(readFileSync(file)));
    port = await listen(keys, port);
  };
  const stopKeys = async () => {
    keys?.closeAllConnections();
    await new Promise((done) => (keys ? keys.close(done) : done()));
    keys = null;
  };
  const config = (stale) => {
    const server = gatewayCertificate();
    const route = (path) => ({ match: { host: HOST, path }, listeners: ['public'], upstream: 'u' });
    return {
      instance: 'bequest',
      workers: 2,
      shutdown: { deadline: '2s' },
      logs: { access: { file: 'off' } },
      listeners: { public: { address: '127.0.0.1', port: 0, tls: { certificates: [{ cert: server.certFile, key: server.keyFile }] } }, ops: { ...LISTENER, status: true } },
      issuers: { main: { issuer: issuer.issuer, audiences: ['orders'], algorithms: ['RS256'], jwks_url: `http://127.0.0.1:${port}/keys`, jwks_refresh: '1s', jwks_stale: stale } },
      upstreams: { u: { endpoints: [upstream.url] } },
      routes: { open: { ...route('/open/**'), auth: 'none' }, orders: { ...route('/orders/**'), auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'] } } },
    };
  };
  before(async () => {
    dir = tempDir('bequest');
    upstream = await startPlainUpstream();
    issuer = await standardIssuer();
    ca = authority().cert;
    await startKeys();
    gateway = await startGateway({ config: config('1h') });
    await gateway.event('keys_fetched');
  });
  after(() => closeAll(() => gateway?.stop(), () => stopKeys(), () => upstream?.close()));

  const connect = (version, session) => RawClient.connect({ port: gateway.ports.public, tls: { ca, servername: HOST, minVersion: version, maxVersion: version, session } });
  const ask = async (client, path = '/open/x', fields = []) => {
    await client.send(requestText({ path, host: HOST, fields }));
    return client.response();
  };
  const session = async (version) => {
    const client = await connect(version);
    assert.equal((await ask(client)).status, 200);
    const ticket = await until('a session', () => client.session);
    client.destroy();
    return ticket;
  };
  // Does it resume? Counted by the gateway that serves, too.
  const resumes = async (version, ticket) => {
    const before = (await gateway.metrics()).sum('sallyport_tls_handshakes_resumed_total');
    const client = await connect(version, ticket);
    assert.equal((await ask(client)).status, 200);
    const reused = client.socket.isSessionReused();
    client.destroy();
    await until('the handshake to be counted', async () => (await gateway.metrics()).sum('sallyport_tls_handshakes_resumed_total') === before + (reused ? 1 : 0));
    return reused;
  };
  const order = async () => {
    const client = await connect('TLSv1.3');
    const token = await issuer.mint({ aud: 'orders', scope: 'read_orders' }, { alg: 'RS256' });
    const response = await ask(client, '/orders/1', [['Authorization', `Bearer ${token}`]]);
    client.destroy();
    return response.status;
  };
  const upgraded = async () => {
    const old = gateway.child();
    assert.equal((await upgrade(gateway)).code, 0);
    assert.notEqual(gateway.child(), old);
  };
  const crash = async () => {
    const old = gateway.child();
    const from = gateway.events.length;
    process.kill(old, 'SIGKILL');
    await gateway.wait('another process to serve', () => gateway.events.slice(from).find((e) => e.event === 'ready'));
  };

  it('a session resumes after an upgrade; after two, its key is rotated out', async () => {
    const versions = ['TLSv1.3', 'TLSv1.2'];
    const tickets = await Promise.all(versions.map(session));
    assert.deepEqual([await resumes(versions[0], tickets[0]), await resumes(versions[1], tickets[1])], [true, true]);
    await upgraded();
    assert.deepEqual([await resumes(versions[0], tickets[0]), await resumes(versions[1], tickets[1])], [true, true]);
    const renewed = await session(versions[0]);
    await upgraded();
    assert.deepEqual([await resumes(versions[0], tickets[0]), await resumes(versions[1], tickets[1])], [false, false]);
    assert.equal(await resumes(versions[0], renewed), true);
  });

  it('a process that has died leaves none: it may have died of an attack', async () => {
    const ticket = await session('TLSv1.3');
    await crash();
    assert.equal(await resumes('TLSv1.3', ticket), false);
    assert.equal(await resumes('TLSv1.3', await session('TLSv1.3')), true);
  });

  it('the key server gone meanwhile: tokens are good as before, over several upgrades, and no longer than jwks_stale', async () => {
    assert.equal(await order(), 200);
    await stopKeys();
    for (let i = 0; i < 2; i++) {
      const from = gateway.events.length;
      await upgraded();
      await gateway.wait('the keys to be inherited', () => gateway.events.slice(from).find((e) => e.event === 'keys_inherited'));
      assert.equal(await order(), 200);
    }
    await gateway.event('keys_failed');
    assert.equal(await order(), 200);
    // The time since which it fails is handed on: an upgrade does not make keys younger.
    const from = gateway.events.length;
    gateway.write(config('1s'));
    await upgraded();
    await until('the keys to be too old', async () => (await order()) === 503, 5_000);
    await startKeys();
    await gateway.wait('new keys', () => gateway.events.slice(from).find((e) => e.event === 'keys_fetched'));
    await until('tokens to be good again', async () => (await order()) === 200, 5_000);
  });

  it('the key server gone, and a process that died: its keys are not relied on', async () => {
    gateway.write(config('1h'));
    await upgraded();
    assert.equal(await order(), 200);
    await stopKeys();
    await crash();
    assert.equal(await order(), 503);
    await startKeys();
    await until('tokens to be good again', async () => (await order()) === 200, 10_000);
  });
});
