// Many slow clients at once: what waits for them keeps within a budget, and who is fast beside them is served.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { backAtRest, held, IDLE } from '../faults/lib.mjs';
import { pass, until } from '../lib/wait.mjs';

const MIB = 1024 * 1024;
const CLIENTS = 32;
const BUDGET = 2 * MIB;
const DOWNLOAD = 8 * MIB;
const PIECE = Buffer.alloc(64 * 1024, 'sallyport');

// `budget`: the setting, or none.
function slowClients(name, budget, judge) {
  describe(name, () => {
    let s;
    const ignored = []; // what the upstream does not read
    before(async () => {
      s = await openStage({
        config: {
          workers: 1,
          ...(budget ? { buffer_memory: budget } : {}),
          listeners: { clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } },
          upstreams: { 'order-service': IDLE },
        },
        routes: { open: { ...OPEN, listeners: ['clear'], body: '64MiB', timeout: '5m', idle_timeout: '5m' } },
        upstream: {
          record: false,
          script: async (exchange) => {
            const { target } = exchange.request;
            if (target === '/open/take') {
              let size = 0;
              for await (const piece of exchange.request.pieces) size += piece.length;
              return exchange.json(200, { size });
            }
            if (target === '/open/download') {
              await exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: ${DOWNLOAD}\r\n\r\n`);
              for (let at = 0; at < DOWNLOAD; at += PIECE.length) await exchange.send(PIECE);
              return;
            }
            exchange.stop = true;
            if (target === '/open/ignore') {
              ignored.push(exchange);
              return;
            }
            await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
            while (await exchange.send(PIECE));
          },
        },
      });
    });
    after(() => s?.close());

    const number = async (metric) => (await s.gateway.metrics()).sum(metric);
    const connect = () => s.connect({ listener: 'clear', plain: true });
    // Once nothing moves any more: the highest that the gauge was.
    const settled = async () => {
      await until('much to wait', async () => (await number('sallyport_buffer_bytes')) > BUDGET / 2);
      let last = -1;
      let highest = 0;
      for (let same = 0; same < 4; ) {
        const now = await number('sallyport_buffer_bytes');
        highest = Math.max(highest, now);
        same = now === last ? same + 1 : 0;
        last = now;
        await pass(100);
      }
      return highest;
    };
    const crowd = async (begin) => {
      const rest = await held(s.gateway);
      const clients = [];
      try {
        for (let i = 0; i < CLIENTS; i++) clients.push(await connect());
        await Promise.all(clients.map(begin));
        await judge({ highest: await settled(), pauses: await number('sallyport_buffer_pauses_total'), fast });
      } finally {
        for (const client of clients) client.destroy();
        for (const exchange of ignored) exchange.destroy();
      }
      await backAtRest(s.gateway, rest);
    };
    const fast = async () => {
      const client = await connect();
      await client.send(requestText({ path: '/open/download' }));
      const response = await client.head();
      let size = 0;
      for await (const piece of response.pieces) size += piece.length;
      assert.equal(size, DOWNLOAD);
      client.destroy();
      const up = await connect();
      await up.send(requestText({ method: 'POST', path: '/open/take', fields: [['Content-Length', DOWNLOAD]] }));
      for (let at = 0; at < DOWNLOAD; at += PIECE.length) await up.send(PIECE);
      assert.deepEqual((await up.response()).json(), { size: DOWNLOAD });
      up.destroy();
    };

    it('clients that do not read', () => crowd(async (client) => {
      await client.send(requestText({ path: '/open/endless' }));
      client.socket.pause();
    }));
    it('an upstream that does not read', () => crowd(async (client) => {
      await client.send(requestText({ method: 'POST', path: '/open/ignore', fields: [['Content-Length', 32 * MIB]] }));
      (async () => {
        for (let at = 0; at < 32 * MIB && (await client.send(PIECE)); at += PIECE.length);
      })().catch(() => {});
    }));
  });
}

slowClients('buffer_memory', '2MiB', async ({ highest, pauses, fast }) => {
  assert.ok(highest < BUDGET, `${highest} bytes of ${BUDGET}`);
  assert.ok(pauses > 0);
  const began = performance.now();
  await fast();
  assert.ok(performance.now() - began < 10_000);
});

// The negative twin: with the standard, of which this is far from half, the same clients have more.
slowClients('buffer_memory as it is by itself', null, async ({ highest, pauses, fast }) => {
  assert.ok(highest > BUDGET, `${highest} bytes`);
  assert.equal(pauses, 0);
  await fast();
});
