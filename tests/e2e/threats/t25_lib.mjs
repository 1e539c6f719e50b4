// What the floods of T25 share: a gateway whose timeouts are short, and an honest client beside the attack.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { backAtRest, held } from '../faults/lib.mjs';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { deadline, until, within } from '../lib/wait.mjs';

const HONEST = fileURLToPath(new URL('honest_client.mjs', import.meta.url));
const MB = 1024 * 1024;

// `warm(s)` asks once. Returns the stage as `s`; `beside(attack)`, which runs an attack beside an honest client that asks again
// and again on connections of its own, and sees that memory grew by no more than `grown` MB; and `atRest`: nothing is left behind.
export async function openFlooded(warm) {
  // Whoever is busy attacking comes to read its answer late: what `drain` does not wait for, a reset destroys.
  const timeouts = { body: '2s', write: '2s', head: '2s', idle: '2s', drain: `${deadline(5_000)}ms` };
  const s = await openStage({
    config: { workers: 1, upstreams: { 'order-service': { idle_timeout: '20ms' } }, listeners: { public: { timeouts } } },
    routes: { open: { ...OPEN, body: '8MiB' } },
    upstream: {
      record: false,
      script: async (exchange) => {
        await exchange.request.skip();
        if (exchange.request.target.endsWith('/slow')) await new Promise((resolve) => setTimeout(resolve, 200));
        await exchange.respond(200, [], 'x'.repeat(1000));
      },
    },
  });
  let rest;
  try {
    await warm(s);
    await until('rest', async () => (rest = await held(s.gateway)).sallyport_upstream_connections_open === 0);
  } catch (error) {
    await s.close();
    throw error;
  }

  const atRest = () => backAtRest(s.gateway, rest);
  const beside = async (attack, grown = 24) => {
    const rss = s.gateway.rss();
    const honest = spawn(process.execPath, [HONEST, String(s.gateway.ports.public), HOST, String(s.gateway.child())], { stdio: ['pipe', 'pipe', 'inherit'] });
    const told = [];
    const telling = createInterface(honest.stdout).on('line', (line) => told.push(JSON.parse(line)));
    const done = new Promise((resolve) => honest.once('close', resolve));
    await within(20_000, 'the honest client to have seen how it is while all is calm', Promise.race([once(telling, 'line'), done]));
    await attack().finally(() => honest.stdin.end());
    assert.equal(await within(20_000, 'the honest client', done), 0, 'the honest client');
    // Others were not done before it: that is seen by what the gateway spent while it waited. On the clock it waits for this
    // process, too, and for whatever else the machine does, as it did before the attack.
    const [calm, { p99_spent, most_spent, longest }] = told;
    assert.ok(p99_spent < deadline(500) && most_spent < deadline(1_000), `an honest client waited for others: ${JSON.stringify(told)}`);
    assert.ok(longest < deadline(1_000) + 20 * calm.longest, `an honest client waited: ${JSON.stringify(told)}`);
    const now = s.gateway.rss() - rss;
    assert.ok(now < grown * MB * (process.env.SALLYPORT_SLOW ? 4 : 1), `grew by ${now} bytes`);
    await atRest();
  };
  return { s, beside, atRest };
}
