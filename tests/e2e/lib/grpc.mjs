// gRPC from both ends: @grpc/grpc-js as client and server, and a service over node:http2 that does as it is told and keeps no deadline.
import http2 from 'node:http2';
import grpc from '@grpc/grpc-js';
import { authority } from './pki.mjs';
import { HOST, originCertificate } from './stage.mjs';
import { until } from './wait.mjs';

export const { status: STATUS } = grpc;

export const text = { serialize: (value) => Buffer.from(value), deserialize: (bytes) => bytes.toString() };
export const method = (name, requestStream, responseStream, service = 'test.Echo') => ({
  path: `/${service}/${name}`, requestStream, responseStream,
  requestSerialize: text.serialize, requestDeserialize: text.deserialize, responseSerialize: text.serialize, responseDeserialize: text.deserialize,
});

export const metadataOf = (fields) => {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
  return metadata;
};

// services: [methods, handlers] of each.
export async function startServer(...services) {
  const origin = originCertificate();
  const server = new grpc.Server();
  for (const [methods, handlers] of services) server.addService(methods, handlers);
  server.port = await new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(origin.cert), private_key: Buffer.from(origin.key) }]);
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
  return server;
}

// A message as gRPC frames it.
export const message = (value) => {
  const body = Buffer.from(value);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
};

// `answer(stream, headers, call)` for each call; `calls` has what came: headers, and how its stream ended (rstCode).
export async function startRawService(answer) {
  const origin = originCertificate();
  const server = http2.createSecureServer({ cert: origin.cert, key: origin.key });
  const service = { calls: [], sessions: new Set() };
  server.on('session', (session) => service.sessions.add(session.on('error', () => {}).on('close', () => service.sessions.delete(session))));
  server.on('stream', (stream, headers) => {
    const call = { headers, stream, closed: false };
    service.calls.push(call);
    stream.on('error', () => {}).on('close', () => Object.assign(call, { closed: true, rstCode: stream.rstCode })).resume();
    answer(stream, headers, call);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  service.port = server.address().port;
  service.close = () => {
    for (const session of service.sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return service;
}

export const connectClient = (stage) =>
  new grpc.Client(`127.0.0.1:${stage.gateway.ports.public}`, grpc.credentials.createSsl(Buffer.from(authority().cert)), {
    'grpc.ssl_target_name_override': HOST, 'grpc.default_authority': HOST, 'grpc.enable_retries': 0,
  });

// The metrics once all calls but `open` are over and counted: a log line may be there before.
export const settledMetrics = (stage, open = 0) =>
  until('the calls that are over are counted', async () => {
    const metrics = await stage.gateway.metrics();
    return metrics.sum('sallyport_exchanges_open') === open && metrics;
  });

// One unary call to its end: { status, answer, head }; `started(call)` may cancel it.
export const unary = (client, value, { path, metadata = {}, started = () => {}, ...options } = {}) =>
  new Promise((resolve) => {
    const out = {};
    const call = client.makeUnaryRequest(path, text.serialize, text.deserialize, value, metadataOf(metadata), options, (error, answer) => Object.assign(out, { error, answer }));
    call.on('metadata', (fields) => (out.head = fields)).on('status', (status) => setImmediate(resolve, Object.assign(out, { status })));
    started(call);
  });

// A server's stream to its end: { status, messages }.
export const list = (client, value, { path, metadata = {}, started = () => {}, onMessage = () => {}, ...options } = {}) =>
  new Promise((resolve) => {
    const messages = [];
    const call = client.makeServerStreamRequest(path, text.serialize, text.deserialize, value, metadataOf(metadata), options);
    call.on('data', (item) => (messages.push(item), onMessage(call, item))).on('error', () => {});
    call.on('status', (status) => setImmediate(resolve, { status, messages }));
    started(call);
  });
