// Who answers where the upstream does not: another upstream, or a response that the configuration holds.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { Session } from '../lib/h2.mjs';
import { closeAll, HOST, OPEN, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { echo, startUpstream } from '../lib/upstream.mjs';

const RESPONSE = { status: 200, content_type: 'application/json', body: '[]' };
const LINES = 'We are sorry.\n\t"Come back"\n'; // as YAML's block scalars are

describe('fallback', () => {
  let s, spare, act;
  before(async () => {
    spare = await startUpstream({ name: 'spare', script: echo });
    const at = (path, fallback, more = {}) => ({ ...OPEN, match: { host: HOST, path: `${path}/**` }, timeout: '300ms', fallback, ...more });
    s = await openStage({
      config: {
        workers: 1,
        upstreams: {
          'order-service': { retries: 0 },
          spare: { endpoints: [spare.url] },
          gone: { endpoints: ['http://127.0.0.1:1'], retries: 0 },
          broken: { endpoints: ['http://127.0.0.1:1'], retries: 0, breaker: { minimum: 1, open: '1h' } },
          both: { endpoints: ['http://127.0.0.1:2'], retries: 0 },
        },
      },
      routes: {
        spare: at('/spare', 'spare'),
        gone: at('/gone', 'spare', { upstream: 'gone' }),
        told: at('/told', { upstream: 'spare', statuses: ['503'] }),
        response: at('/response', { ...RESPONSE, statuses: ['503'] }),
        broken: at('/broken', RESPONSE, { upstream: 'broken' }),
        nobody: at('/nobody', 'both', { upstream: 'gone' }),
        empty: at('/empty', { status: 204 }, { upstream: 'gone' }),
        lines: at('/lines', { status: 503, content_type: 'text/plain', body: LINES }, { upstream: 'gone' }),
        orders: { ...READ_ORDERS, upstream: 'gone', fallback: RESPONSE },
        retried: at('/retried', 'spare', { retry: { on: ['503', 'reset'], attempts: 1, backoff: '0ms' } }),
        plain: { ...OPEN, match: { host: HOST, path: '/plain/**' }, upstream: 'gone' },
      },
      upstream: { record: false, script: async (exchange) => (exchange.request.fields.get('x-read') === 'no' || (await exchange.request.read()), act(exchange)) },
    });
  });
  after(() => closeAll(() => s?.close(), () => spare?.close()));

  it('a response of several lines is sent as it is written', async () => {
    const response = await s.request({ path: '/lines/1' });
    assert.equal(response.status, 503);
    assert.equal(response.body.toString(), LINES);
  });
  const line = (response) => s.gateway.access('the request', (l) => l.request_id === response.fields.get('x-request-id'));
  const failures = {
    'is reset': (exchange) => exchange.reset(),
    'is late': (exchange) => (exchange.stop = true),
    'speaks rubbish': async (exchange) => (await exchange.send('rubbish\r\n\r\n'), exchange.destroy()),
  };
  for (const [name, how] of Object.entries(failures)) {
    it(`one that ${name}: the other upstream answers`, async () => {
      act = how;
      const { response, echo: seen } = await s.allowed(() => s.request({ path: '/spare/1?a=b', fields: [['X-Own', 'yes']] }));
      assert.equal(seen.target, '/spare/1?a=b');
      assert.ok(seen.fields.some(([n, v]) => n.toLowerCase() === 'x-own' && v === 'yes'));
      const access = await line(response);
      assert.equal(access.upstream, 'spare');
      assert.match(access.detail, /^fallback: upstream_/);
      assert.equal(access.reason, undefined);
    });
  }
  it('one that is not there: a body goes to the other one', async () => {
    const { echo: seen } = await s.allowed(() => s.request({ method: 'POST', path: '/gone/1', body: 'a body' }));
    assert.equal(seen.body, 'a body');
  });
  it('twin: without a fallback 502', () => s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_connect' }, () => s.request({ path: '/plain/1' })));
  it('a body that has gone goes to nobody else', async () => {
    act = failures['is reset'];
    const from = spare.requests.length;
    const response = await s.request({ method: 'POST', path: '/spare/1', body: 'x'.repeat(1000) });
    assert.equal(response.status, 502);
    assert.equal(spare.requests.length, from);
  });
  it('a body that has gone, and a status that would be as good as none: the client gets it, whole', async () => {
    act = (exchange) => exchange.respond(503, [], 'busy');
    const response = await s.request({ method: 'POST', path: '/told/1', body: 'x'.repeat(1000) });
    assert.equal(response.status, 503);
    assert.equal(response.body.toString(), 'busy');
    const { echo: seen } = await s.allowed(() => s.request({ path: '/told/1' })); // twin: without a body the other one is asked
    assert.equal(seen.target, '/told/1');
  });
  it('a response of the configuration, where a body has gone, too', async () => {
    act = failures['is reset'];
    for (const parts of [{}, { method: 'POST', body: 'x'.repeat(1000) }]) {
      const response = await s.request({ path: '/response/1', ...parts });
      assert.equal(response.status, 200);
      assert.equal(response.fields.get('content-type'), 'application/json');
      assert.equal(response.body.toString(), '[]');
      assert.equal((await line(response)).detail, 'fallback: upstream_closed');
    }
    assert.equal((await s.request({ path: '/empty/1' })).status, 204);
  });
  it('statuses: those that are named are as good as no answer', async () => {
    act = (exchange) => exchange.respond(503, [['X-Failed', 'yes']], 'broken');
    const response = await s.request({ path: '/response/1' });
    assert.equal(response.status, 200);
    assert.equal(response.fields.get('x-failed'), undefined);
    assert.equal(response.body.toString(), '[]');
    act = (exchange) => exchange.respond(502, [], 'an answer');
    assert.equal((await s.request({ path: '/response/1' })).status, 502);
  });
  it('an open breaker: the fallback answers', async () => {
    for (let i = 0; i < 3; i++) assert.equal((await s.request({ path: '/broken/1' })).body.toString(), '[]');
    assert.match((await line(await s.request({ path: '/broken/1' }))).detail, /fallback: upstream_open/);
  });
  it('it is no way in: who is not let in gets no fallback', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => s.request({ path: '/orders/1' }));
    const response = await s.request({ path: '/orders/1', token: await s.mint() });
    assert.equal(response.body.toString(), '[]');
  });
  it('a gRPC call gets no response of the configuration: its caller would find no outcome in it', async () => {
    const session = await Session.connect(s);
    const call = await session.request({ method: 'POST', path: '/empty/1', fields: { 'content-type': 'application/grpc', te: 'trailers' } });
    session.destroy();
    assert.equal(call.status, 200);
    assert.equal(call.fields.get('grpc-status'), '14');
  });
  it('there is one fallback: where it fails, too, its failure is told', async () => {
    const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_connect' }, () => s.request({ path: '/nobody/1' }));
    assert.equal(access.upstream, 'both');
  });
  it('retries go first', async () => {
    act = (exchange) => exchange.reset();
    const from = s.upstream.requests.length;
    const { response } = await s.allowed(() => s.request({ path: '/retried/1' }));
    assert.equal(s.upstream.requests.length - from, 2);
    assert.equal((await line(response)).tries, 1);
  });
  it('they are counted', async () => assert.ok((await s.gateway.metrics()).sum('sallyport_fallbacks_total') >= 8));
});

