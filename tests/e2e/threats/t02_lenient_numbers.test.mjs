// T2: numbers that one reader takes and another does not.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';

const length = (value) => `POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: ${value}\r\n\r\nhello`;
const body = (text) => `POST /open/x HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n${text}`;

describe('T2: lenient numbers', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN } })));
  after(() => s?.close());

  for (const value of ['+5', '-5', '0x5', '5 5', '5,', ',5', '5.0', '5e0', '05x', ' 5\t5', '99999999999999999999', '18446744073709551621', '５', '5;', '"5"']) {
    it(`refused: Content-Length: ${value}`, () => s.refusedBytes(length(value)));
  }

  const chunks = {
    'size 0x5': '0x5\r\nhello\r\n0\r\n\r\n',
    'size -1': '-1\r\nhello\r\n0\r\n\r\n',
    'size +5': '+5\r\nhello\r\n0\r\n\r\n',
    'an empty size': '\r\nhello\r\n0\r\n\r\n',
    'a space before the size': ' 5\r\nhello\r\n0\r\n\r\n',
    'seventeen digits': '00000000000000005\r\nhello\r\n0\r\n\r\n',
    'a size beyond 64 bits': '10000000000000005\r\nhello\r\n0\r\n\r\n',
    'a size no body has': 'ffffffffffffffff\r\nhello\r\n0\r\n\r\n',
    'no hexadecimal digit': '5g\r\nhello\r\n0\r\n\r\n',
    'an underscore': '0_5\r\nhello\r\n0\r\n\r\n',
    'a bare LF after the size': '5\nhello\r\n0\r\n\r\n',
    'a bare LF in an extension': '5;a\nb\r\nhello\r\n0\r\n\r\n',
    'a bare CR in an extension': '5;a\rb\r\nhello\r\n0\r\n\r\n',
    'NUL in an extension': '5;a\0b\r\nhello\r\n0\r\n\r\n',
    'data not followed by CRLF': '5\r\nhelloX0\r\n\r\n',
    'data followed by a bare LF': '5\r\nhello\n0\r\n\r\n',
    'data longer than its size': '5\r\nhello!\r\n0\r\n\r\n',
    'a chunk line of 64 KiB': `5;${'a'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`,
    'a bare LF at the end of the trailers': '5\r\nhello\r\n0\r\n\n',
    'a framing field as trailer': '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n',
    'a folded trailer': '5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n',
  };
  for (const [name, text] of Object.entries(chunks)) {
    it(`refused: chunk with ${name}`, async () => {
      const before = s.upstream.requests.length;
      await s.refusedBytes(body(text), { reason: 'bad_body', nothingUpstream: false });
      // The head may have gone on already; a complete request never does.
      for (const request of s.upstream.requests.slice(before)) assert.equal(request.body, undefined, 'the upstream took it for complete');
    });
  }

  it('twin: plain numbers, in every honest spelling', async () => {
    const client = await s.connect();
    for (const raw of [length('5'), length('0000000005'), body('5\r\nhello\r\n0\r\n\r\n'), body('0005;name=value;q="a;b"\r\nhello\r\n000\r\n\r\n'), body('5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n')]) {
      await client.send(raw);
      const response = await client.response();
      assert.equal(response.status, 200, raw);
      assert.equal(response.json().body, 'hello');
    }
    await client.send(requestText({ path: '/open/after' }));
    assert.equal((await client.response()).json().target, '/open/after');
    client.end();
  });
});
