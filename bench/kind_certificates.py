"""Small requests over kept TLS connections: proven by a client certificate once, or by a token each time."""
import contestants as field
import method
from contestants import Contestant


def requests(place, contestant, seconds):
    if contestant.certificate:
        proof = [place.work / 'cert.pem', place.work / 'key.pem']
    else:
        proof = [': '.join(field.credential(contestant, field.token_of(place, contestant)))]
    outcome = method.client(place, contestant, 'requests', seconds, 'tls', contestant.path, *proof)
    return {'cost': outcome['cpu_us'] / outcome['count'], 'rate': outcome['count'] / outcome['seconds'],
            'failed': outcome['failed']}


def targets(costs):
    if costs.have('sallyport certificate', 'sallyport token'):
        yield method.Target('policy by a client certificate, as × of that by a token',
                            costs.ratio('sallyport certificate', 'sallyport token'), 1.05)


KIND = method.Kind(
    name='certificates', title='A request on a kept TLS connection', unit='CPU µs per request',
    reference=lambda name: 'sallyport token', measure=requests, targets=targets, fresh=True,
    columns=(('requests/s', 'rate', ',.0f'), ('failed', 'failed', 'd')),
    contestants=[Contestant('sallyport token', tls=True, policy=True),
                 Contestant('sallyport certificate', tls=True, policy=True, certificate=True)])
