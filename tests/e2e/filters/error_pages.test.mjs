// Bodies of denials for clients that ask for another type than problem+json.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { requestH2 } from '../lib/h2.mjs';
import { HOST, OPEN, READ_ORDERS, openStage } from '../lib/stage.mjs';

const BROWSER = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
const PAGE = '<!doctype html><style>p { color: red }</style><title>{{status}} {{title}}</title><p>{{code}} {{request_id}}';

describe('error pages', () => {
  let s;
  const page = (name, text) => (writeFileSync(join(s.dir, name), text), join(s.dir, name));
  before(async () => {
    s = await openStage({
      routes: { 'read-orders': { ...READ_ORDERS, secure_headers: true }, open: OPEN },
      config: (stage) => {
        s = stage;
        return {
          error_pages: [
            { statuses: ['404'], file: page('404.html', PAGE) },
            { codes: ['unauthenticated'], file: page('401.html', 'please log in, <b>{{code}}</b>') },
            { statuses: ['4xx', '5xx'], type: 'text/plain', file: page('any.txt', '{{status}}: {{title}} ({{request_id}})\n') },
          ],
        };
      },
    });
  });
  after(() => s?.close());

  const get = (path, accept, more = {}) => s.request({ path, fields: accept ? [['Accept', accept]] : [], ...more });
  const type = (response) => response.fields.get('content-type');

  it('a browser gets the page of the denial, with all that a denial carries', async () => {
    const response = await get('/none', BROWSER);
    const id = response.fields.get('x-request-id');
    assert.deepEqual([response.status, type(response), response.fields.get('cache-control')], [404, 'text/html; charset=utf-8', 'no-store']);
    assert.equal(response.text.split('\r\n\r\n').pop(), `<!doctype html><style>p { color: red }</style><title>404 Not found</title><p>not_found ${id}`);
    const denied = await get('/orders/1', BROWSER);
    assert.deepEqual([denied.status, type(denied)], [401, 'text/html; charset=utf-8']);
    assert.match(denied.fields.get('www-authenticate'), /^Bearer/);
    assert.match(denied.text, /please log in, <b>unauthenticated<\/b>/);
    assert.equal(denied.fields.get('x-frame-options'), 'DENY');
  });
  it('so it is over HTTP/2', async () => {
    const response = await requestH2(s, { path: '/none', fields: { accept: BROWSER } });
    assert.deepEqual([response.status, response.fields.get('content-type')], [404, 'text/html; charset=utf-8']);
    assert.match(response.text, /404 Not found/);
  });
  it('a HEAD request gets its fields', async () => {
    const response = await get('/none', BROWSER, { method: 'HEAD' });
    assert.deepEqual([response.status, type(response)], [404, 'text/html; charset=utf-8']);
  });
  it('others get problem+json, as without pages', async () => {
    for (const accept of [undefined, '*/*', 'application/json', 'application/problem+json', 'text/html;q=0.1, application/problem+json', 'text/html;q=0', 'image/*'])
      await s.denied({ status: 404, code: 'not_found', reason: 'no_route' }, () => get('/none', accept));
  });
  it('and where there is no page for it', async () => {
    const token = await s.mint({ scope: 'other' });
    await s.denied({ status: 403, code: 'insufficient_scope', reason: 'scope_missing' }, () => get('/orders/1', BROWSER, { token }));
    const plain = await get('/orders/1', 'text/plain', { token });
    assert.deepEqual([plain.status, type(plain)], [403, 'text/plain; charset=utf-8']);
    assert.match(plain.text, /403: Insufficient scope \([0-9a-f]{32}\)\n$/);
  });
  it('an upstream\'s own errors are its own', async () => {
    s.upstream.script = async (exchange) => (await exchange.request.read(), exchange.respond(404, [['Content-Type', 'text/html']], 'theirs'));
    assert.match((await get('/open/1', BROWSER)).text, /theirs$/);
  });
  it('a page that is changed is taken up by a reload', async () => {
    page('404.html', 'changed {{status}}');
    await s.gateway.reload();
    assert.match((await get('/none', BROWSER)).text, /changed 404$/);
  });

  it('check prints them, and diff tells of a change', async () => {
    const { code, stdout } = await sallyport(['check', s.gateway.file]);
    assert.equal(code, 0);
    assert.match(stdout, /^gateway\n(?: {2}.*\n)* {2}error_pages +\[\{ .*file: .*\.html/m);
    const other = `${s.gateway.file}.other.yaml`;
    const { error_pages, ...rest } = s.config;
    writeFileSync(other, JSON.stringify({ ...rest, error_pages: error_pages.slice(1) }));
    const difference = await sallyport(['diff', s.gateway.file, other]);
    assert.equal(difference.code, 1, difference.stderr);
    assert.match(difference.stdout, /Other changes\n {2}gateway: error_pages is /);
  });
  for (const [entry, says] of [
    [{ file: 'no/such.html' }, /no\/such\.html/],
    [{ text: 'a {{stat}}' }, /what is filled in is \{\{status\}\}/],
    [{ text: 'a', codes: ['no_such'] }, /there is no public code "no_such"/],
    [{ text: 'a', codes: ['no_route'] }, /what callers are told is "not_found"/],
    [{ text: 'a', statuses: ['200'] }, /"200" is no status of a denial/],
    [{ text: 'a'.repeat(20_000) }, /too large|large|16/],
    [{ text: '' }, /is empty/],
  ]) {
    it(`check refuses ${JSON.stringify(entry).slice(0, 60)}`, async () => {
      const { text, ...rest } = entry;
      s.gateway.write({ ...s.config, error_pages: [{ ...(text === undefined ? {} : { file: page('wrong.html', text) }), ...rest }] });
      const { code, stdout, stderr } = await sallyport(['check', s.gateway.file]);
      s.gateway.write(s.config);
      assert.equal(code, 1, stdout);
      assert.match(stdout + stderr, says);
    });
  }
});
