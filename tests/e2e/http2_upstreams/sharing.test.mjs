// Many requests on one connection: how many, who waits, what becomes of them when the upstream ends it, and that a slow reader
// holds up nobody.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { requestText } from '../lib/raw.mjs';
import { closeAll, HOST, OPEN, openStage } from '../lib/stage.mjs';
import { pass, until, within } from '../lib/wait.mjs';
import { answer, data, echo, FLAG, frame, goaway, headers, OK, onStage, reset, settings, startFrames, startHttp2, TYPE } from './lib.mjs';

const ROUTES = { open: { ...OPEN, timeout: '5s' }, hasty: { ...OPEN, match: { host: HOST, path: '/hasty/**' }, timeout: '300ms' } };

describe('connections to an HTTP/2 upstream', () => {
  const closers = [];
  afterEach(() => closeAll(...closers.splice(0)));
  const stage = async (up, options = {}) => {
    const s = await openStage(onStage(up, { routes: ROUTES, ...options }));
    closers.push(() => s.close(), () => up.close());
    return s;
  };
  // Holds every request until it is told.
  const held = () => {
    const waiting = [];
    const script = (stream, fields) => waiting.push(() => echo(stream, fields));
    return { waiting, script, release: () => waiting.splice(0).forEach((go) => go()) };
  };
  const many = (s, count, path = '/open/x', parts = {}) => Array.from({ length: count }, () => s.request({ path, ...parts }));
  const statuses = async (requests) => (await Promise.all(requests)).map((r) => r.status);

  it('a crowd that comes at once shares one connection', async () => {
    const up = await startHttp2();
    const s = await stage(up);
    assert.deepEqual(await statuses(many(s, 50)), Array(50).fill(200));
    assert.equal(up.sessions.length, 1);
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_connects_total'), 1);
  });
  it('who opened a connection may go: another one has it', async () => {
    const late = [];
    const up = await startFrames({ automatic: false, onPreface: (connection) => late.push(connection), onRequest: (connection, stream) => answer(connection, stream) });
    const s = await stage(up, { upstream: { connect_timeout: '60s' } });
    const first = await s.connect();
    await first.send(requestText({ path: '/open/first' }));
    await until('the connection to be opened', () => late.length === 1);
    const others = many(s, 3);
    await until('all to be there', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 4);
    first.reset();
    await until('it to be noticed', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 3);
    late[0].send(settings());
    assert.deepEqual(await statuses(others), [200, 200, 200]);
    assert.equal(up.connections.length, 1);
    assert.equal(up.connections[0].frames.filter((f) => f.type === TYPE.HEADERS).length, 3);
  });
  it('a connection that cannot be opened fails all that wait for it, and each tries again as often as it may', async () => {
    const up = await startFrames({ onPreface: (connection) => connection.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')) });
    const s = await stage(up, { upstream: { retries: 1 } });
    const all = await Promise.all(many(s, 12));
    assert.deepEqual(all.map((r) => r.status), Array(12).fill(502));
    assert.ok(up.connections.length <= 6, `${up.connections.length} connections`);
    assert.equal((await s.gateway.metrics()).sum('sallyport_denied_total', { reason: 'upstream_protocol' }), 12);
  });
  it('one that is not established in time is a failure of all, in that time', async () => {
    const up = await startFrames({ automatic: false, onPreface: () => {} });
    const s = await stage(up, { upstream: { retries: 0, connect_timeout: '300ms' } });
    const began = Date.now();
    assert.deepEqual(await statuses(many(s, 5)), Array(5).fill(502));
    assert.ok(Date.now() - began >= 300);
    assert.equal((await s.gateway.metrics()).sum('sallyport_denied_total', { reason: 'upstream_connect' }), 5);
  });
  it('max_streams: more open another one', async () => {
    const { waiting, script, release } = held();
    const up = await startHttp2({ script });
    const s = await stage(up, { upstream: { max_streams: 4 } });
    const requests = many(s, 10);
    await until('all to be there', () => waiting.length === 10);
    assert.equal(up.sessions.length, 3);
    release();
    assert.deepEqual(await statuses(requests), Array(10).fill(200));
  });
  it("the upstream's own limit is kept to: nothing is refused", async () => {
    const { waiting, script, release } = held();
    const up = await startHttp2({ script, settings: { maxConcurrentStreams: 3 } });
    const s = await stage(up);
    const requests = many(s, 9);
    await until('all to be there', () => waiting.length === 9);
    assert.equal(up.sessions.length, 3);
    for (const session of up.sessions) assert.equal(up.requests.filter((r) => r.session === session).length, 3);
    release();
    assert.deepEqual(await statuses(requests), Array(9).fill(200));
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_http2_resets_total'), 0);
  });
  it('max_connections: who finds no stream free waits, in order, and gets one', async () => {
    const { waiting, script, release } = held();
    const up = await startHttp2({ script });
    const s = await stage(up, { upstream: { max_streams: 2, max_connections: 1, pending_timeout: '5s' } });
    const requests = [];
    for (let i = 0; i < 6; i++) {
      requests.push(s.request({ path: `/open/${i}` }));
      if (i < 2) await until('it to be there', () => waiting.length === i + 1);
      else await until('it to wait', async () => (await s.gateway.metrics()).sum('sallyport_upstream_pending') === i - 1);
    }
    for (let done = 2; done <= 6; done += 2) {
      assert.equal(up.requests.length, done);
      release();
      if (done < 6) await until('the next two', () => waiting.length === 2);
    }
    assert.deepEqual(await statuses(requests), Array(6).fill(200));
    assert.deepEqual(up.requests.slice(2).map((r) => r.headers[':path']), ['/open/2', '/open/3', '/open/4', '/open/5']);
    assert.equal(up.sessions.length, 1);
  });
  it('who still finds none is told so', async () => {
    const { waiting, script, release } = held();
    const up = await startHttp2({ script });
    const s = await stage(up, { upstream: { max_streams: 1, max_connections: 1, max_pending: 0 } });
    const first = s.request({ path: '/open/x' });
    await until('the first to be there', () => waiting.length === 1);
    await s.denied({ status: 503, code: 'unavailable', reason: 'upstream_busy' }, () => s.request({ path: '/open/y' }));
    release();
    assert.equal((await first).status, 200);
  });

  it('GOAWAY: what is under way ends well, what comes next opens another connection', async () => {
    const { waiting, script, release } = held();
    const up = await startHttp2({ script });
    const s = await stage(up);
    const first = s.request({ path: '/open/first' });
    await until('the first to be there', () => waiting.length === 1);
    up.sessions[0].close(); // GOAWAY, and the end after the last stream
    await until('it to be noticed', async () => (await s.gateway.metrics()).sum('sallyport_upstream_http2_goaways_total') >= 1);
    const second = s.request({ path: '/open/second' });
    await until('the second to be there', () => waiting.length === 2);
    assert.notEqual(up.requests[1].session, up.requests[0].session);
    release();
    assert.deepEqual(await statuses([first, second]), [200, 200]);
  });
  it('GOAWAY, and then the last client goes away: the connection is closed once', async () => {
    const up = await startFrames({ onRequest: (connection, stream) => {
      connection.send(headers(stream, OK), data(stream, 'begun'), goaway(stream));
    } });
    const s = await stage(up);
    const client = await s.connect();
    await client.send(requestText({ path: '/open/goes' }));
    await client.head();
    await until('it to be noticed', async () => (await s.gateway.metrics()).sum('sallyport_upstream_http2_goaways_total') === 1);
    client.reset();
    await within(5000, 'the connection to be closed', up.connections[0].closed);
    up.onRequest = answer;
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
    const metrics = await s.gateway.metrics();
    assert.equal(metrics.sum('sallyport_gateway_restarts_total'), 0);
    assert.equal(metrics.sum('sallyport_upstream_connections_open'), 1);
  });
  it('GOAWAY: requests above its last stream were not looked at, and go again, POST too', async () => {
    let refused = false;
    const seen = [];
    const up = await startFrames({
      onRequest: (connection, stream) => {
        seen.push([up.connections.indexOf(connection), stream]);
        if (refused) return answer(connection, stream);
        if (seen.length < 3) return;
        refused = true;
        connection.send(goaway(1));
        answer(connection, 1, '{"first":true}');
      },
    });
    const s = await stage(up, { upstream: { retries: 1 } });
    const requests = [s.request({ path: '/open/1' })];
    await until('the first to be there', () => seen.length === 1);
    requests.push(s.request({ path: '/open/2' }), s.request({ method: 'POST', path: '/open/3', body: '' }));
    const all = await Promise.all(requests);
    assert.deepEqual(all.map((r) => r.status), [200, 200, 200]);
    assert.equal(all[0].text, '{"first":true}');
    assert.equal(up.connections.length, 2);
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_http2_resets_total', { code: 'refused' }), 2);
  });
  it('REFUSED_STREAM is sent again once; a request whose body has begun is not', async () => {
    let asked = 0;
    const up = await startFrames({ onRequest: (connection, stream) => (asked++ % 2 === 0 ? connection.send(reset(stream, 7)) : answer(connection, stream)) });
    const s = await stage(up);
    assert.equal((await s.request({ method: 'POST', path: '/open/none', body: '' })).status, 200);
    assert.equal(asked, 2);
    assert.equal((await s.gateway.metrics()).sum('sallyport_upstream_retries_total'), 1);
    const { access } = await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_closed', upstream: null }, () => s.request({ method: 'POST', path: '/open/body', body: 'pay' }));
    assert.match(access.detail, /REFUSED_STREAM/);
    assert.equal(asked, 3, 'sent once');
    assert.equal((await s.request({ path: '/open/next' })).status, 200);
    assert.equal(up.connections.length, 1, 'a refusal is no reason to leave the connection');
  });
  it('an upstream that refuses everything is not asked for ever', async () => {
    let asked = 0;
    const up = await startFrames({ onRequest: (connection, stream) => (asked++, connection.send(reset(stream, 7))) });
    const s = await stage(up, { upstream: { retries: 2 } });
    await s.denied({ status: 502, code: 'bad_gateway', reason: 'upstream_closed', upstream: null }, () => s.request({ path: '/open/x' }));
    assert.equal(asked, 3);
  });
  it('a kept connection that dies: idempotent requests go again, others do not', async () => {
    let kill = false;
    let asked = 0;
    const up = await startFrames({ onRequest: (connection, stream) => {
      asked++;
      if (!kill) return answer(connection, stream);
      kill = false;
      connection.socket.destroy();
    } });
    const s = await stage(up);
    await s.request({ path: '/open/warm' });
    kill = true;
    assert.equal((await s.request({ path: '/open/again' })).status, 200);
    kill = true;
    assert.equal((await s.request({ method: 'POST', path: '/open/once', body: '' })).status, 502);
    assert.equal(asked, 4);
  });
  it('a connection that is too old takes nothing more', async () => {
    const up = await startHttp2();
    const s = await stage(up, { upstream: { max_connection_age: '1s' } });
    await s.allowed(() => s.request({ path: '/open/x' }));
    await s.allowed(() => s.request({ path: '/open/x' }));
    assert.equal(up.sessions.length, 1);
    await pass(1100);
    await s.allowed(() => s.request({ path: '/open/x' }));
    assert.equal(up.sessions.length, 2);
    await until('the old one to be closed', () => up.open.length === 1);
  });
  it('an idle one is closed in time, with a GOAWAY', async () => {
    const up = await startFrames({ onRequest: (connection, stream) => answer(connection, stream) });
    const s = await stage(up, { upstream: { idle_timeout: '50ms' } });
    await s.request({ path: '/open/x' });
    await within(5000, 'the connection to be closed', up.connections[0].closed);
    const said = up.connections[0].frames.find((f) => f.type === TYPE.GOAWAY);
    assert.equal(said?.payload.readUInt32BE(4), 0, 'NO_ERROR');
  });
  it('an idle one that the upstream closed is noticed before it is used: POST too', async () => {
    const up = await startHttp2();
    const s = await stage(up);
    for (let i = 0; i < 3; i++) {
      await s.allowed(() => s.request({ path: '/open/warm' }));
      up.sessions.at(-1).close();
      await s.allowed(() => s.request({ method: 'POST', path: '/open/x', body: 'pay' }));
    }
  });
  it('a reload lets what is under way end, and closes the former connections', async () => {
    const { waiting, script, release } = held();
    const up = await startHttp2({ script });
    const s = await stage(up);
    const first = s.request({ path: '/open/first' });
    await until('it to be there', () => waiting.length === 1);
    await s.gateway.reload({ ...s.config, upstreams: { 'order-service': { ...s.config.upstreams['order-service'], max_streams: 7 } } });
    const second = s.request({ path: '/open/second' });
    await until('the second to be there', () => waiting.length === 2);
    assert.equal(up.sessions.length, 2);
    release();
    assert.deepEqual(await statuses([first, second]), [200, 200]);
    await until('the former connection to be closed', () => up.open.length === 1);
  });
  it('one that says nothing more is left alone: a PING tells whether it lives', async () => {
    let mute = false;
    const up = await startFrames({ onRequest: (connection, stream) => (mute && connection === up.connections[0] ? (up.automatic = false) : answer(connection, stream)) });
    const s = await stage(up, { upstream: { connect_timeout: '400ms' } });
    await s.request({ path: '/open/x' });
    mute = true;
    await s.denied({ status: 504, code: 'gateway_timeout', reason: 'upstream_timeout', upstream: null }, () => s.request({ path: '/hasty/x' }));
    await up.connections[0].frame('a reset of the stream', TYPE.RST_STREAM, (f) => f.payload.readUInt32BE(0) === 8);
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
    assert.equal(up.connections.length, 2, 'no further request is risked on it');
  });
  it('a call that waits in vain on a connection that lives ends alone', async () => {
    const up = await startFrames({ onRequest: (connection, stream) => (stream < 5 ? undefined : answer(connection, stream)) });
    const s = await stage(up);
    const asked = () => up.connections[0]?.frames.filter((f) => f.type === TYPE.HEADERS).length;
    const patient = s.request({ path: '/open/patient' });
    await until('the first', () => asked() === 1);
    assert.equal((await s.request({ path: '/hasty/vain' })).status, 504);
    await up.connections[0].frame('the PING', TYPE.PING);
    await until('the connection to be trusted again', async () => (await s.request({ path: '/open/x' })).status === 200 && asked() >= 3);
    await answer(up.connections[0], 1);
    assert.equal((await patient).status, 200);
  });

  it('a slow reader holds up nobody, and little is taken for it', async () => {
    let sent = 0;
    const up = await startHttp2({ script: (stream, fields) => {
      if (fields[':path'] !== '/open/slow') return echo(stream, fields);
      stream.respond({ ':status': 200 });
      const piece = Buffer.alloc(65536);
      const more = () => {
        while (!stream.destroyed && stream.write(piece)) sent += piece.length;
        sent += piece.length;
      };
      stream.on('drain', more);
      more();
    } });
    const s = await stage(up, { upstream: { max_connections: 1 } });
    const readers = [];
    for (let i = 0; i < 8; i++) {
      const client = await s.connect();
      client.socket.pause();
      client.plain.pause();
      await client.send(requestText({ path: '/open/slow' }));
      readers.push(client);
    }
    let last = -1;
    while (last !== sent) {
      last = sent;
      await pass(300);
    }
    const before = s.gateway.rss();
    assert.deepEqual(await statuses(many(s, 50)), Array(50).fill(200));
    assert.equal(up.sessions.length, 1);
    // What the kernels hold besides is theirs.
    assert.ok(sent < 8 * (24 << 20), `${sent} bytes were taken`);
    assert.ok(s.gateway.rss() - before < 16 << 20);
    for (const client of readers) client.reset();
    await until('the streams to be reset', () => up.requests.filter((r) => r.headers[':path'] === '/open/slow').every((r) => r.stream.destroyed));
  });
  it('data without end for a client that has gone: the connection is given up', async () => {
    const up = await startFrames({ onRequest: (connection, stream) => connection.send(headers(stream, OK), data(stream, 'half!')) });
    const s = await stage(up);
    const client = await s.connect();
    await client.send(requestText({ path: '/open/gone' }));
    await client.head();
    client.reset();
    const [connection] = up.connections;
    await connection.frame('the reset', TYPE.RST_STREAM);
    const piece = Buffer.concat(Array(8).fill(data(1, 'x'.repeat(16_384))));
    for (let n = 0; n < 100 && (await connection.send(piece)); n++);
    await within(10_000, 'the connection to be closed', connection.closed);
    await until('it to be counted', async () => (await s.gateway.metrics()).sum('sallyport_upstream_http2_broken_total', { reason: 'flood' }) === 1);
    up.onRequest = answer;
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
  });
  it('an upload waits for the window of its upstream, and for no other', async () => {
    let received = 0;
    const up = await startFrames({
      onPreface: (connection) => connection.send(settings([4, 1000])),
      onRequest: (connection, stream) => (stream === 1 ? undefined : answer(connection, stream)),
    });
    const s = await stage(up);
    const client = await s.connect();
    await client.send(requestText({ method: 'POST', path: '/open/up', fields: [['Content-Length', '100000']] }));
    await client.send(Buffer.alloc(100_000));
    const bytes = () => (up.connections[0]?.frames ?? []).filter((f) => f.type === TYPE.DATA).reduce((sum, f) => sum + f.payload.length, 0);
    await until('the window to be used', () => bytes() === 1000);
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
    assert.equal((received = bytes()), 1000);
    await up.connections[0].send(frame(TYPE.WINDOW_UPDATE, 0, 1, Buffer.from([0, 1, 0x86, 0xa0])));
    await until('the connection window to be used', () => bytes() > received);
    await up.connections[0].send(frame(TYPE.WINDOW_UPDATE, 0, 0, Buffer.from([0, 1, 0x86, 0xa0])));
    await until('all of it', () => bytes() === 100_000);
    assert.ok(up.connections[0].frames.some((f) => f.type === TYPE.DATA && f.flags & FLAG.END_STREAM));
    await up.connections[0].send(headers(1, OK), data(1, '{}', FLAG.END_STREAM));
    assert.equal((await client.response()).status, 200);
    client.end();
  });
});
