// T27: answers that overrun whoever trusts them. Run under AddressSanitizer this is about memory, else about the
// 502. Whatever the balance.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eachBalance, openBalanced } from './balanced.mjs';

const BIG = 1 << 20;
const answers = {
  '1 MB in one header field': `HTTP/1.1 200 OK\r\nX-Big: ${'a'.repeat(BIG)}\r\nContent-Length: 0\r\n\r\n`,
  '1 MB of header fields': `HTTP/1.1 200 OK\r\n${Array.from({ length: 16_384 }, (_, i) => `X-${i}: ${'a'.repeat(54)}\r\n`).join('')}Content-Length: 0\r\n\r\n`,
  '10,000 small fields': `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(10_000)}Content-Length: 0\r\n\r\n`,
  'a header field that never ends': `HTTP/1.1 200 OK\r\nX-Big: ${'a'.repeat(BIG)}`,
  'two status lines': 'HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a reason of 1 MB': `HTTP/1.1 200 ${'a'.repeat(BIG)}\r\nContent-Length: 0\r\n\r\n`,
  'no status': 'HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
  'status 099': 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n',
  'another protocol': 'SSH-2.0-OpenSSH\r\n\r\n',
  'HTTP/2 frames': '\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff',
  'zeros': '\0'.repeat(65_536),
  'nothing, then the end': '',
  'half a head, then the end': 'HTTP/1.1 200 OK\r\nContent-',
};

describe('T27: hostile answers', () => {
  let stage, s, answer;
  before(async () => {
    stage = await openBalanced({
      route: { timeout: '5s' },
      upstream: {
        record: false,
        script: async (exchange) => {
          await exchange.request.read();
          if (answer === undefined) return exchange.respond(200, [['X-Ok', '1']], '{}');
          await exchange.send(answer);
          exchange.end();
        },
      },
    });
    ({ s } = stage);
  });
  after(() => stage?.close());
  const post = (balance) => s.request({ method: 'POST', body: 'x', path: `/${balance}/x`, ...stage.keyed() });
  const serves = () => eachBalance((balance) => s.allowed(() => s.request({ path: `/${balance}/x`, ...stage.keyed() })));

  for (const [name, text] of Object.entries(answers)) {
    it(`502: ${name}`, async () => {
      answer = text;
      try {
        await eachBalance((balance) => s.denied({ status: 502, code: 'bad_gateway', reason: ['upstream_protocol', 'upstream_closed'], nothingUpstream: false }, () => post(balance)));
      } finally {
        answer = undefined;
      }
      await serves();
    });
  }
  it('many at once', async () => {
    answer = answers['1 MB of header fields'];
    const all = await eachBalance((balance) => Promise.all(Array.from({ length: 4 }, () => post(balance))));
    answer = undefined;
    assert.deepEqual([...new Set(all.flat().map((r) => r.status))], [502]);
    await serves();
  });
  it('twin: a large but lawful head passes whole', async () => {
    const fields = Array.from({ length: 50 }, (_, i) => [`X-Field-${i}`, 'v'.repeat(100)]);
    answer = `HTTP/1.1 200 OK\r\n${fields.map(([n, v]) => `${n}: ${v}\r\n`).join('')}Content-Length: 2\r\n\r\n{}`;
    const all = await eachBalance((balance) => s.allowed(() => s.request({ path: `/${balance}/x`, ...stage.keyed() })));
    answer = undefined;
    for (const { response } of all) for (const [name, value] of fields) assert.equal(response.fields.get(name), value);
  });
});
