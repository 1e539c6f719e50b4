// The soak's clients that speak HTTP/2: honest ones with sessions, WebSockets on streams and calls of gRPC; hostile ones that write
// frames and then reset, stall, never open a window, or go.
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { FLAG, FrameClient, GET, Session, TYPE, frame } from '../e2e/lib/h2.mjs';
import { connectStream, grpcChannel, openChat } from '../e2e/lib/tunnels.mjs';
import { deadline, until, within } from '../e2e/lib/wait.mjs';
import { HOST, expect, random, socketFrame } from './clients.mjs';

// ---- honest

export class HonestHttp2 {
  constructor(world, name, seed) {
    Object.assign(this, { world, name, random: random(seed), done: 0, session: null });
  }

  async run() {
    const kinds = Object.keys(HonestHttp2.kinds);
    while (!this.world.stopping) {
      const kind = this.random.pick(kinds);
      try {
        await HonestHttp2.kinds[kind].call(this);
        this.done++;
        this.world.count('honest', `h2 ${kind}`);
      } catch (error) {
        await this.world.fail(`${this.name}, h2 ${kind} (its ${this.done}th request)`, error);
        this.leave();
      }
      await delay(this.world.honestPace);
    }
    this.leave();
    this.channel?.close();
  }

  leave() {
    this.session?.destroy();
    this.session = null;
  }

  async connected() {
    const gone = this.session && (this.session.h2.closed || this.session.h2.destroyed || this.session.goaways.length > 0);
    if (gone || (this.session && this.random.chance(0.05))) {
      this.session.close(); // what is open on it goes on
      this.session = null;
    }
    const plain = this.random.chance(0.3);
    this.session ??= await Session.connect(this.world.stage, { listener: plain ? 'plain' : 'public', plain });
    return this.session;
  }

  async ask(parts, expected = 200, session = null) {
    session ??= await this.connected();
    const answer = await session.request({ host: HOST, ...parts });
    if (answer.status !== expected) throw Object.assign(new Error(`${answer.status} instead of ${expected}`), { requestId: answer.fields.get('x-request-id') });
    return answer;
  }

  // To an upstream of either protocol: it answers with what it was sent.
  async post(path) {
    const body = this.random.bytes(1 + this.random.below(60_000));
    const answer = await this.ask({ method: 'POST', path, body });
    return { answer, body, sha256: createHash('sha256').update(body).digest('hex') };
  }

  static kinds = {
    async get() {
      const path = `/open/echo/${this.name}-${this.done}`;
      const echo = (await this.ask({ path })).json();
      expect(echo.target === path && echo.method === 'GET', `another's answer: ${echo.target}`);
    },
    async postToHttp1() {
      const { answer, sha256 } = await this.post(`/open/echo/${this.name}`);
      expect(answer.json().sha256 === sha256, 'another body arrived');
    },
    async postToHttp2() {
      const { answer, body } = await this.post('/h2/echo');
      expect(answer.body.equals(body), `${answer.body.length} of ${body.length} bytes came back`);
    },
    async download() {
      const size = this.random.pick([1, 70_000, 900_000]);
      const answer = await this.ask({ path: `/open/bytes/${size}` });
      expect(answer.body.length === size, `${answer.body.length} of ${size} bytes`);
    },
    async downloadFromHttp2() {
      const size = this.random.pick([1, 70_000, 900_000]);
      const answer = await this.ask({ path: `/h2/bytes/${size}` });
      expect(answer.body.length === size, `${answer.body.length} of ${size} bytes`);
    },
    async crowd() {
      const session = await this.connected();
      const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => this.ask({ path: i % 2 ? `/h2/bytes/${i * 10_000}` : `/open/echo/${i}` }, 200, session)));
      answers.forEach((answer, i) => expect(i % 2 ? answer.body.length === i * 10_000 : answer.json().target === `/open/echo/${i}`, `another's answer, ${i}`));
    },
    async noToken() {
      await this.ask({ path: '/orders/1' }, 401);
    },
    async token() {
      await this.ask({ path: '/orders/1', fields: { authorization: `Bearer ${this.random.pick(this.world.tokens.good)}` } });
    },
    async socket() {
      const session = await this.connected();
      if (!session.h2.remoteSettings?.enableConnectProtocol) await within(20_000, 'SETTINGS', new Promise((done) => session.h2.once('remoteSettings', done)));
      const { stream, status } = await connectStream(session.h2, { path: '/socket/patient' });
      expect(status === 200, `${status} for a handshake`);
      let got = Buffer.alloc(0);
      stream.on('data', (data) => (got = Buffer.concat([got, data])));
      const closing = new Promise((done) => stream.once('close', done));
      for (let i = 0; i < 5; i++) {
        const sent = socketFrame(this.random.bytes(this.random.below(20_000)));
        stream.write(sent);
        await until('an echo', () => got.length >= sent.length);
        expect(got.equals(sent), 'another echo');
        got = Buffer.alloc(0);
        await delay(this.random.below(50));
      }
      stream.end();
      await within(20_000, 'the end of a WebSocket', closing);
    },
    async chat() {
      this.channel ??= grpcChannel(this.world.stage);
      const call = openChat(this.channel);
      for (let i = 0; i < 5; i++) await call.echoes(`${this.name} ${this.done} ${i} ${'x'.repeat(this.random.below(5000))}`);
      call.end();
      const { code, details } = await call.ending;
      expect(code === 0, `${code} ${details} for a call`);
    },
  };
}

