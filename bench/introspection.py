"""An authorization server that knows one token: what the policy with introspection asks, once in a while."""
import contextlib
import http.server
import json
import threading
import time
import urllib.parse

TOKEN = 'opaque-0123456789abcdefghijklmnopqrstuvwxyz'  # as long as the usual 32 random bytes


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers['Content-Length'])).decode())
        answer = {'active': False}
        if form.get('token') == [TOKEN]:
            now = int(time.time())
            answer = {'active': True, 'iss': 'https://issuer.bench', 'aud': 'orders', 'sub': 'user-0', 'client_id': 'bench',
                      'jti': '0', 'iat': now - 10, 'exp': now + 23 * 3600, 'scope': 'openid profile read_orders'}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serve(port):
    server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
