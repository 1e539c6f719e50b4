"""With what configuration each contestant runs: all are told the same, as far as they can be."""
import hashlib
import hmac
import shutil
import zlib

HOST = 'bench.example'
PEPPER = 'p' * 64


def program(name):
    return shutil.which(name) or f'/usr/sbin/{name}'  # where Debian keeps servers, and not everybody looks


def api_key():
    """A key of the right form, always the same: it is known to this machine alone."""
    text = 'sallyport_' + 'k' * 30
    alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    rest, checksum = zlib.crc32(text.encode()), ''
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        checksum = alphabet[digit] + checksum
    return text + checksum


def api_keys(place):
    (place.work / 'pepper').write_text(PEPPER)
    digest = hmac.new(PEPPER.encode(), api_key().encode(), hashlib.sha256).hexdigest()
    return (f'api_keys: {{ bench: {{ peppers: {{ p1: "${{file:{place.work}/pepper}}" }}, '
            f'keys: {{ k1: {{ digest: {digest}, pepper: p1, consumer: bench, scopes: [read_orders] }} }} }} }}')


def floor(place, contestant, folder):
    connections = [str(contestant.endpoints)] if contestant.endpoints > 1 else []
    return [str(place.tools / 'relay'), str(contestant.port), str(place.upstream_port), '1024', *connections]


def openssl(place, contestant, folder):
    return [str(place.tools / 'tls_server'), str(contestant.port), f'{place.work}/cert.pem', f'{place.work}/key.pem']