// ---- hostile: each on a connection of its own, to a listener of short patience

async function connect(world, options = {}) {
  const client = await FrameClient.connect(world.stage, { listener: 'rough', ...options });
  world.clients.add(client);
  client.socket.once('close', () => world.clients.delete(client));
  return client;
}

// Whatever comes is read until the gateway ends it; it must, within its own time limits.
async function untilEnded(client, what) {
  await client.ended(deadline(30_000)).catch(() => {
    throw new Error(`${what} goes on`);
  });
  client.destroy();
}

const POST = (path, ...fields) => [...GET(path, HOST, 'POST'), ...fields];
const SOCKET = (path) => [[':method', 'CONNECT'], [':protocol', 'websocket'], [':scheme', 'https'], [':authority', HOST], [':path', path], ['sec-websocket-version', '13']];
const CALL = POST('/test.Echo/Chat', ['content-type', 'application/grpc'], ['te', 'trailers']);
const leave = (client, luck) => (luck.chance(0.5) ? client.destroy() : client.plain.resetAndDestroy());

export const hostileHttp2 = {
  async h2Resets(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 60; i++) {
      client.headers(2 * i + 1, GET(luck.pick(['/open/slow', '/open/bytes/100000', '/h2/bytes/100000'])));
      client.reset(2 * i + 1);
    }
    await delay(luck.below(50));
    leave(client, luck);
  },
  async h2RapidResets(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 400 && !client.closed; i++) {
      client.headers(2 * i + 1, GET('/open/slow'));
      client.reset(2 * i + 1);
    }
    await untilEnded(client, 'a rapid reset');
  },
  async h2HalfOpenStreams(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 20; i++) client.headers(2 * i + 1, luck.pick([POST('/open/echo/x'), POST('/h2/echo', ['content-length', '1000'])]), { end: false });
    await untilEnded(client, 'half-open streams');
  },
  async h2NoWindow(world, luck) {
    const client = await connect(world, { settings: [[4, 0]] });
    for (let i = 0; i < 5; i++) client.headers(2 * i + 1, GET(luck.pick(['/open/bytes/500000', '/h2/bytes/500000'])));
    await untilEnded(client, 'a window that is never opened');
  },
  async h2SmallWindow(world, luck) {
    const client = await connect(world, { settings: [[4, 10_000]] });
    for (let i = 0; i < 5; i++) client.headers(2 * i + 1, GET(luck.pick(['/open/bytes/500000', '/h2/bytes/500000'])));
    for (let i = 0; i < 40 && !client.closed; i++) {
      client.window(2 * luck.below(5) + 1, 1 + luck.below(5000));
      client.window(0, 5000);
      await delay(20);
    }
    leave(client, luck);
  },
  async h2AbortAtOnce(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 20; i++) client.headers(2 * i + 1, GET(luck.pick(['/open/bytes/5000000', '/h2/bytes/5000000', '/open/slow'])));
    await delay(luck.below(40));
    leave(client, luck);
  },
  async h2AbortInBody(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 8; i++) {
      client.headers(2 * i + 1, POST(luck.pick(['/open/echo/x', '/h2/echo']), ['content-length', '100000']), { end: false });
      client.data(2 * i + 1, Buffer.alloc(luck.below(9000), 'b'), { end: false });
    }
    await delay(luck.below(40));
    if (luck.chance(0.5)) for (let i = 0; i < 8; i++) client.reset(2 * i + 1);
    await delay(luck.below(20));
    leave(client, luck);
  },
  async h2BadBodies(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 10; i++) {
      const id = 2 * i + 1;
      client.headers(id, POST(luck.pick(['/open/echo/x', '/h2/echo']), ['content-length', '5']), { end: false });
      const kind = luck.below(3);
      if (kind === 2) client.headers(id, [['content-length', '5']]);
      else client.data(id, kind === 0 ? 'hell' : 'hello!', { end: true });
      await client.end(id);
    }
    leave(client, luck);
  },
  async h2HalfHead(world, luck) {
    const client = await connect(world);
    client.headers(1, GET('/open/x').slice(0, 1 + luck.below(3)), { flags: 0 });
    await untilEnded(client, 'half a head');
  },
  async h2Garbage(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 20; i++) client.send(frame(luck.below(12), luck.below(256), luck.below(6), luck.bytes(luck.below(200))));
    await untilEnded(client, 'garbage in frames');
  },
  async h2Pings(world) {
    const client = await connect(world);
    await client.flood(frame(TYPE.PING, 0, 0, Buffer.alloc(8)), 200);
    await untilEnded(client, 'a flood of PING');
  },
  async h2Silence(world) {
    await untilEnded(await connect(world), 'a silent session');
  },
  async h2SocketAndGo(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 5; i++) client.headers(2 * i + 1, SOCKET(luck.pick(['/socket/echo', '/socket/flood'])), { end: false });
    await client.frame('an answer', (f) => f.type === TYPE.HEADERS);
    for (let i = 0; i < 5; i++) client.data(2 * i + 1, luck.pick([socketFrame(luck.bytes(1000)), luck.bytes(300), Buffer.alloc(1)]), { end: luck.chance(0.2) });
    await delay(luck.below(100));
    if (luck.chance(0.5)) client.reset(1);
    leave(client, luck);
  },
  async h2SocketThatNeverReads(world, luck) {
    const client = await connect(world, { settings: [[4, 1000]] });
    client.headers(1, SOCKET('/socket/flood'), { end: false });
    await delay(luck.pick([50, 1500, 4000]));
    leave(client, luck);
  },
  async h2SilentSocket(world) {
    const client = await connect(world);
    client.headers(1, SOCKET('/socket/echo'), { end: false });
    await untilEnded(client, 'a silent WebSocket');
  },
  async grpcAndGo(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 5; i++) {
      client.headers(2 * i + 1, CALL, { end: false });
      client.data(2 * i + 1, luck.pick([Buffer.from([0, 0, 0, 0, 2, 104, 105]), Buffer.from([0, 0, 0]), luck.bytes(50)]), { end: luck.chance(0.3) });
    }
    await delay(luck.below(60));
    if (luck.chance(0.5)) for (let i = 0; i < 5; i++) client.reset(2 * i + 1);
    if (luck.chance(0.3)) return untilEnded(client, 'calls that were left');
    leave(client, luck);
  },
  async grpcBroken(world, luck) {
    const client = await connect(world);
    const broken = [Buffer.from([2, 0, 0, 0, 2, 104, 105]), Buffer.from([0, 255, 255, 255, 255, 104]), Buffer.from([0, 0, 0, 0, 9, 104]), luck.bytes(50)];
    for (let i = 0; i < 8; i++) {
      const timeout = luck.pick(['0n', '1n', '50m', '99999999H', '1S', '1', 'm', '-1S']);
      client.headers(2 * i + 1, [...CALL, ['grpc-timeout', timeout]], { end: false });
      client.data(2 * i + 1, luck.pick(broken), { end: luck.chance(0.5) });
    }
    await delay(luck.below(150));
    leave(client, luck);
  },
  async h2ManyStreams(world, luck) {
    const client = await connect(world);
    for (let i = 0; i < 150; i++) client.headers(2 * i + 1, GET('/open/slow'), { flags: FLAG.END_HEADERS });
    await delay(luck.below(100));
    leave(client, luck);
  },
};
