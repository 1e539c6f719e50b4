// A name server (RFC 1035) on loopback: what it answers is said by name and type; it can fall silent, fail and lie.
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';

const TYPES = { A: 1, AAAA: 28, SRV: 33 };
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
};

export class NameServer {
  constructor() {
    this.records = {}; // name → { A: [...], AAAA: [...], SRV: [...] }, or a response code
    this.silent = false;
    this.code = 0; // of every answer
    this.questions = [];
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
    this.questions.push({ name, type });
    if (this.silent) return null;
    const known = this.records[name] ?? NXDOMAIN;
    const code = this.code || (typeof known === 'number' ? known : 0);
    const found = code === 0 ? (known[type] ?? []) : [];
    const head = Buffer.alloc(12);
    packet.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8580 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(found.length, 6);
    const answers = found.map((value) => {
      const body = data[type](value);
      const fixed = Buffer.alloc(12);
      fixed.writeUInt16BE(0xc00c, 0);
      fixed.writeUInt16BE(TYPES[type], 2);
      fixed.writeUInt16BE(1, 4);
      fixed.writeUInt16BE(body.length, 10);
      return Buffer.concat([fixed, body]);
    });
    return Buffer.concat([head, packet.subarray(12, end + 4), ...answers]);
  }
  close() {
    this.udp.close();
    this.tcp.close();
    for (const socket of this.sockets) socket.destroy();
  }
}
export const startNameServer = () => new NameServer().start();
