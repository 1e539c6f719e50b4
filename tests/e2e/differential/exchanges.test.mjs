// The same request, whatever it comes by and goes by, is the same exchange: to its client, at the upstream, in the logs.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOST, closeAll, openStage } from '../lib/stage.mjs';
import { askHttp1, askHttp2, startHttp1, startHttp2 } from './lib.mjs';

// How requests come, each by listeners of its own, and how they go. The first of each is what the others are compared with.
const FRONTS = {
  'h1 over TLS': { ask: askHttp1, listener: 'tls1', protocol: 'HTTP/1.1', via: '1.1', scheme: 'https' },
  'h2 over TLS': { ask: askHttp2, listener: 'tls2', protocol: 'HTTP/2', via: '2', scheme: 'https' },
  h1: { ask: askHttp1, listener: 'clear1', plain: true, protocol: 'HTTP/1.1', via: '1.1', scheme: 'http' },
  h2c: { ask: askHttp2, listener: 'clear2', plain: true, protocol: 'HTTP/2', via: '2', scheme: 'http' },
};
const UPSTREAMS = { http1: undefined, h2: 'HTTP/2', h2c: 'HTTP/2' }; // and what the log says of them

/* A request, the answer's status and the reason of a denial. `differs`: what the protocols make different, by the path of the value
   within the exchange, where `when` holds, and why. */
