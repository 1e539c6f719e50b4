// Clients of a soak: honest ones, whose every request must be answered as it should, and hostile ones, who do what peers do
// that stall, break off, lie or never read. Each goes on until told to stop, no faster than its pace.
import { createHash } from 'node:crypto';
import net from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { RawClient, chunked, requestText } from '../e2e/lib/raw.mjs';
import { deadline } from '../e2e/lib/wait.mjs';
import { HANDSHAKE } from '../e2e/lib/websocket.mjs';

export const HOST = 'api.example.com';

// A small generator of random numbers, so that a run can be had again by its seed.
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    below: (n) => Math.floor(next() * n),
    chance: (p) => next() < p,
    pick: (list) => list[Math.floor(next() * list.length)],
    bytes: (n) => Buffer.from(Array.from({ length: n }, () => Math.floor(next() * 256))),
  };
}

export const expect = (condition, what) => {
  if (!condition) throw new Error(what);
};

// What was expected of a response, told with its request's id, so that the log can be asked about it.
const expectOf = (response, condition, what) => {
  if (!condition) throw Object.assign(new Error(what), { requestId: response.fields.get('x-request-id') });
};

// A client's frame of bytes, masked by nothing; and the same as its echo.
export const socketFrame = (data) => {
  const head = data.length < 126 ? [0x82, 0x80 | data.length] : [0x82, 0xfe, data.length >> 8, data.length & 0xff];
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), data]);
};

// ---- honest

// One honest caller: keeps its connection as long as the gateway does, and believes nothing that it does not check.
export class Honest {
  constructor(world, name, seed) {
    Object.assign(this, { world, name, random: random(seed), done: 0, client: null });
  }

  async run() {
    while (!this.world.stopping) {
      try {
        await this.turn();
        this.done++;
        this.world.count('honest', this.kind);
      } catch (error) {
        await this.world.fail(`${this.name}, ${this.kind} (its ${this.done}th request)`, error);
        this.leave();
      }
      await delay(this.world.honestPace);
    }
    this.leave();
  }

  leave() {
    this.client?.destroy();
    this.client = null;
  }

  async connected() {
    if (this.client !== null && this.random.chance(0.1)) {
      this.client.end();
      this.client = null;
    }
    this.client ??= await this.world.connect(this.random.pick(['public', 'plain']));
    return this.client;
  }

  async ask(parts, expected = 200) {
    const client = await this.connected();
    await client.send(requestText({ host: HOST, ...parts }));
    return this.answered(client, parts, expected);
  }

  async answered(client, { method = 'GET' }, expected) {
    const response = await client.response({ method });
    expectOf(response, response.status === expected, `${response.status} instead of ${expected}`);
    expect(response.fields.has('x-request-id'), 'no X-Request-Id');
    if (/close/i.test(response.fields.get('connection') ?? '')) {
      this.client = null;
      client.end();
    }
    return response;
  }

  async turn() {
    const kinds = Object.keys(Honest.kinds);
    this.kind = this.random.pick(kinds);
    await Honest.kinds[this.kind].call(this);
  }

  mark() {
    return `${this.name}-${this.done}`;
  }

