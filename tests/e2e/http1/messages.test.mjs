// HTTP/1.1 through the whole gateway: framing, order, versions, fields.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, fieldsOf, openStage } from '../lib/stage.mjs';
import { chunked, curl, requestText } from '../lib/raw.mjs';
import { echo } from '../lib/upstream.mjs';
import { until, within } from '../lib/wait.mjs';

const sha = (data) => createHash('sha256').update(data).digest('hex');

describe('HTTP/1.1', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: { listeners: { clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } } },
      routes: { open: { ...OPEN, listeners: ['public', 'clear'] }, trailers: { ...OPEN, listeners: ['public'], match: { host: HOST, path: '/trailers/**' }, relay: { trailers: true } } },
    });
  });
  after(() => s?.close());

  // Runs with the upstream answering as told, then as always.
  const scripted = (script, run) => async () => {
    s.upstream.script = script;
    try {
      await run();
    } finally {
      s.upstream.script = echo;
    }
  };
  const answering = (raw, { end = false } = {}) => async (exchange) => {
    await exchange.request.read();
    await exchange.send(raw);
    if (end) exchange.end();
  };

  describe('connections', () => {
    it('are kept: many requests on one', async () => {
      const client = await s.connect();
      for (let i = 0; i < 20; i++) {
        await client.send(requestText({ path: `/open/${i}` }));
        const response = await client.response();
        assert.equal(response.json().target, `/open/${i}`);
        assert.ok(!/close/i.test(response.fields.get('connection') ?? ''));
      }
      client.end();
      await client.ended();
    });
    it('close where the client says so', async () => {
      const client = await s.connect();
      await client.send(requestText({ path: '/open/x', fields: [['Connection', 'close']] }));
      const response = await client.response();
      assert.match(response.fields.get('connection'), /close/i);
      await client.ended();
    });
    it('answer pipelined requests in their order, whatever each takes', async () => {
      let release;
      const held = new Promise((resolve) => (release = resolve));
      await scripted(async (exchange) => {
        if (exchange.request.target === '/open/0') await held;
        await echo(exchange);
      }, async () => {
        const client = await s.connect();
        await client.send(Buffer.concat([...Array(10).keys()].map((i) => requestText({ method: i % 3 ? 'GET' : 'POST', path: `/open/${i}`, body: i % 3 ? undefined : `body ${i}` }))));
        await s.upstream.request('the first', (r) => r.target === '/open/0');
        release();
        for (let i = 0; i < 10; i++) {
          const seen = (await client.response()).json();
          assert.deepEqual([seen.target, seen.body], [`/open/${i}`, i % 3 ? '' : `body ${i}`]);
        }
        client.end();
      })();
    });
    it('go on after a denial by policy, pipelined too', async () => {
      const client = await s.connect();
      await client.send(Buffer.concat([requestText({ path: '/nowhere' }), requestText({ path: '/open/x' })]));
      assert.equal((await client.response()).status, 404);
      assert.equal((await client.response()).status, 200);
      client.end();
    });
    it('that end half way through a request disturb nobody', async () => {
      for (const raw of ['GET /open/x', `GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\n`, `POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 10\r\n\r\nhalf`]) {
        const client = await s.connect();
        await client.send(raw);
        client.reset();
      }
      await s.allowed(() => s.request({ path: '/open/x' }));
    });
  });

  describe('every split of the bytes gives the same', () => {
    const all = Buffer.concat([
      requestText({ method: 'POST', path: '/open/a?b=c', fields: [['Transfer-Encoding', 'chunked'], ['X-Field', 'value']], body: chunked('hello ', 'world') }),
      requestText({ method: 'POST', path: '/open/b', body: 'second' }),
      requestText({ path: '/open/c' }),
    ]);
    const expect = async (client) => {
      const [a, b, c] = [await client.response(), await client.response(), await client.response()].map((r) => r.json());
      assert.deepEqual([a.target, a.body, b.target, b.body, c.target, c.body], ['/open/a?b=c', 'hello world', '/open/b', 'second', '/open/c', '']);
    };
    for (const size of [1, 2, 3, 7, 64]) {
      it(`pieces of ${size}`, async () => {
        for (const listener of ['public', 'clear']) {
          const client = await s.connect({ listener, plain: listener === 'clear' });
          const sending = client.sendSplit(all, size);
          await expect(client);
          await sending;
          client.end();
        }
      });
    }
    it('the answer of an upstream in pieces', scripted(async (exchange) => {
      await exchange.request.read();
      for (const byte of Buffer.from('HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n\r\n', 'latin1')) {
        await exchange.send(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
    }, async () => {
      const response = await s.request({ path: '/open/x' });
      assert.deepEqual([response.status, response.text, response.fields.get('x-a')], [200, 'hello!', 'b']);
    }));
  });

  describe('bodies', () => {
    const big = Buffer.alloc(3 * 1024 * 1024 + 17, 'abcdefg');
    it('with a length', async () => {
      const { echo: seen } = await s.allowed(() => s.request({ method: 'PUT', path: '/open/x', body: big }));
      assert.deepEqual([seen.size, seen.sha256], [big.length, sha(big)]);
      assert.deepEqual(fieldsOf(seen, 'content-length'), [String(big.length)]);
      assert.deepEqual(fieldsOf(seen, 'transfer-encoding'), []);
    });
    it('chunked', async () => {
      const pieces = [];
      for (let at = 0; at < big.length; at += 100_003) pieces.push(big.subarray(at, at + 100_003));
      const { echo: seen } = await s.allowed(() => s.request({ method: 'PUT', path: '/open/x', fields: [['Transfer-Encoding', 'chunked']], body: chunked(...pieces) }));
      assert.deepEqual([seen.size, seen.sha256], [big.length, sha(big)]);
      assert.deepEqual(fieldsOf(seen, 'content-length'), []);
      assert.deepEqual(fieldsOf(seen, 'transfer-encoding'), ['chunked']);
    });
    it('on GET and DELETE, which may have one', async () => {
      for (const method of ['GET', 'DELETE']) {
        const { echo: seen } = await s.allowed(() => s.request({ method, path: '/open/x', body: 'odd' }));
        assert.deepEqual([seen.method, seen.body], [method, 'odd']);
      }
    });
    it('of no bytes', async () => {
      for (const parts of [{ fields: [['Content-Length', '0']] }, { fields: [['Transfer-Encoding', 'chunked']], body: chunked() }]) {
        const { echo: seen } = await s.allowed(() => s.request({ method: 'POST', path: '/open/x', ...parts }));
        assert.equal(seen.size, 0);
      }
    });
    it('of answers: with a length, chunked, to the end of the connection, none', async () => {
      for (const [raw, text, end] of [
        [`HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big.toString('latin1')}`, big, false],
        [Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), chunked(big.subarray(0, 99_999), big.subarray(99_999))]), big, false],
        [Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'), big]), big, true],
        ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', Buffer.alloc(0), false],
        ['HTTP/1.1 204 No Content\r\n\r\n', Buffer.alloc(0), false],
        ['HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n', Buffer.alloc(0), false],
      ]) {
        await scripted(answering(raw, { end }), async () => {
          const client = await s.connect();
          await client.send(requestText({ path: '/open/x' }));
          const response = await client.response();
          assert.equal(sha(response.body), sha(text));
          s.upstream.script = echo;
          await client.send(requestText({ path: '/open/next' }));
          assert.equal((await client.response()).json().target, '/open/next', 'the connection goes on');
          client.end();
        })();
      }
    });
    it('stream: a piece arrives before the next is written, both ways', scripted(async (exchange) => {
      const pieces = exchange.request.pieces;
      await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      for await (const piece of pieces) await exchange.send(chunked(piece).subarray(0, -5));
      await exchange.send('0\r\n\r\n');
    }, async () => {
      const client = await s.connect();
      await client.send(requestText({ method: 'POST', path: '/open/x', fields: [['Transfer-Encoding', 'chunked']] }));
      let response;
      for (const piece of ['one', 'two', 'three']) {
        await client.send(chunked(piece).subarray(0, -5));
        response ??= await client.head();
        const { value } = await within(10_000, `the piece ${piece} to come back`, response.pieces.next());
        assert.equal(value.toString(), piece);
      }
      await client.send('0\r\n\r\n');
      assert.equal((await response.pieces.next()).done, true);
      client.end();
    }));
  });

  describe('trailers', () => {
    const answer = 'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n';
    it('are dropped unless the route asks for them', scripted(answering(answer), async () => {
      assert.deepEqual((await s.request({ path: '/open/x' })).trailers.list, []);
    }));
    it('pass where it does', scripted(answering(answer), async () => {
      const response = await s.request({ path: '/trailers/x' });
      assert.equal(response.text, 'ok');
      assert.equal(response.trailers.get('x-sum'), '7');
    }));
    it('of a request too', async () => {
      const raw = { method: 'POST', fields: [['Transfer-Encoding', 'chunked'], ['Trailer', 'X-Sum']], body: '2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n' };
      assert.deepEqual((await s.request({ ...raw, path: '/open/x' })).json().trailers, []);
      assert.deepEqual((await s.request({ ...raw, path: '/trailers/x' })).json().trailers, [['X-Sum', '7']]);
    });
  });

  describe('Expect: 100-continue', () => {
    const expect = (size) => requestText({ method: 'POST', path: '/open/x', fields: [['Content-Length', size], ['Expect', '100-continue']] });
    it('the client hears 100 and then sends', async () => {
      const client = await s.connect();
      await client.send(expect(5));
      const informational = [];
      const reading = client.response({ informational });
      await within(10_000, 'a 100', (async () => {
        while (informational.length === 0) await new Promise(setImmediate);
      })());
      assert.equal(informational[0].status, 100);
      await client.send('hello');
      const response = await reading;
      assert.equal(response.json().body, 'hello');
      assert.equal(response.informational.length, 1, '100 comes once');
      client.end();
    });
    it('where its head comes in parts and the upstream\'s connection is there already, too', async () => {
      const client = await s.connect();
      for (const size of [1000, 40, 1]) {
        await client.send(requestText({ path: '/open/warm' }));
        assert.equal((await client.response()).status, 200);
        const informational = [];
        const reading = client.response({ informational });
        await client.sendSplit(expect(5), size); // each a record of its own, which are read one by one
        await until(`100 for a head in parts of ${size} bytes`, () => informational.length > 0);
        await client.send('hello');
        assert.equal((await reading).json().body, 'hello');
        assert.deepEqual(informational.map((i) => i.status), [100]);
      }
      client.end();
    });
    it('a client that does not wait is served too', async () => {
      const client = await s.connect();
      await client.send(Buffer.concat([expect(5), Buffer.from('hello'), requestText({ path: '/open/next' })]));
      assert.equal((await client.response()).json().body, 'hello');
      assert.equal((await client.response()).json().target, '/open/next');
      client.end();
    });
    it('an unknown expectation is 417', () => s.denied({ status: 417, code: 'expectation_failed', reason: 'expectation_unknown' }, () => s.request({ method: 'POST', path: '/open/x', fields: [['Expect', 'a-miracle']], body: 'x' })));
    it('curl agrees', async () => {
      const { stdout, code } = await curl(['--http1.1', '--cacert', s.ca.certFile, '--resolve', `${HOST}:${s.gateway.ports.public}:127.0.0.1`, '-H', 'Expect: 100-continue', '--data-binary', 'hello', `https://${HOST}:${s.gateway.ports.public}/open/x`]);
      assert.equal(code, 0);
      assert.equal(JSON.parse(stdout).body, 'hello');
    });
  });

  describe('HEAD', () => {
    it('has the fields of GET and no body, and the connection goes on', async () => {
      const client = await s.connect();
      await client.send(Buffer.concat([requestText({ method: 'HEAD', path: '/open/x' }), requestText({ path: '/open/next' })]));
      const response = await client.response({ method: 'HEAD' });
      assert.equal(response.status, 200);
      assert.ok(Number(response.fields.get('content-length')) > 0);
      assert.equal((await client.response()).json().target, '/open/next');
      client.end();
    });
    it('of a chunked answer', scripted(answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'), async () => {
      const client = await s.connect();
      await client.send(requestText({ method: 'HEAD', path: '/open/x' }));
      assert.equal((await client.response({ method: 'HEAD' })).status, 200);
      s.upstream.script = echo;
      await client.send(requestText({ path: '/open/next' }));
      assert.equal((await client.response()).json().target, '/open/next');
      client.end();
    }));
    it('of a denial', async () => {
      const client = await s.connect();
      await client.send(requestText({ method: 'HEAD', path: '/nowhere' }));
      assert.equal((await client.response({ method: 'HEAD' })).status, 404);
      await client.send(requestText({ path: '/open/next' }));
      assert.equal((await client.response()).json().target, '/open/next');
      client.end();
    });
  });

  describe('1xx from the upstream', () => {
    it('103 passes, 100 and 102 disturb nothing', scripted(answering('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), async () => {
      const response = await s.request({ path: '/open/x' });
      assert.deepEqual([response.status, response.text], [200, 'ok']);
      const hints = response.informational.filter((r) => r.status === 103);
      assert.deepEqual(hints.map((r) => r.fields.get('link')), ['</style.css>; rel=preload', '</b>']);
    }));
    it('are not for HTTP/1.0 clients', scripted(answering('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), async () => {
      const response = await s.request({ path: '/open/x', version: '1.0' });
      assert.deepEqual([response.informational.length, response.text], [0, 'ok']);
    }));
  });

  describe('HTTP/1.0 clients', () => {
    it('are answered and closed', async () => {
      const client = await s.connect();
      await client.send(requestText({ path: '/open/x', version: '1.0' }));
      const response = await client.response();
      assert.equal(response.status, 200);
      assert.equal(response.json().version, '1.1', 'the upstream is spoken to in our own version');
      await client.ended();
    });
    it('that ask to stay may', async () => {
      const client = await s.connect();
      for (let i = 0; i < 2; i++) {
        await client.send(requestText({ path: `/open/${i}`, version: '1.0', fields: [['Connection', 'keep-alive']] }));
        const response = await client.response();
        assert.equal(response.json().target, `/open/${i}`);
        assert.match(response.fields.get('connection'), /keep-alive/i);
      }
      client.end();
    });
    it('never get a chunked answer', scripted(answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'), async () => {
      const client = await s.connect();
      await client.send(requestText({ path: '/open/x', version: '1.0', fields: [['Connection', 'keep-alive']] }));
      const response = await client.response();
      assert.equal(response.framing.kind, 'close');
      assert.equal(response.text, 'ok');
      client.end();
    }));
    it('may send a body with its length', async () => {
      const { echo: seen } = await s.allowed(() => s.request({ method: 'POST', path: '/open/x', version: '1.0', body: 'hello' }));
      assert.equal(seen.body, 'hello');
    });
  });

  describe('fields', () => {
    it('of the answer pass without hop-by-hop ones', scripted(answering('HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nX-End: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nUpgrade: h2c\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n'), async () => {
      const response = await s.request({ path: '/open/x' });
      for (const name of ['x-hop', 'keep-alive', 'proxy-connection', 'upgrade']) assert.deepEqual(response.fields.all(name), [], name);
      assert.equal(response.fields.get('x-end'), '2');
      assert.deepEqual(response.fields.all('set-cookie'), ['a=1', 'b=2']);
      assert.equal(response.fields.get('date'), 'Tue, 01 Jan 2030 00:00:00 GMT');
    }));
    it('every response has one request id, the upstream and the log have the same', async () => {
      const ids = new Set();
      for (let i = 0; i < 3; i++) {
        const { response, echo: seen } = await s.allowed(() => s.request({ path: '/open/x' }));
        const id = response.fields.get('x-request-id');
        assert.match(id, /^[\w-]{16,64}$/);
        assert.deepEqual(fieldsOf(seen, 'x-request-id'), [id]);
        await s.gateway.access('it', (l) => l.request_id === id);
        ids.add(id);
      }
      assert.equal(ids.size, 3);
    });
    it('a client cannot choose the id that the log is searched by', async () => {
      const first = await s.allowed(() => s.request({ path: '/open/x', fields: [['X-Request-Id', 'chosen-by-the-client']] }));
      assert.notEqual(first.response.fields.get('x-request-id'), 'chosen-by-the-client');
      assert.ok(!fieldsOf(first.echo, 'x-request-id').includes('chosen-by-the-client'));
    });
    it('traceparent passes on with its trace id, and is in the log', async () => {
      const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
      const { response, echo: seen } = await s.allowed(() => s.request({ path: '/open/x', fields: [['traceparent', `00-${trace}-00f067aa0ba902b7-01`], ['tracestate', 'a=b']] }));
      const [told] = fieldsOf(seen, 'traceparent');
      assert.match(told, new RegExp(`^00-${trace}-[0-9a-f]{16}-0[01]$`));
      assert.deepEqual(fieldsOf(seen, 'tracestate'), ['a=b']);
      const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.equal(line.trace_id, trace);
    });
    it('a broken traceparent is not passed on', async () => {
      for (const value of ['garbage', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`, '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01']) {
        const { echo: seen } = await s.allowed(() => s.request({ path: '/open/x', fields: [['traceparent', value]] }));
        assert.ok(!fieldsOf(seen, 'traceparent').includes(value), value);
      }
    });
    it('a head over the limit is 431, a target over it 414', async () => {
      await s.refusedBytes(requestText({ path: '/open/x', fields: [['X-Big', 'a'.repeat(20_000)]] }), { status: 431, code: 'head_too_large', reason: 'head_too_large' });
      await s.refusedBytes(requestText({ path: '/open/x', fields: Array.from({ length: 150 }, (_, i) => [`X-${i}`, '1']) }), { status: 431, code: 'head_too_large', reason: 'head_too_large' });
      await s.refusedBytes(requestText({ path: `/open/${'a'.repeat(9_000)}` }), { status: 414, code: 'target_too_long', reason: 'target_too_long' });
      await s.allowed(() => s.request({ path: '/open/x', fields: [['X-Big', 'a'.repeat(8_000)]] }));
    });
  });

  it('an early answer to an unfinished upload reaches the client', scripted(async (exchange) => {
    await exchange.respond(403, [['Content-Type', 'text/plain']], 'no more of this');
    await exchange.request.skip().catch(() => {});
  }, async () => {
    const client = await s.connect();
    await client.send(requestText({ method: 'POST', path: '/open/x', fields: [['Content-Length', 10_000_000]] }));
    await client.send('x'.repeat(1000));
    const response = await client.response();
    assert.deepEqual([response.status, response.text], [403, 'no more of this']);
    client.destroy();
    s.upstream.script = echo;
    await s.allowed(() => s.request({ path: '/open/x' }));
  }));
});
