// Users with passwords for tests: files of hashes, and `sallyport basic`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { binary } from '../lib/gateway.mjs';

// `sallyport basic ...` with a text on its standard input.
export async function basic(args, input) {
  const child = spawn(binary(), ['basic', ...args]);
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => { out[name] += text; });
  child.stdin.on('error', () => {}).end(input);
  const [code] = await once(child, 'close');
  return { code, ...out };
}

export async function lineOf(user, password, method = 'yescrypt') {
  const { code, stdout, stderr } = await basic(['hash', '--method', method, user], `${password}\n`);
  assert.equal(code, 0, stderr);
  return stdout;
}

// Hashes as other programs make them, cheap ones, all of the same password.
export const PASSWORD = 'open sesame';
export const HASHES = {
  'bcrypt, 2y': '$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy',
  'bcrypt, 2b': '$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy',
  'bcrypt, 2a': '$2a$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy',
  yescrypt: '$y$j75$abcdefghijkl$/OYQ6YM2aN7OGxkif7YLK2VAPn5jV0nW8YSYU/CFM61',
  scrypt: '$7$BU..../....5yfpdgw39o8GTROnmjeXF/$IjyQCfPY9DzSG2wjKAwIkDi5qqR7nknjha9vWowPve8',
  'SHA-512': '$6$saltsalt$e/5XKibXPLqVcfjpD.ouauaJrAOL5V0uo80Lt7n7EbRdRiCx3HbQ90yjOHr.G0T.mx79PEMRy8nmtr0qSYhQp1',
  'SHA-256, rounds': '$5$rounds=1000$saltsalt$nKsyTQBmKz4GdCft0Sv/FbzLiu0y3wFdEXOzudLQLJ5',
};

export const basicField = (user, password) => ['Authorization', `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`];
