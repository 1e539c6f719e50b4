// Ports that a server finds again after it was away. The kernel gives ports of its own range to whoever connects, and so,
// while a test's server is down, its port to any program beside it; below that range only who names a port gets it.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';

const LOWEST = 10_240;
const HIGHEST = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]) - 1;
const anyPort = () => LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST + 1));

// Listens, at a lasting port where none is named; resolves to the port.
export async function listen(server, port = 0, host = '127.0.0.1') {
  for (;;) {
    const wanted = port || (HIGHEST > LOWEST ? anyPort() : 0);
    server.listen(wanted, host);
    try {
      await once(server, 'listening');
      return server.address().port;
    } catch (error) {
      if (port || error.code !== 'EADDRINUSE') throw error;
    }
  }
}

// A lasting port for a program that is told where to listen.
export async function lastingPort() {
  const server = net.createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}
