// T26: clients that take their time are closed at the stated limit; nobody else waits for them.
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { deadline, pass, SLOW, until, within } from '../lib/wait.mjs';

const LIMIT = 1_000;
const SLACK = 4_000 * SLOW;

describe('T26: slow clients', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: {
        // Two hundred handshakes are too much for a slow build on a busy machine, and that is not what is tested here.
        listeners: { public: { timeouts: { handshake: '1s', head: '1s', body: '1s', idle: '1s', write: '1s', drain: '500ms' } } },
      },
      routes: { open: OPEN },
      upstream: {
        record: false,
        script: async (exchange) => {
          if (exchange.request.target === '/open/endless') {
            await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
            const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
            s.endless = 0;
            while (await exchange.send(chunk)) s.endless += 65_536;
            return exchange.destroy();
          }
          await exchange.request.skip();
          await exchange.respond(200, [], 'ok');
        },
      },
    });
  });
  after(() => s?.close());

  // How long one waits that takes no time itself. If slow ones were served before it, each would wait, or each that meets the same
  // worker; one may wait for this process, or for whatever else the machine does.
  const honest = async () => {
    const from = performance.now();
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
    return performance.now() - from;
  };
  const servedAsAlways = (waits) => {
    const most = waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.75)];
    assert.ok(most < deadline(LIMIT / 2), `honest clients waited: ${waits.map(Math.round)}`);
  };

  const timed = async (what, run) => {
    const from = performance.now();
    const result = await run();
    const took = performance.now() - from;
    assert.ok(took >= LIMIT - 100, `${what} was closed after ${took} ms, before its limit`);
    assert.ok(took <= LIMIT + SLACK, `${what} was closed after ${took} ms, long after its limit`);
    return result;
  };
  // Writes one byte at a time until the peer is gone.
  const drip = async (client, text, every) => {
    for (const byte of text) {
      if (client.socket.destroyed || client.reader.ended) return;
      if (!(await client.send(byte))) return;
      await pass(every);
    }
  };
  // Either a 408 and the end, or the end alone.
  const timedOut = async (client) => {
    const rest = (await client.rest(LIMIT + SLACK + 5_000)).toString('latin1');
    if (rest !== '') assert.match(rest, /^HTTP\/1\.1 408 /);
    return rest;
  };

  it('a head at ten bytes a second', async () => {
    const client = await s.connect();
    const writing = drip(client, `GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\nX-Long: ${'a'.repeat(1000)}`, 100);
    const rest = await timed('the head', () => timedOut(client));
    assert.match(rest, /^HTTP\/1\.1 408 /, 'a request that began is told why');
    client.destroy();
    await writing;
    const line = await s.gateway.access('the slow head', (l) => l.status === 408);
    assert.equal(line.reason, 'request_timeout');
  });
  it('a head that stops', async () => {
    const client = await s.connect();
    await client.send(`GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\n`);
    await timed('the head', () => timedOut(client));
    client.destroy();
  });
  it('a second head that stops, on a connection in use', async () => {
    const client = await s.connect();
    await client.send(requestText({ path: '/open/x' }));
    assert.equal((await client.response()).status, 200);
    await client.send('G');
    await timed('the head', () => timedOut(client));
    client.destroy();
  });
  it('no handshake', async () => {
    const socket = net.connect(s.gateway.ports.public, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => socket.once('connect', resolve));
    await timed('the handshake', () => within(LIMIT + SLACK, 'the end', new Promise((resolve) => socket.once('close', resolve))));
  });
  it('a handshake at a byte now and then', async () => {
    const socket = net.connect(s.gateway.ports.public, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    let open = true;
    closed.then(() => (open = false));
    const writing = (async () => {
      for (const byte of Buffer.from('16030100a2010000', 'hex')) {
        if (!open) return;
        socket.write(Buffer.from([byte]));
        await pass(200);
      }
    })();
    await timed('the handshake', () => within(LIMIT + SLACK, 'the end', closed));
    await writing;
  });
  it('a body that stops', async () => {
    const client = await s.connect();
    await client.send(`POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1000\r\n\r\nstart`);
    await timed('the body', () => timedOut(client));
    client.destroy();
    const line = await s.gateway.access('the slow body', (l) => l.method === 'POST' && l.reason === 'request_timeout');
    assert.equal(line.path, '/open/x');
  });
  it('a body of ten bytes a second: waiting is added up, so dripping gains nothing', async () => {
    const client = await s.connect();
    await client.send(`POST /open/slow HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1000\r\n\r\n`);
    const writing = drip(client, 'x'.repeat(200), 100);
    await timed('the body', () => timedOut(client));
    client.destroy();
    await writing;
  });
  it('an idle connection', async () => {
    const client = await s.connect();
    await client.send(requestText({ path: '/open/x' }));
    assert.equal((await client.response()).status, 200);
    await timed('the idle connection', () => client.ended(LIMIT + SLACK));
  });
  it('a response never read: closed, in bounded memory, and the upstream is held back', async () => {
    const before = s.gateway.rss();
    const client = await s.connect();
    await client.send(requestText({ path: '/open/endless' }));
    await client.head();
    client.socket.pause();
    // The gateway gives up on the client, and so on the upstream.
    const line = await s.gateway.access('the slow reader', (l) => l.path === '/open/endless', LIMIT + SLACK + 10_000);
    assert.equal(line.aborted, true);
    assert.ok(line.duration_us >= (LIMIT - 100) * 1000);
    const grown = s.gateway.rss() - before;
    assert.ok(grown < 16 * 1024 * 1024 * SLOW, `grew by ${grown} bytes`);
    client.destroy();
  });
  it('a response read at a hundred bytes a second', async () => {
    const socket = tls.connect({ port: s.gateway.ports.public, host: '127.0.0.1', ...s.tls() });
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    socket.write(requestText({ path: '/open/endless' }));
    await new Promise((resolve) => socket.once('readable', resolve)); // and never in flowing mode
    const reading = setInterval(() => socket.read(10), 100);
    const given = () => s.gateway.lines.filter((l) => l.log === 'access' && l.path === '/open/endless' && l.aborted).length;
    const before = given();
    await until('it was given up', () => given() > before, LIMIT + SLACK + 10_000);
    clearInterval(reading);
    socket.destroy();
    await closed;
  });
  it('forty responses never read: no more memory than their buffers, and others are served as always', async () => {
    const before = s.gateway.rss();
    const aborts = async () => (await s.gateway.metrics()).sum('sallyport_client_aborts_total');
    const from = await aborts();
    const slow = await Promise.all(Array.from({ length: 40 }, async () => {
      const client = await s.connect();
      await client.send(requestText({ path: '/open/endless' }));
      await client.head();
      client.socket.pause();
      return client;
    }));
    let grown = 0;
    const waits = [];
    await until('all were given up', async () => {
      waits.push(await honest());
      grown = Math.max(grown, s.gateway.rss() - before);
      return (await aborts()) - from >= slow.length;
    }, LIMIT + SLACK + 20_000);
    // What one connection may hold either way, with its TLS state, and what the allocator keeps.
    assert.ok(grown < 40 * 320 * 1024 * SLOW + 16 * 1024 * 1024, `grew by ${grown} bytes`);
    servedAsAlways(waits);
    for (const client of slow) client.destroy();
  });
  it('two hundred of them, and others are served as always', async () => {
    const silent = Array.from({ length: 50 }, () => net.connect(s.gateway.ports.public, '127.0.0.1').on('error', () => {}).resume());
    const silentEnds = silent.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    const slow = await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const client = await s.connect();
      await client.send(i % 2 ? `GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\n` : `POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 10\r\n\r\nx`);
      return client;
    }));
    const waits = [];
    while (waits.length < 20) waits.push(await honest());
    servedAsAlways(waits);
    await Promise.all(slow.map((client) => timedOut(client).finally(() => client.destroy())));
    await within(LIMIT + SLACK + 5_000, 'the end of those that never began a handshake', Promise.all(silentEnds));
  });
  it('twin: slow, yet within the limits', async () => {
    const client = await s.connect();
    const head = `POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 4\r\n\r\n`;
    await client.sendSplit(head, 8);
    for (const byte of 'slow') {
      await pass(150);
      await client.send(byte);
    }
    assert.equal((await client.response()).status, 200);
    client.end();
  });
});
