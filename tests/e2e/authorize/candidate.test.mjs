// Shadow mode of auth: a candidate beside what is enforced. What they say differently is told, and nothing else ever comes of it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createKey, writePepper } from '../api_keys/lib.mjs';
import { basicField, HASHES, PASSWORD } from '../basic/lib.mjs';
import { DPOP, Holder } from '../lib/dpop.mjs';
import { sallyport } from '../lib/gateway.mjs';
import { ScriptedEndpoint } from '../lib/introspection.mjs';
import { Issuer } from '../lib/issuer.mjs';
import { Authority } from '../lib/pki.mjs';
import { closeAll, fieldsOf, gatewayCertificate, HOST, openStage } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { until } from '../lib/wait.mjs';
import { open as openSocket, startSocketServer } from '../lib/websocket.mjs';

const LATER = '2999-12-31';
const route = (path, auth, over = {}) => ({ match: { host: HOST, path: `${path}/**` }, upstream: 'order-service', auth, authorize: 'any_caller', relay: { headers: { 'X-User': 'subject' } }, ...over });
const candidate = (ways, over = {}) => ({ ...ways, until: LATER, ...over });

let s;
const send = (parts) => s.request(parts);
const lineOf = (response) => s.gateway.access('what became of it', (l) => l.request_id === response.fields.get('x-request-id'));
const told = ({ candidate: outcome, candidate_reason: reason, would_deny: denied }) => [outcome, reason, denied];
const AGREES = [undefined, undefined, undefined];
const wouldDeny = (reason) => ['would_deny', reason, reason];
const undecided = (reason) => ['undecided', reason, undefined];
const WOULD_ALLOW = ['would_allow', undefined, undefined];
// Let in as ever, or denied as ever; and what the log says of the candidate.
async function passes(expected, make) {
  const { response, echo } = await s.allowed(make);
  assert.deepEqual(told(await lineOf(response)), expected);
  return { response, echo };
}
async function isDenied(how, expected, make) {
  const { response, access } = await s.denied(how, make);
  assert.deepEqual(told(access), expected);
  return response;
}
const count = async (labels) => (await s.gateway.metrics()).sum('sallyport_auth_candidate_total', labels);

