// One of three servers is killed, frozen, slowed, flaps, leaves or joins, under the load of every balance at once. No more requests fail
// than were in flight on it, retries make no storm, and the two others take over.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startNameServer } from '../discovery/name_server.mjs';
import { closeAll, HOST, merge, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';
import { BALANCES, HomedServer, PLAIN, route, underLoad } from './lib.mjs';

const WIDTH = 5; // requests at a time, of each balance
const CALM = 30; // answers before anything happens
const STORMY = 90; // and meanwhile
const FAILURES = 5; // in a row, and it is left out
const ALL = [0, 1, 2];
const WEIGHTS = [1, 1, 2];
const SLOW = 300; // ms
const TRY = 1000; // ms

const names = Object.keys(BALANCES);
const each = (make) => Object.fromEntries(names.map((name) => [name, make(name)]));
// Those that look at how a server does leave one that is slow by themselves; p2c so soon that it may take long until so many requests in a
// row have failed that it is ejected, and until it is tried again.
const LOOKS = ['least_requests', 'p2c'];
const WITHOUT_P2C = names.filter((name) => name !== 'p2c');

// Counts what each balance asks it, and how much of that is under way; answers as it is told.
class FickleServer extends HomedServer {
  constructor(name) {
    super(name);
    this.asked = each(() => 0);
    this.active = { ...this.asked };
    this.most = { ...this.asked };
    this.answer = well;
    this.resets = false;
    this.server.removeAllListeners('request');
    this.server.on('request', (request, response) => {
      const balance = request.url.split('/')[1];
      this.asked[balance]++;
      this.most[balance] = Math.max(this.most[balance], ++this.active[balance]);
      response.on('close', () => this.active[balance]--);
      this.answer(response, this.asked[balance]);
    });
    this.server.on('connection', (socket) => this.resets && socket.resetAndDestroy());
  }
  cut() {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }
  async stop() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.cut();
    await closed;
  }
  again() {
    return this.at(this.address, this.port);
  }
}

const well = (response) => response.end('{}');
const fails = (response) => response.writeHead(503).end();
const hangs = () => {};
const later = (ms) => (response) => setTimeout(well, ms, response);
const nowAndThen = (response, number) => (number % 4 === 0 ? fails : well)(response);

// `begin` does it, with `load` to wait by; `end` takes back what the next one would suffer from. `goes`: it is left out, in the end.
// `published`: who is in the DNS, before and then.
const disturbances = {
  killed: { begin: (server) => server.stop(), end: (server) => server.again(), goes: true },
  frozen: { begin: (server) => (server.answer = hangs), end: (server) => server.cut(), goes: true },
  'slowed, but in time': { begin: (server) => (server.answer = later(SLOW)), slows: true },
  'slowed beyond the time of a try': { begin: (server) => (server.answer = later(TRY * 1.5)), goes: true },
  'failing now and then': { begin: (server) => (server.answer = nowAndThen) },
  'failing for good': { begin: (server) => (server.answer = fails), goes: true },
  'accepting and resetting': { begin: (server) => ((server.resets = true), server.cut()), goes: true },
  'coming and going': {
    ejection: '100ms',
    begin: async (server, load) => {
      for (let i = 0; i < 3; i++) {
        await server.stop();
        await load.more(20);
        await server.again();
        await load.returns();
      }
    },
  },
  'leaving the DNS': { published: [ALL, [0, 2]], goes: true },
  'joining the DNS': { published: [[0, 2], ALL] },
};

// How far counts are from shares: below 14 by all but one in a thousand of samples of three servers, if only by chance.
const chiSquare = (counts, shares) => {
  const total = (list) => list.reduce((sum, n) => sum + n, 0);
  const due = shares.map((share) => (share * total(counts)) / total(shares));
  return total(counts.map((count, i) => (due[i] > 0 ? (count - due[i]) ** 2 / due[i] : 0)));
};

// The load of all balances at once.
class Load {
  constructor(s, servers) {
    let key = 0;
    this.agent = new http.Agent({ keepAlive: true });
    const send = (name) =>
      new Promise((resolve, reject) => {
        const headers = { host: HOST, 'x-key': `user-${key++ % 60}` };
        const request = http.get({ port: s.gateway.ports.plain, path: `/${name}/x`, agent: this.agent, headers }, (response) => {
          response.resume().on('end', () => resolve({ status: response.statusCode })).on('error', reject);
        });
        request.on('error', reject);
      });
    this.servers = servers;
    this.began = this.asked();
    this.loads = each((name) => underLoad(s, null, WIDTH, () => send(name)));
  }
  done() {
    return each((name) => this.loads[name].answered + this.loads[name].failed.length);
  }
  // What each balance asked of each server.
  asked(then) {
    return each((name) => this.servers.map((server, i) => server.asked[name] - (then?.[name][i] ?? 0)));
  }
  async more(count) {
    const then = this.done();
    await until(() => `${count} more of each: ${JSON.stringify([then, this.done()])}`, () => names.every((name) => this.done()[name] >= then[name] + count), 20_000);
  }
  async returns() {
    const then = this.asked();
    await until(() => `each to ask it again: ${JSON.stringify(this.asked(then))}`, () => WITHOUT_P2C.every((name) => this.asked(then)[name][1] > 0));
  }
  async stop() {
    for (const name of names) await this.loads[name].stop();
    this.agent.destroy();
  }
}

