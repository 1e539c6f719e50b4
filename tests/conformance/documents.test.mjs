// What is generated from the program's own tables and kept in docs/ must be what the program prints today.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ROOT as root, binary } from '../e2e/lib/gateway.mjs';

const printed = (kind) => execFileSync(binary(), ['docs', kind], { encoding: 'utf8', maxBuffer: 1 << 26 });

const kept = { reference: 'docs/configuration.md', schema: 'docs/configuration.schema.json', reasons: 'docs/reasons.md', openapi: 'docs/admin-api.openapi.json' };
for (const [kind, file] of Object.entries(kept)) {
  test(`${file} is what \`sallyport docs ${kind}\` prints; \`make docs\` renews it`, () => {
    assert.equal(readFileSync(join(root, file), 'utf8'), printed(kind));
  });
}

test('the schema names every object that it refers to', () => {
  const schema = JSON.parse(printed('schema'));
  const walk = (value) => {
    if (value === null || typeof value !== 'object') return;
    if (typeof value.$ref === 'string') {
      assert.ok(value.$ref.startsWith('#/$defs/') && value.$ref.slice(8) in schema.$defs, value.$ref);
    }
    Object.values(value).forEach(walk);
  };
  walk(schema);
});

test('each link of the reference leads to a heading', () => {
  const text = printed('reference');
  const headings = new Set([...text.matchAll(/^## (.*)$/gm)].map((m) => m[1].toLowerCase().replace(/[^a-z0-9 _-]/g, '').replaceAll(' ', '-')));
  const links = [...text.matchAll(/\]\(#([^)]*)\)/g)].map((m) => m[1]);
  assert.ok(links.length > 10);
  for (const link of links) assert.ok(headings.has(link), link);
});
