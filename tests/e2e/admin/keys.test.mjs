// The admin API for API keys: what `sallyport keys` does, over HTTP, by who may.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checksum, POSTGRES, showKey, SQLITE } from '../api_keys/lib.mjs';
import { sallyport, startGateway } from '../lib/gateway.mjs';
import { requestText } from '../lib/raw.mjs';
import { closeAll, HOST } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { ADMIN, assertProblem, openAdmin } from './lib.mjs';

// Two seconds are the promise; a machine that is busy with other tests is given what some requests take on it.
const within2s = async (what, look) => {
  const began = Date.now();
  await look();
  const one = Date.now() - began;
  await until(what, look, 10_000);
  assert.ok(Date.now() - began < 2500 + 8 * one, `${what} took ${Date.now() - began} ms, a request ${one} ms`);
};

for (const kind of [SQLITE, POSTGRES]) describe(`the admin API, keys kept in ${kind.name}`, { skip: kind.skip }, () => {
  let s;
  before(async () => {
    await kind.open();
    s = await openAdmin({ kind });
  });
  after(() => closeAll(() => s?.close(), () => kind.close()));
  const everywhere = (key, status) => async () => {
    for (let i = 0; i < 12; i++) if ((await s.use(key)).status !== status) return false;
    return true;
  };
  // By some worker in time, by each of them then.
  const bites = async (what, key) => {
    await within2s(what, async () => (await s.use(key)).status === 401);
    await until(`${what}, everywhere`, everywhere(key, 401));
  };
  const line = (response) => s.gateway.audit('the change', (l) => l.request_id === response.fields.get('x-request-id'));

  it('create: a key that works at once, shown once, stored by its HMAC alone', async () => {
    const response = await s.post('/v1/keys', { consumer: 'acme', scopes: ['read_orders'], tags: ['gold'], limit: '100/1m', expires: '90d', description: "Night's work: €" });
    assert.equal(response.status, 201, response.text);
    assert.match(response.fields.get('cache-control'), /no-store/);
    assert.equal(response.fields.get('content-type'), 'application/json');
    const made = response.json();
    assert.equal(response.fields.get('location'), `/v1/keys/${made.id}?set=partners`);
    assert.match(made.key, /^sallyport_[0-9A-Za-z]{36}$/);
    assert.equal(made.key.slice(-6), checksum(made.key.slice(0, -6)));
    assert.equal(made.digest, createHmac('sha256', readFileSync(join(s.dir, 'pepper'), 'utf8').trim()).update(made.key).digest('hex'));
    assert.deepEqual([made.consumer, made.scopes, made.tags, made.limit, made.description, made.state], ['acme', ['read_orders'], ['gold'], '100/1m', "Night's work: €", 'active']);
    assert.ok(Math.abs(Date.parse(made.expires) - Date.now() - 90 * 86400e3) < 60e3);
    assert.equal((await s.use(made.key)).status, 200);
    for (const path of ['/v1/keys', `/v1/keys/${made.id}`]) {
      const read = await s.get(path);
      assert.equal(read.status, 200);
      assert.ok(read.text.includes(made.id) && !read.text.includes(made.key.slice(10, 40)));
    }
    await line(response);
    assert.ok(!s.gateway.output.includes(made.key.slice(10, 40)), 'the key stands in a log');
    assert.ok(!(await kind.contents(s.place)).includes(made.key.slice(10, 40)));
  });
  it('the command and the API tell the same of a key', async () => {
    const made = await s.make({ tags: ['silver'], expires: '2099-12-31' });
    const told = (await s.get(`/v1/keys/${made.id}`)).json();
    assert.deepEqual(told, await showKey(s.gateway.file, made.id));
  });
  it('revoke: bites within two seconds, for ever, and twice is once', async () => {
    const made = await s.make();
    await until('it to work', everywhere(made.key, 200));
    const response = await s.post(`/v1/keys/${made.id}/revoke`);
    assert.equal(response.status, 200, response.text);
    assert.equal(response.json().state, 'revoked');
    await bites('revoking', made.key);
    const again = await s.post(`/v1/keys/${made.id}/revoke`);
    assert.deepEqual([again.status, again.json().revoked], [200, response.json().revoked]);
    assertProblem(await s.post(`/v1/keys/${made.id}/rotate`), 404, 'not_found', /revoked/);
  });
  it('expire: another end, now and never', async () => {
    const made = await s.make();
    assert.equal((await s.post(`/v1/keys/${made.id}/expire`, { expires: '2d' })).json().state, 'expiring');
    assert.equal((await s.post(`/v1/keys/${made.id}/expire`, { expires: 'never' })).json().expires, null);
    assert.equal((await s.post(`/v1/keys/${made.id}/expire`, { expires: 'now' })).json().state, 'expired');
    await bites('the end', made.key);
    assertProblem(await s.post(`/v1/keys/${made.id}/expire`, { expires: 'soon' }), 400, 'invalid_request', /expires: a date/);
    assertProblem(await s.post(`/v1/keys/${made.id}/expire`, {}), 400, 'invalid_request', /expires is missing/);
  });
  it('rotate: a successor of the same rights, and an end for its predecessor', async () => {
    const made = await s.make({ tags: ['gold'], limit: '500/1m', expires: '10d' });
    const response = await s.post(`/v1/keys/${made.id}/rotate`, { overlap: '1h' });
    assert.equal(response.status, 201, response.text);
    const next = response.json();
    assert.deepEqual([next.consumer, next.scopes, next.tags, next.limit, next.replaces], ['acme', ['read_orders'], ['gold'], '500/1m', made.id]);
    assert.ok(Math.abs(Date.parse(next.expires) - Date.now() - 10 * 86400e3) < 60e3);
    const before = (await s.get(`/v1/keys/${made.id}`)).json();
    assert.equal(before.state, 'superseded');
    assert.ok(Math.abs(Date.parse(before.expires) - Date.now() - 3600e3) < 60e3);
    assert.deepEqual([(await s.use(made.key)).status, (await s.use(next.key)).status], [200, 200]);
    assert.equal((await s.post(`/v1/keys/${next.id}/rotate`, { overlap: '0', expires: '5d' })).status, 201);
    await bites('the end of the overlap', next.key);
  });
  it('an id that the caller chooses: the same request makes one key', async () => {
    const body = { consumer: 'acme', id: 'deploy-2026_11' };
    assert.equal((await s.post('/v1/keys', body)).json().id, body.id);
    assertProblem(await s.post('/v1/keys', body), 409, 'conflict', /is there already/);
    assert.equal((await s.post(`/v1/keys/${body.id}/rotate`, { id: 'deploy-2026_12' })).status, 201);
    assertProblem(await s.post(`/v1/keys/${body.id}/rotate`, { id: 'deploy-2026_12' }), 409, 'conflict', /is there already/);
    for (const id of ['', 'a b', 'a/b', '../x', 'x'.repeat(65)]) assertProblem(await s.post('/v1/keys', { consumer: 'acme', id }), 400, 'invalid_request', /^id/);
  });
  it('list: pages, by consumer, and what ends soon', async () => {
    const ids = [];
    for (let i = 0; i < 7; i++) ids.push((await s.make({ consumer: 'pages', expires: i < 3 ? '5d' : '300d' })).id);
    const seen = [];
    let path = '/v1/keys?consumer=pages&limit=3';
    let pages = 0;
    for (let after = ''; after !== null; pages++) {
      const page = (await s.get(path + (after ? `&after=${after}` : ''))).json();
      seen.push(...page.keys.map((key) => key.id));
      after = page.next;
    }
    assert.deepEqual(seen, ids);
    assert.equal(pages, 3);
    const soon = (await s.get('/v1/keys?consumer=pages&expiring=30d')).json();
    assert.deepEqual(soon.keys.map((key) => key.id), ids.slice(0, 3));
    assert.deepEqual((await s.get('/v1/keys?after=9999999999999999999')).json(), { keys: [], next: null });
    for (const query of ['limit=0', 'limit=1001', 'limit=x', 'after=x', 'expiring=soon', 'consumer=', 'unknown=1', 'limit=1&limit=2', 'consumer=%ff', '%', 'set=other']) {
      assert.ok([400, 404].includes((await s.get(`/v1/keys?${query}`)).status), query);
    }
  });
  it('a long list comes in pages that a connection takes', async () => {
    const digest = (i) => createHmac('sha256', 'x').update(`long ${i}`).digest('hex');
    const keys = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`long-${i}`, { digest: digest(i), pepper: 'p1', consumer: 'long', description: '"'.repeat(500), scopes: ['a'.repeat(500)] }]));
    const imported = await s.post('/v1/keys/import', { keys });
    assert.deepEqual([imported.status, imported.json()], [201, { imported: 300 }]);
    let count = 0;
    for (let after = ''; after !== null; ) {
      const response = await s.get(`/v1/keys?consumer=long&limit=1000${after ? `&after=${after}` : ''}`);
      assert.equal(response.status, 200);
      assert.ok(response.body.length <= 65536, `${response.body.length} bytes`);
      count += response.json().keys.length;
      after = response.json().next;
    }
    assert.equal(count, 300);
  });
  it('import: digests, all or none', async () => {
    const pepper = readFileSync(join(s.dir, 'pepper'), 'utf8').trim();
    const digest = (text) => createHmac('sha256', pepper).update(text).digest('hex');
    const key = `sallyport_${'0'.repeat(30)}`;
    const whole = key + checksum(key);
    const one = { digest: digest(whole), pepper: 'p1', consumer: 'acme', scopes: ['read_orders'], created: '2025-01-31' };
    assert.equal((await s.post('/v1/keys/import', { keys: { one, two: { digest: digest('b'), pepper: 'p1', consumer: 'acme', revoked: true } } })).status, 201);
    assert.equal((await s.use(whole)).status, 200);
    assert.equal((await s.get('/v1/keys/two')).json().state, 'revoked');
    assertProblem(await s.post('/v1/keys/import', { keys: { three: { ...one, digest: digest('c') }, one } }), 409, 'conflict', /is there already/);
    assertProblem(await s.post('/v1/keys/import', { keys: { three: { ...one, digest: digest('c') }, four: { ...one, digest: 'abc' } } }), 400, 'invalid_request', /^four: digest is not of 64/);
    assertProblem(await s.post('/v1/keys/import', { keys: { three: { ...one, pepper: 'p9' } } }), 400, 'invalid_request', /^three: pepper names none/);
    assertProblem(await s.get('/v1/keys/three'), 404, 'not_found', /no such key/);
    const gone = await s.post('/v1/keys/one/revoke');
    assert.equal(gone.status, 200);
  });
  it('sets: those that it serves', async () => {
    const { sets } = (await s.get('/v1/key-sets')).json();
    assert.deepEqual(sets, [{ name: 'partners', prefix: 'sallyport', header: 'X-API-Key', pepper: 'p1' }]);
    assert.equal((await s.get('/v1/keys?set=partners')).status, 200);
  });
  it('what is wrong with a body is said, and nothing is made', async () => {
    const all = async () => (await s.get('/v1/keys?consumer=wrong')).json().keys.length;
    for (const [body, detail] of [
      ['', /no JSON/],
      ['{', /no JSON/],
      ['[]', /an object is wanted/],
      ['{"consumer":"wrong","consumer":"wrong"}', /no JSON/],
      ['{"consumer":"wrong"} x', /no JSON/],
      [{}, /consumer is missing/],
      [{ consumer: null }, /consumer is missing/],
      [{ consumer: '' }, /consumer: a string is wanted/],
      [{ consumer: 5 }, /consumer: a string is wanted/],
      [{ consumer: 'a b' }, /consumer is a name without spaces/],
      [{ consumer: 'wrong', admin: true }, /not known; known are: consumer, scopes/],
      [{ consumer: 'wrong', scopes: 'read' }, /scopes: an array of strings/],
      [{ consumer: 'wrong', scopes: [1] }, /scopes: an array of strings/],
      [{ consumer: 'wrong', scopes: ['a,b'] }, /scopes and tags are names/],
      [{ consumer: 'wrong', limit: 5 }, /limit: a rate/],
      [{ consumer: 'wrong', limit: '5' }, /limit: a rate/],
      [{ consumer: 'wrong', expires: '2020-01-01' }, /expires is not in the future/],
      [{ consumer: 'wrong', description: 'a\nb' }, /description is one line/],
    ]) {
      const response = await s.post('/v1/keys', body, body === '' ? { fields: [['Content-Type', 'application/json']], body: undefined } : {});
      assertProblem(response, 400, 'invalid_request', detail);
    }
    assertProblem(await s.post('/v1/keys/x/revoke', { now: true }), 400, 'invalid_request', /an empty object is wanted/);
    assert.equal((await s.post('/v1/keys', { consumer: 'wrong', description: 'x'.repeat(1 << 20) })).status, 413);
    assert.equal(await all(), 0);
  });
  it('paths and methods that it has not', async () => {
    for (const path of ['/v1', '/v1/', '/v1/keys/', '/v1/keys/x/y', '/v1/keys/x/revoke/z', '/v2/keys', '/']) assert.equal((await s.get(path)).status, 404, path);
    for (const [method, path, allow] of [
      ['POST', '/v1/keys/x', 'GET, HEAD'],
      ['GET', '/v1/keys/x/revoke', 'POST'],
      ['POST', '/v1/key-sets', 'GET, HEAD'],
    ]) {
      const response = await s.admin({ as: 'root', method, path, ...(method === 'POST' ? { body: {} } : {}) });
      assert.deepEqual([response.status, response.fields.get('allow')], [405, allow], path);
    }
    for (const method of ['DELETE', 'PUT', 'PATCH', 'OPTIONS']) assert.equal((await s.admin({ as: 'root', method, path: '/v1/keys' })).status, 405, method);
    const head = await s.admin({ as: 'root', method: 'HEAD', path: '/v1/keys' });
    assert.deepEqual([head.status, head.body.length], [200, 0]);
  });
  it('HTTP/2: the same', async () => {
    const response = await s.adminH2({ as: 'root', method: 'POST', path: '/v1/keys', body: { consumer: 'h2' } });
    assert.equal(response.status, 201);
    const { id } = JSON.parse(response.text);
    const read = await s.adminH2({ as: 'viewer', path: `/v1/keys/${id}` });
    assert.equal(JSON.parse(read.text).consumer, 'h2');
    assert.equal((await s.adminH2({ as: 'viewer', method: 'POST', path: `/v1/keys/${id}/revoke`, body: {} })).status, 403);
    const token = await s.mint({ scope: 'keys_write' });
    assert.equal((await s.adminH2({ token, method: 'POST', path: `/v1/keys/${id}/revoke`, body: {} })).status, 200);
    assert.equal((await s.adminH2({ method: 'POST', path: `/v1/keys/${id}/revoke`, body: {} })).status, 401);
  });
  it('who changed what, from where, stands in the audit log; and changes are counted', async () => {
    const before = await s.gateway.metrics();
    const response = await s.post('/v1/keys', { consumer: 'audited', id: 'audited-1' });
    const told = await line(response);
    assert.deepEqual([told.event, told.action, told.outcome, told.detail, told.subject, told.client, told.route, told.status], ['administered', 'keys.create', 'done', 'partners/audited-1 consumer audited', 'spiffe://example.org/ops/root', '127.0.0.1', 'admin.write', 201]);
    const refused = await line(await s.post('/v1/keys/nobody/revoke'));
    assert.deepEqual([refused.event, refused.action, refused.outcome, refused.status, refused.detail], ['administered', 'keys.revoke', 'refused', 404, 'there is no such key']);
    await s.gateway.audit('the change of the store', (l) => l.event === 'api_keys_changed');
    const after = await s.gateway.metrics();
    const grown = (outcome) => after.sum('sallyport_admin_changes_total', { outcome }) - before.sum('sallyport_admin_changes_total', { outcome });
    assert.deepEqual([grown('done'), grown('refused'), grown('failed')], [1, 1, 0]);
  });
  // As many as one worker lets wait, should it get them all.
  it('many at once: all are answered, and none is lost', async () => {
    const responses = await Promise.all(Array.from({ length: 24 }, (_, i) => s.post('/v1/keys', { consumer: 'crowd', id: `crowd-${i}` })));
    assert.deepEqual(responses.map((r) => r.status), Array(24).fill(201));
    assert.equal((await s.get('/v1/keys?consumer=crowd')).json().keys.length, 24);
  });
  it('clients that do not wait for their answer, or for their own body: the next one is served', async () => {
    const text = (i) => requestText({ method: 'POST', path: '/v1/keys', host: ADMIN, fields: [['Content-Type', 'application/json']], body: JSON.stringify({ consumer: 'gone', id: `gone-${i}` }) });
    const tls = { servername: ADMIN, cert: s.people.root.cert, key: s.people.root.key };
    await Promise.all(Array.from({ length: 12 }, async (_, i) => {
      const client = await s.connect({ listener: 'admin', tls });
      const whole = text(i);
      await client.send(i % 3 === 0 ? whole.subarray(0, whole.length - 5) : whole);
      client.destroy();
    }));
    await until('the next one to be served', async () => (await s.get('/v1/keys?consumer=gone')).status === 200);
    await until('nothing to be left over', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') === 0);
    assert.equal((await s.get('/v1/keys/gone-0')).status, 404); // its body never came
    assert.equal((await s.post('/v1/keys', { consumer: 'acme' })).status, 201);
  });
  it('what came of a change stands in the audit log, though its client was gone', async () => {
    const body = JSON.stringify({ consumer: 'left', id: 'left-early' });
    const text = requestText({ method: 'POST', path: '/v1/keys', host: ADMIN, fields: [['Content-Type', 'application/json'], ['User-Agent', 'left-early']], body });
    const client = await s.connect({ listener: 'admin', tls: { servername: ADMIN, cert: s.people.root.cert, key: s.people.root.key } });
    await client.send(text.subarray(0, text.length - 5));
    await until('the request to be there', async () => (await s.gateway.metrics()).sum('sallyport_exchanges_open') > 0);
    client.destroy();
    const told = await s.gateway.audit('the change', (l) => l.user_agent === 'left-early');
    assert.deepEqual([told.event, told.action, told.outcome, told.status, told.aborted], ['administered', 'keys.create', 'none', 0, true]);
    assert.equal((await s.get('/v1/keys/left-early')).status, 404);
    assert.equal((await line(await s.post('/v1/keys', body))).outcome, 'done');
  });
  it('the store is gone: 503 with Retry-After, told in the log alone; back: as before', async () => {
    const made = await s.make();
    await kind.lose(s.place);
    try {
      const { response, access } = await s.denied({ status: 503, code: 'unavailable', reason: 'admin_unavailable' }, () => s.post(`/v1/keys/${made.id}/revoke`));
      assert.ok(Number(response.fields.get('retry-after')) >= 1);
      assert.match(access.detail, kind.lost);
      assert.equal(access.outcome, 'failed');
      assert.equal((await s.get('/v1/keys')).status, 503);
      assert.equal((await s.get('/v1/key-sets')).status, 200);
    } finally {
      await kind.regain(s.place);
    }
    assert.equal((await s.post(`/v1/keys/${made.id}/revoke`)).status, 200);
  });
  it('another gateway with the same store: a change made here is seen there within two seconds', async () => {
    const { admin, client_certificates, listeners: { admin: listener, ...listeners }, ...config } = s.config;
    const other = await startGateway({ config: { ...config, instance: 'other', listeners, api_keys: { partners: { ...s.place.gateway, peppers: s.peppers } } } });
    try {
      const there = Object.assign(Object.create(s), { gateway: other });
      const use = (key) => there.request({ path: '/orders/1', host: HOST, fields: [['X-API-Key', key]] });
      const made = await s.make();
      await there.allowed(() => use(made.key));
      assert.equal((await s.post(`/v1/keys/${made.id}/revoke`)).status, 200);
      await within2s('revoking', async () => (await use(made.key)).status === 401);
    } finally {
      await other.stop();
    }
  });
  it('the OpenAPI document names each operation, and nothing else', async () => {
    const { stdout } = await sallyport(['docs', 'openapi']);
    const document = JSON.parse(stdout);
    const rows = Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, row]) => ({ method, path, row })));
    assert.deepEqual(rows.map(({ row }) => row.operationId).sort(), ['blocks.add', 'blocks.list', 'blocks.remove', 'keys.create', 'keys.expire', 'keys.import', 'keys.list', 'keys.revoke', 'keys.rotate', 'keys.sets', 'keys.show']);
    for (const { method, path, row } of rows) {
      const response = await s.admin({ as: 'root', method: method.toUpperCase(), path: path.replace('{id}', 'nobody'), ...(method === 'post' ? { body: { no_such_member: 1 } } : {}) });
      // This one serves no blocks: what is sent is judged first.
      const expected = method === 'post' ? 400 : path.includes('{id}') || path === '/v1/blocks' ? 404 : 200;
      assert.equal(response.status, expected, row.operationId);
      assert.ok(String(expected) in row.responses, row.operationId);
      const schema = row.responses[method === 'post' ? Object.keys(row.responses)[0] : '200'].content['application/json'].schema.$ref.split('/').pop();
      assert.ok(schema in document.components.schemas, schema);
    }
    assert.equal(readFileSync(new URL('../../../docs/admin-api.openapi.json', import.meta.url), 'utf8'), stdout, 'docs/admin-api.openapi.json is not of this program: make docs');
  });
});

