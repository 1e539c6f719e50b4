// A key server that was good and goes bad, in each way at once; the last good keys go on; then it is good again.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Issuer, serveKeys } from '../lib/issuer.mjs';
import { closeAll, HOST, openStage, READ_ORDERS } from '../lib/stage.mjs';
import { SLOW, until } from '../lib/wait.mjs';
import { backAtRest, descriptors, held } from './lib.mjs';

const hang = () => {};
const send = (status, headers, body) => (_, response) => response.writeHead(status, headers).end(body);
const JSON_TYPE = { 'Content-Type': 'application/json' };
// Sends `piece` again and again, `every` ms.
const drip = (start, piece, every, total = Infinity) => (_, response) => {
  response.on('error', () => {});
  response.writeHead(200, JSON_TYPE);
  response.write(start);
  let left = total;
  const more = () => {
    if (response.destroyed) return;
    if (left-- <= 0) return response.end();
    if (every > 0) return void (response.write(piece), setTimeout(more, every));
    return response.write(piece) ? setImmediate(more) : response.once('drain', more);
  };
  more();
};

// What the operational log says of each.
const ways = {
  frozen: [hang, /timed? ?out/i],
  slow: [drip('{"keys":[', ' ', 50), /timed? ?out/i],
  huge: [drip('{"keys":[', Buffer.alloc(1 << 20, ' '), 0, 50), /too large/],
  'announced-huge': [send(200, { ...JSON_TYPE, 'Content-Length': 50 << 20 }, undefined), /too large/],
  reset: [(request) => request.socket.resetAndDestroy(), /./],
  cut: [(request, response) => (response.writeHead(200, { ...JSON_TYPE, 'Content-Length': 1000 }), response.write('{"keys":['), setTimeout(() => request.socket.destroy(), 20)), /./],
  rubbish: [(request) => request.socket.end(Buffer.alloc(1000, 0x80)), /./],
  'endless-head': [(request) => {
    const { socket } = request;
    socket.on('error', () => {});
    socket.write('HTTP/1.1 200 OK\r\n');
    const more = () => !socket.destroyed && (socket.write('X-Field: value\r\n'.repeat(1000)) ? setImmediate(more) : socket.once('drain', more));
    more();
  }, /./],
  html: [send(200, { 'Content-Type': 'text/html' }, '<html>sorry</html>'), /not JSON/],
  'half-document': [send(200, JSON_TYPE, '{"keys":[{"kty":"EC"'), /not JSON/],
  'no-key-set': [send(200, JSON_TYPE, '{"hello":"world"}'), /no array/],
  empty: [send(200, JSON_TYPE, '{"keys":[]}'), /no key that can be used/],
  'nothing-usable': [send(200, JSON_TYPE, '{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}'), /no key that can be used/],
  deep: [send(200, JSON_TYPE, `{"keys":${'['.repeat(100_000)}`), /not JSON|too complex/],
  redirect: [(_, response) => response.writeHead(302, { Location: victim.url }).end(), /302/],
  'not-found': [send(404, JSON_TYPE, '{"keys":[]}'), /404/],
  'server-error': [send(503, { 'Retry-After': '3600' }, ''), /503/],
};
let victim;

describe('a key server that goes bad', () => {
  let s;
  const issuers = {};
  const servers = {};
  const names = [...Object.keys(ways), 'gone', 'other-keys'];
  before(async () => {
    const pair = await new Issuer().addKey('ES256', { kid: 'k' });
    for (const name of names) {
      issuers[name] = Object.assign(new Issuer({ issuer: `https://${name}.example.com` }), { keys: new Map(pair.keys) });
      servers[name] = await issuers[name].serve();
    }
    victim = await serveKeys(async () => pair.jwks());
    s = await openStage({
      config: {
        workers: 1,
        issuers: Object.fromEntries(names.map((name) => [name, { issuer: issuers[name].issuer, audiences: ['orders'], algorithms: ['ES256'], jwks_url: servers[name].url, jwks_timeout: '500ms', jwks_refresh: '1s', jwks_unknown_kid_interval: '1s' }])),
      },
      routes: Object.fromEntries(names.map((name) => [name, { ...READ_ORDERS, match: { host: HOST, path: `/${name}/**` }, auth: { jwt: name } }])),
    });
    await Promise.all(names.map((name) => until(`the keys of ${name}`, async () => (await ask(name)).status === 200)));
  });
  after(() => closeAll(() => s?.close(), ...[victim, ...Object.values(servers)].map((server) => () => server?.stop())));

  const ask = async (name) => s.request({ path: `/${name}/1`, token: await issuers[name].mint() });
  const happens = async (from, event, issuer) => s.gateway.wait(`${event} of ${issuer}`, () => s.gateway.events.slice(from).find((e) => e.event === event && e.issuer === issuer));
  let from;
  let rest;
  let rss;
  let failures;

  it('while it is good', async () => {
    rest = await held(s.gateway);
    rss = s.gateway.rss();
    failures = (await s.gateway.metrics()).sum('sallyport_jwks_fetch_failures_total');
    from = s.gateway.events.length;
    for (const [name, [answer]] of Object.entries(ways)) servers[name].answer = answer;
    await servers.gone.stop();
    issuers['other-keys'].stolen = issuers['other-keys'].keys;
    issuers['other-keys'].keys = new Map((await new Issuer().addKey('ES256', { kid: 'other' })).keys);
  });
  for (const name of [...Object.keys(ways), 'gone']) {
    it(`${name}: keys_failed with the reason; the last good keys serve`, async () => {
      // A fetch that was under way when the server went may have failed in a way of its own.
      const reason = ways[name]?.[1] ?? /connect/i;
      await s.gateway.wait(`keys_failed of ${name}: ${reason}`, () => s.gateway.events.slice(from).find((e) => e.event === 'keys_failed' && e.issuer === name && reason.test(e.reason)));
      assert.equal((await ask(name)).status, 200);
    });
  }
  it('each failure is counted, and the redirect was not followed', async () => {
    assert.ok((await s.gateway.metrics()).sum('sallyport_jwks_fetch_failures_total') - failures >= names.length - 1);
    assert.equal(victim.fetches, 0);
  });
  it('nothing of it is held: neither 50 MB nor descriptors', async () => {
    assert.ok(s.gateway.rss() - rss < 24 * 1024 * 1024 * SLOW, `grew by ${s.gateway.rss() - rss} bytes`);
    assert.ok(descriptors(s.gateway) <= rest.descriptors + 2 * names.length, 'at most what is under way');
  });
  it('other keys under the same roof: tokens of the removed key are refused, cached ones too', async () => {
    const issuer = issuers['other-keys'];
    const old = Object.assign(new Issuer({ issuer: issuer.issuer }), { keys: issuer.stolen });
    await until('the removed key to be gone', async () => (await s.request({ path: '/other-keys/1', token: await old.mint() })).status === 401);
    await s.denied({ status: 401, code: 'invalid_token', reason: 'token_key_unknown' }, async () => s.request({ path: '/other-keys/1', token: await old.mint() }));
    assert.equal((await ask('other-keys')).status, 200);
  });
  it('good again: keys_fetched of each, and all is at rest', async () => {
    from = s.gateway.events.length;
    for (const name of Object.keys(ways)) servers[name].answer = null;
    await servers.gone.start(servers.gone.port);
    await Promise.all(names.map((name) => happens(from, 'keys_fetched', name)));
    for (const name of names) assert.equal((await ask(name)).status, 200, name);
    await backAtRest(s.gateway, { ...rest, descriptors: rest.descriptors + 4 });
  });
});
