// The cases of http-desync-guardian through the whole gateway. Severe and Ambiguous: refused, or made unambiguous upstream;
// Compliant: served. The upstream's own strict reader says whether what it got is unambiguous.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../e2e/lib/gateway.mjs';
import { ProtocolError } from '../e2e/lib/http.mjs';
import { OPEN, openStage } from '../e2e/lib/stage.mjs';
import { RawClient } from '../e2e/lib/raw.mjs';

const file = join(process.env.SALLYPORT_SUITES ?? join(ROOT, '../shared/suites'), 'http-desync-guardian/cases.jsonl');
const present = existsSync(file);
if (!present) console.log('suite not present: http-desync-guardian');
const cases = present ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];

const decode = (text) => Buffer.from(text, 'base64');
// What a body as declared would be, so that a message is whole.
function filler(head) {
  const text = head.toString('latin1');
  if (/^transfer-encoding[ \t]*:/im.test(text)) return '0\r\n\r\n';
  const length = /^content-length[ \t]*:[ \t]*([0-9]{1,7})[ \t]*\r$/im.exec(text);
  return length ? 'x'.repeat(Number(length[1])) : '';
}
// Compliant to that library and refused here: what the upstream might read otherwise, or never could.
const STRICTER = [
  [/^transfer-encoding[ \t]*:(?![ \t]*chunked[ \t]*\r$)/im, 'transfer codings other than chunked, parameters of it, several fields of it'],
  [/^\S* \S*%0[0-9a-d]/i, 'an encoded control character in the path'],
  [/^\S+ {2}HTTP/, 'no target'],
  [/^\S+ \S*[#"<>\\^`{|}]/, 'bytes that no target has, a fragment among them'],
];

describe('http-desync-guardian', { skip: present ? false : 'suite not present' }, () => {
  let s;
  before(async () => {
    s = await openStage({
      config: { workers: 1, listeners: { clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow', timeouts: { head: '1s', body: '1s', drain: '200ms' } } } },
      routes: { any: { ...OPEN, match: { host: '*', path: '/**' }, listeners: ['clear'], path_allows: ['encoded_slash', 'parameters'] } },
    });
  });
  after(() => s?.close());

  const exchange = async (raw) => {
    const client = await RawClient.connect({ port: s.gateway.ports.clear });
    const before = s.upstream.requests.length;
    await client.send(raw);
    const method = /^([A-Z]+) /.exec(raw.toString('latin1'))?.[1];
    let response = null;
    try {
      response = await client.response({ method });
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
    }
    client.destroy();
    return { response, requests: s.upstream.requests.slice(before) };
  };

  for (const [index, one] of cases.entries()) {
    const head = decode(one.raw_host_b64 ?? one.raw_b64);
    it(`${one.tier} ${one.file} ${index}: ${one.name.replace(/[^ -~]/g, '?').slice(0, 80)}`, async () => {
      const raw = Buffer.concat([head, Buffer.from(filler(head))]);
      const { response, requests } = await exchange(raw);
      // Whatever happened: one request upstream at most, and one that its strict reader took without complaint.
      assert.ok(requests.length <= 1, `${requests.length} requests upstream`);
      assert.deepEqual(s.upstream.violations, []);
      if (one.tier === 'Compliant') {
        if (STRICTER.some(([pattern]) => pattern.test(head.toString('latin1')))) {
          assert.equal(response?.status, 400);
          assert.equal(requests.length, 0);
        } else {
          assert.equal(response?.status, 200, response?.text);
        }
        return;
      }
      if (response === null || response.status !== 200) {
        if (response) assert.ok(response.status >= 400, `${response.status}`);
        return;
      }
      const [request] = requests;
      const lengths = request.fields.all('content-length').length + request.fields.all('transfer-encoding').length;
      assert.ok(lengths <= 1, 'more than one length upstream');
      // A body as declared arrived whole, so both sides cut the message at the same place.
      assert.ok(request.body !== undefined);
      if (one.tier === 'Severe') assert.equal(request.fields.all('transfer-encoding').filter((v) => v !== 'chunked').length, 0);
    });
  }
});
