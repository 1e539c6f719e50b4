// T40: a denial that comes while the client still sends: it is read whole, the rest is drained within bounds, then it ends.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { RawClient, curl, requestText } from '../lib/raw.mjs';
import { pass, SLOW } from '../lib/wait.mjs';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SIZE = 10 * 1024 * 1024;
const timeouts = { drain: `${SLOW}s` };

describe('T40: an unread body on an early denial', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: { listeners: { public: { timeouts }, clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', timeouts } } },
      routes: {
        orders: { match: { host: HOST, path: '/orders/**' }, upstream: 'order-service', auth: { jwt: 'main' }, authorize: 'any_caller', listeners: ['public', 'clear'], body: '1MiB' },
        open: { ...OPEN, listeners: ['public', 'clear'] },
      },
    });
  });
  after(() => s?.close());

  // Between two pieces the loop turns, or this client would not look for an answer while the kernel takes all that it writes.
  const upload = async (client, { chunked = false, size = SIZE, every = 0 } = {}) => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    while (sent < size) {
      const ok = await client.send(chunked ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]) : piece);
      if (!ok || client.reader.ended) break;
      sent += piece.length;
      await pass(every);
    }
    return sent;
  };
  const denial = { status: 401, code: 'unauthenticated', reason: 'credential_missing' };

  for (const listener of ['public', 'clear']) {
    for (const chunked of [false, true]) {
      it(`10 MB POST without a token, ${chunked ? 'chunked' : 'with its length'}, on ${listener}: the client reads the denial`, async () => {
        await s.denied(denial, async () => {
          const client = await s.connect({ listener, plain: listener === 'clear' });
          await client.send(requestText({ method: 'POST', path: '/orders/1', fields: [chunked ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', SIZE]] }));
          const sending = upload(client, { chunked });
          const response = await client.response();
          assert.match(response.fields.get('connection') ?? '', /close/i);
          await sending;
          client.destroy();
          return response;
        });
      });
    }
  }
  it('a client that reads only after it has sent everything it can still gets it', async () => {
    // Under TLS, over loopback, slowly: the half-closed side keeps the answer alive.
    const client = await s.connect();
    await client.send(requestText({ method: 'POST', path: '/orders/1', fields: [['Content-Length', 512 * 1024]] }));
    await upload(client, { size: 512 * 1024, every: 20 });
    const response = await client.response();
    s.checkDenial(response, denial);
    client.destroy();
  });
  it('a client that never stops is cut off within the drain limit', async () => {
    // Half open: the end of the answer does not end what it sends.
    const client = await s.connect({ listener: 'clear', plain: true, allowHalfOpen: true });
    await client.send(requestText({ method: 'POST', path: '/orders/1', fields: [['Content-Length', 1e9]] }));
    const from = performance.now();
    const response = await client.response();
    s.checkDenial(response, denial);
    let ended = false;
    client.closing.then(() => (ended = true));
    while (!ended && performance.now() - from < 15_000 * SLOW) {
      await client.send('x'.repeat(1024));
      await pass(10);
      client.socket.read();
    }
    const took = performance.now() - from;
    assert.ok(ended && took < 10_000 * SLOW, `still taking bytes after ${took} ms`);
    assert.ok(took > 500 * SLOW, `cut off after ${took} ms, before the drain limit`);
    client.destroy();
  });
  it('too large by its length: 413 at once, before the body', async () => {
    await s.denied({ status: 413, code: 'body_too_large', reason: 'body_too_large' }, async () => {
      const client = await s.connect();
      await client.send(requestText({ method: 'POST', path: '/orders/1', token: await s.mint(), fields: [['Content-Length', SIZE]] }));
      const response = await client.response();
      client.destroy();
      return response;
    });
  });
  it('too large as it comes: 413, and the upstream never takes it for whole', async () => {
    const before = s.upstream.requests.length;
    await s.denied({ status: 413, code: 'body_too_large', reason: 'body_too_large', nothingUpstream: false }, async () => {
      const client = await s.connect();
      await client.send(requestText({ method: 'POST', path: '/orders/1', token: await s.mint(), fields: [['Transfer-Encoding', 'chunked']] }));
      const sending = upload(client, { chunked: true });
      const response = await client.response();
      await sending;
      client.destroy();
      return response;
    });
    for (const request of s.upstream.requests.slice(before)) assert.equal(request.body, undefined);
  });
  it('waiting for 100 Continue: the denial comes instead', async () => {
    await s.denied(denial, async () => {
      const client = await s.connect();
      await client.send(requestText({ method: 'POST', path: '/orders/1', fields: [['Content-Length', SIZE], ['Expect', '100-continue']] }));
      const response = await client.response();
      assert.deepEqual(response.informational, []);
      client.destroy();
      return response;
    });
  });
  it('curl reads it too', async () => {
    const file = join(s.dir, 'upload');
    writeFileSync(file, Buffer.alloc(SIZE));
    const { stdout } = await curl(['--http1.1', '--cacert', s.ca.certFile, '--resolve', `${HOST}:${s.gateway.ports.public}:127.0.0.1`, '-H', 'Expect:', '--data-binary', `@${file}`, '-w', '\n%{http_code}', `https://${HOST}:${s.gateway.ports.public}/orders/1`]);
    assert.match(stdout, /"code":"unauthenticated"[^]*\n401$/);
  });
  it('twin: a body within the limit goes through, and the connection goes on', async () => {
    const client = await s.connect();
    const body = Buffer.alloc(1024 * 1024, 'y');
    for (let i = 0; i < 2; i++) {
      await client.send(requestText({ method: 'POST', path: '/orders/1', token: await s.mint(), body }));
      assert.equal((await client.response()).json().size, body.length);
    }
    client.end();
  });
  it('twin: a small unread body costs the client nothing', async () => {
    const response = await s.request({ method: 'POST', path: '/orders/1', body: 'small' });
    assert.equal(response.status, 401);
  });
  it('gives nothing away to one who only connects', async () => {
    const client = await RawClient.connect({ port: s.gateway.ports.clear });
    client.end();
    await client.ended();
  });
});
