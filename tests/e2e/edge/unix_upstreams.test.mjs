// Upstreams at the path of a Unix socket.
import assert from 'node:assert/strict';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport, startGateway } from '../lib/gateway.mjs';
import { haproxy, nginx, startHaproxy, startNginx } from '../lib/proxy.mjs';
import { HOST, OPEN, closeAll, openStage } from '../lib/stage.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until, within } from '../lib/wait.mjs';

// Anybody may write to its file: the gateway process runs as nobody where it was started as root.
const listen = (path) => new Promise((done) => {
  const service = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces);
      response.end(JSON.stringify({ method: request.method, target: request.url, host: request.headers.host, forwarded: request.headers['x-forwarded-for'], path, length: body.length, filler: 'x'.repeat(Math.min(body.length, 1 << 20)) }));
    });
  });
  service.listen(path, () => (chmodSync(path, 0o666), done(service)));
});
const close = (service) => within(5_000, 'the end of a service', new Promise((done) => (service.close(done), service.closeAllConnections())));

describe('an upstream at a path', () => {
  let s, dir, service;
  const at = (name) => join(dir, `${name}.sock`);
  before(async () => {
    dir = tempDir('unix');
    service = await listen(at('a'));
    s = await openStage({
      config: {
        workers: 1,
        upstreams: {
          local: { endpoints: [`unix:${at('a')}`] },
          named: { endpoints: [`unix:${at('a')}`], host_header: 'orders.internal' },
          missing: { endpoints: [`unix:${at('missing')}`], retries: 0 },
          either: { endpoints: [`unix:${at('missing')}`, `unix:${at('a')}`], retries: 1 },
          fronted: { endpoints: [`unix:${at('front')}`] },
        },
      },
      routes: Object.fromEntries(['local', 'named', 'missing', 'either', 'fronted'].map((name) => [name, { ...OPEN, match: { host: HOST, path: `/${name}/**` }, upstream: name }])),
    });
  });
  after(() => closeAll(() => s?.close(), () => close(service)));

  const connects = async () => (await s.gateway.metrics()).sum('sallyport_upstream_connects_total');

  it('is asked like any other, on kept connections', async () => {
    const before = await connects();
    for (let i = 0; i < 3; i++) {
      const { echo, response } = await s.allowed(() => s.request({ path: '/local/x?q=1' }));
      assert.deepEqual([echo.target, echo.host, echo.path, echo.forwarded], ['/local/x?q=1', HOST, at('a'), '127.0.0.1']);
      const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.endpoint, `unix:${at('a')}`);
    }
    assert.equal(await connects(), before + 1);
  });

  it('sees the Host of host_header', async () => {
    assert.equal((await s.allowed(() => s.request({ path: '/named/x' }))).echo.host, 'orders.internal');
  });

  it('bodies both ways', async () => {
    const { echo } = await s.allowed(() => s.request({ method: 'POST', path: '/local/x', body: Buffer.alloc(3 << 20, 'y') }));
    assert.equal(echo.length, 3 << 20);
    assert.equal(echo.filler.length, 1 << 20);
  });

  it('where nobody listens: 502; another endpoint is asked where there is one', async () => {
    await s.denied({ status: 502, code: ['upstream_error', 'upstream_unavailable', 'bad_gateway', 'upstream_failed'], reason: 'upstream_connect' }, () => s.request({ path: '/missing/x' }));
    for (let i = 0; i < 4; i++) assert.equal((await s.request({ path: '/either/x' })).status, 200);
  });

  it('one that comes back is asked again', async () => {
    await close(service);
    rmSync(at('a'), { force: true });
    assert.equal((await s.request({ path: '/local/x' })).status, 502);
    service = await listen(at('a'));
    assert.equal((await s.request({ path: '/local/x' })).status, 200);
  });

  it('HAProxy and nginx there', { skip: haproxy && nginx ? false : 'no haproxy or no nginx' }, async () => {
    const plain = http.createServer((request, response) => response.end(JSON.stringify({ host: request.headers.host })));
    await new Promise((done) => plain.listen(0, '127.0.0.1', done));
    const { port } = plain.address();
    const fronts = [
      () => startHaproxy({ mode: 'http', bind: `unix@${at('front')} mode 666`, server: `127.0.0.1:${port}` }),
      () => startNginx(`server { listen unix:${at('front')}; location / { proxy_pass http://127.0.0.1:${port}; proxy_set_header Host $host; } }`, { path: at('front') }),
    ];
    try {
      for (const start of fronts) {
        const front = await start();
        try {
          for (let i = 0; i < 2; i++) assert.equal((await s.allowed(() => s.request({ path: '/fronted/x' }))).echo.host, HOST);
        } finally {
          await front.close();
          rmSync(at('front'), { force: true });
        }
      }
    } finally {
      await close(plain);
    }
  });
});

