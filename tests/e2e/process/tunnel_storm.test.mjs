// Reload after reload while WebSockets, gRPC streams and HTTP/2 connections are open: none of them is lost that may live, no
// request on them fails, and nothing is left behind. In full with SALLYPORT_SLOW=1.
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startHttp2 } from '../http2_upstreams/lib.mjs';
import { Session } from '../lib/h2.mjs';
import { Load, startPlainUpstream } from '../lib/load.mjs';
import { requestText } from '../lib/raw.mjs';
import { HOST, closeAll, gatewayCertificate, merge, openStage } from '../lib/stage.mjs';
import { authority } from '../lib/pki.mjs';
import { connectSession, echoes, grpcChannel, openChat, openOnSession, startGrpcEcho } from '../lib/tunnels.mjs';
import { open, startSocketServer } from '../lib/websocket.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const RELOADS = process.env.SALLYPORT_SLOW === '1' ? 100 : 12;
const SOCKETS = SLOW > 1 ? 60 : 400; // over HTTP/1.1
const SOCKETS_H2 = SLOW > 1 ? 40 : 100; // on sessions of 50
const CHATS = SLOW > 1 ? 100 : 500; // on channels of 50
const SESSIONS = 50; // HTTP/2 connections with traffic

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const share = (n, size) => Array.from({ length: Math.ceil(n / size) }, (_, i) => Math.min(size, n - i * size));

// Not all at once: what is tested is not how many handshakes a machine makes in a second.
async function inTurns(list, size, make) {
  const made = [];
  for (let i = 0; i < list.length; i += size) made.push(...(await Promise.all(list.slice(i, i + size).map(make))));
  return made;
}

// One honest caller over HTTP/2: one request after the other, each by its pace.
class Caller {
  constructor(session, pace) {
    Object.assign(this, { session, pace, answered: 0, failures: [], stopping: false });
    this.running = this.run();
  }
  async run() {
    while (!this.stopping) {
      try {
        const body = `body ${this.answered}`;
        const post = this.answered % 3 === 0;
        const answer = await this.session.request({ path: post ? '/h2/post' : '/open/get', ...(post ? { method: 'POST', body } : {}) });
        if (answer.status !== 200 || (post && answer.text !== body)) throw new Error(`${answer.status} ${answer.text.slice(0, 200)}`);
        this.answered++;
      } catch (error) {
        this.failures.push(error.message);
        return;
      }
      await delay(this.pace);
    }
  }
}

