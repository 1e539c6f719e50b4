// T39: a page of another origin opens a WebSocket, for which the browser sends whatever cookie or certificate it has.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { open, refusal, startSocketServer } from '../lib/websocket.mjs';

describe('T39: cross-site WebSockets', () => {
  let s, server;
  before(async () => {
    server = await startSocketServer();
    const route = (path, websocket) => ({ match: { host: [HOST, 'app.example.com'], path }, upstream: 'sockets', auth: 'none', websocket });
    s = await openStage({
      config: (stage) => ({
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } } },
        routes: {
          open: OPEN,
          ws: route('/ws', {}),
          listed: route('/listed', { origins: ['https://app.example.com', 'http://localhost:3000'] }),
          any: route('/any', { origins: ['*'] }),
        },
      }),
    });
  });
  after(async () => {
    await s?.close();
    await server?.close();
  });
  const cookie = { Cookie: 'session=stolen' };

  for (const [path, origin] of [
    ['/ws', 'https://evil.example'],
    ['/ws', 'null'],
    ['/ws', ''],
    ['/ws', `http://${HOST}`], // what anybody on the way may have written
    ['/ws', `https://${HOST}:8443`],
    ['/ws', `https://${HOST}.evil.example`],
    ['/ws', `https://evil-${HOST}`],
    ['/ws', `https://${HOST}/`],
    ['/ws', `https://evil.example#https://${HOST}`],
    ['/ws', 'https://app.example.com'],
    ['/listed', 'https://evil.example'],
    ['/listed', 'null'],
    ['/listed', 'http://app.example.com'],
    ['/listed', 'https://app.example.com:444'],
    ['/listed', 'https://APP.example.com'],
    ['/listed', 'http://localhost:3001'],
  ]) {
    it(`refused: ${origin || 'an empty one'} at ${path}`, async () => {
      const opened = server.sockets.length;
      const before = await s.gateway.metrics();
      const answer = await refusal(s, { path, headers: { ...cookie, Origin: origin } });
      assert.equal(answer.status, 403);
      const body = JSON.parse(answer.body);
      assert.equal(body.code, 'origin_denied');
      const audit = await s.gateway.audit('the denial', (l) => l.request_id === body.request_id);
      assert.equal(audit.reason, 'websocket_origin');
      assert.equal(server.sockets.length, opened, 'nothing upstream');
      const metrics = await s.gateway.metrics();
      assert.equal(metrics.sum('sallyport_denied_total', { reason: 'websocket_origin' }), before.sum('sallyport_denied_total', { reason: 'websocket_origin' }) + 1);
    });
  }

  it('refused: two Origins', async () => {
    const answer = await refusal(s, { path: '/ws', headers: { Origin: [`https://${HOST}`, 'https://evil.example'] } });
    assert.equal(answer.status, 403);
  });

  for (const [path, headers, what] of [
    ['/ws', { ...cookie, Origin: `https://${HOST}` }, 'a page of the host itself'],
    ['/ws', cookie, 'what is no browser'],
    ['/ws', { Origin: 'https://app.example.com', Host: 'app.example.com' }, 'a page of the other host, at that host'],
    ['/listed', { ...cookie, Origin: 'https://app.example.com' }, 'a page that is listed'],
    ['/listed', { Origin: 'http://localhost:3000' }, 'another that is listed'],
    ['/listed', { Origin: `https://${HOST}` }, 'a page of the host itself, beside a list'],
    ['/any', { Origin: 'https://evil.example' }, 'any page, where the route says so'],
    ['/any', { Origin: 'null' }, 'a page of no origin, where the route says so'],
  ]) {
    it(`twin: ${what}, at ${path}`, async () => {
      const socket = await open(s, { path, headers });
      socket.send('hello');
      assert.equal(await socket.next(), 'hello');
      socket.close();
      await socket.closing;
    });
  }

  it('twin: an ordinary request of a foreign page is answered as ever', async () => {
    await s.allowed(() => s.request({ path: '/open/x', fields: [['Origin', 'https://evil.example']] }));
  });
});
