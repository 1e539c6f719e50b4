// gRPC calls and WebSocket handshakes are asked about like any request; and nginx, by the same answers of an authorizer, lets
// pass and denies the same.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { connectClient, method, startServer, STATUS, unary } from '../lib/grpc.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { closeAll, HOST, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { open, refusal, startSocketServer } from '../lib/websocket.mjs';
import { Authorizer } from './lib.mjs';

const settings = (sso) => ({ contract: 'forward_auth', url: sso.url, subject_header: 'X-User', upstream_headers: ['X-User'], client_headers: ['Location', 'X-Why', 'WWW-Authenticate'], request_headers: ['Authorization'] });

describe('gRPC and WebSockets', () => {
  let s, sso, server, sockets, client;
  let seen = [];
  before(async () => {
    sso = await Authorizer.start();
    server = await startServer([{ unary: method('Unary', false, false) }, { unary: (call, done) => (seen.push(call.metadata.get('x-user')), done(null, `echo ${call.request}`)) }]);
    sockets = await startSocketServer();
    s = await openStage({
      config: (stage) => ({
        authorizers: { sso: settings(sso) },
        upstreams: {
          calls: { endpoints: [`https://127.0.0.1:${server.port}`], protocol: 'h2', tls: { ca: stage.ca.certFile } },
          sockets: { endpoints: [sockets.url], tls: { ca: stage.ca.certFile } },
        },
      }),
      routes: {
        calls: { match: { host: HOST, path: '/test.Echo/**', methods: ['POST'] }, upstream: 'calls', auth: { external: 'sso' }, authorize: 'any_caller' },
        ws: { match: { host: HOST, path: '/ws' }, upstream: 'sockets', auth: { external: 'sso' }, authorize: 'any_caller', websocket: {} },
      },
    });
    client = connectClient(s);
  });
  beforeEach(() => {
    sso.asked.length = seen.length = 0;
    sso.decide = () => [200, { 'X-User': 'alice' }];
  });
  after(() => closeAll(() => client?.close(), () => s?.close(), () => server?.forceShutdown(), () => sockets?.close(), () => sso?.close()));

  const call = (metadata = {}) => unary(client, 'hi', { path: '/test.Echo/Unary', metadata });
  it('a call that may', async () => {
    const { answer, status } = await call({ 'x-user': 'root' });
    assert.deepEqual([status.code, answer], [STATUS.OK, 'echo hi']);
    assert.deepEqual(seen, [['alice']]);
    assert.deepEqual([sso.asked[0].get('x-forwarded-method'), sso.asked[0].get('x-forwarded-uri')], ['POST', '/test.Echo/Unary']);
  });
  it('a call that may not: Trailers-Only, whatever the authorizer says', async () => {
    for (const [answer, code] of [[[401, {}], STATUS.UNAUTHENTICATED], [[403, {}], STATUS.PERMISSION_DENIED], [[302, { Location: '/login' }], STATUS.UNAUTHENTICATED], [[500, {}], STATUS.UNAVAILABLE]]) {
      sso.decide = () => answer;
      const { status } = await call();
      assert.equal(status.code, code, `${answer[0]}`);
      assert.deepEqual(status.metadata.get('location'), []);
    }
    assert.deepEqual(seen, []);
  });
  it('a WebSocket outlives the configuration that names its authorizer: its log line names it all the same', async () => {
    const socket = await open(s);
    const { ws, ...others } = s.config.routes;
    for (let i = 0; i < 3; i++) {
      await s.gateway.reload({ ...s.config, routes: { ...others, [`extra-${i}`]: { ...ws, match: { host: HOST, path: `/extra-${i}` } } } });
    }
    socket.terminate();
    const line = await s.gateway.access('the WebSocket', (l) => l.closed !== undefined && l.path === '/ws');
    await s.gateway.reload(s.config);
    assert.equal(line.authorizer, 'sso');
  });
  it('a handshake that may, and one that may not', async () => {
    const socket = await open(s);
    assert.equal(sockets.sockets.at(-1).request.headers['x-user'], 'alice');
    assert.deepEqual([sso.asked[0].method, sso.asked[0].get('upgrade'), sso.asked[0].get('sec-websocket-key')], ['GET', undefined, undefined]);
    socket.terminate();
    const opened = sockets.sockets.length;
    sso.decide = () => [403, { 'X-Why': 'so' }];
    const response = await refusal(s);
    assert.deepEqual([response.status, response.fields['x-why']], [403, 'so']);
    sso.decide = () => [302, { Location: '/login' }];
    const sent = await refusal(s);
    assert.equal(sent.status, 302);
    assert.equal(sockets.sockets.length, opened);
  });
});

const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx'].find(existsSync);

describe("beside nginx's auth_request", { skip: nginx ? false : 'there is no nginx' }, () => {
  let s, sso, child, port;
  before(async () => {
    sso = await Authorizer.start();
    s = await openStage({
      config: { authorizers: { sso: settings(sso) } },
      routes: { app: { match: { host: HOST, path: '/app/**' }, upstream: 'order-service', auth: 'none', authorize: { external: 'sso' } } },
      upstream: { tls: null },
    });
    const dir = tempDir('nginx');
    const free = await Authorizer.start();
    port = free.port;
    await free.close();
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
    writeFileSync(join(dir, 'nginx.conf'), `daemon off; master_process off; pid ${dir}/pid; error_log ${dir}/error.log; events { worker_connections 64; }
      http { access_log off; ${temporary} server { listen 127.0.0.1:${port};
        location / { auth_request /auth; proxy_set_header Host $host; proxy_pass ${s.upstream.url}; }
        location = /auth { internal; proxy_pass ${sso.url}/; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header X-Original-URI $request_uri; } } }`);
    child = spawn(nginx, ['-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: 'ignore' });
    await until('nginx to listen', () => RawClient.connect({ port }).then((c) => (c.destroy(), true), () => false));
  });
  after(() => closeAll(() => s?.close(), () => sso?.close(), () => child?.kill('SIGKILL')));

  it('both let pass, deny and give up on the same answers', async () => {
    for (const status of [200, 201, 202, 204, 206, 299, 301, 302, 303, 307, 400, 401, 403, 404, 407, 429, 500, 502, 503]) {
      sso.decide = () => [status, { Location: '/login', 'WWW-Authenticate': 'Basic realm="x"' }];
      const theirs = await RawClient.connect({ port });
      await theirs.send(requestText({ path: '/app/1', host: HOST }));
      const other = await theirs.response();
      theirs.end();
      const ours = await s.request({ path: '/app/1' });
      // Where nginx gives up it says 500, and so it does of redirects, which we pass on where they are listed.
      const want = other.status === 500 ? (status >= 300 && status < 400 ? status : 503) : other.status;
      assert.equal(ours.status, want, `an authorizer's ${status}: nginx ${other.status}`);
      assert.equal(ours.fields.get('www-authenticate'), status === 401 ? other.fields.get('www-authenticate') : ours.fields.get('www-authenticate'));
    }
  });
});
