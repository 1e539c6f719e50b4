// Services that say whom they see: Node's own servers, nginx and OpenSSL's.
import { once } from 'node:events';
import http2 from 'node:http2';
import https from 'node:https';
import { lastingPort } from '../lib/listen.mjs';
import { HOST, OPEN } from '../lib/stage.mjs';
import { start, startNginx } from '../lib/proxy.mjs';

export const DOMAIN = 'mesh.example';
export const ORDERS = `spiffe://${DOMAIN}/ns/orders/sa/api`;
export const GATEWAY = `spiffe://${DOMAIN}/ns/edge/sa/gateway`;

// `clients`: the authority whose certificates it demands; none: it asks for none. `h2`: it speaks HTTP/2.
export class Peer {
  constructor({ own, clients, h2 = false, reject = true, versions = {} }) {
    this.seen = []; // of each request: whom it came from, by which connection
    this.sockets = []; // of each connection
    const options = { cert: own.cert, key: own.key, ...(clients ? { ca: clients.cert, requestCert: true, rejectUnauthorized: reject } : {}), ...versions };
    const answer = (request, response) => {
      const socket = request.stream?.session?.socket ?? request.socket;
      const seen = { url: request.url, names: socket.getPeerCertificate().subjectaltname ?? null, serial: socket.getPeerCertificate().serialNumber ?? null, connection: socket.index ?? request.stream?.session?.index, resumed: socket.isSessionReused() };
      this.seen.push(seen);
      response.setHeader('content-type', 'application/json');
      if (request.url.endsWith('/held')) return (this.held = response).write(' '); // ends when the test ends it
      return response.end(JSON.stringify(seen));
    };
    this.server = h2 ? http2.createSecureServer(options, answer) : https.createServer(options, answer);
    this.server.keepAliveTimeout = 60_000; // no connection ends by itself
    this.server.on('session', (session) => (session.index = session.socket.index));
    this.server.on('secureConnection', (socket) => {
      socket.index = this.sockets.push(socket) - 1;
      socket.on('error', () => {});
    });
    this.server.on('sessionError', () => {});
  }

  async start() {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = this.server.address().port;
    return this;
  }

  get url() {
    return `https://127.0.0.1:${this.port}`;
  }

  close() {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

export const startPeer = (options) => new Peer(options).start();

export const files = ({ certFile: cert, keyFile: key }) => ({ cert, key });

// A route to each service, by its name.
export const routesTo = (names) => Object.fromEntries(names.map((name) => [name, { ...OPEN, match: { host: HOST, path: `/${name}/**` }, upstream: name, timeout: '5s' }]));

// nginx that verifies clients, and says what it knows of one.
export async function startVerifyingNginx({ own, clients, verify = 'on' }) {
  const port = await lastingPort();
  const server = `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${own.certFile}; ssl_certificate_key ${own.keyFile};
    ssl_client_certificate ${clients.certFile}; ssl_verify_client ${verify}; keepalive_requests 1000;
    location / { default_type application/json; return 200 '{"verified":"$ssl_client_verify","subject":"$ssl_client_s_dn","serial":"$ssl_client_serial","resumed":"$ssl_session_reused"}'; } }`;
  const peer = await startNginx(server, { port, host: '127.0.0.1' });
  return { ...peer, url: `https://127.0.0.1:${port}` };
}

// OpenSSL's own server, which refuses a client's certificate by an alert. It answers with a page about the connection.
export async function startOpensslServer({ own, clients }) {
  const port = await lastingPort();
  const peer = await start('/usr/bin/openssl', ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', own.certFile, '-key', own.keyFile, '-CAfile', clients.certFile, '-Verify', '3', '-verify_return_error', '-www'], { port, host: '127.0.0.1' });
  return { ...peer, url: `https://127.0.0.1:${port}` };
}
