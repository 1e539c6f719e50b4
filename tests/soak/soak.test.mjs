// The soak as a test: see soak.mjs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SLOW } from '../e2e/lib/wait.mjs';

const SECONDS = Number(process.env.SALLYPORT_SOAK_SECONDS || 8);
const program = join(dirname(fileURLToPath(import.meta.url)), 'soak.mjs');

it(`${SECONDS} s of honest and hostile clients leave nothing behind`, async (t) => {
  const timeout = (SECONDS + 120 * SLOW) * 1000;
  const { error, stdout, stderr } = await new Promise((done) => {
    execFile(process.execPath, [program], { timeout, maxBuffer: 1 << 26 }, (failure, out, err) => done({ error: failure, stdout: out, stderr: err }));
  });
  for (const line of stdout.trimEnd().split('\n')) t.diagnostic(line);
  assert.equal(error, null, `${stdout.slice(-20_000)}${stderr.slice(-5_000)}`);
});
