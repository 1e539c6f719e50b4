// An upstream that dies, freezes, refuses, and comes back.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { closeAll, HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { until, within } from '../lib/wait.mjs';
import { cutOff, grows, IDLE, leavesNothing, serves } from './lib.mjs';

const PROGRAM = fileURLToPath(new URL('upstream_program.mjs', import.meta.url));

// None outlives the test.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

async function startProcess(port = 0) {
  const child = spawn(process.execPath, [PROGRAM, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.gone = new Promise((resolve) => child.once('exit', resolve));
  child.gone.then(() => running.delete(child));
  child.port = Number(await within(10_000, 'the upstream to listen', new Promise((resolve) => createInterface(child.stdout).once('line', resolve))));
  child.end = async (signal = 'SIGKILL') => (child.kill(signal), within(5_000, 'the upstream to end', child.gone));
  return child;
}

describe('an upstream process', () => {
  let s;
  let child;
  before(async () => {
    child = await startProcess();
    s = await openStage({
      config: (stage) => ({
        workers: 1,
        upstreams: {
          fragile: { endpoints: [`http://127.0.0.1:${child.port}`], connect_timeout: '1s', ...IDLE },
          // One endpoint is the process, the other always serves.
          pair: { endpoints: [`http://127.0.0.1:${child.port}`, stage.upstream.url], tls: { ca: stage.ca.certFile }, connect_timeout: '1s', ...IDLE },
        },
      }),
      routes: {
        open: { ...OPEN, upstream: 'fragile', timeout: '500ms', idle_timeout: '500ms' },
        pair: { ...OPEN, match: { host: HOST, path: '/pair/**' }, upstream: 'pair', timeout: '500ms' },
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => child?.end()));

  const restart = async () => {
    child = await startProcess(child.port);
  };
  const refused = (reason, status, code, parts) => s.denied({ status, code, reason, nothingUpstream: false }, () => s.request(parts));

  it('killed before it answers: 502 upstream_closed, then 502 upstream_connect, then served again', () =>
    leavesNothing(s, async () => {
      const client = await s.connect();
      await client.send(requestText({ path: '/open/hang' }));
      await until('the request to be with the upstream', async () => (await s.gateway.metrics()).sum('sallyport_upstream_connections_open') === 1);
      await child.end();
      const response = await client.response();
      s.checkDenial(response, { status: 502, code: 'bad_gateway' });
      const line = await s.gateway.access('it', (l) => l.path === '/open/hang');
      assert.equal(line.reason, 'upstream_closed');
      client.destroy();
      const { access } = await grows(s, 'sallyport_upstream_connect_failures_total', {}, () => refused('upstream_connect', 502, 'bad_gateway', { path: '/open/refused' }));
      assert.match(access.detail, /refused/);
      await restart();
      await serves(s);
    }));
  it('killed within its answer: cut off, upstream_closed', () =>
    leavesNothing(s, async () => {
      await cutOff(s, '/open/half', 'upstream_closed', { begun: () => child.end() });
      await restart();
      await serves(s);
    }));
  it('frozen: 504 upstream_timeout, and a client that does not wait is let go; thawed: served again', () =>
    leavesNothing(s, async () => {
      child.kill('SIGSTOP');
      try {
        const { access } = await refused('upstream_timeout', 504, 'gateway_timeout', { path: '/open/frozen' });
        assert.match(access.detail, /no response in time/);
        const client = await s.connect();
        await client.send(requestText({ path: '/open/left' }));
        client.reset();
        assert.equal((await s.gateway.access('it', (l) => l.path === '/open/left')).aborted, true);
      } finally {
        child.kill('SIGCONT');
      }
      await serves(s);
    }));
  it('frozen within its answer: cut off after idle_timeout, upstream_timeout', () =>
    leavesNothing(s, async () => {
      const line = await cutOff(s, '/open/a/half', 'upstream_timeout');
      assert.match(line.detail, /the response stopped/);
      await serves(s);
    }));
  it('does not take the request: 504 upstream_timeout, in bounded memory', () =>
    leavesNothing(s, async () => {
      const before = s.gateway.rss();
      const client = await s.connect();
      const size = 64 * 1024 * 1024;
      const sending = client.send(Buffer.concat([Buffer.from(`POST /open/drop HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: ${size}\r\n\r\n`), Buffer.alloc(size)]));
      const response = await client.response();
      s.checkDenial(response, { status: 504, code: 'gateway_timeout' });
      const line = await s.gateway.access('it', (l) => l.path === '/open/drop');
      assert.deepEqual([line.reason, line.detail], ['upstream_timeout', 'the request was not taken in time']);
      assert.ok(s.gateway.rss() - before < 16 * 1024 * 1024, 'it was held back');
      client.destroy();
      await sending;
    }));
  it('twin: one endpoint of two is dead, and nobody notices', () =>
    leavesNothing(s, async () => {
      await child.end();
      const ask = () => Promise.all(Array.from({ length: 4 }, () => s.request({ path: '/pair/x' })));
      assert.deepEqual((await ask()).map((r) => r.status), [200, 200, 200, 200]);
      await restart();
      assert.deepEqual((await ask()).map((r) => r.status), [200, 200, 200, 200]);
    }));
});
