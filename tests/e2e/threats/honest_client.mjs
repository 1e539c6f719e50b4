// An honest client as a process of its own, so that what it waits for is the gateway and not a test that is busy attacking.
// Asks PORT for HOST, one request on one connection after the other, until its input ends. Prints a line with how long it waits
// while all is calm, and at the end one with how it fared: on the clock, and how much processor time the gateway GATEWAY (a process
// id) spent on anybody while it waited.
import tls from 'node:tls';
import { processorTime } from '../lib/processor.mjs';

const CALM = 10; // requests before the first line
const [port, host, gateway] = process.argv.slice(2);
let over = false;
process.stdin.on('end', () => (over = true)).resume();

const ask = () =>
  new Promise((resolve, reject) => {
    const socket = tls.connect({ port: Number(port), host: '127.0.0.1', servername: host, rejectUnauthorized: false }, () => socket.write(`GET /nowhere HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`));
    let text = '';
    socket.on('data', (data) => (text += data));
    socket.on('end', () => (text.startsWith('HTTP/1.1 404') ? resolve() : reject(new Error(text.slice(0, 100)))));
    socket.on('error', reject);
  });

const wait = async () => {
  const [from, spent] = [performance.now(), processorTime(gateway)];
  await ask();
  return { clock: performance.now() - from, processor: processorTime(gateway) - spent };
};
const waits = async (more) => {
  const all = [];
  while (more(all)) all.push(await wait());
  const sorted = (kind) => all.map((each) => each[kind]).sort((a, b) => a - b);
  const [clock, processor] = [sorted('clock'), sorted('processor')];
  return { count: all.length, longest: clock.at(-1), p99_spent: processor[Math.floor(all.length * 0.99)], most_spent: processor.at(-1) };
};
await ask(); // the first one takes longer by itself
console.log(JSON.stringify(await waits(({ length }) => length < CALM)));
console.log(JSON.stringify(await waits(({ length }) => !over || length < CALM)));
