// PROXY protocol headers, and the proxies that send them.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { lastingPort } from './listen.mjs';
import { tempDir } from './temp.mjs';
import { until, within } from './wait.mjs';

export const v1 = (client = '203.0.113.7', server = '198.51.100.2', family = client.includes(':') ? 'TCP6' : 'TCP4') => `PROXY ${family} ${client} ${server} 40000 443\r\n`;

export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

const crc32c = (bytes) => {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
};

export const tlv = (type, value) => {
  const data = Buffer.from(value);
  const head = Buffer.alloc(3, type);
  head.writeUInt16BE(data.length, 1);
  return Buffer.concat([head, data]);
};

// `command`: 0 is LOCAL. `family`: 0x11 with `client`'s four numbers, or any other with its own `block`.
export function v2({ command = 1, family = 0x11, client = '203.0.113.7', block, tlvs = [], checksum, length } = {}) {
  const v4 = Buffer.from([...client.split('.').map(Number), 198, 51, 100, 2, 0x9c, 0x40, 0x01, 0xbb]);
  const body = [block ?? (family === 0x11 ? v4 : Buffer.alloc(0)), ...tlvs, ...(checksum ? [tlv(3, Buffer.alloc(4))] : [])];
  const all = Buffer.concat([SIGNATURE, Buffer.from([0x20 | command, family, 0, 0]), ...body]);
  all.writeUInt16BE(length ?? all.length - 16, 14);
  if (checksum) all.writeUInt32BE((crc32c(all) ^ (checksum === 'wrong' ? 1 : 0)) >>> 0, all.length - 4);
  return all;
}

const find = (name) => [`/usr/sbin/${name}`, `/usr/local/sbin/${name}`, ...process.env.PATH.split(':').map((dir) => join(dir, name))].find(existsSync);
export const haproxy = find('haproxy');
export const nginx = find('nginx');
export const nghttpd = find('nghttpd');

const connects = (where) => new Promise((done) => {
  const socket = net.connect(where);
  socket.once('connect', () => done(true)).once('error', () => done(false));
  socket.once('connect', () => socket.destroy());
});

// A program that listens at `where`, once it does.
export async function start(program, args, where) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  const ended = new Promise((done) => child.once('exit', done));
  let over = false;
  ended.then(() => (over = true));
  await until(() => `${program} to listen; it said: ${said}`, async () => {
    if (over) throw new Error(`${program} ended: ${said}`);
    return connects(where);
  });
  return { where, close: () => (child.kill('SIGTERM'), within(10_000, `the end of ${program}`, ended)) };
}

// A TCP proxy (`mode`: or an HTTP one) from a port, or the Unix socket `bind`, to `server`: HAProxy's words for both.
export async function startHaproxy({ mode = 'tcp', bind, server }) {
  const dir = tempDir('haproxy');
  const port = bind ? null : await lastingPort();
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(file, `global
  maxconn 1000
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen it
  bind ${bind ?? `127.0.0.1:${port}`}
  server gateway ${server}
`);
  return start(haproxy, ['-db', '-f', file], bind ? { path: bind.replace(/^unix@/, '').split(' ')[0] } : { port, host: '127.0.0.1' });
}

// An nginx that passes connections or requests on: `body` stands in its http block.
export async function startNginx(body, where) {
  const dir = tempDir('nginx');
  const file = join(dir, 'nginx.conf');
  writeFileSync(file, `daemon off;
master_process off;
pid ${dir}/pid;
error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  ${body}
}
`);
  execFileSync(nginx, ['-t', '-q', '-e', 'stderr', '-p', dir, '-c', file], { stdio: 'pipe' });
  return start(nginx, ['-e', 'stderr', '-p', dir, '-c', file], where);
}
