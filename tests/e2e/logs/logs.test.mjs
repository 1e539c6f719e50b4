// What is written down: the access log, the audit log and its chain.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Gateway, sallyport } from '../lib/gateway.mjs';
import { HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';

const FIELDS = ['log', 'time', 'request_id', 'trace_id', 'listener', 'route', 'upstream', 'endpoint', 'upstream_protocol', 'client', 'method', 'host', 'path', 'protocol', 'status', 'reason', 'detail', 'issuer', 'subject', 'client_id', 'received', 'sent', 'duration_us', 'upstream_us', 'tls', 'user_agent', 'aborted'];

describe('the access log', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN, 'read-orders': READ_ORDERS } })));
  after(() => s?.close());
  const lineOf = (response) => s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));

  it('an allowed request', async () => {
    const response = await s.request({ method: 'POST', path: '/open/x?secret=1', body: 'hello', fields: [['User-Agent', 'test "1"\\']] });
    const line = await lineOf(response);
    assert.deepEqual(
      [line.listener, line.route, line.upstream, line.client, line.method, line.host, line.path, line.protocol, line.status, line.received, line.sent, line.user_agent],
      ['public', 'open', 'order-service', '127.0.0.1', 'POST', HOST, '/open/x', 'HTTP/1.1', 200, 5, response.body.length, 'test "1"\\'],
    );
    assert.ok(Math.abs(Date.parse(line.time) - Date.now()) < 60_000);
    assert.match(line.tls, /^TLSv1\.[23]$/);
    assert.ok(line.duration_us > 0 && line.upstream_us > 0 && line.upstream_us <= line.duration_us);
    for (const name of ['reason', 'aborted', 'subject', 'issuer']) assert.ok(!(name in line), `${name} is left out`);
  });
  it('an authenticated one names who', async () => {
    const line = await lineOf(await s.request({ path: '/orders/1', token: await s.mint({ client_id: 'web' }) }));
    assert.deepEqual([line.issuer, line.subject, line.client_id, line.route], ['main', 'alice', 'web', 'read-orders']);
  });
  it('a denied one names the reason, no upstream and nobody unproven', async () => {
    const line = await lineOf(await s.request({ path: '/orders/1', token: await s.mint({ sub: 'mallory', aud: 'x' }) }));
    assert.equal(line.reason, 'token_audience');
    for (const name of ['upstream_us', 'endpoint', 'subject']) assert.ok(!(name in line), name);
  });
  it('HTTP/1.0 is said', async () => {
    assert.equal((await lineOf(await s.request({ path: '/open/x', version: '1.0' }))).protocol, 'HTTP/1.0');
  });
  it('lines hold known fields only and cannot be forged', async () => {
    const hostile = ['a","status":200,"x":"', '\x80\xff\xfe', '</script>', '\t{"log":"audit"}', 'x'.repeat(4000)];
    for (const value of hostile) {
      const line = await lineOf(await s.request({ path: '/open/x', fields: [['User-Agent', value]] }));
      assert.equal(line.status, 200);
    }
    const line = await lineOf(await s.request({ path: '/open/%22%7B%0A'.replace('%0A', '%5B') }));
    assert.equal(line.status, 200);
    for (const entry of s.gateway.lines.filter((l) => l.log === 'access')) for (const name of Object.keys(entry)) assert.ok(FIELDS.includes(name), name);
    assert.deepEqual(s.gateway.noise, []);
  });
  it('a client that leaves is said to have', async () => {
    s.upstream.script = () => new Promise(() => {});
    const client = await s.connect();
    await client.send(requestText({ path: '/open/left' }));
    await s.upstream.request('it', (r) => r.target === '/open/left');
    client.reset();
    assert.equal((await s.gateway.access('it', (l) => l.path === '/open/left')).aborted, true);
  });
});

