"""TLS 1.3 handshakes, ECDSA P-256, full and resumed: connect, shake hands, say nothing, part in order."""
import sys

import contestants as field
import method
from contestants import Contestant


def handshakes(place, contestant, seconds):
    outcome = method.client(place, contestant, 'handshakes', seconds, contestant.work)
    if contestant.work == 'resumed' and outcome['resumed'] < outcome['count']:
        sys.exit(f'bench: {contestant.name}: {outcome["resumed"]} of {outcome["count"]} handshakes were resumed\n'
                 f'{field.output(place, contestant)}')
    return {'cost': outcome['cpu_us'] / outcome['count'], 'rate': outcome['count'] / outcome['seconds'],
            'failed': outcome['failed']}


def targets(costs):
    for work, title in (('full', 'a full handshake'), ('resumed', 'a resumed handshake')):
        if costs.have(f'sallyport {work}', f'openssl {work}'):
            yield method.Target(f"{title}, as × of a bare OpenSSL accept loop's",
                                costs.ratio(f'sallyport {work}', f'openssl {work}'), 1.15, 1.05)


KIND = method.Kind(
    name='handshakes', title='A TLS 1.3 handshake', unit='CPU µs per handshake', measure=handshakes, targets=targets,
    reference=lambda name: 'openssl ' + name.split()[1],
    columns=(('handshakes/s', 'rate', ',.0f'), ('failed', 'failed', 'd')),
    contestants=[Contestant(f'{program} {work}', tls=True, work=work)
                 for work in ('full', 'resumed') for program in ('openssl', 'nginx', 'haproxy', 'sallyport')],
    quick=('openssl full', 'sallyport full'))
