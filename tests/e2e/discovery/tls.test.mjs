// Who tells endpoints must prove who it is, and may be told who asks.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { PLAIN, route, startServers } from '../balance/lib.mjs';
import { Consul, Kubernetes } from '../lib/registries.mjs';
import { Authority, authority } from '../lib/pki.mjs';
import { closeAll, merge, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { next } from './lib.mjs';

const AT_LOOPBACK = { ip: ['127.0.0.1'] };
let ca, other, good;
before(() => {
  ca = authority();
  other = new Authority('Another CA');
  good = ca.issue(AT_LOOPBACK);
});

describe('Consul behind TLS', () => {
  let s, server, consul;
  const instance = () => ({ port: server.port });
  const config = (tls, more = {}) => ({ workers: 1, listeners: PLAIN, upstreams: { found: { discover: { from: consul.from, scheme: 'http', tls, ...more } } } });
  const open = async (certificate, tls, more) => {
    consul = await new Consul({ tls: { cert: certificate.cert, key: certificate.key, ...more } }).start();
    consul.set([instance()]);
    s = await openStage({ config: config(tls), routes: { found: route('found') } });
  };
  const status = async () => (await s.request({ path: '/found/x', plain: true, listener: 'plain' })).status;
  const refused = async (pattern) => {
    const { reason } = await s.gateway.event('discovery_failed');
    assert.match(reason, pattern);
    assert.equal(await status(), 503);
    assert.equal(consul.questions.length, 0, 'it was asked, and with it told a token');
  };
  // The negative twin: the same server is believed once the settings say so.
  const mended = async (tls) => {
    const found = next(s, 'endpoints_discovered');
    assert.equal((await s.gateway.reload(merge(s.config, { upstreams: { found: { discover: { tls } } } }))).event, 'ready');
    await found();
    assert.equal(await status(), 200);
  };
  beforeEach(async () => ([server] = await startServers(1)));
  afterEach(() => closeAll(() => s?.close(), () => consul?.close(), () => server.close()));

  it('is believed by its CA, and followed', async () => {
    await open(good, { ca: ca.certFile });
    assert.equal(await status(), 200);
    const none = next(s, 'endpoints_discovered', ({ endpoints }) => endpoints === 0);
    consul.set([]);
    await none();
    const found = next(s, 'endpoints_discovered', ({ endpoints }) => endpoints === 1);
    consul.set([instance()]);
    await found();
    assert.equal(await status(), 200);
  });
  it('of another CA is refused', async () => {
    await open(good, { ca: other.certFile });
    await refused(/certificate/i);
    await mended({ ca: ca.certFile });
  });
  it('of none of the system\'s CAs is refused', async () => {
    await open(good);
    await refused(/certificate/i);
    await mended({ ca: ca.certFile });
  });
  it('of another name is refused, unless that is the one that is wanted', async () => {
    await open(ca.issue({ dns: ['consul.internal'] }), { ca: ca.certFile });
    await refused(/127\.0\.0\.1/);
    await mended({ server_name: 'consul.internal' });
  });
  it('whose certificate has expired is refused', async () => {
    await open(ca.issue({ ...AT_LOOPBACK, notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) }), { ca: ca.certFile });
    await refused(/expired/i);
  });
  it('that wants a client certificate gets it', async () => {
    const client = ca.issue({ cn: 'gateway', client: true });
    await open(good, { ca: ca.certFile }, { requestCert: true, rejectUnauthorized: true, ca: ca.cert });
    await refused(/certificate|alert|handshake/i);
    await mended({ cert: client.certFile, key: client.keyFile });
    assert.equal(consul.questions.at(-1).subject, 'gateway');
  });
  it('that speaks TLS 1.2 alone is refused where 1.3 is wanted', async () => {
    await open(good, { ca: ca.certFile, min_version: '1.3' }, { maxVersion: 'TLSv1.2' });
    await refused(/version|alert/i);
    await mended({ min_version: '1.2' });
  });
  it('that has no TLS is refused, and told nothing', async () => {
    consul = await new Consul().start();
    consul.set([instance()]);
    s = await openStage({ config: merge(config({ ca: ca.certFile }), { upstreams: { found: { discover: { from: consul.from.replace('http:', 'https:') } } } }), routes: { found: route('found') } });
    await refused(/ssl|tls|wrong version/i);
  });
  it('that is silent before TLS is noticed soon', async () => {
    const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      consul = { from: `consul+https://127.0.0.1:${silent.address().port}/orders`, close: () => {} };
      s = await openStage({ config: config({ ca: ca.certFile }), routes: { found: route('found') } });
      const failed = await s.gateway.event('discovery_failed', () => true, 9_000);
      assert.match(failed.reason, /timed? ?out/i);
    } finally {
      silent.close();
    }
  });
});