describe('a candidate beside the enforced auth', () => {
  let coming, key, holder;
  before(async () => {
    const dir = tempDir('candidate');
    coming = new Issuer({ issuer: 'https://coming.example.com' });
    await coming.addKey('RS256', { kid: 'coming' });
    writePepper(dir);
    const partners = { store: join(dir, 'keys.sqlite'), peppers: { p1: `\${file:${join(dir, 'pepper')}}` } };
    const file = join(dir, 'keys.yaml');
    writeFileSync(file, JSON.stringify({ listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow' } }, api_keys: { partners } }));
    key = (await createKey(file)).key;
    writeFileSync(join(dir, 'users'), `alice:${HASHES.yescrypt}\n`);
    holder = await Holder.make();
    await coming.addKey('ES384', { kid: 'slow' });
    const jwks = await coming.writeJwks(join(dir, 'coming.json'));
    s = await openStage({
      config: (stage) => ({
        dpop: DPOP,
        issuers: {
          main: { dpop: 'allowed' },
          strict: { ...stage.base().issuers.main, dpop: 'required' },
          coming: { issuer: 'https://coming.example.com', audiences: ['orders'], algorithms: ['RS256'], jwks_file: jwks },
          slow: { issuer: 'https://coming.example.com', audiences: ['orders'], algorithms: ['ES384'], jwks_file: jwks, dpop: 'allowed' },
        },
        api_keys: { partners },
        basic: { staff: { htpasswd: join(dir, 'users') } },
      }),
      routes: {
        slow: route('/slow', { api_key: 'partners', candidate: candidate({ jwt: 'slow' }) }),
        move: route('/move', { jwt: 'main', candidate: candidate({ jwt: 'coming' }) }),
        both: route('/both', { jwt: 'main', candidate: candidate({ jwt: ['main', 'coming'] }) }),
        bind: route('/bind', { jwt: 'main', candidate: candidate({ jwt: 'strict' }) }),
        more: route('/more', { jwt: 'main', candidate: candidate({ all_of: [{ jwt: 'main' }, { api_key: 'partners' }] }) }),
        keys: route('/keys', { api_key: 'partners', candidate: candidate({ jwt: 'main', token_from: { header: 'X-Token' } }) }),
        prove: route('/prove', { api_key: 'partners', candidate: candidate({ jwt: 'strict' }) }),
        people: route('/people', { api_key: 'partners', candidate: candidate({ basic: 'staff' }) }),
        maybe: route('/maybe', { jwt: 'main', mode: 'optional', candidate: candidate({ jwt: 'main' }) }),
        laxer: route('/laxer', { jwt: 'main', candidate: candidate({ jwt: 'main' }, { mode: 'optional' }) }),
        past: route('/past', { jwt: 'main', candidate: candidate({ jwt: 'coming' }, { until: '2020-01-01' }) }),
        soon: route('/soon', { jwt: 'main', candidate: candidate({ jwt: 'main' }, { until: new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10) }) }),
        plain: route('/plain', { jwt: 'main' }),
      },
    });
  });
  after(() => s?.close());
  const mint = (claims) => s.mint(claims);
  const mintComing = (claims) => coming.mint(claims, { alg: 'RS256' });

  it('lets in who is proven by what is enforced, as that; what the candidate would deny is logged, audited and counted', async () => {
    const { response, echo } = await passes(wouldDeny('token_issuer'), async () => send({ path: '/move/1', token: await mint({ sub: 'alice' }) }));
    assert.deepEqual(fieldsOf(echo, 'X-User'), ['alice']);
    const audit = await s.gateway.audit('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.deepEqual([audit.event, audit.would_deny, audit.candidate, audit.route], ['would_deny', 'token_issuer', 'would_deny', 'move']);
    assert.equal(await count({ route: 'move', outcome: 'would_deny' }), 1);
    assert.equal((await s.gateway.metrics()).sum('sallyport_would_deny_total', { route: 'move', reason: 'token_issuer' }), 1);
    assert.equal((await s.gateway.metrics()).sum('sallyport_denied_total', { route: 'move' }), 0);
  });
  it('denies who is not proven by what is enforced, with its answer alone; what the candidate would allow is told', async () => {
    const token = await mintComing();
    const response = await isDenied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, WOULD_ALLOW, () => send({ path: '/move/1', token }));
    const twin = await s.denied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, () => send({ path: '/plain/1', token }));
    assert.deepEqual(response.fields.all('www-authenticate'), twin.response.fields.all('www-authenticate'));
    const audit = await s.gateway.audit('it', (l) => l.request_id === response.fields.get('x-request-id'));
    assert.deepEqual([audit.event, audit.reason, audit.candidate], ['denied', 'token_issuer', 'would_allow']);
    assert.equal(await count({ route: 'move', outcome: 'would_allow' }), 1);
    assert.equal((await s.gateway.metrics()).sum('sallyport_would_deny_total', { route: 'move', reason: 'token_issuer' }), 1);
  });
  it('twin: where both say the same nothing is logged, and it is counted', async () => {
    await passes(AGREES, async () => send({ path: '/both/1', token: await mint() }));
    await isDenied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, WOULD_ALLOW, async () => send({ path: '/both/1', token: await mintComing() }));
    await isDenied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, AGREES, () => send({ path: '/both/1' }));
    await isDenied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, AGREES, () => send({ path: '/both/1', token: 'a.b.c' }));
    assert.equal(await count({ route: 'both', outcome: 'agrees' }), 3);
    await passes(AGREES, async () => send({ path: '/plain/1', token: await mint() }));
    assert.equal(await count({ route: 'plain' }), 0);
  });
  it('DPoP: the proof is judged, and used up by what is enforced alone', async () => {
    const url = `https://${HOST}/bind/1`;
    const token = await mint({ cnf: holder.cnf });
    await s.allowed(() => holder.ask(send, token, { url, request: { path: '/bind/1' } }));
    for (let i = 0; i < 3; i++) await passes(AGREES, async () => send(holder.with(token, await holder.proof(token, { url }), { path: '/bind/1' })));
    const proof = await holder.proof(token, { url });
    await passes(AGREES, () => send(holder.with(token, proof, { path: '/bind/1' })));
    await isDenied({ status: 401, code: 'invalid_dpop_proof', reason: 'dpop_proof_replayed' }, AGREES, () => send(holder.with(token, proof, { path: '/bind/1' })));
    await passes(wouldDeny('token_unbound'), async () => send({ path: '/bind/1', token: await mint() }));
  });
  it('DPoP: a proof that only the candidate looks at is not used up, and no nonce is told', async () => {
    const token = await mint({ cnf: holder.cnf });
    const proof = await holder.proof(token, { url: `https://${HOST}/prove/1` });
    for (let i = 0; i < 2; i++) {
      const { response, echo } = await passes(AGREES, () => send(holder.with(token, proof, { path: '/prove/1', fields: [['X-API-Key', key]] })));
      assert.deepEqual([response.fields.get('dpop-nonce'), fieldsOf(echo, 'Authorization'), fieldsOf(echo, 'DPoP')], [undefined, [], []]);
    }
    await passes(wouldDeny('dpop_proof_target'), () => send(holder.with(token, proof, { path: '/prove/2', fields: [['X-API-Key', key]] })));
  });
  it('slow signatures are verified beside the request: of tokens and of proofs', async () => {
    const own = await Holder.make('ES384');
    own.nonce = holder.nonce;
    const slow = (claims) => coming.mint({ jti: `${Math.random()}`, ...claims }, { alg: 'ES384' });
    const with_ = (token, ...fields) => ({ path: '/slow/1', fields: [['X-API-Key', key], ...fields], token });
    await passes(AGREES, async () => send(with_(await slow())));
    const good = await slow();
    await passes(wouldDeny('token_signature'), () => send(with_(good.slice(0, -20) + 'A'.repeat(20))));
    const bound = await slow({ cnf: own.cnf });
    for (let i = 0; i < 2; i++) await passes(AGREES, async () => send(own.with(bound, await own.proof(bound, { url: `https://${HOST}/slow/1` }), { path: '/slow/1', fields: [['X-API-Key', key]] })));
    await passes(wouldDeny('token_bound'), () => send(with_(bound)));
  });
  it('a credential more that would be needed', async () => {
    await passes(wouldDeny('credential_missing'), async () => send({ path: '/more/1', token: await mint() }));
    await passes(AGREES, async () => send({ path: '/more/1', token: await mint(), fields: [['X-API-Key', key]] }));
    await passes(wouldDeny('api_key_malformed'), async () => send({ path: '/more/1', token: await mint(), fields: [['X-API-Key', 'nonsense']] }));
  });
  it("the candidate's credentials stay here, and its caller is nobody", async () => {
    const token = await mint({ sub: 'alice' });
    const { echo } = await passes(AGREES, () => send({ path: '/keys/1', fields: [['X-API-Key', key], ['X-Token', token]] }));
    assert.notDeepEqual(fieldsOf(echo, 'X-User'), ['alice']);
    for (const name of ['X-Token', 'X-API-Key', 'Authorization']) assert.deepEqual(fieldsOf(echo, name), []);
    const plain = await s.allowed(() => send({ path: '/plain/1', token, fields: [['X-Token', token]] }));
    assert.deepEqual(fieldsOf(plain.echo, 'X-Token'), []);
    await isDenied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, WOULD_ALLOW, () => send({ path: '/keys/1', fields: [['X-Token', token]] }));
  });
  it('passwords are hashed beside the request, whose log line waits for it', async () => {
    await passes(AGREES, () => send({ path: '/people/1', fields: [['X-API-Key', key], basicField('alice', PASSWORD)] }));
    await passes(wouldDeny('basic_wrong'), () => send({ path: '/people/1', fields: [['X-API-Key', key], basicField('alice', 'wrong')] }));
    await passes(wouldDeny('credential_missing'), () => send({ path: '/people/1', fields: [['X-API-Key', key]] }));
  });
  it('optional, and no more; and the other way round', async () => {
    const { echo } = await passes(wouldDeny('credential_missing'), () => send({ path: '/maybe/1', fields: [['X-User', 'root']] }));
    assert.deepEqual(fieldsOf(echo, 'X-User'), []);
    await passes(AGREES, async () => send({ path: '/maybe/1', token: await mint() }));
    await isDenied({ status: 401, code: 'unauthenticated', reason: 'credential_missing' }, WOULD_ALLOW, () => send({ path: '/laxer/1' }));
    await isDenied({ status: 401, code: 'invalid_token', reason: 'token_malformed' }, AGREES, () => send({ path: '/laxer/1', token: 'a.b.c' }));
  });
  it('a date that has passed: it is not judged, what is enforced stays so, and the log says so at the start', async () => {
    await passes(AGREES, async () => send({ path: '/past/1', token: await mint() }));
    await isDenied({ status: 401, code: 'invalid_token', reason: 'token_issuer' }, AGREES, async () => send({ path: '/past/1', token: await mintComing() }));
    assert.equal(await count({ route: 'past', outcome: 'ended' }), 2);
    assert.equal(await count({ route: 'past' }), 2);
    await s.gateway.event('configuration_warning', (e) => /routes\.past\.auth\.candidate\.until.*has passed: the candidate is not judged any more/.test(e.message));
    await s.gateway.event('configuration_warning', (e) => /routes\.soon\.auth\.candidate\.until.*in less than 7 days/.test(e.message));
  });
});

