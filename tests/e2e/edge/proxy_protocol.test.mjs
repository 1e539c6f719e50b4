// The PROXY protocol: whom a trusted proxy announces is the client, for limits, logs and upstreams; nobody else is heard, and
// nothing is guessed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { haproxy, startHaproxy, tlv, v1, v2 } from '../lib/proxy.mjs';
import { RawClient, curl, requestText } from '../lib/raw.mjs';
import { HOST, OPEN, fieldsOf, gatewayCertificate, openStage } from '../lib/stage.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const REFUSED = 'sallyport_connections_refused_total';
const OPEN_NOW = 'sallyport_connections_open';
const CLIENT = '203.0.113.7';

describe('the PROXY protocol', () => {
  let s;
  before(async () => {
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    const tls = { certificates: [{ cert, key }] };
    const from = (more) => ({ address: '127.0.0.1', port: 0, proxy_protocol: 'required', trusted_proxies: ['127.0.0.1', '203.0.113.0/25'], ...more });
    s = await openStage({
      config: {
        workers: 1,
        listeners: {
          proxied: from({ tls }),
          clear: from({ plaintext: 'allow' }),
          hasty: from({ plaintext: 'allow', timeouts: { proxy_header: '1s' } }),
          few: from({ plaintext: 'allow', max_connections_per_address: 2 }),
          clients: from({ tls, handshakes_per_address: '3/1m' }),
          direct: { address: '127.0.0.1', port: 0, plaintext: 'allow' },
        },
      },
      routes: {
        open: { ...OPEN, listeners: ['public', 'proxied', 'clear', 'hasty', 'few', 'clients', 'direct'] },
        limited: { ...OPEN, match: { host: HOST, path: '/limited/**' }, listeners: ['proxied', 'clear'], limits: [{ limit: '2/1m', by: 'address' }] },
      },
    });
  });
  after(() => s?.close());

  const refused = async (reason) => (await s.gateway.metrics()).sum(REFUSED, { reason });
  const clientOf = async (response) => (await s.gateway.access('it', (l) => l.request_id === response.fields.get('x-request-id'))).client;
  const isClient = async (expected, options) => {
    const { echo, response } = await s.allowed(() => s.request({ listener: 'clear', plain: true, path: '/open/x', ...options }));
    assert.equal(await clientOf(response), expected, 'in the access log');
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-for'), [expected], 'for the upstream');
    return echo;
  };
  // Closed without a byte, and counted once.
  const isRefused = async (reason, preface, options) => {
    const before = await refused(reason);
    // Who is refused right after accept may learn it while connecting.
    const client = await s.connect({ listener: 'clear', plain: true, preface, ...options }).catch((error) => assert.equal(error.code, 'ECONNRESET'));
    await client?.ended();
    client?.destroy();
    assert.equal(await refused(reason), before + 1, reason);
  };

  it('version 1: the client is who it announces', async () => {
    await isClient(CLIENT, { preface: v1(CLIENT) });
    await isClient('2001:db8::7', { preface: v1('2001:db8::7', '2001:db8::1') });
    await isClient('192.0.2.9', { preface: v1('::ffff:192.0.2.9', '::1') });
  });

  it('version 2: the client is who it announces', async () => {
    await isClient(CLIENT, { preface: v2() });
    const block = Buffer.concat([Buffer.from('20010db8000000000000000000000007', 'hex'), Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.from('9c4001bb', 'hex')]);
    await isClient('2001:db8::7', { preface: v2({ family: 0x21, block }) });
    await isClient(CLIENT, { preface: v2({ tlvs: [tlv(1, 'http/1.1'), tlv(2, HOST), tlv(0xee, Buffer.alloc(3000))] }) });
    await isClient(CLIENT, { preface: v2({ tlvs: [tlv(1, 'http/1.1')], checksum: true }) });
  });

  it('before TLS, with the request right behind it or later', async () => {
    const echo = await isClient(CLIENT, { listener: 'proxied', plain: false, preface: v1(CLIENT) });
    assert.deepEqual(fieldsOf(echo, 'x-forwarded-proto'), ['https']);
    await isClient(CLIENT, { listener: 'proxied', plain: false, preface: v2({ checksum: true }) });
    await isClient(CLIENT, { preface: `${v1(CLIENT)}${requestText({ path: '/open/x' })}`, raw: Buffer.alloc(0) });
  });

  it('LOCAL, UNKNOWN and addresses that are none mean the peer', async () => {
    for (const preface of [v2({ command: 0, family: 0 }), v2({ command: 0 }), v2({ family: 0 }), v2({ family: 0x31, block: Buffer.alloc(216, '/run/x') }), 'PROXY UNKNOWN\r\n', 'PROXY UNKNOWN 203.0.113.66 198.51.100.2 1 2\r\n']) {
      await isClient('127.0.0.1', { preface });
    }
  });

  it('headers that the client sends tell nothing', async () => {
    await isClient(CLIENT, { preface: v1(CLIENT), fields: [['X-Forwarded-For', '6.6.6.6'], ['Forwarded', 'for=6.6.6.6'], ['X-Real-IP', '6.6.6.6']] });
  });

  it('byte by byte', async () => {
    for (const header of [v1(CLIENT), v2({ tlvs: [tlv(1, 'http/1.1')], checksum: true })]) {
      const client = await s.connect({ listener: 'clear', plain: true });
      await client.sendSplit(header);
      await client.sendSplit(requestText({ path: '/open/x' }));
      const response = await client.response();
      assert.equal(response.status, 200);
      assert.equal(await clientOf(response), CLIENT);
      client.end();
    }
  });

  it('a second request on the connection has the same client; a second header is a bad request', async () => {
    const client = await s.connect({ listener: 'clear', plain: true, preface: v1(CLIENT) });
    for (let i = 0; i < 2; i++) {
      await client.send(requestText({ path: '/open/x' }));
      assert.equal(await clientOf(await client.response()), CLIENT);
    }
    await client.send(v1('203.0.113.8'));
    assert.equal((await client.response()).status, 400);
    client.destroy();
    const twice = await s.request({ listener: 'clear', plain: true, preface: v1(CLIENT) + v1('203.0.113.8'), path: '/open/x' });
    assert.equal(twice.status, 400);
    assert.equal(await clientOf(twice), CLIENT);
  });

  it('where it is not configured a header is no header: 400, or no handshake', async () => {
    for (const preface of [v1(CLIENT), v2(), v2({ command: 0, family: 0 })]) {
      const { access } = await s.refusedBytes(Buffer.concat([Buffer.from(preface), requestText({ path: '/open/x' })]), { listener: 'direct', plain: true, reason: ['bad_request', 'bad_version', 'bad_method', 'bad_target', 'malformed_head'] });
      assert.equal(access.client, '127.0.0.1');
      await assert.rejects(s.request({ path: '/open/x', preface }));
    }
    assert.equal((await s.request({ listener: 'direct', plain: true, path: '/open/x' })).status, 200, 'twin');
    assert.equal((await s.request({ path: '/open/x' })).status, 200, 'twin');
  });

  it('rubbish closes the connection and is counted', async () => {
    for (const preface of [
      requestText({ path: '/open/x' }), 'PROXY TCP4 nonsense\r\n', 'PROXY TCP4 203.0.113.7 198.51.100.2 1 2\n', `PROXY UNKNOWN ${'x'.repeat(100)}`, 'PROXY TCP4 0.0.0.0 198.51.100.2 1 2\r\n',
      v2({ family: 0x12, block: Buffer.alloc(12, 1) }), v2({ family: 0x22, block: Buffer.alloc(36, 1) }), v2({ family: 0x32, block: Buffer.alloc(216, 1) }), v2({ family: 0x77, block: Buffer.alloc(12, 1) }),
      v2({ command: 2 }), v2({ checksum: 'wrong' }), v2({ command: 0, checksum: 'wrong' }), v2({ block: Buffer.alloc(11, 1) }), v2({ tlvs: [Buffer.from([1, 0, 9])] }),
    ]) {
      await isRefused('proxy_header_bad', preface);
    }
    await isRefused('proxy_header_bad', v2({ length: 5000 }).subarray(0, 16));
    await s.gateway.event('proxy_refused', (e) => e.listener === 'clear' && e.peer === '127.0.0.1' && /no PROXY protocol header came/.test(e.reason));
    // A TLS client that speaks to us directly.
    const before = await refused('proxy_header_bad');
    await assert.rejects(s.request({ listener: 'proxied', path: '/open/x' }));
    assert.equal(await refused('proxy_header_bad'), before + 1);
    await isClient(CLIENT, { preface: v1(CLIENT) });
  });

  it('an end before it is whole', async () => {
    for (const preface of [undefined, 'PROXY TCP4 203.', v2().subarray(0, 20)]) {
      const before = await refused('proxy_header_missing');
      const client = await s.connect({ listener: 'clear', plain: true, preface });
      client.end();
      await client.ended();
      await until('it is counted', async () => (await refused('proxy_header_missing')) === before + 1);
    }
  });

  it('it must come whole within its time', async () => {
    const from = performance.now();
    const before = await refused('proxy_header_missing');
    const silent = await s.connect({ listener: 'hasty', plain: true });
    const slow = await s.connect({ listener: 'hasty', plain: true });
    const dribble = (async () => {
      for (const byte of v1(CLIENT).slice(0, -1)) {
        if (slow.socket.destroyed || !(await slow.send(byte))) break;
        await new Promise((done) => setTimeout(done, 100));
      }
    })();
    for (const client of [silent, slow]) await client.ended();
    assert.equal(await refused('proxy_header_missing'), before + 2);
    const took = performance.now() - from;
    assert.ok(took >= 900 && took < 5_000 * SLOW, `after ${took} ms`);
    for (const client of [silent, slow]) client.destroy();
    await dribble;
    // The handshake's and the head's time begin behind it.
    await isClient(CLIENT, { listener: 'hasty', preface: v1(CLIENT) });
  });

  it('an untrusted peer is not heard, whatever it sends', async () => {
    for (const preface of [v1(CLIENT), v2(), undefined]) await isRefused('proxy_untrusted', preface, { localAddress: '127.0.0.2' });
    await isClient(CLIENT, { preface: v1(CLIENT) });
  });

  it('limits by address count whom it announces', async () => {
    const ask = async (client) => (await s.request({ listener: 'clear', plain: true, path: '/limited/x', preface: v1(client) })).status;
    assert.deepEqual([await ask('203.0.113.200'), await ask('203.0.113.200'), await ask('203.0.113.200')], [200, 200, 429]);
    assert.equal(await ask('203.0.113.201'), 200, 'another client of the same proxy');
    // Also one whose address is among the trusted: what it announces is a client.
    assert.deepEqual([await ask('203.0.113.1'), await ask('203.0.113.1'), await ask('203.0.113.1')], [200, 200, 429]);
  });

  it('connections of an address are whom it announces', async () => {
    const open = async (client) => {
      const connection = await s.connect({ listener: 'few', plain: true, preface: v1(client) });
      await connection.send(requestText({ path: '/open/x' }));
      const status = await connection.response().then((r) => r.status, () => 'closed');
      return { connection, status };
    };
    const all = [await open(CLIENT), await open(CLIENT), await open(CLIENT), await open('203.0.113.8')];
    assert.deepEqual(all.map((o) => o.status), [200, 200, 'closed', 200]);
    assert.equal(await refused('address_connections'), 1);
    for (const { connection } of all) connection.destroy();
    await until('room', async () => {
      const { connection, status } = await open(CLIENT);
      connection.destroy();
      return status === 200;
    });
  });

  it('TLS handshakes of an address are whom it announces', async () => {
    const ask = (client) => s.request({ listener: 'clients', path: '/open/x', preface: v2({ client }) }).then((r) => r.status, () => 'closed');
    assert.deepEqual([await ask(CLIENT), await ask(CLIENT), await ask(CLIENT), await ask(CLIENT)], [200, 200, 200, 'closed']);
    assert.equal(await ask('203.0.113.8'), 200);
  });

  it('no connection is left', () => until('none but ours', async () => (await s.gateway.metrics()).sum(OPEN_NOW) === 0));

  it('a reload turns it on and off, and old connections go on', async () => {
    const old = await s.connect({ listener: 'direct', plain: true });
    const ask = async (client) => {
      await client.send(requestText({ path: '/open/x' }));
      return client.response();
    };
    assert.equal((await ask(old)).status, 200);
    const config = structuredClone(s.config);
    Object.assign(config.listeners.direct, { proxy_protocol: 'required', trusted_proxies: ['127.0.0.1'] });
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    assert.equal((await ask(old)).status, 200);
    await isClient(CLIENT, { listener: 'direct', preface: v1(CLIENT) });
    await isRefused('proxy_header_bad', requestText({ path: '/open/x' }), { listener: 'direct' });
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    assert.equal((await s.request({ listener: 'direct', plain: true, path: '/open/x' })).status, 200);
    old.end();
  });

  it('an announced connection is served by the next program, after an upgrade and after a crash', async () => {
    const from = s.gateway.events.length;
    assert.equal((await sallyport(['upgrade', '--config', s.gateway.file], { ms: 60_000 })).code, 0);
    await isClient(CLIENT, { preface: v1(CLIENT) });
    process.kill(s.gateway.child(), 'SIGKILL');
    await s.gateway.wait('it to be ready again', () => s.gateway.events.slice(from).filter((e) => e.event === 'ready').length >= 2);
    await isClient(CLIENT, { preface: v2() });
    await isRefused('proxy_header_bad', requestText({ path: '/open/x' }));
  });

  it('one that is half announced is served by the process that it came to', async () => {
    const client = await s.connect({ listener: 'clear', plain: true, preface: v1(CLIENT).slice(0, 20) });
    await until('it waits', async () => (await s.gateway.metrics()).sum(OPEN_NOW) >= 1);
    assert.equal((await sallyport(['upgrade', '--config', s.gateway.file], { ms: 60_000 })).code, 0);
    await client.send(v1(CLIENT).slice(20));
    await client.send(requestText({ path: '/open/x' }));
    const response = await client.response();
    assert.equal(response.status, 200);
    assert.equal(await clientOf(response), CLIENT);
    client.destroy();
  });
});

