// HTTP/2 from both ends of the scale: honest clients over node:http2, and one that writes frames, whatever they are.
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { acknowledgement, CODE, data, FLAG, frame, frameReader, hpack, ping, PREFACE, reset, settings as settingsFrame, TYPE, windowUpdate } from './h2_frames.mjs';
import { within } from './wait.mjs';

export { CODE, FLAG, frame, hpack, TYPE } from './h2_frames.mjs';

// What our encoder writes for :status, where the static table has it.
const STATUS = { 0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500 };

export const GET = (path = '/open/x', host = 'api.example.com', method = 'GET') => [[':method', method], [':scheme', 'https'], [':authority', host], [':path', path]];

export class FrameClient {
  static async connect(stage, { listener = 'public', plain = false, settings = [], tls: over = {} } = {}) {
    const client = new FrameClient();
    const port = stage.gateway.ports[listener];
    client.plain = net.connect({ port, host: '127.0.0.1', noDelay: true });
    client.plain.on('error', () => {});
    client.socket = plain ? client.plain : tls.connect({ socket: client.plain, ...stage.tls({ ALPNProtocols: ['h2'], ...over }) });
    client.frames = [];
    client.waiting = [];
    client.closed = false;
    client.socket.on('data', frameReader((f) => client.#take(f)));
    client.socket.on('error', (error) => (client.error = error));
    client.socket.on('close', () => {
      client.closed = true;
      client.#wake();
    });
    await within(15_000, 'an HTTP/2 connection', new Promise((resolve, reject) => {
      client.socket.once(plain ? 'connect' : 'secureConnect', resolve);
      client.socket.once('close', () => reject(new Error('closed before it was connected')));
    }));
    client.send(Buffer.concat([PREFACE, settingsFrame(...settings)]));
    return client;
  }

  #take(f) {
    if (f.type === TYPE.HEADERS) f.status = STATUS[f.payload[0]];
    if (f.type === TYPE.RST_STREAM) f.code = f.payload.readUInt32BE(0);
    if (f.type === TYPE.GOAWAY) [f.last, f.code] = [f.payload.readUInt32BE(0), f.payload.readUInt32BE(4)];
    const owed = acknowledgement(f);
    if (owed && !(this.deaf && f.type === TYPE.PING)) this.send(owed);
    this.frames.push(f);
    this.#wake();
  }

  #wake() {
    for (const wake of this.waiting.splice(0)) wake();
  }

  send(bytes) {
    if (this.socket.destroyed) return false;
    return this.socket.write(bytes);
  }

  // As much as the socket takes, and on when it has.
  async flood(bytes, times) {
    for (let i = 0; i < times && !this.closed; i++) {
      if (!this.send(bytes)) await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), new Promise((resolve) => this.socket.once('close', resolve))]);
    }
  }

  headers(id, fields, { end = true, flags = FLAG.END_HEADERS, indexed } = {}) {
    return this.send(frame(TYPE.HEADERS, flags | (end ? FLAG.END_STREAM : 0), id, Buffer.isBuffer(fields) ? fields : hpack(fields, { indexed })));
  }
  data(id, payload, { end = false } = {}) {
    return this.send(data(id, payload, end ? FLAG.END_STREAM : 0));
  }
  reset(id, code = CODE.CANCEL) {
    return this.send(reset(id, code));
  }
  window(id, size) {
    return this.send(windowUpdate(id, size));
  }

  // The first frame that fits; null where the connection closes without one.
  async frame(what, fits, ms = 10_000) {
    return within(ms, what, (async () => {
      for (;;) {
        const found = this.frames.find(fits);
        if (found) return found;
        if (this.closed) return null;
        await new Promise((resolve) => this.waiting.push(resolve));
      }
    })());
  }
  rst(id, ms) {
    return this.frame(`RST_STREAM of stream ${id}`, (f) => f.type === TYPE.RST_STREAM && f.id === id, ms);
  }
  goaway(ms) {
    return this.frame('GOAWAY', (f) => f.type === TYPE.GOAWAY && f.code !== CODE.NO_ERROR, ms);
  }
  // The end of stream `id`: its last frame.
  end(id, ms) {
    return this.frame(`the end of stream ${id}`, (f) => f.id === id && (f.type === TYPE.RST_STREAM || ((f.type === TYPE.DATA || f.type === TYPE.HEADERS) && f.flags & FLAG.END_STREAM)), ms);
  }
  status(id) {
    return this.frames.find((f) => f.type === TYPE.HEADERS && f.id === id)?.status;
  }
  // A round trip: all that was sent before has been looked at.
  async ping() {
    const payload = Buffer.from(String(Math.random()).slice(2, 10).padEnd(8, '0'));
    this.send(ping(payload));
    return this.frame('PING back', (f) => f.type === TYPE.PING && f.flags & FLAG.ACK && f.payload.equals(payload));
  }
  ended(ms = 10_000) {
    return within(ms, 'the end of the connection', new Promise((resolve) => (this.closed ? resolve() : this.socket.once('close', resolve))));
  }
  destroy() {
    this.socket.destroy();
    this.plain.destroy();
  }
}

