"""WebSockets: what a message costs there and back, and what one that says nothing holds."""
import json
import re
import resource
import subprocess
import sys

import contestants as field
import method
from contestants import Contestant
from kind_idle import memory

BUSY = 1000
WANTED = 10000
BESIDE = 200  # descriptors of a contestant that are no tunnel's


def possible():
    """As many as wanted, where the contestant may have two descriptors of each: what is started here inherits our limit."""
    needed = 2 * WANTED + BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, needed))  # with CAP_SYS_RESOURCE
        except (ValueError, PermissionError):
            return (hard - BESIDE) // 2
    return WANTED


IDLE = possible()


def started(place, contestant, *arguments):
    command = ['taskset', '-c', place.load_core, str(place.tools / 'sockets'), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(place, contestant, process, wanted):
    text = process.stdout.readline()
    if not text.startswith(wanted):
        sys.exit(f'bench: {contestant.name}: the load ended\n{field.output(place, contestant)}')
    return text


def echo(place, contestant, seconds):
    with started(place, contestant, 'echo', contestant.port, seconds, BUSY) as process:
        line(place, contestant, process, 'OPEN')
        before = method.cpu_us(contestant.process.pid)
        process.stdin.write('\n')
        process.stdin.flush()
        outcome = json.loads(re.match(r'RESULT (.*)', line(place, contestant, process, 'RESULT'))[1])
        spent = method.cpu_us(contestant.process.pid) - before
        process.stdin.close()
    return {'cost': spent / outcome['count'], 'rate': outcome['count'] / outcome['seconds']}


def idle(place, contestant, seconds):
    before = memory(contestant.process.pid)
    with started(place, contestant, 'hold', contestant.port, IDLE) as process:
        line(place, contestant, process, 'RESULT')
        sample = {'cost': (memory(contestant.process.pid) - before) / IDLE}
        process.stdin.close()
    return sample


def compared(title, unit):
    def targets(costs):
        if costs.have('sallyport sockets', 'nginx sockets'):
            yield method.Target(f"{title}, as × of nginx's", costs.ratio('sallyport sockets', 'nginx sockets'), 1.0, 0.9)
    return targets


def fields():
    return [Contestant(f'{program} sockets', sockets=True) for program in ('nginx', 'sallyport')]


ECHO = method.Kind(
    name='sockets', title=f'A WebSocket message, echoed, {BUSY:,} connections', unit='CPU µs per message there and back', measure=echo,
    targets=compared('a message there and back', 'µs'), reference=lambda name: 'nginx sockets',
    columns=(('messages/s', 'rate', ',.0f'),), contestants=fields(), fresh=True)

HELD = method.Kind(
    name='idle-sockets', title=f'An idle WebSocket, of {IDLE:,}', unit='bytes per connection', measure=idle,
    targets=compared('an idle WebSocket', 'B'), reference=lambda name: 'nginx sockets', contestants=fields(), fresh=True, rounds=3)