describe('the admin API, several sets', () => {
  it('one is to be chosen; one that is not its own it does not know', async () => {
    const s = await openAdmin({
      admin: { api_keys: ['partners', 'staff'] },
      config: {
        api_keys: {
          staff: { store: './staff.sqlite', prefix: 'staff', header: 'X-Staff-Key', peppers: { p1: '${env:STAFF_PEPPER}' } },
          secret: { store: './secret.sqlite', prefix: 'secret', header: 'X-Secret-Key', peppers: { p1: '${env:STAFF_PEPPER}' } },
        },
      },
      gateway: { env: { STAFF_PEPPER: 'p'.repeat(40) } },
    });
    try {
      assertProblem(await s.post('/v1/keys', { consumer: 'a' }), 400, 'invalid_request', /choose one by \?set=/);
      assertProblem(await s.get('/v1/keys'), 400, 'invalid_request', /choose one/);
      assertProblem(await s.post('/v1/keys?set=secret', { consumer: 'a' }), 404, 'not_found', /no such set/);
      assertProblem(await s.post('/v1/keys?set=nothing', { consumer: 'a' }), 404, 'not_found', /no such set/);
      assert.equal((await s.post('/v1/keys?set=partners', { consumer: 'a' })).status, 201);
      assert.deepEqual((await s.get('/v1/key-sets')).json().sets.map((set) => set.name), ['partners', 'staff']);
    } finally {
      await s.close();
    }
  });
});

