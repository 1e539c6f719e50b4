// Upstreams that speak HTTP/2: Node's own server, and one of bare frames for what no server would send.
import http2 from 'node:http2';
import net from 'node:net';
import { once } from 'node:events';
import { acknowledgement, data, FLAG, frameReader, headers, PREFACE, settings, TYPE } from '../lib/h2_frames.mjs';
import { listen } from '../lib/listen.mjs';
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
    this.port = await listen(this.server, port);
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

export { data, FLAG, frame, goaway, headers, hpack, ping, reset, settings, TYPE, windowUpdate } from '../lib/h2_frames.mjs';

// One connection, as its server sees it. `onRequest(connection, stream)` is called for each HEADERS.
class Frames {
  constructor(socket, server) {
    this.socket = socket;
    this.server = server;
    this.frames = [];
    let preface = PREFACE.length; // bytes of it still to come
    const read = frameReader((f) => this.#take(f));
    socket.on('error', () => {});
    socket.on('data', (piece) => {
      const of = Math.min(preface, piece.length);
      preface -= of;
      if (of > 0 && preface === 0) server.onPreface(this);
      read(piece.subarray(of));
    });
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }
  #take(f) {
    this.frames.push(f);
    const owed = this.server.automatic && acknowledgement(f);
    if (owed) this.send(owed);
    if (f.type === TYPE.HEADERS && this.server.onRequest) this.server.onRequest(this, f.id);
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
