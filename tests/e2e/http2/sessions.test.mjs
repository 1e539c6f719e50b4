// HTTP/2 connections: how they end, what they wait for, and that bodies flow in bounded memory.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CODE, FLAG, FrameClient, GET, Session, TYPE, frame, hpack } from '../lib/h2.mjs';
import { HOST, OPEN, closeAll, openStage } from '../lib/stage.mjs';
import { echo } from '../lib/upstream.mjs';
import { SLOW, deadline, pass, until, within } from '../lib/wait.mjs';

const LAST = 0x7fffffff;
const MB = 1024 * 1024;
const PIECE = Buffer.alloc(256 * 1024, 'sallyport');
const SIZE = 32 * MB * SLOW; // more than a gateway may grow by that takes it all

describe('HTTP/2 sessions', () => {
  let s; // of short timeouts
  let slow; // of long ones
  let gate;
  let written;
  const scripts = {
    '/open/wait': async (exchange) => {
      await exchange.request.skip();
      await gate.opened;
      await exchange.respond(200, [], 'waited');
    },
    '/open/down': async (exchange) => {
      await exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`);
      for (written = 0; written < SIZE; written += PIECE.length) if (!(await exchange.send(PIECE))) return;
    },
    '/open/up': async (exchange) => {
      await gate.opened;
      let size = 0;
      for await (const piece of exchange.request.pieces) size += piece.length;
      await exchange.json(200, { size });
    },
  };
  const shut = () => {
    gate = {};
    gate.opened = new Promise((resolve) => (gate.open = resolve));
  };
  const SHORT = { head: '1s', idle: '2s', body: '2s', write: '2s', drain: '500ms' };
  // Where a client pauses, and it is not the subject for how long it may: a busy machine makes pauses longer.
  const PATIENT = { ...SHORT, idle: '5m', body: '5m', write: '5m' };
  const open = ({ timeouts = SHORT, listener = {}, config = {} } = {}) => openStage({
    config: { workers: 1, listeners: { public: { timeouts, ...listener } }, shutdown: { deadline: '10s' }, ...config },
    routes: { open: { ...OPEN, timeout: '1m', idle_timeout: '1m' } },
    upstream: { record: false, script: (exchange) => (scripts[exchange.request.target] ?? echo)(exchange) },
  });
  before(async () => {
    shut();
    [s, slow] = await Promise.all([open(), open({ timeouts: PATIENT })]);
  });
  after(() => closeAll(() => s?.close(), () => slow?.close()));

  const goaways = (client) => client.frames.filter((f) => f.type === TYPE.GOAWAY);

  it('one that asks for nothing is told so, and closed', async () => {
    const before = Date.now();
    const client = await FrameClient.connect(s);
    await client.ended();
    assert.ok(Date.now() - before > 500);
    assert.equal(goaways(client).at(-1).code, CODE.NO_ERROR);
  });
  it('one that is idle after a request, whatever it pings', async () => {
    const client = await FrameClient.connect(s);
    client.headers(1, GET());
    await client.end(1);
    const pings = setInterval(() => client.send(frame(TYPE.PING, 0, 0, Buffer.alloc(8))), 300);
    await client.ended();
    clearInterval(pings);
    assert.equal(goaways(client).at(-1).code, CODE.NO_ERROR);
    assert.equal(goaways(client).at(-1).last, 1);
  });
  it('a head that does not come to its end', async () => {
    // It ends by the time for heads: all others are longer than this test.
    const client = await FrameClient.connect(slow);
    client.headers(1, GET());
    await client.end(1);
    client.send(frame(TYPE.HEADERS, FLAG.END_STREAM, 3, hpack(GET())));
    await client.ended();
  });
  it('a body that does not come is answered 408, and others on the connection go on', async () => {
    const client = await FrameClient.connect(s);
    client.headers(1, GET('/open/x', HOST, 'POST'), { end: false });
    client.data(1, 'a');
    const end = client.end(1);
    for (let id = 3; id < 9; id += 2) {
      client.headers(id, GET());
      await client.end(id);
      assert.equal(client.status(id), 200);
      await pass(200);
    }
    await end;
    await s.gateway.access('the slow body', (l) => l.status === 408 && l.reason === 'request_timeout');
    client.destroy();
  });
  it('a body of one byte at a time ends, too', async () => {
    const client = await FrameClient.connect(s);
    client.headers(1, GET('/open/x', HOST, 'POST'), { end: false });
    const drip = setInterval(() => client.data(1, 'a'), 300);
    const end = await client.end(1, 15_000);
    clearInterval(drip);
    assert.ok(end);
    client.destroy();
  });
  it('an answer whose window the client never opens: its stream is reset, the others go on', async () => {
    const client = await FrameClient.connect(s);
    client.headers(1, GET('/open/down'));
    const rst = await client.rst(1);
    assert.equal(rst.code, CODE.CANCEL);
    client.window(0, MB);
    client.headers(3, GET());
    await client.end(3);
    assert.equal(client.status(3), 200);
    await s.gateway.access('the answer that nobody read', (l) => l.path === '/open/down' && l.aborted === true);
    client.destroy();
  });
  it('an answer that nobody reads from the socket: the connection is cut', async () => {
    const client = await FrameClient.connect(s, { settings: [[4, LAST]] });
    client.window(0, LAST - 65_535);
    client.socket.pause();
    client.headers(1, GET('/open/down'));
    const line = await s.gateway.access('the answer that nobody read', (l) => l.path === '/open/down' && l.aborted === true && l.sent > 1_000_000, 15_000);
    assert.equal(line.status, 200);
    client.destroy();
  });

  const grown = async (run) => {
    const before = slow.gateway.rss();
    let peak = before;
    const look = setInterval(() => (peak = Math.max(peak, slow.gateway.rss())), 20);
    await run().finally(() => clearInterval(look));
    return peak - before;
  };
  it('a slow client slows its upstream; memory stays bounded', async () => {
    const growth = await grown(async () => {
      const session = await Session.connect(slow, { settings: { initialWindowSize: 65_535 } });
      const seen = session.open({ path: '/open/down' });
      await seen.response;
      // Nothing is read: the upstream must come to a stop.
      let last = -1;
      await until('the upstream to stop', async () => {
        const now = written;
        const still = now === last;
        last = now;
        await pass(100);
        return still;
      });
      assert.ok(written < SIZE, 'all was taken at once');
      let size = 0;
      seen.request.on('data', (chunk) => (size += chunk.length));
      await within(120_000, 'the rest', seen.closed);
      assert.equal(size, SIZE);
      session.destroy();
    });
    assert.ok(growth < 24 * MB * SLOW, `grew by ${growth}`);
  });
  it('a slow upstream slows its client: its window is not given back before', async () => {
    shut();
    const client = await FrameClient.connect(slow);
    await client.ping();
    const growth = await grown(async () => {
      client.headers(1, GET('/open/up', HOST, 'POST'), { end: false });
      // As the protocol wants: no more than the windows allow.
      let window = 65_536;
      let all = 65_535; // HTTP2_CONNECTION_WINDOW comes by WINDOW_UPDATE
      let looked = 0;
      let sent = 0;
      let idle = 0;
      const piece = Buffer.alloc(16_000);
      while (idle < 10) {
        for (; looked < client.frames.length; looked++) {
          const f = client.frames[looked];
          if (f.type !== TYPE.WINDOW_UPDATE) continue;
          if (f.id === 0) all += f.payload.readUInt32BE(0);
          else window += f.payload.readUInt32BE(0);
        }
        if (window >= piece.length && all >= piece.length) {
          client.data(1, piece);
          window -= piece.length;
          all -= piece.length;
          sent += piece.length;
          idle = 0;
        } else {
          idle++;
          await pass(50);
        }
        if (sent > 64 * MB) assert.fail('the window never closed');
      }
      assert.ok(sent < 32 * MB, `${sent} bytes were taken, and nobody read them`);
      // Another stream has room still.
      client.headers(3, GET());
      await client.end(3);
      assert.equal(client.status(3), 200);
      gate.open();
      await until('the window to open', () => client.frames.slice(looked).some((f) => f.type === TYPE.WINDOW_UPDATE && f.id === 1));
      client.data(1, 'x', { end: true });
      await client.end(1);
      assert.equal(client.status(1), 200);
    });
    assert.ok(growth < 24 * MB * SLOW, `grew by ${growth}`);
    client.destroy();
  });

  it('a reload ends neither connections nor streams', async () => {
    shut();
    const session = await Session.connect(s);
    const waiting = session.request({ path: '/open/wait' });
    await until('the request', () => s.upstream.requests.some((r) => r.target === '/open/wait'));
    await s.gateway.reload({ ...s.config, instance: 'edge-reloaded' });
    assert.equal((await session.request()).status, 200);
    gate.open();
    assert.equal((await waiting).text, 'waited');
    assert.deepEqual(session.goaways, []);
    session.destroy();
  });

  it('a connection that has had its requests: two GOAWAYs, and every request is answered', async () => {
    const other = await open({ listener: { max_connection_requests: 3 } });
    try {
      const client = await FrameClient.connect(other);
      for (let id = 1; id <= 5; id += 2) client.headers(id, GET());
      for (let id = 1; id <= 5; id += 2) await client.end(id);
      await client.ended();
      assert.deepEqual([1, 3, 5].map((id) => client.status(id)), [200, 200, 200]);
      assert.deepEqual(goaways(client).map((f) => [f.last, f.code]), [[LAST, CODE.NO_ERROR], [5, CODE.NO_ERROR]]);
      // HTTP/1.1 says it by Connection: close.
      const old = await other.connect();
      for (let i = 1; i <= 3; i++) {
        await old.send(`GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
        const response = await old.response();
        assert.equal(response.fields.get('connection'), i === 3 ? 'close' : undefined);
      }
      await old.ended();
    } finally {
      await other.close();
    }
  });
  it('a connection that is old', async () => {
    const AGE = 2_000;
    const other = await open({ timeouts: PATIENT, listener: { max_connection_age: `${deadline(AGE)}ms` } });
    try {
      const client = await FrameClient.connect(other);
      client.headers(1, GET());
      await client.end(1);
      assert.deepEqual(goaways(client), []);
      await pass(deadline(AGE) + 100);
      client.headers(3, GET());
      await client.end(3);
      assert.equal(client.status(3), 200);
      await client.ended();
      assert.deepEqual(goaways(client).map((f) => f.last), [LAST, 3]);
    } finally {
      await other.close();
    }
  });

  it('the end of the gateway: what is open is answered, what comes after the last GOAWAY is not taken', async () => {
    shut();
    const other = await open();
    const client = await FrameClient.connect(other);
    const idle = await FrameClient.connect(other);
    idle.headers(1, GET());
    await idle.end(1);
    client.headers(1, GET('/open/wait'));
    await until('the request', () => other.upstream.requests.some((r) => r.target === '/open/wait'));
    const stopping = other.gateway.stop();
    await client.frame('the first GOAWAY', (f) => f.type === TYPE.GOAWAY && f.last === LAST);
    await client.frame('the last GOAWAY', (f) => f.type === TYPE.GOAWAY && f.last === 1);
    client.headers(3, GET());
    await client.ping();
    gate.open();
    await client.end(1);
    assert.equal(client.status(1), 200);
    assert.equal(client.status(3), undefined);
    await client.ended();
    await idle.ended();
    assert.deepEqual(goaways(idle).map((f) => f.last), [LAST, 1]);
    await stopping;
    await other.close();
  });
  it('a client that knows no ping does not hold up the end', async () => {
    const other = await open({ config: { shutdown: { deadline: '5m' } } }); // longer than `stop` waits
    const client = await FrameClient.connect(other);
    client.deaf = true;
    client.headers(1, GET());
    await client.end(1);
    await other.gateway.stop();
    await client.ended();
    await other.close();
  });
});
