// A name server (RFC 1035) on loopback: what it answers is said by name and type; it can fall silent, fail and lie.
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';

const TYPES = { A: 1, CNAME: 5, AAAA: 28, SRV: 33 };
const NAMES = Object.fromEntries(Object.entries(TYPES).map(([name, type]) => [type, name]));
export const NXDOMAIN = 3;
export const SERVFAIL = 2;
const UDP_MAX = 512;

const encodeName = (name) => Buffer.concat([...name.split('.').filter(Boolean).map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')])), Buffer.from([0])]);

function decodeName(packet, at) {
  const labels = [];
  for (; packet[at] !== 0; at += packet[at] + 1) labels.push(packet.toString('latin1', at + 1, at + 1 + packet[at]));
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

const data = {
  A: (address) => Buffer.from(address.split('.').map(Number)),
  AAAA: (words) => Buffer.from(words.flatMap((word) => [word >> 8, word & 255])),
  SRV: ({ priority = 0, weight = 0, port, target }) => {
    const numbers = Buffer.alloc(6);
    [priority, weight, port].forEach((number, i) => numbers.writeUInt16BE(number, i * 2));
    return Buffer.concat([numbers, encodeName(target)]);
  },
  CNAME: encodeName,
};

function encodeRecord({ owner, type, value, ttl }) {
  const body = data[type](value);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(TYPES[type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(body.length, 8);
  return Buffer.concat([owner, fixed, body]);
}

export class NameServer {
  constructor() {
    this.records = {}; // name → { A: [...], AAAA: [...], SRV: [...], CNAME: [name], ttl: 0 }, or a response code
    this.silent = false;
    this.code = 0; // of every answer
    this.questions = []; // { name, type, id, at: ms }; one that is repeated has its id again
  }
  async start() {
    this.udp = dgram.createSocket('udp4');
    this.udp.on('message', (packet, peer) => {
      const answer = this.#answer(packet);
      if (answer === null) return;
      this.udp.send(answer.length > UDP_MAX ? this.#truncated(answer) : answer, peer.port, peer.address);
    });
    this.sockets = new Set();
    this.tcp = net.createServer((socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
      let bytes = Buffer.alloc(0);
      socket.on('data', (more) => {
        bytes = Buffer.concat([bytes, more]);
        while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
          const size = bytes.readUInt16BE(0);
          const answer = this.#answer(bytes.subarray(2, 2 + size));
          bytes = bytes.subarray(2 + size);
          if (answer !== null) socket.write(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 255]), answer]));
        }
      });
    });
    // One port that is free for both.
    for (this.port = 0; this.port === 0; ) {
      this.tcp.listen(0, '127.0.0.1');
      await once(this.tcp, 'listening');
      const { port } = this.tcp.address();
      this.udp.bind(port, '127.0.0.1');
      this.port = await once(this.udp, 'listening').then(
        () => port,
        () => 0,
      );
      if (this.port === 0) await new Promise((resolve) => this.tcp.close(resolve));
    }
    this.address = `127.0.0.1:${this.port}`;
    return this;
  }
  #truncated(answer) {
    const cut = Buffer.from(answer.subarray(0, decodeName(answer, 12).end + 4));
    cut[2] |= 2;
    cut.writeUInt16BE(0, 6);
    return cut;
  }
  #answer(packet) {
    const { name, end } = decodeName(packet, 12);
    const type = NAMES[packet.readUInt16BE(end)];
    this.questions.push({ name, type, id: packet.readUInt16BE(0), at: performance.now() });
    if (this.silent) return null;
    const known = this.records[name] ?? NXDOMAIN;
    const code = this.code || (typeof known === 'number' ? known : 0);
    const answers = code === 0 ? this.#find(known, type, Buffer.from([0xc0, 12])) : [];
    const head = Buffer.alloc(12);
    packet.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8580 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    return Buffer.concat([head, packet.subarray(12, end + 4), ...answers.map(encodeRecord)]);
  }
  // An alias, and what it stands for.
  #find(known, type, owner) {
    const record = (type) => (value) => ({ owner, type, value, ttl: known.ttl ?? 0 });
    const alias = known.CNAME?.[0];
    if (alias === undefined) return (known[type] ?? []).map(record(type));
    return [record('CNAME')(alias), ...this.#find(this.records[alias], type, encodeName(alias))];
  }
  close() {
    this.udp.close();
    this.tcp.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
export const startNameServer = () => new NameServer().start();
