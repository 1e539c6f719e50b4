// One request, sent in either protocol, and the exchange that came of it, said in words that belong to neither.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { Session } from '../lib/h2.mjs';
import { requestText, chunked } from '../lib/raw.mjs';
import { originCertificate } from '../lib/stage.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { until } from '../lib/wait.mjs';

const digest = (data) => createHash('sha256').update(data).digest('hex');
const pairs = (raw) => Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i], raw[2 * i + 1]]);

// Names in lower case and in order; the values of one name stay as they came.
const plain = (list) => list.map(([name, value]) => [name.toLowerCase(), String(value)]).sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
const without = (list, ...names) => list.filter(([name]) => !names.includes(name.toLowerCase()));
const valueOf = (list, name) => list.find(([n]) => n.toLowerCase() === name)?.[1];

// ---- upstreams: both keep what they saw, and answer what `answers` has for the path, or { status: 200, body: 'ok' }

const answerFor = (answers, target) => ({ status: 200, fields: [['content-type', 'text/plain']], body: 'ok', ...answers[target.split('?')[0]] });

// Crumbs of a cookie that stand apart mean what they mean together (RFC 9113 section 8.2.3).
const joined = (list) => {
  const crumbs = list.filter(([name]) => name.toLowerCase() === 'cookie').map(([, value]) => value);
  return crumbs.length > 0 ? [...without(list, 'cookie'), ['cookie', crumbs.join('; ')]] : list;
};

// What a request meant. `length` is what it said of its body's size.
const meaning = ({ method, target, authority, fields, body, trailers }) => ({
  method,
  target,
  authority,
  fields: plain(joined(without(fields, 'host', 'connection', 'transfer-encoding', 'content-length'))),
  cookies: fields.filter(([name]) => name.toLowerCase() === 'cookie').length,
  length: valueOf(fields, 'content-length') ?? null,
  size: body.length,
  sha256: digest(body),
  trailers: plain(trailers),
});

export async function startHttp1(answers) {
  const seen = [];
  const upstream = await startUpstream({
    tls: originCertificate(),
    script: async (exchange) => {
      const { method, target } = exchange.request;
      const answer = answerFor(answers, target);
      if (answer.early) await exchange.respond(answer.status, answer.fields, answer.body);
      const request = await exchange.request.read();
      seen.push(meaning({ method, target, authority: request.fields.get('host'), fields: request.fields.list, body: request.body, trailers: request.trailers.list }));
      if (answer.early) return;
      for (const [status, fields] of answer.informational ?? []) await exchange.send(`HTTP/1.1 ${status} Early\r\n${fields.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`);
      const head = answer.fields.map(([n, v]) => `${n}: ${v}\r\n`).join('');
      if (answer.trailers) {
        await exchange.send(`HTTP/1.1 ${answer.status} OK\r\n${head}Transfer-Encoding: chunked\r\n\r\n${answer.body.length.toString(16)}\r\n${answer.body}\r\n0\r\n${answer.trailers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`);
      } else await exchange.respond(answer.status, answer.fields, answer.body);
    },
  });
  return { url: upstream.url, seen, close: () => upstream.close() };
}