const big = Buffer.alloc(700_000, 'sallyport ');
const ROWS = [
  { name: 'GET', path: '/open/x?y=1', fields: [['X-Mixed-Case', 'Some Value'], ['Accept', '*/*'], ['User-Agent', 'test/1']], status: 200 },
  { name: 'HEAD', method: 'HEAD', path: '/open/x', status: 200 },
  { name: 'OPTIONS', method: 'OPTIONS', path: '/open/x', status: 200 },
  { name: 'a method that is not HTTP\'s own', method: 'PROPFIND', path: '/open/x', status: 200 },
  { name: 'TRACE', method: 'TRACE', path: '/open/x', status: 501, reason: 'method_not_implemented' },

  { name: 'POST with a length', method: 'POST', path: '/open/x', body: 'hello', status: 200 },
  { name: 'POST without one', method: 'POST', path: '/open/x', body: 'hello', sized: false, status: 200 },
  { name: 'an empty body with a length', method: 'POST', path: '/open/x', body: '', status: 200 },
  { name: 'an empty body without one', method: 'POST', path: '/open/x', body: '', sized: false, status: 200 },
  { name: 'POST without a body', method: 'POST', path: '/open/x', status: 200 },
  { name: 'a big body', method: 'PUT', path: '/open/x', body: big, status: 200 },
  { name: 'a big body without a length', method: 'PUT', path: '/open/x', body: big, sized: false, status: 200 },
  { name: 'a body that says that it is too large', method: 'POST', path: '/small/x', body: big, status: 413, reason: 'body_too_large' },
  {
    name: 'a body that turns out too large', method: 'POST', path: '/small/x', body: big, sized: false, status: 413, reason: 'body_too_large',
    differs: { of: ['line.received', 'audit.received'], why: 'how much had come by then' },
  },
  { name: 'Expect: 100-continue', method: 'POST', path: '/open/x', body: 'hello', fields: [['Expect', '100-continue']], status: 200, hears: [100] },
  { name: 'Expect: 100-continue, denied', method: 'POST', path: '/orders/x', body: 'hello', fields: [['Expect', '100-continue']], status: 401, reason: 'credential_missing' },
  { name: 'another expectation', method: 'POST', path: '/open/x', body: 'hello', fields: [['Expect', 'a-pony']], status: 417, reason: 'expectation_unknown' },
  {
    name: 'an answer before the body', method: 'POST', path: '/open/early', body: big, status: 413,
    differs: { of: ['line.received', 'seen'], why: 'how much had come by then; h2 takes a stream back, h1 a connection' },
  },

  { name: 'many cookies in one field', path: '/open/x', fields: [['Cookie', Array.from({ length: 40 }, (_, i) => `c${i}=v${i}`).join('; ')]], status: 200 },
  {
    name: 'cookies in several fields', path: '/open/x', fields: [['Cookie', 'a=1'], ['Cookie', 'b=2; c=3'], ['Cookie', 'd="4"']], status: 200,
    differs: { of: ['seen.0.cookies'], why: 'crumbs of h2 are joined; over h1 no client may send several (RFC 6265 section 5.4), and they pass as they came' },
    holds: ({ seen }, front) => assert.equal(seen[0].cookies, front.via === '2' ? 1 : 3),
  },
  { name: 'fields that repeat', path: '/open/x', fields: [['X-A', '1'], ['X-B', 'x'], ['X-A', '2, 3'], ['X-A', ''], ['Accept', 'a/b'], ['Accept', 'c/d']], status: 200 },
  { name: 'bytes above ASCII in a value', path: '/open/x', fields: [['X-Latin', 'gr\xfc\xdfe']], status: 200 },
  { name: 'forged identity, forwarded and hop-by-hop fields', path: '/open/x', fields: [['X-User-Id', 'admin'], ['X-Forwarded-For', '1.2.3.4'], ['Forwarded', 'for=1.2.3.4'], ['X-Real-IP', '1.2.3.4'], ['X-Forwarded-Proto', 'gopher'], ['X_User_Id', 'admin'], ['X-Request-Id', 'mine'], ['Proxy', 'x'], ['X-HTTP-Method-Override', 'DELETE'], ['Authorization', 'Basic YTpi'], ['Via', '1.0 other']], status: 200 },
  { name: 'a head that is too large', path: '/open/x', fields: [['X-Long', 'a'.repeat(20_000)]], status: 431, reason: 'head_too_large' },

  { name: 'escapes in the path', path: '/open/a%20b/%7euser/%c3%a4/%E2%82%AC', status: 200 },
  { name: 'an encoded slash', path: '/open/a%2Fb', status: 400, reason: 'bad_path' },
  { name: 'an encoded slash where it is allowed', path: '/slash/a%2fb', status: 200 },
  { name: 'a parameter', path: '/open/a;b', status: 400, reason: 'bad_path' },
  { name: 'dot segments', path: '/open/../orders/1', status: 400, reason: 'bad_path' },
  { name: 'an odd query', path: '/open/x?a=|&&b&=c&%2e%2e/?&\'(x)*!;@:$,+', status: 200 },
  { name: 'half an escape in the query', path: '/open/x?a=%z', status: 400, reason: 'bad_target' },
  { name: 'an empty query', path: '/open/x?', status: 200 },
  { name: 'a target that is too long', path: `/open/${'x'.repeat(9000)}`, status: 414, reason: 'target_too_long' },

  {
    name: 'TE: trailers where trailers pass', path: '/open/x', fields: [['TE', 'trailers']], status: 200,
    differs: { of: ['seen.0.fields'], when: (front, up) => up !== 'http1', why: 'TE belongs to a connection of h1; in h2 it says that the client takes trailers' },
    holds: ({ seen }, front, up) => assert.equal(seen[0].fields.some(([name, value]) => name === 'te' && value === 'trailers'), up !== 'http1'),
  },
  { name: 'TE: trailers where they do not', path: '/closed/x', fields: [['TE', 'trailers']], status: 200 },
  { name: 'trailers of a request', method: 'POST', path: '/open/x', body: 'hello', sized: false, trailers: [['x-sum', '12'], ['x-user-id', 'admin']], fields: [['Trailer', 'x-sum']], status: 200, holds: ({ seen }) => assert.deepEqual(seen[0].trailers, [['x-sum', '12']]) },
  { name: 'trailers of a request where they do not pass', method: 'POST', path: '/closed/x', body: 'hello', sized: false, trailers: [['x-sum', '12']], status: 200, holds: ({ seen }) => assert.deepEqual(seen[0].trailers, []) },
  { name: 'trailers of an answer', path: '/open/trailers', status: 200, holds: ({ client }) => assert.deepEqual(client.trailers, [['x-sum', '12']]) },
  { name: 'trailers of an answer where they do not pass', path: '/closed/trailers', status: 200, holds: ({ client }) => assert.deepEqual(client.trailers, []) },

  { name: 'a preflight', method: 'OPTIONS', path: '/cors/x', fields: [['Origin', 'https://app.example.com'], ['Access-Control-Request-Method', 'PUT']], status: 204, local: true },
  { name: 'a preflight of another origin', method: 'OPTIONS', path: '/cors/x', fields: [['Origin', 'https://evil.example'], ['Access-Control-Request-Method', 'PUT']], status: 403, reason: 'cors_origin_denied' },
  { name: 'a request of a page', path: '/cors/x', fields: [['Origin', 'https://app.example.com']], status: 200 },
  { name: '204', path: '/open/204', status: 204 },
  { name: '304', path: '/open/304', status: 304 },
  { name: '103 before 200', path: '/open/103', status: 200, hears: [103] },
  { name: 'a big answer', path: '/open/big', status: 200 },
  { name: 'fields of an answer', path: '/open/fields', status: 201 },
  { name: '500 of the upstream', path: '/open/500', status: 500 },

  { name: 'a token', path: '/orders/1', token: 'good', status: 200, holds: ({ seen }) => assert.deepEqual(seen[0].fields.filter(([name]) => name === 'x-user-id'), [['x-user-id', 'alice']]) },
  { name: 'no token', path: '/orders/1', status: 401, reason: 'credential_missing' },
  { name: 'nonsense for a token', path: '/orders/1', fields: [['Authorization', 'Bearer x.y.z']], status: 401, reason: 'token_malformed' },
  { name: 'an expired token', path: '/orders/1', token: 'expired', status: 401, reason: 'token_expired' },
  { name: 'a scope is missing', path: '/orders/1', token: 'other', status: 403, reason: 'scope_missing' },
  { name: 'no route', path: '/elsewhere', status: 404, reason: 'no_route' },
  {
    name: 'another host', path: '/open/x', host: 'other.example.com', status: [421, 404], reason: ['misdirected', 'no_route'],
    differs: { of: ['client', 'line', 'audit'], when: (front) => front.scheme === 'http', why: 'only a TLS handshake names hosts' },
    holds: ({ client }, front) => assert.equal(client.status, front.scheme === 'https' ? 421 : 404),
  },
  { name: 'a method that the route lacks', method: 'DELETE', path: '/orders/1', status: 405, reason: 'method_not_allowed' },
  { name: 'the first of a limit', path: '/limited/x', status: 200 },
  { name: 'the second', path: '/limited/x', status: 429, reason: 'rate_client' },
];

