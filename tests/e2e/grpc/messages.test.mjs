// The size of gRPC messages: what is too large is told by its prefix, and stops there. Real calls first, then bare frames.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import grpc from '@grpc/grpc-js';
import { data, FLAG, frame, hpack, startFrames, TYPE } from '../http2_upstreams/lib.mjs';
import { Session } from '../lib/h2.mjs';
import { authority } from '../lib/pki.mjs';
import { HOST, closeAll, openStage, originCertificate } from '../lib/stage.mjs';
import { until, within } from '../lib/wait.mjs';

const { status: STATUS } = grpc;
const KIB = 1 << 10;
const MIB = 1 << 20;
const LIMIT = 64 * KIB;
const raw = { serialize: (value) => value, deserialize: (bytes) => bytes };
const method = (service, name, requestStream, responseStream) => ({
  path: `/test.${service}/${name}`, requestStream, responseStream,
  requestSerialize: raw.serialize, requestDeserialize: raw.deserialize, responseSerialize: raw.serialize, responseDeserialize: raw.deserialize,
});
const methodsOf = (service) => ({ unary: method(service, 'Unary', false, false), collect: method(service, 'Collect', true, false), chat: method(service, 'Chat', true, true) });
const METHODS = methodsOf('Small');
const route = (service, over) => ({ match: { host: HOST, path: `/test.${service}/**` }, upstream: 'order-service', auth: 'none', timeout: '10s', idle_timeout: '10s', body: '64MiB', ...over });
const ROUTES = { small: route('Small', { max_grpc_message: '64KiB' }), plain: route('Plain'), tight: route('Tight', { body: '100KiB', max_grpc_message: '64KiB' }) };
const message = (length) => Buffer.alloc(length, 'x');

// What must hold of a denied call in the logs and the metrics; `make` gives its request id.
async function told(s, reason, make, { status = 200, aborted, detail } = {}) {
  const denials = async () => (await s.gateway.metrics()).sum('sallyport_denied_total', { reason });
  const before = await denials();
  const id = await make();
  assert.match(id, /^[0-9a-f]{32}$/);
  const line = await s.gateway.access(`a line of ${reason}`, (l) => l.request_id === id);
  assert.deepEqual([line.reason, line.status, line.aborted, line.detail], [reason, status, aborted, detail]);
  assert.equal((await s.gateway.audit(`the denial ${reason}`, (l) => l.request_id === id)).reason, reason);
  await until(`${reason} is counted`, async () => (await denials()) === before + 1); // a line may be there before
}