describe('proxies that speak the PROXY protocol', () => {
  let s;
  before(async () => {
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    const from = (more) => ({ address: '127.0.0.1', port: 0, proxy_protocol: 'required', trusted_proxies: ['127.0.0.1'], ...more });
    const listeners = { proxied: from({ tls: { certificates: [{ cert, key }] } }), clear: from({ plaintext: 'allow' }) };
    s = await openStage({ config: { listeners }, routes: { open: { ...OPEN, listeners: ['public', 'proxied', 'clear'] } } });
  });
  after(() => s?.close());

  const clientOf = async (id) => (await s.gateway.access('it', (l) => l.request_id === id)).client;

  for (const words of ['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,unique-id,ssl', 'send-proxy-v2 check inter 200ms', 'send-proxy check inter 200ms']) {
    it(`HAProxy, ${words}`, { skip: haproxy ? false : 'no haproxy' }, async () => {
      for (const [listener, tls] of [['clear', null], ['proxied', s.tls()]]) {
        const proxy = await startHaproxy({ server: `127.0.0.1:${s.gateway.ports[listener]} ${words}` });
        try {
          for (const localAddress of ['127.0.0.5', '127.0.0.6']) {
            const client = await RawClient.connect({ ...proxy.where, tls, localAddress });
            await client.send(requestText({ path: '/open/x' }));
            const response = await client.response();
            assert.equal(response.status, 200);
            assert.equal(await clientOf(response.fields.get('x-request-id')), localAddress);
            client.end();
          }
        } finally {
          await proxy.close();
        }
      }
      assert.equal((await s.gateway.metrics()).sum(REFUSED, { reason: 'proxy_header_bad' }), 0);
    });
  }

  it('curl --haproxy-protocol', async () => {
    const args = ['--haproxy-protocol', '--fail', '-o', '/dev/null', '-w', '%header{x-request-id}', '--resolve', `${HOST}:${s.gateway.ports.proxied}:127.0.0.1`, '--interface', '127.0.0.1', '--cacert', s.ca.certFile];
    const { code, stdout, stderr } = await curl([...args, `https://${HOST}:${s.gateway.ports.proxied}/open/x`]);
    assert.equal(code, 0, stderr);
    assert.equal(await clientOf(stdout), '127.0.0.1');
    const direct = await curl([...args.slice(1), `https://${HOST}:${s.gateway.ports.proxied}/open/x`]);
    assert.notEqual(direct.code, 0, 'without it: no');
  });
});
