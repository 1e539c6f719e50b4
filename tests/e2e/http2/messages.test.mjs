// HTTP/2 from clients: the same exchange as over HTTP/1.1, whatever the peer.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { join } from 'node:path';
import { CODE, FrameClient, GET, Session, TYPE, requestH2 } from '../lib/h2.mjs';
import { HOST, OPEN, READ_ORDERS, fieldsOf, gatewayCertificate, openStage } from '../lib/stage.mjs';
import { echo } from '../lib/upstream.mjs';
import { until, within } from '../lib/wait.mjs';

const exec = (program, args, options = {}) => new Promise((resolve, reject) => execFile(program, args, { maxBuffer: 64 * 1024 * 1024, timeout: 30_000, ...options }, (error, stdout, stderr) => (error ? reject(Object.assign(error, { stdout, stderr })) : resolve({ stdout, stderr }))));

const scripts = {
  '/open/trailers': async (exchange) => {
    await exchange.request.skip();
    await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 12\r\n\r\n');
  },
  '/open/hints': async (exchange) => {
    await exchange.send('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n');
    await exchange.respond(200, [], 'late');
  },
  '/open/cut': async (exchange) => {
    await exchange.request.skip();
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n' + 'x'.repeat(1000));
    await exchange.opened;
    await new Promise((resolve) => setTimeout(resolve, 50));
    exchange.reset();
  },
  '/open/early': async (exchange) => {
    await exchange.respond(413, [['Connection', 'close']], 'too much');
    exchange.end();
  },
  '/open/nothing': async (exchange) => {
    await exchange.request.skip();
    await exchange.respond(204);
  },
  '/open/not-modified': async (exchange) => {
    await exchange.request.skip();
    await exchange.send('HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n');
  },
  '/open/chunks': async (exchange) => {
    await exchange.request.skip();
    await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (let i = 0; i < 20; i++) await exchange.send('400\r\n' + String(i % 10).repeat(1024) + '\r\n');
    await exchange.send('0\r\n\r\n');
  },
  '/open/drip': async (exchange) => {
    await exchange.request.skip();
    await exchange.send('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    await exchange.send('6\r\nfirst\n\r\n');
    await exchange.upstream.go;
    await exchange.send('7\r\nsecond\n\r\n0\r\n\r\n');
  },
  '/open/big': async (exchange) => {
    await exchange.request.skip();
    await exchange.respond(200, [], exchange.upstream.big);
  },
};

describe('HTTP/2 messages', () => {
  let s;
  before(async () => {
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    const tlsOf = { certificates: [{ cert, key }] };
    s = await openStage({
      config: {
        // Two hundred requests at once are too much for a slow build on a busy machine, and that is not what is tested here.
        listeners: {
          clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', h2c: true },
          closed: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' },
          old: { address: '127.0.0.1', port: 0, protocols: ['http/1.1'], tls: tlsOf },
          only: { address: '127.0.0.1', port: 0, protocols: ['h2'], tls: tlsOf },
        },
      },
      routes: {
        open: { ...OPEN, listeners: ['public', 'clear', 'closed', 'old', 'only'], relay: { trailers: true } },
        small: { ...OPEN, match: { host: HOST, path: '/small/**' }, body: '1KiB', listeners: ['public'] },
        'read-orders': { ...READ_ORDERS, listeners: ['public'] },
      },
      upstream: { script: (exchange) => (scripts[exchange.request.target] ?? echo)(exchange) },
    });
    s.upstream.big = randomBytes(3_000_000);
  });
  after(() => s?.close());

  it('GET, and what the log and the upstream see of it', async () => {
    const { response, echo: seen } = await s.allowed(() => requestH2(s, { path: '/open/x?y=1', fields: { 'x-a': 'b' } }));
    assert.equal(seen.target, '/open/x?y=1');
    assert.equal(seen.version, '1.1');
    assert.deepEqual(fieldsOf(seen, 'host'), [HOST]);
    assert.deepEqual(fieldsOf(seen, 'x-a'), ['b']);
    assert.deepEqual(fieldsOf(seen, 'via'), ['2 sallyport']);
    assert.deepEqual(fieldsOf(seen, 'x-forwarded-proto'), ['https']);
    const line = await s.gateway.access('the request', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.equal(line.protocol, 'HTTP/2');
    assert.equal(line.status, 200);
    assert.equal(line.tls, 'TLSv1.3');
  });
  it('the same request over either protocol is the same for the upstream', async () => {
    const ask = { path: '/open/same?a=%20b', fields: [['X-Odd', 'a, b'], ['Accept', '*/*']] };
    const one = (await s.allowed(() => s.request(ask))).echo;
    const two = (await s.allowed(() => requestH2(s, { path: ask.path, fields: { 'x-odd': 'a, b', accept: '*/*' } }))).echo;
    const plain = (seen) => seen.fields.map(([n, v]) => [n.toLowerCase(), v]).filter(([n]) => !['x-request-id', 'via', 'connection'].includes(n)).sort();
    assert.deepEqual(plain(two), plain(one));
    assert.equal(two.target, one.target);
  });
  it('POST with a length, without one, and an empty one', async () => {
    const body = randomBytes(300_000);
    const sha256 = createHash('sha256').update(body).digest('hex');
    const with_ = (await s.allowed(() => requestH2(s, { method: 'POST', body, fields: { 'content-length': body.length } }))).echo;
    assert.equal(with_.sha256, sha256);
    assert.deepEqual(fieldsOf(with_, 'content-length'), [String(body.length)]);
    const without = (await s.allowed(() => requestH2(s, { method: 'POST', body }))).echo;
    assert.equal(without.sha256, sha256);
    assert.deepEqual(fieldsOf(without, 'transfer-encoding'), ['chunked']);
    assert.equal((await s.allowed(() => requestH2(s, { method: 'POST', body: '' }))).echo.size, 0);
  });
  it('HEAD, 204 and 304 have no body', async () => {
    const head = await requestH2(s, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.ok(Number(head.headers['content-length']) > 0);
    assert.equal(head.body.length, 0);
    const nothing = await requestH2(s, { path: '/open/nothing' });
    assert.equal(nothing.status, 204);
    assert.equal(nothing.headers['content-length'], undefined);
    assert.equal((await requestH2(s, { path: '/open/not-modified' })).status, 304);
  });
  it('large bodies both ways', async () => {
    assert.ok((await requestH2(s, { path: '/open/big' })).body.equals(s.upstream.big));
    const chunks = await requestH2(s, { path: '/open/chunks' });
    assert.equal(chunks.body.length, 20 * 1024);
  });
  it('trailers both ways', async () => {
    const answer = await requestH2(s, { path: '/open/trailers' });
    assert.equal(answer.text, 'hello');
    assert.equal(answer.trailers?.['x-sum'], '12');
    const { echo: seen } = await s.allowed(() => requestH2(s, { method: 'POST', body: 'hello', trailers: { 'x-sum': '12' } }));
    assert.equal(seen.body, 'hello');
    assert.deepEqual(seen.trailers.filter(([n]) => n.toLowerCase() === 'x-sum').map(([, v]) => v), ['12']);
  });
  it('103 before the answer, and 100 where it is waited for', async () => {
    const hints = await requestH2(s, { path: '/open/hints' });
    assert.equal(hints.text, 'late');
    assert.deepEqual(hints.informational.map((h) => h[':status']), [103]);
    assert.equal(hints.informational[0].link, '</a.css>; rel=preload');
    const session = await Session.connect(s);
    const seen = session.open({ method: 'POST', end: false, fields: { expect: '100-continue' } });
    await within(10_000, '100', new Promise((resolve) => seen.request.once('continue', resolve)));
    seen.request.end('hello');
    assert.equal((await seen.response)[':status'], 200);
    session.destroy();
  });
  it('a stream of events comes as it is sent', async () => {
    s.upstream.go = new Promise((resolve) => (s.upstream.goOn = resolve));
    const session = await Session.connect(s);
    const seen = session.open({ path: '/open/drip' });
    await seen.response;
    seen.request.on('data', (chunk) => seen.chunks.push(chunk));
    await until('the first event', () => Buffer.concat(seen.chunks).toString() === 'first\n');
    s.upstream.goOn();
    await until('the second event', () => Buffer.concat(seen.chunks).toString() === 'first\nsecond\n');
    session.destroy();
  });
  it('many at once on one connection', async () => {
    const session = await Session.connect(s);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => session.request({ path: `/open/${i}`, method: 'POST', body: `body ${i}` })));
    answers.forEach((answer, i) => {
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json().target, `/open/${i}`);
      assert.equal(answer.json().body, `body ${i}`);
    });
    session.destroy();
  });

  it('denials are the same as over HTTP/1.1', async () => {
    await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing', challenge: undefined }, () => requestH2(s, { path: '/orders/1' }));
    await s.denied({ status: 404, code: 'not_found', reason: 'no_route' }, () => requestH2(s, { path: '/elsewhere' }));
    await s.denied({ status: 400, code: 'invalid_path', reason: 'bad_path' }, () => requestH2(s, { path: '/open/../orders/1' }));
    await s.denied({ status: 400, code: 'invalid_request', reason: 'bad_target' }, () => requestH2(s, { path: 'open/x' }));
    await s.denied({ status: 431, code: 'head_too_large', reason: 'head_too_large' }, () => requestH2(s, { fields: { 'x-long': 'a'.repeat(20_000) } }));
    const token = s.mint({ scope: 'read_orders' });
    await s.allowed(async () => requestH2(s, { path: '/orders/1', fields: { authorization: `Bearer ${await token}` } }));
  });
  it('a body that is too large is answered, and the client may read it all', async () => {
    const answer = await s.denied({ status: 413, code: 'body_too_large', reason: 'body_too_large', nothingUpstream: false }, () => requestH2(s, { path: '/small/x', method: 'POST', body: Buffer.alloc(100_000) }));
    assert.equal(answer.response.status, 413);
    const early = await requestH2(s, { path: '/open/early', method: 'POST', body: Buffer.alloc(200_000) });
    assert.equal(early.status, 413);
    assert.equal(early.text, 'too much');
  });
  it('CONNECT is not implemented', async () => {
    const client = await FrameClient.connect(s);
    client.headers(1, [[':method', 'CONNECT'], [':authority', `${HOST}:443`]], { end: true });
    await client.end(1);
    const line = await s.gateway.access('CONNECT', (l) => l.method === 'CONNECT');
    assert.equal(line.status, 501);
    client.destroy();
  });

  it('a client that resets its stream cancels the exchange', async () => {
    const session = await Session.connect(s);
    s.upstream.go = new Promise((resolve) => (s.upstream.goOn = resolve));
    const seen = session.open({ path: '/open/drip', fields: { 'x-mark': 'cancelled' } });
    await seen.response;
    const connection = s.upstream.connections.find((c) => c.text.includes('cancelled'));
    seen.request.close(CODE.CANCEL);
    await until('the upstream connection to close', () => connection.closed);
    const line = await s.gateway.access('the cancelled request', (l) => l.aborted === true && l.path === '/open/drip');
    assert.equal(line.protocol, 'HTTP/2');
    s.upstream.goOn();
    assert.equal((await session.request()).status, 200);
    session.destroy();
  });
  it('an upstream that breaks off resets the stream, and only that', async () => {
    const session = await Session.connect(s);
    const seen = session.open({ path: '/open/cut' });
    seen.request.on('data', () => {});
    await seen.closed;
    assert.equal(seen.status, 200);
    assert.equal(seen.request.rstCode, CODE.INTERNAL_ERROR);
    assert.equal((await session.request()).status, 200);
    session.destroy();
  });

  it('h2c by prior knowledge where the listener says so; HTTP/1.1 beside it', async () => {
    assert.equal((await requestH2(s, { listener: 'clear', plain: true })).status, 200);
    assert.equal((await s.request({ listener: 'clear', plain: true, path: '/open/x' })).status, 200);
    // Byte by byte, too.
    const slow = await FrameClient.connect(s, { listener: 'clear', plain: true });
    slow.headers(1, GET());
    await slow.end(1);
    assert.equal(slow.status(1), 200);
    slow.destroy();
    await assert.rejects(requestH2(s, { listener: 'closed', plain: true }));
  });
  it('ALPN decides: h2 first, and only what the listener speaks', async () => {
    const negotiated = (listener, protocols) => new Promise((resolve) => {
      const socket = tls.connect({ port: s.gateway.ports[listener], host: '127.0.0.1', ...s.tls({ ALPNProtocols: protocols }) }, () => {
        resolve(socket.alpnProtocol);
        socket.destroy();
      });
      socket.on('error', (error) => resolve(error.code));
    });
    assert.equal(await negotiated('public', ['http/1.1', 'h2']), 'h2');
    assert.equal(await negotiated('public', ['http/1.1']), 'http/1.1');
    assert.equal(await negotiated('old', ['h2', 'http/1.1']), 'http/1.1');
    assert.equal(await negotiated('only', ['h2', 'http/1.1']), 'h2');
    assert.match(String(await negotiated('only', ['http/1.1'])), /ERR_SSL|ECONNRESET/);
    assert.match(String(await negotiated('old', ['h2'])), /ERR_SSL|ECONNRESET/);
  });

  it('curl', async () => {
    const { stdout } = await exec('curl', ['-s', '--http2', '--cacert', s.ca.certFile, '--resolve', `${HOST}:${s.gateway.ports.public}:127.0.0.1`, '-w', '\n%{http_version} %{http_code}', '-d', 'from curl', `https://${HOST}:${s.gateway.ports.public}/open/curl`]);
    const [body, outcome] = stdout.split('\n');
    assert.equal(outcome, '2 200');
    assert.equal(JSON.parse(body).body, 'from curl');
  });
  it('nghttp and h2load', async (t) => {
    if (!(await exec('h2load', ['--version']).catch(() => null))) return t.skip('nghttp2-client is not installed');
    const url = `https://127.0.0.1:${s.gateway.ports.public}/open/x`;
    const { stdout } = await exec('h2load', ['-n', '500', '-c', '5', '-m', '20', '--header', `:authority: ${HOST}`, '--connect-to', `127.0.0.1:${s.gateway.ports.public}`, `https://${HOST}:${s.gateway.ports.public}/open/x`]);
    assert.match(stdout, /500 succeeded, 0 failed/);
    const file = join(s.dir, 'body');
    writeFileSync(file, 'x'.repeat(100_000));
    const post = await exec('nghttp', ['-v', '-d', file, '-H', `:authority: ${HOST}`, url]).catch((error) => error);
    assert.match(post.stdout, /:status: 200/);
  });
  it('metrics count connections', async () => {
    const before = (await s.gateway.metrics()).sum('sallyport_http2_connections_total');
    await requestH2(s);
    assert.equal((await s.gateway.metrics()).sum('sallyport_http2_connections_total'), before + 1);
  });
  it('no request broke HTTP on its way', () => {
    assert.deepEqual(s.upstream.violations, []);
    assert.ok(TYPE.DATA === 0);
  });
});
