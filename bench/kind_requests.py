"""Small requests over kept connections: what passing one on costs, and what the policy and TLS add. Driven by wrk."""
import os
import pathlib

import contestants as field
import method
from contestants import Contestant

LUA = str(pathlib.Path(__file__).resolve().parent / 'load.lua')
NEW_TOKENS = 12000  # more than any cache of verified tokens holds


def wrk(place, contestant, seconds):
    environment = {**os.environ, 'OPENSSL_CONF': str(place.work / 'client.cnf')}
    headers = ['-H', f'Host: {field.HOST}']
    if contestant.new_tokens:
        environment['TOKENS'] = str(place.work / 'tokens.txt')
    elif contestant.policy or contestant.external:
        headers += ['-H', ': '.join(field.credential(contestant, field.token_of(place, contestant)))]
    if contestant.accepts:
        headers += ['-H', f'Accept-Encoding: {contestant.accepts}']
    if contestant.pace:
        environment['PACE'] = str(contestant.pace)
    if contestant.work:
        name, _, count = contestant.work.partition(' ')
        environment[name] = count
        environment['KEYS_FROM'] = str(contestant.first_key)
    outcome = method.load(place, contestant, ['wrk', '-t1', f'-c{contestant.connections}', f'-d{seconds}s', '--timeout', '30s', '-s', LUA,
                                              *headers, contestant.url], env=environment)
    requests = max(1, outcome['requests'])
    return {'bytes': outcome['bytes'] / requests, 'cost': outcome['cpu_us'] / requests, 'worker': outcome['worker_us'] / requests, 'requests': requests,
            'rate': requests * 1e6 / outcome['duration_us'], 'p50': outcome['p50_us'] / 1000,
            'p99': outcome['p99_us'] / 1000, 'failed': outcome['failed'] + outcome['refused']}


def warm(place, contestant):
    wrk(place, contestant, 1)


def worker_only(place, contestant, seconds):
    sample = wrk(place, contestant, seconds)
    return {**sample, 'cost': sample['worker'], 'writer': sample['cost'] - sample['worker']}


def request_targets(costs):
    if costs.have('sallyport plain', 'floor'):
        yield method.Target('plain proxy, as × of the floor', costs.ratio('sallyport plain', 'floor'), 1.2, 1.15)
    if costs.have('sallyport plain, 100 endpoints', 'sallyport plain'):
        yield method.Target('100 endpoints, p2c and health, as × of one endpoint',
                            costs.ratio('sallyport plain, 100 endpoints', 'sallyport plain'), 1.03)
    if costs.have('floor of 100 connections', 'floor'):
        yield method.Target('of which the kernel and the caches: 100 connections in turn, as × of those used last',
                            costs.ratio('floor of 100 connections', 'floor'), None)
    if costs.have('sallyport plain, ten filters', 'sallyport plain'):
        yield method.Target('ten filters: what they add to a plain proxy',
                            costs.difference('sallyport plain, ten filters', 'sallyport plain'), 1.0, None, 'µs')
    if costs.have('sallyport policy', 'nginx plain'):
        yield method.Target("policy, as × of nginx's plain proxy", costs.ratio('sallyport policy', 'nginx plain'), 1.0)
    if costs.have('sallyport policy', 'floor'):
        yield method.Target('policy, as × of the floor', costs.ratio('sallyport policy', 'floor'), None, 1.25)
    if costs.have('sallyport external, remembered', 'sallyport policy'):
        yield method.Target("an external authorizer's remembered yes, as × of the policy",
                            costs.ratio('sallyport external, remembered', 'sallyport policy'), 1.05)
    if costs.have('sallyport policy api-key', 'sallyport policy'):
        yield method.Target('policy by an API key, as × of that by a token', costs.ratio('sallyport policy api-key', 'sallyport policy'), 1.05)
    if costs.have('sallyport policy introspected', 'sallyport policy'):
        yield method.Target('policy by introspection that is cached, as × of policy',
                            costs.ratio('sallyport policy introspected', 'sallyport policy'), 1.05)
    # The second base: while the gateway is busy with signatures the others sleep, and it pays for waking them; at a pace they
    # sleep, too.
    for base, how in (('sallyport policy', ''), ('sallyport policy paced', ', which is asked as seldom')):
        if costs.have(base, 'sallyport policy new-tokens') and costs.verify_us:
            yield method.Target(f'policy, a new token each time: beyond policy{how} and one verification',
                                [extra - costs.verify_us for extra in
                                 costs.difference('sallyport policy new-tokens', base)], 4.0, 3.0, 'µs')
    if costs.have('sallyport policy tls', 'sallyport policy', 'nginx tls', 'nginx plain'):
        # Of medians: two small differences in one round make a ratio that says nothing.
        own = method.middle(costs.difference('sallyport policy tls', 'sallyport policy'))
        yield method.Target('TLS: what it adds, as × of what it adds to nginx',
                            [own / method.middle(costs.difference('nginx tls', 'nginx plain'))], 1.0, 0.8)


def log_targets(costs):
    if costs.have('sallyport policy', 'sallyport policy, log off'):
        yield method.Target("access log: what it adds to the worker's request",
                            costs.difference('sallyport policy', 'sallyport policy, log off'), 1.0, None, 'µs')


COLUMNS = (('requests/s', 'rate', ',.0f'), ('p50 ms', 'p50', '.2f'), ('p99 ms', 'p99', '.2f'), ('failed', 'failed', 'd'))

REQUESTS = method.Kind(
    name='requests', title='A request', unit='CPU µs per request', reference=lambda name: 'floor', measure=wrk, columns=COLUMNS,
    targets=request_targets, warm=warm, fresh=True,  # how a process comes to lie in memory is drawn anew at each start
    contestants=[
        Contestant('floor'),
        Contestant('floor of 100 connections', endpoints=100),
        Contestant('nginx plain'),
        Contestant('haproxy plain'),
        Contestant('sallyport plain'),
        Contestant('sallyport plain, 100 endpoints', endpoints=100),
        Contestant('sallyport plain, ten filters', filters=True),
        Contestant('haproxy policy', policy=True),
        Contestant('sallyport policy', policy=True),
        Contestant('sallyport external, remembered', external=True),
        Contestant('sallyport policy api-key', policy=True, api_key=True),
        Contestant('sallyport policy introspected', policy=True, introspected=True),
        Contestant('sallyport policy paced', policy=True, pace=2),
        Contestant('sallyport policy new-tokens', policy=True, new_tokens=True),
        Contestant('nginx tls', tls=True),
        Contestant('haproxy tls', tls=True),
        Contestant('sallyport policy tls', tls=True, policy=True),
    ],
    quick=('floor', 'nginx plain', 'haproxy plain', 'sallyport plain', 'sallyport policy', 'sallyport policy tls'))

LOG = method.Kind(
    name='log', title='The access log', unit="CPU µs per request, without the log writer's thread",
    reference=lambda name: 'sallyport policy, log off', measure=worker_only, warm=warm, fresh=True,
    columns=(('log writer µs', 'writer', '.2f'), *COLUMNS[:1], COLUMNS[3]), targets=log_targets,
    contestants=[
        Contestant('sallyport policy, log off', policy=True, log=False),
        Contestant('sallyport policy', policy=True),
    ])
