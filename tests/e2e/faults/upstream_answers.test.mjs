// An upstream that breaks off, comes too late, or speaks rubbish: before its head, in its head, in its body.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { pass } from '../lib/wait.mjs';
import { cutOff, grows, IDLE, leavesNothing, serves } from './lib.mjs';

const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf!';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf!\r\n';
const HEAD = 'HTTP/1.1 200 OK\r\nContent-Le';

describe('an upstream that breaks off, comes too late or speaks rubbish', () => {
  let s;
  let act;
  before(async () => {
    s = await openStage({
      config: { workers: 1, upstreams: { 'order-service': IDLE } },
      routes: { open: { ...OPEN, timeout: '400ms', idle_timeout: '400ms' } },
      upstream: {
        record: false,
        script: async (exchange) => {
          if (exchange.request.target === '/open/well') return exchange.json(200, {});
          exchange.stop = true;
          await exchange.request.read();
          return act(exchange);
        },
      },
    });
  });
  after(() => s?.close());

  let count = 0;
  const denied = (name, status, reason, detail, how, parts = {}) =>
    it(`${name}: ${status} ${reason}`, () =>
      leavesNothing(s, async () => {
        act = how;
        const code = status === 504 ? 'gateway_timeout' : 'bad_gateway';
        const path = `/open/${++count}`;
        const { access } = await s.denied({ status, code, reason, route: 'open', nothingUpstream: false }, () => s.request({ path, ...parts }));
        assert.equal(access.upstream, 'order-service');
        assert.match(access.endpoint, /^https:\/\/127\.0\.0\.1:/);
        if (detail) assert.match(access.detail, detail);
        await serves(s);
      }));
  const cut = (name, reason, detail, how) =>
    it(`${name}: cut off, ${reason}`, () =>
      leavesNothing(s, async () => {
        act = how;
        assert.match((await cutOff(s, `/open/${++count}`, reason)).detail, detail);
        await serves(s);
      }));
  const after_ = (text, end) => async (exchange) => {
    if (text) await exchange.send(text);
    await pass(20); // what was sent must not be thrown away by the reset behind it
    exchange[end]();
  };
  const then = (text) => async (exchange) => {
    await exchange.send(text);
    exchange.end();
  };
  // Sends `piece` until the other side has enough of it.
  const flood = (start, piece) => async (exchange) => {
    await exchange.send(start);
    while (await exchange.send(piece));
    exchange.destroy();
  };

  denied('a reset before the head', 502, 'upstream_closed', /reset|closed before/, after_('', 'reset'));
  denied('the end before the head', 502, 'upstream_closed', /closed before/, after_('', 'end'));
  denied('a reset within the head', 502, 'upstream_closed', /reset within|closed within/, after_(HEAD, 'reset'));
  denied('the end within the head', 502, 'upstream_closed', /closed within/, after_(HEAD, 'end'));
  for (const [what, text] of [['delimited by length', LENGTH], ['in chunks', CHUNKED]]) {
    cut(`a reset within a body ${what}`, 'upstream_closed', /within the response/, after_(text, 'reset'));
    cut(`the end within a body ${what}`, 'upstream_closed', /within the response/, after_(text, 'end'));
  }
  cut('a reset within a body that ends with the connection', 'upstream_closed', /within the response/, after_('HTTP/1.1 200 OK\r\n\r\nhalf!', 'reset'));

  denied('no answer', 504, 'upstream_timeout', /no response in time/, async () => {});
  denied('half a head, then nothing', 504, 'upstream_timeout', /no response in time/, (exchange) => exchange.send(HEAD));
  denied('a head at ten bytes a second: each byte gains nothing', 504, 'upstream_timeout', /no response in time/, async (exchange) => {
    for (const byte of 'HTTP/1.1 200 OK\r\n'.repeat(10)) {
      if (!(await exchange.send(byte))) return;
      await pass(100);
    }
  });
  denied('1xx now and then, and no answer', 504, 'upstream_timeout', /no response in time/, async (exchange) => {
    for (let i = 0; i < 10 && (await exchange.send('HTTP/1.1 103 Early Hints\r\n\r\n')); i++) await pass(150);
  }, {});
  cut('a body that stops', 'upstream_timeout', /the response stopped/, (exchange) => exchange.send(LENGTH));
  it('an answer after the deadline reaches nobody: not this client, not the next one', () =>
    leavesNothing(s, async () => {
      let late;
      act = async (exchange) => {
        late = (async () => {
          await pass(600);
          return exchange.respond(200, [], 'late');
        })();
      };
      const client = await s.connect();
      await client.send(requestText({ path: '/open/late' }));
      const first = await client.response();
      s.checkDenial(first, { status: 504, code: 'gateway_timeout' });
      await late;
      await client.send(requestText({ path: '/open/well' }));
      assert.deepEqual((await client.response()).json(), {});
      client.destroy();
    }));

  const P = 'upstream_protocol';
  for (let i = 0; i < 5; i++) denied(`random bytes (${i + 1})`, 502, P, null, then(Buffer.concat([Buffer.from([i * 50]), randomBytes(4096)])));
  denied('HTTP/0.9', 502, P, null, then('<html>hello</html>\r\n'));
  denied('TLS within TLS', 502, P, null, then(Buffer.concat([Buffer.from('16030100a2010000', 'hex'), randomBytes(200)])));
  denied('a length that is no number', 502, P, null, then('HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\nhello'));
  denied('a length beyond 64 bits', 502, P, null, then('HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello'));
  denied('a negative length', 502, P, null, then('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello'));
  denied('two lengths', 502, P, null, then('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhello'));
  denied('endless header fields', 502, P, /too large|too many/, flood('HTTP/1.1 200 OK\r\n', 'X-Field: value\r\n'.repeat(100)));
  denied('an endless header field', 502, P, /too large|too long/, flood('HTTP/1.1 200 OK\r\nX: ', 'x'.repeat(8192)));
  denied('an endless status line', 502, P, /too large|too long/, flood('HTTP/1.1 200 ', 'x'.repeat(8192)));
  denied('endless 1xx', 502, P, /informational/, flood('', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(10)));
  denied('a field without a name', 502, P, /header name/, then('HTTP/1.1 200 OK\r\n: x\r\n\r\n'));
  // A good head with something broken behind it: as long as nothing has gone to the client, it is no answer.
  const chunks = 'HTTP/1.1 200 OK\r\nX-Theirs: 1\r\nTransfer-Encoding: chunked\r\n\r\n';
  denied('a head, then rubbish in place of the first chunk', 502, P, /chunk size/, then(`${chunks}zz\r\n`));
  denied('a head and a chunk at once, then a chunk size that is no number', 502, P, /chunk size/, then(`${chunks}5\r\nhalf!\r\nzz\r\n`));
  denied('a head and a chunk longer than it said', 502, P, /./, then(`${chunks}5\r\nhalf!!!!\r\n`));
  denied('a head, then a trailer that is none', 502, P, /./, then(`${chunks}0\r\nbad trailer\r\n\r\n`));
  // Once it has gone there is no way back.
  const later = (first, rest) => async (exchange) => {
    await exchange.send(first);
    await begun;
    await exchange.send(rest);
    exchange.end();
  };
  let begun;
  for (const [what, first, rest] of [
    ['the first chunk is rubbish', chunks, 'zz\r\n'],
    ['a chunk size is no number', `${chunks}5\r\nhalf!\r\n`, 'zz\r\n'],
    ['a chunk is longer than it said', `${chunks}5\r\nhalf!`, '!!!\r\n'],
    ['a trailer is none', `${chunks}5\r\nhalf!\r\n`, '0\r\nbad trailer\r\n\r\n'],
    ['chunk extensions are endless', `${chunks}5\r\nhalf!\r\n`, `1;${'x'.repeat(100)}\r\nx\r\n`.repeat(2000)],
    ['trailers are endless', `${chunks}5\r\nhalf!\r\n`, `0\r\n${'X-Trailer: value\r\n'.repeat(5000)}`],
  ]) {
    it(`a head that has gone, then ${what}: cut off, ${P}`, () =>
      leavesNothing(s, async () => {
        let go;
        begun = new Promise((resolve) => (go = resolve));
        act = later(first, rest);
        await grows(s, 'sallyport_responses_cut_total', {}, () => cutOff(s, `/open/${++count}`, P, { begun: go }));
        await serves(s);
      }));
  }
  it('rubbish on a kept connection is not asked again elsewhere', () =>
    leavesNothing(s, async () => {
      await serves(s);
      let asked = 0;
      act = async (exchange) => {
        asked++;
        return then(`${chunks}zz\r\n`)(exchange);
      };
      const all = await Promise.all(Array.from({ length: 4 }, () => s.request({ path: '/open/kept' })));
      assert.deepEqual(all.map((r) => r.status), [502, 502, 502, 502]);
      assert.ok(all.every((r) => !r.fields.has('x-theirs')));
      assert.equal(asked, 4);
    }));

  it('fewer bytes than said, then the next answer: the client gets what was said and no more; the rest answers nobody', () =>
    leavesNothing(s, async () => {
      act = (exchange) => exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
      assert.equal((await s.request({ path: '/open/more' })).text, 'ok');
      assert.deepEqual((await serves(s)).echo, {});
    }));
  it('a hundred such answers at once leave nothing behind', () =>
    leavesNothing(s, async () => {
      const ways = [after_('', 'reset'), after_(HEAD, 'end'), then(randomBytes(100)), flood('HTTP/1.1 200 OK\r\n', 'X-Field: value\r\n'.repeat(100))];
      let turn = 0;
      act = (exchange) => ways[turn++ % ways.length](exchange);
      const all = await grows(s, 'sallyport_denied_total', { reason: 'upstream_closed' }, () => Promise.all(Array.from({ length: 100 }, () => s.request({ path: '/open/many' }))));
      // On a machine with much else to do some come too late, or wait too long.
      assert.ok(all.every((r) => [502, 503, 504].includes(r.status)), all.map((r) => r.status).join());
      await serves(s);
    }));
});
