import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OPEN, openStage } from '../lib/stage.mjs';
import { until } from '../lib/wait.mjs';

// /dev/full takes nothing: every write fails as on a full disk.
describe('an access log that cannot be written', () => {
  let s;
  before(async () => (s = await openStage({ config: { logs: { access: { file: '/dev/full' } } }, routes: { open: OPEN } })));
  after(() => s?.close());

  it('is counted, and requests go on', async () => {
    for (let i = 0; i < 5; i++) assert.equal((await s.request({ path: '/open/x' })).status, 200);
    await until('the lines to be counted as dropped', async () => (await s.gateway.metrics()).sum('sallyport_access_log_dropped_total') >= 5);
    assert.equal((await s.request({ path: '/open/x' })).status, 200);
  });
});