describe('an `admin` that comes by a reload, and goes', () => {
  it('each time another process relieves the one that serves: what one gave up it does not get back', async () => {
    const s = await openAdmin();
    try {
      const config = s.config;
      const relieved = (from) => s.gateway.wait('another process', () => s.gateway.events.slice(from).some((e) => e.event === 'relieving') && s.gateway.events.slice(from).some((e) => e.event === 'ready'));
      const { admin, listeners: { admin: listener, ...listeners }, ...without } = config;
      let from = s.gateway.events.length;
      assert.equal((await s.gateway.reload({ ...without, listeners })).event, 'ready');
      await relieved(from);
      await until('the listener to be gone', () => s.get('/v1/key-sets').then(() => false, () => true));
      from = s.gateway.events.length;
      assert.equal((await s.gateway.reload(config)).event, 'ready');
      await relieved(from);
      await s.gateway.wait('the listener', () => s.gateway.events.slice(from).find((e) => e.event === 'listening' && e.listener === 'admin'));
      const made = await s.make();
      assert.equal((await s.use(made.key)).status, 200);
      // Who may is decided anew at once, without another process.
      from = s.gateway.events.length;
      assert.equal((await s.gateway.reload({ ...config, admin: { ...admin, write: { scopes: ['other'] } } })).event, 'ready');
      assert.equal((await s.post(`/v1/keys/${made.id}/revoke`)).status, 403);
      assert.ok(!s.gateway.events.slice(from).some((e) => e.event === 'relieving'));
    } finally {
      await s.close();
    }
  });
});