describe('the audit log', () => {
  let s;
  let file;
  before(async () => {
    s = await openStage({
      config: (stage) => ({ logs: { access: { file: 'off' }, audit: { file: join(stage.dir, 'audit.log') } } }),
      routes: { open: OPEN, 'read-orders': READ_ORDERS, watched: { ...OPEN, match: { host: HOST, path: '/watched/**' }, audit: 'all' } },
    });
    file = join(s.dir, 'audit.log');
  });
  after(() => s?.close());

  const lines = () => readFileSync(file, 'utf8').split('\n').filter(Boolean);
  const find = (what, predicate) => until(what, () => lines().map((l) => JSON.parse(l)).find(predicate));
  const of = (response) => find('its audit line', (l) => l.request_id === response.fields.get('x-request-id'));

  it('begins with the start, and is readable to its owner only', async () => {
    const first = await find('the start', (l) => l.event === 'started' || l.event === 'configured');
    assert.equal(first.instance, 'edge-test');
    assert.equal(first.log, 'audit');
    assert.equal(first.seq, 1);
    assert.ok(first.boot.length > 0);
    assert.equal(statSync(file).mode & 0o007, 0, 'not for everybody');
  });
  it('every denial is in it; what was allowed only where the route says so', async () => {
    assert.equal((await of(await s.request({ path: '/orders/1' }))).event, 'denied');
    assert.equal((await of(await s.request({ path: '/nowhere' }))).reason, 'no_route');
    const allowed = await s.request({ path: '/open/x' });
    const watched = await of(await s.request({ path: '/watched/x' }));
    assert.deepEqual([watched.event, watched.status, watched.route], ['allowed', 200, 'watched']);
    assert.ok(!lines().some((l) => l.includes(allowed.fields.get('x-request-id'))));
  });
  it('a reload is in it, a refused one too', async () => {
    const before = lines().length;
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    await until('the line', () => lines().slice(before).some((l) => JSON.parse(l).event === 'configured'));
    assert.equal((await s.gateway.reload('{ broken')).event, 'reload_refused');
    await until('the line', () => lines().slice(before).some((l) => JSON.parse(l).event === 'refused'));
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
  });
  it('each line holds the hash of the line before', async () => {
    await s.request({ path: '/orders/1' });
    await s.gateway.stop();
    const all = lines();
    assert.ok(all.length >= 6);
    assert.equal(JSON.parse(all.at(-1)).event, 'stopped');
    for (let i = 1; i < all.length; i++) {
      const line = JSON.parse(all[i]);
      assert.equal(line.prev, createHash('sha256').update(all[i - 1]).digest('hex'), `line ${i + 1}`);
      assert.equal(line.seq, JSON.parse(all[i - 1]).seq + 1);
    }
  });
  it('`sallyport audit verify` agrees, and finds what was changed', async () => {
    const good = await sallyport(['audit', 'verify', file]);
    assert.equal(good.code, 0, good.stderr);
    const all = lines();
    const tampered = {
      'a changed line': all.map((l, i) => (i === 2 ? l.replace('"status":4', '"status":2').replace('"event":"', '"event":"x') : l)),
      'a missing line': all.filter((_, i) => i !== 2),
      'lines in another order': [all[0], all[2], all[1], ...all.slice(3)],
      'an added line': [...all.slice(0, 3), all[2], ...all.slice(3)],
      'a line that is no JSON any more': [...all.slice(0, 2), 'nothing', ...all.slice(3)],
    };
    for (const [name, text] of Object.entries(tampered)) {
      const path = join(s.dir, 'tampered.log');
      writeFileSync(path, `${text.join('\n')}\n`);
      const { code, stdout, stderr } = await sallyport(['audit', 'verify', path]);
      assert.notEqual(code, 0, name);
      assert.match(stdout + stderr, /line [0-9]+|:[0-9]+/, name);
    }
  });
  it('a second start goes on with the file; the whole still verifies', async () => {
    const count = lines().length;
    const again = new Gateway({ config: s.config });
    await again.start();
    const client = await RawClient.connect({ port: again.ports.public, tls: s.tls() });
    await client.send(requestText({ path: '/orders/1' }));
    assert.equal((await client.response()).status, 401);
    client.end();
    await again.stop();
    assert.ok(lines().length > count + 1);
    const { code, stderr } = await sallyport(['audit', 'verify', file]);
    assert.equal(code, 0, stderr);
  });
});
