// T3: heads that are no HTTP.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';

const GET = `GET /open/x HTTP/1.1\r\nHost: ${HOST}\r\n`;
const cases = {
  'spaces before the request line': ` ${GET}\r\n`,
  'two empty lines before the request line': `\r\n\r\n${GET}\r\n`,
  'a bare LF before the request line': `\n${GET}\r\n`,
  'NUL before the request line': `\0${GET}\r\n`,
  'a TLS record': '\x16\x03\x01\x00\x05hello\r\n\r\n',
  'two spaces in the request line': `GET  /open/x HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'a tab in the request line': `GET\t/open/x HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'a space after the version': `GET /open/x HTTP/1.1 \r\nHost: ${HOST}\r\n\r\n`,
  'no version': `GET /open/x\r\nHost: ${HOST}\r\n\r\n`,
  'a version in lower case': `GET /open/x http/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'a version of three digits': `GET /open/x HTTP/1.10\r\nHost: ${HOST}\r\n\r\n`,
  'a method that is no token': `G(T /open/x HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'an empty field name': `${GET}: x\r\n\r\n`,
  'an empty field name and Content-Length behind it': `${GET}: x\r\nContent-Length: 5\r\n\r\nhello`,
  'a line without a colon': `${GET}Nothing\r\n\r\n`,
  'obs-fold': `${GET}A: b\r\n c\r\n\r\n`,
  'obs-fold with a tab': `${GET}A: b\r\n\tc\r\n\r\n`,
  'a fold before the first field': `GET /open/x HTTP/1.1\r\n Host: ${HOST}\r\n\r\n`,
  'a bare CR in a value': `${GET}A: b\rc\r\n\r\n`,
  'a bare CR at the end of a value': `${GET}A: b\r\r\n\r\n`,
  'a bare LF at the end of a line': `${GET}A: b\nC: d\r\n\r\n`,
  'bare LF everywhere': `GET /open/x HTTP/1.1\nHost: ${HOST}\n\n`,
  'NUL in a value': `${GET}A: b\0c\r\n\r\n`,
  'NUL in a name': `${GET}A\0: b\r\n\r\n`,
  'a control character in a value': `${GET}A: b\x01c\r\n\r\n`,
  'DEL in a value': `${GET}A: b\x7fc\r\n\r\n`,
  'a space before the colon': `${GET}A : b\r\n\r\n`,
  'a tab before the colon': `${GET}A\t: b\r\n\r\n`,
  'a space within the name': `${GET}A B: c\r\n\r\n`,
  'a name that is no token': `${GET}A(: b\r\n\r\n`,
  'a name of bytes beyond ASCII': `${GET}\xc3\xa9: b\r\n\r\n`,
  'NUL in the target': `GET /open/\0x HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'a bare CR in the target': `GET /open/\rx HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  'no Host': 'GET /open/x HTTP/1.1\r\n\r\n',
  'two Hosts': `${GET}Host: ${HOST}\r\n\r\n`,
};

describe('T3: malformed heads', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN } })));
  after(() => s?.close());

  for (const [name, raw] of Object.entries(cases)) {
    it(`refused: ${name}`, () => s.refusedBytes(raw, { reason: ['bad_request', 'bad_target', 'bad_host'] }));
  }

  it('refused whole, byte by byte too', async () => {
    for (const raw of [cases['an empty field name'], cases['obs-fold'], cases['a bare CR in a value'], cases['NUL in a value']]) {
      const seen = s.upstream.bytesSeen();
      const client = await s.connect();
      await client.sendSplit(raw);
      assert.equal((await client.response()).status, 400);
      await client.ended();
      assert.equal(s.upstream.bytesSeen(), seen);
    }
  });

  it('twin: one empty line before a request is allowed, and odd but lawful fields pass', async () => {
    const client = await s.connect();
    await client.send(`\r\n${GET}A:b\r\nEmpty:\r\nSpaced:   x y \t\r\nObs: \xe9\r\nx!#$%&'*+-.^\`|~9: ok\r\n\r\n`);
    const echo = (await client.response()).json();
    const field = (name) => echo.fields.find(([n]) => n.toLowerCase() === name)?.[1];
    assert.deepEqual([field('a'), field('empty'), field('spaced'), field('obs'), field("x!#$%&'*+-.^`|~9")], ['b', '', 'x y', '\xe9', 'ok']);
    await client.send(`\r\n${requestText({ path: '/open/second' }).toString('latin1')}`);
    assert.equal((await client.response()).json().target, '/open/second');
    client.end();
  });
});
