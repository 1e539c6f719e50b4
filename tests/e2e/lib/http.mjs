// A strict HTTP/1.1 message reader, for both sides. It refuses what the RFC refuses: a test reads exactly what was sent.
import { deadline } from './wait.mjs';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export class ProtocolError extends Error {}

const fail = (text) => {
  throw new ProtocolError(text);
};

// Pulls bytes from a socket, so that not reading is back-pressure.
export class ByteReader {
  constructor(socket, { onBytes } = {}) {
    this.socket = socket;
    this.buffer = Buffer.alloc(0);
    this.ended = false;
    this.error = null;
    this.onBytes = onBytes;
    this.wake = () => {};
    const wake = () => this.wake();
    socket.on('readable', wake);
    socket.on('end', () => ((this.ended = true), wake()));
    socket.on('close', () => ((this.ended = true), wake()));
    socket.on('error', (error) => ((this.error = error), (this.ended = true), wake()));
  }

  // More bytes into the buffer; false at the end of the stream.
  async fill(what = 'more bytes', ms = 15_000) {
    const end = Date.now() + deadline(ms);
    for (;;) {
      const chunk = this.socket.read();
      if (chunk !== null && chunk.length > 0) {
        this.onBytes?.(chunk);
        this.buffer = this.buffer.length > 0 ? Buffer.concat([this.buffer, chunk]) : chunk;
        return true;
      }
      if (this.ended) return false;
      const left = end - Date.now();
      if (left <= 0) throw new Error(`no ${what} within ${deadline(ms)} ms; so far ${JSON.stringify(this.buffer.toString('latin1').slice(0, 400))}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wake = () => (clearTimeout(timer), resolve());
      });
      this.wake = () => {};
    }
  }

  take(size) {
    const taken = this.buffer.subarray(0, size);
    this.buffer = this.buffer.subarray(size);
    return taken;
  }

  async exactly(size, what) {
    while (this.buffer.length < size) {
      if (!(await this.fill(what))) fail(`closed within ${what}: ${this.buffer.length} of ${size} bytes`);
    }
    return this.take(size);
  }

  // One line without its CRLF. null where the stream ended before any byte of it.
  async line(what, ms) {
    for (;;) {
      const at = this.buffer.indexOf(0x0a);
      if (at >= 0) {
        const line = this.take(at + 1).subarray(0, at);
        if (line.length === 0 || line[line.length - 1] !== 0x0d) fail(`bare LF in ${what}`);
        const text = line.subarray(0, line.length - 1).toString('latin1');
        if (/[\0\r]/.test(text)) fail(`control character in ${what}`);
        return text;
      }
      if (!(await this.fill(what, ms))) {
        if (this.buffer.length === 0) return null;
        fail(`closed within ${what}: ${JSON.stringify(this.buffer.toString('latin1').slice(0, 200))}`);
      }
    }
  }

  async fields(what) {
    const list = [];
    for (;;) {
      const line = await this.line(what);
      if (line === null) fail(`closed within ${what}`);
      if (line === '') return new Fields(list);
      const colon = line.indexOf(':');
      if (colon < 0) fail(`no colon in ${what}: ${JSON.stringify(line)}`);
      const name = line.slice(0, colon);
      if (!TOKEN.test(name)) fail(`field name in ${what}: ${JSON.stringify(name)}`);
      list.push([name, line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')]);
    }
  }
}

export class Fields {
  constructor(list) {
    this.list = list;
  }
  all(name) {
    return this.list.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, v]) => v);
  }
  // The one value; undefined where there is none; two are a failure of the test.
  get(name) {
    const values = this.all(name);
    if (values.length > 1) throw new Error(`field ${name} came ${values.length} times: ${JSON.stringify(values)}`);
    return values[0];
  }
  has(name) {
    return this.all(name).length > 0;
  }
  names() {
    return this.list.map(([n]) => n.toLowerCase());
  }
}

function framing(fields, { response, status, method }) {
  const lengths = fields.all('content-length');
  const codings = fields.all('transfer-encoding');
  if (lengths.length > 1) fail(`${lengths.length} Content-Length fields`);
  if (lengths.length > 0 && codings.length > 0) fail('Content-Length with Transfer-Encoding');
  if (codings.length > 1 || (codings.length === 1 && codings[0] !== 'chunked')) fail(`Transfer-Encoding ${codings}`);
  if (lengths.length === 1 && !/^[0-9]{1,18}$/.test(lengths[0])) fail(`Content-Length ${lengths[0]}`);
  if (response && (status < 200 || status === 204) && (lengths.length > 0 || codings.length > 0)) {
    fail(`framing on a ${status}`);
  }
  if (response && (method === 'HEAD' || status < 200 || status === 204 || status === 304)) return { kind: 'none' };
  if (codings.length === 1) return { kind: 'chunked' };
  if (lengths.length === 1) return { kind: 'length', size: Number(lengths[0]) };
  return { kind: response ? 'close' : 'none' };
}

// Yields the body piece by piece; sets `message.trailers`.
async function* bodyPieces(reader, message) {
  const { kind, size } = message.framing;
  if (kind === 'length') {
    let left = size;
    while (left > 0) {
      if (reader.buffer.length === 0 && !(await reader.fill('body'))) fail(`closed within a body, ${left} bytes short`);
      const piece = reader.take(Math.min(left, reader.buffer.length));
      left -= piece.length;
      yield piece;
    }
  } else if (kind === 'chunked') {
    for (;;) {
      const line = await reader.line('chunk size');
      if (line === null) fail('closed within a chunked body');
      if (!/^[0-9A-Fa-f]{1,15}$/.test(line)) fail(`chunk size ${JSON.stringify(line)}`);
      let left = parseInt(line, 16);
      if (left === 0) break;
      while (left > 0) {
        if (reader.buffer.length === 0 && !(await reader.fill('chunk'))) fail('closed within a chunk');
        const piece = reader.take(Math.min(left, reader.buffer.length));
        left -= piece.length;
        yield piece;
      }
      if ((await reader.exactly(2, 'the end of a chunk')).toString('latin1') !== '\r\n') fail('chunk data without CRLF');
    }
    message.trailers = await reader.fields('trailers');
  } else if (kind === 'close') {
    for (;;) {
      if (reader.buffer.length === 0 && !(await reader.fill('body'))) break;
      yield reader.take(reader.buffer.length);
    }
    if (reader.error) fail(`reset within a close-delimited body: ${reader.error.code}`);
  }
}

class Message {
  constructor(reader, head) {
    Object.assign(this, head);
    this.trailers = new Fields([]);
    this.pieces = bodyPieces(reader, this);
  }
  async read() {
    if (this.broken) throw this.broken; // a generator that has thrown would look like one that has ended
    const parts = [];
    try {
      for await (const piece of this.pieces) parts.push(piece);
    } catch (error) {
      this.broken = error;
      throw error;
    }
    this.body = Buffer.concat(parts);
    return this;
  }
  // Reads the body without keeping it; returns its size.
  async skip() {
    let size = 0;
    for await (const piece of this.pieces) size += piece.length;
    return size;
  }
  get text() {
    return this.body.toString('utf8');
  }
  json() {
    return JSON.parse(this.text);
  }
}

// The next request's head, or null where the connection ended.
export async function readRequest(reader, ms) {
  const line = await reader.line('request line', ms);
  if (line === null) return null;
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) HTTP\/1\.([01])$/.exec(line);
  if (!match) fail(`request line ${JSON.stringify(line)}`);
  const fields = await reader.fields('request head');
  if (fields.all('host').length !== 1) fail(`${fields.all('host').length} Host fields`);
  return new Message(reader, {
    method: match[1], target: match[2], version: `1.${match[3]}`, fields, framing: framing(fields, { response: false }),
  });
}

// The next final response's head, with the informational ones before it; null where the connection ended first.
export async function readResponse(reader, { method = 'GET', ms, informational = [] } = {}) {
  for (;;) {
    const line = await reader.line('status line', ms);
    if (line === null) return null;
    const match = /^HTTP\/1\.([01]) ([1-5][0-9][0-9]) ([\t -~\x80-\xff]*)$/.exec(line);
    if (!match) fail(`status line ${JSON.stringify(line)}`);
    const status = Number(match[2]);
    const fields = await reader.fields('response head');
    const head = { status, version: `1.${match[1]}`, reason: match[3], fields, framing: framing(fields, { response: true, status, method }) };
    if (status >= 200 || status === 101) return new Message(reader, { ...head, informational });
    informational.push(head);
  }
}