export async function startHttp2(answers, { tls }) {
  const seen = [];
  const sessions = new Set();
  const { cert, key } = originCertificate();
  const server = tls ? http2.createSecureServer({ cert, key }) : http2.createServer();
  server.on('session', (session) => {
    sessions.add(session.on('error', () => {}));
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', async (stream, headers, flags, raw) => {
    stream.on('error', () => {});
    const list = pairs(raw);
    const pseudo = Object.fromEntries(list.filter(([name]) => name.startsWith(':')));
    const fields = list.filter(([name]) => !name.startsWith(':'));
    const answer = answerFor(answers, pseudo[':path']);
    const reply = () => {
      if (stream.destroyed) return;
      for (const [status, more] of answer.informational ?? []) stream.additionalHeaders({ ':status': status, ...Object.fromEntries(more) });
      const head = { ':status': answer.status };
      for (const [name, value] of answer.fields) head[name.toLowerCase()] = name.toLowerCase() in head ? [head[name.toLowerCase()], value].flat() : value;
      const none = pseudo[':method'] === 'HEAD' || answer.status === 204 || answer.status === 304;
      if (answer.status !== 204 && answer.status !== 304 && !answer.trailers) head['content-length'] = Buffer.byteLength(answer.body);
      stream.respond(head, { endStream: none, waitForTrailers: answer.trailers !== undefined });
      if (answer.trailers) stream.on('wantTrailers', () => stream.sendTrailers(Object.fromEntries(answer.trailers)));
      if (!none) stream.end(answer.body);
    };
    if (answer.early) reply();
    let trailers = [];
    stream.on('trailers', (_, __, rawTrailers) => (trailers = pairs(rawTrailers)));
    const body = [];
    try {
      for await (const piece of stream) body.push(piece);
    } catch {
      return;
    }
    seen.push(meaning({ method: pseudo[':method'], target: pseudo[':path'], authority: pseudo[':authority'], fields, body: Buffer.concat(body), trailers }));
    if (!answer.early) reply();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `${tls ? 'https' : 'h2c'}://127.0.0.1:${server.address().port}`,
    seen,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

// ---- clients: the whole answer, as far as both protocols can say it

const answered = ({ status, fields, body, trailers, informational }) => ({
  status,
  fields: plain(without(fields, 'connection', 'keep-alive', 'transfer-encoding')),
  body: body.length > 4096 ? digest(body) : body.toString('latin1'),
  trailers: plain(trailers),
  informational: informational.map(([code, list]) => [code, plain(list)]),
});

// { method, path, host, fields, body, sized (says the body's length; true), trailers }
export async function askHttp1(stage, { listener, plain: clear }, { method = 'GET', path, host, fields = [], body, sized = true, trailers }) {
  const client = await stage.connect({ listener, plain: clear });
  try {
    const chunks = body !== undefined && !sized;
    const all = [...fields, ...(chunks ? [['Transfer-Encoding', 'chunked']] : [])];
    const expects = fields.some(([name]) => /^expect$/i.test(name));
    const head = requestText({ method, path, host, fields: body !== undefined && sized ? [...all, ['Content-Length', Buffer.byteLength(body)]] : all });
    let payload = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
    if (chunks) {
      payload = chunked(payload);
      if (trailers) payload = Buffer.concat([payload.subarray(0, -2), Buffer.from(`${trailers.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`)]);
    }
    const informational = [];
    let sent = client.send(head);
    const answer = client.head({ method, informational });
    let final = false;
    answer.then(() => (final = true), () => (final = true));
    if (expects) await until('100 or an answer', () => final || informational.length > 0);
    if (!expects || informational.length > 0) sent = sent.then(() => client.send(payload));
    const response = await (await answer).read();
    await sent;
    return answered({
      status: response.status,
      fields: response.fields.list,
      body: response.body,
      trailers: response.trailers.list,
      informational: informational.map((one) => [one.status, one.fields.list]),
    });
  } finally {
    client.destroy();
  }
}

export async function askHttp2(stage, { listener, plain: clear }, { method = 'GET', path, host, fields = [], body, sized = true, trailers }) {
  const session = await Session.connect(stage, { listener, plain: clear });
  try {
    const head = {};
    for (const [name, value] of fields.map(([n, v]) => [n.toLowerCase(), v])) head[name] = name in head ? [head[name], value].flat() : value;
    if (body !== undefined && sized) head['content-length'] = Buffer.byteLength(body);
    const expects = 'expect' in head;
    const seen = session.open({ method, path, host, fields: head, end: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined });
    const { request } = seen;
    let raw = [];
    let rawTrailers = [];
    const informational = [];
    request.on('headers', (_, __, list) => informational.push(pairs(list)));
    request.once('response', (_, __, list) => (raw = pairs(list)));
    request.once('trailers', (_, __, list) => (rawTrailers = pairs(list)));
    request.on('data', (piece) => seen.chunks.push(piece));
    if (trailers !== undefined) request.once('wantTrailers', () => request.sendTrailers(Object.fromEntries(trailers.map(([n, v]) => [n.toLowerCase(), v]))));
    const go = expects ? await Promise.race([once(request, 'continue').then(() => true), seen.response.then(() => false)]) : true;
    if (body !== undefined && go) request.end(body);
    await seen.response;
    await seen.closed;
    const regular = (list) => list.filter(([name]) => !name.startsWith(':'));
    return answered({
      status: seen.status,
      fields: regular(raw),
      body: Buffer.concat(seen.chunks),
      trailers: rawTrailers,
      informational: informational.map((list) => [Number(valueOf(list, ':status')), regular(list)]),
    });
  } finally {
    session.destroy();
  }
}
