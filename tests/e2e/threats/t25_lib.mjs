// What the floods of T25 share: a gateway whose timeouts are short, and an honest client beside the attack.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { backAtRest, held } from '../faults/lib.mjs';
import { HOST, OPEN, openStage } from '../lib/stage.mjs';
import { deadline, until, within } from '../lib/wait.mjs';

const HONEST = fileURLToPath(new URL('honest_client.mjs', import.meta.url));
const MB = 1024 * 1024;

// `warm(s)` asks once. Returns the stage as `s`; `beside(attack)`, which runs an attack beside an honest client that asks again
// and again on connections of its own, and sees that memory grew by no more than `grown` MB; and `atRest`: nothing is left behind.
export async function openFlooded(warm) {
  const s = await openStage({
    config: { workers: 1, upstreams: { 'order-service': { idle_timeout: '20ms' } }, listeners: { public: { timeouts: { body: '2s', write: '2s', head: '2s', idle: '2s', drain: '500ms' } } } },
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
    const honest = spawn(process.execPath, [HONEST, String(s.gateway.ports.public), HOST], { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    honest.stdout.on('data', (data) => (text += data));
    const done = new Promise((resolve) => honest.once('close', resolve));
    await attack().finally(() => honest.stdin.end());
    assert.equal(await within(20_000, 'the honest client', done), 0, 'the honest client');
    const { p99, longest } = JSON.parse(text);
    assert.ok(p99 < deadline(500) && longest < deadline(1_000), `an honest client waited: ${text}`);
    const now = s.gateway.rss() - rss;
    assert.ok(now < grown * MB * (process.env.SALLYPORT_SLOW ? 4 : 1), `grew by ${now} bytes`);
    await atRest();
  };
  return { s, beside, atRest };
}
