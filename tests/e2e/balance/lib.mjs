// Services of several servers: who was asked how often.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { listen } from '../lib/listen.mjs';
import { HOST, OPEN } from '../lib/stage.mjs';
import { within } from '../lib/wait.mjs';

// Counts its requests, and answers as `behave` says: { status, fields, delay in ms }.
export class Server {
  constructor(name) {
    this.name = name;
    this.requests = 0;
    this.callers = [];
    this.status = 200;
    this.fields = {};
    this.delay = 0;
    this.hold = null; // a promise: nothing is answered before
    this.every = 0; // of so many requests one fails
    this.healthy = true;
    this.server = http.createServer((request, response) => {
      if (request.url === '/healthz') return response.writeHead(this.healthy ? 200 : 503).end();
      this.requests++;
      this.callers.push(request.headers['x-key'] ?? request.headers.cookie ?? '');
      if (this.every > 0 && this.requests % this.every === 0) return response.writeHead(503).end();
      const answer = () => response.writeHead(this.status, { 'content-type': 'application/json', ...this.fields }).end(JSON.stringify({ name: this.name }));
      if (this.hold) this.hold.then(answer);
      else if (this.delay > 0) setTimeout(answer, this.delay);
      else answer();
    });
    this.sockets = new Set();
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket));
    });
  }
  async start(port = 0) {
    this.port = await listen(this.server, port);
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }
  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

// Servers at one port, each at an address of its own.
export class HomedServer extends Server {
  async at(address, port) {
    this.port = await listen(this.server, port, address);
    this.address = address;
    return this;
  }
}

export const startServers = (count) => Promise.all(Array.from({ length: count }, (_, i) => new Server(String(i)).start()));

export const route = (upstream, more = {}) => ({ ...OPEN, match: { host: HOST, path: `/${upstream}/**` }, upstream, listeners: ['plain'], timeout: '2s', ...more });

// Every balance there is, by its name.
export const BALANCES = {
  round_robin: {},
  weighted: { balance: 'weighted' },
  least_requests: { balance: 'least_requests' },
  p2c: { balance: 'p2c' },
  hash: { balance: 'hash', hash_by: 'header:X-Key' },
};

// What `act` made of each server's count.
export async function counted(servers, act) {
  const before = servers.map((server) => server.requests);
  await act();
  return servers.map((server, i) => server.requests - before[i]);
}

// `count` requests, `width` at a time, and how often each status came. `make`: the parts of the i-th.
export async function ask(s, path, count, { width = 8, make = () => ({}) } = {}) {
  const statuses = {};
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const { fields, ...more } = await make(next++);
      const { status } = await s.request({ path, fields, plain: true, listener: 'plain', ...more });
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return statuses;
}

export const PLAIN = { plain: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } };

const PROGRAM = fileURLToPath(new URL('../faults/upstream_program.mjs', import.meta.url));
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

// A server that can be killed and frozen.
export async function startProcess() {
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  child.gone = new Promise((resolve) => child.once('exit', resolve));
  child.gone.then(() => running.delete(child));
  child.url = `http://127.0.0.1:${Number(await within(10_000, 'the server to listen', new Promise((resolve) => createInterface(child.stdout).once('line', resolve))))}`;
  child.end = async () => (child.kill('SIGKILL'), within(5_000, 'the server to end', child.gone));
  return child;
}

// `width` requests at a time, until stopped: how many were answered, and what became of the others, with when they began. `send`:
// resolves with what has a status.
export function underLoad(s, path, width, send = () => s.request({ path, plain: true, listener: 'plain' })) {
  const load = { answered: 0, failed: [], going: true };
  const worker = async () => {
    while (load.going) {
      const began = Date.now();
      const status = await send().then((response) => response.status, (error) => error.message);
      if (status === 200) load.answered++;
      else load.failed.push({ began, status });
    }
  };
  const all = Promise.all(Array.from({ length: width }, worker));
  load.stop = async () => ((load.going = false), await all, load);
  return load;
}
