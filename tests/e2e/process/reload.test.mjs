// SIGHUP: a new configuration without a failed request; a bad one changes nothing and says so.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, OPEN, READ_ORDERS, merge, openStage } from '../lib/stage.mjs';
import { FrameClient, GET } from '../lib/h2.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { echo } from '../lib/upstream.mjs';
import { until } from '../lib/wait.mjs';

describe('reload', () => {
  let s;
  before(async () => {
    s = await openStage({
      config: { listeners: { extra: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } } },
      routes: { open: { ...OPEN, listeners: ['public'] }, 'read-orders': { ...READ_ORDERS, listeners: ['public'] } },
    });
  });
  after(() => s?.close());

  it('under traffic: changed routes, no failed request', async () => {
    let going = true;
    const statuses = new Map();
    let other = 0;
    let answered = 0;
    const load = async (fresh) => {
      let client = await s.connect();
      for (let i = 0; going; i++) {
        if (fresh && i % 3 === 0) {
          client.end();
          client = await s.connect();
        }
        await client.send(requestText({ path: '/open/x' }));
        const { status } = await client.response();
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        answered++;
        if (status !== 200) other++;
      }
      client.end();
    };
    const traffic = Promise.all([load(false), load(false), load(true), load(true)]);
    for (let round = 0; round < 6; round++) {
      const more = round % 2 === 0 ? { routes: { [`new-${round}`]: { ...OPEN, listeners: ['public'], match: { host: HOST, path: `/new-${round}/**` } } } } : {};
      const event = await s.gateway.reload(merge(s.config, more));
      assert.equal(event.event, 'ready');
      // The new route stands, on a connection that was made before or after.
      assert.equal((await s.request({ path: `/new-${round}/x` })).status, round % 2 === 0 ? 200 : 404);
      const seen = answered;
      await until('traffic under this configuration', () => answered >= seen + 10 || other > 0);
    }
    going = false;
    await traffic;
    assert.equal(other, 0, JSON.stringify([...statuses]));
  });

  it('generations count up', async () => {
    const first = await s.gateway.reload();
    const second = await s.gateway.reload();
    assert.equal(second.generation, first.generation + 1);
  });

  it('an exchange keeps the configuration that it began with', async () => {
    let release;
    const held = new Promise((resolve) => (release = resolve));
    s.upstream.script = async (exchange) => {
      if (exchange.request.target === '/open/held') await held;
      await echo(exchange);
    };
    const client = await s.connect();
    await client.send(requestText({ path: '/open/held' }));
    await s.upstream.request('the held request', (r) => r.target === '/open/held');
    const { open, ...rest } = s.config.routes;
    assert.ok(open);
    assert.equal((await s.gateway.reload({ ...s.config, routes: rest })).event, 'ready');
    release();
    assert.equal((await client.response()).status, 200);
    // and the next request on the same connection meets the new one
    await client.send(requestText({ path: '/open/next' }));
    assert.equal((await client.response()).status, 404);
    client.end();
    assert.equal((await s.gateway.reload(s.config)).event, 'ready');
  });

  for (const [name, config] of [
    ['an unknown key', () => merge(s.config, { routes: { open: { upstraem: 'x' } } })],
    ['no YAML at all', () => '{ broken'],
    ['a file that is empty', () => ''],
    ['an upstream that is not there', () => merge(s.config, { routes: { open: { upstream: 'nowhere' } } })],
  ]) {
    it(`a bad configuration keeps the old one and says so: ${name}`, async () => {
      const before = (await s.gateway.metrics()).sum('sallyport_reloads_refused_total');
      const event = await s.gateway.reload(config());
      assert.equal(event.event, 'reload_refused');
      assert.match(event.reason, /gateway\.yaml/);
      assert.equal((await s.request({ path: '/open/x' })).status, 200);
      await until('the count', async () => (await s.gateway.metrics()).sum('sallyport_reloads_refused_total') > before);
      await s.gateway.audit('the refusal', (l) => l.event === 'refused');
      assert.equal((await s.gateway.reload(s.config)).event, 'ready');
    });
  }

  it('a listener that is added serves, one that goes is closed, the others stay bound', async () => {
    const port = s.gateway.ports.public;
    const added = merge(s.config, {
      listeners: { added: { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' } },
      routes: { open: { listeners: ['public', 'added'] } },
    });
    const events = s.gateway.events.length;
    assert.equal((await s.gateway.reload(added)).event, 'ready');
    const bound = await s.gateway.event('listening', (e) => e.listener === 'added');
    assert.equal((await s.request({ listener: 'added', plain: true, path: '/open/x' })).status, 200);
    assert.ok(s.gateway.events.slice(events).every((e) => e.event !== 'listening' || e.listener === 'added' || s.gateway.ports[e.listener] === e.port));
    assert.equal(s.gateway.ports.public, port);
    const gone = merge(s.config, { listeners: { extra: null } });
    assert.equal((await s.gateway.reload(gone)).event, 'ready');
    for (const closed of [bound.port, s.gateway.ports.extra]) {
      await until('the port to be closed', () => RawClient.connect({ port: closed }).then((c) => (c.destroy(), false), () => true));
    }
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
  });

  it('limits survive a reload', async () => {
    const config = merge(s.config, { listeners: { extra: null }, routes: { open: { limits: [{ limit: '3/1m', by: 'address' }] } } });
    assert.equal((await s.gateway.reload(config)).event, 'ready');
    const ask = async () => (await s.request({ path: '/open/x', localAddress: '127.0.0.9' })).status;
    assert.deepEqual([await ask(), await ask()], [200, 200]);
    assert.equal((await s.gateway.reload(merge(config, { routes: { open: { timeout: '9s' } } }))).event, 'ready');
    assert.deepEqual([await ask(), await ask()], [200, 429]);
  });
});

describe('a listener that is stricter by now', () => {
  const INSIDE = { ...OPEN, match: { host: HOST, path: '/inside' }, listeners: ['edge'], exposure: 'internal' };
  const edge = (more) => ({ listeners: { edge: { address: '127.0.0.1', port: 0, plaintext: 'allow', ...more } } });
  for (const [how, inner] of [['at another address', { address: '127.0.0.3', exposure: 'internal' }], ['where it is', { exposure: 'internal' }]]) {
    it(`as an inner one ${how} has no clients from outside any more`, async () => {
      const s = await openStage({ config: edge({ exposure: 'external' }), routes: { open: { ...OPEN, listeners: ['edge'] } } });
      try {
        const outside = await Promise.all([1, 2].map(() => RawClient.connect({ port: s.gateway.ports.edge })));
        for (const client of outside) {
          await client.send(requestText({ path: '/open/x' }));
          assert.equal((await client.response()).status, 200);
        }
        assert.equal((await s.gateway.reload(merge(s.config, { ...edge(inner), routes: { open: null, inside: INSIDE } }))).event, 'ready');
        for (const client of outside) await client.ended();
        const inside = await RawClient.connect({ host: inner.address ?? '127.0.0.1', port: s.gateway.ports.edge });
        await inside.send(requestText({ path: '/inside' }));
        assert.equal((await inside.response()).status, 200);
        inside.destroy();
      } finally {
        await s.close();
      }
    });
  }

  it('and who does not take the hint is refused', async () => {
    const s = await openStage({ routes: { open: { ...OPEN, listeners: ['public'] } } });
    try {
      const client = await FrameClient.connect(s);
      client.deaf = true; // it does not say that it has seen the end coming
      client.headers(1, GET('/open/x'));
      await client.end(1);
      assert.equal(client.status(1), 200);
      const inner = merge(s.config, { listeners: { public: { exposure: 'internal' } }, routes: { open: null, inside: { ...INSIDE, listeners: ['public'] } } });
      assert.equal((await s.gateway.reload(inner)).event, 'ready');
      client.headers(3, GET('/inside'));
      await client.end(3);
      assert.notEqual(client.status(3), 200);
      const { status, listener, route } = await s.gateway.access('the refusal', (l) => l.reason === 'misdirected');
      assert.deepEqual({ status, listener, route }, { status: 421, listener: 'public', route: undefined });
      await client.ended();
    } finally {
      await s.close();
    }
  });

  it('nor has one that gets TLS clients without it', async () => {
    const s = await openStage({ config: edge({ exposure: 'external' }), routes: { open: { ...OPEN, listeners: ['edge'] } } });
    try {
      const plain = await RawClient.connect({ port: s.gateway.ports.edge });
      await plain.send(requestText({ path: '/open/x' }));
      assert.equal((await plain.response()).status, 200);
      const secured = merge(s.config, { listeners: { edge: { plaintext: null, tls: s.config.listeners.public.tls } } });
      assert.equal((await s.gateway.reload(secured)).event, 'ready');
      await plain.ended();
    } finally {
      await s.close();
    }
  });

  it('and one that stays what it is keeps its clients', async () => {
    const s = await openStage({ config: edge({ exposure: 'external' }), routes: { open: { ...OPEN, listeners: ['edge'] } } });
    try {
      const client = await RawClient.connect({ port: s.gateway.ports.edge });
      for (const timeout of ['9s', '8s']) {
        assert.equal((await s.gateway.reload(merge(s.config, { ...edge({ exposure: 'external' }), routes: { open: { timeout } } }))).event, 'ready');
        await client.send(requestText({ path: '/open/x' }));
        assert.equal((await client.response()).status, 200);
      }
      client.destroy();
    } finally {
      await s.close();
    }
  });
});
