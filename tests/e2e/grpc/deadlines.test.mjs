// grpc-timeout: the gateway holds a call to it by itself, from its head on. The clients here send it and do not keep it, and so does the
// service, so that only the gateway can have ended a call.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { STATUS, connectClient, list, message, settledMetrics, startRawService, unary } from '../lib/grpc.mjs';
import { CODE, FrameClient, requestH2 } from '../lib/h2.mjs';
import { HOST, closeAll, openStage } from '../lib/stage.mjs';
import { until, within } from '../lib/wait.mjs';

const UNITS = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };
const milliseconds = (text) => {
  assert.match(text, /^[0-9]{1,8}[HMSmun]$/);
  return Number(text.slice(0, -1)) * UNITS[text.at(-1)];
};

describe('grpc-timeout', () => {
  let s, service, client;
  const route = (path, over) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: 'none', timeout: '60s', idle_timeout: '60s', ...over });
  const answers = {
    Answer: (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(message('answer'));
    },
    Silent: () => {},
    // A head and a message, and nothing more.
    Stuck: (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.write(message('first'));
    },
    // Answers once another call was told to let it.
    Later: (stream) => waiting.push(() => answers.Answer(stream)),
    Release: (stream) => {
      for (const go of waiting.splice(0)) go();
      answers.Answer(stream);
    },
  };
  const waiting = [];

  before(async () => {
    service = await startRawService((stream, headers) => answers[headers[':path'].split('/').at(-1)](stream));
    const endpoints = [`https://127.0.0.1:${service.port}`];
    s = await openStage({
      config: (stage) => ({
        workers: 1,
        upstreams: {
          'order-service': { endpoints, protocol: 'h2', tls: { ca: stage.ca.certFile } },
          narrow: { endpoints, protocol: 'h2', tls: { ca: stage.ca.certFile }, max_connections: 1, max_streams: 1, pending_timeout: '60s' },
        },
      }),
      routes: { any: route('/test.Any/**'), brief: route('/test.Brief/**', { timeout: '200ms', idle_timeout: '200ms' }), narrow: route('/test.Narrow/**', { upstream: 'narrow' }) },
    });
    client = connectClient(s);
  });
  after(() => closeAll(() => client?.close(), () => s?.close(), () => service?.close()));

  const call = (name, timeout, service = 'test.Any') => unary(client, 'x', { path: `/${service}/${name}`, metadata: timeout === undefined ? {} : { 'grpc-timeout': timeout } });
  const lineOf = (what, status) => s.gateway.access(what, (l) => l.request_id === status.metadata.get('x-request-id')[0]);
  // Ended by the gateway before a head: in the answer, in both logs, in the metrics.
  const exceeded = async (make, { reason = 'grpc_deadline', code = STATUS.DEADLINE_EXCEEDED, open = 0 } = {}) => {
    const before = await settledMetrics(s, open);
    const { status } = await within(20_000, `the denial ${reason}`, make());
    assert.equal(status.code, code, status.details);
    const line = await lineOf(reason, status);
    assert.deepEqual([line.reason, line.status, line.grpc_status, line.aborted], [reason, 200, code, undefined]);
    const audit = await s.gateway.audit(reason, (l) => l.request_id === line.request_id);
    assert.deepEqual([audit.event, audit.reason, audit.grpc_status], ['denied', reason, code]);
    const metrics = await settledMetrics(s, open);
    const grown = (name, labels) => metrics.sum(name, labels) - before.sum(name, labels);
    assert.equal(grown('sallyport_denied_total', { reason }), 1);
    assert.equal(grown('sallyport_grpc_calls_total', { code: Object.keys(STATUS).find((name) => STATUS[name] === code) }), 1);
    return { status, line };
  };

  it('before the head: DEADLINE_EXCEEDED, and the service sees its call cancelled', async () => {
    const began = Date.now();
    const { status, line } = await exceeded(() => call('Silent', '300m'));
    assert.ok(Date.now() - began >= 300, 'not before its time');
    assert.equal(status.details, 'Deadline exceeded (deadline_exceeded)');
    assert.ok(line.duration_us >= 300_000 && line.duration_us < 30_000_000, `${line.duration_us} us`);
    const seen = service.calls.at(-1);
    assert.equal(seen.headers[':path'], '/test.Any/Silent');
    await until('the service sees the reset', () => seen.closed);
    assert.equal(seen.rstCode, CODE.CANCEL);
    // The honest twins: one that is in time, one that sets no time.
    for (const timeout of ['50S', undefined]) {
      const twin = await call('Answer', timeout);
      assert.deepEqual([twin.status.code, twin.answer], [STATUS.OK, 'answer']);
      const { reason, grpc_status: told } = await s.gateway.access('the twin', (l) => l.request_id === twin.head.get('x-request-id')[0]);
      assert.deepEqual([reason, told], [undefined, 0]);
    }
  });
  it('the service is told what is left of it', async () => {
    await call('Answer', '50S');
    const told = milliseconds(service.calls.at(-1).headers['grpc-timeout']);
    assert.ok(told > 20_000 && told <= 50_000, `${told} ms`);
    await call('Answer', '99999999H');
    const longest = milliseconds(service.calls.at(-1).headers['grpc-timeout']);
    assert.ok(longest > 99 * 365 * 24 * UNITS.H && longest <= 99_999_999 * UNITS.H);
    await call('Answer');
    assert.equal(service.calls.at(-1).headers['grpc-timeout'], undefined);
  });
  it('after the head: both sides are cut, with the reason in the log', async () => {
    const before = await settledMetrics(s);
    const { status, messages } = await within(20_000, 'the cut', list(client, 'x', { path: '/test.Any/Stuck', metadata: { 'grpc-timeout': '300m' } }));
    assert.deepEqual(messages, ['first']);
    assert.equal(status.code, STATUS.INTERNAL); // what clients make of RST_STREAM
    const line = await s.gateway.access('the cut', (l) => l.path === '/test.Any/Stuck');
    assert.deepEqual([line.reason, line.aborted, line.status, line.grpc_status], ['grpc_deadline', true, 200, undefined]);
    const seen = service.calls.at(-1);
    await until('the service sees the reset', () => seen.closed);
    assert.equal(seen.rstCode, CODE.CANCEL);
    const metrics = await settledMetrics(s);
    for (const [name, labels] of [['sallyport_responses_cut_total', {}], ['sallyport_denied_total', { reason: 'grpc_deadline' }], ['sallyport_grpc_calls_total', { code: 'none' }]])
      assert.equal(metrics.sum(name, labels) - before.sum(name, labels), 1, name);
  });
  it('none left on arrival: the service is not asked', async () => {
    const asked = service.calls.length;
    for (const timeout of ['0n', '00000000H']) await exceeded(() => call('Answer', timeout));
    assert.equal(service.calls.length, asked);
  });
  it('it never makes a route patient', async () => {
    await exceeded(() => call('Silent', '50S', 'test.Brief'), { reason: 'upstream_timeout' });
    const { status } = await within(20_000, 'the cut', list(client, 'x', { path: '/test.Brief/Stuck', metadata: { 'grpc-timeout': '50S' } }));
    assert.notEqual(status.code, STATUS.OK);
    const line = await s.gateway.access('the silence', (l) => l.path === '/test.Brief/Stuck');
    assert.deepEqual([line.reason, line.aborted], ['upstream_timeout', true]);
  });
  it('waiting for a connection counts', async () => {
    const first = call('Later', undefined, 'test.Narrow');
    await until('the first call is at the service', () => waiting.length === 1);
    const asked = service.calls.length;
    await exceeded(() => call('Answer', '300m', 'test.Narrow'), { open: 1 });
    assert.equal(service.calls.length, asked);
    // Another waits, and gets its turn: the service hears of what waiting has left.
    const second = call('Answer', '50S', 'test.Narrow');
    await until('it waits', async () => (await s.gateway.metrics()).sum('sallyport_upstream_pending') === 1);
    const began = Date.now();
    await until('some of its time is over', () => Date.now() - began > 200);
    assert.equal((await call('Release')).status.code, STATUS.OK);
    assert.deepEqual((await Promise.all([first, second])).map(({ status }) => status.code), [STATUS.OK, STATUS.OK]);
    const told = milliseconds(service.calls.find(({ headers }) => headers[':path'] === '/test.Narrow/Answer').headers['grpc-timeout']);
    assert.ok(told <= 49_800 && told > 20_000, `${told} ms`);
  });
  it('a malformed or a repeated one is INVALID_ARGUMENT, and the service is not asked', async () => {
    const asked = service.calls.length;
    for (const timeout of ['1', 'S', '1s', '1.5S', '-1S', '+1S', '123456789u', '1S,1S', '1 S', '0x1S', 'forever']) {
      const { status, line } = await exceeded(() => call('Answer', timeout), { reason: 'grpc_timeout_malformed', code: STATUS.INVALID_ARGUMENT });
      assert.equal(status.details, 'Malformed grpc-timeout (invalid_request)');
      assert.match(line.detail, /digits/);
    }
    const raw = await FrameClient.connect(s);
    try {
      raw.headers(1, [[':method', 'POST'], [':scheme', 'https'], [':authority', HOST], [':path', '/test.Any/Repeated'], ['content-type', 'application/grpc'], ['te', 'trailers'], ['grpc-timeout', '5S'], ['grpc-timeout', '5S']]);
      assert.ok(await raw.end(1));
    } finally {
      raw.destroy();
    }
    const line = await s.gateway.access('the repeated one', (l) => l.path === '/test.Any/Repeated');
    assert.deepEqual([line.reason, line.grpc_status], ['grpc_timeout_malformed', STATUS.INVALID_ARGUMENT]);
    assert.match(line.detail, /more than once/);
    assert.equal(service.calls.length, asked);
    // To what is no call it is a field like any other.
    const other = await requestH2(s, { method: 'POST', path: '/test.Any/Answer', fields: { 'content-type': 'application/json', 'grpc-timeout': 'forever' }, body: '{}' });
    assert.equal(other.status, 200);
    assert.equal(service.calls.at(-1).headers['grpc-timeout'], 'forever');
  });
  it('what a client ends by its own deadline is no denial', async () => {
    const { status } = await unary(client, 'x', { path: '/test.Any/Silent', deadline: Date.now() + 300, metadata: { 'x-own': 'yes' } });
    assert.equal(status.code, STATUS.DEADLINE_EXCEEDED);
    const seen = service.calls.at(-1);
    assert.equal(seen.headers['x-own'], 'yes');
    await until('the service sees the reset', () => seen.closed);
  });
});
