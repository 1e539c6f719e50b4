// What is no request in either protocol, each in its own bytes: refused for the same reason, in both logs, and nothing of it upstream.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CODE, FrameClient, GET, TYPE } from '../lib/h2.mjs';
import { HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';

const get = (...fields) => [`GET /open/x HTTP/1.1`, `Host: ${HOST}`, ...fields, '', ''].join('\r\n');
const target = (text, method = 'GET') => `${method} ${text} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
const host = (...lines) => ['GET /open/x HTTP/1.1', ...lines, '', ''].join('\r\n');
const post = (fields, body) => ['POST /open/x HTTP/1.1', `Host: ${HOST}`, ...fields, '', body].join('\r\n');
const trailers = (line) => post(['Transfer-Encoding: chunked'], `5\r\nhello\r\n0\r\n${line}\r\n\r\n`);
const GETS = (...fields) => [...GET('/open/x'), ...fields];
const POSTS = (...fields) => [...GET('/open/x', HOST, 'POST'), ...fields];
const withHost = (...pseudo) => [[':method', 'GET'], [':scheme', 'https'], ...pseudo, [':path', '/open/x']];
const many = (make) => Array.from({ length: 150 }, (_, i) => make(i));

/* h1: its bytes. h2: its fields, and the body or the trailers behind them. reason: of both, or of each [h1, h2] with `why` they are not
   the same. status: the answer's. reset: h2 has no answer but a stream error, since it is malformed (RFC 9113 section 8.1.1). */
const ROWS = [
  { name: 'NUL in a value', h1: get('X-A: a\0b'), h2: GETS(['x-a', 'a\0b']), reason: 'bad_request', reset: true },
  { name: 'CR in a value', h1: get('X-A: a\rb'), h2: GETS(['x-a', 'a\rb']), reason: 'bad_request', reset: true },
  { name: 'LF in a value', h1: get('X-A: a\nb'), h2: GETS(['x-a', 'a\nb']), reason: 'bad_request', reset: true },
  { name: 'DEL in a value', h1: get('X-A: a\x7fb'), h2: GETS(['x-a', 'a\x7fb']), reason: 'bad_request', reset: true },
  { name: 'a space in a name', h1: get('X A: b'), h2: GETS(['x a', 'b']), reason: 'bad_request', reset: true },
  { name: 'a space behind a name', h1: get('X-A : b'), h2: GETS(['x-a ', 'b']), reason: 'bad_request', reset: true },
  { name: 'no name', h1: get(': b'), h2: GETS(['', 'b']), reason: 'bad_request', reset: true },
  { name: 'a name that spells framing', h1: get('Content_Length: 5'), h2: GETS(['content_length', '5']), reason: 'bad_request', reset: true },
  { name: 'too many fields', h1: get(...many((i) => `X-${i}: 1`)), h2: GETS(...many((i) => [`x-${i}`, '1'])), reason: 'head_too_large', status: 431 },
  { name: 'an unknown expectation', h1: post(['Expect: 100-continue, more', 'Content-Length: 5'], 'hello'), h2: POSTS(['expect', '100-continue, more']), body: 'hello', reason: 'expectation_unknown', status: 417 },
  {
    name: 'two tokens', h1: `GET /orders/1 HTTP/1.1\r\nHost: ${HOST}\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n`,
    h2: [...GET('/orders/1'), ['authorization', 'Bearer a'], ['authorization', 'Bearer b']], reason: 'credential_repeated', status: 400,
  },

  { name: 'a method that is no token', h1: target('/open/x', 'G(T'), h2: GET('/open/x', HOST, 'G(T'), reason: 'bad_request', reset: true },
  { name: 'a method that is too long', h1: target('/open/x', 'M'.repeat(100)), h2: GET('/open/x', HOST, 'M'.repeat(100)), reason: 'bad_request', reset: true },
  { name: 'CONNECT', h1: `CONNECT ${HOST}:443 HTTP/1.1\r\nHost: ${HOST}:443\r\n\r\n`, h2: [[':method', 'CONNECT'], [':authority', `${HOST}:443`]], reason: 'method_not_implemented', status: 501 },
  { name: 'no leading slash', h1: target('open/x'), h2: GET('open/x'), reason: 'bad_target', status: 400 },
  { name: 'a fragment', h1: target('/open/x#y'), h2: GET('/open/x#y'), reason: 'bad_target', status: 400 },
  { name: 'an asterisk for GET', h1: target('*'), h2: GET('*'), reason: 'bad_target', status: 400 },
  { name: 'a byte above ASCII in the path', h1: target('/open/\xc3\xa4'), h2: GET('/open/\xc3\xa4'), reason: 'bad_target', status: 400 },
  { name: 'a space in the path', h1: target('/open/a b'), h2: GET('/open/a b'), reason: ['bad_request', 'bad_target'], why: 'a space ends the target in a request line', status: 400 },
  { name: 'a control character in the path', h1: target('/open/a\x01b'), h2: GET('/open/a\x01b'), reason: 'bad_request', reset: true },
  { name: 'no path', h1: target(''), h2: GET(''), reason: 'bad_request', reset: true },

  { name: 'no host', h1: host(), h2: withHost(), reason: 'bad_host', status: 400 },
  { name: 'an empty host', h1: host('Host:'), h2: withHost([':authority', '']), reason: ['bad_host', 'bad_request'], why: 'an empty pseudo-header is malformed as such', reset: true },
  { name: 'two hosts', h1: host(`Host: ${HOST}`, 'Host: other'), h2: withHost([':authority', HOST], [':authority', 'other']), reason: ['bad_host', 'bad_request'], why: 'a repeated pseudo-header is malformed as such', reset: true },
  { name: 'two that differ', h1: target(`http://other.example.com/open/x`), h2: GETS(['host', 'other.example.com']), reason: 'bad_host', reset: true },
  { name: 'a host with user information', h1: host(`Host: u@${HOST}`), h2: GET('/open/x', `u@${HOST}`), reason: 'bad_host', status: 400 },
  { name: 'a port that is none', h1: host(`Host: ${HOST}:99999`), h2: GET('/open/x', `${HOST}:99999`), reason: 'bad_host', status: 400 },

  { name: 'a length that is no number', h1: post(['Content-Length: +5'], 'hello'), h2: POSTS(['content-length', '+5']), body: 'hello', reason: 'bad_request', reset: true },
  { name: 'a length twice', h1: post(['Content-Length: 5', 'Content-Length: 5'], 'hello'), h2: POSTS(['content-length', '5'], ['content-length', '5']), body: 'hello', reason: 'bad_request', reset: true },
  { name: 'a list of lengths', h1: post(['Content-Length: 5, 5'], 'hello'), h2: POSTS(['content-length', '5, 5']), body: 'hello', reason: 'bad_request', reset: true },
  { name: 'a transfer coding beside a length', h1: post(['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'), h2: POSTS(['content-length', '5'], ['transfer-encoding', 'chunked']), body: 'hello', reason: 'bad_request', reset: true },
  { name: 'an unknown transfer coding', h1: post(['Transfer-Encoding: xchunked'], '0\r\n\r\n'), h2: POSTS(['transfer-encoding', 'xchunked']), body: 'hello', reason: 'bad_request', reset: true },

  // The head was a request, and may be upstream already; what breaks is its body.
  { name: 'a body that is no body', h1: post(['Transfer-Encoding: chunked'], 'zz\r\n'), h2: POSTS(['content-length', '4']), body: 'hello', reason: 'bad_body', reset: true, begun: true },
  { name: 'a body shorter than its length', h1: post(['Transfer-Encoding: chunked'], '5\r\nhell\r\n0\r\n\r\n'), h2: POSTS(['content-length', '6']), body: 'hello', reason: 'bad_body', reset: true, begun: true },
  { name: 'a length in trailers', h1: trailers('Content-Length: 5'), h2: POSTS(), body: 'hello', behind: [['content-length', '5']], reason: 'bad_body', reset: true, begun: true },
  { name: 'a host in trailers', h1: trailers('Host: other'), h2: POSTS(), body: 'hello', behind: [['host', 'other']], reason: 'bad_body', reset: true, begun: true },
  { name: 'a credential in trailers', h1: trailers('Authorization: Bearer a'), h2: POSTS(), body: 'hello', behind: [['authorization', 'Bearer a']], reason: 'bad_body', reset: true, begun: true },
  { name: 'NUL in trailers', h1: trailers('X-A: a\0b'), h2: POSTS(), body: 'hello', behind: [['x-a', 'a\0b']], reason: 'bad_body', reset: true, begun: true },
  { name: 'a pseudo-header in trailers', h1: trailers(':path: /'), h2: POSTS(), body: 'hello', behind: [[':path', '/']], reason: 'bad_body', reset: true, begun: true },
];

describe('refused for the same reason by every way', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: { workers: 1, listeners: { clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', h2c: true } } },
      routes: {
        open: { ...OPEN, listeners: ['public', 'clear'], relay: { trailers: true } },
        'read-orders': { ...READ_ORDERS, listeners: ['public', 'clear'] },
      },
    });
  });
  after(() => s?.close());

  async function askHttp1(plain, { h1 }) {
    const client = await s.connect({ listener: plain ? 'clear' : 'public', plain });
    await client.send(h1);
    const { status } = await client.response();
    client.destroy();
    return { status };
  }

  async function askHttp2(plain, { h2, body, behind }) {
    const client = await FrameClient.connect(s, { listener: plain ? 'clear' : 'public', plain });
    client.headers(1, h2, { end: body === undefined });
    if (body !== undefined) client.data(1, body, { end: behind === undefined });
    if (behind) client.headers(1, behind);
    await client.end(1);
    const answered = client.frames.some((f) => f.type === TYPE.HEADERS && f.id === 1);
    const reset = client.frames.find((f) => f.type === TYPE.RST_STREAM && f.id === 1)?.code;
    // The honest twin, on the same connection.
    client.headers(3, GET('/open/twin'));
    await client.end(3);
    assert.equal(client.status(3), 200, 'the next stream');
    client.destroy();
    return { answered, reset };
  }

  for (const row of ROWS) {
    for (const plain of [false, true]) {
      it(`${row.name}${plain ? ', without TLS' : ''}`, async () => {
        for (const [i, ask] of [askHttp1, askHttp2].entries()) {
          const from = s.gateway.lines.length;
          const seen = s.upstream.text.length;
          const answer = await ask(plain, row);
          const protocol = ['HTTP/1.1', 'HTTP/2'][i];
          const reason = [row.reason].flat()[i] ?? row.reason;
          const fits = (l) => l.reason !== undefined && l.protocol === protocol;
          const audit = await s.gateway.wait(`${protocol}: the audit line`, () => s.gateway.lines.slice(from).find((l) => l.log === 'audit' && fits(l)));
          const access = await s.gateway.wait(`${protocol}: the access line`, () => s.gateway.lines.slice(from).find((l) => l.log === 'access' && fits(l)));
          for (const line of [audit, access]) assert.equal(line.reason, reason, `${protocol}: ${line.log}`);
          assert.equal(audit.event, 'denied');
          assert.equal(access.status, row.status ?? 400, protocol);
          if (i === 0) assert.equal(answer.status, row.status ?? 400);
          else if (row.reset) assert.deepEqual(answer, { answered: false, reset: CODE.PROTOCOL_ERROR });
          else assert.equal(answer.answered, true);
          if (!row.begun) assert.ok(!s.upstream.text.slice(seen).replace(/GET \/open\/twin[^]*$/, '').length, `${protocol}: bytes upstream`);
        }
      });
    }
  }
});
