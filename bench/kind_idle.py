"""Memory of a TLS connection that is open and says nothing: after its handshake (HTTP/2: and its preface), and after one
request."""
import contextlib
import pathlib
import re
import subprocess
import sys

import contestants as field
import method
from contestants import Contestant

CONNECTIONS = 10000


@contextlib.contextmanager
def held(place, contestant, count, *how):
    """So many connections are open meanwhile."""
    command = ['taskset', '-c', place.load_core, str(place.tools / 'client'), 'hold', str(contestant.port), str(count), *how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if not process.stdout.readline().startswith('RESULT'):
            sys.exit(f'bench: {contestant.name} does not keep {count} connections\n{field.output(place, contestant)}')
        yield
        process.stdin.close()


def memory(pid):
    """Bytes of the process tree: what it shares is counted in part (PSS)."""
    total = 0
    for member in method.process_tree(pid):
        rollup = pathlib.Path(f'/proc/{member}/smaps_rollup').read_text()
        total += int(re.search(r'^Pss:\s+(\d+) kB', rollup, re.M)[1]) * 1024
    return total


def idle(place, contestant, seconds):
    before = memory(contestant.process.pid)
    with held(place, contestant, CONNECTIONS, 'h2' if contestant.h2 else 'tls', contestant.work):
        return {'cost': (memory(contestant.process.pid) - before) / CONNECTIONS}


def targets(costs):
    for work, title in (('fresh', 'after its handshake'), ('used', 'after a request')):
        if costs.have(f'sallyport {work}', f'openssl {work}'):
            yield method.Target(f"an idle TLS connection {title}: bytes beyond OpenSSL's own",
                                costs.difference(f'sallyport {work}', f'openssl {work}'), 1024, 512, 'B')
        if costs.have(f'sallyport {work} h2', f'nginx {work} h2'):
            yield method.Target(f"an idle HTTP/2 connection {title}, as × of nginx's",
                                costs.ratio(f'sallyport {work} h2', f'nginx {work} h2'), None)


KIND = method.Kind(
    name='idle', title='An idle TLS connection', unit='bytes per connection', measure=idle, targets=targets, fresh=True,
    reference=lambda name: 'openssl ' + name.split()[1], rounds=3,
    contestants=[Contestant(f'{program} {work}', tls=True, work=work)
                 for work in ('fresh', 'used') for program in ('openssl', 'nginx', 'sallyport')] +
                [Contestant(f'{program} {work} h2', tls=True, h2=True, work=work)
                 for work in ('fresh', 'used') for program in ('nginx', 'sallyport')])
