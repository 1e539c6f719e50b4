// `sallyport check` and `diff`: what the user is told before production is.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { authority } from '../lib/pki.mjs';
import { tempDir } from '../lib/temp.mjs';

let dir;
before(() => {
  dir = tempDir('config');
  const { cert, key } = authority().issue({ dns: ['api.example.com'] });
  writeFileSync(join(dir, 'c.pem'), cert);
  writeFileSync(join(dir, 'k.pem'), key);
  writeFileSync(join(dir, 'ca.pem'), authority().cert);
  writeFileSync(join(dir, 'keys.json'), JSON.stringify({ keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'a', alg: 'EdDSA', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }] }));
});

const GOOD = `
listeners:
  public: { address: 127.0.0.1, port: 8443, tls: { certificates: [{ cert: c.pem, key: k.pem }] } }
issuers:
  main: { issuer: https://idp.example.com, audiences: [orders], algorithms: [EdDSA], jwks_file: keys.json }
upstreams:
  order-service: { endpoints: ["https://127.0.0.1:9001"], tls: { ca: ca.pem } }
routes:
  read-orders:
    match: { host: api.example.com, path: /orders/**, methods: [GET] }
    upstream: order-service
    auth: { jwt: main }
    authorize: { scopes: [read_orders] }
    timeout: 7s
`.trimStart();

