// What `check` and `diff` say of external authorizers.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sallyport } from '../lib/gateway.mjs';
import { merge } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';

const SSO = { contract: 'forward_auth', url: 'http://127.0.0.1:9000/verify', request_headers: ['Cookie'], upstream_headers: ['Remote-User'], client_headers: ['Location'], subject_header: 'Remote-User' };
const base = {
  listeners: { public: { address: '127.0.0.1', port: 8080, plaintext: 'allow' } },
  issuers: { main: { issuer: 'https://idp.example.com', audiences: ['a'] } },
  upstreams: { svc: { endpoints: ['http://127.0.0.1:9001'] } },
  authorizers: { sso: SSO },
  routes: { app: { match: { host: 'a.example', path: '/**' }, upstream: 'svc', auth: { external: 'sso' }, authorize: 'any_caller', limits: [{ limit: '10/1s', by: 'address' }] } },
};
const write = (over) => {
  const file = join(tempDir('check'), 'gateway.yaml');
  writeFileSync(file, JSON.stringify(merge(base, over), null, 1));
  return file;
};
const check = async (over) => {
  const { code, stdout, stderr } = await sallyport(['check', '--config', write(over)]);
  return { code, text: stdout + stderr };
};
const sso = (over) => ({ authorizers: { sso: over } });
const app = (over) => ({ routes: { app: over } });

const WRONG = {
  'a URL that is none': [sso({ url: 'sso:9000' }), /authorizers\.sso\.url: a URL is wanted here/],
  'a prefix with a query': [sso({ contract: 'ext_authz', url: 'http://127.0.0.1:9000/a?b' }), /has no query/],
  'another contract': [sso({ contract: 'grpc' }), /contract: .*forward_auth.*ext_authz/],
  'no contract': [sso({ contract: undefined }), /contract is missing/],
  'a header of the connection': [sso({ request_headers: ['Transfer-Encoding'] }), /request_headers\[0\]: this header is the protocol's/],
  'an address from the client': [sso({ request_headers: ['X-Forwarded-For'] }), /request_headers\[0\]: this header is the protocol's/],
  'an identity from the client': [sso({ request_headers: ['remote-user'] }), /tells of a proven identity elsewhere/],
  'the same by relay': [merge(sso({ request_headers: ['X-User'] }), app({ relay: { headers: { 'X-User': 'subject' } } })), /tells of a proven identity elsewhere/],
  'an address for the upstream': [sso({ upstream_headers: ['X-Forwarded-For'] }), /upstream_headers\[0\]: .*no authorizer may set it/],
  'a header with "_"': [sso({ upstream_headers: ['Remote_User'] }), /write "-"/],
  'the same header twice': [sso({ upstream_headers: ['Remote-User', 'remote-user'] }), /stands there twice/],
  'the framing of answers': [sso({ client_headers: ['Content-Length'] }), /client_headers\[0\]: .*no authorizer may set it/],
  'CORS by the authorizer': [sso({ client_headers: ['Access-Control-Allow-Origin'] }), /for the route's `cors`/],
  'an expression that is none': [sso({ identity_headers: { 'X-Caller': 'sub' } }), /identity_headers\.X-Caller: a header's value is/],
  'a cache without credential': [sso({ cache: { for: '1s', by: ['path'] } }), /credential is missing/],
  'a cache by nothing': [sso({ cache: { for: '1s', by: [] } }), /by: must not be empty/],
  'a cache without a time': [sso({ cache: { by: ['credential'] } }), /for is missing/],
  'a cache by what is unknown': [sso({ cache: { for: '1s', by: ['credential', 'token'] } }), /by\[1\]: what decisions are remembered by is/],
  'a cache by what it does not see': [sso({ cache: { for: '1s', by: ['credential', 'header:X-Tenant'] } }), /by\[1\]: this header is not among request_headers/],
  'TLS without https': [sso({ tls: { server_name: 'a' } }), /the URL is not https/],
  'an authorizer that is none': [app({ auth: { external: 'ssso' } }), /there is no authorizer "ssso"; did you mean "sso"/],
  'the same in authorize': [app({ auth: { jwt: 'main' }, authorize: { external: 'opa' } }), /there is no authorizer "opa"/],
  'a way that names nobody': [sso({ subject_header: undefined }), /says nobody's name: give it subject_header/],
  'a way that is not the last': [app({ auth: { external: undefined, any_of: [{ external: 'sso' }, { jwt: 'main' }] } }), /list it last/],
  'two at once': [merge(app({ auth: { external: ['sso', 'two'] } }), { authorizers: { two: SSO } }), /names one authorizer/],
  'two who set a header': [app({ relay: { headers: { 'Remote-User': 'subject' } } }), /the authorizer "sso" sets this header, too/],
  'a port that is not allowed': [{ confinement: { connect_ports: ['9001', '443'] } }, /port 9000 is not among confinement\.connect_ports/],
  'a policy that names none': [{ policies: { p: { authorize: { external: 'opa' } } } }, /there is no authorizer "opa"/],
};

describe('check and diff', () => {
  for (const [name, [over, said]] of Object.entries(WRONG)) {
    it(`an error: ${name}`, async () => {
      const { code, text } = await check(over);
      assert.match(text, said);
      assert.notEqual(code, 0, text);
      assert.match(text, /gateway\.yaml:[0-9]+:[0-9]+: error/);
    });
  }
  it('twin: nothing to tell, and the effective policy names it', async () => {
    for (const over of [{}, sso({ cache: { for: '1s', by: ['credential', 'method', 'host', 'path', 'query'] } }), app({ auth: { external: undefined, any_of: [{ jwt: 'main' }, { external: 'sso' }] } })]) {
      const { code, text } = await check(over);
      assert.equal(code, 0, text);
      assert.doesNotMatch(text, /warning/);
      assert.match(text, /the word of sso/);
    }
    const { text } = await check(app({ auth: { external: undefined, jwt: 'main' }, authorize: { external: 'sso' } }));
    assert.match(text, /the authorizer sso lets it pass/);
  });
  it('a warning: what decisions are reused for, and a way that others can read', async () => {
    const loose = await check(sso({ request_headers: ['Cookie', 'X-Tenant'], cache: { for: '1s', by: ['credential'] } }));
    assert.equal(loose.code, 0, loose.text);
    assert.match(loose.text, /warning: .*whatever the request's method, host, path, query/);
    assert.match(loose.text, /warning: .*whatever X-Tenant says/);
    assert.match((await check(sso({ url: 'http://sso.internal/' }))).text, /warning: .*without TLS/);
  });
  it('diff tells who gains and who loses', async () => {
    const token = app({ auth: { external: undefined, jwt: 'main' }, authorize: { scopes: ['a'] } });
    const asked = merge(token, app({ authorize: { external: 'sso' } }));
    const diff = async (a, b) => (await sallyport(['diff', write(a), write(b)])).stdout;
    assert.match(await diff(token, asked), /the authorizer sso must let it pass now/);
    assert.match(await diff(asked, token), /the authorizer sso is not asked any more/);
    assert.match(await diff({}, sso({ url: 'http://127.0.0.1:9999/' })), /authorizer sso/);
  });
});
