// The servers that people run: nghttpd, nginx, HAProxy. Each is skipped, by name, where it is not installed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { lastingPort } from '../lib/listen.mjs';
import { haproxy, nghttpd, nginx, start, startNginx } from '../lib/proxy.mjs';
import { closeAll, OPEN, openStage, originCertificate } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { onStage } from './lib.mjs';

const SIZE = 4 << 20;

// Starts it at this port, sends it what it can do, and stops it.
async function withPeer(begin, port, scheme, act) {
  let peer, s;
  try {
    peer = await begin({ port, host: '127.0.0.1' });
    s = await openStage(onStage({ url: `${scheme}://127.0.0.1:${port}` }, { routes: { open: { ...OPEN, timeout: '10s', body: '1GiB' } } }));
    await act(s);
  } finally {
    await closeAll(() => s?.close(), () => peer?.close());
  }
}

const site = () => {
  const dir = tempDir('peer');
  const body = randomBytes(SIZE);
  mkdirSync(join(dir, 'www/open'), { recursive: true });
  writeFileSync(join(dir, 'www/open/file'), body);
  writeFileSync(join(dir, 'www/open/small'), 'small');
  return { dir, digest: createHash('sha256').update(body).digest('hex') };
};

const serves = async (s, digest) => {
  const many = await Promise.all(Array.from({ length: 120 }, () => s.request({ path: '/open/small' })));
  assert.ok(many.every((r) => r.status === 200 && r.text === 'small'), many.map((r) => r.status).join());
  const large = await Promise.all(Array.from({ length: 6 }, () => s.request({ path: '/open/file' })));
  for (const response of large) assert.equal(createHash('sha256').update(response.body).digest('hex'), digest);
  assert.equal((await s.request({ method: 'HEAD', path: '/open/file' })).fields.get('content-length'), String(SIZE));
  assert.equal((await s.request({ path: '/open/none' })).status, 404);
  const line = await s.gateway.access('a line', (l) => l.path === '/open/file');
  assert.equal(line.upstream_protocol, 'HTTP/2');
};

describe('peers of HTTP/2', () => {
  for (const scheme of ['https', 'h2c']) {
    it(`nghttpd, ${scheme}`, { skip: !nghttpd && 'nghttpd is not installed' }, async () => {
      const { dir, digest } = site();
      const port = await lastingPort();
      const { certFile, keyFile } = originCertificate();
      const tls = scheme === 'https' ? [keyFile, certFile] : [];
      const args = ['-a', '127.0.0.1', '-d', join(dir, 'www'), ...(scheme === 'h2c' ? ['--no-tls'] : []), String(port), ...tls];
      await withPeer((where) => start(nghttpd, args, where), port, scheme, (s) => serves(s, digest));
    });
  }
  it('nginx, over TLS: also past the requests that it allows a connection', { skip: !nginx && 'nginx is not installed' }, async () => {
    const { dir, digest } = site();
    const port = await lastingPort();
    const { certFile, keyFile } = originCertificate();
    const server = `server { listen 127.0.0.1:${port} ssl http2; ssl_certificate ${certFile}; ssl_certificate_key ${keyFile}; root ${dir}/www; keepalive_requests 50; http2_max_concurrent_streams 16; }`;
    await withPeer((where) => startNginx(server, where), port, 'https', async (s) => {
      await serves(s, digest);
      // One after the other goes by the connection that was used last, so one of each worker's gets as many as it may.
      for (let i = 0; i < 200; i++) assert.equal((await s.request({ path: '/open/small' })).status, 200);
      const metrics = await s.gateway.metrics();
      assert.ok(metrics.sum('sallyport_upstream_http2_goaways_total') >= 1);
      assert.equal(metrics.sum('sallyport_denied_total', { reason: 'upstream_closed' }), 0);
    });
  });
  for (const scheme of ['https', 'h2c']) {
    it(`HAProxy, ${scheme}, before an HTTP/1.1 server: bodies both ways`, { skip: !haproxy && 'HAProxy is not installed' }, async () => {
      const dir = tempDir('peer');
      const port = await lastingPort();
      const { certFile, keyFile } = originCertificate();
      writeFileSync(join(dir, 'both.pem'), execFileSync('cat', [certFile, keyFile]));
      const back = net.createServer((socket) => {
        let seen = Buffer.alloc(0);
        socket.on('error', () => {});
        socket.on('data', (piece) => {
          seen = Buffer.concat([seen, piece]);
          const end = seen.indexOf('\r\n\r\n');
          const size = Number(/content-length: (\d+)/i.exec(seen.subarray(0, end).toString())?.[1] ?? 0);
          if (end < 0 || seen.length < end + 4 + size) return;
          const body = seen.subarray(end + 4, end + 4 + size);
          socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`), body]));
        });
      });
      await new Promise((resolve) => back.listen(0, '127.0.0.1', resolve));
      writeFileSync(join(dir, 'haproxy.cfg'), `global
  maxconn 200
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend f
  bind 127.0.0.1:${port} ${scheme === 'https' ? `ssl crt ${dir}/both.pem alpn h2` : 'proto h2'}
  default_backend b
backend b
  server s 127.0.0.1:${back.address().port}
`);
      try {
        await withPeer((where) => start(haproxy, ['-db', '-f', join(dir, 'haproxy.cfg')], where), port, scheme, async (s) => {
          const body = randomBytes(1 << 20);
          const all = await Promise.all(Array.from({ length: 8 }, () => s.request({ method: 'POST', path: '/open/x', body })));
          for (const response of all) assert.ok(response.body.equals(body), `${response.status}, ${response.body.length} bytes`);
        });
      } finally {
        back.close();
      }
    });
  }
});
