// Large messages, and a reader that does not keep up: what waits is bounded, on either way.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { HOST, openStage } from '../lib/stage.mjs';
import { open, startSocketServer } from '../lib/websocket.mjs';
import { until } from '../lib/wait.mjs';

const MIB = 1 << 20;
const digest = (data) => createHash('sha256').update(data).digest('hex');

describe('WebSocket back-pressure', () => {
  let s, server;
  before(async () => {
    server = await startSocketServer({ onConnection: (socket) => (socket.receive = socket._socket) });
    s = await openStage({
      config: (stage) => ({
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } } },
        routes: { ws: { match: { host: HOST, path: '/ws' }, upstream: 'sockets', auth: 'none', websocket: {} } },
      }),
    });
  });
  after(async () => {
    await s?.close();
    await server?.close();
  });

  // Sends 64 MiB while `reader` is paused; then reads all. Nobody buffers more than his share meanwhile.
  async function flood(sender, reader) {
    const data = randomBytes(MIB);
    const want = digest(data);
    const rss = s.gateway.rss();
    let got = 0;
    reader.on('message', (message) => {
      assert.equal(digest(message), want);
      got++;
    });
    reader.pause();
    for (let i = 0; i < 64; i++) sender.send(data);
    // It has stopped when what the sender holds no longer shrinks, for longer than a look at the metrics takes.
    let held = -1;
    let same = 0;
    await until('the sender to be held up', async () => {
      const metrics = await s.gateway.metrics();
      const bytes = metrics.sum('sallyport_buffer_bytes');
      assert.ok(bytes <= MIB, `${bytes} bytes are buffered`);
      same = sender.bufferedAmount === held ? same + 1 : 0;
      held = sender.bufferedAmount;
      return same > 20;
    }, 30_000);
    assert.ok(held > 32 * MIB, `the sender still holds ${held} bytes`);
    assert.equal(got, 0);
    assert.ok(s.gateway.rss() - rss < 32 * MIB || process.env.SALLYPORT_SLOW, 'resident memory');
    reader.resume();
    await until('all of it', () => got === 64, 60_000);
    const metrics = await until('the buffers to be empty', async () => {
      const now = await s.gateway.metrics();
      return now.sum('sallyport_buffer_bytes') < 65_536 && now;
    });
    assert.equal(metrics.sum('sallyport_streams_open'), 1);
  }

  it('a client that does not read', async () => {
    const socket = await open(s, { keep: false, perMessageDeflate: false });
    await flood(server.sockets.at(-1), socket);
    socket.close();
    await socket.closing;
  });

  it('an upstream that does not read', async () => {
    const socket = await open(s, { keep: false, perMessageDeflate: false });
    await flood(socket, server.sockets.at(-1));
    socket.close();
    await socket.closing;
  });

  it('both ways at once', async () => {
    const socket = await open(s, { keep: false, perMessageDeflate: false });
    const other = server.sockets.at(-1);
    const data = randomBytes(MIB);
    const want = digest(data);
    const counts = { there: 0, back: 0 };
    other.on('message', (m) => (assert.equal(digest(m), want), counts.there++));
    socket.on('message', (m) => (assert.equal(digest(m), want), counts.back++));
    for (let i = 0; i < 32; i++) {
      socket.send(data);
      other.send(data);
    }
    await until('all of it', () => counts.there === 32 && counts.back === 32, 60_000);
    socket.close();
    await socket.closing;
  });
});