  static kinds = {
    async get() {
      const path = `/open/echo/${this.mark()}`;
      const echo = (await this.ask({ path })).json();
      expect(echo.target === path && echo.method === 'GET', `another's answer: ${echo.target}`);
    },
    async head() {
      const response = await this.ask({ method: 'HEAD', path: `/open/echo/${this.mark()}` });
      expect(response.body.length === 0, 'a body on HEAD');
    },
    async post() {
      const body = this.random.bytes(1 + this.random.below(20_000));
      const echo = (await this.ask({ method: 'POST', path: `/open/echo/${this.mark()}`, body })).json();
      expect(echo.sha256 === createHash('sha256').update(body).digest('hex'), `${echo.size} bytes of ${body.length} arrived`);
    },
    async chunks() {
      const pieces = [this.random.bytes(3000), this.random.bytes(1), this.random.bytes(9000)];
      const path = `/open/echo/${this.mark()}`;
      const body = chunked(...pieces);
      const echo = (await this.ask({ method: 'PUT', path, fields: [['Transfer-Encoding', 'chunked']], body })).json();
      expect(echo.sha256 === createHash('sha256').update(Buffer.concat(pieces)).digest('hex'), 'another body');
    },
    async pipeline() {
      const client = await this.connected();
      const paths = [1, 2, 3].map((n) => `/open/echo/${this.mark()}.${n}`);
      await client.send(Buffer.concat(paths.map((path) => requestText({ host: HOST, path }))));
      for (const path of paths) {
        if (this.client === null) return; // the gateway said so: the rest was not answered
        expect((await this.answered(client, {}, 200)).json().target === path, 'answers out of order');
      }
    },
    async download() {
      const size = 1 + this.random.below(300_000);
      const response = await this.ask({ path: `/open/bytes/${size}` });
      expect(response.body.length === size, `${response.body.length} of ${size} bytes`);
    },
    async token() {
      const echo = (await this.ask({ path: `/orders/${this.mark()}`, token: this.random.pick(this.world.tokens.good) })).json();
      const users = echo.fields.filter(([name]) => /^x-user-id$/i.test(name)).map(([, value]) => value);
      expect(users.length === 1 && users[0] === 'alice', `X-User-Id ${users}`);
      expect(!echo.fields.some(([name]) => /^authorization$/i.test(name)), 'the token went upstream');
    },
    async noToken() {
      await this.ask({ path: `/orders/${this.mark()}` }, 401);
    },
    async badToken() {
      await this.ask({ path: `/orders/${this.mark()}`, token: this.random.pick(this.world.tokens.bad) }, 401);
    },
    async scopeMissing() {
      await this.ask({ path: `/orders/${this.mark()}`, token: this.world.tokens.scopeless }, 403);
    },
    async nowhere() {
      await this.ask({ path: `/nowhere/${this.mark()}` }, 404);
    },
    // By a connection of its own, through every reload.
    async socket() {
      const client = await this.world.connect(this.random.pick(['public', 'plain']));
      await client.send(requestText({ host: HOST, path: '/socket/patient', fields: HANDSHAKE }));
      const head = await client.head();
      expectOf(head, head.status === 101, `${head.status} for a handshake`);
      for (let i = 0; i < 5; i++) {
        const sent = socketFrame(this.random.bytes(this.random.below(20_000)));
        await client.send(sent);
        expect((await client.reader.exactly(sent.length, 'an echo')).equals(sent), 'another echo');
        await delay(this.random.below(50));
      }
      client.end();
      await untilClosed(client, 'a WebSocket that was ended');
    },
    async halfClose() {
      this.leave();
      const client = await this.world.connect('plain');
      await client.send(requestText({ host: HOST, path: `/open/echo/${this.mark()}` }));
      client.end();
      const response = await client.response();
      expectOf(response, response.status === 200, `${response.status} after a half-close`);
    },
  };
}

// ---- hostile

