// A proof is good once: on every worker, over reload and crash, and whatever a restart has forgotten.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Holder, openBoundStage } from '../lib/dpop.mjs';
import { sallyport } from '../lib/gateway.mjs';
import { seconds } from '../lib/issuer.mjs';
import { requestText } from '../lib/raw.mjs';
import { merge } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

const REPLAYED = { status: 401, code: 'invalid_dpop_proof', reason: 'dpop_proof_replayed' };

describe('replayed proofs', () => {
  let s, holder, token;
  const send = (parts) => s.request(parts);
  const ready = async () => {
    holder.nonce = undefined;
    await s.allowed(() => holder.ask(send, token));
  };
  before(async () => {
    s = await openBoundStage({ config: (_, base) => ({ ...base, workers: 4 }) });
    holder = await Holder.make();
    token = await s.mint({ cnf: holder.cnf });
    await ready();
  });
  after(() => s?.close());

  it('refused: a second time', async () => {
    const proof = await holder.proof(token);
    await s.allowed(() => send(holder.with(token, proof)));
    await s.denied(REPLAYED, () => send(holder.with(token, proof)));
    // another signature, and other claims, of the same jti
    await s.denied(REPLAYED, async () => send(holder.with(token, await holder.proof(token, { claims: { jti: JSON.parse(Buffer.from(proof.split('.')[1], 'base64url')).jti, iat: seconds() - 1 } }))));
    // the same jti of another client is another one's business
    const other = await Holder.make();
    other.nonce = holder.nonce;
    const own = await s.mint({ cnf: other.cnf });
    await s.allowed(async () => send(other.with(own, await other.proof(own, { claims: { jti: JSON.parse(Buffer.from(proof.split('.')[1], 'base64url')).jti } }))));
  });
  it('one of many at once, on all workers', async () => {
    for (let round = 0; round < 10; round++) {
      const proof = await holder.proof(token);
      const answers = await Promise.all(Array.from({ length: 24 }, () => send(holder.with(token, proof))));
      assert.equal(answers.filter((a) => a.status === 200).length, 1);
      assert.equal(answers.filter((a) => a.status === 401).length, 23);
    }
  });
  it('a proof that was refused for its token is not used up', async () => {
    const proof = await holder.proof(token);
    await s.denied({ status: 400, reason: 'credential_repeated', code: 'invalid_request' }, () => send(holder.with(token, proof, { token })));
    await s.allowed(() => send(holder.with(token, proof)));
  });
  it('refused after a reload, and after the gateway process was killed; nonces stay good', async () => {
    const used = await holder.proof(token);
    const fresh = [await holder.proof(token), await holder.proof(token)];
    await s.allowed(() => send(holder.with(token, used)));
    assert.equal((await s.gateway.reload(merge(s.config, { dpop: { clock_skew: '29s' } }))).event, 'ready');
    await s.denied(REPLAYED, () => send(holder.with(token, used)));
    await s.allowed(() => send(holder.with(token, fresh[0])));
    const from = s.gateway.events.length;
    process.kill(s.gateway.child(), 'SIGKILL');
    await s.gateway.wait('the next process', () => s.gateway.events.slice(from).find((e) => e.event === 'ready'));
    const answer = await until('an answer', () => send(holder.with(token, used)).catch(() => null));
    assert.equal(answer.status, 401, answer.text);
    assert.equal(answer.json().code, 'invalid_dpop_proof');
    await s.allowed(() => send(holder.with(token, fresh[1])));
  });
  it('refused after an upgrade', async () => {
    const used = await holder.proof(token);
    const fresh = await holder.proof(token);
    await s.allowed(() => send(holder.with(token, used)));
    const { code, stderr } = await sallyport(['upgrade', '--config', s.gateway.file], { ms: 60_000 });
    assert.equal(code, 0, stderr);
    await s.gateway.event('upgraded');
    assert.equal((await send(holder.with(token, used))).json().code, 'invalid_dpop_proof');
    assert.equal((await send(holder.with(token, fresh))).status, 200);
  });
  it('a longer life of proofs: what was forgotten by the shorter one needs a nonce', async () => {
    await s.gateway.reload(merge(s.config, { dpop: { clock_skew: '0s', proof_lifetime: '1s' } }));
    holder.nonce = undefined;
    await until('that no nonce is needed', async () => (await send(holder.with(token, await holder.proof(token)))).status === 200);
    await s.gateway.reload(merge(s.config, { dpop: { clock_skew: '0s', proof_lifetime: '60s' } }));
    const { response } = await s.denied({ status: 401, code: 'use_dpop_nonce', reason: 'dpop_nonce' }, async () => send(holder.with(token, await holder.proof(token))));
    assert.ok(response.fields.get('dpop-nonce'));
    await ready();
  });
});

