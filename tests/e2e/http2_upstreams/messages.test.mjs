// One request and its answer over HTTP/2 to the upstream: what either becomes on the way (RFC 9113 section 8).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Authority } from '../lib/pki.mjs';
import { chunked, requestText } from '../lib/raw.mjs';
import { closeAll, HOST, OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { echo, onStage, startHttp2 } from './lib.mjs';

const ROUTES = {
  open: { ...OPEN, timeout: '5s' },
  through: { ...OPEN, match: { host: HOST, path: '/through/**' }, relay: { trailers: true } },
};

for (const tls of [true, false]) {
  describe(`messages over ${tls ? 'h2 on TLS' : 'h2c'}`, () => {
    let up, s;
    before(async () => {
      up = await startHttp2({ tls });
      s = await openStage(onStage(up, { routes: ROUTES }));
    });
    beforeEach(() => (up.script = echo));
    after(() => closeAll(() => s?.close(), () => up?.close()));

    it('a request becomes pseudo-headers and fields; nothing that belongs to a connection goes along', async () => {
      const fields = [['Cookie', 'a=1; b=2'], ['X-Mixed-Case', 'Value'], ['TE', 'trailers'], ['Keep-Alive', 'timeout=5'], ['Connection', 'keep-alive, x-named'], ['X-Named', '1']];
      const { echo: seen } = await s.allowed(() => s.request({ path: '/open/a%20b?q=1', fields }));
      assert.equal(seen.headers[':method'], 'GET');
      assert.equal(seen.headers[':path'], '/open/a%20b?q=1');
      assert.equal(seen.headers[':authority'], HOST);
      assert.equal(seen.headers[':scheme'], tls ? 'https' : 'http');
      assert.equal(seen.headers.cookie, 'a=1; b=2');
      assert.equal(seen.headers['x-mixed-case'], 'Value');
      for (const name of ['host', 'connection', 'keep-alive', 'te', 'transfer-encoding', 'x-named', 'content-length']) assert.ok(!(name in seen.headers), name);
    });
    it('the log says HTTP/2, the metrics count it', async () => {
      const { response } = await s.allowed(() => s.request({ path: '/open/logged' }));
      const line = await s.gateway.access('the line', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.upstream_protocol, 'HTTP/2');
      assert.equal(line.endpoint, up.url);
      assert.ok((await s.gateway.metrics()).sum('sallyport_upstream_http2_connects_total') >= 1);
    });
    it('a body with a length keeps it, one in chunks has none', async () => {
      const { echo: sized } = await s.allowed(() => s.request({ method: 'POST', path: '/open/x', body: 'hello' }));
      assert.deepEqual([sized.headers['content-length'], sized.size], ['5', 5]);
      const { echo: pieces } = await s.allowed(() => s.request({ raw: Buffer.concat([requestText({ method: 'POST', path: '/open/x', fields: [['Transfer-Encoding', 'chunked']] }), chunked('hel', 'lo')]) }));
      assert.deepEqual([pieces.headers['content-length'], pieces.size], [undefined, 5]);
      const { echo: none } = await s.allowed(() => s.request({ method: 'POST', path: '/open/x', body: '' }));
      assert.deepEqual([none.headers['content-length'], none.size], ['0', 0]);
      const { echo: nothing } = await s.allowed(() => s.request({ raw: Buffer.concat([requestText({ method: 'POST', path: '/open/x', fields: [['Transfer-Encoding', 'chunked']] }), chunked()]) }));
      assert.equal(nothing.size, 0);
    });
    it('16 MiB up and down arrive as they were', async () => {
      const body = randomBytes(16 << 20);
      const digest = createHash('sha256').update(body).digest('hex');
      up.script = async (stream) => {
        const hash = createHash('sha256');
        for await (const piece of stream) hash.update(piece);
        stream.respond({ ':status': 200, 'x-digest': hash.digest('hex') });
        stream.end(body);
      };
      const response = await s.request({ method: 'PUT', path: '/open/big', body });
      assert.equal(response.fields.get('x-digest'), digest);
      assert.equal(createHash('sha256').update(response.body).digest('hex'), digest);
    });
    it('what has no body has none: HEAD, 204, 304, an empty 200', async () => {
      up.script = (stream, headers) => {
        const status = Number(headers[':path'].split('/').at(-1));
        stream.respond({ ':status': status, ...(headers[':method'] === 'HEAD' ? { 'content-length': 42 } : {}) }, { endStream: true });
      };
      const head = await s.request({ method: 'HEAD', path: '/open/200' });
      assert.deepEqual([head.status, head.fields.get('content-length')], [200, '42']);
      assert.equal((await s.request({ path: '/open/204' })).status, 204);
      assert.equal((await s.request({ path: '/open/304' })).status, 304);
      const empty = await s.request({ path: '/open/200' });
      assert.deepEqual([empty.status, empty.fields.get('content-length'), empty.body.length], [200, '0', 0]);
    });
    it('the fields of an answer, cookies apart', async () => {
      up.script = (stream) => {
        stream.respond({ ':status': 201, 'set-cookie': ['a=1', 'b=2'], location: '/x', 'x-empty': '', 'alt-svc': 'h2=":1"' });
        stream.end('made');
      };
      const response = await s.request({ path: '/open/x' });
      assert.deepEqual([response.status, response.text], [201, 'made']);
      assert.deepEqual(response.fields.list.filter(([n]) => /^set-cookie$/i.test(n)).map(([, v]) => v), ['a=1', 'b=2']);
      assert.equal(response.fields.get('location'), '/x');
      assert.ok(!response.fields.has('alt-svc'));
    });
    it('informational responses go before the answer', async () => {
      up.script = (stream) => {
        stream.additionalHeaders({ ':status': 103, link: '</a>; rel=preload' });
        stream.respond({ ':status': 200 });
        stream.end('{}');
      };
      const client = await s.connect();
      await client.send(requestText({ path: '/open/early' }));
      const response = await client.response();
      assert.equal(response.status, 200);
      assert.ok(response.informational.some((r) => r.status === 103 && /preload/.test(r.fields.get('link'))), JSON.stringify(response.informational));
      client.end();
    });
    it('trailers of both ways pass where the route says so, and nowhere else', async () => {
      up.script = async (stream, headers) => {
        let trailers = {};
        stream.on('trailers', (fields) => (trailers = fields));
        for await (const piece of stream) void piece;
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'down' }));
        stream.end(JSON.stringify({ trailers, te: headers.te }));
      };
      for (const [path, passed] of [['/through/x', true], ['/open/x', false]]) {
        const head = requestText({ method: 'POST', path, fields: [['Transfer-Encoding', 'chunked'], ['TE', 'trailers'], ['Trailer', 'X-Sum']] });
        const response = await s.request({ raw: Buffer.concat([head, Buffer.from('5\r\nhello\r\n0\r\nX-Sum: up\r\nX-User: admin\r\n\r\n')]) });
        const seen = response.json();
        assert.equal(seen.trailers['x-sum'], passed ? 'up' : undefined);
        assert.equal(seen.te, passed ? 'trailers' : undefined);
        assert.deepEqual(response.trailers.list.map(([n, v]) => [n.toLowerCase(), v]), passed ? [['x-checksum', 'down']] : []);
      }
    });
    it('an answer before the body has come whole ends the request', async () => {
      up.script = (stream) => {
        stream.respond({ ':status': 413 });
        stream.end('{"early":true}');
      };
      const client = await s.connect();
      await client.send(requestText({ method: 'POST', path: '/open/early', fields: [['Content-Length', '1000000']] }));
      await client.send(Buffer.alloc(1000));
      assert.equal((await client.response()).status, 413);
      client.destroy();
      up.script = echo;
      await s.allowed(() => s.request({ path: '/open/next' }));
      assert.equal(up.open.length, 1, 'the connection goes on');
    });
    it('a client that goes away resets its stream, and no other', async () => {
      let stays;
      up.script = (stream, headers) => {
        stream.respond({ ':status': 200 });
        stream.write('begun');
        if (headers[':path'] === '/open/stays') stays = stream;
      };
      const [gone, staying] = [await s.connect(), await s.connect()];
      await staying.send(requestText({ path: '/open/stays' }));
      const answer = await staying.head();
      await gone.send(requestText({ path: '/open/goes' }));
      await gone.head();
      const { stream } = up.requests.at(-1);
      gone.reset();
      await until('the stream to be reset', () => stream.closed || stream.destroyed);
      assert.equal(stream.rstCode, 8, 'CANCEL');
      stays.end(' and ended');
      assert.equal((await answer.read()).text, 'begun and ended');
      staying.end();
    });
  });
}

