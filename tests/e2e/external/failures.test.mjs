// An authorizer that is down, slow, frozen, overrun, or answers what is no HTTP: 503 with a reason of its own, and never a yes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { closeAll, HOST, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';
import { Authorizer, startBytes, startProcess } from './lib.mjs';

const UNAVAILABLE = { status: 503, code: 'authorization_unavailable' };
const asks = (name) => ({ match: { host: HOST, path: `/${name}/**` }, upstream: 'order-service', auth: { external: name }, authorize: 'any_caller' });

describe('an authorizer that fails', () => {
  let s, lone, bytes, slow;
  before(async () => {
    lone = await startProcess();
    bytes = await startBytes('');
    slow = await Authorizer.start();
    const settings = (url, over) => ({ contract: 'forward_auth', url, timeout: '500ms', subject_header: 'X-User', upstream_headers: ['X-User'], client_headers: ['X-Told'], ...over });
    s = await openStage({
      config: {
        workers: 1,
        authorizers: {
          lone: settings(lone.url),
          bytes: settings(bytes.url),
          slow: settings(slow.url),
          narrow: settings(slow.url, { max_connections: 1, max_pending: 0, timeout: '20s' }),
          secure: settings(slow.url.replace('http:', 'https:')),
        },
      },
      routes: Object.fromEntries(['lone', 'bytes', 'slow', 'narrow', 'secure'].map((name) => [name, asks(name)])),
    });
  });
  after(() => closeAll(() => s?.close(), () => lone?.close(), () => bytes?.close(), () => slow?.close()));

  const denied = async (reason, path) => {
    const { response } = await s.denied({ ...UNAVAILABLE, reason }, () => s.request({ path }));
    assert.match(response.fields.get('retry-after'), /^[0-9]+$/);
  };

  it('killed, and back again', async () => {
    await s.allowed(() => s.request({ path: '/lone/1' }));
    await lone.kill();
    await denied('authorizer_unreachable', '/lone/1');
    await lone.restart();
    await s.allowed(() => s.request({ path: '/lone/1' }));
  });
  it('frozen, and thawed: within its time, on a kept connection and on a new one', async () => {
    await s.allowed(() => s.request({ path: '/lone/1' }));
    lone.freeze();
    try {
      for (let i = 0; i < 2; i++) {
        const began = Date.now();
        await denied('authorizer_timeout', '/lone/1');
        assert.ok(Date.now() - began >= 490 && Date.now() - began < 3000 * Number(process.env.SALLYPORT_SLOW ?? 1), `${Date.now() - began} ms`);
      }
    } finally {
      lone.thaw();
    }
    await until('it to answer again', async () => (await s.request({ path: '/lone/1' })).status === 200);
  });
  it('a kept connection that was closed meanwhile costs nothing but a second try', async () => {
    slow.decide = () => [200, { 'X-User': 'alice' }];
    await s.allowed(() => s.request({ path: '/slow/1' }));
    for (const socket of slow.sockets) socket.destroy();
    await s.allowed(() => s.request({ path: '/slow/1' }));
  });
  it('a yes whose body does not come in time is none', async () => {
    slow.decide = (asked, response) => void response.writeHead(200, { 'X-User': 'alice', 'Content-Length': '10' }).write('12345');
    await denied('authorizer_timeout', '/slow/1');
  });
  it('TLS that is none', async () => {
    await denied('authorizer_unreachable', '/secure/1');
  });
  it('as many questions as may, and no more', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    slow.asked.length = 0;
    slow.decide = async () => (await held, [200, { 'X-User': 'alice' }]);
    const client = await s.connect();
    await client.send(requestText({ path: '/narrow/1' }));
    await until('the first to be asked', () => slow.asked.length === 1);
    await denied('authorizer_busy', '/narrow/2');
    release();
    assert.equal((await client.response()).status, 200);
    client.end();
    await s.allowed(() => s.request({ path: '/narrow/3' }));
  });
  it('a client that goes away meanwhile does no harm', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    slow.asked.length = 0;
    slow.decide = async () => (await held, [200, { 'X-User': 'alice' }]);
    const client = await s.connect();
    await client.send(requestText({ path: '/narrow/1' }));
    await until('it to be asked', () => slow.asked.length === 1);
    client.reset();
    await until('the gateway to see it', async () => (await s.gateway.metrics()).sum('sallyport_client_aborts_total') > 0);
    release();
    slow.decide = () => [200, { 'X-User': 'alice' }];
    await until('its place to be free', async () => (await s.request({ path: '/narrow/1' })).status === 200);
  });

  const yes = 'HTTP/1.1 200 OK\r\nX-User: alice\r\n';
  const broken = {
    'no HTTP': ['hello\r\n\r\n', 'authorizer_answer'],
    'two lengths': [`${yes}Content-Length: 0\r\nContent-Length: 1\r\n\r\n`, 'authorizer_answer'],
    'a length and chunks': [`${yes}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'authorizer_answer'],
    'a field without a colon': [`${yes}X-Admin\r\nContent-Length: 0\r\n\r\n`, 'authorizer_answer'],
    'a head that does not end': [`${yes}X-Long: ${'x'.repeat(100_000)}\r\n\r\n`, 'authorizer_answer'],
    'more fields than a head has': [`${yes}${'X-A: 1\r\n'.repeat(500)}Content-Length: 0\r\n\r\n`, 'authorizer_answer'],
    'a body that is too large': [`${yes}Content-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`, 'authorizer_answer'],
    'chunks that are too large': [`${yes}Transfer-Encoding: chunked\r\n\r\n${'4000\r\n'.concat('x'.repeat(0x4000), '\r\n').repeat(5)}0\r\n\r\n`, 'authorizer_answer'],
    'another protocol': ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', 'authorizer_answer'],
  };
  for (const [name, [text, reason]] of Object.entries(broken)) {
    it(`an answer that is none: ${name}`, async () => {
      Object.assign(bytes, { bytes: text, end: false });
      await denied(reason, '/bytes/1');
    });
  }
  const cut = { 'within its head': yes, 'within its body': `${yes}Content-Length: 10\r\n\r\n12345`, 'before it begins': '' };
  for (const [name, text] of Object.entries(cut)) {
    it(`an answer that is cut ${name}`, async () => {
      Object.assign(bytes, { bytes: text, end: true });
      await denied('authorizer_unreachable', '/bytes/1');
    });
  }
  it('twin: an answer that ends with its connection, and one behind informational ones', async () => {
    Object.assign(bytes, { bytes: `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${yes}Content-Length: 2\r\n\r\nok`, end: false });
    await s.allowed(() => s.request({ path: '/bytes/1' }));
    Object.assign(bytes, { bytes: `${yes}Connection: close\r\n\r\nok`, end: true });
    await s.allowed(() => s.request({ path: '/bytes/1' }));
  });
});