let count = 0;
const write = (files) => {
  const main = `${++count}.yaml`;
  for (const [name, text] of Object.entries(typeof files === 'string' ? { [main]: files } : files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return typeof files === 'string' ? join(dir, main) : join(dir, Object.keys(files)[0]);
};
const check = (files, ...args) => sallyport(['check', write(files), ...args]);
// The place of `text` as line and column, from 1.
const place = (yaml, text, within = '') => {
  const at = yaml.indexOf(text, within ? yaml.indexOf(within) : 0);
  assert.ok(at >= 0, text);
  const lines = yaml.slice(0, at).split('\n');
  return [lines.length, lines.at(-1).length + 1];
};
const errors = (stderr) => [...stderr.matchAll(/^(.+?):([0-9]+):([0-9]+): error: (.+)$/gm)].map(([, file, line, column, text]) => ({ file, line: Number(line), column: Number(column), text }));

describe('check', () => {
  it('a good configuration: exit 0, the effective policy with its origins', async () => {
    const { code, stdout, stderr } = await check(GOOD);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /read-orders/);
    for (const word of ['/orders/**', 'GET', 'api.example.com', 'order-service', 'main', 'read_orders', '7s', '1MiB', 'public']) assert.ok(stdout.includes(word), `${word} in:\n${stdout}`);
    const [line] = place(GOOD, 'timeout: 7s');
    assert.match(stdout, new RegExp(`timeout.*7s.*:${line}`), 'the origin of a value');
    assert.doesNotMatch(stderr, /error:/);
  });

  const located = (name, change, { at, within, message, line, column }) =>
    it(name, async () => {
      const yaml = change(GOOD);
      const { code, stdout, stderr } = await check(yaml);
      assert.equal(code, 1, stderr);
      assert.equal(stdout, '');
      const list = errors(stderr);
      assert.ok(list.length >= 1, stderr);
      const found = list.find((e) => message.test(e.text));
      assert.ok(found, `${message} in:\n${stderr}`);
      const [wantedLine] = at ? place(yaml, at, within) : [line];
      assert.equal(found.line, wantedLine, `line of: ${stderr}`);
      if (column) assert.equal(found.column, column);
    });

  located('an unknown key, with a suggestion', (y) => y.replace('upstream: order', 'upstraem: order'), { at: 'upstraem', message: /upstraem.*upstream/, column: 5 });
  located('an unknown key within a listener', (y) => y.replace('port:', 'prot:'), { at: 'prot:', message: /prot.*port/ });
  located('an upstream that is not there, with a suggestion', (y) => y.replace('upstream: order-service', 'upstream: order-servise'), { at: 'order-servise', message: /order-servise.*order-service/ });
  located('an issuer that is not there', (y) => y.replace('jwt: main', 'jwt: mian'), { at: 'mian', message: /mian/ });
  located('a duration without a unit', (y) => y.replace('timeout: 7s', 'timeout: 7'), { at: 'timeout: 7', message: /unit|duration/i });
  located('a port out of range', (y) => y.replace('port: 8443', 'port: 84430'), { at: '84430', message: /65535|84430/ });
  located('an unknown algorithm', (y) => y.replace('[EdDSA]', '[RS257]'), { at: 'RS257', message: /RS257/ });
  located('algorithm none', (y) => y.replace('[EdDSA]', '[none]'), { at: '[none]', message: /none/ });
  located('an issuer without audiences', (y) => y.replace('audiences: [orders], ', ''), { at: 'main:', message: /audiences/ });
  located('HS256 without a secret', (y) => y.replace('[EdDSA]', '[HS256]'), { at: 'main:', message: /secret/ });
  for (const audit of ['{ file: off }', 'off']) {
    located(`an audit log that is off: ${audit}`, (y) => `${y}logs: { audit: ${audit} }\n`, { at: 'logs:', message: /audit.*cannot be off/ });
  }
  located('a secret in clear text', (y) => y.replace('[EdDSA], jwks_file: keys.json', '[HS256], secret: hunter2hunter2hunter2hunter2hunter2'), { at: 'hunter2', message: /env:|file:/ });
  located('no auth', (y) => y.replace('    auth: { jwt: main }\n', ''), { at: 'read-orders:', message: /auth/ });
  located('no authorize', (y) => y.replace('    authorize: { scopes: [read_orders] }\n', ''), { at: 'read-orders:', message: /authorize/ });
  located('authorize on a public route', (y) => y.replace('{ jwt: main }', 'none'), { at: 'authorize:', message: /authorize|public/ });
  located('no upstream', (y) => y.replace('    upstream: order-service\n', ''), { at: 'read-orders:', message: /upstream/ });
  located('a bad path pattern', (y) => y.replace('/orders/**', '/orders/**/x'), { at: '/orders/**/x', message: /\*\*/ });
  located('a path without its slash', (y) => y.replace('path: /orders/**', 'path: orders'), { at: 'path: orders', message: /\// });
  located('a bad host', (y) => y.replace('host: api.example.com', 'host: "api.*.com"'), { at: '"api.*.com"', message: /host|\*/ });
  located('an endpoint that is no URL', (y) => y.replace('https://127.0.0.1:9001', '127.0.0.1:9001'), { at: '127.0.0.1:9001', message: /https?:/ });
  located('jwks_url over plain http to elsewhere', (y) => y.replace('jwks_file: keys.json', 'jwks_url: "http://idp.example.com/keys"'), { at: '"http://idp', message: /jwks_url/ });
  located('a listener without TLS that does not say so', (y) => y.replace(/, tls: \{ certificates.*\} \}\n/, ' }\n'), { at: 'public:', message: /tls|plaintext/ });
  located('a certificate that is not there', (y) => y.replace('cert: c.pem', 'cert: nothing.pem'), { at: 'nothing.pem', message: /nothing\.pem/ });
  located('a key set that is none', (y) => y.replace('keys.json', 'c.pem'), { at: 'jwks_file', message: /c\.pem|key set|JSON/i });
  located('the same key twice', (y) => `${y}    timeout: 8s\n`, { line: GOOD.split('\n').length, message: /timeout|twice|duplicate/i });
  located('a YAML syntax error', (y) => `${y}  bad: [1, 2\n`, { line: GOOD.split('\n').length + 1, message: /./ });
  located('status on an external listener', (y) => y.replace('issuers:', '  ops: { address: 127.0.0.1, port: 9090, plaintext: allow, status: true }\nissuers:'), { at: 'ops:', message: /internal/ });
  located('an internal route on an external listener', (y) => `${y}    exposure: internal\n`, { at: 'read-orders:', message: /internal|external/ });
  located('a scope rule that demands nothing', (y) => y.replace('{ scopes: [read_orders] }', '{ scopes: [] }'), { at: 'authorize:', message: /scope|any_caller|empty/i });
  located('a path variable that the pattern lacks', (y) => y.replace('{ scopes: [read_orders] }', '{ claims: [{ claim: tenant, path_variable: tenant }] }'), { at: 'tenant', message: /variable/ });
  located('cors: * with credentials', (y) => `${y}    cors: { origins: ["*"], credentials: true }\n`, { at: 'cors:', message: /credentials|\*/ });
  located('a relay of a hop-by-hop header', (y) => `${y}    relay: { headers: { Connection: claims.sub } }\n`, { at: 'relay:', message: /Connection/ });
  located('a relay of what is no expression', (y) => `${y}    relay: { headers: { X-User: "claims..sub" } }\n`, { at: 'relay:', message: /claims/ });

  for (const size of ['0B', '-1', '5GiB', '4194304']) {
    located(`a limit of gRPC messages that is none: ${size}`, (y) => `${y}    max_grpc_message: ${size}\n`, { at: 'max_grpc_message', message: /max_grpc_message: .*from 1B to 4GiB.*as in "max_grpc_message: 4MiB"/ });
  }
  it('a limit of gRPC messages that is above the body\'s: a warning', async () => {
    const { code, stderr } = await check(`${GOOD}    max_grpc_message: 2MiB\n`);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /warning: routes\.read-orders\.max_grpc_message: .*raise body, or lower this/);
    assert.doesNotMatch((await check(`${GOOD}    max_grpc_message: 2MiB\n    body: 3MiB\n`)).stderr, /max_grpc_message/);
  });

  it('two routes that claim the same requests', async () => {
    const { code, stderr } = await check(`${GOOD}  again:\n    match: { host: api.example.com, path: /orders/**, methods: [GET, POST] }\n    upstream: order-service\n    auth: { jwt: main }\n    authorize: any_caller\n`);
    assert.equal(code, 1);
    assert.match(stderr, /error: .*(read-orders.*again|again.*read-orders)/);
  });
  it('all errors at once, in order of their places', async () => {
    const yaml = GOOD.replace('upstream: order', 'upstraem: order').replace('port: 8443', 'port: x').replace('timeout: 7s', 'timeout: fast').replace('[EdDSA]', '[XX256]');
    const { code, stderr } = await check(yaml);
    assert.equal(code, 1);
    const list = errors(stderr);
    const lines = list.map((e) => e.line);
    for (const text of ['port: x', 'XX256', 'upstraem', 'timeout: fast']) assert.ok(lines.includes(place(yaml, text)[0]), `${text} in:\n${stderr}`);
    assert.deepEqual(lines, [...lines].sort((a, b) => a - b));
  });
  it('a file that is not there', async () => {
    const { code, stderr } = await sallyport(['check', join(dir, 'nothing.yaml')]);
    assert.notEqual(code, 0);
    assert.match(stderr, /nothing\.yaml/);
  });
  it('a secret is masked', async () => {
    const secret = 'a-secret-of-more-than-thirty-two-bytes';
    const yaml = GOOD.replace('[EdDSA], jwks_file: keys.json', '[HS256], secret: "${env:HS_SECRET}"');
    const { code, stdout, stderr } = await sallyport(['check', write(yaml)], { env: { HS_SECRET: secret } });
    assert.equal(code, 0, stderr);
    assert.ok(!stdout.includes(secret) && !stderr.includes(secret));
    const unset = await sallyport(['check', write(yaml)]);
    assert.equal(unset.code, 1);
    assert.match(unset.stderr, /HS_SECRET/);
    const short = await sallyport(['check', write(yaml)], { env: { HS_SECRET: 'short' } });
    assert.equal(short.code, 1);
    assert.ok(!short.stderr.includes('short\n'));
  });

  describe('includes, policies, groups, teams', () => {
    const main = GOOD.replace(/routes:[^]*/, '');
    const withTeam = (routes, team = 'hosts: [api.example.com], paths: [/orders/**], policies: [user-api]') => ({
      [`t${++count}/gateway.yaml`]: `include: [teams/*.yaml]\n${main.replaceAll(/([ck]|ca)\.pem|keys\.json/g, '../$&')}policies:\n  baseline: { locked: true, body: 1MiB, limits: [{ limit: 300/1m, by: address }] }\n  user-api: { auth: { jwt: main }, authorize: { scopes: [read_orders] } }\ndefaults: { use: [baseline], timeout: 20s }\nteams:\n  orders: { ${team} }\n`,
      [`t${count}/teams/orders.yaml`]: `team: orders\n${routes}`,
    });
    const route = (extra = '', match = 'path: /orders/**') => `routes:\n  read:\n    match: { host: api.example.com, ${match} }\n    use: [user-api]\n    upstream: order-service\n${extra}`;

    it('merge, and each value says where it comes from', async () => {
      const { code, stdout, stderr } = await check(withTeam(route()));
      assert.equal(code, 0, stderr);
      for (const word of ['20s', '300/1m', 'read_orders', 'user-api', 'baseline']) assert.ok(stdout.includes(word), `${word} in:\n${stdout}`);
    });
    it('a locked policy may be tightened', async () => {
      const { code, stderr } = await check(withTeam(route('    body: 512KiB\n    limits: [{ limit: 10/1m, by: address }]\n')));
      assert.equal(code, 0, stderr);
    });
    it('and not loosened: both places are named', async () => {
      const files = withTeam(route('    body: 2MiB\n'));
      const { code, stderr } = await check(files);
      assert.equal(code, 1);
      assert.match(stderr, /teams\/orders\.yaml:7:[0-9]+: error: /);
      assert.match(stderr, /baseline/);
      assert.match(stderr, /gateway\.yaml:[0-9]+/);
    });
    for (const [name, routes, message] of [
      ['a host that is not the team\'s', route().replace('host: api.example.com', 'host: pay.example.com'), /pay\.example\.com|host/],
      ['a path that is not the team\'s', route('', 'path: /payments/**'), /payments|path/],
      ['a public route', `routes:\n  read:\n    match: { host: api.example.com, path: /orders/** }\n    auth: none\n    upstream: order-service\n`, /public/],
      ['listeners of its own', `listeners: { x: { address: 127.0.0.1, port: 1, plaintext: allow } }\n${route()}`, /listeners|team/],
    ]) {
      it(`a team may not have ${name}`, async () => {
        const { code, stderr } = await check(withTeam(routes));
        assert.equal(code, 1, stderr);
        assert.match(stderr, new RegExp(`teams/orders\\.yaml:[0-9]+:[0-9]+: error: .*(${message.source})`));
      });
    }
    it('a team may have public routes where it says so', async () => {
      const { code, stderr } = await check(withTeam(`routes:\n  read:\n    match: { host: api.example.com, path: /orders/** }\n    auth: none\n    upstream: order-service\n`, 'hosts: [api.example.com], paths: [/orders/**], policies: [user-api], public_routes: true'));
      assert.equal(code, 0, stderr);
    });
    it('a group joins hosts and paths', async () => {
      const yaml = GOOD.replace(/routes:[^]*/, 'groups:\n  orders:\n    match: { host: api.example.com, path: /orders }\n    upstream: order-service\n    auth: { jwt: main }\n    routes:\n      read: { match: { methods: [GET], path: "/{id}" }, authorize: { scopes: [read_orders] } }\n      write: { match: { methods: [POST], path: / }, authorize: { scopes: [write_orders] } }\n');
      const { code, stdout, stderr } = await check(yaml);
      assert.equal(code, 0, stderr);
      for (const word of ['orders.read', 'orders.write', '/orders/{id}', 'write_orders']) assert.ok(stdout.includes(word), `${word} in:\n${stdout}`);
    });
  });

  describe('overlays', () => {
    it('lie above the file', async () => {
      const overlay = write('routes:\n  read-orders: { timeout: 3s }\n');
      const { code, stdout, stderr } = await check(GOOD, '--overlay', overlay);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /timeout.*3s/);
      assert.doesNotMatch(stdout, /timeout.*7s/);
    });
    it('have located errors of their own', async () => {
      const overlay = write('routes:\n  read-orders: { timeuot: 3s }\n');
      const { code, stderr } = await check(GOOD, '--overlay', overlay);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`${overlay.split('/').pop()}:2:[0-9]+: error: .*timeuot`));
    });
  });
});