describe('fallback, checked', () => {
  const check = (fallback) => {
    const file = join(tempDir('fallback'), 'gateway.yaml');
    writeFileSync(file, JSON.stringify({
      listeners: { public: { address: '127.0.0.1', port: 1, plaintext: 'allow' } },
      upstreams: { orders: { endpoints: ['http://127.0.0.1:9001'] }, spare: { endpoints: ['http://127.0.0.1:9002'] } },
      routes: { open: { match: { host: HOST, path: '/**' }, upstream: 'orders', auth: 'none', limits: [{ limit: '9/1m', by: 'address' }], fallback } },
    }));
    return sallyport(['check', file]);
  };
  it('a good one is shown', async () => {
    const { code, stdout, stderr } = await check(RESPONSE);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /fallback .*status: 200/);
  });
  it('one of several lines is shown on one', async () => {
    const { code, stdout, stderr } = await check({ ...RESPONSE, body: LINES });
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes('"We are sorry.\\n\\t\\"Come back\\"\\n"'), stdout);
  });
  for (const [name, fallback, said] of [
    ['nothing', {}, /say who answers/],
    ['both', { ...RESPONSE, upstream: 'spare' }, /either an upstream or a response/],
    ['the same upstream', 'orders', /for `retry`/],
    ['a body without its type', { status: 200, body: 'x' }, /content_type/],
    ['a body where none may be', { status: 204, body: 'x', content_type: 'text/plain' }, /has no body/],
    ['a type that is none', { status: 200, content_type: 'json', body: '[]' }, /content_type: a media type is wanted/],
    ['a type with a line break', { status: 200, content_type: 'a\r\nSet-Cookie: x' }, /content_type/],
    ['an upstream that is not there', 'sparse', /sparse/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stderr } = await check(fallback);
      assert.equal(code, 1);
      assert.match(stderr, said);
    });
  }
});
