// T5: Upgrade, with a body or where nothing is tunnelled.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, fieldsOf, openStage } from '../lib/stage.mjs';
import { chunked, requestText } from '../lib/raw.mjs';
import { echo } from '../lib/upstream.mjs';

const SWITCH = [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='], ['Sec-WebSocket-Version', '13']];

describe('T5: Upgrade', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: { open: OPEN },
      upstream: {
        script: async (exchange) => {
          if (!exchange.request.target.startsWith('/open/switch')) return echo(exchange);
          await exchange.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned');
        },
      },
    });
  });
  after(() => s?.close());

  // The body is never a request: what is answered behind the denial is the next request, or nothing.
  const SMUGGLED = requestText({ path: '/open/smuggled' });
  for (const [name, parts] of Object.entries({
    'a Content-Length and a body': { fields: SWITCH, body: SMUGGLED },
    'a chunked body': { fields: [...SWITCH, ['Transfer-Encoding', 'chunked']], body: chunked(SMUGGLED) },
  })) {
    it(`refused: with ${name}`, async () => {
      let client;
      await s.denied({ status: 400, code: 'invalid_request', reason: 'upgrade_with_body' }, async () => {
        client = await s.connect();
        await client.send(requestText({ method: 'POST', path: '/open/x', ...parts }));
        return client.response();
      });
      await client.send(requestText({ path: '/open/next' }));
      const next = await client.response().catch(() => null);
      if (next) assert.equal(next.json().target, '/open/next');
      client.destroy();
      assert.ok(!s.upstream.text.includes('smuggled'));
    });
  }

  it('removed: on a route without tunnels, what follows is one request each', async () => {
    const client = await s.connect();
    await client.send(Buffer.concat([requestText({ path: '/open/a', fields: SWITCH }), requestText({ path: '/open/b' })]));
    const first = (await client.response()).json();
    assert.equal(first.target, '/open/a');
    for (const name of ['upgrade', 'connection', 'http2-settings']) assert.deepEqual(fieldsOf(first, name), [], name);
    assert.equal((await client.response()).json().target, '/open/b');
    client.end();
  });

  it('removed: h2c with its settings', async () => {
    const { echo: seen } = await s.allowed(() =>
      s.request({ path: '/open/a', fields: [['Connection', 'Upgrade, HTTP2-Settings'], ['Upgrade', 'h2c'], ['HTTP2-Settings', 'AAMAAABkAAQAAP__']] }));
    for (const name of ['upgrade', 'connection', 'http2-settings']) assert.deepEqual(fieldsOf(seen, name), [], name);
  });

  it('an upstream that switches unasked: 502, and that connection never serves again', async () => {
    const before = s.upstream.connections.length;
    await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_protocol', nothingUpstream: false }, () => s.request({ path: '/open/switch', fields: SWITCH }));
    const switched = s.upstream.connections.find((c) => c.requests.some((r) => r.target === '/open/switch'));
    for (let i = 0; i < 4; i++) {
      const { echo: seen } = await s.allowed(() => s.request({ path: `/open/after-${i}` }));
      assert.equal(seen.target, `/open/after-${i}`);
      assert.notEqual(seen.connection, switched.index);
    }
    assert.ok(s.upstream.connections.length >= before);
  });

  it('twin: the same request without Upgrade', async () => {
    const { echo: seen } = await s.allowed(() => s.request({ method: 'POST', path: '/open/x', body: 'hello', host: HOST }));
    assert.equal(seen.body, 'hello');
  });
});
