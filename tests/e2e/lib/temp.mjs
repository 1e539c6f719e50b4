// Temporary directories, removed when the test process ends.
import { mkdtempSync, rmSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made = [];

export function tempDir(name = 'e2e') {
  const dir = mkdtempSync(join(tmpdir(), `sallyport-${name}-`));
  chmodSync(dir, 0o755);
  made.push(dir);
  return dir;
}

process.on('exit', () => {
  if (process.env.SALLYPORT_KEEP) return;
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});
