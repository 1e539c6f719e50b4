// T24: bytes from an upstream before its TLS handshake ended are nobody's answer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { OPEN, openStage } from '../lib/stage.mjs';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ninjected';

describe('T24: plaintext from a TLS upstream', () => {
  let s;
  before(async () => (s = await openStage({ routes: { open: OPEN } })));
  after(() => s?.close());

  const refused = (name, onSocket) =>
    it(`502: ${name}`, async () => {
      s.upstream.onSocket = onSocket;
      try {
        const { response } = await s.denied({ status: 502, code: 'bad_gateway', reason: ['upstream_tls', 'upstream_connect'] }, () => s.request({ path: '/open/x' }));
        assert.ok(!response.text.includes('injected'));
      } finally {
        s.upstream.onSocket = null;
      }
    });

  refused('an answer at once, instead of a handshake', (socket) => {
    socket.write(ANSWER);
    return true;
  });
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

  it('twin: an honest handshake, with its answer in the same moment', async () => {
    const { echo } = await s.allowed(() => s.request({ path: '/open/x' }));
    assert.equal(echo.target, '/open/x');
  });
});
