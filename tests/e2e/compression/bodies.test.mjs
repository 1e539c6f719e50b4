// Bodies on their way: in any pieces, slow, large, held up, broken off, with trailers; more of them than there are encoders.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import zlib from 'node:zlib';
import { Session } from '../lib/h2.mjs';
import { lastingPort } from '../lib/listen.mjs';
import { nginx, startNginx } from '../lib/proxy.mjs';
import { requestText } from '../lib/raw.mjs';
import { OPEN, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { pass, SLOW, until } from '../lib/wait.mjs';
import { accepting, CODINGS, decode, decodePart, isBroken, orders, route } from './lib.mjs';

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;
const chunk = (data) => Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);

describe('bodies that are compressed', () => {
  let s, script;
  before(async () => {
    s = await openStage({
      config: { workers: 1, listeners: { clear: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } }, defaults: { listeners: ['public'] } },
      routes: {
        open: route('/open/**', true, { relay: { trailers: true } }),
        fast: route('/fast/**', { level: 'fast' }, { listeners: ['clear'], idle_timeout: '5m' }),
      },
      upstream: { tls: null, record: false, script: async (exchange) => (await exchange.request.read(), script(exchange)) },
    });
  });
  after(() => s?.close());
  const ask = async (coding, client, path = '/open/x') => {
    client ??= await s.connect();
    await client.send(requestText({ path, fields: [...accepting(coding), ['TE', 'trailers']] }));
    return client;
  };

  for (const coding of CODINGS) {
    it(`${coding}: bodies in pieces of any size come back byte for byte`, async () => {
      const client = await s.connect();
      for (const body of [orders(700_000), randomBytes(300_000), Buffer.alloc(1_000_000), orders(1024), randomBytes(1), Buffer.alloc(0)]) {
        script = async (exchange) => {
          await exchange.send(CHUNKED);
          for (let at = 0; at < body.length;) {
            const size = 1 + Math.floor(Math.random() ** 3 * 100_000);
            await exchange.send(chunk(body.subarray(at, at + size)));
            at += size;
          }
          await exchange.send('0\r\n\r\n');
        };
        await ask(coding, client);
        const response = await client.response();
        assert.equal(response.fields.get('content-encoding'), coding);
        assert.ok(decode(coding, response.body).equals(body), `${body.length} bytes`);
      }
      client.end();
    });
    it(`${coding}: what a slow upstream sent is not kept`, async () => {
      let go;
      script = async (exchange) => {
        await exchange.send(CHUNKED);
        for (const word of ['"first"', '"second"', '"third"']) {
          await exchange.send(chunk(Buffer.from(word)));
          await new Promise((resolve) => (go = resolve));
        }
        await exchange.send('0\r\n\r\n');
      };
      const client = await ask(coding);
      const response = await client.head();
      let seen = Buffer.alloc(0);
      for (const all of ['"first"', '"first""second"', '"first""second""third"']) {
        while (decodePart(coding, seen).toString() !== all) seen = Buffer.concat([seen, (await response.pieces.next()).value]);
        go();
      }
      for await (const piece of response.pieces) seen = Buffer.concat([seen, piece]);
      assert.equal(decode(coding, seen).toString(), '"first""second""third"');
      client.end();
    });
    for (const framed of ['chunked', 'a length, reset', 'a length, closed']) {
      it(`${coding}: an upstream that fails in the middle (${framed}) is no end`, async () => {
        const body = orders(200_000);
        script = async (exchange) => {
          await exchange.send(framed === 'chunked' ? CHUNKED : `${HEAD}Content-Length: 1000000\r\n\r\n`);
          await exchange.send(framed === 'chunked' ? chunk(body) : body);
          await s.begun;
          framed === 'a length, reset' ? exchange.reset() : exchange.destroy();
        };
        let begun;
        s.begun = new Promise((resolve) => (begun = resolve));
        const client = await ask(coding);
        const response = await client.head();
        const parts = [(await response.pieces.next()).value];
        begun();
        await assert.rejects(async () => {
          for await (const piece of response.pieces) parts.push(piece);
        });
        isBroken(coding, Buffer.concat(parts));
        const line = await s.gateway.access('the cut one', (l) => l.request_id === response.fields.get('x-request-id'));
        assert.deepEqual([line.reason, line.aborted, line.coding], ['upstream_closed', true, coding]);
      });
    }
    it(`${coding}: over HTTP/2 such a stream is reset; to HTTP/1.0 the connection is`, async () => {
      const begin = () => {
        let begun;
        s.begun = new Promise((resolve) => (begun = resolve));
        return begun;
      };
      script = async (exchange) => {
        await exchange.send(CHUNKED);
        await exchange.send(chunk(orders(200_000)));
        await s.begun;
        exchange.destroy();
      };
      let begun = begin();
      const session = await Session.connect(s);
      const seen = session.open({ path: '/open/x', fields: { 'accept-encoding': coding } });
      await seen.response;
      seen.request.once('data', () => begun());
      seen.request.resume();
      await new Promise((resolve) => seen.request.once('close', resolve));
      assert.equal(seen.request.rstCode, 2);
      session.destroy();
      begun = begin();
      const client = await s.connect({ listener: 'clear', plain: true });
      await client.send(requestText({ path: '/fast/x', version: '1.0', fields: accepting(coding) }));
      const response = await client.head();
      // All that was flushed: where data and a reset come together, libuv tells of an orderly end.
      let had = Buffer.alloc(0);
      while (decodePart(coding, had).length < 200_000) had = Buffer.concat([had, (await response.pieces.next()).value]);
      begun();
      await assert.rejects(response.read(), /reset/);
      isBroken(coding, had);
    });
    it(`${coding}: trailers follow, but none that is about another body`, async () => {
      script = (exchange) => exchange.send(Buffer.concat([Buffer.from(CHUNKED), chunk(orders(2000)), Buffer.from('0\r\nServer-Timing: a\r\nContent-Digest: sha-256=:a:\r\n\r\n')]));
      const client = await ask(coding);
      const response = await client.response();
      assert.deepEqual(response.trailers.list, [['Server-Timing', 'a']]);
      assert.deepEqual(decode(coding, response.body), orders(2000));
      client.end();
    });
  }
  it('a client that does not read stops the upstream, and gets all of it later', async () => {
    const SIZE = 96 * 1024 * 1024, piece = randomBytes(256 * 1024), hash = createHash('sha256');
    for (let at = 0; at < SIZE; at += piece.length) hash.update(piece);
    let written = 0;
    script = async (exchange) => {
      await exchange.send(`${HEAD}Content-Length: ${SIZE}\r\n\r\n`);
      for (; written < SIZE && !exchange.socket.destroyed; written += piece.length) await exchange.send(piece);
    };
    const before = s.gateway.rss();
    const client = await ask('zstd', await s.connect({ listener: 'clear', plain: true }), '/fast/x');
    const response = await client.head();
    let last = -1;
    await until('the upstream to be held up', async () => {
      const is = written > 0 && written === last;
      last = written;
      await pass(500);
      return is;
    }, 60_000);
    assert.ok(written < SIZE / 2, `${written} bytes were taken`);
    assert.ok(s.gateway.rss() - before < 24 * 1024 * 1024 * SLOW, 'memory grew');
    const parts = [];
    for await (const part of response.pieces) parts.push(part);
    assert.equal(createHash('sha256').update(decode('zstd', Buffer.concat(parts))).digest('hex'), hash.digest('hex'));
    client.destroy();
  });
  it('more responses at once than there are encoders: the rest goes as it is, and none fails', async () => {
    const open = [];
    let finish;
    const finished = new Promise((resolve) => (finish = resolve));
    script = async (exchange) => {
      await exchange.send(CHUNKED);
      await exchange.send(chunk(orders(2000)));
      await finished;
      await exchange.send('0\r\n\r\n');
    };
    const before = await s.gateway.metrics();
    const session = await Session.connect(s);
    for (let i = 0; i < 70; i++) {
      const seen = session.open({ path: '/open/x', fields: { 'accept-encoding': i % 2 ? 'gzip' : 'zstd' } });
      const chunks = [];
      seen.request.on('data', (data) => chunks.push(data));
      open.push({ seen, chunks });
    }
    await Promise.all(open.map(({ seen }) => seen.response));
    finish();
    await Promise.all(open.map(({ seen }) => seen.closed));
    let plain = 0;
    const frames = [];
    for (const { seen, chunks } of open) {
      const coding = seen.headers['content-encoding'];
      plain += coding === undefined ? 1 : 0;
      assert.equal(seen.headers.vary, 'Accept-Encoding');
      const body = Buffer.concat(chunks);
      // One run of zstd for all of them: frames may stand one behind the other.
      if (coding === 'zstd') frames.push(body);
      else assert.deepEqual(coding === undefined ? body : decode(coding, body), orders(2000));
    }
    assert.deepEqual(decode('zstd', Buffer.concat(frames)), Buffer.concat(frames.map(() => orders(2000))));
    assert.equal(plain, 6);
    const after = await s.gateway.metrics();
    assert.equal(after.sum('sallyport_compression_skipped_total', { reason: 'busy' }) - before.sum('sallyport_compression_skipped_total', { reason: 'busy' }), 6);
    // All of them are back.
    const again = session.open({ path: '/open/x', fields: { 'accept-encoding': 'gzip' } });
    assert.equal((await again.response)['content-encoding'], 'gzip');
    session.destroy();
  });
});

