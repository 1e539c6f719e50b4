#!/usr/bin/env node
// Look-ups of API keys among ten and among a million, in SQLite and in a PostgreSQL of its own, each time another key.
//
// usage: ninja -C build/release sallyport bench-key-stores && bench/key_stores.mjs [COUNT...]      10 and 1000000 where none is given
//
// The tables are made by `sallyport keys`, and filled by SQL. The server is started anew before it is measured: what it has in memory
// by then, the questions have brought there. Rounds alternate the stores, so that a slow moment hits all of them; told is the median.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createKey, POSTGRES, SQLITE, writePepper } from '../tests/e2e/api_keys/lib.mjs';
import { tempDir } from '../tests/e2e/lib/temp.mjs';

const ROUNDS = 9;
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const TOOL = join(ROOT, 'build/release/bench-key-stores');
process.env.SALLYPORT_BINARY ??= join(ROOT, 'build/release/sallyport');
const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10, 1_000_000];
if (!counts.every((count) => Number.isSafeInteger(count) && count > 0)) throw new Error('a count is a whole number above 0');

const tool = (...args) => execFileSync(TOOL, args.map(String), { encoding: 'utf8' });

function inSqlite(count) {
  const file = join(tempDir('bench'), 'keys.sqlite');
  tool('fill', file, count);
  return { name: SQLITE.name, count, place: () => [file] };
}

async function makeTables(place) {
  const dir = tempDir('bench');
  const file = join(dir, 'keys.yaml');
  writePepper(dir);
  writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { bench: { ...place.commands, peppers: { p1: `\${file:${join(dir, 'pepper')}}` } } } }));
  await createKey(file);
}

async function inPostgres(count) {
  const place = await POSTGRES.make();
  const { sql, name } = place.database;
  await makeTables(place);
  for (let from = 1; from <= count; from += 50_000) {
    await sql(`INSERT INTO sallyport.keys (digest, sequence, id, pepper_id, consumer, description, scopes, tags, limit_count, limit_window, created, expires, revoked, superseded, replaces)
      SELECT sha256(('key ' || n)::bytea), n + 1, lpad(to_hex(n), 16, '0'), 'p1', 'acme', '', 'read_orders', '', 0, 0, 1, 0, 0, 0, '' FROM generate_series(${from}, ${Math.min(from + 49_999, count)}) AS n`);
  }
  await sql('UPDATE sallyport.store SET sequence = (SELECT max(sequence) FROM sallyport.keys)');
  await sql('VACUUM ANALYZE sallyport.keys'); // as autovacuum does, in time
  return { name: POSTGRES.name, count, place: () => [POSTGRES.server.dir, POSTGRES.server.port, name] };
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

function measure(stores) {
  const rows = new Map(); // what is told of → its p50s and p99s
  for (let round = 0; round < ROUNDS; round++) {
    for (const { name, count, place } of round % 2 === 0 ? stores : [...stores].reverse()) {
      for (const line of tool('find', count, ...place()).trim().split('\n')) {
        const [together, p50, p99] = line.split(' ').map(Number);
        const key = `${name.padEnd(10)} ${String(count).padStart(8)} ${String(together).padStart(8)}`;
        const row = rows.get(key) ?? rows.set(key, [[], []]).get(key);
        row[0].push(p50);
        row[1].push(p99);
      }
    }
  }
  console.log('store          keys  at once   µs, p50   µs, p99');
  for (const key of [...rows.keys()].sort()) console.log(`${key} ${rows.get(key).map((values) => median(values).toFixed(1).padStart(9)).join(' ')}`);
}

const stores = counts.map(inSqlite);
if (POSTGRES.skip) console.error(POSTGRES.skip);
else await POSTGRES.open({ settings: { shared_buffers: '128MB' } });
try {
  if (!POSTGRES.skip) {
    for (const count of counts) stores.push(await inPostgres(count));
    await POSTGRES.server.down();
    await POSTGRES.server.up();
  }
  measure(stores);
} finally {
  await POSTGRES.close();
}
