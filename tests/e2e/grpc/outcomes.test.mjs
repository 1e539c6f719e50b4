// How calls end, whoever ends them: what the client is told, what the log and the metrics say of it, whether the service was asked.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { STATUS, connectClient, list, message, method, metadataOf, settledMetrics, startRawService, startServer, unary } from '../lib/grpc.mjs';
import { CODE, requestH2 } from '../lib/h2.mjs';
import { HOST, closeAll, openStage } from '../lib/stage.mjs';
import { until, within } from '../lib/wait.mjs';

const NAME_OF = Object.fromEntries(Object.entries(STATUS).filter(([, value]) => typeof value === 'number').map(([name, value]) => [value, name]));
const METHODS = (service) => ({ unary: method('Unary', false, false, service), list: method('List', false, true, service) });

describe('outcomes of gRPC calls', () => {
  let s, server, raw, client;
  let asked = 0; // calls that the grpc-js service was asked for
  let cancelled = 0;
  const onCancel = (call) => call.on('cancelled', () => cancelled++);
  const handlers = {
    unary: (call, done) => {
      asked++;
      if (call.request === 'wait') return onCancel(call);
      if (call.request.startsWith('status ')) return done({ code: Number(call.request.slice(7)), details: 'as told', metadata: metadataOf({}) });
      done(null, `echo ${call.request}`);
    },
    list: (call) => {
      asked++;
      call.write('first');
      if (call.request === 'endless') return onCancel(call);
      call.emit('error', { code: STATUS.DATA_LOSS, details: 'broke off' });
    },
  };
  const headOf = (stream, over, options) => stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...over }, options);
  const withTrailers = (stream, trailers) => {
    headOf(stream, {}, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers)).end(message('x'));
  };
  const answers = {
    TrailersOnly: (stream) => headOf(stream, { 'grpc-status': '5', 'grpc-message': 'gone' }, { endStream: true }),
    Unknown: (stream) => withTrailers(stream, { 'grpc-status': '77' }),
    Malformed: (stream) => withTrailers(stream, { 'grpc-status': 'OK' }),
    None: (stream) => (headOf(stream), stream.end(message('x'))),
    Plain: (stream) => (stream.respond({ ':status': 503, 'content-type': 'text/plain' }), stream.end('busy')),
    // Trailers count, where a head that is not all of the answer says something else.
    Both: (stream) => {
      headOf(stream, { 'grpc-status': '0' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '9' })).end(message('x'));
    },
    ResetBefore: (stream) => stream.close(CODE.CANCEL),
    // The test resets it, once the client has what there is: RST_STREAM alone, for close() would end the stream before.
    ResetAfter: (stream) => (headOf(stream), stream.write(message('first'))),
  };

  before(async () => {
    const services = ['test.Open', 'test.Closed', 'test.Few', 'test.Brief', 'test.Left'].map((name) => [METHODS(name), handlers]);
    server = await startServer(...services);
    raw = await startRawService((stream, headers) => answers[headers[':path'].split('/').at(-1)](stream));
    const route = (path, over) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: 'none', timeout: '30s', idle_timeout: '30s', ...over });
    s = await openStage({
      config: (stage) => {
        const upstream = (port) => ({ endpoints: [`https://127.0.0.1:${port}`], protocol: 'h2', tls: { ca: stage.ca.certFile } });
        return { workers: 1, upstreams: { 'order-service': upstream(server.port), raw: upstream(raw.port), gone: { ...upstream(1), connect_timeout: '2s' } } };
      },
      routes: {
        open: route('/test.Open/**'),
        closed: route('/test.Closed/**', { auth: { jwt: 'main' }, authorize: { scopes: ['echo'] } }),
        left: route('/test.Left/**'),
        few: route('/test.Few/**', { limits: [{ limit: '2/1h', by: 'address' }] }),
        brief: route('/test.Brief/**', { timeout: '200ms' }),
        raw: route('/test.Raw/**', { upstream: 'raw' }),
        gone: route('/test.Gone/**', { upstream: 'gone' }),
      },
    });
    client = connectClient(s);
  });
  after(() => closeAll(() => client?.close(), () => server?.forceShutdown(), () => s?.close(), () => raw?.close()));

  const grown = async (make, fits) => {
    const before = await settledMetrics(s);
    const result = await within(20_000, 'the end of the call', make());
    const line = await s.gateway.access('the call', (l) => l.request_id === result.id || fits?.(l));
    const after = await settledMetrics(s);
    return { ...result, line, grown: (name, labels) => after.sum(name, labels) - before.sum(name, labels) };
  };
  // One unary call; `id` by which its line is found.
  const call = (path, value = 'a', options = {}) => async () => {
    const { status, answer, head } = await unary(client, value, { path, ...options });
    return { status, answer, id: (head ?? status.metadata).get('x-request-id')[0] };
  };
  const denied = async (code, reason, make) => {
    const before = asked + raw.calls.length;
    const { status, line, grown: by } = await grown(make);
    assert.equal(status.code, code, status.details);
    assert.deepEqual([line.reason, line.status, line.grpc_status], [reason, 200, code]);
    const audit = await s.gateway.audit(reason, (l) => l.request_id === line.request_id);
    assert.deepEqual([audit.event, audit.reason, audit.grpc_status], ['denied', reason, code]);
    assert.deepEqual([by('sallyport_grpc_calls_total', { code: NAME_OF[code] }), by('sallyport_grpc_calls_total'), by('sallyport_denied_total', { reason })], [1, 1, 1]);
    return { status, asked: asked + raw.calls.length - before };
  };
  const passed = async (make, code = STATUS.OK) => {
    const { status, line, grown: by } = await grown(make);
    assert.equal(status.code, code, status.details);
    assert.deepEqual([line.reason, line.status, line.grpc_status], [undefined, 200, code]);
    assert.deepEqual([by('sallyport_grpc_calls_total', { code: NAME_OF[code] }), by('sallyport_grpc_calls_total'), by('sallyport_denied_total')], [1, 1, 0]);
  };
  const notAsked = async (...rest) => assert.equal((await denied(...rest)).asked, 0);
  const bearer = async (scope) => ({ metadata: { authorization: `Bearer ${await s.mint({ scope })}` } });

  it('RESOURCE_EXHAUSTED: one call too many', async () => {
    for (let i = 0; i < 2; i++) await passed(call('/test.Few/Unary'));
    await notAsked(STATUS.RESOURCE_EXHAUSTED, 'rate_client', call('/test.Few/Unary'));
    await passed(call('/test.Open/Unary'));
  });
  it('UNAUTHENTICATED, PERMISSION_DENIED, INVALID_ARGUMENT: no token, one that may not, one that is none', async () => {
    await notAsked(STATUS.UNAUTHENTICATED, 'credential_missing', call('/test.Closed/Unary'));
    await notAsked(STATUS.UNAUTHENTICATED, 'token_malformed', call('/test.Closed/Unary', 'a', { metadata: { authorization: 'Bearer a.b.c' } }));
    await notAsked(STATUS.PERMISSION_DENIED, 'scope_missing', call('/test.Closed/Unary', 'a', await bearer('other')));
    await notAsked(STATUS.INVALID_ARGUMENT, 'credential_malformed', call('/test.Closed/Unary', 'a', { metadata: { authorization: 'Bearer a b' } }));
    await passed(call('/test.Closed/Unary', 'a', await bearer('echo')));
  });
  it('UNIMPLEMENTED: no route; and by the service itself', async () => {
    await notAsked(STATUS.UNIMPLEMENTED, 'no_route', call('/test.Nowhere/Unary'));
    await passed(call('/test.Open/Nothing'), STATUS.UNIMPLEMENTED);
  });
  it('UNAVAILABLE: no service there', async () => {
    await notAsked(STATUS.UNAVAILABLE, 'upstream_connect', call('/test.Gone/Unary'));
    await passed(call('/test.Open/Unary'));
  });
  it('DEADLINE_EXCEEDED: by the route, by the client, by what a client sets and does not keep', async () => {
    const seen = cancelled;
    assert.equal((await denied(STATUS.DEADLINE_EXCEEDED, 'upstream_timeout', call('/test.Brief/Unary', 'wait'))).asked, 1);
    await until('the service sees it cancelled', () => cancelled === seen + 1);
    await passed(call('/test.Brief/Unary'));
    // The client goes at its deadline, and so do the gateway and the service: whoever is first.
    const { status } = await unary(client, 'wait', { path: '/test.Open/Unary', deadline: Date.now() + 300 });
    assert.equal(status.code, STATUS.DEADLINE_EXCEEDED);
    await until('the service sees it cancelled', () => cancelled === seen + 2);
    await passed(call('/test.Open/Unary', 'a', { deadline: Date.now() + 60_000 }));
  });
  it('the client cancels: the service sees it, and there is no status', async () => {
    const seen = cancelled, from = asked;
    const { status, line, grown: by } = await grown(
      () => unary(client, 'wait', { path: '/test.Left/Unary', started: (running) => void until('the service is asked', () => asked > from).then(() => running.cancel()) }),
      (l) => l.path === '/test.Left/Unary',
    );
    assert.equal(status.code, STATUS.CANCELLED);
    assert.deepEqual([line.status, line.aborted, line.reason, line.grpc_status], [0, true, undefined, undefined]);
    await until('the service sees it', () => cancelled === seen + 1);
    assert.deepEqual([by('sallyport_grpc_calls_total', { code: 'none' }), by('sallyport_client_aborts_total')], [1, 1]);
    // In the middle of a stream.
    const stream = await list(client, 'endless', { path: '/test.Left/List', onMessage: (running) => running.cancel() });
    assert.deepEqual([stream.status.code, stream.messages], [STATUS.CANCELLED, ['first']]);
    await until('the service sees it', () => cancelled === seen + 2);
    const cut = await s.gateway.access('the stream', (l) => l.path === '/test.Left/List');
    assert.deepEqual([cut.status, cut.aborted, cut.reason, cut.grpc_status], [200, true, undefined, undefined]);
  });
  it('the service breaks off: by a status, by a reset before its head, by one after', async () => {
    const told = await within(20_000, 'the end', list(client, 'break', { path: '/test.Open/List' }));
    assert.deepEqual([told.status.code, told.status.details], [STATUS.DATA_LOSS, 'broke off']);
    const line = await s.gateway.access('its line', (l) => l.path === '/test.Open/List' && l.grpc_status !== undefined);
    assert.deepEqual([line.reason, line.grpc_status], [undefined, STATUS.DATA_LOSS]);
    assert.equal((await denied(STATUS.UNAVAILABLE, 'upstream_closed', call('/test.Raw/ResetBefore'))).asked, 1);
    const { status, line: cut, grown: by } = await grown(() => list(client, 'x', { path: '/test.Raw/ResetAfter', onMessage: () => raw.calls.at(-1).stream.destroy(new Error('broken')) }), (l) => l.path === '/test.Raw/ResetAfter');
    assert.equal(status.code, STATUS.INTERNAL); // what clients make of RST_STREAM
    assert.deepEqual([cut.reason, cut.aborted, cut.grpc_status], ['upstream_closed', true, undefined]);
    assert.deepEqual([by('sallyport_grpc_calls_total', { code: 'none' }), by('sallyport_responses_cut_total')], [1, 1]);
  });
  it('every status of a service is told on, logged and counted', async () => {
    for (let code = 1; code <= 16; code++) await passed(call('/test.Open/Unary', `status ${code}`), code);
    await passed(call('/test.Raw/TrailersOnly'), STATUS.NOT_FOUND);
    await passed(call('/test.Raw/Both'), STATUS.FAILED_PRECONDITION);
  });
  it('a status that has no name, none at all, or an answer that is no gRPC', async () => {
    for (const [name, code, status, label] of [['Unknown', 77, 200, 'other'], ['Malformed', undefined, 200, 'none'], ['None', undefined, 200, 'none'], ['Plain', undefined, 503, 'none']]) {
      const { line, grown: by } = await grown(call(`/test.Raw/${name}`), (l) => l.path === `/test.Raw/${name}`);
      assert.deepEqual([line.reason, line.grpc_status, line.status], [undefined, code, status], name);
      assert.deepEqual([by('sallyport_grpc_calls_total', { code: label }), by('sallyport_grpc_calls_total')], [1, 1], name);
    }
  });
  it('what is no call has no status', async () => {
    const { line, grown: by } = await grown(async () => {
      const response = await requestH2(s, { method: 'POST', path: '/test.Raw/TrailersOnly', fields: { 'content-type': 'application/json' }, body: '{}' });
      assert.equal(response.fields.get('grpc-status'), '5');
      return { id: response.fields.get('x-request-id') };
    });
    assert.deepEqual([line.status, line.grpc_status, by('sallyport_grpc_calls_total')], [200, undefined, 0]);
  });
});
