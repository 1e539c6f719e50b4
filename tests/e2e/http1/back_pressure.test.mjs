// Large bodies stream both ways in bounded memory, however slow one side is.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { pass, SLOW } from '../lib/wait.mjs';

// More than Linux's socket buffers of both connections can grow to (2 × (32 + 4) MiB) and the gateway may hold.
const SIZE = 96 * 1024 * 1024;
const PIECE = Buffer.alloc(256 * 1024, 'sallyport');
const BOUND = 24 * 1024 * 1024 * SLOW;

const digest = () => {
  const hash = createHash('sha256');
  for (let at = 0; at < SIZE; at += PIECE.length) hash.update(PIECE);
  return hash.digest('hex');
};

describe('back-pressure', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: { listeners: { clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } } },
      routes: { open: { ...OPEN, listeners: ['public', 'clear'], timeout: '5m' } },
      upstream: {
        record: false,
        script: async (exchange) => {
          const { request } = exchange;
          if (request.target.startsWith('/open/down')) {
            await exchange.send(request.target.endsWith('chunked') ? 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' : `HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`);
            s.written = 0;
            for (let at = 0; at < SIZE; at += PIECE.length) {
              await exchange.send(request.target.endsWith('chunked') ? Buffer.concat([Buffer.from(`${PIECE.length.toString(16)}\r\n`), PIECE, Buffer.from('\r\n')]) : PIECE);
              s.written += PIECE.length;
            }
            if (request.target.endsWith('chunked')) await exchange.send('0\r\n\r\n');
            return;
          }
          const hash = createHash('sha256');
          let size = 0;
          s.taken = () => size;
          if (request.target.endsWith('slow')) await s.gate;
          for await (const piece of request.pieces) {
            hash.update(piece);
            size += piece.length;
          }
          await exchange.json(200, { size, sha256: hash.digest('hex') });
        },
      },
    });
  });
  after(() => s?.close());

  const grown = async (run) => {
    const before = s.gateway.rss();
    let peak = before;
    let going = true;
    const watching = (async () => {
      while (going) {
        peak = Math.max(peak, s.gateway.rss());
        await pass(20);
      }
    })();
    try {
      await run();
    } finally {
      going = false;
      await watching;
    }
    assert.ok(peak - before < BOUND, `memory grew by ${peak - before} bytes`);
  };

  const upload = async (client, { chunked, sent = () => {} }) => {
    for (let at = 0; at < SIZE; at += PIECE.length) {
      if (!(await client.send(chunked ? Buffer.concat([Buffer.from(`${PIECE.length.toString(16)}\r\n`), PIECE, Buffer.from('\r\n')]) : PIECE))) return;
      sent(at + PIECE.length);
    }
    if (chunked) await client.send('0\r\n\r\n');
  };
  const framing = (chunked) => (chunked ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', SIZE]);

  for (const listener of ['public', 'clear']) {
    for (const chunked of [false, true]) {
      const how = `${chunked ? 'chunked' : 'with a length'}, on ${listener}`;
      it(`96 MiB up, ${how}, to an upstream that waits first`, () => grown(async () => {
        let open;
        s.gate = new Promise((resolve) => (open = resolve));
        const client = await s.connect({ listener, plain: listener === 'clear' });
        await client.send(requestText({ method: 'POST', path: '/open/up-slow', fields: [framing(chunked)] }));
        let sent = 0;
        let moved = Date.now();
        const sending = upload(client, { chunked, sent: (bytes) => ((sent = bytes), (moved = Date.now())) });
        // The sender is held back: nothing moves although most is unsent.
        while (Date.now() - moved < 300) await pass(20);
        assert.ok(sent < SIZE, `${sent} bytes were taken for an upstream that reads nothing`);
        open();
        await sending;
        const response = await client.response();
        assert.deepEqual(response.json(), { size: SIZE, sha256: digest() });
        client.end();
      }));
      it(`96 MiB down, ${how}, to a client that waits first`, () => grown(async () => {
        const client = await s.connect({ listener, plain: listener === 'clear' });
        await client.send(requestText({ path: `/open/down${chunked ? '-chunked' : ''}` }));
        const response = await client.head();
        let last = -1;
        while (last !== s.written) {
          last = s.written;
          await pass(300);
        }
        assert.ok(s.written < SIZE, `${s.written} bytes were taken for a client that reads nothing`);
        const hash = createHash('sha256');
        let size = 0;
        for await (const piece of response.pieces) {
          hash.update(piece);
          size += piece.length;
        }
        assert.equal(size, SIZE);
        assert.equal(hash.digest('hex'), digest());
        client.end();
      }));
    }
  }
});