describe('one server of three, under the load of every balance', () => {
  let s, servers, dns;
  const service = (balance) => `_http._tcp.${balance.replace('_', '-')}.test`;
  const publish = (numbers) => {
    for (const name of names) dns.records[service(name)] = { SRV: numbers.map((number) => ({ port: servers[0].port, target: `s${number}.test`, weight: WEIGHTS[number] })) };
  };
  const upstream = (name, ejection = '1m') => ({
    ...BALANCES[name],
    discover: { from: `dns+srv://${service(name)}`, scheme: 'http', interval: '100ms', resolvers: dns.address },
    outliers: { failures: FAILURES, ejection, max_ejection: '1m', interval: '1m' },
  });
  before(async () => {
    dns = await startNameServer();
    servers = [await new FickleServer('0').at('127.0.0.2', 0)];
    for (const number of [1, 2]) servers.push(await new FickleServer(String(number)).at(`127.0.0.${number + 2}`, servers[0].port));
    servers.forEach((server, number) => (dns.records[`s${number}.test`] = { A: [server.address] }));
    publish(ALL);
    const retry = { on: ['connect', 'reset', 'timeout', '503'], try_timeout: `${TRY}ms` };
    s = await openStage({
      config: { workers: 2, listeners: PLAIN, upstreams: each((name) => upstream(name)) },
      routes: each((name) => route(name, { timeout: '5s', retry })),
    });
  });
  after(() => closeAll(() => s?.close(), () => dns?.close(), ...(servers ?? []).map((server) => () => server.close())));

  // Each of them, once for each balance.
  const events = (from, event, field, balances, predicate = () => true) =>
    Promise.all(balances.map((name) => s.gateway.wait(`${event} of ${name}`, () => s.gateway.events.slice(from).find((e) => e.event === event && e[field] === name && predicate(e)))));
  const republish = async (numbers) => {
    const from = s.gateway.events.length;
    publish(numbers);
    await events(from, 'endpoints_discovered', 'upstream', names, (e) => e.endpoints === numbers.length);
  };
  // Nothing is left of the last one: none is ejected, nothing is counted.
  const calm = async (ejection) => {
    for (const server of servers) Object.assign(server, { answer: well, resets: false });
    for (const outliers of [() => ({ outliers: null }), (name) => upstream(name, ejection)]) {
      assert.equal((await s.gateway.reload(merge(s.config, { upstreams: each(outliers) }))).event, 'ready');
    }
  };

  const disturb = async ({ begin, end, goes, published, ejection }) => {
    const victim = servers[1];
    await calm(ejection);
    if (published?.[0].length < ALL.length) await republish(published[0]);
    const load = new Load(s, servers);
    await load.more(CALM);
    const first = load.asked(load.began);
    const begun = load.asked();
    const from = s.gateway.events.length;
    victim.most = { ...victim.active };
    if (published) await republish(published[1]);
    else await begin(victim, load);
    await load.more(STORMY);
    if (goes && !published) await events(from, 'endpoint_ejected', 'service', WITHOUT_P2C);
    await load.more(2 * WIDTH); // what was on its way has come
    const settled = load.asked();
    await load.more(CALM);
    const late = load.asked(settled);
    await load.stop();
    await end?.(victim);
    if (published?.[1].length < ALL.length) await republish(ALL);
    const sent = load.asked(load.began);
    return each((name) => ({
      first: first[name],
      meanwhile: load.asked(begun)[name],
      late: late[name],
      inFlight: victim.most[name],
      failed: load.loads[name].failed,
      requests: load.done()[name],
      sent: sent[name].reduce((sum, count) => sum + count, 0),
    }));
  };

  for (const [what, disturbance] of Object.entries(disturbances)) {
    describe(what, () => {
      let rows;
      before(async () => (rows = await disturb(disturbance)));
      for (const name of names) {
        it(name, () => {
          const { first, meanwhile, late, inFlight, failed, requests, sent } = rows[name];
          const seen = JSON.stringify(rows[name]);
          const { goes, slows, published } = disturbance;
          assert.ok(failed.length <= inFlight, seen);
          assert.ok(sent <= 1.2 * requests, seen);
          assert.ok(late[0] > 0 && late[2] > 0, seen);
          if (slows || published) assert.deepEqual([failed.length, sent], [0, requests], seen);
          if (slows && LOOKS.includes(name)) assert.ok(meanwhile[1] * 3 < meanwhile[0] + meanwhile[2], seen);
          if (goes && !published) assert.ok(meanwhile[1] <= WIDTH + FAILURES, seen);
          if (goes && (published || name !== 'p2c')) assert.equal(late[1], 0, seen);
          if (published && !goes) assert.ok(late[1] > 0, seen);
          // Those that deal by turns do, whoever takes part.
          const shares = { round_robin: [1, 1, 1], weighted: WEIGHTS }[name];
          const takes = (numbers) => shares.map((share, i) => (numbers.includes(i) ? share : 0));
          if (shares) assert.ok(chiSquare(first, takes(published?.[0] ?? ALL)) < 14, seen);
          if (shares && (goes || published)) assert.ok(chiSquare(late, takes(goes ? [0, 2] : ALL)) < 14, seen);
        });
      }
    });
  }
});
