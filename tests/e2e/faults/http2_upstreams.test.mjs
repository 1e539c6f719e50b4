// An upstream that breaks HTTP/2: off, too late, against its rules, without end (RFC 9113; T4, T25, T31).
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { OPEN, openStage } from '../lib/stage.mjs';
import { pass } from '../lib/wait.mjs';
import { answer, hpack, data, FLAG, frame, goaway, headers, OK, onStage, ping, reset, settings, startFrames, TYPE, windowUpdate } from '../http2_upstreams/lib.mjs';
import { cutOff, grows, IDLE, leavesNothing, serves } from './lib.mjs';

const head = (stream, more = [], flags) => headers(stream, [...OK, ...more], flags);
const END = FLAG.END_STREAM | FLAG.END_HEADERS;

describe('an upstream that breaks HTTP/2', () => {
  let up, s, act, preface;
  before(async () => {
    up = await startFrames({
      onPreface: (connection) => (preface ?? ((c) => c.send(settings())))(connection),
      onRequest: (connection, stream) => {
        const fields = connection.frames.at(-1).payload.toString('latin1');
        // The one honest path, as HPACK may write it: by its last request only.
        return act ? act(connection, stream, fields) : answer(connection, stream);
      },
    });
    s = await openStage(onStage(up, { upstream: IDLE, routes: { open: { ...OPEN, timeout: '400ms', idle_timeout: '400ms' } } }));
  });
  after(async () => {
    await s?.close();
    up?.close();
  });

  let count = 0;
  const well = async () => {
    act = preface = null;
    await serves(s);
  };
  const denied = (name, status, reason, detail, how, parts = {}, metric = null) =>
    it(`${name}: ${status} ${reason}`, () =>
      leavesNothing(s, async () => {
        act = how;
        const code = status === 504 ? 'gateway_timeout' : 'bad_gateway';
        const ask = async () => {
          const { access } = await s.denied({ status, code, reason, route: 'open', upstream: null }, () => s.request({ path: `/open/${++count}`, ...parts }));
          if (detail) assert.match(access.detail, detail);
        };
        await (metric ? grows(s, 'sallyport_upstream_http2_broken_total', { reason: metric }, ask) : ask());
        await well();
      }));
  const cut = (name, reason, detail, first, rest) =>
    it(`${name}: cut off, ${reason}`, () =>
      leavesNothing(s, async () => {
        let go;
        const begun = new Promise((resolve) => (go = resolve));
        act = async (connection, stream) => {
          await connection.send(...first(stream));
          await begun;
          await rest(connection, stream);
        };
        const line = await grows(s, 'sallyport_responses_cut_total', {}, () => cutOff(s, `/open/${++count}`, reason, { begun: go }));
        assert.match(line.detail, detail);
        await well();
      }));
  const say = (...pieces) => (connection, stream) => connection.send(...pieces.map((p) => (typeof p === 'function' ? p(stream) : p)));
  const started = (stream) => [head(stream), data(stream, 'half!')];

  // ---- breaking off, coming too late ----
  const C = 'upstream_closed';
  denied('the connection is reset before the head', 502, C, /reset|closed/, (c) => c.socket.resetAndDestroy());
  denied('the connection ends before the head', 502, C, /closed/, (c) => c.socket.end());
  for (const [name, code] of [['INTERNAL_ERROR', 2], ['CANCEL', 8], ['ENHANCE_YOUR_CALM', 11], ['HTTP_1_1_REQUIRED', 13], ['NO_ERROR', 0]]) {
    denied(`the stream is reset before the head: ${name}`, 502, C, new RegExp(name), say((i) => reset(i, code)));
  }
  denied('a reset with a code that nobody knows', 502, C, /unknown code/, say((i) => reset(i, 0xdead)));
  cut('the connection is reset within the body', C, /reset|closed/, started, (c) => c.socket.resetAndDestroy());
  cut('the connection ends within the body', C, /closed/, started, (c) => c.socket.end());
  cut('the stream is reset within the body', C, /INTERNAL_ERROR/, started, say((i) => reset(i, 2)));
  cut('GOAWAY, then the end, within the body', C, /closed/, started, async (c) => {
    await c.send(goaway(2 ** 31 - 1));
    c.socket.end();
  });
  denied('no answer', 504, 'upstream_timeout', /no response in time/, () => {});
  cut('a body that stops', 'upstream_timeout', /the response stopped/, started, () => {});
  denied('1xx now and then, and no answer', 504, 'upstream_timeout', /no response in time/, async (c, i) => {
    for (let n = 0; n < 10 && (await c.send(headers(i, [[':status', '103']]))); n++) await pass(100);
  });
  it('an answer after the deadline reaches nobody: not this client, not the next one', () =>
    leavesNothing(s, async () => {
      let late;
      act = (c, i) => {
        late = pass(600).then(() => c.send(head(i), data(i, '"late"', FLAG.END_STREAM)));
      };
      assert.equal((await s.request({ path: '/open/late' })).status, 504);
      act = null;
      await late;
      assert.deepEqual((await serves(s)).echo, {});
    }));

  // ---- no HTTP/2 at all ----
  const P = 'upstream_protocol';
  const greet = (name, status, reason, detail, how, metric = null) =>
    it(`instead of SETTINGS ${name}: ${status} ${reason}, and no request leaves`, () =>
      leavesNothing(s, async () => {
        preface = how;
        let asked = 0;
        act = () => asked++;
        const code = status === 504 ? 'gateway_timeout' : 'bad_gateway';
        const { access } = await s.denied({ status, code, reason, route: 'open', upstream: null }, () => s.request({ method: 'POST', path: `/open/${++count}`, body: 'pay' }));
        if (detail) assert.match(access.detail, detail);
        assert.equal(asked, 0);
        await well();
      }));
  greet('HTTP/1.1', 502, P, /no HTTP\/2|SETTINGS/, (c) => c.send(Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')));
  for (let i = 0; i < 4; i++) greet(`random bytes (${i + 1})`, 502, P, null, (c) => c.send(Buffer.concat([Buffer.from([i]), randomBytes(4096)])));
  greet('a PING', 502, P, /SETTINGS/, (c) => c.send(ping()));
  greet('the end', 502, C, /SETTINGS/, (c) => c.socket.end());
  greet('SETTINGS that allow no stream', 502, P, /allows no stream/, (c) => c.send(settings([3, 0])));

  // ---- messages that are none ----
  denied('no status', 502, P, /pseudo-header .*missing/, say((i) => headers(i, [['a', 'b']], END)));
  denied('two statuses', 502, P, /pseudo-header .*repeated/, say((i) => headers(i, [[':status', '200'], [':status', '200']], END)));
  denied('a status that is none', 502, P, /status/, say((i) => headers(i, [[':status', '20x']], END)));
  denied('101', 502, P, /101/, say((i) => headers(i, [[':status', '101']])));
  denied('a request in place of an answer', 502, P, /pseudo/, say((i) => headers(i, [[':method', 'GET'], [':path', '/']], END)));
  denied('a status behind a field', 502, P, /behind/, say((i) => headers(i, [['a', 'b'], [':status', '200']], END)));
  for (const name of ['connection', 'transfer-encoding', 'keep-alive', 'proxy-connection', 'upgrade']) denied(`the field ${name}`, 502, P, /connection-specific/, say((i) => head(i, [[name, 'x']], END)));
  for (const [what, name, value] of [['an upper-case name', 'X-Upper', '1'], ['a line break in a name', 'a\r\nb', '1'], ['a colon in a name', 'a:b', '1'], ['no name', '', '1'], ['another spelling of a framing field', 'content_length', '5'],
    ['a line break in a value', 'x', 'a\r\nset-cookie: admin=1'], ['NUL in a value', 'x', 'a\0b'], ['white space around a value', 'x', ' a ']]) {
    denied(what, 502, P, /header (name|value)/, say((i) => head(i, [[name, value]], END)));
  }
  denied('a length that is no number', 502, P, /Content-Length/, say((i) => head(i, [['content-length', 'ten']], END)));
  denied('two lengths', 502, P, /Content-Length/, say((i) => head(i, [['content-length', '5'], ['content-length', '5']]), (i) => data(i, 'hello', FLAG.END_STREAM)));
  denied('data before the head', 502, P, /before the head|not opened/, say((i) => data(i, 'hello', FLAG.END_STREAM)));
  denied('a head that lacks its body', 502, P, /shorter/, say((i) => head(i, [['content-length', '5']], END)));
  denied('a body on HEAD', 502, P, /none may be/, say((i) => head(i), (i) => data(i, 'hello', FLAG.END_STREAM)), { method: 'HEAD' });
  denied('endless 1xx', 502, P, /informational/, async (c, i) => {
    for (let n = 0; n < 40; n++) if (!(await c.send(headers(i, [[':status', '103'], ['link', '</a>']])))) return;
  });
  denied('too many fields', 502, P, /too many header fields/, say((i) => head(i, Array.from({ length: 120 }, (_, n) => [`x-${n}`, '1']), END)));
  denied('a head that is too large', 502, P, /too large/, say((i) => Buffer.concat([
    frame(TYPE.HEADERS, FLAG.END_STREAM, i, hpack([...OK, ['x', 'x'.repeat(15_000)]])),
    frame(TYPE.CONTINUATION, 0, i, hpack([['y', 'y'.repeat(15_000)]])),
    frame(TYPE.CONTINUATION, FLAG.END_HEADERS, i, hpack([['z', 'z'.repeat(15_000)]])),
  ])));
  for (const [what, body, detail] of [['longer', 'hello!', /longer/], ['shorter', 'hell', /shorter/]]) {
    cut(`a body that is ${what} than its Content-Length`, P, detail, (i) => [head(i, [['content-length', '5']]), data(i, body.slice(0, 3))], say((i) => data(i, body.slice(3), FLAG.END_STREAM)));
  }
  cut('a second head within the body', P, /second head|pseudo/, started, say((i) => headers(i, OK)));
  cut('a trailer that is none', P, /pseudo|trailers/, started, say((i) => headers(i, [[':status', '200']], END)));
  cut('a framing field in trailers', P, /trailer/, started, say((i) => headers(i, [['content-length', '5']], END)));

  // ---- frames that break the protocol, and floods ----
  denied('a push', 502, P, /./, say((i) => frame(TYPE.PUSH_PROMISE, FLAG.END_HEADERS, i, Buffer.concat([Buffer.from([0, 0, 0, 2]), hpack([[':method', 'GET']])]))), {}, 'protocol');
  denied('a frame that is too large', 502, P, /./, say((i) => frame(TYPE.DATA, 0, i, Buffer.alloc(16_385))), {}, 'protocol');
  denied('a HEADERS frame on a stream that was never opened', 502, P, /./, say(headers(99, OK)), {}, 'protocol');
  denied('a window beyond its bounds', 502, [P, C], /./, say(windowUpdate(0, 2 ** 31 - 1), windowUpdate(0, 2 ** 31 - 1)));
  denied('HPACK that is none', 502, P, /./, say((i) => frame(TYPE.HEADERS, END, i, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]))), {}, 'protocol');
  denied('CONTINUATION without end', 502, P, /./, async (c, i) => {
    await c.send(frame(TYPE.HEADERS, 0, i, hpack(OK)));
    for (let n = 0; n < 1000 && (await c.send(frame(TYPE.CONTINUATION, 0, i, hpack([['a', 'b']])))); n++);
  });
  // An indexed field of the dynamic table: each byte becomes four thousand.
  denied('an HPACK bomb', 502, P, /without end|too large/, say((i) => {
    const literal = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), Buffer.from([127, 0xa1, 0x1e]), Buffer.alloc(4000, 'y')]);
    return frame(TYPE.HEADERS, END, i, Buffer.concat([hpack(OK), literal, Buffer.alloc(12_000, 0xbe)]));
  }), {}, 'flood');
  for (const [what, piece] of [['PING', ping()], ['SETTINGS', settings()], ['empty DATA', null], ['frames of a type that nobody knows', frame(200, 0, 0, Buffer.alloc(10))], ['PRIORITY', frame(TYPE.PRIORITY, 0, 1, Buffer.from([0, 0, 0, 0, 1]))], ['WINDOW_UPDATE', windowUpdate(0, 1)]]) {
    denied(`a flood of ${what}`, 502, P, /[Ff]lood/, async (c, i) => {
      const many = Buffer.concat(Array(500).fill(piece ?? data(i, '')));
      if (!piece) await c.send(headers(i, OK));
      for (let n = 0; n < 40 && (await c.send(many)); n++);
    }, {}, 'flood');
  }
  it('a hundred such answers at once leave nothing behind', () =>
    leavesNothing(s, async () => {
      const ways = [say((i) => reset(i, 2)), (c) => c.socket.resetAndDestroy(), say(randomBytes(200)), say((i) => headers(i, [['a', 'b']], END)), say(ping(), (i) => head(i, [], END))];
      let turn = 0;
      act = (c, i) => ways[turn++ % ways.length](c, i);
      const all = await Promise.all(Array.from({ length: 100 }, () => s.request({ path: '/open/many' })));
      assert.ok(all.every((r) => [200, 502, 503, 504].includes(r.status)), all.map((r) => r.status).join());
      await well();
    }));
});
