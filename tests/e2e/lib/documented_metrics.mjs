// The table of docs/operations.md, held against what a gateway exports: the labels, too, which no lint can read from the source.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DOCUMENT = join(dirname(fileURLToPath(import.meta.url)), '../../../docs/operations.md');
let rows;

function documented() {
  const text = readFileSync(DOCUMENT, 'utf8');
  return new Map([...text.matchAll(/^\| `(sallyport_\w+)(?:\{([\w,]*)\})?` \|/gm)].map((row) => [row[1], (row[2] ?? '').split(',').filter(Boolean).sort().join()]));
}

// What each metric's row says otherwise than its samples do: none where all is well.
export function undocumented(metrics) {
  rows ??= documented();
  const found = new Set();
  for (const name of metrics.types.keys()) if (!rows.has(name)) found.add(`${name} has no row`);
  for (const { name, labels } of metrics.samples) {
    const histogram = name.replace(/_(bucket|sum|count)$/, '');
    const isPart = metrics.types.get(histogram) === 'histogram';
    const has = Object.keys(labels).filter((label) => !isPart || label !== 'le').sort().join();
    const family = isPart ? histogram : name;
    if (rows.get(family) !== has) found.add(`${family} has the labels {${has}}, its row {${rows.get(family)}}`);
  }
  return [...found];
}
