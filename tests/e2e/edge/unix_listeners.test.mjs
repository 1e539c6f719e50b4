// Listeners at a path: who may connect, who the client is, and what becomes of the socket's file.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport, startGateway } from '../lib/gateway.mjs';
import { haproxy, nginx, startHaproxy, startNginx, v1, v2 } from '../lib/proxy.mjs';
import { RawClient, curl, requestText } from '../lib/raw.mjs';
import { HOST, OPEN, fieldsOf, gatewayCertificate, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';

const modeOf = (path) => (lstatSync(path).mode & 0o777).toString(8);
const CLIENT = '203.0.113.7';

describe('a listener at a path', () => {
  let s, dir;
  const at = (name) => join(dir, `${name}.sock`);
  before(async () => {
    dir = tempDir('unix');
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    const listeners = {
      local: { path: at('local'), plaintext: 'allow', max_connections_per_address: 1 },
      secure: { path: at('secure'), mode: '0666', tls: { certificates: [{ cert, key }] }, handshakes_per_address: '1/1m' },
      proxied: { path: at('proxied'), plaintext: 'allow', proxy_protocol: 'required', trusted_proxies: ['unix'] },
      forwarding: { path: at('forwarding'), plaintext: 'allow', forwarded: 'x_forwarded', trusted_proxies: ['unix', '10.0.0.0/8'] },
      deaf: { path: at('deaf'), plaintext: 'allow', proxy_protocol: 'required', trusted_proxies: ['10.0.0.0/8'] },
      status: { path: at('status'), plaintext: 'allow', status: true, exposure: 'internal' },
    };
    const all = ['local', 'secure', 'proxied', 'forwarding'];
    s = await openStage({
      config: { listeners },
      routes: {
        open: { ...OPEN, listeners: ['public', ...all] },
        limited: { ...OPEN, match: { host: HOST, path: '/limited/**' }, listeners: ['public', ...all], limits: [{ limit: '2/1m', by: 'address' }] },
      },
    });
  });
  after(() => s?.close());

  const ask = (listener, { path = '/open/x', ...options } = {}) => s.request({ socket: at(listener), plain: true, path, ...options });
  const seen = async (listener, options) => {
    const { echo, response } = await s.allowed(() => ask(listener, options));
    return { echo, access: await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id')) };
  };

  it('serves, with the mode that was asked for', async () => {
    assert.equal(modeOf(at('local')), '660');
    assert.equal(modeOf(at('secure')), '666');
    const { access } = await seen('local');
    assert.equal(access.listener, 'local');
    const event = s.gateway.events.find((e) => e.event === 'listening' && e.listener === 'local');
    assert.equal(event.path, at('local'));
    assert.equal(event.port, undefined);
  });

  it('its peers have no address: none in logs, "unknown" upstream, whatever they send', async () => {
    const { echo, access } = await seen('local', { fields: [['X-Forwarded-For', CLIENT], ['X-Real-IP', CLIENT], ['Forwarded', `for=${CLIENT}`]] });
    assert.equal(access.client, undefined);
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-for'), ['unknown']);
    assert.deepEqual(fieldsOf(echo, 'x-real-ip'), []);
    assert.deepEqual(fieldsOf(echo, 'forwarded'), []);
  });

  it('limits by address count all of them together; limits on connections and handshakes do not', async () => {
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask('local', { path: '/limited/x' })).status);
    assert.deepEqual(statuses, [200, 200, 429]);
    assert.equal((await s.request({ path: '/limited/x' })).status, 200, 'an address is another');
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect({ socket: at('local') })));
    for (const client of clients) {
      await client.send(requestText({ path: '/open/x' }));
      assert.equal((await client.response()).status, 200);
    }
    for (const client of clients) client.end();
    for (let i = 0; i < 3; i++) assert.equal((await ask('secure', { plain: false })).status, 200);
  });

  it('TLS, where it is configured', async () => {
    const { echo } = await seen('secure', { plain: false });
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-proto'), ['https']);
  });

  it('with the PROXY protocol clients have addresses', async () => {
    for (const preface of [v1(CLIENT), v2({ checksum: true })]) {
      const { echo, access } = await seen('proxied', { preface });
      assert.equal(access.client, CLIENT);
      assert.deepEqual(fieldsOf(echo, 'x-forwarded-for'), [CLIENT]);
    }
    for (const preface of ['PROXY UNKNOWN\r\n', v2({ command: 0, family: 0 })]) assert.equal((await seen('proxied', { preface })).access.client, undefined);
    const limited = async (client) => (await ask('proxied', { path: '/limited/x', preface: v1(client) })).status;
    assert.deepEqual([await limited('203.0.113.1'), await limited('203.0.113.1'), await limited('203.0.113.1'), await limited('203.0.113.2')], [200, 200, 429, 200]);
    // Without it: nothing.
    const before = (await s.gateway.metrics()).sum('sallyport_connections_refused_total', { reason: 'proxy_header_bad' });
    await assert.rejects(ask('proxied'));
    assert.equal((await s.gateway.metrics()).sum('sallyport_connections_refused_total', { reason: 'proxy_header_bad' }), before + 1);
    // Trust is in the peers that were named: who connects by the path is not in 10.0.0.0/8.
    await assert.rejects(ask('deaf', { preface: v1(CLIENT) }));
    assert.ok((await s.gateway.metrics()).sum('sallyport_connections_refused_total', { reason: 'proxy_untrusted' }) >= 1);
    await s.gateway.event('proxy_refused', (e) => e.listener === 'deaf' && e.peer === 'unknown');
  });

  it('with X-Forwarded-For from a trusted peer clients have addresses', async () => {
    for (const [value, client] of [[CLIENT, CLIENT], [`6.6.6.6, ${CLIENT}, 10.1.2.3`, CLIENT], ['6.6.6.6, ::', undefined], ['6.6.6.6, unknown', undefined]]) {
      assert.equal((await seen('forwarding', { fields: [['X-Forwarded-For', value]] })).access.client, client, value);
    }
    assert.equal((await seen('forwarding')).access.client, undefined);
  });

  it('status pages', async () => {
    const { stdout } = await curl(['--fail', '--unix-socket', at('status'), 'http://localhost/readyz']);
    assert.match(stdout, /ready|ok/i);
  });

  it('curl --unix-socket, with and without a PROXY protocol header', async () => {
    const get = async (name, ...more) => (await curl(['--fail', '--unix-socket', at(name), '-H', `Host: ${HOST}`, ...more, 'http://localhost/open/x'])).code;
    assert.equal(await get('local'), 0);
    assert.notEqual(await get('local', '--haproxy-protocol'), 0);
    assert.notEqual(await get('proxied'), 0);
  });

  it('HAProxy', { skip: haproxy ? false : 'no haproxy' }, async () => {
    for (const [server, expected] of [[`unix@${at('proxied')} send-proxy`, '127.0.0.5'], [`unix@${at('proxied')} send-proxy-v2 proxy-v2-options crc32c check inter 100ms`, '127.0.0.5'], [`unix@${at('local')}`, undefined]]) {
      const proxy = await startHaproxy({ server });
      try {
        const client = await RawClient.connect({ ...proxy.where, localAddress: '127.0.0.5' });
        await client.send(requestText({ path: '/open/x' }));
        const response = await client.response();
        assert.equal(response.status, 200);
        assert.equal((await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'))).client, expected, server);
        client.end();
      } finally {
        await proxy.close();
      }
    }
    // Its own Unix socket before ours: what is no address stays none.
    const proxy = await startHaproxy({ bind: `unix@${at('before')} mode 600`, server: `unix@${at('proxied')} send-proxy-v2` });
    try {
      const client = await RawClient.connect({ socket: at('before') });
      await client.send(requestText({ path: '/open/x' }));
      const response = await client.response();
      assert.equal(response.status, 200);
      assert.equal((await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'))).client, undefined);
      client.end();
    } finally {
      await proxy.close();
    }
  });

  it('nginx', { skip: nginx ? false : 'no nginx' }, async () => {
    const front = at('nginx');
    const proxy = await startNginx(`server { listen unix:${front}; location / { proxy_pass http://unix:${at('forwarding')}:; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For "${CLIENT}"; } }`, { path: front });
    try {
      const client = await RawClient.connect({ socket: front });
      await client.send(requestText({ path: '/open/x' }));
      const response = await client.response();
      assert.equal(response.status, 200);
      assert.equal((await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'))).client, CLIENT);
      client.end();
    } finally {
      await proxy.close();
    }
  });

  it('a reload adds one, renames it, changes its mode, and removes it with its file; another connection goes on', async () => {
    const old = await RawClient.connect({ socket: at('local') });
    const still = async () => {
      await old.send(requestText({ path: '/open/x' }));
      return (await old.response()).status;
    };
    assert.equal(await still(), 200);
    const inode = lstatSync(at('local')).ino;
    const config = structuredClone(s.config);
    config.listeners.extra = { path: at('extra'), plaintext: 'allow' };
    config.routes.open.listeners.push('extra');
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    assert.equal((await ask('extra')).status, 200);
    config.listeners.extra.mode = '0600';
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    assert.equal(modeOf(at('extra')), '600');
    config.listeners.renamed = config.listeners.extra;
    delete config.listeners.extra;
    config.routes.open.listeners.splice(-1, 1, 'renamed');
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    assert.equal((await ask('extra')).status, 200);
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    assert.ok(!existsSync(at('extra')), 'its file is gone');
    assert.equal(lstatSync(at('local')).ino, inode);
    assert.equal(await still(), 200);
    old.end();
  });

  it('a reload that cannot have its path is refused, and nothing has changed', async () => {
    const config = structuredClone(s.config);
    writeFileSync(at('file'), 'not ours');
    config.listeners.local.path = at('file');
    const refusal = await s.gateway.reload(config);
    assert.equal(refusal.event, 'reload_refused');
    assert.match(refusal.reason, /listener local: .*file\.sock cannot be used: there is a file already that is no socket/);
    const live = net.createServer().listen(at('live'));
    await new Promise((done) => live.once('listening', done));
    config.listeners.local.path = at('live');
    assert.match((await s.gateway.reload(config)).reason, /listener local: .*live\.sock is in use by another process/);
    await new Promise((done) => live.close(done));
    config.listeners.local.path = join(dir, 'nowhere/x.sock');
    assert.match((await s.gateway.reload(config)).reason, /its directory does not exist/);
    assert.ok(existsSync(at('file')));
    assert.equal((await ask('local')).status, 200);
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
  });

  it('a file that somebody removed comes back by a reload', async () => {
    rmSync(at('local'));
    await assert.rejects(ask('local'));
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    assert.equal((await ask('local')).status, 200);
  });

  it('an upgrade and a crash keep socket and file', async () => {
    const inode = lstatSync(at('local')).ino;
    const from = s.gateway.events.length;
    assert.equal((await sallyport(['upgrade', '--config', s.gateway.file], { ms: 60_000 })).code, 0);
    assert.equal((await ask('local')).status, 200);
    assert.equal((await ask('proxied', { preface: v1(CLIENT) })).status, 200);
    process.kill(s.gateway.child(), 'SIGKILL');
    assert.equal((await ask('local')).status, 200);
    await s.gateway.wait('it to be ready again', () => s.gateway.events.slice(from).filter((e) => e.event === 'ready').length >= 2);
    assert.equal(lstatSync(at('local')).ino, inode);
    // And the new program removes what the old one made.
    const config = structuredClone(s.config);
    delete config.listeners.deaf;
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    assert.ok(!existsSync(at('deaf')));
  });
});

describe("the file of a listener's socket", () => {
  const config = (path, more) => ({ workers: 1, listeners: { local: { path, plaintext: 'allow', ...more } }, upstreams: { u: { endpoints: ['http://127.0.0.1:1'] } }, routes: { open: { match: { host: HOST, path: '/**' }, upstream: 'u', auth: 'none' } } });
  const asked = async (path) => {
    const client = await RawClient.connect({ socket: path });
    await client.send(requestText({ path: '/' }));
    const { status } = await client.response();
    client.end();
    return status;
  };

  it('is gone when the gateway has ended; one of a gateway that was killed is replaced', async () => {
    const path = join(tempDir('unix'), 'a.sock');
    const first = await startGateway({ config: config(path) });
    const children = first.children();
    first.process.kill('SIGKILL');
    await first.exited;
    await until('its gateway process to end', () => children.every((pid) => !existsSync(`/proc/${pid}`)));
    assert.ok(existsSync(path));
    const second = await startGateway({ config: config(path) });
    assert.equal(await asked(path), 502);
    await second.stop();
    assert.ok(!existsSync(path));
  });

  it('a second instance fails and leaves the first one alone', async () => {
    const path = join(tempDir('unix'), 'a.sock');
    const first = await startGateway({ config: config(path) });
    const second = await startGateway({ config: config(path), ready: false });
    const event = await second.event('start_failed');
    assert.match(event.reason, /listener local: .*a\.sock is in use by another process/);
    assert.equal((await second.exited).code, 1);
    assert.equal(await asked(path), 502);
    await first.stop();
  });

  it('lets in whom its mode, owner and group let in', { skip: process.getuid() === 0 ? false : 'takes root' }, async () => {
    const dir = tempDir('unix');
    const path = join(dir, 'a.sock');
    chmodSync(dir, 0o755);
    const gateway = await startGateway({ config: config(path, { mode: '0620', owner: 'root', group: '12345' }) });
    const { uid, gid, mode } = lstatSync(path);
    assert.deepEqual([uid, gid, mode & 0o777], [0, 12345, 0o620]);
    const run = (id) => {
      try {
        return String(execFileSync('curl', ['-q', '-s', '--unix-socket', path, '-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${HOST}`, 'http://localhost/'], { ...id, stdio: ['ignore', 'pipe', 'ignore'] }));
      } catch (error) {
        return `failed ${error.status}`;
      }
    };
    assert.equal(run({ uid: 65534, gid: 12345 }), '502');
    assert.equal(run({ uid: 65534, gid: 65534 }), 'failed 7');
    await gateway.stop();
  });

  it('no other process is needed to check it', async () => {
    const dir = tempDir('unix');
    mkdirSync(join(dir, 'c'));
    writeFileSync(join(dir, 'c/gateway.yaml'), JSON.stringify(config('run/relative.sock')));
    const { code, stderr } = await sallyport(['check', join(dir, 'c/gateway.yaml')]);
    assert.equal(code, 1);
    assert.match(stderr, /listeners\.local\.path: an absolute path of at most 107 bytes is wanted here/);
  });
});
