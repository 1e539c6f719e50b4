// T26 over HTTP/2: streams that are not read, heads and bodies that do not come. Each ends at its limit, in bounded memory, and
// nobody else waits.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CODE, FLAG, FrameClient, GET, TYPE, frame, hpack, requestH2 } from '../lib/h2.mjs';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const MB = 1024 * 1024;

describe('T26: slow clients over HTTP/2', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: {
        workers: 1,
        listeners: { public: { timeouts: { handshake: '2s', head: '1s', body: '1s', idle: '1s', write: '1s', drain: '500ms' } } },
        upstreams: { 'order-service': { max_connections: 2000, max_pending: 10000, connect_timeout: '30s' } },
      },
      routes: { open: { ...OPEN, timeout: '1m' } },
      upstream: {
        record: false,
        script: async (exchange) => {
          if (exchange.request.target === '/open/endless') {
            await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
            const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
            while (await exchange.send(chunk));
            return exchange.destroy();
          }
          await exchange.request.skip();
          await exchange.respond(200, [], 'ok');
        },
      },
    });
    await requestH2(s);
  });
  after(() => s?.close());

  it('five connections with twenty streams each, none of them read', async () => {
    const before = s.gateway.rss();
    let peak = before;
    const look = setInterval(() => (peak = Math.max(peak, s.gateway.rss())), 20);
    const clients = await Promise.all(Array.from({ length: 5 }, () => FrameClient.connect(s)));
    for (const client of clients) for (let id = 1; id < 40; id += 2) client.headers(id, GET('/open/endless'));
    // Honest ones beside them are served as always.
    for (let i = 0; i < 5; i++) assert.equal((await requestH2(s)).status, 200);
    await Promise.all(clients.map((client) => client.rst(1)));
    for (const client of clients) assert.equal((await client.rst(39)).code, CODE.CANCEL);
    clearInterval(look);
    for (const client of clients) client.destroy();
    assert.ok(peak - before < 32 * MB * SLOW, `grew by ${peak - before}`);
    await until('all to be over', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 0);
  });
  it('a head that comes in pieces of a byte, in CONTINUATION frames or within one', async () => {
    const block = hpack(GET());
    const head = frame(TYPE.HEADERS, FLAG.END_STREAM | FLAG.END_HEADERS, 1, block);
    const client = await FrameClient.connect(s);
    const from = performance.now();
    const drip = setInterval(() => client.send(head.subarray(at, ++at)), 100);
    let at = 0;
    await client.ended();
    clearInterval(drip);
    const took = performance.now() - from;
    assert.ok(took > 900 && took < 3_000 * SLOW, `${took} ms`);
  });
  it('a hundred streams whose bodies do not come: each is answered', async () => {
    const client = await FrameClient.connect(s);
    for (let id = 1; id < 200; id += 2) {
      client.headers(id, GET('/open/x', HOST, 'POST'), { end: false });
      client.data(id, 'a');
    }
    await Promise.all(Array.from({ length: 100 }, (_, i) => client.end(2 * i + 1)));
    await until('all to be over', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 0);
    client.destroy();
  });
  it('twin: slow, yet within the limits', async () => {
    const client = await FrameClient.connect(s);
    client.headers(1, GET('/open/x', HOST, 'POST'), { end: false });
    for (let i = 0; i < 8; i++) {
      client.data(1, Buffer.alloc(2_000));
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    client.data(1, 'end', { end: true });
    await client.end(1);
    assert.equal(client.status(1), 200);
    client.destroy();
  });
});
