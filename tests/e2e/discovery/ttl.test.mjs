// How long what name servers tell is believed: until its TTL is over, and no longer than `interval`.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { closeAll, merge, openStage } from '../lib/stage.mjs';
import { deadline, until } from '../lib/wait.mjs';
import { startNameServer } from './name_server.mjs';

const LONG = 3600; // s
const [HERE, THERE] = ['127.0.0.2', '127.0.0.3'];
const LOOKS = 3; // before the change

// What the name server knows of a name, with an address behind it; `holds`: seconds.
const dns = (name) => `dns://${name}:9001`;
const srv = (name) => `dns+srv://${name}`;
const plain = (ttl) => (name, address) => ({ [name]: { A: [address], ttl } });
const alias = (ttl, ttlBehind) => (name, address) => ({ [name]: { CNAME: [`of.${name}`], ttl }, [`of.${name}`]: { A: [address], ttl: ttlBehind } });
const service = (ttl, ttlBehind) => (name, address) => ({ [name]: { SRV: [{ port: 9001, target: `${address}.test` }], ttl }, [`${address}.test`]: { A: [address], ttl: ttlBehind } });
const cases = {
  'the TTL of an address': { from: dns, records: plain(1), holds: 1 },
  'a longer one': { from: dns, records: plain(2), holds: 2 },
  'that of an alias': { from: dns, records: alias(1, LONG), holds: 1 },
  'that of what an alias stands for': { from: dns, records: alias(LONG, 1), holds: 1 },
  'that of an SRV record': { from: srv, records: service(1, LONG), holds: 1 },
  'a second where the TTL is 0: no storm': { from: dns, records: plain(0), holds: 1 },
  'a second where its highest bit is set, which means 0': { from: dns, records: plain(0xffff_ffff), holds: 1 },
  '`interval` where the TTL is huge': { from: dns, records: plain(0x7fff_ffff), interval: '2s', holds: 2 },
  '`interval` where the TTL is longer, be it 0.3 s': { from: dns, records: plain(1), interval: '300ms', holds: 0.3 },
};
const keys = Object.keys(cases);
const nameOf = (what) => `_${keys.indexOf(what)}._tcp.ttl.test`;
const upstreamOf = (what) => `u${keys.indexOf(what)}`;

describe('what name servers tell holds for', () => {
  let s, names, began;
  // When it was asked for: a question that was not answered in time, and is put again, is one.
  const asked = (what) => {
    const questions = names.questions.filter(({ name, type }) => name === nameOf(what) && type !== 'AAAA');
    return questions.filter(({ id }, i) => id !== questions[i - 1]?.id).map(({ at }) => at);
  };
  before(async () => {
    names = await startNameServer();
    const upstreams = { local: { discover: { from: 'dns://localhost:9001', scheme: 'http', interval: '2s' } } };
    for (const [what, { from, records, interval = '30s' }] of Object.entries(cases)) {
      Object.assign(names.records, records(nameOf(what), HERE));
      upstreams[upstreamOf(what)] = { discover: { from: from(nameOf(what)), scheme: 'http', interval, resolvers: names.address } };
    }
    began = performance.now();
    s = await openStage({ config: { workers: 1, upstreams } });
    await until(() => `${LOOKS} looks at each: ${keys.map((what) => asked(what).length)}`, () => keys.every((what) => asked(what).length >= LOOKS), 15_000);
    for (const [what, { records }] of Object.entries(cases)) Object.assign(names.records, records(nameOf(what), THERE));
  });
  after(() => closeAll(() => s?.close(), () => names?.close()));

  for (const [what, { holds }] of Object.entries(cases)) {
    it(what, async () => {
      await s.gateway.event('endpoints_discovered', ({ upstream, before }) => upstream === upstreamOf(what) && before === 1);
      const gaps = asked(what).slice(1).map((at, i) => Math.round(at - asked(what)[i]));
      assert.ok(Math.min(...gaps) >= holds * 1000 - 1, `sooner: ${gaps}`);
      // A tenth more by chance; and a busy machine is late once, but not always.
      assert.ok(Math.min(...gaps) <= holds * 1100 + deadline(500), `later: ${gaps}`);
    });
  }
  it('`interval` where it stands in /etc/hosts, which knows no TTL', async () => {
    const looks = (await s.gateway.metrics()).sum('sallyport_discovery_looks_total', { upstream: 'local', result: 'good' });
    const seconds = (performance.now() - began) / 1000;
    assert.ok(looks >= 1 && looks <= 1 + seconds / 2, `${looks} looks in ${seconds} s`);
  });
});

describe('a shorter `interval`', () => {
  it('counts from its reload on', async () => {
    const names = await startNameServer();
    let s;
    try {
      names.records['orders.test'] = { A: [HERE], ttl: LONG };
      const discover = { from: dns('orders.test'), scheme: 'http', interval: '1h', resolvers: names.address };
      s = await openStage({ config: { workers: 1, upstreams: { found: { discover } } } });
      names.records['orders.test'] = { A: [HERE, THERE], ttl: LONG };
      assert.equal((await s.gateway.reload(merge(s.config, { upstreams: { found: { discover: { interval: '100ms' } } } }))).event, 'ready');
      await s.gateway.event('endpoints_discovered', ({ endpoints }) => endpoints === 2);
    } finally {
      await closeAll(() => s?.close(), () => names.close());
    }
  });
});
