// T25, as far as HTTP/1.1 has it: many cheap things that cost the other side more. Memory stays flat, others are served, nothing
// is left behind.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { requestText } from '../lib/raw.mjs';
import { HOST } from '../lib/stage.mjs';
import { openFlooded } from './t25_lib.mjs';

describe('T25: floods over HTTP/1.1', () => {
  let s, beside;
  before(async () => ({ s, beside } = await openFlooded((stage) => stage.request({ path: '/open/x' }))));
  after(() => s?.close());

  const times = (count, run) => Promise.all(Array.from({ length: count }, (_, i) => run(i)));

  it('hundreds of requests, each taken back by a reset', () =>
    beside(() =>
      times(10, async () => {
        for (let i = 0; i < 25; i++) {
          const client = await s.connect();
          await client.send(requestText({ path: '/open/slow' }));
          client.reset();
        }
      })));
  it('ten thousand pipelined requests whose answers nobody reads', () =>
    beside(() =>
      times(5, async () => {
        const client = await s.connect();
        client.socket.pause();
        const sending = client.send(Buffer.concat(Array.from({ length: 2_000 }, () => requestText({ path: '/open/x' }))));
        await Promise.race([sending, client.closing]);
        client.reset();
      })));
  it('a body of chunks of one byte', () =>
    beside(() =>
      times(2, async () => {
        const client = await s.connect();
        await client.send(`POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`);
        await client.send('1\r\nx\r\n'.repeat(20_000));
        await client.send('0\r\n\r\n');
        const response = await client.response();
        assert.ok([200, 400, 408].includes(response.status), `${response.status}`);
        client.destroy();
      })));
  it('chunk extensions without end: refused', () =>
    beside(async () => {
      const client = await s.connect();
      await client.send(`POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`);
      client.send(`1;${'e'.repeat(200)}\r\nx\r\n`.repeat(10_000));
      assert.equal((await client.response()).status, 400);
      client.destroy();
    }));
  it('empty lines without end: refused', () =>
    beside(async () => {
      const client = await s.connect();
      client.send('\r\n'.repeat(100_000));
      assert.equal((await client.response()).status, 400);
      client.destroy();
    }));
  it('header fields without end: refused at the limit', () =>
    beside(() =>
      times(20, async () => {
        const client = await s.connect();
        client.send(`GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\n${'A: b\r\n'.repeat(50_000)}`);
        const response = await client.response();
        assert.equal(response.status, 431);
        client.destroy();
      })));
  it('handshakes that are begun and left', () =>
    beside(() =>
      times(10, async () => {
        for (let i = 0; i < 30; i++) {
          const client = await s.connect({ plain: true });
          await client.send(Buffer.from('1603010200010001fc0303', 'hex'));
          client.reset();
        }
      })));
  it('twin: many honest requests at once, pipelined and read', () =>
    beside(() =>
      times(10, async () => {
        const client = await s.connect();
        await client.send(Buffer.concat(Array.from({ length: 50 }, () => requestText({ path: '/open/x' }))));
        for (let i = 0; i < 50; i++) assert.equal((await client.response()).status, 200);
        client.destroy();
      })));
});