describe('a candidate that asks others', () => {
  let endpoint, other, server, ca, mine;
  before(async () => {
    [endpoint, other] = [await ScriptedEndpoint.start(), await ScriptedEndpoint.start()];
    server = await startSocketServer();
    ca = new Authority('Client CA');
    mine = ca.issue({ cn: 'mine', client: true });
    const { certFile: cert, keyFile: key } = gatewayCertificate();
    const settings = { client_id: 'gateway', client_secret: '${env:INTROSPECTION_SECRET}', audiences: ['orders'], timeout: '30s' };
    s = await openStage({
      gateway: { env: { INTROSPECTION_SECRET: 'secret' } },
      config: (stage) => ({
        workers: 1,
        listeners: { public: { tls: { certificates: [{ cert, key }], client_ca: ca.certFile, client_certificate: 'optional' } } },
        introspection: { tried: { ...settings, endpoint: endpoint.url }, main: { ...settings, endpoint: other.url } },
        upstreams: { sockets: { endpoints: [server.url], tls: { ca: stage.ca.certFile } } },
      }),
      routes: {
        tried: route('/tried', { jwt: 'main', token_from: { header: 'X-Token' }, candidate: candidate({ introspection: 'tried' }) }),
        opaque: route('/opaque', { introspection: 'main' }),
        open: route('/open', { jwt: 'main', mode: 'optional', token_from: { header: 'X-Token' }, candidate: candidate({ introspection: 'tried' }) }),
        ws: { match: { host: HOST, path: '/ws' }, upstream: 'sockets', auth: { jwt: 'main', token_from: { header: 'X-Token' }, candidate: candidate({ introspection: 'tried' }) }, authorize: 'any_caller', websocket: {} },
      },
    });
  });
  after(() => closeAll(() => s?.close(), () => endpoint?.close(), () => other?.close(), () => server?.close()));
  const ask = async (token, { path = '/tried/1', ...parts } = {}) => send({ path, token, fields: [['X-Token', await s.mint()]], ...parts });

  it('is asked beside the request, which waits for nobody; the log line tells what it said', async () => {
    await passes(AGREES, () => ask(endpoint.active('good')));
    await passes(wouldDeny('token_inactive'), () => ask('bad'));
    endpoint.frozen = true;
    const { response } = await s.allowed(() => ask(endpoint.active('slow')));
    await until('the question', () => endpoint.count('slow') === 1);
    assert.equal(s.gateway.lines.some((l) => l.request_id === response.fields.get('x-request-id')), false);
    endpoint.thaw();
    const line = await lineOf(response);
    assert.deepEqual(told(line), AGREES);
    assert.ok(line.duration_us < 10_000_000);
  });
  it('an endpoint that says nothing leaves it undecided, and never more than a few questions are open', async () => {
    endpoint.frozen = true;
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => ask(endpoint.active(`frozen-${i}`))));
    assert.ok(answers.every((a) => a.status === 200));
    const good = await send({ path: '/opaque/1', token: other.active('enforced') });
    assert.equal(good.status, 200, 'what is enforced is asked as ever');
    await until('what is over the limit to be told', async () => (await count({ route: 'tried', outcome: 'undecided' })) === 36);
    endpoint.thaw();
    await until('all of them', async () => (await count({ route: 'tried' })) === 103);
    assert.equal(await count({ route: 'tried', outcome: 'undecided' }), 36);
    endpoint.otherwise = (response) => response.writeHead(500).end();
    await passes(undecided('introspection_unavailable'), () => ask('broken'));
    endpoint.otherwise = undefined;
  });
  it('a connection with a client certificate that is gone meanwhile leaves it undecided', async () => {
    endpoint.frozen = true;
    const { response } = await s.allowed(() => ask(endpoint.active('with-certificate'), { tls: { cert: mine.cert, key: mine.key } }));
    await until('the question', () => endpoint.count('with-certificate') === 1);
    endpoint.thaw();
    assert.deepEqual(told(await lineOf(response)), undecided(undefined));
    await passes(AGREES, () => ask('with-certificate', { tls: { cert: mine.cert, key: mine.key } }));
  });
  it('a client that goes away, and a WebSocket that opens and ends, while it is asked', async () => {
    endpoint.frozen = true;
    const socket = await openSocket(s, { headers: { 'X-Token': await s.mint(), Authorization: `Bearer ${endpoint.active('socket')}` } });
    socket.send('hello');
    await new Promise((done) => socket.once('message', done));
    socket.terminate();
    await until('the question', () => endpoint.count('socket') === 1);
    endpoint.thaw();
    await until('its end', async () => (await count({ route: 'ws', outcome: 'agrees' })) === 1);
  });
  it('at a stop the line of a request whose candidate still asks is written, too', async () => {
    endpoint.frozen = true;
    const { response } = await s.allowed(() => ask(endpoint.active('at-the-end')));
    await until('the question', () => endpoint.count('at-the-end') === 1);
    const stopped = s.gateway.stop();
    endpoint.thaw();
    await stopped;
    assert.deepEqual(told(await lineOf(response)), AGREES);
  });
  it('nothing of a token is in any log', () => {
    for (const text of ['frozen-1', 'with-certificate', 'secret-']) assert.ok(!s.gateway.output.includes(text));
  });
});

