// The gateway as its user runs it: a configuration in files, `sallyport run`, its logs, its signals, its exit status.
import { spawn, execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { undocumented } from './documented_metrics.mjs';
import { parseMetrics } from './metrics.mjs';
import { RawClient, requestText } from './raw.mjs';
import { tempDir } from './temp.mjs';
import { deadline, within } from './wait.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

export function binary() {
  const named = process.env.SALLYPORT_BINARY;
  const found = (named ? [resolve(named)] : ['debug', 'release'].flatMap((kind) => ['sallyport', 'src/sallyport'].map((name) => join(ROOT, 'build', kind, name)))).find(existsSync);
  if (!found) throw new Error(`no binary: build it, or name it in SALLYPORT_BINARY${named ? ` (${named} does not exist)` : ''}`);
  return found;
}

const environment = (extra = {}) => {
  const env = { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: '/nonexistent', ...extra };
  env.ASAN_OPTIONS = `detect_leaks=1:abort_on_error=0:allocator_may_return_null=1:quarantine_size_mb=16:${process.env.ASAN_OPTIONS ?? ''}`;
  env.UBSAN_OPTIONS = `print_stacktrace=1:halt_on_error=1:${process.env.UBSAN_OPTIONS ?? ''}`;
  env.TSAN_OPTIONS = `halt_on_error=0:${process.env.TSAN_OPTIONS ?? ''}`;
  if (process.env.LSAN_OPTIONS) env.LSAN_OPTIONS = process.env.LSAN_OPTIONS;
  return env;
};

// One of the commands, to its end.
export function sallyport(args, { env = {}, cwd, ms = 20_000, ...options } = {}) {
  return within(ms, `sallyport ${args.join(' ')}`, new Promise((done) => {
    execFile(binary(), args, { env: environment(env), cwd, ...options, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      done({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr }));
  }));
}

const SANITIZER = /(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:|SUMMARY: /;

export class Gateway {
  // `config`: an object (JSON is YAML) or a YAML text. `files`: further files by name. `overlays`: names among them.
  // `wrap`: a command, with its arguments, that executes the program in its own place; `program`: another than the usual one.
  constructor({ config, files = {}, overlays = [], env = {}, dir, args = [], wrap = [], program = binary() }) {
    this.dir = dir ?? tempDir('gateway');
    this.command = [...wrap, program];
    this.file = join(this.dir, 'gateway.yaml');
    this.overlays = overlays;
    this.env = env;
    this.args = args;
    this.events = []; // the operational log
    this.lines = []; // access and audit lines that went to standard output
    this.noise = []; // anything else on either
    this.output = ''; // all of both
    this.ports = {};
    this.waiters = new Set();
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.dir, name), text);
    this.write(config);
  }

  write(config) {
    this.config = config;
    writeFileSync(this.file, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
  }

  path(name) {
    return join(this.dir, name);
  }

  // Resolves once it is ready; with `ready: false` as soon as it was started.
  async start({ ready = true } = {}) {
    const args = ['run', '--config', this.file, ...this.overlays.flatMap((name) => ['--overlay', join(this.dir, name)]), ...this.args];
    this.process = spawn(this.command[0], [...this.command.slice(1), ...args], { env: environment(this.env), stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = new Promise((done) => this.process.once('exit', (code, signal) => done({ code, signal })));
    this.closed = new Promise((done) => this.process.once('close', done));
    this.exited.then((status) => ((this.status = status), this.#wake()));
    this.#collect(this.process.stderr, (value) => {
      if (value.event === undefined) return false;
      this.events.push(value);
      if (value.event === 'listening') this.ports[value.listener] = value.port;
      return true;
    });
    this.#collect(this.process.stdout, (value) => {
      if (value.log === undefined) return false;
      this.lines.push(value);
      return true;
    });
    if (ready) {
      await this.wait('the event "ready"', () => this.events.find((e) => e.event === 'ready'), 20_000);
    }
    return this;
  }

  #collect(stream, take) {
    let left = '';
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      this.output += text;
      const lines = (left + text).split('\n');
      left = lines.pop();
      for (const line of lines) {
        let value = null;
        try {
          value = JSON.parse(line);
        } catch {}
        if (value !== null && typeof value === 'object' && take(value)) continue;
        this.noise.push(line);
      }
      this.#wake();
    });
    stream.on('end', () => {
      if (left !== '') this.noise.push(left);
      this.#wake();
    });
  }

  #wake() {
    for (const waiter of [...this.waiters]) waiter();
  }

  // Waits until `look()` gives something, asked at each line that comes.
  async wait(what, look, ms = 10_000) {
    const found = look();
    if (found) return found;
    let stop;
    const tell = () => `${what}; the gateway said: ${this.output.slice(-2500)}`;
    const coming = new Promise((done, reject) => {
      stop = () => {
        const value = look();
        if (value) done(value);
        else if (this.status) reject(new Error(`the gateway ended (${JSON.stringify(this.status)}) before ${tell()}`));
      };
      this.waiters.add(stop);
      stop();
    });
    try {
      return await within(ms, tell, coming);
    } finally {
      this.waiters.delete(stop);
    }
  }

  event(name, predicate = () => true, ms) {
    return this.wait(`the event "${name}"`, () => this.events.find((e) => e.event === name && predicate(e)), ms);
  }

  access(what, predicate, ms) {
    return this.wait(`the access line of ${what}`, () => this.lines.find((l) => l.log === 'access' && predicate(l)), ms);
  }

  audit(what, predicate, ms) {
    return this.wait(`the audit line of ${what}`, () => this.lines.find((l) => l.log === 'audit' && predicate(l)), ms);
  }

  // SIGHUP; resolves with the event that answered it: "ready" or "reload_refused".
  async reload(config) {
    if (config !== undefined) this.write(config);
    const from = this.events.length;
    this.process.kill('SIGHUP');
    return this.wait('an answer to SIGHUP', () => this.events.slice(from).find((e) => e.event === 'ready' || e.event === 'reload_refused'));
  }

  // The process id of the gateway process, the supervisor's child; the newest, where one relieves another.
  child() {
    return this.children().at(-1) ?? null;
  }

  children() {
    const pid = this.process.pid;
    const found = [];
    for (const name of readdirSync('/proc')) {
      if (!/^[0-9]+$/.test(name)) continue;
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (Number(fields[1]) === pid && fields[0] !== 'Z') found.push([Number(fields[19]), Number(name)]);
      } catch {}
    }
    // By the time of their start, for process ids come again.
    return found.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(([, name]) => name);
  }

  // Resident memory of the gateway process in bytes.
  rss() {
    const match = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${this.child()}/status`, 'latin1'));
    return Number(match[1]) * 1024;
  }

  async get(path, { listener = 'ops' } = {}) {
    const client = await RawClient.connect({ port: this.ports[listener] });
    await client.send(requestText({ path, host: '127.0.0.1' }));
    const response = await client.response();
    client.end();
    return response;
  }

  async metrics() {
    const response = await this.get('/metrics');
    if (response.status !== 200) throw new Error(`/metrics answered ${response.status}: ${response.text}`);
    const metrics = parseMetrics(response.text);
    const wrong = undocumented(metrics);
    if (wrong.length > 0) throw new Error(`docs/operations.md: ${wrong.join('; ')}`);
    return metrics;
  }

  // What is wrong with everything printed so far.
  complaints() {
    return SANITIZER.test(this.output)
      ? [`a sanitizer report:\n${this.output.slice(Math.max(0, this.output.search(SANITIZER) - 300)).slice(0, 6000)}`]
      : this.noise.map((line) => `a line that is no log line: ${line}`);
  }

  // SIGTERM, and everything that must hold at the end.
  async stop({ signal = 'SIGTERM', ms = 20_000 } = {}) {
    if (!this.process) return;
    if (!this.status) this.process.kill(signal);
    let status;
    try {
      status = await within(ms, () => `the gateway to end after ${signal}; it said: ${this.output.slice(-2500)}`, this.exited);
    } catch (error) {
      this.kill();
      throw error;
    }
    await within(5_000, 'the end of its output', this.closed);
    const complaints = this.complaints();
    if (status.code !== 0) complaints.push(`it ended with ${JSON.stringify(status)}: ${this.output.slice(-2500)}`);
    if (complaints.length > 0) throw new Error(`the gateway: ${complaints.join('\n')}`);
  }

  // Only for what is stuck: the supervisor and its child, by their ids.
  kill() {
    const children = this.children();
    this.process.kill('SIGKILL');
    for (const child of children) {
      try {
        process.kill(child, 'SIGKILL');
      } catch {}
    }
  }
}

export { environment };

// No gateway outlives its test process.
const running = new Set();
process.on('exit', () => {
  for (const gateway of running) if (gateway.process && !gateway.status) gateway.kill();
});

export async function startGateway(options) {
  const gateway = new Gateway(options);
  running.add(gateway);
  await gateway.start(options);
  return gateway;
}

export { deadline };
