"""Small requests over HTTP/2 with TLS: 16 connections with 10 requests at once on each. Driven by h2load."""
import re

import contestants as field
import method
from contestants import Contestant

CONNECTIONS, STREAMS = 16, 10


def outcome_of(text):
    """Of h2load: how many requests were answered, how many were not, and in what time."""
    counts = re.search(r'^requests: .* (\d+) done, (\d+) succeeded, (\d+) failed', text, re.M)
    time = re.search(r'^time for request: +\S+ +\S+ +(\d+(?:\.\d+)?)(us|ms|s)', text, re.M)
    if not counts or not time or 'Application protocol: h2' not in text:
        return None
    return {'requests': int(counts[2]), 'failed': int(counts[1]) - int(counts[2]),
            'mean': float(time[1]) * {'us': 0.001, 'ms': 1, 's': 1000}[time[2]]}


def h2load(place, contestant, seconds, *more):
    headers = ['-H', f':authority: {field.HOST}']
    if contestant.policy:
        headers += ['-H', 'authorization: Bearer ' + (place.work / 'token.txt').read_text().strip()]
    outcome = method.load(place, contestant,
                          ['h2load', '-t1', f'-c{CONNECTIONS}', f'-m{STREAMS}', f'-D{seconds}', '--tls13-ciphers=TLS_AES_128_GCM_SHA256', *headers,
                           *more, contestant.url], outcome_of=outcome_of)
    requests = max(1, outcome['requests'])
    return {'cost': outcome['cpu_us'] / requests, 'requests': requests, 'rate': requests / seconds, 'mean': outcome['mean'],
            'failed': outcome['failed']}


def warm(place, contestant):
    h2load(place, contestant, 1)


def targets(costs):
    if costs.have('sallyport plain h2', 'nginx plain h2'):
        yield method.Target("plain proxy, as × of nginx's", costs.ratio('sallyport plain h2', 'nginx plain h2'), 0.85)
    if costs.have('sallyport policy h2', 'nginx plain h2'):
        yield method.Target("policy, as × of nginx's plain proxy", costs.ratio('sallyport policy h2', 'nginx plain h2'), 1.0)


KIND = method.Kind(
    name='http2', title='A request over HTTP/2', unit='CPU µs per request', reference=lambda name: 'nginx plain h2',
    measure=h2load, targets=targets, warm=warm, fresh=True,
    columns=(('requests/s', 'rate', ',.0f'), ('mean ms', 'mean', '.2f'), ('failed', 'failed', 'd')),
    contestants=[
        Contestant('nginx plain h2', tls=True, h2=True),
        Contestant('haproxy plain h2', tls=True, h2=True),
        Contestant('sallyport plain h2', tls=True, h2=True),
        Contestant('sallyport policy h2', tls=True, h2=True, policy=True),
    ],
    quick=('nginx plain h2', 'sallyport plain h2', 'sallyport policy h2'))
