// A client that sends bytes, whatever they are, and reads answers strictly.
import { execFile } from 'node:child_process';
import net from 'node:net';
import tls from 'node:tls';
import { ByteReader, readResponse } from './http.mjs';
import { within } from './wait.mjs';

export const bytes = (data) => (Buffer.isBuffer(data) ? data : Buffer.from(data, 'latin1'));

// RST instead of FIN. A TLS socket whose transport goes first does not tell that it is closed (Node 18): it is told for it.
export function resetBeneath(plain, socket) {
  plain.resetAndDestroy();
  if (socket === plain) return;
  socket.destroy();
  setImmediate(() => socket.emit('close'));
}

export class RawClient {
  // `tls`: options of tls.connect, or null for plaintext. `preface`: bytes before anything else. `socket`: the path of a Unix
  // socket, instead of a port.
  static async connect({ port, host = '127.0.0.1', socket: path, tls: options = null, localAddress, preface, allowHalfOpen,
    what = 'connection' }) {
    const client = new RawClient();
    const event = options ? 'secureConnect' : 'connect';
    const plain = net.connect(path ? { path, allowHalfOpen } : { port, host, localAddress, allowHalfOpen, noDelay: true });
    plain.on('error', () => {}); // the socket above it tells
    if (preface) plain.write(bytes(preface));
    const socket = options ? tls.connect({ socket: plain, ALPNProtocols: ['http/1.1'], ...options }) : plain;
    client.plain = plain;
    client.socket = socket;
    socket.on('session', (session) => (client.session = session));
    client.closing = new Promise((resolve) => socket.once('close', resolve));
    await within(15_000, what, new Promise((resolve, reject) => {
      socket.once(event, resolve);
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed before it was connected')));
    }));
    client.reader = new ByteReader(socket);
    return client;
  }

  // Resolves when the bytes are with the kernel; a peer that closed is no error here, reading shows it.
  send(data) {
    return new Promise((resolve) => {
      if (this.socket.destroyed || this.socket.writableEnded) return resolve(false);
      this.socket.write(bytes(data), (error) => resolve(!error));
    });
  }

  // Every `size` bytes as a write of their own.
  async sendSplit(data, size = 1) {
    const all = bytes(data);
    for (let at = 0; at < all.length; at += size) {
      if (!(await this.send(all.subarray(at, at + size)))) return false;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return true;
  }

  // The head only: read its body with .read(), .skip() or .pieces.
  async head(options = {}) {
    const response = await readResponse(this.reader, options);
    if (response === null) {
      throw new Error(`closed without an answer${this.reader.error ? ` (${this.reader.error.code})` : ''}`);
    }
    return response;
  }

  async response(options = {}) {
    return (await this.head(options)).read();
  }

  // Everything up to the end of the connection.
  async rest(ms) {
    while (await this.reader.fill('the end of the connection', ms));
    return this.reader.take(this.reader.buffer.length);
  }

  // Waits for the end, which must bring no further byte; true where it was a reset.
  async ended(ms = 15_000) {
    const rest = await this.rest(ms);
    if (rest.length > 0) throw new Error(`unexpected bytes: ${JSON.stringify(rest.toString('latin1').slice(0, 300))}`);
    return this.reader.error !== null;
  }

  end() {
    this.socket.end();
  }

  destroy() {
    this.socket.destroy();
  }

  reset() {
    resetBeneath(this.plain, this.socket);
  }
}

// The text of a request. `fields` are written as they are, after Host and Authorization.
export function requestText({ method = 'GET', path = '/', host = 'api.example.com', token, fields = [], body, version = '1.1' }) {
  const lines = [`${method} ${path} HTTP/${version}`];
  if (host !== null) lines.push(`Host: ${host}`);
  if (token) lines.push(`Authorization: Bearer ${token}`);
  for (const [name, value] of fields) lines.push(`${name}: ${value}`);
  const payload = body === undefined ? null : Buffer.isBuffer(body) ? body : Buffer.from(body, 'utf8');
  const framed = fields.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  if (payload && !framed) lines.push(`Content-Length: ${payload.length}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return payload ? Buffer.concat([head, payload]) : head;
}

export const chunked = (...pieces) =>
  Buffer.concat([
    ...pieces.filter((p) => p.length > 0).map((p) => Buffer.concat([bytes(`${bytes(p).length.toString(16)}\r\n`), bytes(p), bytes('\r\n')])),
    bytes('0\r\n\r\n'),
  ]);

// curl, with what it printed. `--noproxy` and an empty configuration keep the user's settings out.
export function curl(args, { ms = 20_000 } = {}) {
  return within(ms, `curl ${args.join(' ')}`, new Promise((resolve) => {
    execFile('curl', ['-q', '--silent', '--show-error', '--noproxy', '*', ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }));
  }));
}
