// T25: HTTP/2 frames that cost the receiver more than the sender (CVE-2023-44487, CVE-2024-27316, CVE-2025-8671). Each flood ends
// its own connection by GOAWAY ENHANCE_YOUR_CALM and is counted under its own name; memory stays flat, others are served.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CODE, FLAG, FrameClient, GET, Session, TYPE, frame, hpack, requestH2 } from '../lib/h2.mjs';
import { HOST } from '../lib/stage.mjs';
import { openFlooded } from './t25_lib.mjs';

describe('T25: floods over HTTP/2', () => {
  let s, beside, atRest;
  before(async () => ({ s, beside, atRest } = await openFlooded(requestH2)));
  after(() => s?.close());

  // `flood(client)` on several connections: each is told to calm down, and the counter of its kind grows.
  const calmed = (kind, flood, { connections = 3, ...options } = {}) => async () => {
    const before = await s.gateway.metrics();
    await beside(async () => {
      await Promise.all(Array.from({ length: connections }, async () => {
        const client = await FrameClient.connect(s, options);
        await flood(client);
        const goaway = await client.goaway();
        assert.equal(goaway?.code, CODE.ENHANCE_YOUR_CALM, 'GOAWAY ENHANCE_YOUR_CALM');
        await client.ended();
        client.destroy();
      }));
    });
    const grown = (await s.gateway.metrics()).sum('sallyport_http2_floods_total', { kind }) - before.sum('sallyport_http2_floods_total', { kind });
    assert.equal(grown, connections, `sallyport_http2_floods_total{kind="${kind}"}`);
    const line = await s.gateway.event('http2_flood', (l) => l.kind === kind);
    assert.equal(line.client, '127.0.0.1');
    assert.equal(line.listener, 'public');
  };
  // Made before anybody connects: it takes a busy machine as long as a connection may say nothing.
  const many = (times, make) => {
    const all = Buffer.concat(Array.from({ length: times }, (_, i) => make(2 * i + 1)));
    return (client) => client.flood(all, 1);
  };

  it('ten thousand requests, each taken back at once', calmed('resets', many(10_000, (id) => Buffer.concat([frame(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, id, hpack(GET('/open/slow'))), frame(TYPE.RST_STREAM, 0, id, Buffer.from([0, 0, 0, 8]))]))));
  it('resets that we are provoked to: malformed heads', calmed('provoked_resets', many(5_000, (id) => frame(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, id, hpack([...GET(), ['connection', 'x']])))));
  it('resets that we are provoked to: more body than was said', calmed('provoked_resets', many(5_000, (id) => Buffer.concat([frame(TYPE.HEADERS, FLAG.END_HEADERS, id, hpack([...GET('/open/slow', HOST, 'POST'), ['content-length', '1']])), frame(TYPE.DATA, 0, id, Buffer.from('ab'))]))));
  it('CONTINUATION without end', calmed('continuation', async (client) => {
    client.send(frame(TYPE.HEADERS, FLAG.END_STREAM, 1, hpack(GET())));
    await client.flood(frame(TYPE.CONTINUATION, 0, 1, hpack([['x-a', 'b']])), 20_000);
  }));
  it('empty CONTINUATION without end', calmed('continuation', async (client) => {
    client.send(frame(TYPE.HEADERS, FLAG.END_STREAM, 1, hpack(GET())));
    await client.flood(frame(TYPE.CONTINUATION, 0, 1), 20_000);
  }));
  it('SETTINGS', calmed('settings', many(10_000, () => frame(TYPE.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 1, 0, 0])))));
  it('PING', calmed('ping', many(10_000, () => frame(TYPE.PING, 0, 0, Buffer.alloc(8)))));
  it('WINDOW_UPDATE of the connection', calmed('window_update', many(20_000, () => frame(TYPE.WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, 1])))));
  it('empty DATA', calmed('empty_data', async (client) => {
    client.headers(1, GET('/open/slow', HOST, 'POST'), { end: false });
    await client.flood(frame(TYPE.DATA, 0, 1), 20_000);
  }));
  it('PRIORITY', calmed('priority', many(10_000, (id) => frame(TYPE.PRIORITY, 0, id, Buffer.from([0, 0, 0, 0, 1])))));
  it('GOAWAY', calmed('other_frames', many(10_000, () => frame(TYPE.GOAWAY, 0, 0, Buffer.alloc(8)))));
  it('an HPACK bomb: one long field, named again and again by a byte', calmed('decoded_headers', async (client) => {
    // 4,000 bytes go into the table once; each byte 0xbe (index 62) then stands for all of them.
    const bomb = Buffer.concat([hpack(GET()), hpack([['x-bomb', 'a'.repeat(3_900)]], { indexed: true }), Buffer.alloc(12_000, 0xbe)]);
    client.send(frame(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, bomb));
  }));

  it('more streams at once than may be: those beyond are refused, the others are answered', async () => {
    const client = await FrameClient.connect(s);
    client.window(0, 1024 * 1024);
    const ids = Array.from({ length: 150 }, (_, i) => 2 * i + 1); // before our SETTINGS have told how many
    client.send(Buffer.concat(ids.map((id) => frame(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, id, hpack(GET('/open/slow'))))));
    const ends = await Promise.all(ids.map((id) => client.end(id)));
    const refused = ends.filter((f) => f.type === TYPE.RST_STREAM);
    assert.equal(refused.length, 50);
    assert.ok(refused.every((f) => f.code === CODE.REFUSED_STREAM));
    assert.equal(ids.filter((id) => client.status(id) === 200).length, 100);
    client.destroy();
  });

  it('more streams at once than we have told, and the client has acknowledged: the connection ends', async () => {
    const client = await FrameClient.connect(s);
    await client.ping();
    await client.flood(Buffer.concat(Array.from({ length: 101 }, (_, i) => frame(TYPE.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 2 * i + 1, hpack(GET('/open/slow'))))), 1);
    assert.equal((await client.goaway())?.code, CODE.PROTOCOL_ERROR);
    await client.ended();
    await atRest();
  });

  it('frames of unknown types are passed over', async () => {
    const client = await FrameClient.connect(s);
    await client.flood(Buffer.concat(Array.from({ length: 10_000 }, () => frame(0xbe, 0, 0, Buffer.alloc(100)))), 1);
    client.headers(1, GET());
    await client.end(1);
    assert.equal(client.status(1), 200);
    client.destroy();
  });

  it('twin: a busy client with many requests, resets, pings and window updates is served', async () => {
    const session = await Session.connect(s);
    for (let round = 0; round < 10; round++) {
      const answers = Array.from({ length: 50 }, () => session.request());
      const dropped = session.open({ path: '/open/slow' });
      dropped.request.close(CODE.CANCEL);
      await new Promise((resolve, reject) => session.h2.ping((error) => (error ? reject(error) : resolve())));
      for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200);
    }
    assert.deepEqual(session.goaways, []);
    session.destroy();
  });
});
