// An external authorizer that does as it is told, and one that answers by bytes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { lastingPort, listen } from '../lib/listen.mjs';

// `decide(asked, response)`: answers a question, or returns [status, fields, body]. Sent fields are told in the order in which they
// came; `asked` is { method, url, fields, get(name), all(name) }.
export class Authorizer {
  static async start(decide = () => [200, {}]) {
    const authorizer = new Authorizer();
    authorizer.decide = decide;
    authorizer.asked = [];
    authorizer.sockets = new Set();
    authorizer.connections = 0;
    authorizer.server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => authorizer.#answer(request, response));
    authorizer.server.on('connection', (socket) => {
      authorizer.connections++;
      authorizer.sockets.add(socket);
      socket.on('error', () => {}).once('close', () => authorizer.sockets.delete(socket));
    });
    await authorizer.listen();
    return authorizer;
  }

  async listen(port = this.port) {
    this.port = await listen(this.server, port);
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async #answer(request, response) {
    const fields = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) fields.push([request.rawHeaders[i], request.rawHeaders[i + 1]]);
    const all = (name) => fields.filter(([n]) => n.toLowerCase() === name.toLowerCase()).map(([, v]) => v);
    let body = '';
    for await (const piece of request) body += piece;
    const asked = { method: request.method, url: request.url, fields, all, get: (name) => all(name)[0], body };
    this.asked.push(asked);
    const told = await this.decide(asked, response);
    if (!told) return;
    const [status, answer = {}, text = ''] = told;
    response.sendDate = false;
    response.writeHead(status, Array.isArray(answer) ? answer.flat() : answer);
    response.end(text);
  }

  // Nobody listens any more, and nothing that was open stays.
  async kill() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  async close() {
    if (this.server.listening) await this.kill();
  }
}

// Answers each question by these bytes, whatever they are; then ends the connection where `end`.
export async function startBytes(bytes, { end = false } = {}) {
  const sockets = new Set();
  const told = { bytes, end, questions: 0 };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      text = '';
      told.questions++;
      if (told.end) socket.end(Buffer.from(told.bytes, 'latin1'));
      else socket.write(Buffer.from(told.bytes, 'latin1'));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  told.url = `http://127.0.0.1:${server.address().port}`;
  told.close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return told;
}

// A process of its own, which can be frozen and killed: says yes, and who.
export async function startProcess() {
  const program = `
    const server = require('node:http').createServer((request, response) => response.writeHead(200, { 'X-User': 'alice' }).end());
    server.keepAliveTimeout = 60000;
    server.listen(Number(process.argv[1]), '127.0.0.1', () => console.log('ready'));`;
  const port = await lastingPort();
  const start = async () => {
    const child = spawn(process.execPath, ['-e', program, `${port}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    return child;
  };
  let child = await start();
  return {
    url: `http://127.0.0.1:${port}`,
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    kill: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
    restart: async () => (child = await start()),
    close: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
