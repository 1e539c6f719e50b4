"""What grows: routes, limiter keys, connections. A request should cost what it cost with one."""
import kind_requests
import method
from contestants import Contestant
from kind_idle import held

ROUTES = 10000
KEYS = 1000000
FLAT = 1.03  # what can be told from 1
STEP = 611953  # load.lua's, through the keys


def scaled(place, contestant, seconds):
    if contestant.connections > 1000:
        seconds += 10  # opening them takes time, and is in the cost: its share must be small
    if contestant.idle == 0:
        sample = kind_requests.wrk(place, contestant, seconds)
        if contestant.keys:
            contestant.first_key = (contestant.first_key + sample['requests'] * STEP) % contestant.keys
        return sample
    with held(place, contestant, contestant.idle, 'plain', 'fresh'):
        return kind_requests.wrk(place, contestant, seconds)


def warm(place, contestant):
    """Every key has been seen once."""
    seen = 0
    while True:
        seen += scaled(place, contestant, 5 if contestant.keys > 1 else 1)['requests']
        if seen >= contestant.keys:
            return


PAIRS = (
    ('sallyport 10000 routes', 'sallyport 1 route', '1 → 10,000 routes'),
    ('sallyport 1000000 keys', 'sallyport 1 key', '1 → 1,000,000 limiter keys'),
    ('sallyport 64 of 10000 connections', 'sallyport 64 connections', '64 busy connections: 0 → 10,000 idle ones beside them'),
    ('floor 64 of 10000 connections', 'floor 64 connections', 'the same, of the floor'),
    ('sallyport 10000 connections', 'sallyport 64 connections', '64 → 10,000 connections, all busy, their opening included'),
)


def targets(costs):
    for large, small, title in PAIRS:
        if costs.have(large, small):
            judged = large not in ('floor 64 of 10000 connections', 'sallyport 10000 connections')
            must, goal = (1.1, FLAT) if judged else (None, None)
            yield method.Target(f'{title}: cost per request, as × of the first', costs.ratio(large, small), must, goal)


KIND = method.Kind(
    name='scale', title='What grows', unit='CPU µs per request', measure=scaled, targets=targets, warm=warm,
    reference=lambda name: {large: small for large, small, _ in PAIRS}.get(name, name),
    columns=kind_requests.COLUMNS,
    contestants=[
        Contestant('sallyport 1 route', routes=1, work=f'PATHS {ROUTES}'),
        Contestant('sallyport 10000 routes', routes=ROUTES, work=f'PATHS {ROUTES}'),
        Contestant('sallyport 1 key', keys=1, work='KEYS 1'),
        Contestant('sallyport 1000000 keys', keys=KEYS, work=f'KEYS {KEYS}'),
        Contestant('sallyport 10000 connections', connections=10000),
        Contestant('sallyport 64 connections'),
        Contestant('sallyport 64 of 10000 connections', idle=10000 - 64),
        Contestant('floor 64 connections'),
        Contestant('floor 64 of 10000 connections', idle=10000 - 64),
    ])
