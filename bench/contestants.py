"""Who is measured, and with what configuration. Each is one process tree on a port of 127.0.0.1."""
import dataclasses
import pathlib
import shutil
import socket
import ssl
import subprocess
import time
import http.client

HOST = 'bench.example'


@dataclasses.dataclass
class Place:
    """What all contestants share."""
    work: pathlib.Path       # scratch directory, with certificate, keys and tokens
    tools: pathlib.Path      # the compiled relay, responder and verify
    sallyport: pathlib.Path
    core: str                # of the contestant
    upstream_port: int


@dataclasses.dataclass
class Contestant:
    name: str
    tls: bool = False
    policy: bool = False
    new_tokens: bool = False  # each request carries another token
    process: subprocess.Popen = None
    port: int = 0

    @property
    def url(self):
        return f'{"https" if self.tls else "http"}://127.0.0.1:{self.port}/orders/42'


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def floor(place, contestant):
    return [str(place.tools / 'relay'), str(contestant.port), str(place.upstream_port), '1024']


def nginx(place, contestant):
    folder = place.work / contestant.name.replace(' ', '-')
    folder.mkdir()
    temporary = '\n'.join(f'    {kind}_temp_path {folder}/{kind};'
                          for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
    tls = f'''
        ssl_certificate {place.work}/cert.pem;
        ssl_certificate_key {place.work}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;''' if contestant.tls else ''
    (folder / 'nginx.conf').write_text(f'''
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
{temporary}
    access_log off;
    keepalive_requests 1000000000;
    upstream responder {{ server 127.0.0.1:{place.upstream_port}; keepalive 128; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{contestant.port}{' ssl' if contestant.tls else ''};{tls}
        location / {{
            proxy_pass http://responder;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
}}
''')
    program = shutil.which('nginx') or '/usr/sbin/nginx'
    return [program, '-p', str(folder), '-c', str(folder / 'nginx.conf')]


HAPROXY_POLICY = '''
    http-request set-var(txn.token) http_auth_bearer
    http-request return status 401 unless {{ var(txn.token) -m found }}
    http-request return status 401 unless {{ var(txn.token),jwt_header_query('$.alg') -m str RS256 }}
    http-request return status 401 unless {{ var(txn.token),jwt_verify("RS256","{work}/public.pem") -m int 1 }}
    http-request return status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str https://issuer.bench }}
    http-request return status 401 unless {{ var(txn.token),jwt_payload_query('$.aud') -m str orders }}
    http-request set-var(txn.expires) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date
    http-request return status 401 unless {{ var(txn.expires),sub(txn.now) -m int gt 0 }}
    http-request return status 403 unless {{ var(txn.token),jwt_payload_query('$.scope') -m sub read_orders }}
    http-request set-var(txn.subject) var(txn.token),jwt_payload_query('$.sub')
    http-request track-sc0 var(txn.subject) table callers
    http-request return status 429 if {{ sc_http_req_rate(0,callers) gt 100000000 }}
    log stdout format raw local0
    log-format '{{"time":"%Ts","client":"%ci","route":"%ft","server":"%s","status":%ST,"bytes":%B,"duration":%Ta,"method":"%HM","path":"%HP","subject":"%[var(txn.subject)]"}}'
'''


def haproxy(place, contestant):
    bind = f'127.0.0.1:{contestant.port}'
    if contestant.tls:
        bind += f' ssl crt {place.work}/both.pem ssl-min-ver TLSv1.2'
    config = place.work / f'{contestant.name.replace(" ", "-")}.cfg'
    config.write_text(f'''
global
    nbthread 1
    maxconn 4096
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout client 60s
    timeout server 60s
    timeout connect 5s
    option http-keep-alive
    http-reuse always
backend callers
    stick-table type string len 64 size 100k expire 60s store http_req_rate(60s)
frontend main
    bind {bind}
{HAPROXY_POLICY.format(work=place.work) if contestant.policy else ''}
    option forwardfor
    default_backend responder
backend responder
    server responder 127.0.0.1:{place.upstream_port} pool-max-conn 128
''')
    return [shutil.which('haproxy') or '/usr/sbin/haproxy', '-db', '-f', str(config)]


def sallyport(place, contestant):
    folder = place.work / contestant.name.replace(' ', '-')
    folder.mkdir()
    tls = f'tls: {{ certificates: [{{ cert: {place.work}/cert.pem, key: {place.work}/key.pem }}] }}'
    route = (f'auth: {{ jwt: bench }}, authorize: {{ scopes: [read_orders] }}, '
             f'limits: [{{ limit: 30000000/1m, by: caller }}]' if contestant.policy else 'auth: none')
    issuers = (f'issuers: {{ bench: {{ issuer: "https://issuer.bench", audiences: [orders], algorithms: [RS256], '
               f'jwks_file: {place.work}/jwks.json }} }}' if contestant.policy else '')
    (folder / 'gateway.yaml').write_text(f'''
instance: bench
workers: 1
logs: {{ access: {{ file: {'access.log' if contestant.policy else '"off"'} }}, audit: {{ file: audit.log }} }}
listeners:
  main: {{ address: 127.0.0.1, port: {contestant.port}, {tls if contestant.tls else 'plaintext: allow'} }}
{issuers}
upstreams:
  responder: {{ endpoints: ["http://127.0.0.1:{place.upstream_port}"], max_idle: 128 }}
routes:
  all: {{ match: {{ host: {HOST}, path: /** }}, upstream: responder, {route} }}
''')
    if folder.stat().st_uid == 0:  # the gateway process runs as nobody and is handed its log files open
        folder.chmod(0o755)
    return [str(place.sallyport), 'run', '--config', str(folder / 'gateway.yaml')]


COMMANDS = {'floor': floor, 'nginx': nginx, 'haproxy': haproxy, 'sallyport': sallyport}


def start(place, contestant):
    contestant.port = free_port()
    command = COMMANDS[contestant.name.split()[0]](place, contestant)
    out = open(place.work / f'{contestant.name.replace(" ", "-")}.out', 'wb')
    contestant.process = subprocess.Popen(['taskset', '-c', place.core, *command], stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT)
    out.close()
    check(place, contestant)


def ask(contestant, token):
    if contestant.tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection('127.0.0.1', contestant.port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection('127.0.0.1', contestant.port, timeout=5)
    try:
        connection.request('GET', '/orders/42', headers={'Host': HOST, **({'Authorization': 'Bearer ' + token} if token else {})})
        answer = connection.getresponse()
        return answer.status, len(answer.read())
    finally:
        connection.close()


def check(place, contestant):
    """A contestant that answers something else than what is measured would look fast."""
    token = (place.work / 'token.txt').read_text() if contestant.policy else None
    deadline = time.monotonic() + 10
    while True:
        try:
            good = ask(contestant, token)
            break
        except OSError as error:
            if time.monotonic() > deadline or contestant.process.poll() is not None:
                raise SystemExit(f'bench: {contestant.name} does not serve: {error}\n' + output(place, contestant)) from None
            time.sleep(0.05)
    if good != (200, 1024):
        raise SystemExit(f'bench: {contestant.name} answers {good}\n' + output(place, contestant))
    if contestant.policy and ask(contestant, None)[0] != 401:
        raise SystemExit(f'bench: {contestant.name} lets a request without a token pass')


def output(place, contestant):
    return (place.work / f'{contestant.name.replace(" ", "-")}.out').read_text(errors='replace')[-4000:]
