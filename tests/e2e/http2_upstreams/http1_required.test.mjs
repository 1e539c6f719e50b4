// Upstreams that agree to HTTP/2 by ALPN and then want HTTP/1.1 all the same (HTTP_1_1_REQUIRED, RFC 9113 section 7).
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { QUICK } from '../health/lib.mjs';
import { closeAll, OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { echo, onStage, startHttp2 } from './lib.mjs';

const HTTP_1_1_REQUIRED = 13;
const RESET = (stream) => stream.close(HTTP_1_1_REQUIRED);
const GOAWAY = (stream) => stream.session.goaway(HTTP_1_1_REQUIRED, 1);

describe('HTTP_1_1_REQUIRED', () => {
  const closers = [];
  afterEach(() => closeAll(...closers.splice(0)));
  const stage = async (script, upstream = {}) => {
    const up = await startHttp2({ http1: true, script });
    const s = await openStage(onStage(up, { upstream: { protocol: 'auto', ...upstream }, routes: { open: { ...OPEN, timeout: '5s' } } }));
    closers.push(() => s.close(), () => up.close());
    return { s, up };
  };
  const refused = (s, parts) => s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_closed', upstream: null }, () => s.request(parts));

  // After one that is answered, so that its GOAWAY can name a last stream.
  for (const [name, refuse] of Object.entries({ RST_STREAM: RESET, GOAWAY })) {
    it(`auto: ${name} of it, and the request goes again over HTTP/1.1, as do all that follow`, async () => {
      const { s, up } = await stage((stream, fields) => (fields[':path'] === '/open/first' ? echo(stream, fields) : refuse(stream)));
      assert.equal(JSON.parse((await s.request({ path: '/open/first' })).text).headers[':path'], '/open/first');
      assert.equal((await s.request({ method: 'POST', path: '/open/post', body: '' })).text, '{"http1":true}');
      for (let i = 0; i < 3; i++) assert.equal((await s.request({ path: `/open/${i}` })).text, '{"http1":true}');
      assert.equal(up.requests.length, 2);
      assert.deepEqual(up.http1Requests, ['/open/post', '/open/0', '/open/1', '/open/2']);
      const metrics = await s.gateway.metrics();
      assert.equal(metrics.sum('sallyport_upstream_retries_total'), 1);
      assert.equal(metrics.sum('sallyport_upstream_connects_total'), 2);
      assert.equal(metrics.sum('sallyport_upstream_http2_connects_total'), 1);
      assert.equal(metrics.sum('sallyport_upstream_connections_open'), 1);
    });
  }
  it('auto: answers that are under way over HTTP/2 are not disturbed', async () => {
    let release;
    const { s, up } = await stage((stream, fields) => (fields[':path'] === '/open/long' ? (release = () => echo(stream, fields)) : RESET(stream)));
    const long = s.request({ path: '/open/long' });
    await until('it to be there', () => release);
    assert.equal((await s.request({ path: '/open/x' })).text, '{"http1":true}');
    assert.equal((await s.request({ path: '/open/y' })).text, '{"http1":true}');
    release();
    assert.equal(JSON.parse((await long).text).headers[':path'], '/open/long');
    await until('the HTTP/2 connection to be closed', () => up.open.length === 0);
    assert.equal(up.requests.length, 2);
  });
  it('auto: other connections over HTTP/2 take nothing more either', async () => {
    const releases = [];
    const { s, up } = await stage((stream, fields) => (fields[':path'] === '/open/long' ? releases.push(() => echo(stream, fields)) : RESET(stream)), { max_streams: 2 });
    const long = Array.from({ length: 3 }, () => s.request({ path: '/open/long' }));
    await until('all to be there, on two connections', () => releases.length === 3 && up.sessions.length === 2);
    assert.equal((await s.request({ path: '/open/x' })).text, '{"http1":true}');
    releases.splice(0).forEach((release) => release());
    assert.deepEqual((await Promise.all(long)).map((r) => r.status), [200, 200, 200]);
    assert.equal((await s.request({ path: '/open/y' })).text, '{"http1":true}');
    await until('the HTTP/2 connections to be closed', () => up.open.length === 0);
    assert.equal(up.requests.length, 4);
  });
  it('auto: a crowd that is refused at once', async () => {
    const { s, up } = await stage(RESET, { max_connections: 4 });
    const all = await Promise.all(Array.from({ length: 30 }, () => s.request({ path: '/open/x' })));
    assert.deepEqual([...new Set(all.map((r) => r.text))], ['{"http1":true}']);
    assert.equal(up.http1Requests.length, 30);
  });
  it('auto: what may not be sent again is not: the next one goes by HTTP/1.1', async () => {
    const { s, up } = await stage(async (stream) => {
      for await (const piece of stream) assert.ok(piece);
      RESET(stream);
    });
    const { access } = await refused(s, { method: 'POST', path: '/open/pay', body: 'pay' });
    assert.match(access.detail, /HTTP_1_1_REQUIRED/);
    assert.equal(up.http1Requests.length, 0);
    assert.equal((await s.request({ method: 'POST', path: '/open/pay', body: 'pay' })).text, '{"http1":true}');
    assert.equal(up.requests.length, 1);
  });
  it('auto: no retry where none is allowed', async () => {
    const { s, up } = await stage(RESET, { retries: 0 });
    await refused(s, { path: '/open/x' });
    assert.deepEqual([up.requests.length, up.http1Requests.length], [1, 0]);
    assert.equal((await s.request({ path: '/open/x' })).text, '{"http1":true}');
  });
  it('auto: a reload asks anew', async () => {
    let refusing = true;
    const { s, up } = await stage((stream, fields) => (refusing ? RESET(stream) : echo(stream, fields)));
    assert.equal((await s.request({ path: '/open/x' })).text, '{"http1":true}');
    refusing = false;
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    assert.equal(JSON.parse((await s.request({ path: '/open/y' })).text).headers[':path'], '/open/y');
    assert.equal(up.http1Requests.length, 1);
  });
  it('auto: a health check is made over HTTP/1.1 then', async () => {
    const { s, up } = await stage(RESET, { health: { path: '/healthz', ...QUICK } });
    await until('three checks', () => up.http1Requests.filter((path) => path === '/healthz').length >= 3);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_upstream_healthy'), 1);
    assert.ok(metrics.sum('sallyport_health_checks_total', { outcome: 'passed' }) >= 2);
    assert.equal(metrics.sum('sallyport_health_checks_total'), metrics.sum('sallyport_health_checks_total', { outcome: 'passed' }));
  });
  it('twin: h2 leaves no choice: the refusal is a failure, and is not sent again', async () => {
    const { s, up } = await stage(RESET, { protocol: 'h2' });
    for (let i = 1; i <= 2; i++) {
      assert.match((await refused(s, { path: '/open/x' })).access.detail, /HTTP_1_1_REQUIRED, set protocol: http1/);
      assert.deepEqual([up.requests.length, up.http1Requests.length], [i, 0]);
    }
  });
});