describe('diff', () => {
  const diff = (before, after) => sallyport(['diff', write(before), write(after)]);
  it('the same access: exit 0', async () => {
    const { code, stderr } = await diff(GOOD, GOOD.replace('timeout: 7s', 'timeout: 8s'));
    assert.equal(code, 0, stderr);
  });
  for (const [name, change] of [
    ['a scope less', (y) => y.replace('[read_orders]', '[read_orders, audit]')],
    ['another scope', (y) => y.replace('[read_orders]', '[write_orders]')],
    ['open to everybody', (y) => y.replace('{ jwt: main }', 'none').replace(/ {4}authorize.*\n/, '')],
    ['a method more', (y) => y.replace('[GET]', '[GET, DELETE]')],
    ['a wider path', (y) => y.replace('/orders/**', '/**')],
    ['a route that goes', (y) => y.replace('read-orders:', 'other:').replace('path: /orders/**', 'path: /other')],
    ['another audience', (y) => y.replace('audiences: [orders]', 'audiences: [orders, billing]')],
  ]) {
    it(`${name}: exit 1, and says who gains or loses`, async () => {
      const { code, stdout, stderr } = await diff(GOOD, change(GOOD));
      assert.equal(code, 1, stderr);
      assert.match(stdout, /gain|lose/i);
    });
  }
  it('errors: exit 2', async () => {
    const { code, stderr } = await diff(GOOD, GOOD.replace('upstream: order', 'upstraem: order'));
    assert.equal(code, 2);
    assert.match(stderr, /upstraem/);
  });
});

