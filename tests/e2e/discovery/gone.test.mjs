// A registry whose machine is gone, without a word: it stands in a network of its own, and the way there is cut.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { after, before, describe, it } from 'node:test';
import { Consul } from '../lib/registries.mjs';
import { authority } from '../lib/pki.mjs';
import { closeAll, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { next } from './lib.mjs';

const [HERE, THERE] = ['10.99.0.1', '10.99.0.2'];
const SELF = fileURLToPath(import.meta.url);
const LINKED = 'ip link set lo up && ip link add name here type veth peer name there && ip link del here';
const skip = spawnSync('unshare', ['-n', 'sh', '-c', LINKED]).status === 0 ? false : 'needs network namespaces, as root';

// The parts of this test, each a process of this file.
const PART = process.env.SALLYPORT_TEST_PART;
const ip = (...args) => execFileSync('ip', args);

async function registry() {
  await once(process.stdin, 'data'); // the link is here
  ip('link', 'set', 'there', 'up');
  ip('addr', 'add', `${THERE}/24`, 'dev', 'there');
  const { cert, key } = JSON.parse(process.env.SALLYPORT_TEST_CERTIFICATE);
  const consul = new Consul({ tls: { cert, key } });
  consul.host = THERE;
  consul.instances = [{ address: '127.0.0.1', port: 9 }];
  await consul.start();
  console.log(consul.port);
  await until('the question that waits', () => consul.questions.some(({ url }) => url.searchParams.has('index')), 30_000);
  console.log('asked');
  for await (const word of process.stdin) if (String(word).includes('cut')) ip('route', 'add', 'blackhole', HERE);
}

if (PART === 'registry') {
  await registry();
} else if (PART === undefined) {
  describe('a registry whose machine is gone', () => {
    it('is noticed by probes, long before `wait` is over', { skip }, () => {
      const { status, stdout } = spawnSync('unshare', ['-n', process.execPath, '--test', '--test-reporter=tap', SELF], { env: { ...process.env, SALLYPORT_TEST_PART: 'gateway', NODE_TEST_CONTEXT: undefined }, encoding: 'utf8' });
      assert.equal(status, 0, stdout);
    });
  });
} else {
  describe('within a network of its own', () => {
    let s, child;
    before(() => ip('link', 'set', 'lo', 'up'));
    after(() => closeAll(() => s?.close(), () => child?.kill('SIGKILL')));
    it('the way to the registry is cut', async () => {
      const certificate = authority().issue({ ip: [THERE] });
      child = spawn('unshare', ['-n', process.execPath, SELF], { env: { ...process.env, SALLYPORT_TEST_PART: 'registry', SALLYPORT_TEST_CERTIFICATE: JSON.stringify({ cert: certificate.cert, key: certificate.key }) }, stdio: ['pipe', 'pipe', 'inherit'] });
      const own = execFileSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' });
      await until('its network', () => spawnSync('readlink', [`/proc/${child.pid}/ns/net`], { encoding: 'utf8' }).stdout !== own);
      ip('link', 'add', 'name', 'here', 'type', 'veth', 'peer', 'name', 'there', 'netns', String(child.pid));
      ip('link', 'set', 'here', 'up');
      ip('addr', 'add', `${HERE}/24`, 'dev', 'here');
      child.stdin.write('link\n');
      const said = createInterface(child.stdout)[Symbol.asyncIterator]();
      const port = Number((await said.next()).value);
      s = await openStage({ config: { workers: 1, upstreams: { found: { discover: { from: `consul+https://${THERE}:${port}/orders`, scheme: 'http', wait: '10m', tls: { ca: authority().certFile } } } } } });
      assert.equal((await s.gateway.metrics()).sum('sallyport_discovery_endpoints', { upstream: 'found' }), 1);
      await said.next();
      const failed = next(s, 'discovery_failed', () => true, 40_000);
      const since = Date.now();
      child.stdin.write('cut\n');
      assert.match((await failed()).reason, /timed out|timeout|unreachable/i);
      assert.ok(Date.now() - since > 10_000, 'it was not the probes');
      assert.equal((await s.gateway.metrics()).sum('sallyport_discovery_endpoints', { upstream: 'found' }), 1);
    });
  });
}
