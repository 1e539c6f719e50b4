// Answers that go on: server-sent events and long downloads. Each piece passes when it comes, and nothing ends an honest one but
// what the route says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { pass, until } from '../lib/wait.mjs';

const EVENTS = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n';
// The upstream of these tests answers nothing else on a connection that had an event stream.
const CHUNKED = `${EVENTS}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
const chunk = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const LAST = '0\r\n\r\n';
const now = () => Math.floor(Date.now() / 1000);

describe('answers that go on', () => {
  let s;
  const open = new Map(); // the upstream's end, by the query of the request
  before(async () => {
    const route = (path, extra) => ({ ...OPEN, match: { host: HOST, path }, ...extra });
    s = await openStage({
      config: {
        issuers: { main: { clock_skew: '0s' } },
        shutdown: { deadline: '20s' },
        routes: {
          events: route('/events'),
          token: route('/token', { auth: { jwt: 'main' }, authorize: 'any_caller' }),
          outlive: route('/outlive', { auth: { jwt: 'main' }, authorize: 'any_caller', outlive_token: true }),
          aged: route('/aged', { max_stream_age: '1s' }),
          idle: route('/idle', { idle_timeout: '500ms', timeout: '500ms' }),
          open: OPEN,
        },
      },
      upstream: {
        script: async (exchange) => {
          const { target } = exchange.request;
          if (target.startsWith('/open')) return exchange.respond(200, [], 'ok');
          exchange.stop = true;
          open.set(target.split('?')[1], exchange);
        },
      },
    });
  });
  after(() => s?.close());

  let count = 0;
  // Both ends of an event stream.
  async function start({ path = '/events', head = CHUNKED, client, token } = {}) {
    const id = `n${++count}`;
    client ??= await s.connect();
    await client.send(requestText({ path: `${path}?${id}`, token }));
    const upstream = await until('the request upstream', () => open.get(id));
    await upstream.send(head);
    const response = await client.head();
    assert.equal(response.status, 200);
    return { client, upstream, response, next: async () => (await response.pieces.next()).value?.toString(), id };
  }
  const line = (id) => s.gateway.access('the stream', (l) => l.request_id === id);

  it('each event passes by itself, the head before the first', async () => {
    const { client, upstream, response, next } = await start();
    assert.match(response.fields.get('content-type'), /^text\/event-stream/);
    for (let i = 0; i < 50; i++) {
      // The next one is sent when this one has come: what waits for more would wait for ever.
      await upstream.send(chunk(`data: ${i}\n\n`));
      assert.equal(await next(), `data: ${i}\n\n`);
    }
    assert.equal((await s.gateway.metrics()).sum('sallyport_streams_open', { route: 'events' }), 1);
    await upstream.send(LAST);
    assert.equal(await next(), undefined);
    // And the connection goes on.
    await client.send(requestText({ path: '/open/next' }));
    assert.equal((await client.response()).text, 'ok');
    client.end();
    const access = await line(response.fields.get('x-request-id'));
    assert.equal(access.closed, 'upstream');
    assert.equal(access.status, 200);
    assert.equal(access.sent, Array.from({ length: 50 }, (_, i) => `data: ${i}\n\n`.length).reduce((a, b) => a + b));
    await until('the gauge to fall', async () => (await s.gateway.metrics()).sum('sallyport_streams_open') === 0);
  });

  it('also where it ends with its connection', async () => {
    const { upstream, next, client } = await start({ head: `${EVENTS}Connection: close\r\n\r\n` });
    for (const text of ['data: a\n\n', ': ping\n\n', 'data: b\n\n']) {
      await upstream.send(text);
      assert.equal(await next(), text);
    }
    upstream.end();
    assert.equal(await next(), undefined);
    client.end();
  });

  it('one after the other on one connection', async () => {
    const client = await s.connect();
    for (let i = 0; i < 3; i++) {
      const { upstream, next } = await start({ client });
      await upstream.send(chunk('data: x\n\n') + LAST);
      assert.equal(await next(), 'data: x\n\n');
      assert.equal(await next(), undefined);
    }
    client.end();
  });

  it('ends with its token, completely, so that the client asks again', async () => {
    const exp = now() + 2;
    const { client, upstream, next, response } = await start({ path: '/token', token: await s.mint({ exp }) });
    await upstream.send(chunk('data: before\n\n'));
    assert.equal(await next(), 'data: before\n\n');
    assert.equal(await next(), undefined);
    assert.ok(Date.now() / 1000 >= exp - 0.05, 'not before');
    await until('the end upstream', () => upstream.connection.closed);
    const access = await line(response.fields.get('x-request-id'));
    assert.equal(access.closed, 'token_expired');
    await client.send(requestText({ path: '/open/next' })); // with a new token it would go on here
    assert.equal((await client.response()).text, 'ok');
    client.end();
  });

  it('twin: with a token that lives on, or a route that lets it, it does not', async () => {
    const marker = await start({ path: '/token', token: await s.mint({ exp: now() + 2 }) });
    const others = [
      await start({ path: '/token', token: await s.mint({ exp: now() + 600 }) }),
      await start({ path: '/outlive', token: await s.mint({ exp: now() + 2 }) }),
    ];
    assert.equal(await marker.next(), undefined);
    marker.client.end();
    for (const { upstream, next, client } of others) {
      await upstream.send(chunk('data: still\n\n'));
      assert.equal(await next(), 'data: still\n\n');
      client.destroy();
    }
  });

  it('ends at max_stream_age', async () => {
    const { client, upstream, next, response } = await start({ path: '/aged' });
    await upstream.send(chunk('data: x\n\n'));
    assert.equal(await next(), 'data: x\n\n');
    assert.equal(await next(), undefined);
    assert.equal((await line(response.fields.get('x-request-id'))).closed, 'max_stream_age');
    client.end();
  });

  it('is cut where the upstream says nothing for idle_timeout, or goes away', async () => {
    for (const go of [() => {}, (upstream) => upstream.reset()]) {
      const { client, upstream, next, response } = await start({ path: '/idle' });
      await upstream.send(chunk('data: x\n\n'));
      assert.equal(await next(), 'data: x\n\n');
      go(upstream);
      await assert.rejects(next(), /closed within/);
      const access = await line(response.fields.get('x-request-id'));
      assert.equal(access.closed, 'upstream_failed');
      assert.match(access.reason, /^upstream_(timeout|closed)$/);
      assert.equal(access.aborted, true);
      client.destroy();
    }
  });

  it('learns of a client that goes away', async () => {
    const { client, upstream, response } = await start();
    client.reset();
    await until('the end upstream', () => upstream.connection.closed);
    assert.equal((await line(response.fields.get('x-request-id'))).closed, 'client_aborted');
  });

  it('a reload keeps it', async () => {
    const { client, upstream, next } = await start();
    const { events, ...routes } = s.config.routes;
    await s.gateway.reload({ ...s.config, routes });
    await upstream.send(chunk('data: still\n\n'));
    assert.equal(await next(), 'data: still\n\n');
    await s.gateway.reload(s.config);
    client.destroy();
  });

  it('a download that takes longer than every limit is not ended while it flows', async () => {
    const started = Date.now();
    const { client, upstream, next } = await start({ path: '/idle', head: 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n' });
    for (let i = 0; i < 10; i++) {
      await pass(150); // its subject is time: three times idle_timeout and timeout, in all
      await upstream.send('x'.repeat(100));
      assert.equal((await next()).length, 100);
    }
    assert.equal(await next(), undefined);
    assert.ok(Date.now() - started > 1_400);
    upstream.end(); // it would read no further request
    client.end();
  });

  it('at the gateway\'s end it ends completely', async () => {
    const streams = await Promise.all(Array.from({ length: 10 }, () => start()));
    s.gateway.process.kill('SIGTERM');
    for (const { next, client } of streams) {
      assert.equal(await next(), undefined);
      client.end();
    }
    await s.gateway.stop();
  });
});