describe('other commands', () => {
  it('version', async () => {
    const { code, stdout } = await sallyport(['version']);
    assert.equal(code, 0);
    assert.match(stdout, /[0-9]+\.[0-9]+\.[0-9]+/);
  });
  it('help', async () => {
    const { code, stdout } = await sallyport(['help']);
    assert.equal(code, 0);
    for (const word of ['run', 'check', 'diff', 'dev', 'docs', 'audit', 'version']) assert.match(stdout, new RegExp(`\\b${word}\\b`));
  });
  for (const command of ['run', 'upgrade', 'dev', 'check', 'diff', 'import', 'docs', 'keys', 'block', 'basic', 'audit', 'version']) {
    it(`help of ${command}, however it is asked for`, async () => {
      const asked = await Promise.all([['help', command], [command, '--help'], [command, '-h'], [command, 'anything', '--help']].map((words) => sallyport(words)));
      for (const { code, stdout, stderr } of asked) {
        assert.deepEqual([code, stderr], [0, '']);
        assert.match(stdout, new RegExp(`^usage: sallyport ${command}( .*)?\\n`));
        assert.match(stdout, /\.\n$/);
        assert.doesNotMatch(stdout, / \n/);
      }
    });
  }
  it('an unknown command is told so, and what may be meant', async () => {
    for (const words of [['chekc'], ['help', 'chekc']]) {
      const { code, stdout, stderr } = await sallyport(words);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /there is no command "chekc"; did you mean "check"\?/);
    }
    assert.doesNotMatch((await sallyport(['xyzzy'])).stderr, /did you mean/);
    assert.match((await sallyport(['gatewa'])).stderr, /no command "gatewa"/); // nor is what is not shown told of
  });
  it('docs: a reference and a JSON Schema with every key of the example', async () => {
    const reference = await sallyport(['docs', 'reference']);
    const schema = await sallyport(['docs', 'schema']);
    assert.deepEqual([reference.code, schema.code], [0, 0]);
    JSON.parse(schema.stdout);
    for (const key of ['listeners', 'issuers', 'jwks_unknown_kid_interval', 'path_allows', 'redirect_to_https', 'drain_delay', 'authorize', 'path_variable']) {
      assert.ok(reference.stdout.includes(key) && schema.stdout.includes(`"${key}"`), key);
    }
  });
});