describe(`${RELOADS} reloads with ${SOCKETS} + ${SOCKETS_H2} WebSockets, ${CHATS} gRPC streams, ${SESSIONS} HTTP/2 connections`, () => {
  let s, plain, echo2, sockets, chats, certificates;
  before(async () => {
    plain = await startPlainUpstream();
    echo2 = await startHttp2({
      tls: false,
      script: async (stream) => {
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
      },
    });
    sockets = await startSocketServer();
    chats = await startGrpcEcho();
    certificates = [gatewayCertificate(), authority().issue({ dns: [HOST, 'localhost'] })];
    s = await openStage({ routes: {}, config: (stage) => config(stage, 0) });
  });
  after(() => closeAll(() => s?.close(), () => plain?.close(), () => echo2?.close(), () => sockets?.close(), () => chats?.close()));

  const renew = (stage, i) => {
    copyFileSync(certificates[i % 2].certFile, join(stage.dir, 'server.pem'));
    copyFileSync(certificates[i % 2].keyFile, join(stage.dir, 'server.key'));
  };

  // Odd ones have another listener, and neither the WebSockets' route nor that of gRPC: what is open goes on.
  function config(stage, i) {
    renew(stage, i);
    const route = (path, upstream, more) => ({ match: { host: HOST, path }, listeners: ['public', 'plain'], upstream, auth: 'none', ...more });
    const tls = { certificates: [{ cert: join(stage.dir, 'server.pem'), key: join(stage.dir, 'server.key') }] };
    const inner = { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' };
    const odd = i % 2 === 1;
    return {
      workers: 2,
      overload: { queue_deadline: '0s' }, // a thousand streams that speak at once share two processors with their clients
      logs: { access: { file: 'off' }, audit: { file: join(stage.dir, 'audit.log') } },
      listeners: { public: { tls, timeouts: { idle: '10m' } }, plain: inner, ...(odd ? { extra: inner } : {}) },
      upstreams: {
        'order-service': null,
        plain: { endpoints: [plain.url] },
        echo2: { endpoints: [echo2.url] },
        sockets: { endpoints: [sockets.url], tls: { ca: stage.ca.certFile } },
        chats: { endpoints: [chats.url], protocol: 'h2', tls: { ca: stage.ca.certFile } },
      },
      routes: {
        open: route('/open/**', 'plain'),
        h2: route('/h2/**', 'echo2'),
        [`changing-${i % 4}`]: route(`/changing/${i}/**`, 'plain'),
        ...(odd ? { extra: route('/extra/**', 'plain', { listeners: ['extra'] }) } : {
          ws: route('/ws', 'sockets', { websocket: { idle_timeout: '1h' } }),
          chat: route('/test.Echo/**', 'chats', { timeout: '5m', idle_timeout: '1h', body: '1GiB' }),
        }),
      },
    };
  }
  const reload = async (i) => {
    const event = await s.gateway.reload(merge(s.base({}), config(s, i)));
    assert.equal(event.event, 'ready', JSON.stringify(event));
  };

  async function figures() {
    const metrics = await s.gateway.metrics();
    const child = s.gateway.child();
    return {
      descriptors: descriptors(child) - metrics.sum('sallyport_connections_open') - metrics.sum('sallyport_upstream_connections_open'),
      upstream: metrics.sum('sallyport_upstream_connections_open'),
      streams: metrics.sum('sallyport_streams_open'),
      exchanges: metrics.sum('sallyport_exchanges_open'),
      memory: s.gateway.rss(),
    };
  }

  it('none is lost, no request fails, nothing grows, and all of it ends as it should', async () => {
    const child = s.gateway.child();
    const atFirst = await figures();
    const byH1 = await inTurns(Array(SOCKETS).fill(0), 50, () => open(s, { keep: false }));
    const sessions = await inTurns(share(SOCKETS_H2, 50), 10, () => connectSession(s));
    const byH2 = (await Promise.all(sessions.map((session, i) => Promise.all(Array.from({ length: share(SOCKETS_H2, 50)[i] }, () => openOnSession(session)))))).flat();
    const channels = share(CHATS, 50).map(() => grpcChannel(s));
    const streams = channels.flatMap((channel, i) => Array.from({ length: share(CHATS, 50)[i] }, () => openChat(channel)));
    const lost = [];
    const tunnels = [...byH1, ...byH2];
    tunnels.forEach((socket, i) => socket.closing.then((how) => lost.push(`${i < SOCKETS ? 'h1' : 'h2'}: ${JSON.stringify(how)} ${socket.failure ?? ''}`)));
    streams.forEach((call) => call.ending.then(({ code, details }) => lost.push(`gRPC: ${code} ${details}`)));
    const all = async (what) => {
      await inTurns(tunnels, 250, (socket) => echoes(socket, `${what}: ws`, 60_000));
      await inTurns(streams, 250, (call) => call.echoes(`${what}: chat`, 60_000));
      assert.deepEqual(lost, []);
    };
    await all('before');
    const callers = (await inTurns(Array(SESSIONS).fill(0), 10, () => Session.connect(s))).map((session) => new Caller(session, 100 * SLOW));
    const load = new Load({ port: s.gateway.ports.plain, requests: [requestText({ path: '/open/x', host: HOST })], rate: 400 / SLOW, connections: 16, each: 20 }).start();
    const rounds = [];
    for (let i = 1; i <= RELOADS; i++) {
      await reload(i);
      const seen = callers.map((caller) => caller.answered);
      // Some of each speak under each configuration, and at times all.
      const some = (list) => Array.from({ length: 10 }, (_, k) => list[(i * 37 + k * 41) % list.length]);
      await Promise.all([...some(tunnels).map((socket) => echoes(socket, `reload ${i}`)), ...some(streams).map((call) => call.echoes(`reload ${i}`))]);
      await until('each connection to be served', () => callers.every((caller, k) => caller.failures.length > 0 || caller.answered > seen[k]), 30_000);
      assert.deepEqual([...callers.flatMap((caller) => caller.failures), ...load.failures.map((f) => `${f.kind} ${f.what}`), ...lost].slice(0, 5), [], `reload ${i}`);
      if (i % Math.ceil(RELOADS / 4) === 0) {
        await all(`reload ${i}`);
        // Connections come and go between the two looks: the least of several is what is held.
        const looks = [];
        for (let k = 0; k < 8; k++) looks.push(await figures());
        rounds.push(looks.sort((a, b) => a.descriptors - b.descriptors)[0]);
      }
    }
    await reload(RELOADS + (RELOADS % 2)); // an even one: as it was at first
    for (const caller of callers) caller.stopping = true;
    await Promise.all(callers.map((caller) => caller.running));
    await load.stop();
    assert.deepEqual([...callers.flatMap((caller) => caller.failures), ...load.failures.map((f) => `${f.kind} ${f.what}`)], []);
    await all('after');
    const answered = callers.reduce((sum, caller) => sum + caller.answered, 0) + load.answered;
    console.log(`# ${JSON.stringify({ reloads: RELOADS, answered, slowest: Math.round(load.slowest), atFirst, rounds })}`);
    const [, middle] = rounds;
    const last = rounds.at(-1);
    for (const round of rounds) {
      assert.equal(round.streams, SOCKETS + SOCKETS_H2);
      assert.ok(round.exchanges >= CHATS && round.exchanges < CHATS + 200, `exchanges: ${JSON.stringify(rounds)}`);
    }
    assert.ok(Math.abs(last.descriptors - middle.descriptors) <= 4, `descriptors: ${JSON.stringify(rounds)}`);
    assert.ok(last.upstream <= middle.upstream + 40, `upstream connections: ${JSON.stringify(rounds)}`);
    if (!process.env.SALLYPORT_SANITIZER) assert.ok(last.memory - middle.memory < (2 << 20) + middle.memory * 0.05, `memory: ${JSON.stringify(rounds)}`);
    assert.equal(s.gateway.child(), child, 'the same process all the time');

    // They end as their clients wish, and leave nothing.
    for (const socket of tunnels) socket.close(1000, 'done');
    for (const call of streams) call.end();
    for (const how of await Promise.all(byH1.map((socket) => socket.closing))) assert.deepEqual(how, { code: 1000, reason: 'done' });
    await Promise.all(byH2.map((socket) => socket.closing)); // `ws` on a stream of Node's does not always see what came with its end
    assert.ok(byH2.every((socket) => socket.stream.rstCode === 0));
    for (const how of await Promise.all(sockets.sockets.map((socket) => socket.closing))) assert.deepEqual(how, { code: 1000, reason: 'done' });
    for (const { code } of await Promise.all(streams.map((call) => call.ending))) assert.equal(code, 0);
    await until('the server to see the end of each call', () => chats.open === 0);
    for (const session of sessions) session.close();
    for (const channel of channels) channel.close();
    for (const caller of callers) caller.session.destroy();
    let now;
    await until(() => `nothing to be left: ${JSON.stringify({ now, atFirst })}`, async () => {
      now = await figures();
      return now.streams === 0 && now.exchanges === 0 && Math.abs(now.descriptors - atFirst.descriptors) <= 2;
    }, 30_000);
  });
});