describe('nginx as the upstream', { skip: nginx ? false : 'nginx is not installed' }, () => {
  let s, server;
  const PAGE = orders(300_000).toString('latin1');
  before(async () => {
    const port = await lastingPort();
    const dir = tempDir('pages');
    writeFileSync(join(dir, 'page.json'), PAGE);
    // It compresses by itself whatever it is asked to.
    server = await startNginx(`server { listen 127.0.0.1:${port}; root ${dir}; types { application/json json; } gzip on; gzip_types application/json; gzip_http_version 1.0; gzip_proxied any; }`, { port, host: '127.0.0.1' });
    const upstreams = { pages: { endpoints: [`http://127.0.0.1:${port}`] } };
    const to = (path, compress) => route(path, compress, { upstream: 'pages', filters: [{ set_path: '/page.json' }] });
    s = await openStage({ config: { upstreams }, routes: { open: OPEN, ours: to('/ours', true), theirs: to('/theirs', undefined) } });
  });
  after(async () => {
    await s?.close();
    await server?.close();
  });

  it('its files are compressed here, and asked for again by their tags', async () => {
    for (const coding of CODINGS) {
      const response = await s.request({ path: '/ours', fields: accepting(coding) });
      assert.equal(response.fields.get('content-encoding'), coding);
      assert.equal(decode(coding, response.body).toString('latin1'), PAGE);
      const etag = response.fields.get('etag');
      assert.match(etag, /^W\/"/);
      const again = await s.request({ path: '/ours', fields: [...accepting(coding), ['If-None-Match', etag]] });
      assert.deepEqual([again.status, again.fields.get('etag')], [304, etag]);
      const matched = await s.request({ path: '/ours', fields: [...accepting(coding), ['If-Match', etag]] });
      assert.equal(matched.status, 200);
      const part = await s.request({ path: '/ours', fields: [...accepting(coding), ['Range', 'bytes=0-9']] });
      assert.deepEqual([part.status, part.text, part.fields.get('content-encoding')], [206, PAGE.slice(0, 10), undefined]);
      const mixed = await s.request({ path: '/ours', fields: [...accepting(coding), ['Range', 'bytes=0-9'], ['If-Range', etag]] });
      assert.deepEqual([mixed.status, mixed.fields.get('content-encoding')], [200, coding]);
    }
  });
  it('a cookie keeps it from compressing too, where the gateway is to', async () => {
    const ours = await s.request({ path: '/ours', fields: [...accepting('gzip'), ['Cookie', 'a=b']] });
    assert.equal(ours.fields.get('content-encoding'), undefined);
    const theirs = await s.request({ path: '/theirs', fields: [...accepting('gzip'), ['Cookie', 'a=b']] });
    assert.equal(theirs.fields.get('content-encoding'), 'gzip');
    assert.equal(zlib.gunzipSync(theirs.body).toString('latin1'), PAGE);
  });
});
