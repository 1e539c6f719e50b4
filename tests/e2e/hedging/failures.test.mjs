// Two copies of a read of which one has failed: an answer, be it 503, is better than none, and waits for what becomes of the other.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { IDLE, leavesNothing } from '../faults/lib.mjs';
import { PLAIN } from '../balance/lib.mjs';
import { requestText } from '../lib/raw.mjs';
import { closeAll, HOST, merge, OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { Fleet } from './lib.mjs';

const at = (path, more = {}) => ({ ...OPEN, match: { host: HOST, path: `${path}/**` }, upstream: 'three', listeners: ['plain', 'public'], timeout: '10s', hedge: { after: '30ms' }, ...more });
const breaks = ({ response }) => response.destroy();
const hangs = () => {};
const says = (status, body = `said ${status}`) => ({ answer }) => answer(status, body);
const LARGE = 'x'.repeat(1 << 20);

// One copy does its part as soon as both are there, and the other one once that is with the gateway.
const sequence = (one, first, other) => {
  const copies = [];
  return (copy) => {
    copies.push(copy);
    if (copies.length !== 2) return copies.length > 2 && copy.answer();
    first(copies[one]);
    setTimeout(() => other(copies[1 - one]), 100);
  };
};

for (const scheme of ['http', 'h2c']) {
  describe(`two copies at ${scheme}:// servers, and one fails`, () => {
    let s, fleet, count = 0;
    before(async () => {
      fleet = await Fleet.start(3, scheme);
      s = await openStage({
        config: { workers: 1, listeners: PLAIN, upstreams: { three: fleet.upstream(IDLE), spare: fleet.upstream(IDLE) } },
        routes: {
          three: at('/three'),
          quick: at('/quick', { timeout: '500ms' }),
          again: at('/again', { retry: { on: ['503'], attempts: 1, backoff: '0ms' } }),
          reset: at('/reset', { retry: { on: ['reset'], attempts: 1, backoff: '0ms' } }),
          instead: at('/instead', { fallback: { status: 200, body: 'instead', content_type: 'text/plain', statuses: [503] } }),
          other: at('/other', { fallback: { upstream: 'spare', statuses: [503] } }),
        },
      });
    });
    beforeEach(() => (fleet.act = ({ answer }) => answer()));
    after(() => closeAll(() => s?.close(), () => fleet?.close()));

    const asked = async (prefix, act, parts = {}) => {
      const path = `${prefix}/${++count}`;
      fleet.act = act;
      const response = await s.request({ path, plain: true, listener: 'plain', ...parts });
      const id = response.fields.get('x-request-id');
      const access = await s.gateway.access('the request', (l) => l.request_id === id);
      return { status: response.status, text: response.body.toString(), access, times: fleet.seen(path) };
    };

    for (const [one, name] of [[0, 'the first'], [1, 'the second']]) {
      for (const [what, first, other, status, text, hedge] of [
        ['says 503, the other breaks off', says(503), breaks, 503, 'said 503', 'failed'],
        ['says 503 at length, the other breaks off', says(503, LARGE), breaks, 503, LARGE, 'failed'],
        ['says 503 and no more, the other breaks off', says(503, ''), breaks, 503, '', 'failed'],
        ['says 500, the other says 503: the last', says(500), says(503), 503, 'said 503', 'failed'],
        ['says 503, the other says 404', says(503), says(404), 404, 'said 404', one === 0 ? 'won' : 'failed'],
        ['says 503, the other serves', says(503, LARGE), says(200), 200, 'said 200', one === 0 ? 'won' : 'failed'],
        ['breaks off, the other says 503', breaks, says(503), 503, 'said 503', 'failed'],
        ['breaks off, and so does the other', breaks, breaks, 502, undefined, 'failed'],
      ]) {
        it(`${name} ${what}: ${status}`, async () => {
          const answered = await asked('/three', sequence(one, first, other));
          assert.deepEqual([answered.status, answered.times, answered.access.hedge], [status, 2, hedge]);
          if (text !== undefined) assert.ok(answered.text === text, `${answered.text.slice(0, 80)} of ${answered.text.length} bytes`);
        });
      }
      it(`${name} says 503, the other is silent: 503 when the time is over, and not 504`, async () => {
        const { status, text, times, access } = await asked('/quick', sequence(one, says(503), hangs));
        assert.deepEqual([status, text, times, access.hedge, access.reason], [503, 'said 503', 2, 'failed', undefined]);
      });
      it(`${name} says 503 to HEAD, the other breaks off: 503`, async () => {
        const { status, times } = await asked('/three', sequence(one, says(503), breaks), { method: 'HEAD' });
        assert.deepEqual([status, times], [503, 2]);
      });
      it(`${name} says 503 and breaks off before the other serves: 200`, async () => {
        const { status, text } = await asked('/three', sequence(one, ({ response }) => (response.writeHead(503, { 'content-length': 99 }), response.write('x'), setTimeout(() => response.destroy(), 30)), says(200)));
        assert.deepEqual([status, text], [200, 'said 200']);
      });
      it(`${name} says 503, the other breaks off: \`retry\` of 503 asks a third one`, async () => {
        const { status, times, access } = await asked('/again', sequence(one, says(503), breaks));
        assert.deepEqual([status, times, access.tries], [200, 3, 1]);
      });
      it(`${name} says 503, the other breaks off: \`retry\` of what breaks off alone asks nobody`, async () => {
        const { status, times } = await asked('/reset', sequence(one, says(503), breaks));
        assert.deepEqual([status, times], [503, 2]);
      });
      it(`${name} says 503 and no more, the other breaks off: the fallback serves`, async () => {
        for (const body of ['', 'more']) {
          const { status, text } = await asked('/instead', sequence(one, says(503, body), breaks));
          assert.deepEqual([status, text], [200, 'instead']);
          assert.equal((await asked('/other', sequence(one, says(503, body), breaks))).status, 200);
        }
      });
      it(`${name} says 503, and the client goes away: nothing is left`, () =>
        leavesNothing(s, async () => {
          const path = `/three/${++count}`;
          const cancelled = fleet.cancelled;
          let said = false;
          fleet.act = sequence(one, says(503, LARGE), () => (said = true));
          const client = await s.connect();
          await client.send(requestText({ path }));
          await until('the 503', () => said);
          client.destroy();
          await s.gateway.access('the request', (l) => l.path === path && l.aborted);
          await until('the other to be cancelled', () => fleet.cancelled > cancelled);
        }));
    }
    it('one answer after another on one connection, whatever has failed before', () =>
      leavesNothing(s, async () => {
        const client = await s.connect({ plain: true, listener: 'plain' });
        for (let i = 0; i < 40; i++) {
          fleet.act = sequence(i % 2, says(503, i % 4 < 2 ? LARGE : ''), i % 3 === 0 ? breaks : says(200));
          await client.send(requestText({ path: `/three/${++count}` }));
          const { status, body } = await client.response();
          assert.deepEqual([status, body.length], i % 3 === 0 ? [503, i % 4 < 2 ? LARGE.length : 0] : [200, 'said 200'.length]);
        }
        client.end();
      }));

    // The service is another one by then, or none.
    for (const [what, change] of [
      ['the same', (config) => merge(config, { routes: { three: { timeout: '9s' } } })],
      ['without the service', (config) => ({ ...config, upstreams: { ...config.upstreams, three: fleet.upstream({ endpoints: [fleet.servers[2].url] }) } })],
      ['without `hedge`', (config) => merge(config, { routes: { three: { hedge: null } } })],
    ]) {
      for (const [one, name] of [[0, 'the first'], [1, 'the second']]) {
        for (const [how, first, last] of [
          ['serves', hangs, says(200, LARGE)],
          ['has said 503, the other breaks off', says(503, LARGE), breaks],
        ]) {
          it(`a reload, ${what}, while two copies are under way: ${name} ${how}: one whole answer`, async () => {
            const path = `/three/${++count}`;
            const copies = [];
            fleet.act = (copy) => copies.push(copy) === 2 && first(copies[one]);
            const client = await s.connect({ plain: true, listener: 'plain' });
            await client.send(requestText({ path }));
            await until('both copies', () => copies.length === 2);
            assert.equal((await s.gateway.reload(change(s.config))).event, 'ready');
            last(copies[last === breaks ? 1 - one : one]);
            const { status, body } = await client.response();
            client.end();
            assert.deepEqual([status, body.toString() === LARGE], [last === breaks ? 503 : 200, true]);
            fleet.act = ({ answer }) => answer();
            assert.equal((await s.request({ path: '/three/after', plain: true, listener: 'plain' })).status, 200);
            assert.equal((await s.gateway.reload(s.config)).event, 'ready');
          });
        }
      }
    }
  });
}
