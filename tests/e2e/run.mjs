// Runs the tests beneath the folders named (default: everything here and tests/conformance), by node --test, and ends
// with one line of totals.
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

function testFiles(path) {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .sort()
    .flatMap((name) => {
      const child = join(path, name);
      if (statSync(child).isDirectory()) return testFiles(child);
      return name.endsWith('.test.mjs') ? [child] : [];
    });
}

const named = process.argv.slice(2);
const roots = named.length > 0 ? named.map((p) => resolve(p)) : [here, join(here, '../conformance')];
const files = roots.flatMap(testFiles).map((file) => relative(process.cwd(), file));

const concurrency = process.env.SALLYPORT_E2E_JOBS;
const args = ['--test', '--test-reporter=spec', ...(concurrency ? [`--test-concurrency=${concurrency}`] : []), ...files];
const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
// The totals stand before the list of what failed, which may be long.
const totals = {};
let left = '';
// A file that neither ends nor says anything would hold everything up for ever.
const QUIET = 10 * 60_000 * Math.max(1, Number(process.env.SALLYPORT_SLOW) || 1);
let watch;
const rearm = () => {
  clearTimeout(watch);
  watch = setTimeout(() => {
    console.log(`no test has ended for ${QUIET / 60_000} minutes: given up`);
    child.kill('SIGTERM');
  }, QUIET);
};
rearm();
child.stdout.on('data', (chunk) => {
  rearm();
  process.stdout.write(chunk);
  const lines = (left + chunk).split('\n');
  left = lines.pop();
  for (const line of lines) {
    const match = /^(?:#|ℹ) (pass|fail|cancelled|skipped|todo) ([0-9]+)$/.exec(line);
    if (match) totals[match[1]] = Number(match[2]);
  }
});
child.on('close', (code) => {
  clearTimeout(watch);
  const total = (...names) => names.reduce((sum, name) => sum + (totals[name] ?? 0), 0);
  console.log(`e2e: ${total('pass')} passed, ${total('fail', 'cancelled')} failed, ${total('skipped', 'todo')} skipped`);
  process.exitCode = code ?? 1;
});