const GARBAGE = [
  'GET / HTTP/1.1\nHost: api.example.com\n\n',
  'GET /open/x HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG',
  'POST /open/x HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello',
  'POST /open/x HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  'POST /open/x HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n',
  'GET /open/../orders HTTP/1.1\r\nHost: api.example.com\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com\r\n\r\n',
  `GET /open/x HTTP/1.1\r\nHost: api.example.com\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
  `GET /open/x HTTP/1.1\r\nHost: api.example.com\r\n${'X-Many: 1\r\n'.repeat(150)}\r\n`,
];

// Whatever comes is read and thrown away until the gateway ends it; it must, within its own time limits.
async function untilClosed(client, what) {
  const end = Date.now() + deadline(30_000);
  while (await client.reader.fill(`end of ${what}`, 30_000)) {
    client.reader.take(client.reader.buffer.length);
    if (Date.now() > end) throw new Error(`${what} goes on`);
  }
  client.destroy();
}

const rough = (random) => random.pick(['rough', 'roughPlain']);
const post = (size) => `POST /open/echo/x HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: ${size}\r\n\r\n`;

export const hostile = {
  async silence(world, random) {
    await untilClosed(await world.connect(rough(random)), 'a silent connection');
  },
  async halfHead(world, random) {
    const client = await world.connect(rough(random));
    await client.send('GET /open/echo/x HTTP/1.1\r\nHost: api.exa');
    await untilClosed(client, 'half a head');
  },
  async halfBody(world, random) {
    const client = await world.connect(rough(random));
    await client.send(`${post(1000)}${'b'.repeat(random.below(999))}`);
    await untilClosed(client, 'half a body');
  },
  async drippingBody(world, random) {
    const client = await world.connect(rough(random));
    await client.send(post(100_000));
    while (!world.stopping && !client.socket.destroyed && (await client.send('b'))) await delay(100);
    client.destroy();
  },
  async drippingHead(world, random) {
    const client = await world.connect(rough(random));
    for (const byte of `GET /open/echo/${'x'.repeat(500)}`) {
      if (world.stopping || client.socket.destroyed || !(await client.send(byte))) break;
      await delay(50);
    }
    await untilClosed(client, 'a dripping head');
  },
  async resetInBody(world, random) {
    const client = await world.connect(rough(random));
    await client.send(`${post(random.pick([10, 100_000]))}${'b'.repeat(9)}`);
    await delay(random.below(20));
    client.reset();
  },
  async resetInAnswer(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: '/open/bytes/5000000' }));
    await client.head().catch(() => {});
    client.reset();
  },
  async abortAtOnce(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: random.pick(['/open/echo/x', '/open/slow', '/slow/x']), token: world.tokens.slow }));
    await delay(random.below(10));
    random.chance(0.5) ? client.reset() : client.destroy();
  },
  async neverReads(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: '/open/bytes/20000000' }));
    await delay(random.pick([50, 1000, 3000]));
    await untilClosed(client, 'a reader that never reads');
  },
  async pipelineAndGo(world, random) {
    const client = await world.connect(rough(random));
    const one = requestText({ host: HOST, path: '/open/bytes/10000' });
    await client.send(Buffer.concat(Array.from({ length: 40 }, () => one)));
    await delay(random.below(50));
    client.reset();
  },
  async garbage(world, random) {
    const client = await world.connect(rough(random));
    await client.send(random.chance(0.5) ? random.pick(GARBAGE) : random.bytes(1 + random.below(3000)));
    await untilClosed(client, 'garbage');
  },
  async garbageAsTls(world, random) {
    const client = await world.connectPlain('rough');
    await client.send(random.chance(0.5) ? Buffer.concat([Buffer.from([22, 3, 1, 2, 0]), random.bytes(512)]) : requestText({ path: '/' }));
    await untilClosed(client, 'garbage instead of TLS');
  },
  async handshakeStall(world, random) {
    const client = await world.connectPlain('rough');
    await client.send(Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196]));
    if (random.chance(0.5)) client.reset();
    else await untilClosed(client, 'half a handshake');
  },
  async expectAndGo(world, random) {
    const client = await world.connect(rough(random));
    await client.send(`POST /open/echo/x HTTP/1.1\r\nHost: ${HOST}\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n`);
    await delay(random.below(20));
    random.chance(0.5) ? client.end() : client.reset();
    await untilClosed(client, 'an expectation');
  },
  async slowSignature(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: '/slow/x', token: world.tokens.slow }));
    if (random.chance(0.5)) return client.reset();
    const response = await client.response();
    expectOf(response, response.status === 200, `${response.status} for a token of a slow signature`);
    client.end();
  },
  async forgedTokens(world, random) {
    const client = await world.connect(rough(random));
    for (let i = 0; i < 5; i++) {
      await client.send(requestText({ host: HOST, path: '/orders/1', token: random.pick(world.tokens.bad) }));
      const { status } = await client.response();
      expect(status === 401, `${status} for a token that nobody signed`);
    }
    client.end();
  },
  async flood(world, random) {
    const client = await world.connect(rough(random));
    for (let i = 0; i < 10; i++) {
      await client.send(requestText({ host: HOST, path: '/limited/x' }));
      const response = await client.response();
      expectOf(response, [200, 429].includes(response.status), `${response.status} where there is a limit`);
    }
    client.end();
  },
  async socketAndGo(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: random.pick(['/socket/echo', '/socket/flood']), fields: HANDSHAKE }));
    if (random.chance(0.7)) await client.head().catch(() => {});
    const pieces = [socketFrame(random.bytes(1000)), socketFrame(random.bytes(50_000)).subarray(0, 30_000), random.bytes(500), Buffer.alloc(3)];
    for (let i = random.below(5); i > 0; i--) await client.send(random.pick(pieces));
    await delay(random.below(100));
    random.pick([() => client.reset(), () => client.destroy(), () => client.end()])();
    await untilClosed(client, 'a WebSocket that was left').catch(() => client.destroy());
  },
  async socketThatNeverReads(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: '/socket/flood', fields: HANDSHAKE }));
    await delay(random.pick([50, 1500, 4000])); // longer than the time limit of writing, where the sockets are full soon enough
    client.reset();
  },
  async silentSocket(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: '/socket/echo', fields: HANDSHAKE }));
    await untilClosed(client, 'a silent WebSocket');
  },
  async faultySocket(world, random) {
    const client = await world.connect(rough(random));
    await client.send(requestText({ host: HOST, path: '/faulty/x', fields: HANDSHAKE }));
    try {
      const { status } = await client.head();
      expect([101, 200, 204, 502, 503, 504].includes(status), `${status} for a handshake with a faulty upstream`);
    } catch (error) {
      if (!/^closed (within|without)|^reset within/.test(error.message)) throw error;
    }
    client.destroy();
  },
  // What the faulty upstream does must end as an answer, or as a cut one; never as silence.
  async faulty(world, random) {
    const client = await world.connect(rough(random));
    const method = random.pick(['GET', 'POST', 'HEAD']);
    const body = method === 'POST' ? 'x'.repeat(random.below(50_000)) : undefined;
    await client.send(requestText({ host: HOST, method, path: '/faulty/x', body }));
    try {
      const { status } = await client.response({ method });
      expect([200, 204, 304, 502, 503, 504].includes(status), `${status} for a faulty upstream`);
    } catch (error) {
      if (!/^closed (within|without)|^reset within/.test(error.message)) throw error;
    }
    client.destroy();
  },
};

export class Hostile {
  constructor(world, name, seed) {
    Object.assign(this, { world, name, random: random(seed) });
  }

  async run() {
    const all = { ...hostile, ...this.world.hostile };
    const kinds = Object.keys(all);
    while (!this.world.stopping) {
      const kind = this.random.pick(kinds);
      try {
        await all[kind](this.world, this.random);
        this.world.count('hostile', kind);
      } catch (error) {
        // A port that is just being shut, or a connection that the gateway cut, is what they are owed.
        if (!/ECONNRESET|EPIPE|ECONNREFUSED|closed (before|without|within)|socket hang up|disconnected/.test(error.message)) {
          await this.world.fail(`${this.name}, ${kind}`, error);
        }
        this.world.count('hostile', `${kind} (cut)`);
      }
      await delay(this.world.hostilePace);
    }
  }
}

// Ends whatever its peer sends: the ports that are added and taken away are knocked at.
export function knock(port) {
  return new Promise((done) => {
    const socket = net.connect({ port, host: '127.0.0.1' }, () => (socket.destroy(), done(true)));
    socket.on('error', () => done(false));
  });
}
