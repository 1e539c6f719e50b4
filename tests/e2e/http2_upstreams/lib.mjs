// Upstreams that speak HTTP/2: Node's own server, and one of bare frames for what no server would send.
import http2 from 'node:http2';
import net from 'node:net';
import { once } from 'node:events';
import { originCertificate } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const echo = async (stream, headers) => {
  let size = 0;
  let trailers = {};
  stream.on('trailers', (fields) => (trailers = fields));
  for await (const piece of stream) size += piece.length;
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  stream.end(JSON.stringify({ headers, size, trailers, session: stream.session.index }));
};

// `tls`: over TLS by ALPN, else h2c. `script(stream, headers)` answers; `http1`: speaks HTTP/1.1 too, on TLS.
export class Http2Upstream {
  constructor({ tls = true, http1 = false, settings = {}, script = echo } = {}) {
    this.tls = tls;
    this.script = script;
    this.sessions = [];
    this.requests = []; // headers of each, in order
    this.http1Requests = [];
    const origin = originCertificate();
    const options = { settings, allowHTTP1: http1, cert: origin.cert, key: origin.key };
    this.server = tls ? http2.createSecureServer(options) : http2.createServer({ settings });
    this.server.on('session', (session) => {
      session.index = this.sessions.push(session) - 1;
      session.on('error', () => {});
    });
    this.server.on('stream', async (stream, headers) => {
      stream.on('error', () => {});
      this.requests.push({ headers, stream, session: stream.session });
      try {
        await this.script(stream, headers);
      } catch (error) {
        if (!stream.destroyed) this.failure = error;
      }
    });
    // Node's compatible interface would answer streams, too.
    if (http1) this.server.on('request', (request, response) => {
      if (request.httpVersion !== '1.1') return;
      this.http1Requests.push(request.url);
      response.end('{"http1":true}');
    });
  }

  async start(port = 0) {
    this.server.listen(port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    return this;
  }

  get url() {
    return `${this.tls ? 'https' : 'h2c'}://127.0.0.1:${this.port}`;
  }

  get open() {
    return this.sessions.filter((session) => !session.destroyed && !session.closed);
  }

  async close() {
    for (const session of this.sessions) session.destroy();
    this.server.close();
    if (this.failure) throw this.failure;
  }
}

export const startHttp2 = (options) => new Http2Upstream(options).start();
export { echo };

// ---- bare frames ----

export const TYPE = { DATA: 0, HEADERS: 1, PRIORITY: 2, RST_STREAM: 3, SETTINGS: 4, PUSH_PROMISE: 5, PING: 6, GOAWAY: 7, WINDOW_UPDATE: 8, CONTINUATION: 9 };
export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8 };

export function frame(type, flags, stream, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const u32 = (...values) => {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => out.writeUInt32BE(value, 4 * i));
  return out;
};

const string = (text) => {
  const data = Buffer.from(text, 'latin1');
  if (data.length < 127) return Buffer.concat([Buffer.from([data.length]), data]);
  const size = [127];
  let rest = data.length - 127;
  for (; rest >= 128; rest >>= 7) size.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...size, rest]), data]);
};

// Literal fields that no table holds (RFC 7541 section 6.2.2).
export const block = (fields) => Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), string(name), string(value)]));
export const headers = (stream, fields, flags = FLAG.END_HEADERS) => frame(TYPE.HEADERS, flags, stream, block(fields));
export const data = (stream, body, flags = 0) => frame(TYPE.DATA, flags, stream, Buffer.from(body, 'latin1'));
export const settings = (...pairs) => frame(TYPE.SETTINGS, 0, 0, Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), u32(value)]))));
export const ping = (ack = false) => frame(TYPE.PING, ack ? FLAG.ACK : 0, 0, Buffer.alloc(8));
export const goaway = (last, code = 0) => frame(TYPE.GOAWAY, 0, 0, u32(last, code));
export const reset = (stream, code) => frame(TYPE.RST_STREAM, 0, stream, u32(code));
export const windowUpdate = (stream, size) => frame(TYPE.WINDOW_UPDATE, 0, stream, u32(size));

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

// One connection, as its server sees it. `onRequest(connection, stream)` is called for each HEADERS.
class Frames {
  constructor(socket, server) {
    this.socket = socket;
    this.server = server;
    this.frames = [];
    this.buffer = Buffer.alloc(0);
    this.preface = false;
    socket.on('error', () => {});
    socket.on('data', (piece) => this.#take(piece));
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }
  #take(piece) {
    this.buffer = Buffer.concat([this.buffer, piece]);
    if (!this.preface) {
      if (this.buffer.length < PREFACE.length) return;
      this.preface = true;
      this.buffer = this.buffer.subarray(PREFACE.length);
      this.server.onPreface(this);
    }
    while (this.buffer.length >= 9) {
      const size = this.buffer.readUIntBE(0, 3);
      if (this.buffer.length < 9 + size) return;
      const [type, flags, stream] = [this.buffer[3], this.buffer[4], this.buffer.readUInt32BE(5)];
      const payload = this.buffer.subarray(9, 9 + size);
      this.buffer = this.buffer.subarray(9 + size);
      this.frames.push({ type, flags, stream, payload });
      if (this.server.automatic && type === TYPE.SETTINGS && !(flags & FLAG.ACK)) this.send(frame(TYPE.SETTINGS, FLAG.ACK, 0));
      if (this.server.automatic && type === TYPE.PING && !(flags & FLAG.ACK)) this.send(ping(true));
      if (type === TYPE.HEADERS && this.server.onRequest) this.server.onRequest(this, stream);
    }
  }
  send(...pieces) {
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve(false);
      this.socket.write(Buffer.concat(pieces), (error) => resolve(!error));
    });
  }
  // The first frame from `from` on that fits.
  frame(what, type, fits = () => true) {
    return until(what, () => this.frames.find((f) => f.type === type && fits(f)));
  }
}

export class FrameServer {
  constructor({ onRequest, onPreface, automatic = true } = {}) {
    this.automatic = automatic;
    this.connections = [];
    this.onPreface = onPreface ?? ((connection) => connection.send(settings()));
    this.onRequest = onRequest;
    this.server = net.createServer({ noDelay: true }, (socket) => this.connections.push(new Frames(socket, this)));
  }
  async start() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    return this;
  }
  get url() {
    return `h2c://127.0.0.1:${this.port}`;
  }
  close() {
    for (const connection of this.connections) connection.socket.destroy();
    this.server.close();
  }
}

export const startFrames = (options) => new FrameServer(options).start();
export const OK = [[':status', '200'], ['content-type', 'application/json']];
export const answer = (connection, stream, body = '{}') => connection.send(headers(stream, OK), data(stream, body, FLAG.END_STREAM));

// The usual stage with `upstream` in place of its own.
export const onStage = (upstream, { upstream: settings = {}, routes, ...config } = {}) => ({
  config: (stage) => ({
    workers: 1,
    overload: { queue_deadline: '60s' }, // crowds are what is tested, on machines with much else to do
    ...config,
    upstreams: {
      'order-service': {
        endpoints: [upstream.url],
        protocol: upstream.url.startsWith('https') ? 'h2' : undefined,
        tls: upstream.url.startsWith('https') ? { ca: stage.ca.certFile } : null,
        ...settings,
      },
    },
  }),
  routes,
});
