"""Who is measured: a program with a configuration, one process tree on a port of 127.0.0.1."""
import dataclasses
import gzip
import http.client
import pathlib
import re
import socket
import ssl
import subprocess
import time

import configurations
import introspection

HOST = configurations.HOST
METHOD = '/bench.Echo/Unary.grpc'  # what gRPC contestants are asked


@dataclasses.dataclass
class Place:
    """What all contestants share."""
    work: pathlib.Path       # scratch directory, with certificate, keys and tokens
    tools: pathlib.Path      # the compiled helpers
    sallyport: pathlib.Path
    core: str                # of the contestant
    load_core: str           # of everything else
    upstream_port: int
    socket_port: int         # of the upstream that echoes WebSockets
    call_port: int           # of the upstream that answers gRPC calls
    introspection_port: int  # of the authorization server


@dataclasses.dataclass
class Contestant:
    name: str                 # its first word is the program
    tls: bool = False
    h2: bool = False          # HTTP/2 beside HTTP/1.1, by ALPN
    grpc: bool = False        # the upstream is the one of gRPC calls, by HTTP/2
    policy: bool = False      # token, scope, limit and access log
    external: bool = False    # an external authorizer's remembered yes instead of the token, limit and access log
    introspected: bool = False  # policy: of an opaque token, by introspection instead of a signature
    log: bool = True          # policy: with the access log
    api_key: bool = False     # policy: by an API key instead of a token
    certificate: bool = False # policy: by a client certificate instead of a token
    new_tokens: bool = False  # each request carries another token
    pace: int = 0             # ms that each connection waits between an answer and its next request
    sockets: bool = False     # WebSockets pass at /socket
    streaming: bool = False   # nginx: bodies are not buffered
    compress: bool = False    # answers are compressed for who asks
    accepts: str = ''         # the coding that is asked for
    filters: bool = False     # ten filters of routes
    routes: int = 0           # so many routes /r/N/**; 0: one for everything
    keys: int = 0             # a limit by a header that has so many values; 0: none
    endpoints: int = 1        # of the service behind: more are balanced by p2c, and their health is checked; the floor has a connection to each
    connections: int = 64
    idle: int = 0             # connections that are open beside them and say nothing
    path: str = '/orders/42'
    work: str = ''            # what the load does, where its kind knows several things
    first_key: int = 0        # where the walk through the keys begins
    process: subprocess.Popen = None
    port: int = 0

    @property
    def method(self):
        """Of authentication, where it has a policy."""
        return ('api_key' if self.api_key else 'certificate' if self.certificate
                else 'introspection' if self.introspected else 'jwt')

    @property
    def program(self):
        return self.name.split()[0]

    @property
    def folder_name(self):
        return self.name.replace(' ', '-').replace(',', '')

    @property
    def url(self):
        return f'{"https" if self.tls else "http"}://127.0.0.1:{self.port}{self.path}'


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(('127.0.0.1', port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def start(place, contestant):
    contestant.port = free_port()
    folder = place.work / contestant.folder_name
    folder.mkdir(exist_ok=True)
    command = configurations.COMMANDS[contestant.program](place, contestant, folder)
    with open(folder / 'output', 'wb') as out:
        contestant.process = subprocess.Popen(['taskset', '-c', place.core, *command], stdin=subprocess.DEVNULL, stdout=out,
                                              stderr=subprocess.STDOUT)
    try:
        check(place, contestant)
    except BaseException:
        stop([contestant])
        raise


def stop(contestants):
    for contestant in contestants:
        if contestant.process:
            contestant.process.terminate()
    for contestant in contestants:
        if contestant.process:
            try:
                contestant.process.wait(5)
            except subprocess.TimeoutExpired:
                contestant.process.kill()
                contestant.process.wait()
            contestant.process = None


def credential(contestant, token):
    """The field that it stands in."""
    return ('X-API-Key', token) if contestant.api_key else ('Authorization', 'Bearer ' + token)


def ask(contestant, token, path=None, accepts=''):
    if contestant.tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if contestant.certificate and token:
            context.load_cert_chain(token)
            token = None
        connection = http.client.HTTPSConnection('127.0.0.1', contestant.port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection('127.0.0.1', contestant.port, timeout=5)
    path = path or ('/r/0/42' if contestant.routes else '/orders/42')
    fields = {'Accept-Encoding': accepts} if accepts else {}
    try:
        connection.request('GET', path, headers={'Host': HOST, **fields, **(dict([credential(contestant, token)]) if token else {})})
        answer = connection.getresponse()
        body = answer.read()
        return (answer.status, answer.getheader('Content-Encoding'), body) if accepts else (answer.status, len(body))
    finally:
        connection.close()


def call(place, contestant, token):
    """The outcome of one gRPC call, and the bytes of its message: None where there is none."""
    fields = ['te: trailers', 'content-type: application/grpc', f':authority: {HOST}', *(['authorization: Bearer ' + token] if token else [])]
    done = subprocess.run(['nghttp', '-nv', '-d', place.work / 'calls/message', *(part for field in fields for part in ('-H', field)), contestant.url],
                          capture_output=True, text=True, timeout=10)
    status = re.search(r'grpc-status: (\d+)', done.stdout)
    sizes = re.findall(r'recv DATA frame <length=(\d+)', done.stdout)
    if not status:
        raise OSError('no gRPC answer: ' + done.stdout[-500:])
    return int(status[1]), sum(map(int, sizes))


def answers(place, contestant, token):
    return call(place, contestant, token) if contestant.grpc else ask(contestant, token)


def token_of(place, contestant):
    if contestant.introspected:
        return introspection.TOKEN
    if contestant.api_key:
        return configurations.api_key()
    if contestant.certificate:
        return str(place.work / 'both.pem')
    return (place.work / 'token.txt').read_text() if contestant.policy or contestant.external else None


def check(place, contestant):
    """A contestant that answers something else than what is measured would look fast."""
    wanted, unknown = ((0, 105), 16) if contestant.grpc else ((200, 1024), 403 if contestant.certificate else 401)
    token = token_of(place, contestant)
    deadline = time.monotonic() + 20
    while True:
        try:
            good = answers(place, contestant, token)
            break
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > deadline or contestant.process.poll() is not None:
                raise SystemExit(f'bench: {contestant.name} does not serve: {error}\n' + output(place, contestant)) from None
            time.sleep(0.05)
    if good != wanted:
        raise SystemExit(f'bench: {contestant.name} answers {good}\n' + output(place, contestant))
    if contestant.accepts:
        check_coding(place, contestant)
    if contestant.policy and answers(place, contestant, None)[0] != unknown:
        raise SystemExit(f'bench: {contestant.name} lets a request without a token pass')


def check_coding(place, contestant):
    """Who answers in another coding, or in none, does other work."""
    status, coding, body = ask(contestant, None, contestant.path, contestant.accepts)
    wanted = contestant.accepts if contestant.compress else None
    size = len(gzip.decompress(body) if coding == 'gzip' else run_zstd(body) if coding == 'zstd' else body)
    if (status, coding, size) != (200, wanted, int(contestant.path.rpartition('/')[2])):
        raise SystemExit(f'bench: {contestant.name} answers {status} with {size} bytes of {coding}\n' + output(place, contestant))


def run_zstd(body):
    return subprocess.run(['zstd', '-d', '-c', '-q'], input=body, capture_output=True, check=True).stdout


def output(place, contestant):
    return (place.work / contestant.folder_name / 'output').read_text(errors='replace')[-4000:]