def nginx(place, contestant, folder):
    temporary = '\n'.join(f'    {kind}_temp_path {folder}/{kind};'
                          for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
    tls = f'''
        ssl_certificate {place.work}/cert.pem;
        ssl_certificate_key {place.work}/key.pem;
        ssl_protocols TLSv1.2 TLSv1.3;''' if contestant.tls else ''
    streaming = '''
            proxy_buffering off;
            proxy_request_buffering off;''' if contestant.streaming else ''
    # As the gateway's `standard`, for the same types, and from anybody.
    compress = '''
        gzip on;
        gzip_comp_level 5;
        gzip_types application/json;
        gzip_proxied any;
        gzip_min_length 1024;''' if contestant.compress else ''
    sockets = f'''
        location /socket {{
            proxy_pass http://127.0.0.1:{place.socket_port};
            proxy_http_version 1.1;
            proxy_set_header Connection upgrade;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_read_timeout 600s;
            proxy_send_timeout 600s;
        }}''' if contestant.sockets else ''
    way = f'''
            grpc_pass grpc://calls;
            grpc_set_header Host $host;
            grpc_set_header X-Forwarded-For $remote_addr;''' if contestant.grpc else f'''
            proxy_pass http://responder;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;{streaming}'''
    (folder / 'nginx.conf').write_text(f'''
daemon off;
worker_processes 1;
worker_rlimit_nofile 24000;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 24000; }}
http {{
{temporary}
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_max_body_size 64m;
    upstream responder {{ server 127.0.0.1:{place.upstream_port}; keepalive 128; keepalive_requests 1000000000; }}
    upstream calls {{ server 127.0.0.1:{place.call_port}; keepalive 256; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{contestant.port}{' ssl' if contestant.tls else ''}{' http2' if contestant.h2 else ''} backlog=4096;{tls}{compress}
        location / {{{way}
        }}{sockets}
    }}
}}
''')
    return [program('nginx'), '-p', str(folder), '-c', str(folder / 'nginx.conf')]


# Of every kind: paths, fields both ways, parameters.
TEN_FILTERS = [
    '{ strip_prefix: 1 }',
    '{ prefix_path: /api }',
    '{ rewrite_path: { pattern: "^/api/([0-9]+)$", replacement: "/orders/$1" } }',
    '{ add_request_header: { X-Gateway: bench } }',
    '{ set_request_header: { X-Api-Version: "2" } }',
    '{ remove_request_header: [X-Debug] }',
    '{ map_request_header: { X-Request-Id: X-Correlation-Id } }',
    '{ add_request_parameter: { source: bench } }',
    '{ set_response_header: { Cache-Control: no-store } }',
    '{ remove_response_header: [X-Internal] }',
]

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


def haproxy(place, contestant, folder):
    bind = f'127.0.0.1:{contestant.port}'
    if contestant.tls:
        bind += f' ssl crt {place.work}/both.pem ssl-min-ver TLSv1.2' + (' alpn h2,http/1.1' if contestant.h2 else '')
    config = folder / 'haproxy.cfg'
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
    server responder 127.0.0.1:{f'{place.call_port} proto h2' if contestant.grpc else place.upstream_port} pool-max-conn 128
''')
    return [program('haproxy'), '-db', '-f', str(config)]


def endpoints(place, contestant):
    """Of the service behind; several are one responder under several addresses."""
    if contestant.grpc:
        return f'endpoints: ["h2c://127.0.0.1:{place.call_port}"]'
    urls = ', '.join(f'"http://127.0.0.{number + 1}:{place.upstream_port}"' for number in range(contestant.endpoints))
    many = ', balance: p2c, health: { path: /healthz }, outliers: {}, slow_start: 30s' if contestant.endpoints > 1 else ''
    return f'endpoints: [{urls}]{many}'


def sallyport(place, contestant, folder):
    # The certificate signs itself: it is the client's and its authority's, too.
    clients = f', client_ca: {place.work}/cert.pem, client_certificate: optional' if contestant.certificate else ''
    tls = f'tls: {{ certificates: [{{ cert: {place.work}/cert.pem, key: {place.work}/key.pem }}]{clients} }}'
    if contestant.policy:
        policy = (f'auth: {{ {contestant.method}: bench }}, authorize: {{ scopes: [read_orders] }}, '
                  'limits: [{ limit: 30000000/1m, by: caller }]')
    elif contestant.external:
        policy = 'auth: { external: bench }, authorize: any_caller, limits: [{ limit: 30000000/1m, by: caller }]'
    elif contestant.keys:
        policy = 'auth: none, limits: [{ limit: 30000000/1m, by: "header:X-Key" }]'
    else:
        policy = 'auth: none, body: 64MiB'
    policy += ', filters: [' + ', '.join(TEN_FILTERS) + ']' if contestant.filters else ''
    policy += ', compress: { level: standard }' if contestant.compress else ''
    paths = [f'/r/{number}/**' for number in range(contestant.routes)] if contestant.routes > 1 else ['/**']
    routes = '\n'.join(f'  r{number}: {{ match: {{ host: {HOST}, path: {path} }}, upstream: responder, {policy} }}'
                       for number, path in enumerate(paths))
    sockets = (f'  sockets: {{ endpoints: ["http://127.0.0.1:{place.socket_port}"], max_connections: 16000 }}'
               if contestant.sockets else '')
    if contestant.sockets:
        routes += f'\n  socket: {{ match: {{ host: {HOST}, path: /socket }}, upstream: sockets, auth: none, websocket: {{}} }}'
    issuers = (f'issuers: {{ bench: {{ issuer: "https://issuer.bench", audiences: [orders], algorithms: [RS256], '
               f'jwks_file: {place.work}/jwks.json }} }}' if contestant.policy and not contestant.api_key else '')
    issuers = api_keys(place) if contestant.api_key else issuers
    if contestant.certificate:
        issuers = f'client_certificates: {{ bench: {{ identity: dns, allow: [{HOST}], scopes: [read_orders] }} }}'
    if contestant.introspected:
        (folder / 'secret').write_text('bench')
        issuers = (f'introspection: {{ bench: {{ endpoint: "http://127.0.0.1:{place.introspection_port}/", client_id: bench, '
                   f'client_secret: "${{file:{folder}/secret}}", audiences: [orders], cache: 1h }} }}')
    # The responder says yes to everything; who is calling it says by the one header that it has.
    authorizers = (f'authorizers: {{ bench: {{ contract: forward_auth, url: "http://127.0.0.1:{place.upstream_port}/", '
                   'request_headers: [Authorization], upstream_headers: [X-User], subject_header: Content-Type, '
                   'cache: { for: 1h, by: [credential, method, host, path, query] } } }' if contestant.external else '')
    access = 'access.log' if (contestant.policy or contestant.external) and contestant.log else '"off"'
    (folder / 'gateway.yaml').write_text(f'''
instance: bench
workers: 1
limit_keys: {max(65536, 2 * contestant.keys)}
{'overload: { queue_deadline: 60s }' if contestant.connections > 1000 else ''}
logs: {{ access: {{ file: {access} }}, audit: {{ file: audit.log }} }}
listeners:
  main:
    address: 127.0.0.1
    port: {contestant.port}
    {tls if contestant.tls else 'plaintext: allow'}
    max_connections: 16000
    max_connections_per_address: 0  # the load has one
    handshakes: 1000000/1s
    handshakes_per_address: 1000000/1s
    timeouts: {{ idle: 10m, head: 10m }}
{issuers}
{authorizers}
upstreams:
  responder: {{ {endpoints(place, contestant)}, max_idle: 128, max_pending: 20000, pending_timeout: 60s }}
{sockets}
routes:
{routes}
''')
    if folder.stat().st_uid == 0:  # the gateway process runs as nobody and is handed its log files open
        folder.chmod(0o755)
    return [str(place.sallyport), 'run', '--config', str(folder / 'gateway.yaml')]


COMMANDS = {'floor': floor, 'openssl': openssl, 'nginx': nginx, 'haproxy': haproxy, 'sallyport': sallyport}
