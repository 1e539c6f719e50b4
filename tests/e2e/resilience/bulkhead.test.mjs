// How much of a worker one upstream may take.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { requestText } from '../lib/raw.mjs';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

describe('max_requests', () => {
  let s;
  const held = [];
  before(async () => {
    const at = (path, more) => ({ ...OPEN, match: { host: HOST, path: `${path}/**` }, timeout: '10s', ...more });
    s = await openStage({
      config: (stage) => ({
        workers: 1,
        upstreams: { 'order-service': { max_requests: 3 }, beside: { endpoints: [stage.upstream.url], tls: { ca: stage.ca.certFile } } },
      }),
      routes: { open: at('/open', {}), beside: at('/beside', { upstream: 'beside' }), instead: at('/instead', { fallback: 'beside' }) },
      upstream: {
        record: false,
        script: async (exchange) => {
          await exchange.request.read();
          if (exchange.request.target !== '/open/held') return exchange.json(200, {});
          await new Promise((resolve) => held.push(resolve));
          return exchange.json(200, {});
        },
      },
    });
  });
  after(() => s?.close());

  it('as many as that are under way; one more is denied, and other upstreams have their places', async () => {
    const clients = [];
    for (let i = 0; i < 3; i++) {
      const client = await s.connect();
      await client.send(requestText({ path: '/open/held' }));
      clients.push(client);
    }
    await until('three to be held', () => held.length === 3);
    await s.denied({ status: 503, code: 'unavailable', reason: 'upstream_busy' }, () => s.request({ path: '/open/more' }));
    assert.equal((await s.request({ path: '/beside/1' })).status, 200);
    assert.equal((await s.request({ path: '/instead/1' })).status, 200);
    for (const answer of held) answer();
    for (const client of clients) {
      assert.equal((await client.response()).status, 200);
      client.end();
    }
    for (let i = 0; i < 5; i++) assert.equal((await s.request({ path: '/open/after' })).status, 200);
  });
});