const ANSWERS = {
  '/open/204': { status: 204, body: '' },
  '/open/304': { status: 304, body: '', fields: [['ETag', '"a"']] },
  '/open/103': { informational: [[103, [['link', '</a.css>; rel=preload']]]] },
  '/open/trailers': { trailers: [['x-sum', '12']], body: 'hello' },
  '/closed/trailers': { trailers: [['x-sum', '12']], body: 'hello' },
  '/open/big': { body: 'x'.repeat(1_000_000) },
  '/open/fields': { status: 201, fields: [['Set-Cookie', 'a=1; Path=/'], ['Set-Cookie', 'b=2'], ['Location', '/x'], ['X-Empty', ''], ['Alt-Svc', 'h3=":1"'], ['Server', 'some'], ['X-Twice', '1'], ['X-Twice', '2']] },
  '/open/500': { status: 500, body: 'broken' },
  '/open/early': { status: 413, body: 'too much', early: true },
};

// Without what must differ: ids, times, names of listeners; and of each protocol what it must say.
function normal({ client, seen, line, audit }, front, up) {
  const id = line.request_id;
  const fields = (list) => list.map(([name, value]) => {
    if (name === 'date') return [name, '(date)'];
    if (['retry-after', 'ratelimit'].includes(name)) return [name, value.replace(/[0-9]{4}$/, '(seconds)')];
    if (value === id) return [name, '(id)'];
    if (name === 'via' && value.endsWith('sallyport')) {
      assert.equal(value, `${front.via} sallyport`);
      return [name, '(protocol) sallyport'];
    }
    if (name === 'x-forwarded-proto') {
      assert.equal(value, front.scheme);
      return [name, '(scheme)'];
    }
    return [name, value];
  });
  assert.equal(line.protocol, front.protocol);
  assert.equal(line.tls === undefined, front.scheme === 'http');
  if (seen.length > 0 || line.endpoint) assert.equal(line.upstream_protocol, UPSTREAMS[up]);
  const line_ = (one) => {
    if (!one) return null;
    const { time, request_id, listener, protocol, upstream_protocol, endpoint, duration_us, upstream_us, tls, instance, boot, seq, prev, ...rest } = one;
    if (rest.route) rest.route = rest.route.replace(`-${front.listener}-${up}`, '');
    if (rest.upstream) rest.upstream = '(upstream)';
    return rest;
  };
  return {
    client: { ...client, fields: fields(client.fields), body: client.body.replaceAll(id, '(id)') },
    seen: seen.map((one) => ({ ...one, fields: fields(one.fields) })),
    line: line_(line),
    audit: line_(audit),
  };
}

// Without the value at each of `paths`.
function leaveOut(exchange, paths) {
  const copy = structuredClone(exchange);
  for (const path of paths) {
    const names = path.split('.');
    const last = names.pop();
    const holder = names.reduce((at, name) => at?.[name], copy);
    if (holder) delete holder[last];
  }
  return copy;
}