describe('the Host field', () => {
  it('is :authority, the configured one where there is', async () => {
    const up = await startHttp2();
    const s = await openStage(onStage(up, { upstream: { host_header: 'orders.internal:8443' }, routes: ROUTES }));
    try {
      const { echo: seen } = await s.allowed(() => s.request({ path: '/open/x' }));
      assert.equal(seen.headers[':authority'], 'orders.internal:8443');
      assert.ok(!('host' in seen.headers));
    } finally {
      await closeAll(() => s.close(), () => up.close());
    }
  });
});

describe('what is spoken', () => {
  const stageOf = async (options, settings) => {
    const up = await startHttp2(options);
    const s = await openStage(onStage(up, { upstream: settings, routes: ROUTES }));
    return { up, s, close: () => closeAll(() => s.close(), () => up.close()) };
  };
  it('auto: HTTP/2 where the upstream agrees to it', async () => {
    const { up, s, close } = await stageOf({ http1: true }, { protocol: 'auto' });
    try {
      const { response } = await s.allowed(() => s.request({ path: '/open/x' }));
      assert.equal(up.requests.length, 1);
      assert.equal((await s.gateway.access('the line', (l) => l.request_id === response.fields.get('x-request-id'))).upstream_protocol, 'HTTP/2');
    } finally {
      await close();
    }
  });
  it('http1, the default: HTTP/1.1 though the upstream could do better', async () => {
    const { up, s, close } = await stageOf({ http1: true }, { protocol: undefined });
    try {
      const { response } = await s.allowed(() => s.request({ path: '/open/x' }));
      assert.deepEqual([up.requests.length, up.http1Requests.length], [0, 1]);
      assert.ok(!('upstream_protocol' in (await s.gateway.access('the line', (l) => l.request_id === response.fields.get('x-request-id')))));
    } finally {
      await close();
    }
  });
  it('auto: HTTP/1.1 where the upstream knows no other; a crowd is served, too', async () => {
    const s = await openStage({ config: { workers: 1, upstreams: { 'order-service': { protocol: 'auto' } } }, routes: ROUTES });
    try {
      await s.allowed(() => s.request({ path: '/open/x' }));
      const all = await Promise.all(Array.from({ length: 20 }, () => s.request({ path: '/open/x' })));
      assert.ok(all.every((r) => r.status === 200));
    } finally {
      await s.close();
    }
  });
  it('auto: a crowd that comes first, and the upstream turns out to speak HTTP/1.1', async () => {
    const s = await openStage({ config: { workers: 1, upstreams: { 'order-service': { protocol: 'auto', max_connections: 4 } } }, routes: ROUTES });
    try {
      const all = await Promise.all(Array.from({ length: 40 }, () => s.request({ path: '/open/x' })));
      assert.ok(all.every((r) => r.status === 200), all.map((r) => r.status).join());
      assert.ok(s.upstream.connections.length <= 4, `${s.upstream.connections.length} connections`);
    } finally {
      await s.close();
    }
  });
  it('h2: an upstream that does not agree to it is a failure that says so', async () => {
    const s = await openStage({ config: { workers: 1, upstreams: { 'order-service': { protocol: 'h2' } } }, routes: ROUTES });
    try {
      const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_tls' }, () => s.request({ path: '/open/x' }));
      assert.match(access.detail, /h2|application protocol/i);
    } finally {
      await s.close();
    }
  });
  it('h2: a certificate is verified as over HTTP/1.1', async () => {
    const up = await startHttp2();
    const other = new Authority('Another CA');
    const s = await openStage(onStage(up, { upstream: { tls: { ca: other.certFile } }, routes: ROUTES }));
    try {
      const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_tls' }, () => s.request({ path: '/open/x' }));
      assert.match(access.detail, /certificate verify failed/);
      assert.equal(up.requests.length, 0);
    } finally {
      await closeAll(() => s.close(), () => up.close());
    }
  });
});
