// T6: what HTTP/2 can carry and HTTP/1.1 cannot must not become a second line, field or request (CVE-2026-42926).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CODE, FrameClient, GET, hpack, requestH2, frame, TYPE, FLAG } from '../lib/h2.mjs';
import { OPEN, fieldsOf, openStage } from '../lib/stage.mjs';

const cases = {
  'CR LF in a value': [...GET(), ['x-a', 'b\r\nx-injected: c']],
  'LF in a value': [...GET(), ['x-a', 'b\nx-injected: c']],
  'CR in a value': [...GET(), ['x-a', 'b\rc']],
  'NUL in a value': [...GET(), ['x-a', 'b\0c']],
  'a whole request in a value': [...GET(), ['x-a', 'b\r\n\r\nGET /open/second HTTP/1.1\r\nHost: api.example.com\r\n\r\n']],
  'CR LF in a name': [...GET(), ['x-a: b\r\nx-injected', 'c']],
  'LF in a name': [...GET(), ['x\na', 'b']],
  'NUL in a name': [...GET(), ['x\0a', 'b']],
  'a colon in a name': [...GET(), ['x-a:', 'b']],
  'a colon within a name': [...GET(), ['x:a', 'b']],
  'a space in a name': [...GET(), ['x a', 'b']],
  'an empty name': [...GET(), ['', 'b']],
  'upper case in a name': [...GET(), ['X-Upper', 'b']],
  'one upper-case letter': [...GET(), ['x-uppeR', 'b']],
  'white space before a value': [...GET(), ['x-a', ' b']],
  'white space behind a value': [...GET(), ['x-a', 'b\t']],
  connection: [...GET(), ['connection', 'x-user']],
  'connection: close': [...GET(), ['connection', 'close']],
  'keep-alive': [...GET(), ['keep-alive', 'timeout=5']],
  'proxy-connection': [...GET(), ['proxy-connection', 'close']],
  'transfer-encoding': [...GET(), ['transfer-encoding', 'chunked']],
  'transfer_encoding': [...GET(), ['transfer_encoding', 'chunked']],
  upgrade: [...GET(), ['upgrade', 'h2c']],
  'te: gzip': [...GET(), ['te', 'gzip']],
  'a second :path': [...GET(), [':path', '/open/second']],
  'a second :authority': [...GET(), [':authority', 'app.example.com']],
  'a second :method': [...GET(), [':method', 'POST']],
  'a second :scheme': [...GET(), [':scheme', 'http']],
  'a late :path': [...GET().slice(0, 3), ['x-a', 'b'], [':path', '/open/x']],
  'an unknown pseudo-header': [...GET(), [':extra', 'b']],
  ':protocol with another method than CONNECT': [...GET(), [':protocol', 'websocket']],
  ':status in a request': [...GET(), [':status', '200']],
  'no :path': GET().slice(0, 3),
  'no :method': GET().slice(1),
  'no :scheme': [GET()[0], ...GET().slice(2)],
  'an empty :path': [...GET().slice(0, 3), [':path', '']],
  'CR LF in :path': GET('/open/x HTTP/1.1\r\nx-injected: c\r\n'),
  'CR LF in :authority': GET('/open/x', 'api.example.com\r\nx-injected: c'),
  'CR LF in :method': GET('/open/x', 'api.example.com', 'GET /open/second HTTP/1.1\r\n\r\n'),
  'a space in :method': GET('/open/x', 'api.example.com', 'GET /open/second'),
  'NUL in :path': GET('/open/\0x'),
  'host differs from :authority': [...GET(), ['host', 'app.example.com']],
  'host twice': [...GET(), ['host', 'api.example.com'], ['host', 'api.example.com']],
  'content-length twice': [...GET(), ['content-length', '0'], ['content-length', '0']],
  'content-length: +0': [...GET(), ['content-length', '+0']],
};

describe('T6: HTTP/2 to HTTP/1.1 injection', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN } })));
  after(() => s?.close());

  const refused = async (send) => {
    const seen = s.upstream.bytesSeen();
    const client = await FrameClient.connect(s);
    try {
      send(client);
      const rst = await client.rst(1);
      assert.equal(rst?.code, CODE.PROTOCOL_ERROR, 'RST_STREAM PROTOCOL_ERROR');
      assert.ok(!client.frames.some((f) => f.type === TYPE.HEADERS), 'no answer');
      // The twin: the same connection goes on.
      client.headers(3, GET());
      await client.end(3);
      assert.equal(client.status(3), 200);
      const grown = s.upstream.requests.at(-1);
      assert.equal(grown.fields.list.filter(([n]) => /injected/i.test(n)).length, 0);
    } finally {
      client.destroy();
    }
    return s.upstream.bytesSeen() - seen;
  };

  for (const [name, fields] of Object.entries(cases)) {
    it(`refused: ${name}`, async () => {
      const requests = s.upstream.requests.length;
      await refused((client) => client.headers(1, fields));
      assert.equal(s.upstream.requests.length - requests, 1, 'only the twin reached the upstream');
    });
  }

  it('refused: pseudo-headers and forbidden fields in trailers', async () => {
    for (const trailers of [[[':path', '/x']], [['content-length', '3']], [['authorization', 'x']], [['x-a', 'b\r\nc: d']], [['transfer-encoding', 'chunked']]]) {
      const client = await FrameClient.connect(s);
      client.headers(1, GET('/open/x', 'api.example.com', 'POST'), { end: false });
      client.data(1, 'abc');
      client.headers(1, trailers);
      assert.equal((await client.rst(1))?.code, CODE.PROTOCOL_ERROR);
      client.destroy();
    }
  });

  it('each is one denial in the log, under its reason', async () => {
    const client = await FrameClient.connect(s);
    client.headers(1, [...GET(), ['x-a', 'b\nc']]);
    await client.rst(1);
    const line = await s.gateway.access('the malformed head', (l) => l.protocol === 'HTTP/2' && l.detail === 'malformed header value');
    assert.equal(line.reason, 'bad_request');
    client.destroy();
  });

  it('a head in two frames is one head: CONTINUATION between them', async () => {
    const block = hpack([...GET(), ['x-a', 'b\r\nc: d']]);
    await refused((client) => {
      client.send(frame(TYPE.HEADERS, FLAG.END_STREAM, 1, block.subarray(0, 20)));
      client.send(frame(TYPE.CONTINUATION, FLAG.END_HEADERS, 1, block.subarray(20)));
    });
  });

  it('twin: odd and honest fields arrive as they are', async () => {
    const { echo } = await s.allowed(() => requestH2(s, { fields: { 'x-odd': 'a:b, "c\\d"\té', te: 'trailers', cookie: ['a=1', 'b=2'] } }));
    assert.deepEqual(fieldsOf(echo, 'x-odd'), ['a:b, "c\\d"\té']);
    assert.deepEqual(fieldsOf(echo, 'cookie'), ['a=1; b=2']);
    assert.deepEqual(fieldsOf(echo, 'te'), []);
    assert.deepEqual(fieldsOf(echo, 'host'), ['api.example.com']);
  });
});
