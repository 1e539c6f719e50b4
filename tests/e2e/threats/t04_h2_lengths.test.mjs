// T4: DATA longer or shorter than content-length says is a stream error, and what an upstream saw of it is never completed by
// somebody else's bytes (CVE-2026-33555).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CODE, FrameClient, GET, TYPE, requestH2 } from '../lib/h2.mjs';
import { OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const POST = (length) => [...GET('/open/x', 'api.example.com', 'POST'), ['content-length', String(length)]];

describe('T4: DATA and content-length', () => {
  let s;
  let denials = 0;
  before(async () => (s = await openStage({ config: { workers: 1 }, routes: { open: OPEN } })));
  after(() => s?.close());

  const cases = {
    'one byte more, in one frame': [5, [['hello!', true]]],
    'one byte more, in a frame of its own': [5, [['hello', false], ['!', true]]],
    'a whole request more': [5, [['hello', false], ['GET /open/second HTTP/1.1\r\nHost: api.example.com\r\n\r\n', true]]],
    'one byte less': [5, [['hell', true]]],
    'nothing of it': [5, [['', true]]],
    'more than none': [0, [['x', true]]],
  };
  for (const [name, [length, pieces]] of Object.entries(cases)) {
    it(name, async () => {
      const client = await FrameClient.connect(s);
      client.headers(1, POST(length), { end: false });
      for (const [bytes, end] of pieces) client.data(1, bytes, { end });
      assert.equal((await client.rst(1))?.code, CODE.PROTOCOL_ERROR);
      assert.ok(!client.frames.some((f) => f.type === TYPE.HEADERS && f.id === 1), 'no answer');
      // A denial all the same: an attack is not taken for a client that went away.
      denials++;
      for (const log of ['access', 'audit']) {
        await s.gateway.wait(`the line of the ${log} log`, () => s.gateway.lines.filter((l) => l.log === log && l.reason === 'bad_body' && l.status === 400).length === denials);
      }
      // Twins: on this connection and on others, requests are answered, each by what it asked for.
      client.headers(3, POST(5), { end: false });
      client.data(3, 'twins', { end: true });
      await client.end(3);
      assert.equal(client.status(3), 200);
      const { echo } = await s.allowed(() => requestH2(s, { method: 'POST', body: 'hello' }));
      assert.equal(echo.body, 'hello');
      client.destroy();
      assert.deepEqual(s.upstream.violations, []);
      assert.ok(!s.upstream.text.includes('/open/second HTTP/1.1\r\nHost: api.example.com\r\n\r\nPOST'));
    });
  }

  it('the upstream connection that saw a part of it is closed, not used again', async () => {
    await s.allowed(() => requestH2(s, { path: '/open/warm' }));
    const client = await FrameClient.connect(s);
    client.headers(1, POST(10), { end: false });
    client.data(1, 'hello');
    const half = await until('the half-sent request', () => s.upstream.connections.find((c) => c.text.endsWith('hello')));
    client.data(1, 'hello, and more');
    assert.equal((await client.rst(1))?.code, CODE.PROTOCOL_ERROR);
    await until('its connection to close', () => half.closed);
    assert.ok(half.text.endsWith('\r\n\r\nhello'), 'nothing followed');
    const { echo } = await s.allowed(() => requestH2(s, { path: '/open/next' }));
    assert.notEqual(echo.connection, half.index);
    client.destroy();
  });
});