describe('messages of gRPC calls', () => {
  let s, server, client, packing;
  const seen = { messages: [], cancelled: 0 };
  const take = (call) => call.on('cancelled', () => seen.cancelled++).on('error', () => {}).on('data', (part) => seen.messages.push(part.length));
  const handlers = {
    unary: (call, done) => {
      seen.messages.push(call.request.length);
      done(null, Buffer.from(`${call.request.length}`));
    },
    collect: (call, done) => {
      const first = seen.messages.length;
      take(call).on('end', () => done(null, Buffer.from(seen.messages.slice(first).join('+'))));
    },
    chat: (call) => take(call).on('data', (part) => call.write(Buffer.from(`${part.length}`))).on('end', () => call.end()),
  };
  const connect = (options) => new grpc.Client(`127.0.0.1:${s.gateway.ports.public}`, grpc.credentials.createSsl(Buffer.from(authority().cert)), { 'grpc.ssl_target_name_override': HOST, 'grpc.default_authority': HOST, 'grpc.enable_retries': 0, ...options });

  before(async () => {
    const origin = originCertificate();
    // Takes whatever comes: where something stops, the gateway has stopped it.
    server = new grpc.Server({ 'grpc.max_receive_message_length': -1 });
    for (const service of ['Small', 'Plain', 'Tight']) server.addService(methodsOf(service), handlers);
    const credentials = grpc.ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(origin.cert), private_key: Buffer.from(origin.key) }]);
    const port = await new Promise((resolve, reject) => server.bindAsync('127.0.0.1:0', credentials, (error, value) => (error ? reject(error) : resolve(value))));
    s = await openStage({
      config: (stage) => ({ workers: 1, upstreams: { 'order-service': { endpoints: [`https://127.0.0.1:${port}`], protocol: 'h2', tls: { ca: stage.ca.certFile } } } }),
      routes: ROUTES,
    });
    client = connect();
    packing = connect({ 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip });
  });
  after(() => closeAll(() => client?.close(), () => packing?.close(), () => server?.forceShutdown(), () => s?.close()));

  const unary = (length, { path = METHODS.unary.path, by = client } = {}) =>
    within(20_000, 'the end of a call', new Promise((resolve) => {
      let answer;
      by.makeUnaryRequest(path, raw.serialize, raw.deserialize, message(length), (error, value) => (answer = value))
        .on('status', (status) => setImmediate(() => resolve({ status, answer: answer?.toString() })));
    }));
  const idOf = (status) => status.metadata.get('x-request-id')[0];
  const refused = async (make, { reason = 'grpc_message_too_large', detail } = {}) => {
    await told(s, reason, async () => {
      const { status } = await make();
      assert.equal(status.code, STATUS.RESOURCE_EXHAUSTED, status.details);
      return idOf(status);
    }, { detail });
  };
  const passes = async (length, options) => {
    const { status, answer } = await unary(length, options);
    assert.deepEqual([status.code, answer], [STATUS.OK, `${length}`], status.details);
  };

  it('one as large as allowed passes, one a byte larger does not reach the server', async () => {
    await passes(LIMIT);
    const count = seen.messages.length;
    await refused(() => unary(LIMIT + 1), { detail: `a message of ${LIMIT + 1} bytes` });
    assert.equal(seen.messages.length, count);
    await passes(0);
  });
  it('4 MiB unless the route says otherwise', async () => {
    await passes(4 * MIB, { path: '/test.Plain/Unary' });
    const count = seen.messages.length;
    await refused(() => unary(4 * MIB + 1, { path: '/test.Plain/Unary' }), { detail: `a message of ${4 * MIB + 1} bytes` });
    assert.equal(seen.messages.length, count);
  });
  it('a compressed one counts as it is sent', async () => {
    await passes(MIB, { by: packing });
    await refused(() => unary(MIB), { detail: `a message of ${MIB} bytes` });
  });

  const collect = (path, ...lengths) =>
    within(20_000, 'the end of a stream', new Promise((resolve) => {
      let answer;
      const call = client.makeClientStreamRequest(path, raw.serialize, raw.deserialize, (error, value) => (answer = value));
      call.on('error', () => {}).on('status', (status) => setImmediate(() => resolve({ status, answer: answer?.toString() })));
      for (const length of lengths) call.write(message(length));
      call.end();
    }));
  it('the third of a client\'s stream: the call is cancelled at the server, which never has it', async () => {
    const cancelled = seen.cancelled;
    const count = seen.messages.length;
    await refused(() => collect(METHODS.collect.path, 10, LIMIT, LIMIT + 1, 5), { detail: `a message of ${LIMIT + 1} bytes` });
    await until('the server sees the cancellation', () => seen.cancelled === cancelled + 1);
    assert.ok(seen.messages.slice(count).every((length, i) => length === [10, LIMIT][i]), `${seen.messages.slice(count)}`);
    const twin = await collect(METHODS.collect.path, 10, LIMIT, LIMIT, 5);
    assert.deepEqual([twin.status.code, twin.answer], [STATUS.OK, `10+${LIMIT}+${LIMIT}+5`]);
  });
  it('many small ones are bounded by `body` together', async () => {
    const lengths = (count) => Array(count).fill(30 * KIB);
    await refused(() => collect('/test.Tight/Collect', ...lengths(4)), { reason: 'body_too_large' });
    assert.equal((await collect('/test.Tight/Collect', ...lengths(3))).status.code, STATUS.OK);
  });

  const chat = () => {
    const call = client.makeBidiStreamRequest(METHODS.chat.path, raw.serialize, raw.deserialize);
    const out = { call, answers: [] };
    call.on('metadata', (fields) => (out.id = fields.get('x-request-id')[0])).on('data', (part) => out.answers.push(part.toString())).on('error', () => {});
    out.ended = new Promise((resolve) => call.on('status', resolve));
    return out;
  };
  it('behind the begin of the answer the stream is cut', async () => {
    const cancelled = seen.cancelled;
    const cuts = async () => (await s.gateway.metrics()).sum('sallyport_responses_cut_total');
    const before = await cuts();
    const bad = chat();
    await told(s, 'grpc_message_too_large', async () => {
      bad.call.write(message(LIMIT));
      await until('the first answer', () => bad.answers.length === 1);
      bad.call.write(message(LIMIT + 1));
      const { code } = await within(10_000, 'the end of the stream', bad.ended);
      assert.equal(code, STATUS.INTERNAL); // what gRPC makes of RST_STREAM INTERNAL_ERROR
      return bad.id;
    }, { aborted: true, detail: `a message of ${LIMIT + 1} bytes` });
    await until('the cut is counted', async () => (await cuts()) === before + 1);
    assert.deepEqual(bad.answers, [`${LIMIT}`]);
    await until('the server sees the cancellation', () => seen.cancelled === cancelled + 1);
    const good = chat();
    for (const length of [LIMIT, 0, LIMIT]) {
      good.call.write(message(length));
      await until('its answer', () => good.answers.at(-1) === `${length}`);
    }
    good.call.end();
    assert.equal((await within(10_000, 'the end of the stream', good.ended)).code, STATUS.OK);
  });
  it('a reload takes the setting up; calls that run keep theirs', async () => {
    const running = chat();
    running.call.write(message(LIMIT));
    await until('the first answer', () => running.answers.length === 1);
    await s.gateway.reload({ ...s.config, routes: { ...ROUTES, small: route('Small', { max_grpc_message: '1KiB' }) } });
    await refused(() => unary(KIB + 1), { detail: `a message of ${KIB + 1} bytes` });
    await passes(KIB);
    running.call.write(message(LIMIT));
    await until('the second answer', () => running.answers.length === 2);
    running.call.end();
    assert.equal((await within(10_000, 'the end of the stream', running.ended)).code, STATUS.OK);
    await s.gateway.reload(s.config);
    await passes(LIMIT);
  });
});

