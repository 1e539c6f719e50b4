// A real PostgreSQL for tests: a cluster in a temporary directory, on an ephemeral port, which they may kill, freeze and start again.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastingPort } from './listen.mjs';
import { tempDir } from './temp.mjs';
import { deadline, until } from './wait.mjs';

const DEBIAN = '/usr/lib/postgresql';

// Debian keeps the server's programs off the path, by version.
function programs() {
  const places = [...(process.env.PATH ?? '').split(':'), ...(existsSync(DEBIAN) ? readdirSync(DEBIAN).map((v) => join(DEBIAN, v, 'bin')) : [])];
  return places.find((dir) => dir !== '' && existsSync(join(dir, 'initdb')) && existsSync(join(dir, 'postgres')));
}
const found = programs();
export const noPostgres = found === undefined && 'no PostgreSQL: apt-get install postgresql';

// It does not run as root: then it is the package's own user.
const isRoot = process.getuid() === 0;
const user = () => readFileSync('/etc/passwd', 'utf8').split('\n').map((l) => l.split(':')).find(([name]) => name === 'postgres')?.slice(2, 4).map(Number);
const asUser = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : [];
const command = (name, args) => [...asUser, join(found, name), ...args];
const ENV = { PATH: process.env.PATH, LANG: 'C', HOME: '/nonexistent' };

const own = (path, mode) => {
  chmodSync(path, mode);
  if (isRoot) chownSync(path, ...user());
};

export const WRITER = { user: 'sallyport_keys', password: 'writers-own-secret' };
export const READER = { user: 'sallyport_gateway', password: 'readers-own-secret' };
export const ADMIN = { user: 'sallyport_admin', password: 'admins-own-secret' }; // a gateway's with an admin API
export const ROLES = [WRITER, READER, ADMIN];

export class Postgres {
  // tls: { certFile, keyFile }. settings: of the server, over the usual ones.
  static async start({ tls, settings = {} } = {}) {
    const postgres = new Postgres();
    postgres.dir = tempDir('pg');
    postgres.data = join(postgres.dir, 'data');
    // A test that lets it crash relies on what was committed: in the page cache, that is, but not in its own memory.
    const all = { fsync: 'off', full_page_writes: 'off', shared_buffers: '16MB', max_connections: 40, autovacuum: 'off', ...settings };
    postgres.options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    own(postgres.dir, 0o755);
    mkdirSync(postgres.data);
    own(postgres.data, 0o700);
    const [program, ...args] = command('initdb', ['-D', postgres.data, '-U', 'admin', '-E', 'UTF8', '--locale=C', '--no-sync', '-A', 'trust']);
    execFileSync(program, args, { env: ENV, cwd: '/', stdio: 'pipe' });
    writeFileSync(join(postgres.data, 'pg_hba.conf'), 'local all admin trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n');
    if (tls) postgres.#takeCertificate(tls);
    await postgres.up();
    for (const { user: name, password } of ROLES) await postgres.sql(`CREATE ROLE ${name} LOGIN PASSWORD '${password}'`);
    return postgres;
  }

  #takeCertificate({ certFile, keyFile }) {
    for (const [name, file] of [['server.crt', certFile], ['server.key', keyFile]]) {
      writeFileSync(join(this.data, name), readFileSync(file));
      own(join(this.data, name), 0o600);
    }
    appendFileSync(join(this.data, 'postgresql.conf'), 'ssl = on\n'); // there, so that a test may switch it off
  }

  // After a test that may have failed on the way.
  async restore() {
    this.thaw();
    if (this.process.exitCode !== null || this.process.signalCode !== null) await this.up();
  }

  // The same port again, where it had one.
  async up() {
    this.port ??= await lastingPort();
    const [program, ...args] = command('postgres', ['-D', this.data, '-p', String(this.port), '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${this.dir}`, ...this.options]);
    this.said = '';
    this.process = spawn(program, args, { env: ENV, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
    this.process.stderr.on('data', (text) => (this.said += text));
    this.exited = new Promise((done) => this.process.once('exit', done));
    const child = this.process;
    process.once('exit', () => child.kill('SIGQUIT')); // none is left behind
    await until(() => `PostgreSQL to start; it said: ${this.said}`, () => this.sql('SELECT 1').then(() => true, () => false), 20_000);
  }

  sql(text, database = 'postgres') {
    return new Promise((done, fail) => {
      execFile('psql', ['-X', '-h', this.dir, '-p', String(this.port), '-U', 'admin', '-d', database, '-v', 'ON_ERROR_STOP=1', '-Atqc', text], { env: ENV, timeout: deadline(20_000) }, (error, stdout, stderr) =>
        error ? fail(new Error(`${text}: ${stderr || error.message}`)) : done(stdout.trim()));
    });
  }

  // Ends every connection, as a restart does. 'SIGINT': fast; 'SIGQUIT': as if it had crashed.
  async down(signal = 'SIGINT') {
    this.thaw();
    this.process.kill(signal);
    await this.exited;
  }

  #all() {
    const children = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === this.process.pid;
      } catch {
        return false;
      }
    });
    return [this.process.pid, ...children.map(Number)];
  }

  #signal(signal) {
    for (const pid of this.#all()) {
      try {
        process.kill(pid, signal);
      } catch {}
    }
  }

  freeze() {
    this.#signal('SIGSTOP');
  }

  thaw() {
    this.#signal('SIGCONT');
  }

  // A database with the rights that docs/api-keys.md names. `settings(role)`: what stands under `postgres`; with time enough for a
  // machine that is busy with other tests.
  async database() {
    const name = `keys_${(this.count = (this.count ?? 0) + 1)}`;
    await this.sql(`CREATE DATABASE ${name}`);
    await this.sql(`CREATE SCHEMA sallyport AUTHORIZATION ${WRITER.user};
      GRANT USAGE ON SCHEMA sallyport TO ${READER.user}, ${ADMIN.user};
      ALTER DEFAULT PRIVILEGES FOR ROLE ${WRITER.user} IN SCHEMA sallyport GRANT SELECT ON TABLES TO ${READER.user};
      ALTER DEFAULT PRIVILEGES FOR ROLE ${WRITER.user} IN SCHEMA sallyport GRANT SELECT, INSERT, UPDATE ON TABLES TO ${ADMIN.user};`, name);
    const files = {};
    for (const { user: role, password } of ROLES) {
      files[role] = join(this.dir, `${role}.password`);
      writeFileSync(files[role], password);
    }
    return {
      name,
      sql: (text) => this.sql(text, name),
      settings: ({ user: role }, over = {}) => ({ host: '127.0.0.1', port: this.port, database: name, user: role, password: `\${file:${files[role]}}`, connect_timeout: '30s', statement_timeout: '20s', ...over }),
      connections: async () => Number(await this.sql(`SELECT count(*) FROM pg_stat_activity WHERE datname = '${name}' AND usename = '${READER.user}'`)),
      // As an administrator does; resolves with how many there were.
      terminate: async () => Number(await this.sql(`SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '${name}' AND usename = '${READER.user}'`)),
    };
  }
}