// As the kubelet replaces it: a directory beside it, and a link that is renamed.
class Account {
  constructor(token) {
    this.dir = tempDir('account');
    this.count = 0;
    this.write(token);
    for (const name of ['token', 'ca.crt']) symlinkSync(join('..data', name), join(this.dir, name));
  }
  write(token) {
    const version = `..${++this.count}`;
    mkdirSync(join(this.dir, version));
    writeFileSync(join(this.dir, version, 'token'), token);
    cpSync(ca.certFile, join(this.dir, version, 'ca.crt'));
    symlinkSync(version, join(this.dir, '..data.new'));
    renameSync(join(this.dir, '..data.new'), join(this.dir, '..data'));
  }
}

const MOUNT = 'mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && mount --bind "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"';
// The account of a pod stands at one path: where that may be put in place for the gateway alone.
const inPod = (dir) => ['unshare', '-m', '--propagation', 'private', 'sh', '-c', MOUNT, 'sh', dir];
function whyNoPod() {
  const [command, ...args] = inPod('/');
  if (spawnSync(command, [...args, 'true']).status !== 0) return 'needs a mount namespace of its own, as root';
  return spawnSync('readlink', ['-f', '/var/run']).stdout.toString().trim() === '/run' ? false : '/var/run is not /run here';
}

describe('the API server of Kubernetes behind TLS', () => {
  let s, server, api, account;
  const open = async (discover, { gateway, ...more } = {}) => {
    s = await openStage({
      config: { workers: 1, listeners: PLAIN, upstreams: { found: { discover: { from: 'k8s://shop/orders:http', scheme: 'http', wait: '1s', ...discover } } }, ...more },
      routes: { found: route('found') },
      gateway,
    });
  };
  const status = async () => (await s.request({ path: '/found/x', plain: true, listener: 'plain' })).status;
  const named = () => ({ api: api.api, token_file: join(account.dir, 'token'), tls: { ca: ca.certFile } });
  // The next questions bear the new token, and nothing failed meanwhile.
  const rotates = async () => {
    for (const token of ['second', 'third']) {
      api.accepts = [api.token, token];
      account.write(token);
      await until(`a question with ${token}`, () => api.questions.at(-1).authorization === `Bearer ${token}`);
      api.token = token;
      const asked = api.questions.length;
      await until('more questions', () => api.questions.length > asked + 1);
    }
    assert.deepEqual(s.gateway.events.filter(({ event }) => event === 'discovery_failed'), []);
    assert.equal(await status(), 200);
  };
  beforeEach(async () => {
    [server] = await startServers(1);
    api = await new Kubernetes({ tls: { cert: good.cert, key: good.key } }).start();
    api.token = 'first';
    api.set('a', [{ port: server.port }]);
    account = new Account('first');
  });
  afterEach(() => closeAll(() => s?.close(), () => api.close(), () => server.close()));

  it('is asked with the token of the file, which rotates', async () => {
    await open(named(), { confinement: { mode: 'enforce' } });
    assert.equal(await status(), 200);
    await rotates();
  });
  it('of another CA is refused, and gets no token', async () => {
    await open({ ...named(), tls: { ca: other.certFile } });
    assert.match((await s.gateway.event('discovery_failed')).reason, /certificate/i);
    assert.equal(await status(), 503);
    assert.equal(api.questions.length, 0);
  });
  it('of another name is refused, and gets no token', async () => {
    await api.close();
    const stranger = ca.issue({ dns: ['kubernetes.default.svc'] });
    api = await new Kubernetes({ tls: { cert: stranger.cert, key: stranger.key } }).start();
    api.set('a', [{ port: server.port }]);
    await open(named());
    assert.match((await s.gateway.event('discovery_failed')).reason, /127\.0\.0\.1/);
    assert.equal(api.questions.length, 0);
    const found = next(s, 'endpoints_discovered');
    assert.equal((await s.gateway.reload(merge(s.config, { upstreams: { found: { discover: { tls: { server_name: 'kubernetes.default.svc' } } } } }))).event, 'ready');
    await found();
    assert.equal(await status(), 200);
  });

  const skip = whyNoPod();
  const pod = () => ({ wrap: inPod(account.dir), env: { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(api.port) } });
  for (const mode of ['off', 'enforce']) {
    it(`in a pod is found by its environment, and asked with the pod's account (confinement ${mode})`, { skip }, async () => {
      await open({}, { gateway: pod(), confinement: { mode } });
      assert.equal(await status(), 200);
      assert.equal(api.questions[0].authorization, 'Bearer first');
      await rotates();
    });
  }
  it('in a pod is refused where it is not of the cluster\'s CA', { skip }, async () => {
    await api.close();
    const stranger = other.issue(AT_LOOPBACK);
    api = await new Kubernetes({ tls: { cert: stranger.cert, key: stranger.key } }).start();
    await open({}, { gateway: pod() });
    assert.match((await s.gateway.event('discovery_failed')).reason, /certificate/i);
    assert.equal(api.questions.length, 0);
  });
  it('in a pod that says otherwise: what is written counts', { skip }, async () => {
    const written = new Account('written');
    api.token = 'written';
    await open({ token_file: join(written.dir, 'token') }, { gateway: pod() });
    assert.equal(await status(), 200);
    assert.equal(api.questions[0].authorization, 'Bearer written');
  });
});