describe('prefixes of gRPC messages, byte by byte', () => {
  let s, upstream, session;
  before(async () => {
    upstream = await startFrames();
    s = await openStage({ config: { workers: 1, upstreams: { 'order-service': { endpoints: [upstream.url], tls: null } } }, routes: ROUTES });
    session = await Session.connect(s);
  });
  after(() => closeAll(() => session?.destroy(), () => upstream?.close(), () => s?.close()));

  const frames = () => upstream.connections.flatMap((connection) => connection.frames.map((f) => ({ ...f, connection })));
  const open = async (type = 'application/grpc') => {
    const before = frames().filter((f) => f.type === TYPE.HEADERS).length;
    const call = session.open({ method: 'POST', path: '/test.Small/Unary', fields: { 'content-type': type, te: 'trailers' }, end: false });
    const { connection, id } = await until('the call at the upstream', () => frames().filter((f) => f.type === TYPE.HEADERS)[before]);
    const own = () => connection.frames.filter((f) => f.id === id);
    const body = () => Buffer.concat(own().filter((f) => f.type === TYPE.DATA).map((f) => f.payload));
    const ended = () => own().some((f) => f.flags & FLAG.END_STREAM && (f.type === TYPE.DATA || f.type === TYPE.HEADERS));
    const reset = () => own().find((f) => f.type === TYPE.RST_STREAM);
    // A frame of its own that the gateway has read: a PING behind it has come back.
    const give = async (bytes) => {
      await new Promise((resolve) => call.request.write(bytes, resolve));
      await within(10_000, 'PING back', new Promise((resolve, reject) => session.h2.ping((error) => (error ? reject(error) : resolve()))));
    };
    const answer = () => connection.send(
      frame(TYPE.HEADERS, FLAG.END_HEADERS, id, hpack([[':status', '200'], ['content-type', type]])),
      data(id, Buffer.alloc(5)),
      frame(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, id, hpack([['grpc-status', '0']])),
    );
    return Object.assign(call, { give, body, ended, reset, answer });
  };
  const denied = (reason, code, give, { sent, detail } = {}) => async () => {
    const call = await open();
    await told(s, reason, async () => {
      await give(call);
      const head = await within(10_000, 'the denial', call.response);
      assert.deepEqual([head[':status'], head['content-type'], head['grpc-status']], [200, 'application/grpc', `${code}`]);
      return head['x-request-id'];
    }, { detail });
    await until('the call is cancelled at the upstream', call.reset);
    assert.equal(call.reset().payload.readUInt32BE(0), 8); // CANCEL
    assert.equal(call.ended(), false, 'the upstream was told that the body is complete');
    assert.deepEqual(call.body(), sent);
  };
  const byteByByte = async (call, bytes) => {
    for (const byte of bytes) await call.give(Buffer.from([byte]));
  };
  const served = async (call, sent) => {
    call.request.end();
    await until('the end of the body at the upstream', call.ended);
    assert.deepEqual(call.body(), sent);
    call.request.resume();
    await call.answer();
    await within(10_000, 'the answer', call.response);
    await within(10_000, 'its end', call.closed);
    assert.equal((await call.response)[':status'], 200);
  };

  it('honest messages, a byte in each frame', async () => {
    const bytes = Buffer.from([0, 0, 0, 0, 3, 97, 98, 99, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 255]);
    const call = await open();
    await byteByByte(call, bytes);
    await served(call, bytes);
    assert.equal(call.trailers['grpc-status'], '0');
  });
  it('no byte of a message that is too large goes upstream', denied('grpc_message_too_large', STATUS.RESOURCE_EXHAUSTED,
    async (call) => {
      await byteByByte(call, [0, 0, 1, 0]);
      await call.give(Buffer.concat([Buffer.from([1]), Buffer.alloc(1000, 'x')])); // 64 KiB and 1
    }, { sent: Buffer.from([0, 0, 1, 0]), detail: `a message of ${LIMIT + 1} bytes` }));
  it('nor of the longest that a prefix can tell, in one piece with its prefix', denied('grpc_message_too_large', STATUS.RESOURCE_EXHAUSTED,
    (call) => call.give(Buffer.concat([Buffer.from([1, 255, 255, 255, 255]), Buffer.alloc(1000, 'x')])), { sent: Buffer.alloc(0), detail: 'a message of 4294967295 bytes' }));
  it('a flag that is neither 0 nor 1', denied('grpc_message_flag', STATUS.INVALID_ARGUMENT,
    async (call) => {
      await call.give(Buffer.from([0, 0, 0, 0, 1, 120]));
      await call.give(Buffer.from([2, 0, 0, 0, 0]));
    }, { sent: Buffer.from([0, 0, 0, 0, 1, 120]) }));
  it('a body that ends within a message', denied('grpc_message_cut', STATUS.INVALID_ARGUMENT,
    async (call) => {
      await call.give(Buffer.from([0, 0, 0, 0, 3, 97, 98]));
      call.request.end();
    }, { sent: Buffer.from([0, 0, 0, 0, 3, 97, 98]) }));
  it('a body that ends within a prefix', denied('grpc_message_cut', STATUS.INVALID_ARGUMENT,
    async (call) => {
      await call.give(Buffer.from([0, 0, 0, 0, 1, 97, 0, 0]));
      call.request.end();
    }, { sent: Buffer.from([0, 0, 0, 0, 1, 97, 0, 0]) }));
  it('the connection serves calls on, and what is no call may hold anything', async () => {
    const call = await open();
    const bytes = Buffer.from([0, 0, 0, 0, 3, 97, 98, 99]);
    await call.give(bytes);
    await served(call, bytes);
    const other = await open('application/grpc-web');
    const anything = Buffer.from([7, 255, 255, 255, 255, 0]);
    await other.give(anything);
    await served(other, anything);
  });
});
