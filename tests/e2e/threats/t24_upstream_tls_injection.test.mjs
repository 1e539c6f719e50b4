// T24: bytes from an upstream before its TLS handshake ended are nobody's answer, whatever the balance.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { eachBalance, openBalanced } from './balanced.mjs';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected';
const injects = (socket) => {
  socket.write(ANSWER);
  return true;
};

describe('T24: plaintext from a TLS upstream', () => {
  let stage, s;
  before(async () => ({ s } = stage = await openBalanced()));
  after(() => stage?.close());
  const spoilt = async (servers, onSocket, act) => {
    for (const server of servers) server.onSocket = onSocket;
    try {
      await act();
    } finally {
      for (const server of servers) server.onSocket = null;
    }
  };

  const refused = (name, onSocket) =>
    it(`502: ${name}`, () =>
      spoilt(stage.servers, onSocket, () =>
        eachBalance(async (balance) => {
          const { response } = await s.denied({ status: 502, code: 'bad_gateway', reason: ['upstream_tls', 'upstream_connect'] }, () => s.request({ path: `/${balance}/x`, ...stage.keyed() }));
          assert.ok(!response.text.includes('injected'));
        }),
      ));

  refused('an answer at once, instead of a handshake', injects);
  refused('an answer after the client hello', (socket) => {
    socket.once('data', () => socket.write(ANSWER));
    return true;
  });
  refused('an answer in front of an honest handshake', (socket) => {
    socket.write(ANSWER);
    return false;
  });
  refused('garbage, then the end', (socket) => {
    socket.end('\x15\x03\x01\x00\x02\x02\x28garbage');
    return true;
  });
  refused('the end at once', (socket) => {
    socket.end();
    return true;
  });

  it('one of three does: the two others answer', () =>
    spoilt(stage.servers.slice(1, 2), injects, () =>
      eachBalance(async (balance) => {
        for (let i = 0; i < 8; i++) {
          const { echo } = await s.allowed(() => s.request({ path: `/${balance}/${i}`, ...stage.keyed() }));
          assert.equal(echo.target, `/${balance}/${i}`);
        }
      }),
    ));
  it('twin: an honest handshake, with its answer in the same moment', () =>
    eachBalance(async (balance) => {
      const { echo } = await s.allowed(() => s.request({ path: `/${balance}/x` }));
      assert.equal(echo.target, `/${balance}/x`);
    }));
});
