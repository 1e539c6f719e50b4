// A gateway with an admin API: certificates of operators, tokens, and a store of keys that it may write.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startGateway } from '../lib/gateway.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { Authority, authority } from '../lib/pki.mjs';
import { HOST, merge, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { createKey, SQLITE, writePepper } from '../api_keys/lib.mjs';

export const ADMIN = 'admin.internal';

// kind: where its keys are kept. over: settings of that beyond the usual ones.
export async function openAdmin({ config = {}, admin = {}, kind = SQLITE, over = {}, ...rest } = {}) {
  const dir = tempDir('admin');
  writePepper(dir);
  const folder = join(dir, 'store');
  mkdirSync(folder);
  chmodSync(folder, 0o777); // the gateway's user is another one where the tests are root's
  const place = await kind.make(folder);
  const peppers = { p1: `\${file:${join(dir, 'pepper')}}` };
  const commands = join(dir, 'commands.yaml');
  writeFileSync(commands, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners: { ...place.commands, peppers } } }));
  if (kind !== SQLITE) await createKey(commands); // tables are made by who owns them
  const operators = new Authority('Operators');
  const people = {
    root: operators.issue({ uri: ['spiffe://example.org/ops/root'], client: true }),
    viewer: operators.issue({ uri: ['spiffe://example.org/ops/viewer'], client: true }),
    stranger: operators.issue({ uri: ['spiffe://example.org/shop/web'], client: true }),
  };
  const server = authority().issue({ dns: [ADMIN, 'localhost'] });
  const tls = { certificates: [{ cert: server.certFile, key: server.keyFile }], client_ca: operators.certFile, client_certificate: 'optional' };
  const s = await openStage({
    config: merge(
      {
        overload: { queue_deadline: '60s' }, // a slow machine is not what is tested
        listeners: { admin: { address: '127.0.0.1', port: 0, exposure: 'internal', tls } },
        client_certificates: {
          root: { identity: 'spiffe', trust_domains: ['example.org'], allow: ['spiffe://example.org/ops/root'], scopes: ['keys_read', 'keys_write'] },
          viewers: { identity: 'spiffe', trust_domains: ['example.org'], allow: ['spiffe://example.org/ops/*'], scopes: ['keys_read'] },
        },
        api_keys: { partners: merge({ ...place.admin, peppers }, over) },
        admin: merge(
          {
            listeners: ['admin'],
            hosts: [ADMIN, 'localhost'],
            auth: { any_of: [{ certificate: ['root', 'viewers'] }, { jwt: 'main' }] },
            read: { scopes: ['keys_read'] },
            write: { scopes: ['keys_write'] },
            limits: [{ limit: '10000/1m', by: 'address' }],
          },
          admin,
        ),
      },
      config,
    ),
    routes: { keyed: { ...READ_ORDERS, auth: { api_key: 'partners' }, listeners: ['public'] } },
    ...rest,
  });
  s.dir = dir;
  Object.assign(s, { kind, place, commands, peppers });
  s.people = people;
  const parts = ({ as, body, fields = [], host = ADMIN, tls: over = {}, ...more }) => ({
    listener: 'admin',
    host,
    tls: { servername: ADMIN, ...(as ? { cert: people[as].cert, key: people[as].key } : {}), ...over },
    ...(body !== undefined ? { body: typeof body === 'string' ? body : JSON.stringify(body) } : {}),
    fields: [...(body !== undefined && !fields.some(([name]) => name.toLowerCase() === 'content-type') ? [['Content-Type', 'application/json']] : []), ...fields],
    ...more,
  });
  // Where it was opened with start: false.
  s.start = async () => (s.gateway = await startGateway({ config: s.config }));
  // One request to the admin API; as: whose certificate.
  s.admin = (request) => s.request(parts(request));
  s.adminH2 = ({ token, ...request }) => {
    const { fields, ...rest } = parts(request);
    return requestH2(s, { ...rest, fields: Object.fromEntries([...fields.map(([name, value]) => [name.toLowerCase(), value]), ...(token ? [['authorization', `Bearer ${token}`]] : [])]) });
  };
  s.get = (path, more = {}) => s.admin({ as: 'root', path, ...more });
  s.post = (path, body = {}, more = {}) => s.admin({ as: 'root', method: 'POST', path, body, ...more });
  s.make = async (body = {}) => {
    const response = await s.post('/v1/keys', { consumer: 'acme', scopes: ['read_orders'], ...body });
    assert.equal(response.status, 201, response.text);
    return response.json();
  };
  s.use = (key, more = {}) => s.request({ path: '/orders/1', host: HOST, fields: [['X-API-Key', key]], ...more });
  return s;
}

// A problem that the API tells its caller.
export function assertProblem(response, status, code, detail) {
  assert.equal(response.status, status, response.text);
  assert.equal(response.fields.get('content-type'), 'application/problem+json');
  assert.match(response.fields.get('cache-control'), /no-store/);
  const problem = response.json();
  assert.equal(problem.status, status);
  assert.equal(problem.code, code);
  assert.equal(problem.request_id, response.fields.get('x-request-id'));
  assert.match(problem.detail, detail);
}
