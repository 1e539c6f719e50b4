// A stage for hostile upstreams: whatever the balance, what three servers do alike comes to the same.
import { BALANCES } from '../balance/lib.mjs';
import { closeAll, HOST, OPEN, openStage, originCertificate } from '../lib/stage.mjs';
import { startUpstream } from '../lib/upstream.mjs';

const names = Object.keys(BALANCES);

// A route for each balance, its path beneath its name, to the same three servers; `upstream`: what they are.
export async function openBalanced({ config = {}, route = {}, upstream = {} } = {}) {
  const origin = originCertificate();
  const more = await Promise.all(['1', '2'].map((name) => startUpstream({ name, tls: { cert: origin.cert, key: origin.key }, ...upstream })));
  const upstreams = (s) => Object.fromEntries(names.map((name) => [name, { ...BALANCES[name], endpoints: [s.upstream, ...more].map(({ url }) => url), tls: { ca: s.ca.certFile } }]));
  const s = await openStage({
    config: (stage) => ({ ...config, upstreams: upstreams(stage) }),
    routes: Object.fromEntries(names.map((name) => [name, { ...OPEN, match: { host: HOST, path: `/${name}/**` }, upstream: name, ...route }])),
    upstream: { name: '0', ...upstream },
  });
  let key = 0;
  return {
    s,
    servers: [s.upstream, ...more],
    // One header for each request, so that all servers are someone's.
    keyed: () => ({ fields: [['X-Key', `user-${key++}`]] }),
    close: () => closeAll(() => s.close(), ...more.map((server) => () => server.close())),
  };
}

// Does it for all balances at once, with what came of the last time.
export const eachBalance = (act, before = []) => Promise.all(names.map((name, i) => act(name, before[i])));
