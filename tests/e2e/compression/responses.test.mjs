// What is compressed and what is not, and what the heads of both say.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { requestH2 } from '../lib/h2.mjs';
import { fieldsOf, HOST, openStage } from '../lib/stage.mjs';
import { echo } from '../lib/upstream.mjs';
import { accepting, CODINGS, decode, orders, route } from './lib.mjs';

const BODY = orders(5000);
const JSON_TYPE = ['Content-Type', 'application/json'];

describe('compressed responses', () => {
  let s;
  before(async () => {
    s = await openStage({
      routes: {
        all: route('/all/**', true),
        gzip: route('/gzip/**', { algorithms: ['gzip'], types: ['application/vnd.api+json'], min_size: '100B', level: 'small' }),
        off: route('/off/**', false),
        without: route('/without/**', undefined),
        stopped: route('/stopped/**', undefined, { filters: [{ set_request_header: { 'Accept-Encoding': 'identity' } }] }),
        page: route('/page/**', true, { cors: { origins: ['https://app.example.com'] } }),
        tokens: route('/tokens/**', { no_secrets_in_responses: true }, { auth: { jwt: 'main' }, authorize: 'any_caller' }),
      },
    });
  });
  after(() => s?.close());

  let fields, status, body;
  beforeEach(() => {
    [fields, status, body] = [[JSON_TYPE], 200, BODY];
    s.upstream.script = async (exchange) => {
      await exchange.request.read();
      await exchange.respond(status, fields, status === 204 || status === 304 ? '' : body);
    };
  });
  const get = (accept, path = '/all/1', more = {}) => s.request({ path, ...more, fields: [...(accept === undefined ? [] : accepting(accept)), ...(more.fields ?? [])] });
  const isPlain = (response, what) => {
    assert.equal(response.fields.get('content-encoding'), undefined, what);
    assert.deepEqual(response.body, body, what);
    assert.equal(response.fields.get('content-length'), `${body.length}`, what);
  };
  const skips = async (reason, make) => {
    const before = await s.gateway.metrics();
    isPlain(await make(), reason);
    const after = await s.gateway.metrics();
    const grown = (name, labels) => after.sum(name, labels) - before.sum(name, labels);
    assert.equal(grown('sallyport_compression_skipped_total', { reason }), 1, reason);
    assert.equal(grown('sallyport_compressed_responses_total', {}), 0, reason);
  };

  for (const coding of CODINGS) {
    it(`${coding}: read by its own decoder; told in the head, the log and the metrics`, async () => {
      const before = await s.gateway.metrics();
      const response = await get(coding);
      assert.deepEqual(['content-encoding', 'vary', 'content-length', 'content-type'].map((name) => response.fields.get(name)), [coding, 'Accept-Encoding', undefined, 'application/json']);
      assert.ok(response.body.length < BODY.length / 3, `${response.body.length}`);
      assert.deepEqual(decode(coding, response.body), BODY);
      const line = await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'));
      assert.deepEqual([line.coding, line.plain, line.sent], [coding, BODY.length, response.body.length]);
      const after = await s.gateway.metrics();
      const grown = (name, labels) => after.sum(name, labels) - before.sum(name, labels);
      assert.equal(grown('sallyport_compressed_responses_total', { coding }), 1);
      assert.equal(grown('sallyport_compression_bytes_total', { side: 'before' }), BODY.length);
      assert.equal(grown('sallyport_compression_bytes_total', { side: 'after' }), response.body.length);
    });
    it(`${coding} over HTTP/2`, async () => {
      const response = await requestH2(s, { path: '/all/1', fields: { 'accept-encoding': coding } });
      assert.deepEqual([response.status, response.headers['content-encoding'], response.headers['content-length']], [200, coding, undefined]);
      assert.deepEqual(decode(coding, response.body), BODY);
    });
    it(`${coding} to a client of HTTP/1.0: the end of the connection is that of the body`, async () => {
      const response = await get(coding, '/all/1', { version: '1.0' });
      assert.deepEqual([response.fields.get('content-encoding'), response.fields.get('transfer-encoding')], [coding, undefined]);
      assert.deepEqual(decode(coding, response.body), BODY);
    });
  }
  it('the client chooses, and gets what it likes best', async () => {
    for (const [accept, coding] of [['gzip, deflate, br, zstd', 'zstd'], ['zstd;q=0.5, gzip', 'gzip'], ['*', 'gzip'], ['br', undefined], ['gzip;q=0', undefined], ['identity, gzip;q=0.5', undefined], [undefined, undefined]])
      assert.equal((await get(accept)).fields.get('content-encoding'), coding, accept);
  });
  it('what goes as it is to this client, and would not to another, says so to caches', async () => {
    const response = await get('br');
    isPlain(response);
    assert.equal(response.fields.get('vary'), 'Accept-Encoding');
    fields = [JSON_TYPE, ['Vary', 'Accept-Language, accept-encoding']];
    assert.deepEqual((await get('gzip')).fields.all('vary'), ['Accept-Language, accept-encoding']);
    fields = [['Content-Type', 'image/png']];
    assert.deepEqual((await get('gzip')).fields.all('vary'), []);
  });
  it('beside CORS both are told', async () => {
    const response = await get('gzip', '/page/1', { fields: [['Origin', 'https://app.example.com']] });
    assert.deepEqual(response.fields.all('vary').sort(), ['Accept-Encoding', 'Origin']);
    assert.deepEqual(decode('gzip', response.body), BODY);
  });
  it('not what is coded, signed, of another type, small, or not to be touched', async () => {
    for (const [reason, ...more] of [
      ['encoded', JSON_TYPE, ['Content-Encoding', 'br']], ['signed', JSON_TYPE, ['Content-Digest', 'sha-256=:a:']],
      ['type', ['Content-Type', 'image/png']], ['type'], ['type', ['Content-Type', 'text/event-stream']],
      ['no_transform', JSON_TYPE, ['Cache-Control', 'no-transform']], ['status', JSON_TYPE, ['Content-Range', 'bytes 0-1/2']],
      ['private', JSON_TYPE, ['Cache-Control', 'private']], ['private', JSON_TYPE, ['Set-Cookie', 'a=b']],
    ]) {
      fields = more;
      const before = await s.gateway.metrics();
      const response = await get('gzip');
      assert.deepEqual(response.body, BODY, reason);
      const after = await s.gateway.metrics();
      assert.equal(after.sum('sallyport_compression_skipped_total', { reason }) - before.sum('sallyport_compression_skipped_total', { reason }), 1, `${reason}: ${more}`);
    }
    fields = [JSON_TYPE];
    body = BODY.subarray(0, 1023);
    await skips('small', () => get('gzip'));
    body = BODY;
    await skips('not_accepted', () => get('br'));
    for (status of [204, 304]) {
      const response = await get('gzip');
      assert.deepEqual([response.status, response.fields.get('content-encoding'), response.body.length], [status, undefined, 0]);
    }
  });
  it('the route says what and how', async () => {
    fields = [['Content-Type', 'application/vnd.api+json; charset=utf-8']];
    body = BODY.subarray(0, 200);
    assert.equal((await get('gzip, zstd', '/gzip/1')).fields.get('content-encoding'), 'gzip');
    isPlain(await get('zstd', '/gzip/1'));
    fields = [JSON_TYPE];
    isPlain(await get('gzip', '/gzip/1'));
    for (const path of ['/off/1', '/without/1']) {
      const response = await get('gzip', path);
      assert.deepEqual(response.body, body, path);
      assert.equal(response.fields.get('vary'), undefined, path);
    }
  });
  it('HEAD tells what GET would, but for the length', async () => {
    fields = [JSON_TYPE, ['ETag', '"a"']];
    const [head, got] = [await get('gzip', '/all/1', { method: 'HEAD' }), await get('gzip')];
    for (const name of ['content-encoding', 'vary', 'etag', 'content-length', 'content-type']) assert.equal(head.fields.get(name), got.fields.get(name), name);
    assert.equal(head.fields.get('content-encoding'), 'gzip');
    assert.equal((await get('br', '/all/1', { method: 'HEAD' })).fields.get('content-length'), `${BODY.length}`);
    const h2 = await requestH2(s, { method: 'HEAD', path: '/all/1', fields: { 'accept-encoding': 'gzip' } });
    assert.deepEqual([h2.headers['content-encoding'], h2.headers['content-length'], h2.body.length], ['gzip', undefined, 0]);
  });
  it('a strong tag becomes weak, and parts cannot be asked for', async () => {
    fields = [JSON_TYPE, ['ETag', '"a"'], ['Accept-Ranges', 'bytes']];
    const coded = await get('gzip');
    assert.deepEqual([coded.fields.get('etag'), coded.fields.get('accept-ranges')], ['W/"a"', undefined]);
    const plain = await get('br');
    assert.deepEqual([plain.fields.get('etag'), plain.fields.get('accept-ranges')], ['"a"', 'bytes']);
  });
  it('with that tag the client is told 304 by it, and may change what it saw', async () => {
    s.upstream.script = async (exchange) => {
      const { fields: asked } = await exchange.request.read();
      const named = asked.get('if-none-match') ?? '';
      if (named.replace('W/', '') === '"a"') return exchange.respond(304, [['ETag', '"a"']]);
      const match = asked.get('if-match');
      return exchange.json(match === undefined || match === '"a"' ? 200 : 412, { match });
    };
    const again = await get('gzip', '/all/1', { fields: [['If-None-Match', 'W/"a"']] });
    assert.deepEqual([again.status, again.fields.get('etag'), again.fields.get('vary')], [304, 'W/"a"', 'Accept-Encoding']);
    assert.equal((await get('gzip', '/all/1', { fields: [['If-None-Match', '"a"']] })).fields.get('etag'), '"a"');
    const changed = await get('gzip', '/all/1', { method: 'PUT', body: '{}', fields: [['If-Match', 'W/"a"']] });
    assert.equal(changed.status, 200);
    const lost = await get('gzip', '/all/1', { method: 'PUT', body: '{}', fields: [['If-Match', 'W/"b"']] });
    assert.equal(lost.status, 412);
  });
  it('the upstream is asked for what is not coded, where the gateway compresses, and else as before', async () => {
    s.upstream.script = echo;
    for (const [path, token] of [['/all/1'], ['/tokens/1', await s.mint()], ['/stopped/1']]) {
      const { echo: seen } = await s.allowed(() => s.request({ path, token, fields: accepting('br') }));
      assert.deepEqual(fieldsOf(seen, 'accept-encoding'), ['identity'], path);
    }
    for (const path of ['/off/1', '/without/1']) {
      const { echo: seen } = await s.allowed(() => s.request({ path, fields: accepting('gzip, br') }));
      assert.deepEqual(fieldsOf(seen, 'accept-encoding'), ['gzip, br'], path);
    }
  });
  it('a route whose responses hold no secret is compressed for callers with tokens, whatever caches are told', async () => {
    fields = [JSON_TYPE, ['Cache-Control', 'no-store']];
    const response = await get('gzip', '/tokens/1', { token: await s.mint() });
    assert.deepEqual(decode('gzip', response.body), BODY);
  });
  it('denials are not compressed', async () => {
    const { response } = await s.denied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, () => get('gzip', '/tokens/1'));
    assert.equal(response.fields.get('content-encoding'), undefined);
  });
});