describe('the examples', () => {
  const examples = join(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), '../../../examples');
  before(() => {
    const { cert, key } = authority().issue({ dns: ['api.example.com'] });
    cpSync(examples, join(dir, 'examples'), { recursive: true });
    mkdirSync(join(dir, 'examples/tls'), { recursive: true });
    writeFileSync(join(dir, 'examples/tls/public.crt'), cert);
    writeFileSync(join(dir, 'examples/tls/public.key'), key);
    const gateway = authority().svid('spiffe://example.org/ns/edge/sa/gateway');
    writeFileSync(join(dir, 'examples/tls/gateway.crt'), gateway.cert);
    writeFileSync(join(dir, 'examples/tls/gateway.key'), gateway.key);
    writeFileSync(join(dir, 'examples/tls/mesh-ca.crt'), authority().cert);
    mkdirSync(join(dir, 'examples/secrets'));
    writeFileSync(join(dir, 'examples/secrets/api-key-pepper'), '0123456789abcdef'.repeat(4));
    writeFileSync(join(dir, 'examples/secrets/gateway-db-password'), 'a password');
    const hash = '$2b$10$lkYC313h9Knqx9Iz9.wV..ovOWGmSN34j9RGpKcbPzHZvDAJpqxt2';
    writeFileSync(join(dir, 'examples/staff.htpasswd'), `alice:${hash}\nbob:${hash}\n`);
    writeFileSync(join(dir, 'examples/secrets/introspection'), 'secret');
    writeFileSync(join(dir, 'examples/tls/introspection.key'), key);
    writeFileSync(join(dir, 'examples/tls/mesh-ca.crl'), authority().crl());
  });
  for (const name of readdirSync(examples).filter((file) => file.endsWith('.yaml') && file !== 'faults.yaml')) {
    it(`${name} is a good configuration, without a warning`, async () => {
      const { code, stdout, stderr } = await sallyport(['check', join(dir, 'examples', name)]);
      assert.equal(stderr, '');
      assert.equal(code, 0);
      assert.match(stdout, /^route \S/m);
    });
  }
});
