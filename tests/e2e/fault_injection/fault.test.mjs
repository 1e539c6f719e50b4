// Faults on purpose: in a program that is built with them, and in no other.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { binary, ROOT, sallyport } from '../lib/gateway.mjs';
import { closeAll, HOST, OPEN, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';

const PROGRAM = join(dirname(binary()), 'sallyport-faults');
const EXAMPLE = join(ROOT, 'examples/faults.yaml');
const DELAY = 300;

const configuration = (fault) => JSON.stringify({
  listeners: { plain: { address: '127.0.0.1', port: 8080, plaintext: 'allow', exposure: 'internal' } },
  upstreams: { service: { endpoints: ['http://127.0.0.1:9001'] } },
  routes: { orders: { ...OPEN, match: { host: HOST, path: '/orders/**' }, upstream: 'service', listeners: ['plain'], fault } },
});
const written = (fault) => {
  const file = join(tempDir('fault'), 'gateway.yaml');
  writeFileSync(file, configuration(fault));
  return file;
};

describe('a program without faults', () => {
  it('refuses them, and says how to have them', async () => {
    const { code, stderr } = await sallyport(['check', written({ abort_percent: 5 })]);
    assert.notEqual(code, 0);
    assert.match(stderr, /this program makes no faults: .*-Dfault_injection=true/);
  });

  it('refuses the example of them for nothing else', async () => {
    const { code, stderr } = await sallyport(['check', EXAMPLE]);
    assert.equal(code, 1);
    assert.deepEqual(stderr.match(/ error: /g).length, 1);
    assert.match(stderr, /routes\.orders\.fault: this program makes no faults/);
  });

  it('says nothing of them', () => {
    assert.doesNotMatch(execFileSync(binary(), ['version'], { encoding: 'utf8' }), /fault/);
  });
});

describe('a program with faults', () => {
  let s;
  before(async () => {
    const at = (path, fault, more = {}) => ({ ...OPEN, match: { host: HOST, path: `${path}/**` }, fault, ...more });
    s = await openStage({
      gateway: { program: PROGRAM },
      config: { workers: 1 },
      routes: {
        denied: at('/denied', { abort_percent: 100 }),
        slow: at('/slow', { delay: `${DELAY}ms` }),
        both: at('/both', { delay: `${DELAY}ms`, abort_percent: 100 }, { fallback: { status: 200 } }),
        some: at('/some', { abort_percent: 30 }),
        orders: { ...READ_ORDERS, fault: { abort_percent: 100 } },
        plain: at('/plain', undefined),
      },
    });
  });
  after(() => closeAll(() => s?.close()));
  const get = (path, more = {}) => s.request({ path, ...more });
  const taken = async (act) => {
    const began = performance.now();
    const response = await act();
    return { ...response, took: performance.now() - began };
  };

  it('takes the example, and warns of it', () => {
    const { status, stderr } = spawnSync(PROGRAM, ['check', EXAMPLE], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /routes\.orders\.fault: requests are delayed or denied on purpose/);
  });
  it('says so', () => {
    assert.match(execFileSync(PROGRAM, ['version'], { encoding: 'utf8' }), /makes faults on purpose: for tests/);
    const { status, stderr } = spawnSync(PROGRAM, ['check', written({ delay: '1s' })], { encoding: 'utf8' });
    assert.equal(status, 0);
    assert.match(stderr, /requests are delayed or denied on purpose/);
  });

  it('denies: the upstream sees nothing, and the log says why', async () => {
    const before = s.upstream.requests.length;
    const response = await get('/denied/x');
    assert.equal(response.status, 503);
    assert.equal(JSON.parse(response.body).code, 'unavailable');
    await s.gateway.access('the fault', (line) => line.reason === 'fault_injected' && line.route === 'denied');
    assert.equal(s.upstream.requests.length, before);
    assert.equal((await s.gateway.metrics()).sum('sallyport_denied_total', { reason: 'fault_injected' }) >= 1, true);
  });

  it('delays, and serves', async () => {
    const { status, took } = await taken(() => get('/slow/x'));
    assert.equal(status, 200);
    assert.ok(took >= DELAY, `${took} ms`);
  });

  it('delays, and then denies: no fallback serves in its place', async () => {
    const { status, took } = await taken(() => get('/both/x'));
    assert.equal(status, 503);
    assert.ok(took >= DELAY, `${took} ms`);
  });

  it('takes as many as it is told, by lot', async () => {
    const count = 240;
    let denied = 0;
    for (let i = 0; i < count; i += 20) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => get('/some/x')));
      denied += answers.filter(({ status }) => status === 503).length;
    }
    const deviation = Math.sqrt(count * 0.3 * 0.7);
    assert.ok(Math.abs(denied - count * 0.3) < 5 * deviation, `${denied} of ${count}`);
  });

  it('takes only what was let in', async () => {
    assert.equal((await get('/orders/42')).status, 401);
  });

  it('leaves other routes alone', async () => {
    const { status } = await get('/plain/x');
    assert.equal(status, 200);
  });

  it('lets go of who leaves while it waits', async () => {
    const client = await s.connect({});
    await client.send(requestText({ path: '/slow/x', host: HOST }));
    await until('it to have been read', () => client.socket.bytesWritten > 0);
    client.destroy();
    const line = await s.gateway.access('its end', ({ route, aborted }) => route === 'slow' && aborted === true);
    assert.ok(line.duration_us < DELAY * 1000, `${line.duration_us} us`);
    assert.equal((await get('/slow/x')).status, 200);
  });
});
