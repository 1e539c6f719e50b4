// T1: two lengths for one body. What two readers could cut differently is refused and reaches nobody.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';
import { chunked, requestText } from '../lib/raw.mjs';

const SMUGGLED = 'GET /orders/1 HTTP/1.1\r\nHost: api.example.com\r\n\r\n';
const head = (lines, { version = '1.1', method = 'POST' } = {}) => `${method} /open/x HTTP/${version}\r\nHost: ${HOST}\r\n${lines.map((l) => `${l}\r\n`).join('')}\r\n`;
const TE = 'Transfer-Encoding: chunked';
const EMPTY = '0\r\n\r\n';

const cases = {
  'Content-Length before Transfer-Encoding': head(['Content-Length: 4', TE]) + EMPTY,
  'Transfer-Encoding before Content-Length': head([TE, 'Content-Length: 5']) + EMPTY,
  'both, Content-Length 0': head(['Content-Length: 0', TE]) + EMPTY,
  'both, on HTTP/1.0': head(['Content-Length: 5', TE], { version: '1.0' }) + EMPTY,
  'Transfer-Encoding on HTTP/1.0': head([TE], { version: '1.0' }) + EMPTY,
  'both, on GET': head(['Content-Length: 5', TE], { method: 'GET' }) + EMPTY,
  'two equal Content-Lengths': head(['Content-Length: 5', 'Content-Length: 5']) + 'hello',
  'two different Content-Lengths': head(['Content-Length: 5', 'Content-Length: 50']) + 'hello',
  'a list of equal Content-Lengths': head(['Content-Length: 5, 5']) + 'hello',
  'a list of different Content-Lengths': head(['Content-Length: 5, 6']) + 'hello',
  'an empty Content-Length': head(['Content-Length: ']),
  'Transfer-Encoding: xchunked': head(['Transfer-Encoding: xchunked']) + EMPTY,
  'Transfer-Encoding: chunked, identity': head(['Transfer-Encoding: chunked, identity']) + EMPTY,
  'Transfer-Encoding: identity': head(['Transfer-Encoding: identity']) + EMPTY,
  'Transfer-Encoding: identity, chunked': head(['Transfer-Encoding: identity, chunked']) + EMPTY,
  'Transfer-Encoding: gzip, chunked': head(['Transfer-Encoding: gzip, chunked']) + EMPTY,
  'Transfer-Encoding: chunked, chunked': head(['Transfer-Encoding: chunked, chunked']) + EMPTY,
  'Transfer-Encoding twice': head([TE, TE]) + EMPTY,
  'Transfer-Encoding twice, the second unknown': head([TE, 'Transfer-Encoding: x']) + EMPTY,
  'Transfer-Encoding: \\x0bchunked': head(['Transfer-Encoding: \x0bchunked']) + EMPTY,
  'Transfer-Encoding: chunked\\x0b': head(['Transfer-Encoding: chunked\x0b']) + EMPTY,
  'Transfer-Encoding: "chunked"': head(['Transfer-Encoding: "chunked"']) + EMPTY,
  'Transfer-Encoding: chunked;x=y': head(['Transfer-Encoding: chunked;x=y']) + EMPTY,
  'an empty Transfer-Encoding': head(['Transfer-Encoding:']) + EMPTY,
  'Transfer-Encoding with a space before the colon': head(['Transfer-Encoding : chunked']) + EMPTY,
  'a folded Transfer-Encoding': head(['Transfer-Encoding:', ' chunked']) + EMPTY,
};

describe('T1: Content-Length and Transfer-Encoding', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN, 'read-orders': READ_ORDERS } })));
  after(() => s?.close());

  for (const [name, raw] of Object.entries(cases)) {
    it(`refused: ${name}`, () => s.refusedBytes(raw + SMUGGLED));
  }

  it('refused: a field name longer than the head may be', async () => {
    await s.refusedBytes(`GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length0${'a'.repeat(40_000)}: 1\r\n\r\n`, { status: 431, code: 'head_too_large', reason: 'head_too_large' });
  });

  it('a long name that begins like Content-Length frames nothing', async () => {
    // CVE-2021-40346: the name's length overflowed and left a Content-Length behind.
    const name = `Content-Length0${'a'.repeat(255)}`;
    const client = await s.connect();
    await client.send(`POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\n${name}: \r\nContent-Length: 5\r\n\r\nhello${requestText({ path: '/open/second' })}`);
    const first = await client.response();
    if (first.status === 200) {
      assert.equal(first.json().body, 'hello');
      assert.deepEqual(first.json().fields.filter(([n]) => n.toLowerCase() === 'content-length'), [['Content-Length', '5']]);
      assert.equal((await client.response()).json().target, '/open/second');
    } else {
      assert.ok([400, 431].includes(first.status));
    }
    client.destroy();
  });

  it('twin: each length alone is honoured, in the same connection', async () => {
    const client = await s.connect();
    await client.send(requestText({ method: 'POST', path: '/open/a', body: 'hello' }));
    assert.equal((await client.response()).json().body, 'hello');
    await client.send(requestText({ method: 'POST', path: '/open/b', fields: [['Transfer-Encoding', 'chunked']], body: chunked('hel', 'lo') }));
    assert.equal((await client.response()).json().body, 'hello');
    await client.send(requestText({ method: 'POST', path: '/open/c', fields: [['transfer-encoding', 'Chunked']], body: chunked('x') }));
    assert.equal((await client.response()).json().body, 'x');
    await client.send(requestText({ method: 'POST', path: '/open/d', fields: [['Content-Length', '0']] }));
    assert.equal((await client.response()).json().size, 0);
    client.end();
  });
});