describe('a candidate and the budget of failures', () => {
  const budget = { failures: '5/1h', verifications: '1/1h', passwords: '1/1h', account: '5/1h' };
  before(async () => {
    const dir = tempDir('candidate');
    const coming = new Issuer({ issuer: 'https://coming.example.com' });
    await coming.addKey('RS256', { kid: 'coming' });
    const jwks = await coming.writeJwks(join(dir, 'coming.json'));
    s = await openStage({
      config: { workers: 1, failure_budget: budget, issuers: { coming: { issuer: 'https://coming.example.com', audiences: ['orders'], algorithms: ['RS256'], jwks_file: jwks } } },
      routes: {
        tried: route('/tried', { jwt: 'main', token_from: { header: 'X-Token' }, candidate: candidate({ jwt: 'main' }) }),
        open: route('/open', { jwt: 'main', mode: 'optional', token_from: { header: 'X-Token' }, candidate: candidate({ jwt: 'main' }) }),
        plain: route('/plain', { jwt: 'main' }),
      },
    });
  });
  after(() => s?.close());
  const forged = async () => (await s.mint({ jti: `${Math.random()}` })).slice(0, -20) + 'A'.repeat(20);

  const twenty = async (path, fields, jti) => {
    const answers = [];
    for (let i = 0; i < 20; i++) answers.push(await s.allowed(async () => send({ path, token: await forged(), fields: await fields(i) })));
    const lines = await Promise.all(answers.map(({ response }) => lineOf(response)));
    const judged = lines.filter((l) => l.candidate_reason === 'token_signature').length;
    assert.ok(judged >= 5 && judged <= 7, `${judged} were judged`);
    assert.equal(lines.filter((l) => l.candidate === 'undecided' && l.candidate_reason === 'verification_rate').length, 20 - judged);
    await s.allowed(async () => send({ path: '/plain/1', token: await s.mint({ jti }) }));
    assert.equal((await s.gateway.metrics()).sum('sallyport_authentication_failures_total'), 0);
  };
  it('what is wrong for the candidate costs nothing, and beyond a budget of its own it does not look', () => twenty('/tried/1', async (i) => [['X-Token', await s.mint({ jti: `${i}` })]], 'fresh'));
  it('nor does it look at the failures of a network that is beyond its real one', async () => {
    for (let i = 0; i < 8; i++) await send({ path: '/tried/1', fields: [['X-Token', await forged()]] });
    const response = await send({ path: '/tried/1', token: await s.mint({ jti: 'unseen' }), fields: [['X-Token', await forged()]] });
    assert.equal(response.status, 429);
    assert.deepEqual(told(await lineOf(response)), undecided(undefined));
  });
});

