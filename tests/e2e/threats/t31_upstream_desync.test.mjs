// T31: answers that could be cut in two ways. Refused or cut off, and the connection that brought them is never used again,
// whatever the balance.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { requestText } from '../lib/raw.mjs';
import { until } from '../lib/wait.mjs';
import { eachBalance, openBalanced } from './balanced.mjs';

const POISON = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
// `refused`: 502. Otherwise the answer passes or is cut, and what came behind it goes nowhere.
const answers = {
  'both Content-Length and Transfer-Encoding': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'refused'],
  'two Content-Lengths': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!', 'refused'],
  'two equal Content-Lengths': ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello', 'refused'],
  'a Content-Length with a sign': ['HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello', 'refused'],
  'an unknown Transfer-Encoding': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello', 'refused'],
  'Transfer-Encoding: chunked, gzip': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nhello', 'refused'],
  'Transfer-Encoding on HTTP/1.0': ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'refused'],
  'bare LF': ['HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'refused'],
  'obs-fold': ['HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n', 'refused'],
  'a bare CR in a value': ['HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n', 'refused'],
  'NUL in a value': ['HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n', 'refused'],
  'a space before the colon': ['HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello', 'refused'],
  'a flood of 1xx': ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(1000) + 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 'refused'],
  '101 nobody asked for': ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n', 'refused'],
  'a body on 204': ['HTTP/1.1 204 No Content\r\n\r\n', 204],
  'Content-Length on 204': ['HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello', ['refused', 204]],
  'Transfer-Encoding on 204': ['HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n', ['refused', 204]],
  'a body on 304': ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 304],
  'bytes after the body': ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 200],
  'bytes after a chunked body': ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 200],
  'bytes after an answer without a body': ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 200],
};

describe('T31: desync from the upstream', () => {
  let stage, s, answer;
  const usual = async (exchange) => {
    const { target } = await exchange.request.read();
    if (answer === undefined) return exchange.json(200, { target, connection: exchange.connection.name });
    await exchange.send(answer);
  };
  let script = usual;
  before(async () => {
    stage = await openBalanced({
      config: { workers: 1 },
      upstream: {
        script: (exchange) => {
          exchange.connection.name = `${exchange.upstream.name}-${exchange.connection.index}`;
          return script(exchange);
        },
      },
    });
    ({ s } = stage);
  });
  after(() => stage?.close());

  const clean = async (balance, used) => {
    for (let i = 0; i < 3; i++) {
      const { echo } = await s.allowed(() => s.request({ path: `/${balance}/after-${i}`, ...stage.keyed() }));
      assert.equal(echo.target, `/${balance}/after-${i}`);
      if (used !== undefined) assert.notEqual(echo.connection, used, 'the connection was used again');
    }
  };
  const ask = async (path, parts = {}) => {
    const client = await s.connect();
    await client.send(requestText({ path, ...stage.keyed(), ...parts }));
    return client;
  };
  const connections = () => stage.servers.flatMap((server) => server.connections);
  const usedFor = (path) => connections().findLast((c) => c.requests.some((r) => r.target === path)).name;

  for (const [name, [text, expected]] of Object.entries(answers)) {
    it(name, async () => {
      const target = encodeURIComponent(name).replace(/%2[CF]|%3A/g, '-');
      answer = text + POISON;
      const clients = await eachBalance(async (balance) => {
        const client = await ask(`/${balance}/${target}`);
        const response = await client.response();
        const wanted = [expected].flat().map((e) => (e === 'refused' ? 502 : e));
        assert.ok(wanted.includes(response.status), `status ${response.status}`);
        if (response.status === 502) {
          s.checkDenial(response, { status: 502, code: 'bad_gateway' });
          const line = await s.gateway.access(name, (l) => l.request_id === response.fields.get('x-request-id'));
          assert.equal(line.reason, 'upstream_protocol');
        } else {
          assert.ok(['', 'ok'].includes(response.text), response.text);
        }
        return client;
      });
      // Nothing of the poison comes as the answer to the next request of the same client.
      answer = undefined;
      await eachBalance(async (balance, client) => {
        await client.send(requestText({ path: `/${balance}/next` }));
        const next = await client.response().catch(() => null);
        if (next) assert.equal(next.json().target, `/${balance}/next`);
        client.destroy();
        await clean(balance, usedFor(`/${balance}/${target}`));
      }, clients);
    });
  }

  it('a body for HEAD', async () => {
    answer = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
    await eachBalance(async (balance) => {
      const client = await ask(`/${balance}/head`, { method: 'HEAD' });
      assert.equal((await client.response({ method: 'HEAD' })).status, 200);
      client.destroy();
    });
    answer = undefined;
    await eachBalance((balance) => clean(balance, usedFor(`/${balance}/head`)));
  });
  it('a late answer on an idle connection answers nobody', async () => {
    await eachBalance((balance) => clean(balance));
    const idle = connections().filter((c) => !c.closed);
    for (const connection of idle) connection.socket.write(POISON);
    await until('the poisoned connections to be closed', () => idle.every((c) => c.closed || c.ended));
    await eachBalance((balance) => clean(balance));
  });

  const cut = {
    'a broken chunk size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nxyz\r\n',
    'chunk data without CRLF': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n',
    'a body shorter than its length': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok',
    'a chunked body without its end': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n',
  };
  for (const [name, text] of Object.entries(cut)) {
    it(`cut off, visibly: ${name}`, async () => {
      script = async (exchange) => {
        await exchange.request.read();
        await exchange.send(text);
        exchange.end();
      };
      await eachBalance(async (balance) => {
        const client = await ask(`/${balance}/cut`);
        const outcome = await client.response().then((r) => r.status, (error) => error.message);
        assert.ok(outcome === 502 || /closed within|reset|without an answer/.test(outcome), `the client took it for whole: ${outcome}`);
        client.destroy();
      });
    });
  }
  it('twin: a close-delimited answer of HTTP/1.0 passes', async () => {
    script = async (exchange) => {
      await exchange.request.read();
      await exchange.send('HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end');
      exchange.end();
    };
    await eachBalance(async (balance) => {
      const response = await s.request({ path: `/${balance}/old` });
      assert.deepEqual([response.status, response.text], [200, 'to the end']);
    });
  });
});
