// Event streams from an HTTP/2 upstream, where many share one connection: what becomes of one is nothing to the others.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Session } from '../lib/h2.mjs';
import { requestText } from '../lib/raw.mjs';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { onStage, startHttp2 } from '../http2_upstreams/lib.mjs';

const now = () => Math.floor(Date.now() / 1000);

describe('event streams from an HTTP/2 upstream', () => {
  let s;
  let up;
  const open = new Map(); // the upstream's streams, by the query of their requests
  before(async () => {
    up = await startHttp2({
      script: (stream, headers) => {
        stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
        open.set(headers[':path'].split('?')[1], stream);
      },
    });
    const routes = {
      events: { ...OPEN, match: { host: HOST, path: '/events' } },
      token: { ...OPEN, match: { host: HOST, path: '/token' }, auth: { jwt: 'main' }, authorize: 'any_caller' },
    };
    s = await openStage(onStage(up, { routes, issuers: { main: { clock_skew: '0s' } } }));
  });
  after(async () => {
    await s?.close();
    await up?.close();
  });

  let count = 0;
  async function start({ path = '/events', token } = {}) {
    const id = `n${++count}`;
    const client = await s.connect();
    await client.send(requestText({ path: `${path}?${id}`, token }));
    const response = await client.head();
    assert.equal(response.status, 200);
    const upstream = await until('the stream upstream', () => open.get(id));
    return { client, upstream, id: response.fields.get('x-request-id'), next: async () => (await response.pieces.next()).value?.toString() };
  }
  async function passes({ upstream, next }, text) {
    upstream.write(text);
    assert.equal(await next(), text);
  }
  const openStreams = async () => (await s.gateway.metrics()).sum('sallyport_streams_open');

  it('each event passes by itself, also to a client that speaks HTTP/2', async () => {
    const session = await Session.connect(s);
    const id = `n${++count}`;
    const seen = session.open({ path: `/events?${id}` });
    await seen.response;
    assert.equal(seen.headers['content-type'], 'text/event-stream');
    const pieces = seen.request[Symbol.asyncIterator]();
    const upstream = await until('the stream upstream', () => open.get(id));
    const next = async () => (await pieces.next()).value?.toString();
    for (let i = 0; i < 20; i++) await passes({ upstream, next }, `data: ${i}\n\n`);
    upstream.end();
    assert.equal(await next(), undefined);
    assert.equal(seen.request.rstCode, 0);
    session.destroy();
    await until('the gauge to fall', async () => (await openStreams()) === 0);
  });

  it('a client that leaves ends its own', async () => {
    const [one, other] = [await start(), await start()];
    assert.equal(one.upstream.session, other.upstream.session, 'they share a connection');
    await passes(one, 'data: a\n\n');
    one.client.destroy();
    await until('the end of its stream', () => one.upstream.destroyed || one.upstream.aborted);
    assert.equal((await s.gateway.access('its line', (l) => l.request_id === one.id)).closed, 'client_aborted');
    for (let i = 0; i < 3; i++) await passes(other, `data: ${i}\n\n`);
    other.upstream.end();
    assert.equal(await other.next(), undefined);
    other.client.end();
  });

  it('ends with its token, completely', async () => {
    const other = await start();
    const one = await start({ path: '/token', token: await s.mint({ exp: now() + 2 }) });
    await passes(one, 'data: before\n\n');
    assert.equal(await one.next(), undefined);
    assert.equal((await s.gateway.access('its line', (l) => l.request_id === one.id)).closed, 'token_expired');
    await until('the end of its stream', () => one.upstream.destroyed || one.upstream.aborted);
    await passes(other, 'data: after\n\n');
    other.upstream.end();
    assert.equal(await other.next(), undefined);
    for (const { client } of [one, other]) client.end();
  });

  it('outlives the configuration, whose connections it then takes along', async () => {
    const [one, other] = [await start(), await start()];
    const session = one.upstream.session;
    await s.gateway.reload();
    await until('the streams of the former configuration', async () => (await openStreams()) === 2);
    const newer = await start();
    assert.notEqual(newer.upstream.session, session, 'what is new has a pool of its own');
    for (const stream of [one, other, newer]) await passes(stream, 'data: on\n\n');
    one.upstream.end();
    assert.equal(await one.next(), undefined);
    await passes(other, 'data: alone\n\n');
    assert.ok(!session.destroyed);
    other.upstream.end();
    assert.equal(await other.next(), undefined);
    await until('its connection\'s end', () => session.destroyed);
    newer.upstream.end();
    assert.equal(await newer.next(), undefined);
    for (const { client } of [one, other, newer]) client.end();
    await until('the gauge to fall', async () => (await openStreams()) === 0);
  });
});