describe('an upstream at a path, and confinement', () => {
  it('a reload brings the first one: another process, which may make such sockets, relieves the one that may not', async () => {
    const path = join(tempDir('unix'), 'a.sock');
    const service = await listen(path);
    const config = (...endpoints) => ({
      workers: 1,
      listeners: { plain: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } },
      upstreams: { u: { endpoints, retries: 0 } },
      confinement: { mode: 'enforce', connect_ports: ['9'] },
      routes: { open: { match: { host: HOST, path: '/**' }, upstream: 'u', auth: 'none', listeners: ['plain'] } },
    });
    const gateway = await startGateway({ config: config('http://127.0.0.1:9') });
    const ask = async () => {
      const client = await RawClient.connect({ port: gateway.ports.plain });
      await client.send(requestText({ path: '/x' }));
      const { status } = await client.response();
      client.end();
      return status;
    };
    try {
      assert.equal(await ask(), 502);
      const child = gateway.child();
      assert.equal((await gateway.reload(config(`unix:${path}`))).event, 'ready');
      await until('the new process alone to accept', async () => (await ask()) === 200 && (await ask()) === 200 && gateway.children().length === 1);
      assert.equal(await ask(), 200);
      assert.notEqual(gateway.child(), child);
      assert.ok(gateway.events.some((e) => e.event === 'relieving'));
      assert.ok(!gateway.events.some((e) => e.event === 'forbidden_call'));
    } finally {
      await closeAll(() => gateway.stop(), () => close(service));
    }
  });

  it('a socket that the gateway may not write to: 502', { skip: process.getuid() === 0 ? false : 'takes root' }, async () => {
    const path = join(tempDir('unix'), 'a.sock');
    const service = await listen(path);
    chmodSync(path, 0o600);
    const s = await openStage({ config: { upstreams: { local: { endpoints: [`unix:${path}`] } } }, routes: { local: { ...OPEN, upstream: 'local' } } });
    try {
      assert.equal((await s.request({ path: '/open/x' })).status, 502);
      chmodSync(path, 0o666);
      assert.equal((await s.request({ path: '/open/x' })).status, 200);
    } finally {
      await closeAll(() => s.close(), () => close(service));
    }
  });

  it('tls for such an endpoint is a mistake, and so is a relative path', async () => {
    const config = (upstream) => ({ listeners: { plain: { address: '127.0.0.1', port: 1, plaintext: 'allow' } }, upstreams: { u: upstream }, routes: { open: { match: { host: HOST, path: '/**' }, upstream: 'u', auth: 'none' } } });
    const file = join(tempDir('unix'), 'gateway.yaml');
    const check = (upstream) => (writeFileSync(file, JSON.stringify(config(upstream))), sallyport(['check', file]));
    assert.match((await check({ endpoints: ['unix:/run/a.sock'], tls: {} })).stderr, /upstreams\.u\.tls: no endpoint is https: these settings would have no effect/);
    assert.match((await check({ endpoints: ['unix:run/a.sock'] })).stderr, /upstreams\.u\.endpoints\[0\]: the path of a socket is absolute, as in unix:\/run\/orders\.sock/);
    const good = await check({ endpoints: ['unix:/run/a.sock'] });
    assert.doesNotMatch(good.stderr, /upstreams/);
    assert.equal(good.code, 0);
  });
});
