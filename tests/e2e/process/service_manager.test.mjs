// Under a service manager that keeps descriptors (as systemd does with FileDescriptorStoreMax): a restart keeps the sockets and
// what limits have counted, and no connection is lost.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { lstatSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { binary, environment } from '../lib/gateway.mjs';
import { Load, startPlainUpstream } from '../lib/load.mjs';
import { RawClient, requestText } from '../lib/raw.mjs';
import { HOST } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { SLOW, until } from '../lib/wait.mjs';

const MANAGER = join(dirname(fileURLToPath(import.meta.url)), '../lib/service_manager.py');
const OPEN = requestText({ path: '/open/x', host: HOST });
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

class Managed {
  constructor(config, own = []) {
    this.dir = tempDir('managed');
    this.file = join(this.dir, 'gateway.yaml');
    this.told = []; // by the manager
    this.events = []; // by the gateway
    this.lost = '';
    this.write(config);
    this.process = spawn('python3', [MANAGER, join(this.dir, 'notify'), ...own, '--', binary(), 'run', '--config', this.file], { env: environment(), stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(this.process);
    this.exited = new Promise((done) => this.process.once('exit', (code) => (running.delete(this.process), done(code))));
    this.#collect(this.process.stdout, this.told);
    this.#collect(this.process.stderr, this.events);
  }
  write(config) {
    writeFileSync(this.file, JSON.stringify(config));
  }
  #collect(stream, list) {
    let left = '';
    stream.setEncoding('utf8').on('data', (text) => {
      const lines = (left + text).split('\n');
      left = lines.pop();
      for (const line of lines) {
        try {
          list.push(JSON.parse(line));
        } catch {
          this.lost += `${line}\n`;
        }
      }
    });
  }
  async wait(what, list, look, from = 0) {
    return until(() => `${what}; told: ${JSON.stringify([...this.told, ...this.events]).slice(-3000)}${this.lost}`, () => list.slice(from).find(look), 20_000);
  }
  ready(from) {
    return this.wait('READY=1', this.told, (t) => t.notified?.READY === '1', from);
  }
  order(text) {
    const from = this.told.length;
    this.process.stdin.write(`${text}\n`);
    return from;
  }
  async stop() {
    this.order('stop');
    await this.exited;
    assert.equal(this.told.findLast((t) => 'exited' in t).exited, 0);
    assert.equal(this.lost.replaceAll(/^\/.*: warning: .*\n/gm, ''), '');
  }
  kept() {
    const names = new Map();
    for (const t of this.told) {
      if (t.kept) names.set(t.kept, (names.get(t.kept) ?? 0) + t.count);
      if (t.forgot) names.delete(t.forgot);
    }
    return Object.fromEntries(names);
  }
}

describe('a service manager that keeps descriptors', () => {
  const LISTENER = { address: '127.0.0.1', port: 0, exposure: 'internal', plaintext: 'allow' };
  let upstream;
  const config = (listeners = {}) => ({
    instance: 'managed',
    workers: 2,
    shutdown: { deadline: '5s' },
    logs: { access: { file: 'off' } },
    listeners: { plain: LISTENER, ...listeners },
    upstreams: { u: { endpoints: [upstream.url] } },
    routes: { open: { match: { host: HOST, path: '/open/**' }, upstream: 'u', auth: 'none', listeners: ['plain'], limits: [{ limit: '100000/10m', by: 'address', name: 'many' }] } },
  });
  const ask = async (port) => {
    const client = await RawClient.connect({ port });
    await client.send(OPEN);
    const response = await client.response();
    client.end();
    assert.equal(response.status, 200);
    return Number(/r=([0-9]+)/.exec(response.fields.get('ratelimit'))[1]);
  };
  const portOf = (managed, listener = 'plain') => managed.events.find((e) => e.event === 'listening' && e.listener === listener).port;

  before(async () => (upstream = await startPlainUpstream()));
  after(() => upstream?.close());

  it('a restart keeps sockets and counts, and no connection is lost', async () => {
    const managed = new Managed(config());
    await managed.ready();
    const port = portOf(managed);
    await managed.wait('the sockets to be kept', managed.told, (t) => t.kept === 'plain');
    assert.deepEqual(managed.kept(), { 'limits@sallyport': 1, plain: 2 });
    const before = await ask(port);
    const load = new Load({ port, requests: [OPEN], rate: 200 / SLOW, connections: 24, each: 1 }).start();
    await until('traffic', () => load.answered > 20);
    for (let i = 0; i < 2; i++) {
      const from = managed.order('restart');
      assert.equal((await managed.wait('its end', managed.told, (t) => 'exited' in t, from)).exited, 0);
      await managed.ready(from);
      assert.equal(managed.told.slice(from).find((t) => t.started).fds, 3);
      const seen = load.answered;
      await until('traffic', () => load.answered > seen + 20 || load.failures.length > 0);
    }
    await load.stop();
    assert.deepEqual(load.failures.slice(0, 5), [], `${load.failures.length} of ${load.answered} failed`);
    assert.deepEqual(managed.kept(), { 'limits@sallyport': 1, plain: 2 }, 'what was handed over is not kept twice');
    assert.ok(before - (await ask(port)) > load.answered);
    await managed.stop();
  });

  it('a restart keeps the socket at a path and its file', async () => {
    const path = join(tempDir('managed'), 'local.sock');
    const managed = new Managed({ ...config({ local: { path, plaintext: 'allow' } }) });
    await managed.ready();
    await managed.wait('it to be kept', managed.told, (t) => t.kept === 'local');
    const { ino } = lstatSync(path);
    // Who connects while nobody runs waits.
    const from = managed.order('restart');
    await managed.wait('its end', managed.told, (t) => 'exited' in t, from);
    const waiting = await RawClient.connect({ socket: path });
    await waiting.send(requestText({ path: '/', host: HOST }));
    assert.equal((await waiting.response()).status, 404);
    waiting.end();
    await managed.ready(from);
    assert.equal(lstatSync(path).ino, ino);
    await managed.stop();
  });

  it('keeps what a reload adds, and forgets what it removes', async () => {
    const managed = new Managed(config({ more: LISTENER }));
    await managed.ready();
    const pid = managed.told.find((t) => t.started).started;
    await managed.wait('it to be kept', managed.told, (t) => t.kept === 'more');
    managed.write(config({ other: LISTENER }));
    const from = managed.told.length;
    process.kill(pid, 'SIGHUP');
    assert.equal((await managed.wait('RELOADING=1', managed.told, (t) => t.notified?.RELOADING, from)).notified.RELOADING, '1');
    await managed.ready(from);
    assert.deepEqual(managed.kept(), { 'limits@sallyport': 1, plain: 2, other: 2 });
    await managed.stop();
  });

  it('an upgrade is under the same process id and keeps nothing anew', async () => {
    const managed = new Managed(config());
    await managed.ready();
    const pid = managed.told.find((t) => t.started).started;
    const port = portOf(managed);
    const from = managed.told.length;
    process.kill(pid, 'SIGUSR2');
    await managed.ready(from);
    await managed.wait('the upgrade', managed.events, (e) => e.event === 'upgraded');
    await ask(port);
    assert.deepEqual(managed.kept(), { 'limits@sallyport': 1, plain: 2 });
    const again = managed.order('restart');
    await managed.ready(again);
    await ask(port);
    await managed.stop();
  });

  for (const [name, mark, sockets] of [
    ['one that can be joined gets a queue beside it for each other worker', '+', 1],
    ['one that cannot is shared by the workers', '', 0],
  ]) {
    it(`a socket of the manager's own: ${name}`, async () => {
      // Its port is known only when the manager listens: the configuration takes any.
      const managed = new Managed(config(), [`${mark}plain=127.0.0.1:0`]);
      await managed.ready();
      const port = managed.told.find((t) => t.listening).port;
      assert.equal(portOf(managed), port);
      for (let i = 0; i < 12; i++) await ask(port);
      assert.deepEqual(managed.kept(), { 'limits@sallyport': 1, ...(sockets ? { plain: sockets } : {}) });
      const from = managed.order('restart');
      await managed.ready(from);
      for (let i = 0; i < 12; i++) await ask(port);
      await managed.stop();
    });
  }
});
