// What stays open: WebSockets on HTTP/2 streams and streams of gRPC, by clients and servers that many use.
import grpc from '@grpc/grpc-js';
import { once } from 'node:events';
import http2 from 'node:http2';
import { WebSocket } from 'ws';
import { authority } from './pki.mjs';
import { HOST, originCertificate } from './stage.mjs';
import { closed } from './websocket.mjs';
import { within } from './wait.mjs';

// ---- WebSockets over HTTP/2 (RFC 8441)

// A session that may open them: its SETTINGS have come.
export async function connectSession(stage, { listener = 'public', plain = false } = {}) {
  const port = stage.gateway.ports[listener];
  const session = http2.connect(`${plain ? 'http' : 'https'}://127.0.0.1:${port}`, plain ? {} : { ca: authority().cert, servername: HOST, ALPNProtocols: ['h2'] });
  session.goaways = [];
  session.on('goaway', (code, last) => session.goaways.push({ code, last }));
  session.on('error', (error) => (session.failure = error));
  session.closing = new Promise((resolve) => session.once('close', resolve));
  if (!session.remoteSettings?.enableConnectProtocol) await within(20_000, 'SETTINGS', once(session, 'remoteSettings'));
  return session;
}

// The answer to an extended CONNECT: { stream, status, head }; status undefined where the stream ended without one.
export async function connectStream(session, { path = '/ws', fields = {}, end = false } = {}) {
  const stream = session.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': session.encrypted ? 'https' : 'http', ':authority': HOST, ':path': path, 'sec-websocket-version': '13', ...fields,
  }, { endStream: end });
  stream.on('error', (error) => (stream.failure = error));
  const [head] = await within(20_000, 'an answer', Promise.race([once(stream, 'response').catch(() => [null]), once(stream, 'close').then(() => [null])]));
  return { stream, head, status: head?.[':status'] };
}

// A WebSocket of `ws` on such a stream.
export async function openOnSession(session, options) {
  const { stream, status } = await connectStream(session, options);
  if (status !== 200) throw new Error(`the WebSocket did not open: ${status} ${stream.failure ?? ''}`);
  const socket = new WebSocket(null, undefined, {});
  socket._isServer = false; // its frames are a client's
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 1 << 27, skipUTF8Validation: false });
  socket.closing = closed(socket);
  socket.stream = stream;
  return socket;
}

// Sends a text and waits for its echo.
export async function echoes(socket, text, ms = 20_000) {
  const answer = once(socket, 'message');
  answer.catch(() => {});
  socket.send(text);
  const [data] = await within(ms, `the echo of ${text}`, answer);
  if (data.toString() !== text) throw new Error(`${data} for ${text}`);
}

// ---- gRPC

const text = { serialize: (value) => Buffer.from(value), deserialize: (bytes) => bytes.toString() };
export const method = (name, requestStream, responseStream, service = 'test.Echo') => ({
  path: `/${service}/${name}`, requestStream, responseStream,
  requestSerialize: text.serialize, requestDeserialize: text.deserialize, responseSerialize: text.serialize, responseDeserialize: text.deserialize,
});
const CHAT = method('Chat', true, true);

// A server whose Chat echoes; `open` counts the calls that it has.
export async function startGrpcEcho() {
  const server = new grpc.Server();
  const echo = { url: null, open: 0, close: () => server.forceShutdown() };
  server.addService({ chat: CHAT }, {
    chat: (call) => {
      echo.open++;
      call.on('data', (part) => call.write(part));
      call.on('end', () => call.end());
      call.on('close', () => echo.open--);
      call.on('error', () => {});
    },
  });
  const { cert, key } = originCertificate();
  const credentials = grpc.ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }]);
  const port = await new Promise((resolve, reject) => server.bindAsync('127.0.0.1:0', credentials, (error, value) => (error ? reject(error) : resolve(value))));
  echo.url = `https://127.0.0.1:${port}`;
  return echo;
}

// A channel with a connection of its own.
export const grpcChannel = (stage, { listener = 'public' } = {}) =>
  new grpc.Client(`127.0.0.1:${stage.gateway.ports[listener]}`, grpc.credentials.createSsl(Buffer.from(authority().cert)), {
    'grpc.ssl_target_name_override': HOST, 'grpc.default_authority': HOST, 'grpc.enable_retries': 0, 'grpc.use_local_subchannel_pool': 1,
  });

// A stream both ways: echoes(text) as above; `ending` resolves with its status.
export function openChat(client, { token } = {}) {
  const metadata = new grpc.Metadata();
  if (token) metadata.set('authorization', `Bearer ${token}`);
  const call = client.makeBidiStreamRequest(CHAT.path, text.serialize, text.deserialize, metadata);
  const waiting = [];
  call.on('data', (part) => waiting.shift()?.(part));
  call.on('error', () => {});
  call.ending = new Promise((resolve) => call.once('status', resolve));
  call.echoes = async (part, ms = 20_000) => {
    const answer = new Promise((resolve) => waiting.push(resolve));
    call.write(part);
    const ended = call.ending.then(({ code, details }) => Promise.reject(new Error(`the stream ended: ${code} ${details}`)));
    ended.catch(() => {});
    const got = await within(ms, `the echo of ${part}`, Promise.race([answer, ended]));
    if (got !== part) throw new Error(`${got} for ${part}`);
  };
  return call;
}