// An honest session.
export class Session {
  static async connect(stage, { listener = 'public', plain = false, tls: over = {}, ...options } = {}) {
    const session = new Session();
    const port = stage.gateway.ports[listener];
    session.goaways = [];
    session.h2 = http2.connect(`${plain ? 'http' : 'https'}://127.0.0.1:${port}`, { ...(plain ? {} : stage.tls(over)), ...options });
    session.h2.on('error', (error) => (session.error = error));
    session.h2.on('goaway', (code, last) => session.goaways.push({ code, last }));
    session.closing = new Promise((resolve) => session.h2.once('close', resolve));
    await within(15_000, 'an HTTP/2 session', new Promise((resolve, reject) => {
      session.h2.once('connect', resolve);
      session.h2.once('close', () => reject(session.error ?? new Error('closed before it was connected')));
    }));
    return session;
  }

  // A stream with what came on it so far.
  open({ method = 'GET', path = '/open/x', host = 'api.example.com', fields = {}, end = true, ...options } = {}) {
    const request = this.h2.request({ ':method': method, ':path': path, ':authority': host, ...fields }, { endStream: end, ...options });
    const seen = { request, informational: [], chunks: [], trailers: null };
    request.on('headers', (headers) => seen.informational.push(headers));
    request.on('trailers', (trailers) => (seen.trailers = trailers));
    seen.response = new Promise((resolve, reject) => {
      request.once('response', (headers) => {
        seen.headers = headers;
        seen.status = headers[':status'];
        resolve(headers);
      });
      request.once('error', reject);
      request.once('close', () => reject(new Error(`stream closed without an answer, code ${request.rstCode}`)));
    });
    seen.response.catch(() => {});
    request.on('error', (error) => (seen.error = error));
    // Node keeps a stream open whose answer came whole before its request went out whole.
    seen.closed = new Promise((resolve) => request.once('end', resolve).once('close', resolve));
    return seen;
  }

  // One request and its whole answer.
  async request({ body, trailers, ...parts } = {}) {
    const seen = this.open({ ...parts, end: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined });
    if (trailers !== undefined) seen.request.once('wantTrailers', () => seen.request.sendTrailers(trailers));
    if (body !== undefined || trailers !== undefined) seen.request.end(body);
    seen.request.on('data', (chunk) => seen.chunks.push(chunk));
    await within(20_000, 'the answer', seen.response);
    await within(20_000, 'the answer\'s end', seen.closed);
    if (seen.error) throw seen.error;
    seen.body = Buffer.concat(seen.chunks);
    seen.text = seen.body.toString('utf8');
    seen.json = () => JSON.parse(seen.text);
    seen.fields = { get: (name) => seen.headers[name], all: (name) => [seen.headers[name] ?? []].flat() };
    return seen;
  }

  close() {
    return new Promise((resolve) => (this.h2.destroyed ? resolve() : this.h2.close(resolve)));
  }
  destroy() {
    this.h2.destroy();
  }
}

// One honest request on a session of its own, in the manner of stage.request.
export async function requestH2(stage, { listener, plain, tls: over, ...parts } = {}) {
  const session = await Session.connect(stage, { listener, plain, tls: over });
  try {
    return await session.request(parts);
  } finally {
    session.destroy();
  }
}
