// An honest client as a process of its own, so that what it waits for is the gateway and not a test that is busy attacking.
// Asks PORT for HOST, one request on one connection after the other, until its input ends; prints how it fared.
import tls from 'node:tls';

const [port, host] = process.argv.slice(2);
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

const waits = [];
while (!over || waits.length < 10) {
  const from = performance.now();
  await ask();
  waits.push(performance.now() - from);
}
waits.sort((a, b) => a - b);
console.log(JSON.stringify({ count: waits.length, p99: waits[Math.floor(waits.length * 0.99)], longest: waits.at(-1) }));
