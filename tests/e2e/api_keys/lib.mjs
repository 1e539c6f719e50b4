// Sets of API keys for tests: a pepper, a store of either kind, and `sallyport keys` on them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sallyport } from '../lib/gateway.mjs';
import { ADMIN, noPostgres, Postgres, READER, WRITER } from '../lib/postgres.mjs';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const crcTable = Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c >>> 0;
});
const crc32 = (text) => {
  let c = 0xffffffff;
  for (const byte of Buffer.from(text)) c = (c >>> 8) ^ crcTable[(c ^ byte) & 255];
  return (c ^ 0xffffffff) >>> 0;
};

// The checksum as the documentation tells it, by other code than the gateway's.
export function checksum(text) {
  let crc = crc32(text);
  let out = '';
  for (let i = 0; i < 6; i++) {
    out = ALPHABET[crc % 62] + out;
    crc = Math.floor(crc / 62);
  }
  return out;
}

// A key of the right form that nobody made.
export function madeUp(prefix = 'sallyport') {
  let text = `${prefix}_`;
  for (let i = 0; i < 30; i++) text += ALPHABET[randomBytes(4).readUInt32LE() % 62];
  return text + checksum(text);
}

export function writePepper(dir, name = 'pepper') {
  writeFileSync(join(dir, name), randomBytes(32).toString('hex') + '\n');
}

// `sallyport keys COMMAND --config FILE ...`; JSON where it is asked for.
export const keys = (file, command, ...args) => sallyport(['keys', command, '--config', file, ...args]);

export async function createKey(file, ...args) {
  const { code, stdout, stderr } = await keys(file, 'create', '--json', '--consumer', 'acme', ...args);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

export async function changeKey(file, ...args) {
  const { code, stdout, stderr } = await keys(file, ...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

export async function showKey(file, id) {
  return JSON.parse(await changeKey(file, 'show', id, '--json'));
}

// Where keys are kept. `make(dir)`: what stands in a set for the commands, for gateways, and for gateways with an admin API, and what
// the store is called. `lose` takes it away, and a gateway says `lost`; `regain` brings it back.
export const SQLITE = {
  name: 'SQLite',
  skip: false,
  open: async () => {},
  close: async () => {},
  make: async (dir) => {
    const store = join(dir, 'keys.sqlite');
    return { commands: { store }, gateway: { store }, admin: { store }, label: store };
  },
  lose: async ({ label }) => renameSync(label, `${label}.away`),
  regain: async ({ label }) => renameSync(`${label}.away`, label),
  lost: /there is no key store here/,
  contents: ({ label }) => readFileSync(label, 'latin1'),
};

// One server for a file of tests, a database for each store.
export const POSTGRES = {
  name: 'PostgreSQL',
  skip: noPostgres,
  async open(options) {
    this.server = await Postgres.start(options);
  },
  async close() {
    await this.server?.down('SIGQUIT');
  },
  async make() {
    const database = await this.server.database();
    return {
      database,
      commands: { postgres: database.settings(WRITER) },
      gateway: { postgres: database.settings(READER) },
      admin: { postgres: database.settings(ADMIN) },
      label: `postgresql://127.0.0.1:${this.server.port}/${database.name}#sallyport`,
    };
  },
  lose: () => POSTGRES.server.down(),
  regain: () => POSTGRES.server.restore(),
  lost: /the database cannot be reached|the connection to the key store's database was lost|starting or shutting down/,
  contents: ({ database }) => database.sql("SELECT encode(digest, 'hex'), * FROM sallyport.keys"),
};
