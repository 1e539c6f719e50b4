// A gateway with a block store, `sallyport block` on it, and how soon a change must bite.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binary, environment, sallyport } from '../lib/gateway.mjs';
import { openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';

export const block = (file, command, ...args) => sallyport(['block', command, '--config', file, ...args]);

export async function done(file, command, ...args) {
  const { code, stdout, stderr } = await block(file, command, ...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

// The same, with something on standard input.
export async function piped(input, args, env = {}) {
  const child = spawn(binary(), args, { env: environment(env), stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '', stderr = '';
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

// A directory with an empty store, and a small configuration that names it.
export async function makeStore() {
  const dir = tempDir('blocks');
  const store = join(dir, 'blocks.sqlite');
  const file = join(dir, 'small.yaml');
  writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, blocks: { store } }));
  await done(file, 'init');
  return { dir, store, small: file };
}

// `config`: as for a stage; `blocks`: more of the section.
export async function openBlocked({ config = {}, blocks = {}, ...rest } = {}) {
  const made = await makeStore();
  const own = async (stage) => ({ workers: 3, blocks: { store: made.store, ...blocks }, ...(typeof config === 'function' ? await config(stage) : config) });
  const s = await openStage({ config: own, ...rest });
  const file = s.gateway.file;
  const add = (kind, value, ...args) => done(file, 'add', kind, value, '--expires', '1h', '--reason', 'a test', ...args);
  const remove = (...args) => done(file, 'remove', ...args);
  return { s, file, add, remove, ...made };
}

export const within2s = async (what, look) => {
  const began = Date.now();
  await until(what, look, 8000);
  // Two seconds are the promise; a machine that is busy with other tests is given a moment more.
  assert.ok(Date.now() - began < 2000 * Number(process.env.SALLYPORT_SLOW ?? 1) + 800, `${what} took ${Date.now() - began} ms`);
};

// By whichever worker answers: so many connections at once do not all meet the same.
export const everywhere = (make, status) => async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => make().then((r) => r.status, () => 0)));
  return answers.every((answer) => answer === status);
};
