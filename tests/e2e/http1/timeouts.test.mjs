// Each phase has its limit. (Those of a client's own slowness are in threats/t26.)
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { closeAll, HOST, OPEN, openStage } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { pass, SLOW, until } from '../lib/wait.mjs';

describe('timeouts', () => {
  let s;
  let silent;
  before(async () => {
    // Accepts connections and never speaks: a TLS handshake that does not come.
    silent = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    s = await openStage({
      config: (stage) => ({
        workers: 1,
        upstreams: {
          'order-service': { idle_timeout: '1s' },
          silent: { endpoints: [`https://127.0.0.1:${silent.address().port}`], tls: { ca: stage.ca.certFile }, connect_timeout: '1s' },
        },
      }),
      routes: {
        open: { ...OPEN, timeout: '1s', idle_timeout: '1s' },
        patient: { ...OPEN, match: { host: HOST, path: '/patient/**' }, timeout: '60s', idle_timeout: '60s' },
        silent: { ...OPEN, match: { host: HOST, path: '/silent/**' }, upstream: 'silent' },
      },
      upstream: {
        script: async (exchange) => {
          const { target } = await exchange.request.read();
          if (target.endsWith('never')) return new Promise(() => {});
          if (target.endsWith('half')) {
            await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
            return new Promise(() => {});
          }
          if (target.endsWith('late')) await pass(1_500);
          return exchange.json(200, { connection: exchange.connection.index });
        },
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => new Promise((resolve) => silent.close(resolve))));

  const timed = async (run) => {
    const from = performance.now();
    const result = await run();
    const took = performance.now() - from;
    assert.ok(took >= 900 && took < 5_000 * SLOW, `after ${took} ms`);
    return result;
  };

  it('an upstream that does not answer: 504, and its connection is not used again', async () => {
    await timed(() => s.denied({ status: 504, code: 'gateway_timeout', reason: 'upstream_timeout', nothingUpstream: false }, () => s.request({ path: '/open/never' })));
    const used = s.upstream.connections.find((c) => c.requests.some((r) => r.target === '/open/never'));
    await until('its connection to be closed', () => used.closed || used.ended);
  });
  it('an upstream that stops within its answer: the client sees it cut', async () => {
    const client = await s.connect();
    await client.send(requestText({ path: '/open/half' }));
    const response = await client.head();
    assert.equal(response.status, 200);
    await timed(() => assert.rejects(response.read(), /closed within a body|reset/));
    client.destroy();
  });
  it('an upstream whose handshake does not come: 502 within connect_timeout', async () => {
    await timed(() => s.denied({ status: [502, 504], code: ['bad_gateway', 'gateway_timeout'], reason: ['upstream_tls', 'upstream_connect', 'upstream_timeout'] }, () => s.request({ path: '/silent/x' })));
  });
  it('an idle upstream connection is closed after idle_timeout', async () => {
    const { echo: seen } = await s.allowed(() => s.request({ path: '/open/x' }));
    const connection = s.upstream.connections[seen.connection];
    await timed(() => until('the idle connection to be closed', () => connection.closed || connection.ended));
  });
  it('twin: another route may wait longer', async () => {
    await s.allowed(() => s.request({ path: '/patient/late' }));
  });
});
