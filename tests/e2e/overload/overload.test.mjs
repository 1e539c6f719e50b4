// More is asked for than can be done: what is done goes on, the rest is told so at once and not listened to for a while.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { b64, seconds, signatureOf } from '../lib/issuer.mjs';
import { requestText } from '../lib/raw.mjs';
import { HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { deadline, until } from '../lib/wait.mjs';

// Each request costs the gateway eight verifications: a token that names no key is tried with each, and too many tokens are in
// use to be remembered. So a few hundred clients are more than any machine serves within the deadline.
const KEYS = 8;
const TOKENS = 100;
const CLIENTS = 1_000;
const DEADLINE = 200;
// Longer than any answer takes on a busy machine: the clients and the upstream share a process, and add seconds.
const RETRY_AFTER = deadline(5_000);

// Asks again as soon as it was answered, and remembers what it was told, and when.
class Impatient {
  constructor(port, texts) {
    this.answers = [];
    this.texts = texts;
    this.data = '';
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.setEncoding('latin1');
    this.socket.on('error', () => {});
    this.socket.on('data', (data) => this.#take(data));
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.connected = new Promise((resolve) => this.socket.once('connect', resolve));
  }

  ask() {
    this.asked = performance.now();
    this.socket.write(this.texts[Math.floor(Math.random() * this.texts.length)]);
  }

  #take(data) {
    this.data += data;
    const end = this.data.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.data.slice(0, end);
    const length = Number(/\r\ncontent-length: *([0-9]+)/i.exec(head)[1]);
    if (this.data.length < end + 4 + length) return;
    const body = this.data.slice(end + 4, end + 4 + length);
    this.data = this.data.slice(end + 4 + length);
    this.answers.push({ status: Number(head.slice(9, 12)), head, body, took: performance.now() - this.asked });
    if (!this.stopped) this.ask();
  }

  stop() {
    this.stopped = true;
    this.socket.destroy();
    return this.closed;
  }
}

describe('overload', () => {
  let s;
  let texts;
  before(async () => {
    const keys = Array.from({ length: KEYS }, () => generateKeyPairSync('ed25519'));
    const token = (number) => {
      const input = `${b64({ alg: 'EdDSA', typ: 'at+jwt' })}.${b64({
        iss: 'https://idp.example.com', aud: 'orders', sub: `user-${number}`, client_id: 'c', scope: 'read_orders',
        iat: seconds() - 10, exp: seconds() + 3600, jti: `${number}`,
      })}`;
      return `${input}.${signatureOf('EdDSA', keys[KEYS - 1].privateKey, input).toString('base64url')}`;
    };
    texts = Array.from({ length: TOKENS }, (_, i) =>
      requestText({ path: '/orders/42', host: HOST, fields: [['Authorization', `Bearer ${token(i)}`]] }));
    s = await openStage({
      upstream: { tls: null, record: false, script: async (exchange) => exchange.respond(200, [], 'ok') },
      config: (stage) => {
        const file = join(stage.dir, 'many.json');
        writeFileSync(file, JSON.stringify({
          keys: keys.map(({ publicKey }, i) => ({ ...publicKey.export({ format: 'jwk' }), kid: `k${i}`, alg: 'EdDSA', use: 'sig' })),
        }));
        return {
          workers: 1,
          token_cache: 16,
          overload: { queue_deadline: `${DEADLINE}ms`, retry_after: `${RETRY_AFTER}ms` },
          listeners: { plain: { address: '127.0.0.1', port: 0, plaintext: 'allow' } },
          issuers: { main: { algorithms: ['EdDSA'], jwks_file: file } },
        };
      },
      routes: { orders: { ...READ_ORDERS, listeners: ['plain'] } },
    });
  });
  after(() => s?.close());

  const load = async (count) => {
    const clients = Array.from({ length: count }, () => new Impatient(s.gateway.ports.plain, texts));
    await Promise.all(clients.map((client) => client.connected));
    for (const client of clients) client.ask();
    return clients;
  };
  const answers = (clients, status) => clients.flatMap((client) => client.answers).filter((a) => a.status === status);
  // Of a client that was denied: that answer and the one after it, if there was one.
  const fromDenial = ({ answers }) => {
    const first = answers.findIndex((a) => a.status === 503);
    return first >= 0 && first + 1 < answers.length ? answers.slice(first, first + 2) : null;
  };
  const shed = async () => (await s.gateway.metrics()).sum('sallyport_denied_total', { reason: 'overloaded' });

  it('twin: nobody is denied while all is calm', async () => {
    const clients = await load(2);
    await until('a hundred answers', () => answers(clients, 200).length >= 100, 30_000);
    await Promise.all(clients.map((client) => client.stop()));
    assert.equal(answers(clients, 503).length, 0);
    assert.equal(await shed(), 0);
  });

  it('what can be done is done, the rest is told when to come again and waits until then; status pages answer', async () => {
    const clients = await load(CLIENTS);
    const asked = [];
    await until('denials and answers, side by side', async () => {
      const began = performance.now();
      assert.equal((await s.gateway.get('/healthz')).status, 200);
      assert.equal((await s.gateway.get('/readyz')).status, 200);
      await s.gateway.metrics();
      asked.push(performance.now() - began);
      return asked.length >= 10 && answers(clients, 503).length >= 50 && answers(clients, 200).length >= 500 && clients.filter(fromDenial).length >= 5;
    }, 40_000);
    await Promise.all(clients.map((client) => client.stop()));
    const denied = answers(clients, 503);
    const served = answers(clients, 200);
    assert.equal(denied.length + served.length, clients.flatMap((c) => c.answers).length, 'nothing but 200 and 503');
    for (const { head, body } of denied) {
      assert.match(head, /\r\nretry-after: [1-9][0-9]*(\r\n|$)/i);
      assert.doesNotMatch(head, /\r\nconnection: close/i);
      assert.equal(JSON.parse(body).code, 'unavailable');
    }
    // Who was denied was not listened to until Retry-After was over. (Counted from the request, as this process may be late.)
    for (const [denial, next] of clients.map(fromDenial).filter(Boolean)) {
      assert.ok(denial.took + next.took >= RETRY_AFTER, `listened to after ${denial.took + next.took} ms`);
      assert.equal(next.status, 503, 'what was sent before Retry-After was over is too old to be taken then');
    }
    // The wait that the gateway allows is DEADLINE; the rest is for what this process adds.
    const times = served.map((a) => a.took).sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)];
    assert.ok(p99 < RETRY_AFTER, `the slowest in a hundred answers took ${p99} ms`);
    assert.ok(Math.max(...asked) < RETRY_AFTER, `the status pages took ${Math.max(...asked)} ms`);
    assert.ok((await shed()) >= denied.length);
    const line = await s.gateway.access('a denial', (l) => l.reason === 'overloaded');
    assert.equal(line.status, 503);
    await s.gateway.audit('a denial', (l) => l.reason === 'overloaded');
  });

  it('then all is calm again', async () => {
    // Who is not listened to is not seen to go, either.
    await until('the end of what was asked', async () => (await s.gateway.metrics()).sum('sallyport_connections_open') === 0, 2 * RETRY_AFTER + 20_000);
    const before = await shed();
    const clients = await load(2);
    await until('answers', () => answers(clients, 200).length >= 50, 30_000);
    await Promise.all(clients.map((client) => client.stop()));
    assert.equal(answers(clients, 503).length, 0);
    assert.equal(await shed(), before);
  });
});
