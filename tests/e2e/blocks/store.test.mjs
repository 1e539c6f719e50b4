// Where blocks are kept: over restarts and reloads, in a file beside the store, and when the store is gone or damaged.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Gateway } from '../lib/gateway.mjs';
import { openStage, READ_ORDERS } from '../lib/stage.mjs';
import { tempDir } from '../lib/temp.mjs';
import { done, everywhere, makeStore, openBlocked, within2s } from './lib.mjs';

const entry = (sub, more = {}) => ({ kind: 'sub', value: sub, issuer: 'main', expires: 'never', reason: 'of the file', ...more });

describe('blocks are kept', () => {
  let s, file, add, store, list;
  before(async () => {
    list = join(tempDir('blocks'), 'blocks.yaml');
    writeFileSync(list, 'blocks: {}\n');
    ({ s, file, add, store } = await openBlocked({ blocks: { file: list } }));
  });
  after(() => s?.close());
  const call = (token) => () => s.request({ path: '/orders/1', token });
  const commit = (blocks) => writeFileSync(list, JSON.stringify({ blocks }));

  it('over a reload, and over a crash of the gateway process', async () => {
    const bad = await s.mint({ sub: 'kept' }), good = await s.mint({ sub: 'not-kept' });
    await add('sub', 'kept', '--issuer', 'main');
    await within2s('it bites', everywhere(call(bad), 401));
    assert.equal((await s.gateway.reload()).event, 'ready');
    for (let i = 0; i < 4; i++) assert.equal((await call(bad)()).status, 401);
    const from = s.gateway.events.length;
    process.kill(s.gateway.child(), 'SIGKILL');
    await s.gateway.wait('it serves again', () => s.gateway.events.slice(from).some((e) => e.event === 'ready'), 20_000);
    // From the very first request on.
    assert.ok(await everywhere(call(bad), 401)());
    assert.ok(await everywhere(call(good), 200)());
    await s.gateway.audit('what is in force', (l) => l.event === 'blocks_in_force' && Number(l.detail) >= 1);
  });
  it('a file under version control: taken up, told, and given up', async () => {
    const bad = await s.mint({ sub: 'filed' }), good = await s.mint({ sub: 'not-filed' });
    commit({ 'INC-7': entry('filed', { by: 'security' }) });
    await within2s('it bites', everywhere(call(bad), 401));
    await s.gateway.audit('the block', (l) => l.event === 'block_added' && l.detail === 'INC-7: sub filed of https://idp.example.com, until ever, by security: of the file');
    const { access } = await s.denied({ status: 401, code: 'invalid_token', reason: 'subject_blocked' }, call(bad));
    assert.equal(access.detail, 'block INC-7: of the file');
    assert.ok(await everywhere(call(good), 200)());
    assert.match(await done(file, 'list'), /^file +sub +filed/m);
    commit({});
    await within2s('it is over', everywhere(call(bad), 200));
    await s.gateway.audit('its end', (l) => l.event === 'block_removed' && l.detail.startsWith('INC-7:'));
  });
  it('a file with a mistake changes nothing, and says where it is', async () => {
    const bad = await s.mint({ sub: 'before' });
    commit({ one: entry('before') });
    await within2s('it bites', everywhere(call(bad), 401));
    writeFileSync(list, 'blocks:\n  one: { kind: sub, value: before, issuer: nobody, expires: never, reason: x }\n');
    await s.gateway.event('reload_refused', (e) => /blocks\.yaml:2:3: error: blocks\.one: has an issuer that is none of/.test(JSON.stringify(e)));
    assert.ok(await everywhere(call(bad), 401)());
    commit({});
    await within2s('it is over', everywhere(call(bad), 200));
  });
  it('a store that is damaged, gone or unreadable: the last good blocks stay, loudly; and it is well again', async () => {
    const bad = await s.mint({ sub: 'damaged' }), good = await s.mint({ sub: 'healthy' });
    await add('sub', 'damaged', '--issuer', 'main');
    await within2s('it bites', everywhere(call(bad), 401));
    const copy = `${store}.copy`;
    copyFileSync(store, copy);
    const harm = { damaged: () => writeFileSync(store, 'this is no database'.repeat(300)), gone: () => rmSync(store) };
    for (const [how, act] of Object.entries(harm)) {
      const from = s.gateway.events.length;
      act();
      const event = await s.gateway.wait(how, () => s.gateway.events.slice(from).find((e) => e.event === 'block_store_unavailable'));
      assert.match(event.reason, how === 'gone' ? /there is no block store here/ : /damaged|malformed/);
      assert.ok(event.blocks_kept >= 1);
      assert.ok(await everywhere(call(bad), 401)());
      assert.ok(await everywhere(call(good), 200)());
      assert.equal((await s.gateway.metrics()).sum('sallyport_block_store_up'), 0);
      const ready = await s.gateway.get('/readyz');
      assert.equal(ready.status, 200);
      assert.match(ready.text, /^ready\nblock store: .*stay in force/);
      // A reload goes on with what is known.
      assert.equal((await s.gateway.reload()).event, 'ready');
      assert.ok(await everywhere(call(bad), 401)());
      copyFileSync(copy, `${store}.new`);
      chmodSync(`${store}.new`, 0o644);
      renameSync(`${store}.new`, store);
      await s.gateway.wait('it is well', () => s.gateway.events.slice(from).find((e) => e.event === 'block_store_available'));
      assert.equal((await s.gateway.get('/readyz')).text, 'ready\n');
    }
    await add('sub', 'healthy', '--issuer', 'main');
    await within2s('it is followed again', everywhere(call(good), 401));
  });
  it('another store in its place is taken up, and told', async () => {
    const other = await makeStore();
    chmodSync(other.store, 0o644);
    renameSync(other.store, store);
    await s.gateway.event('block_store_replaced', (e) => e.blocks_before >= 1 && e.blocks === 0);
    await s.gateway.audit('the change', (l) => l.event === 'block_store_replaced');
  });
});

