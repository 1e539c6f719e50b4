"""Single parts, timed by bench/micro.c within one process: of each round the fastest batch."""
import sys

import method

ROUNDS = 5
NAMES = {
    # micro's name: (ours, must in ns)
    'limit_window': ('limiter decision, window', 60),
    'limit_rate': ('limiter decision, rate', 60),
    'limit_window_many': ('limiter decision, window, 1,000,000 keys', None),
    'limit_rate_many': ('limiter decision, rate, 1,000,000 keys', None),
    'json_claims': ('JSON reader, 1 KiB of claims', 1500),
    'uri': ('canonical URI', 150),
    'uri_escaped': ('canonical URI, with escapes', None),
    'route': ('route, of 1', None),
    'route_many': ('route, of 10,000', None),
    'choose': ('choice of an endpoint, of 1', None),
    'choose_p2c': ('choice of an endpoint, of 100, p2c', 60),
    'token_signature': ('one RS256 verification, with its init', None),
    'token_new': ('a new token', None),
    'token_cached': ('a token seen before', None),
}


def parts(place):
    samples = {name: [] for name, _ in NAMES.values()}
    for number in range(ROUNDS):
        text = method.run('taskset', '-c', place.core, str(place.sallyport.parent / 'bench-micro'), *NAMES)
        for line in text.splitlines():
            name, nanoseconds = line.split()
            samples[NAMES[name][0]].append({'cost': float(nanoseconds)})
        print(f'  round {number + 1} of {ROUNDS}', file=sys.stderr, flush=True)
    return samples


def targets(costs):
    for name, must in NAMES.values():
        if must is not None:
            yield method.Target(name, costs.of(name), must, None, 'ns')


KIND = method.Kind(name='parts', title='Parts', unit='ns per call', whole=parts, targets=targets,
                   reference=lambda name: name)
