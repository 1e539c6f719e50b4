// Encoders count as memory of buffers, and where that is scarce, responses go as they are.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { requestText } from '../lib/raw.mjs';
import { openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { accepting, CODINGS, decode, orders, route } from './lib.mjs';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
const chunk = (data) => Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);
const BODY = orders(2000);
const LEAST = { gzip: 260_000, zstd: 500_000 }; // bytes of an encoder
const MIB = 1 << 20;

function open(budget) {
  const held = []; // responses whose upstream has not come to an end
  return openStage({
    config: { workers: 1, buffer_memory: budget },
    routes: { open: route('/open/**', true) },
    upstream: {
      tls: null,
      record: false,
      script: async (exchange) => {
        await exchange.request.read();
        await exchange.send(HEAD);
        await exchange.send(chunk(BODY));
        await new Promise((resolve) => held.push(resolve));
        await exchange.send('0\r\n\r\n');
      },
    },
  }).then((stage) => ({ stage, held }));
}

describe('memory of encoders', () => {
  let s, held;
  const bytes = async () => (await s.gateway.metrics()).sum('sallyport_buffer_bytes');
  const busy = async () => (await s.gateway.metrics()).sum('sallyport_compression_skipped_total', { reason: 'busy' });
  const clients = [];
  // The head has come: from then on it has an encoder, or has none.
  const begin = async (coding) => {
    const client = await s.connect();
    await client.send(requestText({ path: '/open/x', fields: accepting(coding) }));
    const response = await client.head();
    clients.push({ client, response });
    return response.fields.get('content-encoding');
  };
  const finish = async () => {
    await until('the upstream waits with all of them', () => held.length === clients.length);
    for (const go of held.splice(0)) go();
    for (const { client, response } of clients.splice(0)) {
      const pieces = [];
      for await (const piece of response.pieces) pieces.push(piece);
      const coding = response.fields.get('content-encoding');
      const body = Buffer.concat(pieces);
      assert.deepEqual(coding === undefined ? body : decode(coding, body), BODY);
      client.end();
    }
  };

  describe('with room', () => {
    before(async () => ({ stage: s, held } = await open('64MiB')));
    after(() => s?.close());
    for (const coding of CODINGS) {
      it(`${coding}: is on the gauge for as long as a body is under way`, async () => {
        const rest = await bytes();
        for (const count of [1, 2, 3]) {
          assert.equal(await begin(coding), coding);
          await until('an encoder is counted', async () => (await bytes()) > rest + count * LEAST[coding]);
        }
        await finish();
        await until('all is given back', async () => (await bytes()) < rest + 100_000);
        assert.equal(await busy(), 0);
      });
    }
  });

  describe('without', () => {
    before(async () => ({ stage: s, held } = await open('1MiB')));
    after(() => s?.close());
    for (const [coding, enough] of [['gzip', 2], ['zstd', 1]]) {
      it(`${coding}: from half of the budget on responses go as they are`, async () => {
        const before = await busy();
        for (let i = 0; i < enough; i++) assert.equal(await begin(coding), coding);
        assert.ok((await bytes()) > MIB / 2);
        for (let i = 0; i < 5; i++) assert.equal(await begin(coding), undefined);
        assert.equal((await busy()) - before, 5);
        assert.ok((await bytes()) < MIB);
        await finish();
        await until('all is given back', async () => (await bytes()) < 100_000);
        assert.equal(await begin(coding), coding);
        await finish();
      });
    }
  });
});
