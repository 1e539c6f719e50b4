// Steady traffic that counts strictly: each request is answered as expected, or it is a failure that says what became of it.
// And an upstream that costs next to nothing. Loopback only; ends with the test.
import net from 'node:net';
import tls from 'node:tls';

const BODY = 'x'.repeat(256);
const ANSWER = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`);

// Answers 200 to whatever ends with an empty line.
export async function startPlainUpstream() {
  const sockets = new Set();
  const server = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let left = '';
    socket.on('data', (chunk) => {
      const heads = (left + chunk.toString('latin1')).split('\r\n\r\n');
      left = heads.pop();
      for (let i = 0; i < heads.length; i++) socket.write(ANSWER);
    });
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => (server.close(done), sockets.forEach((s) => s.destroy()))),
  };
}

const HEAD_END = Buffer.from('\r\n\r\n');

// One connection's worth of requests, one after the other, on as many connections as it takes.
class Client {
  constructor(load, index) {
    this.load = load;
    this.index = index;
    this.asked = 0;
    this.idle = true;
  }

  #connect() {
    const { port, secure } = this.load.options;
    const socket = secure ? tls.connect({ host: '127.0.0.1', port, ...secure }) : net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.answered = 0;
    socket.on('data', (chunk) => socket === this.socket && this.#take(chunk));
    socket.on('error', (error) => socket === this.socket && this.#lost(error.code ?? error.message));
    socket.on('end', () => socket === this.socket && this.#lost('end'));
    socket.on('close', () => socket === this.socket && this.#lost('close'));
  }

  // Closed while nothing was asked: that is anybody's right.
  #lost(why) {
    this.socket.destroy();
    this.socket = null;
    if (!this.idle) {
      this.idle = true;
      this.load.fail(this.answered === 0 && why === 'ECONNREFUSED' ? 'refused' : 'lost', `${why} after ${this.answered} answers`);
    }
  }

  ask() {
    this.idle = false;
    this.asked++;
    this.since = performance.now();
    if (!this.socket) this.#connect();
    this.socket.write(this.load.next());
  }

  #take(chunk) {
    this.buffer = this.buffer.length > 0 ? Buffer.concat([this.buffer, chunk]) : chunk;
    const end = this.buffer.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.buffer.subarray(0, end).toString('latin1');
    const length = Number(/\r\ncontent-length: ([0-9]+)/i.exec(head)?.[1]);
    if (this.buffer.length < end + 4 + length) return;
    const closes = /\r\nconnection: close/i.test(head);
    const status = Number(head.slice(9, 12));
    this.answered++;
    this.idle = true;
    this.load.answer(status, performance.now() - this.since, head);
    this.buffer = this.buffer.subarray(end + 4 + length);
    // A new connection now and then, so that accepting is under test too.
    if (closes || (this.load.options.each > 0 && this.answered >= this.load.options.each)) {
      const socket = this.socket;
      this.socket = null;
      socket.end();
      socket.resume();
      socket.setTimeout(5000, () => socket.destroy());
    }
  }

  close() {
    const socket = this.socket;
    this.socket = null;
    socket?.destroy();
  }
}

export class Load {
  // requests: texts, sent in turn. rate: requests a second. each: requests per connection, 0: as long as it lasts.
  // secure: options of TLS. expected: the status.
  constructor(options) {
    this.options = { connections: 32, rate: 500, each: 0, expected: 200, ...options };
    this.requests = options.requests.map((text) => Buffer.from(text, 'latin1'));
    this.failures = [];
    this.statuses = new Map();
    this.answered = 0;
    this.slowest = 0;
    this.turn = 0;
    this.clients = Array.from({ length: this.options.connections }, (_, i) => new Client(this, i));
  }

  next() {
    return this.requests[this.turn++ % this.requests.length];
  }

  fail(kind, what) {
    this.failures.push({ kind, what });
  }

  answer(status, ms, head) {
    this.answered++;
    this.slowest = Math.max(this.slowest, ms);
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (status !== this.options.expected) this.fail('status', head);
  }

  start() {
    let due = 0;
    let before = performance.now();
    this.timer = setInterval(() => {
      const now = performance.now();
      // What could not be sent while the machine was busy is not made up for beyond a tenth of a second.
      due = Math.min(due + ((now - before) * this.options.rate) / 1000, Math.max(1, this.options.rate / 10));
      before = now;
      for (const client of this.clients) {
        if (due < 1) break;
        if (!client.idle) continue;
        client.ask();
        due--;
      }
      // The next turn begins with others.
      this.clients.push(...this.clients.splice(0, Math.ceil(this.clients.length / 3)));
    }, 4);
    return this;
  }

  // Resolves when all that was asked is answered or lost.
  async stop(ms = 15_000) {
    clearInterval(this.timer);
    const end = Date.now() + ms;
    while (this.clients.some((c) => !c.idle) && Date.now() < end) await new Promise((done) => setTimeout(done, 5));
    for (const client of this.clients) {
      if (!client.idle) this.fail('unanswered', `asked ${Math.round(performance.now() - client.since)} ms ago`);
      client.close();
    }
    return this;
  }

  count(kind) {
    return this.failures.filter((f) => f.kind === kind).length;
  }
}
