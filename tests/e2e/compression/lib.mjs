// Real decoders: node's zlib, and the zstd program.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import zlib from 'node:zlib';
import { HOST } from '../lib/stage.mjs';

export const CODINGS = ['gzip', 'zstd'];

export const decode = (coding, body) =>
  coding === 'gzip' ? zlib.gunzipSync(body) : execFileSync('zstd', ['-d', '-c', '-q'], { input: body, maxBuffer: 1 << 28 });

// What of a body that has no end yet, or was cut, can be read.
export const decodePart = (coding, body) =>
  coding === 'gzip' ? zlib.gunzipSync(body, { finishFlush: zlib.constants.Z_SYNC_FLUSH }) : spawnSync('zstd', ['-d', '-c', '-q'], { input: body, maxBuffer: 1 << 28 }).stdout;

export const isBroken = (coding, body) => assert.throws(() => (coding === 'gzip' ? zlib.gunzipSync(body) : execFileSync('zstd', ['-d', '-c', '-q'], { input: body, stdio: 'pipe' })));

export const route = (path, compress, more = {}) => ({ match: { host: HOST, path }, upstream: 'order-service', auth: 'none', compress, ...more });

// Text as APIs send it.
export const orders = (size) => Buffer.from(Array.from({ length: Math.ceil(size / 60) }, (_, i) => `{"order": ${(i * 7919) % 100003}, "state": "open", "lines": [${i}, ${i * i}]},`).join('\n')).subarray(0, size);

export const accepting = (coding) => [['Accept-Encoding', coding]];
