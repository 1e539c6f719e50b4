// T5: Upgrade, with a body, where nothing is tunnelled, and where something is: what is no handshake, or was not understood as one,
// never becomes a tunnel.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, fieldsOf, openStage } from '../lib/stage.mjs';
import { chunked, requestText } from '../lib/raw.mjs';
import { echo } from '../lib/upstream.mjs';
import { until } from '../lib/wait.mjs';
import { ACCEPT, HANDSHAKE, KEY } from '../lib/websocket.mjs';

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

describe('T5: Upgrade on a route with tunnels', () => {
  let s;
  const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`;
  // What the upstream says to a handshake, by the path that it asked for.
  const ANSWERS = {
    '/ws/refused': ['HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n', 426],
    '/ws/ok': ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 200],
    '/ws/wrong-accept': [`${SWITCHED.replace(ACCEPT, 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=')}\r\n`, 502],
    '/ws/no-accept': ['HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 502],
    '/ws/two-accepts': [`${SWITCHED}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n`, 502],
    '/ws/other-protocol': [`${SWITCHED.replace('websocket', 'h2c')}\r\n`, 502],
    '/ws/no-connection': [`${SWITCHED.replace('Connection: Upgrade\r\n', '')}\r\n`, 502],
    '/ws/subprotocol': [`${SWITCHED}Sec-WebSocket-Protocol: chat\r\n\r\n`, 502],
    '/ws/extension': [`${SWITCHED}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n`, 502],
    '/ws/length': [`${SWITCHED}Content-Length: 5\r\n\r\nhello`, 502],
    '/ws/chunked': [`${SWITCHED}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 502],
  };
  before(async () => {
    s = await openStage({
      routes: { open: OPEN, ws: { ...OPEN, match: { host: HOST, path: '/ws/**' }, websocket: {} } },
      upstream: {
        script: async (exchange) => {
          const [target] = exchange.request.target.split('?');
          if (target === '/ws/late') {
            exchange.stop = true;
            s.late = exchange;
          } else if (ANSWERS[target]) await exchange.send(ANSWERS[target][0]);
          else await echo(exchange);
        },
      },
    });
  });
  after(() => s?.close());

  const without = (name) => HANDSHAKE.filter(([n]) => n !== name);
  const replaced = (name, value) => HANDSHAKE.map(([n, v]) => [n, n === name ? value : v]);
  const malformed = (why, parts) =>
    it(`refused: ${why}`, () => s.denied({ status: 400, code: 'invalid_request', reason: 'websocket_handshake' }, () => s.request({ path: '/ws/x', ...parts })));
  malformed('another method', { method: 'POST', fields: [...HANDSHAKE, ['Content-Length', '0']] });
  malformed('HTTP/1.0', { version: '1.0', fields: HANDSHAKE });
  malformed('Connection that does not say upgrade', { fields: replaced('Connection', 'keep-alive') });
  malformed('no Connection', { fields: without('Connection') });
  malformed('two protocols in one Upgrade', { fields: replaced('Upgrade', 'websocket, h2c') });
  malformed('two Upgrades', { fields: [...HANDSHAKE, ['Upgrade', 'h2c']] });
  malformed('no key', { fields: without('Sec-WebSocket-Key') });
  malformed('two keys', { fields: [...HANDSHAKE, ['Sec-WebSocket-Key', KEY]] });
  malformed('a key of 15 bytes', { fields: replaced('Sec-WebSocket-Key', Buffer.alloc(15).toString('base64')) });
  malformed('a key of 17 bytes', { fields: replaced('Sec-WebSocket-Key', Buffer.alloc(17).toString('base64')) });
  malformed('a key that is no base64', { fields: replaced('Sec-WebSocket-Key', '!'.repeat(22) + '==') });
  malformed('no version', { fields: without('Sec-WebSocket-Version') });
  malformed('two versions', { fields: [...HANDSHAKE, ['Sec-WebSocket-Version', '13']] });
  malformed('a subprotocol that is no token', { fields: [...HANDSHAKE, ['Sec-WebSocket-Protocol', 'a b']] });

  for (const version of ['8', '12', '14', '013', '13, 8']) {
    it(`refused: version ${version}, told which is meant, and what follows is one request each`, async () => {
      const client = await s.connect();
      const seen = s.upstream.bytesSeen();
      await client.send(Buffer.concat([requestText({ path: '/ws/x', fields: replaced('Sec-WebSocket-Version', version) }), requestText({ path: '/open/next' })]));
      const answer = await client.response();
      assert.equal(answer.status, 426);
      assert.equal(answer.json().code, 'websocket_version');
      assert.equal(answer.fields.get('Sec-WebSocket-Version'), '13');
      assert.equal(answer.fields.get('Upgrade'), 'websocket');
      assert.ok(answer.fields.all('Connection').some((v) => v.toLowerCase() === 'upgrade'));
      const next = await client.response();
      assert.equal(next.json().target, '/open/next');
      assert.ok(s.upstream.bytesSeen() > seen && !s.upstream.requests.some((r) => r.target === '/ws/x'));
      client.end();
    });
  }

  // An upstream that does not switch goes on to read requests: what the client sends behind its handshake must not be among them.
  for (const [path, [, status]] of Object.entries(ANSWERS)) {
    it(`no tunnel: ${path} is answered by ${status}, and not a byte behind it goes upstream unseen`, async () => {
      const client = await s.connect();
      const smuggled = requestText({ path: '/admin/secret' });
      await client.send(requestText({ path, fields: HANDSHAKE }));
      const answer = await client.response();
      assert.equal(answer.status, status);
      if (status === 502) assert.equal(answer.json().code, 'bad_gateway');
      const connection = s.upstream.connections.find((c) => c.requests.some((r) => r.target === path));
      await client.send(smuggled); // for us it is a request, and there is no such route
      const next = await client.response();
      assert.notEqual(next.status, 200);
      assert.ok(!s.upstream.text.includes('/admin/secret'));
      for (let i = 0; i < 3; i++) {
        const { echo: other } = await s.allowed(() => s.request({ path: `/open/after-${i}` }));
        assert.notEqual(other.connection, connection.index, 'its connection is not used again');
      }
      client.destroy();
    });
  }

  it('what a client sends too early waits for the 101, and then goes through the tunnel', async () => {
    const client = await s.connect();
    await client.send(Buffer.concat([requestText({ path: '/ws/late', fields: HANDSHAKE }), Buffer.from('early bytes')]));
    await until('the handshake upstream', () => s.late);
    const { connection } = s.late;
    const head = connection.size;
    await s.allowed(() => s.request({ path: '/open/meanwhile' })); // a turn and more of every loop has passed
    assert.ok(!connection.text.includes('early') && connection.size === head);
    (async () => {
      while (await s.late.reader.fill('what the tunnel brings', 60_000));
    })().catch(() => {});
    await s.late.send(`${SWITCHED}\r\n`);
    await until('the early bytes', () => connection.text.endsWith('\r\n\r\nearly bytes'));
    client.destroy();
  });

  it('twin: other requests of the route, with and without another Upgrade, are ordinary ones', async () => {
    for (const fields of [[], [['Connection', 'Upgrade, HTTP2-Settings'], ['Upgrade', 'h2c'], ['HTTP2-Settings', 'AAMAAABkAAQAAP__']]]) {
      const { echo: seen } = await s.allowed(() => s.request({ path: '/ws/plain', fields }));
      for (const name of ['upgrade', 'connection', 'http2-settings']) assert.deepEqual(fieldsOf(seen, name), [], name);
    }
  });
});