describe('the same exchange by every way', () => {
  let s;
  const upstreams = {};
  const tokens = {};
  before(async () => {
    upstreams.http1 = await startHttp1(ANSWERS);
    upstreams.h2 = await startHttp2(ANSWERS, { tls: true });
    upstreams.h2c = await startHttp2(ANSWERS, { tls: false });
    s = await openStage({ routes: {}, config });
    tokens.good = await s.mint({ scope: 'read_orders', client_id: 'app' });
    tokens.other = await s.mint({ scope: 'other' });
    tokens.expired = await s.mint({ scope: 'read_orders', exp: 1000 });
  });
  after(() => closeAll(() => s?.close(), ...Object.values(upstreams).map((one) => () => one.close())));

  function config(stage) {
    const { tls } = stage.base().listeners.public;
    const listeners = { public: null };
    const routes = {};
    for (const up of Object.keys(UPSTREAMS)) {
      for (const { listener, plain } of Object.values(FRONTS)) {
        const name = `${listener}-${up}`;
        listeners[name] = { address: '127.0.0.1', port: 0, exposure: 'internal', ...(plain ? { plaintext: 'allow', h2c: true } : { tls }) };
        const route = (path, over) => {
          routes[`${path}-${name}`] = { match: { host: HOST, path: `/${path}/**` }, listeners: [name], upstream: up, auth: 'none', body: '1MiB', relay: { trailers: true }, ...over };
        };
        route('open');
        route('closed', { relay: {} });
        route('slash', { path_allows: ['encoded_slash'] });
        route('small', { body: '1KiB' });
        route('cors', { cors: { origins: ['https://app.example.com'], methods: ['PUT'] } });
        route('limited', { limits: [{ limit: '1/1h', by: 'route' }] });
        route('orders', { match: { host: HOST, path: '/orders/**', methods: ['GET', 'POST'] }, auth: { jwt: 'main' }, authorize: { scopes: ['read_orders'] }, relay: { headers: { 'X-User-Id': 'subject' } } });
      }
    }
    return {
      workers: 1,
      listeners,
      upstreams: {
        'order-service': null,
        http1: { endpoints: [upstreams.http1.url], tls: { ca: stage.ca.certFile } },
        h2: { endpoints: [upstreams.h2.url], protocol: 'h2', tls: { ca: stage.ca.certFile } },
        h2c: { endpoints: [upstreams.h2c.url] },
      },
      routes,
    };
  }

  async function exchange(front, up, row) {
    const fields = [...(row.fields ?? []), ...(row.token ? [['Authorization', `Bearer ${tokens[row.token]}`]] : [])];
    const client = await front.ask(s, { listener: `${front.listener}-${up}`, plain: front.plain }, { host: HOST, ...row, fields });
    const id = client.fields.find(([name]) => name === 'x-request-id')[1];
    const line = await s.gateway.access(row.name, (l) => l.request_id === id);
    const audit = line.reason && (await s.gateway.audit(row.name, (l) => l.request_id === id));
    const seen = upstreams[up].seen.filter((one) => one.fields.some(([name, value]) => name === 'x-request-id' && value === id));
    return { client, seen, line, audit };
  }

  for (const row of ROWS) {
    it(row.name, async () => {
      const ways = Object.entries(FRONTS).flatMap(([name, front]) => Object.keys(UPSTREAMS).map((up) => ({ way: `${name} to ${up}`, front, up })));
      const all = await Promise.all(ways.map(({ front, up }) => exchange(front, up, row)));
      const first = normal(all[0], ways[0].front, ways[0].up);
      for (const [i, { way, front, up }] of ways.entries()) {
        const { client, seen, line } = all[i];
        assert.ok([row.status].flat().includes(client.status), `${way}: ${client.status} ${client.body}`);
        assert.equal(line.status, client.status, way);
        assert.ok([row.reason].flat().includes(line.reason), `${way}: ${line.reason}`);
        assert.deepEqual(client.informational.map(([status]) => status), row.hears ?? [], way);
        if (!row.differs?.of.includes('seen')) assert.equal(seen.length, row.reason || row.local ? 0 : 1, `${way}: requests upstream`);
        row.holds?.(all[i], front, up);
        const differs = row.differs && (row.differs.when?.(front, up) ?? true) ? row.differs.of : [];
        assert.deepEqual(leaveOut(normal(all[i], front, up), differs), leaveOut(first, differs), way);
      }
    });
  }
});