describe('a candidate and a network that is nobody', () => {
  before(async () => {
    s = await openStage({
      config: { workers: 1, failure_budget: { failures: '5/1h', verifications: '1/1h' } },
      routes: {
        open: route('/open', { jwt: 'main', mode: 'optional', token_from: { header: 'X-Token' }, candidate: candidate({ jwt: 'main' }) }),
        plain: route('/plain', { jwt: 'main' }),
      },
    });
  });
  after(() => s?.close());
  it('is judged by that budget, too', async () => {
    const forged = async () => (await s.mint({ jti: `${Math.random()}` })).slice(0, -20) + 'A'.repeat(20);
    for (let i = 0; i < 20; i++) await s.allowed(async () => send({ path: '/open/1', token: await forged() }));
    await until('all of them', async () => (await count({ route: 'open' })) === 20);
    const judged = await count({ route: 'open', outcome: 'would_deny' });
    assert.ok(judged >= 5 && judged <= 7, `${judged} were judged`);
    await s.allowed(async () => send({ path: '/plain/1', token: await s.mint() }));
    assert.equal((await s.gateway.metrics()).sum('sallyport_authentication_failures_total'), 0);
  });
});

describe('what check says of candidates', () => {
  const check = (auth, command = 'check') => {
    const dir = tempDir('check');
    const config = {
      listeners: { public: { address: '127.0.0.1', port: 0, plaintext: 'allow', exposure: 'internal' } },
      issuers: { main: { issuer: 'https://idp.example.com', audiences: ['orders'] }, coming: { issuer: 'https://coming.example.com', audiences: ['orders'] } },
      authorizers: { asked: { contract: 'forward_auth', url: 'http://127.0.0.1:2/', subject_header: 'X-Name' } },
      upstreams: { orders: { endpoints: ['http://127.0.0.1:1'] } },
      routes: { orders: { match: { host: HOST, path: '/**' }, listeners: ['public'], upstream: 'orders', auth, authorize: 'any_caller' } },
    };
    const file = join(dir, 'gateway.yaml');
    writeFileSync(file, JSON.stringify(config));
    return sallyport([command, file]);
  };
  for (const [name, auth, expected] of [
    ['no date', { jwt: 'main', candidate: { jwt: 'coming' } }, /candidate: .*until/],
    ['a date that is none', { jwt: 'main', candidate: { jwt: 'coming', until: 'soon' } }, /candidate.*2027-01-31/],
    ['no way', { jwt: 'main', candidate: { until: LATER } }, /candidate: names no way/],
    ['an unknown issuer', { jwt: 'main', candidate: { jwt: 'comin', until: LATER } }, /candidate\.jwt.*did you mean "coming"/],
    ['an authorizer', { jwt: 'main', candidate: { any_of: [{ jwt: 'coming' }, { external: 'asked' }], until: LATER } }, /candidate: asks an external authorizer/],
    ['beside none', { mode: 'none', candidate: { jwt: 'coming', until: LATER } }, /auth: is public, and a candidate stands beside ways that are enforced/],
    ['that is none itself', { jwt: 'main', candidate: { mode: 'none', until: LATER } }, /candidate\.mode/],
    ['a candidate of a candidate', { jwt: 'main', candidate: { jwt: 'coming', until: LATER, candidate: {} } }, /candidate.*candidate/],
    ['alone', { candidate: { jwt: 'coming', until: LATER } }, /auth: names no way/],
    ['a place for nothing', { jwt: 'main', candidate: { jwt: 'coming', key_from: { header: 'X-Key' }, until: LATER } }, /key_from is given/],
  ]) {
    it(`refused: ${name}`, async () => {
      const { code, stdout, stderr } = await check(auth);
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, expected);
    });
  }
  it('shows it apart from what is enforced', async () => {
    const { code, stdout, stderr } = await check({ jwt: 'main', candidate: { jwt: 'coming', until: LATER } });
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /auth +.*main/);
    assert.match(stdout, /auth candidate +.*coming.*only observed until 2999-12-31/);
  });
});
