// Logs that cannot be written: a full disk, a reader that does not read, a directory that is not there. The disk is a small
// file system of memory in the gateway's own mount namespace, seen from here through /proc.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Gateway, sallyport } from '../lib/gateway.mjs';
import { tempDir } from '../lib/temp.mjs';
import { OPEN, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { requestText } from '../lib/raw.mjs';
import { until, within } from '../lib/wait.mjs';
import { grows, IDLE, leavesNothing, serves } from './lib.mjs';

const KIB = 1024;
const WRAP = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', 'mount -t tmpfs -o size=256k,mode=0777 none "$0" && exec "$@"'];
const skip = spawnSync(WRAP[0], [...WRAP.slice(1), tempDir('disk'), 'true']).status === 0 ? false : 'no file system can be mounted here';

// `logs`: of the configuration, with the disk's directory given.
async function onSmallDisk(logs, act) {
  const disk = tempDir('disk');
  const s = await openStage({
    gateway: { wrap: [...WRAP, disk] },
    config: { workers: 1, logs: logs(disk), upstreams: { 'order-service': IDLE } },
    routes: { open: OPEN, 'read-orders': READ_ORDERS },
  });
  // As the gateway's own processes see it.
  const seen = (name) => `/proc/${s.gateway.process.pid}/root${join(disk, name)}`;
  s.file = seen;
  s.fillDisk = () => {
    try {
      for (let size = 256 * KIB; size > 0; size = size >> 1) {
        try {
          writeFileSync(seen('ballast'), Buffer.alloc(size), { flag: 'a' });
        } catch {}
      }
    } catch {}
  };
  s.freeDisk = () => rmSync(seen('ballast'));
  try {
    await act(s);
  } finally {
    await s.close();
  }
}

// `count` requests on one connection, each answered before the next; their answers' statuses.
async function many(s, count, parts) {
  const client = await s.connect();
  const statuses = [];
  for (let sent = 0; sent < count; ) {
    const batch = Math.min(32, count - sent);
    await client.send(Buffer.concat(Array.from({ length: batch }, () => requestText(parts))));
    for (let i = 0; i < batch; i++) statuses.push((await client.response()).status);
    sent += batch;
  }
  client.destroy();
  return statuses;
}

describe('a full disk', { skip }, () => {
  it('of the access log: lines are dropped and counted, requests go on; with room, lines are written', () =>
    onSmallDisk((disk) => ({ access: { file: join(disk, 'access.log') } }), (s) =>
      leavesNothing(s, async () => {
        s.fillDisk();
        await grows(s, 'sallyport_access_log_dropped_total', {}, async () => {
          assert.deepEqual([...new Set(await many(s, 100, { path: '/open/full' }))], [200]);
        });
        s.freeDisk();
        await until('a line', async () => {
          await serves(s, '/open/room');
          return /\/open\/room/.test(readFileSync(s.file('access.log'), 'utf8'));
        });
        // A line that was cut by the end of the disk is ended: each line is whole or the last before a gap.
        const lines = readFileSync(s.file('access.log'), 'utf8').split('\n').filter(Boolean);
        for (const line of lines) JSON.parse(line);
      })));

  it('of the audit log: told; when the queue is full 503 audit_full, public routes too; with room, not one line is missing', () =>
    onSmallDisk((disk) => ({ audit: { file: join(disk, 'audit.log'), queue: '1MiB' } }), (s) =>
      leavesNothing(s, async () => {
        s.fillDisk();
        const path = `/orders/${'x'.repeat(2_500)}`;
        let denied = 0;
        const before = await s.gateway.metrics();
        await until('the audit log to be full', async () => {
          const statuses = await many(s, 64, { path });
          denied += statuses.filter((status) => status === 401).length;
          assert.ok(statuses.every((status) => status === 401 || status === 503), statuses.join());
          return statuses.includes(503);
        });
        assert.match((await s.gateway.event('audit_log_failing')).reason, /No space left/);
        const full = await s.request({ path: '/open/full' });
        s.checkDenial(full, { status: 503, code: 'unavailable' });
        assert.match(full.fields.get('retry-after'), /^[1-9][0-9]*$/);
        const line = await s.gateway.access('it', (l) => l.request_id === full.fields.get('x-request-id'));
        assert.equal(line.reason, 'audit_full');
        const after = await s.gateway.metrics();
        assert.ok(after.sum('sallyport_denied_total', { reason: 'audit_full' }) > before.sum('sallyport_denied_total', { reason: 'audit_full' }));
        assert.equal((await s.gateway.get('/healthz')).status, 200);
        // Room for all: the whole disk but the audit log itself would not do.
        assert.equal(spawnSync('nsenter', ['-t', String(s.gateway.process.pid), '-m', 'mount', '-o', 'remount,size=16m', s.file('').replace(/^\/proc\/[0-9]+\/root/, '')]).status, 0);
        await s.gateway.event('audit_log_recovered');
        await until('to serve again', async () => (await s.request({ path: '/open/room' })).status === 200);
        const lines = await until('as many lines as denials', () => {
          const all = readFileSync(s.file('audit.log'), 'utf8').split('\n').filter(Boolean).map((text) => JSON.parse(text));
          return all.filter((l) => l.reason === 'credential_missing').length === denied && all;
        });
        lines.forEach((l, i) => assert.equal(l.seq, i + 1));
        const copy = join(s.dir, 'audit-copy.log');
        writeFileSync(copy, readFileSync(s.file('audit.log')));
        const { code, stderr } = await sallyport(['audit', 'verify', copy]);
        assert.equal(code, 0, stderr);
      })));

  it('at the end: what could not be recorded is told, and the end does not wait for ever', () =>
    onSmallDisk((disk) => ({ audit: { file: join(disk, 'audit.log'), queue: '1MiB' } }), async (s) => {
      s.fillDisk();
      await many(s, 32, { path: '/orders/lost' });
      await s.gateway.event('audit_log_failing');
      await s.gateway.stop({ ms: 10_000 });
      const lost = s.gateway.events.find((e) => e.event === 'audit_lines_lost');
      assert.ok(lost, 'audit_lines_lost');
      assert.ok(lost.lines > 0 && lost.lines <= 40, `${lost.lines}`);
    }));
});

describe('a directory of logs that is not there', () => {
  const config = (stage) => (mkdirSync(join(stage.dir, 'logs')), { logs: { access: { file: join(stage.dir, 'logs/access.log') }, audit: { file: join(stage.dir, 'logs/audit.log') } } });
  it('at a start: refused, and the file is named', async () => {
    const s = await openStage({ routes: { open: OPEN } });
    try {
      const missing = new Gateway({ config: { ...s.config, logs: { audit: { file: join(s.dir, 'nowhere/audit.log') } } } });
      await missing.start({ ready: false });
      assert.equal((await within(10_000, 'the refused start to end', missing.exited)).code, 1);
      await missing.closed;
      assert.match(missing.output, /nowhere\/audit\.log.*No such file/);
    } finally {
      await s.close();
    }
  });
  it('at a reload and at reopening: refused and told, the old files go on; once it is there, reopened', async () => {
    const s = await openStage({ config, routes: { open: OPEN } });
    try {
      const logs = join(s.dir, 'logs');
      renameSync(logs, `${logs}.gone`);
      const answer = await s.gateway.reload(s.config);
      assert.equal(answer.event, 'reload_refused');
      assert.match(answer.reason, /logs\/access\.log.*No such file/);
      s.gateway.process.kill('SIGUSR1');
      assert.match((await s.gateway.event('logs_not_reopened')).reason, /logs\/access\.log.*No such file/);
      const has = (file, path) => until(`${path} in ${file}`, () => existsSync(file) && readFileSync(file, 'utf8').includes(path));
      await serves(s, '/open/old');
      await has(`${logs}.gone/access.log`, '/open/old');
      await s.request({ path: '/nowhere/old' });
      await has(`${logs}.gone/audit.log`, '/nowhere/old');
      mkdirSync(logs);
      s.gateway.process.kill('SIGUSR1');
      await s.gateway.event('logs_reopened');
      await serves(s, '/open/new');
      await has(`${logs}/access.log`, '/open/new');
      await s.request({ path: '/nowhere/new' });
      await has(`${logs}/audit.log`, '/nowhere/new');
    } finally {
      await s.close();
    }
  });
});