describe('a gateway without its block store', () => {
  it('does not start, and says what to do', async () => {
    const s = await openStage({ start: false });
    try {
      const store = join(tempDir('blocks'), 'none.sqlite');
      const gateway = new Gateway({ config: { ...s.config, blocks: { store } } });
      await gateway.start({ ready: false });
      assert.notEqual((await gateway.exited).code, 0);
      await gateway.closed;
      assert.match(gateway.output, /there is no block store here: `sallyport block init` makes it/);
      assert.ok(gateway.output.includes(store));
    } finally {
      await s.close();
    }
  });
  it('does not take it up on reload, and goes on as it was', async () => {
    const s = await openStage();
    try {
      const answer = await s.gateway.reload({ ...s.config, blocks: { store: join(tempDir('blocks'), 'none.sqlite') } });
      assert.equal(answer.event, 'reload_refused');
      await s.allowed(async () => s.request({ path: '/orders/1', token: await s.mint() }));
    } finally {
      await s.close();
    }
  });
  it('blocks can be taken up and given up by reload', async () => {
    const { small, store } = await makeStore();
    const s = await openStage({ routes: { 'read-orders': READ_ORDERS } });
    try {
      const token = await s.mint({ sub: 'later' });
      const call = () => s.request({ path: '/orders/1', token });
      s.gateway.write({ ...s.config, blocks: { store } });
      await done(s.gateway.file, 'add', 'sub', 'later', '--issuer', 'main', '--expires', '1h', '--reason', 'a test');
      assert.equal((await call()).status, 200);
      assert.equal((await s.gateway.reload()).event, 'ready');
      assert.ok(await everywhere(call, 401)());
      assert.equal((await s.gateway.reload(s.config)).event, 'ready');
      assert.ok(await everywhere(call, 200)());
      assert.match(await done(small, 'list'), /sub +later/);
    } finally {
      await s.close();
    }
  });
});
