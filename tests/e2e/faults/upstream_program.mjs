// An upstream as a process of its own, so that it can be killed and frozen. Prints its port; answers by the path.
import http from 'node:http';
import { listen } from '../lib/listen.mjs';

const server = http.createServer((request, response) => {
  if (request.url.endsWith('/hang')) return request.resume();
  if (request.url.endsWith('/half')) {
    response.writeHead(200, { 'Content-Length': 10 });
    return response.write('half');
  }
  if (request.url.endsWith('/drop')) return; // a body is not read
  request.resume();
  return request.on('end', () => response.end('{}'));
});
server.keepAliveTimeout = 60_000;
console.log(await listen(server, Number(process.argv[2] ?? 0)));
