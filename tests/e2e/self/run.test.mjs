// tests/run itself, with a stand-in for meson that names the suites.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { ROOT } from '../lib/gateway.mjs';
import { tempDir } from '../lib/temp.mjs';

const program = (path, lines) => writeFileSync(path, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });

function runSuites(commands) {
  const dir = tempDir('run');
  const suites = Object.entries(commands).map(([name, lines]) => {
    const path = join(dir, name);
    if (lines) program(path, lines);
    return { name: `stand-in/${name}`, cmd: [path], env: {}, timeout: 60 };
  });
  mkdirSync(join(dir, 'bin'));
  program(join(dir, 'bin', 'meson'), ["cat <<'END'", JSON.stringify(suites), 'END']);
  const env = { ...process.env, PATH: `${join(dir, 'bin')}:${process.env.PATH}` };
  const { status, stdout, stderr } = spawnSync(join(ROOT, 'tests/run'), ['--jobs', '1', '--build', dir, 'unit/stand-in'], { env, encoding: 'utf8', timeout: 120_000 });
  return { status, lines: stdout.trimEnd().split('\n'), stderr, dir };
}

const GOOD = ['echo 1..1', 'echo "ok 1 - it holds"'];

it('passes where each suite does', () => {
  const { status, lines } = runSuites({ one: GOOD, other: GOOD });
  assert.equal(lines.at(-1), '2 passed, 0 failed, 0 skipped');
  assert.equal(status, 0);
});

it('fails by name a suite whose program is missing, and runs the others', () => {
  const { status, lines, stderr, dir } = runSuites({ one: GOOD, absent: null, other: GOOD });
  assert.ok(lines.includes(`failed: unit/stand-in/absent: could not be started: [Errno 2] No such file or directory: '${dir}/absent'`), lines.join('\n'));
  assert.equal(lines.at(-1), '2 passed, 1 failed, 0 skipped');
  assert.equal(stderr, '');
  assert.equal(status, 1);
});
