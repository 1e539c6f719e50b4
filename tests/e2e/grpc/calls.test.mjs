// gRPC through the gateway: @grpc/grpc-js calls @grpc/grpc-js.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { STATUS, connectClient, metadataOf, method, startServer, text, unary as callUnary } from '../lib/grpc.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { HOST, closeAll, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const METHODS = { unary: method('Unary', false, false), collect: method('Collect', true, false), list: method('List', false, true), chat: method('Chat', true, true) };

describe('gRPC calls', () => {
  let s, server, client, cancelled = 0, seen;
  const handlers = {
    unary: (call, done) => {
      seen = call.metadata;
      if (call.request === 'fail') return done({ code: STATUS.NOT_FOUND, details: 'no such thing: 100% ü', metadata: metadataOf({ 'x-why': 'gone' }) });
      if (call.request === 'wait') return call.on('cancelled', () => cancelled++);
      call.sendMetadata(metadataOf({ 'x-head': 'one' }));
      done(null, `echo ${call.request}`, metadataOf({ 'x-tail': 'two', 'x-user': 'forged', 'sum-bin': Buffer.from([1, 2, 255]) }));
    },
    collect: (call, done) => {
      const parts = [];
      call.on('data', (part) => parts.push(part)).on('end', () => done(null, parts.join('+')));
    },
    list: (call) => {
      if (call.request === 'endless') {
        call.write('first');
        return call.on('cancelled', () => cancelled++);
      }
      for (let i = 0; i < Number(call.request); i++) call.write(`item ${i}`);
      call.end();
    },
    chat: (call) => call.on('data', (part) => call.write(`re: ${part}`)).on('end', () => call.end()),
  };
  const route = (path, over) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: 'none', timeout: '5s', idle_timeout: '5s', ...over });

  before(async () => {
    server = await startServer([METHODS, handlers], [{ unary: method('Unary', false, false, 'test.Slow') }, handlers]);
    s = await openStage({
      config: (stage) => ({
        workers: 1,
        upstreams: { 'order-service': { endpoints: [`https://127.0.0.1:${server.port}`], protocol: 'h2', tls: { ca: stage.ca.certFile } } },
      }),
      routes: {
        echo: route('/test.Echo/**'),
        // The name that it sets from identity is dropped from trailers on every route.
        closed: route('/test.Closed/**', { auth: { jwt: 'main' }, authorize: { scopes: ['echo'] }, relay: { headers: { 'X-User': 'subject' } } }),
        slow: route('/test.Slow/**', { timeout: '300ms' }),
      },
    });
    client = connectClient(s);
  });
  after(() => closeAll(() => client?.close(), () => server?.forceShutdown(), () => s?.close()));

  const unary = (value, options) => callUnary(client, value, { path: METHODS.unary.path, ...options });
  const denied = async (code, reason, make) => {
    const { status } = await make();
    assert.equal(status.code, code, status.details);
    const [id] = status.metadata.get('x-request-id');
    assert.match(id, /^[0-9a-f]{32}$/);
    const line = await s.gateway.access(reason, (l) => l.request_id === id);
    assert.deepEqual([line.reason, line.status], [reason, 200]);
    return status;
  };

  it('unary: message, metadata both ways, trailers', async () => {
    const { answer, head, status } = await unary('a', { metadata: { 'x-mine': 'yes', 'raw-bin': Buffer.from([0, 254]) } });
    assert.equal(answer, 'echo a');
    assert.deepEqual([seen.get('x-mine'), seen.get('raw-bin')], [['yes'], [Buffer.from([0, 254])]]);
    assert.deepEqual(head.get('x-head'), ['one']);
    assert.deepEqual([status.code, status.metadata.get('x-tail'), status.metadata.get('sum-bin')], [STATUS.OK, ['two'], [Buffer.from([1, 2, 255])]]);
    assert.deepEqual(status.metadata.get('x-user'), []); // the server sends it
  });
  it('status and message of the server come as they were', async () => {
    const { status } = await unary('fail');
    assert.deepEqual([status.code, status.details, status.metadata.get('x-why')], [STATUS.NOT_FOUND, 'no such thing: 100% ü', ['gone']]);
  });
  it('a client stream, a server stream, both', async () => {
    const collected = await new Promise((resolve, reject) => {
      const call = client.makeClientStreamRequest(METHODS.collect.path, text.serialize, text.deserialize, (error, value) => (error ? reject(error) : resolve(value)));
      for (const part of ['a', 'b', 'c']) call.write(part);
      call.end();
    });
    assert.equal(collected, 'a+b+c');
    const items = [];
    for await (const item of client.makeServerStreamRequest(METHODS.list.path, text.serialize, text.deserialize, '300')) items.push(item);
    assert.equal(items.length, 300);
    const chat = client.makeBidiStreamRequest(METHODS.chat.path, text.serialize, text.deserialize);
    const answers = chat[Symbol.asyncIterator]();
    for (const part of ['one', 'two']) {
      chat.write(part);
      assert.equal((await answers.next()).value, `re: ${part}`); // each answered before the next is asked
    }
    chat.end();
    assert.equal((await answers.next()).done, true);
  });
  it('a cancelled call and a passed deadline are cancelled at the server', async () => {
    const before = cancelled;
    const stream = client.makeServerStreamRequest(METHODS.list.path, text.serialize, text.deserialize, 'endless');
    const code = await new Promise((resolve) => stream.on('data', () => stream.cancel()).on('error', (error) => resolve(error.code)));
    assert.equal(code, STATUS.CANCELLED);
    await until('the server sees the cancellation', () => cancelled === before + 1);
    const { status } = await unary('wait', { deadline: Date.now() + 300 });
    assert.equal(status.code, STATUS.DEADLINE_EXCEEDED);
    await until('the server sees the deadline', () => cancelled === before + 2);
  });

  it('denials are Trailers-Only, with the status of the reason', async () => {
    const none = await denied(STATUS.UNAUTHENTICATED, 'credential_missing', () => unary('a', { path: '/test.Closed/Unary' }));
    assert.equal(none.details, 'Authentication required (unauthenticated)');
    const bearer = async (scope) => ({ path: '/test.Closed/Unary', metadata: { authorization: `Bearer ${await s.mint({ scope })}` } });
    const lacking = await bearer('other');
    await denied(STATUS.PERMISSION_DENIED, 'scope_missing', () => unary('a', lacking));
    await denied(STATUS.UNIMPLEMENTED, 'no_route', () => unary('a', { path: '/test.Nowhere/Unary' }));
    await denied(STATUS.DEADLINE_EXCEEDED, 'upstream_timeout', () => unary('wait', { path: '/test.Slow/Unary' }));
    assert.equal((await unary('a', { path: '/test.Slow/Unary' })).answer, 'echo a');
    // The honest twin passes the gateway: it is the server that does not know this service, and no reason is logged.
    const twin = await unary('a', await bearer('echo'));
    assert.equal(twin.status.code, STATUS.UNIMPLEMENTED);
    assert.match(twin.status.details, /does not implement/);
  });
  it('only a POST of application/grpc over HTTP/2 is a call: others get HTTP statuses', async () => {
    for (const type of ['application/grpc-web', 'application/grpcx', 'application/json']) {
      const response = await requestH2(s, { method: 'POST', path: '/test.Closed/Unary', fields: { 'content-type': type }, body: 'x' });
      assert.equal(response.status, 401, type);
    }
  });
});
