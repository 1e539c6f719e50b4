// How WebSockets end: by either side, by time, by the gateway's own end.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { HOST, openStage, originCertificate } from '../lib/stage.mjs';
import { bytes, requestText } from '../lib/raw.mjs';
import { startUpstream } from '../lib/upstream.mjs';
import { ACCEPT, HANDSHAKE, open, startSocketServer } from '../lib/websocket.mjs';
import { until, within } from '../lib/wait.mjs';

const now = () => Math.floor(Date.now() / 1000);

// An upstream whose bytes behind its 101 are the test's own.
async function startRaw() {
  const { cert, key } = originCertificate();
  const raw = await startUpstream({
    name: 'raw',
    tls: { cert, key },
    script: async (exchange) => {
      exchange.stop = true;
      raw.exchange = exchange;
      await exchange.send(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`);
      (async () => {
        while (!exchange.stuck && (await exchange.reader.fill('what the tunnel brings', 600_000)));
      })().catch(() => {});
    },
  });
  return raw;
}

describe('the end of a WebSocket', () => {
  let s, server, raw;
  const routes = () => {
    const route = (name, websocket, extra) => [name, { match: { host: HOST, path: `/${name}` }, upstream: 'sockets', auth: 'none', websocket, ...extra }];
    const token = { auth: { jwt: 'main' }, authorize: 'any_caller' };
    return Object.fromEntries([
      route('ws', {}),
      route('idle', { idle_timeout: '400ms' }),
      route('aged', {}, { max_stream_age: '1s' }),
      route('token', {}, token),
      route('outlive', {}, { ...token, outlive_token: true }),
      route('raw', {}, { upstream: 'raw' }),
      route('raw-idle', { idle_timeout: '400ms' }, { upstream: 'raw' }),
      route('stuck', {}, { upstream: 'raw', idle_timeout: '1s' }),
    ]);
  };
  before(async () => {
    server = await startSocketServer();
    raw = await startRaw();
    s = await openStage({
      config: (stage) => ({
        issuers: { main: { clock_skew: '0s' } },
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } }, raw: { endpoints: [raw.url], tls: { ca: stage.ca.certFile } } },
        routes: routes(),
      }),
    });
  });
  after(async () => {
    await s?.close();
    await server?.close();
    await raw?.close();
  });
  const line = (path, why) => s.gateway.access(`the end of ${path}`, (l) => l.path === path && l.closed === why && !l.seen && (l.seen = true));

  // A connection whose client side is raw, too.
  async function rawPair(path = '/raw') {
    const client = await s.connect({ allowHalfOpen: true });
    await client.send(requestText({ path, fields: HANDSHAKE }));
    const head = await client.head();
    assert.equal(head.status, 101);
    return { client, upstream: raw.exchange };
  }

  it('by the client', async () => {
    const socket = await open(s);
    socket.close(3001, 'enough');
    assert.deepEqual(await server.sockets.at(-1).closing, { code: 3001, reason: 'enough' });
    assert.deepEqual(await socket.closing, { code: 3001, reason: 'enough' });
    await line('/ws', 'client');
  });

  it('by the upstream', async () => {
    const socket = await open(s);
    server.sockets.at(-1).close(1013, 'later');
    assert.deepEqual(await socket.closing, { code: 1013, reason: 'later' });
    await line('/ws', 'upstream');
  });

  it('by a client that is cut off: the upstream learns it', async () => {
    const socket = await open(s);
    socket._socket.destroy();
    assert.equal((await server.sockets.at(-1).closing).code, 1006);
    await s.gateway.access('the end', (l) => l.path === '/ws' && (l.closed === 'client_aborted' || l.closed === 'client'));
  });

  it('by an upstream that is cut off: the client learns it', async () => {
    const socket = await open(s);
    server.sockets.at(-1).terminate();
    assert.equal((await socket.closing).code, 1006);
  });

  it('by a reset of the upstream', async () => {
    const { client, upstream } = await rawPair();
    upstream.reset();
    await within(10_000, 'the end of the client', client.closing);
    await line('/raw', 'upstream_failed');
  });

  it('by a reset of the client', async () => {
    const { client, upstream } = await rawPair();
    client.reset();
    await until('the end of the upstream', () => upstream.connection.closed);
    await line('/raw', 'client_aborted');
  });

  it('each direction by itself: the upstream still gets what the client sends, and then its end', async () => {
    const { client, upstream } = await rawPair();
    await upstream.send('last words');
    upstream.socket.end();
    assert.equal((await client.reader.exactly(10, 'the words')).toString(), 'last words');
    assert.equal(await client.reader.fill('the end'), false);
    const before = upstream.connection.size;
    await client.send('still here');
    await until('what the client sent', () => upstream.connection.size === before + 10);
    client.end();
    await until('the end of the client', () => upstream.connection.ended || upstream.connection.closed);
    await line('/raw', 'upstream');
  });

  it('by its token: 1008, at exp, to both sides', async () => {
    const exp = now() + 2;
    const socket = await open(s, { path: '/token', token: await s.mint({ exp }) });
    socket.send('before');
    assert.equal(await socket.next(), 'before');
    assert.deepEqual(await socket.closing, { code: 1008, reason: 'token expired' });
    assert.ok(Date.now() / 1000 >= exp - 0.05, 'not before');
    assert.deepEqual(await server.sockets.at(-1).closing, { code: 1008, reason: 'token expired' });
    const { duration_us } = await line('/token', 'token_expired');
    assert.ok(duration_us < 3_500_000, `${duration_us} µs`);
  });

  it('twin: a token that lives on keeps it, and so does a route that says so', async () => {
    const [long, outlives, marker] = await Promise.all([
      open(s, { path: '/token', token: await s.mint({ exp: now() + 600 }) }),
      open(s, { path: '/outlive', token: await s.mint({ exp: now() + 2 }) }),
      open(s, { path: '/token', token: await s.mint({ exp: now() + 2 }) }),
    ]);
    await marker.closing;
    for (const socket of [long, outlives]) {
      socket.send('still');
      assert.equal(await socket.next(), 'still');
      socket.close();
      await socket.closing;
    }
  });

  it('by silence: 1001, and a ping now and then keeps it', async () => {
    const silent = await open(s, { path: '/idle' });
    const lively = await open(s, { path: '/idle' });
    const pings = setInterval(() => lively.ping(), 50);
    assert.deepEqual(await silent.closing, { code: 1001, reason: 'idle' });
    clearInterval(pings);
    lively.send('here');
    assert.equal(await lively.next(), 'here');
    assert.deepEqual(await lively.closing, { code: 1001, reason: 'idle' });
    await line('/idle', 'idle');
  });

  it('by its age: 1001, and up to a tenth earlier', async () => {
    const socket = await open(s, { path: '/aged' });
    const pings = setInterval(() => socket.ping(), 50);
    assert.deepEqual(await socket.closing, { code: 1001, reason: 'open for too long' });
    clearInterval(pings);
    const { duration_us } = await line('/aged', 'max_stream_age');
    assert.ok(duration_us >= 880_000, `${duration_us} µs`);
  });

  it('within a frame: no Close frame is put into it, and it is let through to its end where that comes', async () => {
    const { client, upstream } = await rawPair('/raw-idle');
    await upstream.send(Buffer.concat([Buffer.from([0x82, 10]), Buffer.from('12345')])); // five of ten
    await until('five bytes', async () => client.reader.buffer.length >= 7 || (await client.reader.fill('more', 10_000)));
    await until('the Close frame upstream', () => upstream.connection.text.includes('\x88')); // masked: it is over for the gateway
    await upstream.send('67890xxxxx'); // and what is behind it is not let through
    const rest = await client.rest();
    assert.deepEqual([...rest], [0x82, 10, ...bytes('1234567890'), 0x88, 6, 0x03, 0xe9, ...bytes('idle')]);
    await line('/raw-idle', 'idle');
  });

  it('by an upstream that takes nothing any more: the route\'s idle_timeout', async () => {
    const { client, upstream } = await rawPair('/stuck');
    upstream.stuck = true;
    await client.send('wakes the reader');
    const piece = Buffer.alloc(1 << 20);
    while (!client.socket.destroyed && (await Promise.race([client.send(piece), client.closing.then(() => false)])));
    await within(20_000, 'the end of the client', client.closing);
    await line('/stuck', 'upstream_failed');
    upstream.destroy();
  });
});

describe('WebSockets and the gateway\'s own life', () => {
  let s, server;
  before(async () => {
    server = await startSocketServer();
    s = await openStage({
      config: (stage) => ({
        shutdown: { deadline: '20s' },
        overload: { queue_deadline: '0s' }, // two hundred at once are not its subject
        listeners: {
          other: { address: '127.0.0.1', port: 0, tls: stage.base().listeners.public.tls },
          mtls: { address: '127.0.0.1', port: 0, tls: { ...stage.base().listeners.public.tls, client_ca: stage.ca.certFile, client_certificate: 'required' } },
        },
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } } },
        routes: { 'read-orders': null, ws: { match: { host: HOST, path: '/ws' }, upstream: 'sockets', auth: 'none', websocket: {}, listeners: ['public', 'other', 'mtls'] } },
      }),
    });
  });
  after(async () => {
    await s?.close();
    await server?.close();
  });
  const alive = async (socket) => {
    socket.send('alive?');
    assert.equal(await socket.next(), 'alive?');
  };

  it('the client certificate expires: 1008', async () => {
    const [short, long] = [3_000, 600_000].map((ms) => s.ca.issue({ cn: 'caller', client: true, notAfter: new Date(Date.now() + ms) }));
    const [ends, stays] = await Promise.all([short, long].map(({ cert, key }) => open(s, { listener: 'mtls', cert, key })));
    assert.deepEqual(await ends.closing, { code: 1008, reason: 'certificate expired' });
    await alive(stays);
    stays.close();
    await stays.closing;
    await s.gateway.access('its end', (l) => l.closed === 'certificate_expired');
  });

  it('a reload keeps them, also where it takes their route away, and frees what they were opened under', async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => open(s)));
    const config = s.config;
    const { ws, ...others } = config.routes;
    for (let i = 0; i < 20; i++) {
      const event = await s.gateway.reload({ ...config, routes: { ...others, ...(i % 2 ? {} : { ws }), extra: { ...ws, match: { host: HOST, path: `/extra-${i}` } } } });
      assert.equal(event.event, 'ready');
      if (i % 5 === 0) await Promise.all(sockets.map(alive));
    }
    await s.gateway.reload(config);
    await Promise.all(sockets.map(alive));
    assert.equal((await s.gateway.metrics()).sum('sallyport_streams_open', { route: 'ws' }), 200);
    for (const socket of sockets) socket.close();
    await Promise.all(sockets.map((socket) => socket.closing));
    await until('none to be left', async () => (await s.gateway.metrics()).sum('sallyport_streams_open') === 0);
  });

  it('a listener that goes takes its own along', async () => {
    const [stays, goes] = await Promise.all([open(s), open(s, { listener: 'other' })]);
    const { other, ...listeners } = s.config.listeners;
    await s.gateway.reload({ ...s.config, listeners, routes: { ws: { ...s.config.routes.ws, listeners: ['public', 'mtls'] } } });
    assert.deepEqual(await goes.closing, { code: 1001, reason: 'going away' });
    await alive(stays);
    stays.close();
    await stays.closing;
    await s.gateway.reload(s.config);
  });

  it('an upgrade of the program: the old one\'s go to the new one, none at once', async () => {
    const socket = await open(s);
    const { code, stdout, stderr } = await sallyport(['upgrade', '--config', s.gateway.file], { ms: 60_000 });
    assert.equal(code, 0, stdout + stderr);
    (await open(s)).terminate(); // none is refused, whichever process it meets
    assert.deepEqual(await socket.closing, { code: 1001, reason: 'going away' });
    const next = await open(s);
    await alive(next);
    next.close();
    await next.closing;
  });

  it('its end: 1001, soon', async () => {
    const sockets = await Promise.all(Array.from({ length: 20 }, () => open(s)));
    const begun = Date.now();
    s.gateway.process.kill('SIGTERM');
    for (const socket of sockets) assert.deepEqual(await socket.closing, { code: 1001, reason: 'going away' });
    await s.gateway.stop();
    assert.ok(Date.now() - begun < 10_000);
    assert.equal(s.gateway.lines.filter((l) => l.closed === 'draining').length >= 20, true);
  });
});