describe('nonces', () => {
  let s, holder, token;
  const send = (parts) => s.request(parts);
  after(() => s?.close());
  const NONCE = { status: 401, code: 'use_dpop_nonce', reason: 'dpop_nonce' };

  it('after a cold start until no proof from before could be good', async () => {
    s = await openBoundStage({ dpop: { proof_lifetime: '2s', clock_skew: '0s' } });
    holder = await Holder.make();
    token = await s.mint({ cnf: holder.cnf });
    await s.denied(NONCE, async () => send(holder.with(token, await holder.proof(token))));
    await s.allowed(() => holder.ask(send, token));
    holder.nonce = undefined;
    await until('that no nonce is needed', async () => (await send(holder.with(token, await holder.proof(token)))).status === 200);
    // one that is there must be right all the same
    await s.denied(NONCE, async () => send(holder.with(token, await holder.proof(token, { claims: { nonce: 'x'.repeat(22) } }))));
  });
  it('required: always; it tells the time where the clock of a client is wrong; it is renewed before it ends', async () => {
    assert.equal((await s.gateway.reload(merge(s.config, { dpop: { nonces: 'required', nonce_lifetime: '10s' } }))).event, 'ready');
    await s.denied(NONCE, async () => send(holder.with(token, await holder.proof(token))));
    holder.nonce = undefined;
    await s.allowed(() => holder.ask(send, token));
    const first = holder.nonce;
    const used = await holder.proof(token, { claims: { iat: seconds() - 7200 } });
    await s.allowed(() => send(holder.with(token, used)));
    await s.denied({ status: 401, code: 'invalid_dpop_proof', reason: 'dpop_proof_replayed' }, () => send(holder.with(token, used)));
    // a new one comes with a response while the old one is still good
    const response = await until('a new nonce', async () => {
      const { response } = await s.allowed(async () => send(holder.with(token, await holder.proof(token))));
      return response.fields.get('dpop-nonce') && response;
    });
    assert.notEqual(response.fields.get('dpop-nonce'), first);
    await until('that the old one has ended', async () => (await send(holder.with(token, await holder.proof(token)))).json().code === 'use_dpop_nonce', 20_000);
    holder.nonce = undefined;
    await s.allowed(() => holder.ask(send, token));
  });
});

describe('no room to remember', () => {
  let s;
  after(() => s?.close());
  it('denies, and neither forgets nor lets pass', async () => {
    s = await openBoundStage({ config: (_, base) => ({ ...base, dpop_proofs: 1024 }) });
    const holder = await Holder.make();
    const token = await s.mint({ cnf: holder.cnf });
    const client = await s.connect();
    const ask = async (proof) => {
      await client.send(requestText(holder.with(token, proof)));
      const response = await client.response();
      holder.nonce = response.fields.get('dpop-nonce') ?? holder.nonce;
      return response;
    };
    await ask(await holder.proof(token));
    const first = await holder.proof(token);
    assert.equal((await ask(first)).status, 200);
    let full = null;
    for (let i = 0; i < 1500 && !full; i++) {
      const response = await ask(await holder.proof(token));
      if (response.status !== 200) full = response;
    }
    assert.equal(full.status, 503, full.text);
    assert.ok(full.fields.get('retry-after'));
    assert.equal(full.json().code, 'authentication_unavailable');
    assert.equal((await ask(first)).json().code, 'invalid_dpop_proof');
    client.end();
  });
});
