"""Compressed answers: JSON of 64 KiB, gzip by both at level 5, zstd by the gateway alone, and the same answer as it is. Driven by wrk."""
import kind_requests
import method
from contestants import Contestant

SIZE = 64 * 1024
JSON = {'path': f'/json/{SIZE}', 'connections': 16}


def compressed(place, contestant, seconds):
    sample = kind_requests.wrk(place, contestant, seconds)
    return {**sample, 'rate': sample['rate'] * SIZE / 2**20, 'share': 100 * sample['bytes'] / SIZE}


def targets(costs):
    if costs.have('sallyport compress', 'nginx compress'):
        yield method.Target('gzip of 64 KiB of JSON, as × of nginx at the same level',
                            costs.ratio('sallyport compress', 'nginx compress'), 1.0)
    if costs.have('sallyport compress zstd', 'sallyport compress'):
        yield method.Target('the same by zstd, as × of gzip', costs.ratio('sallyport compress zstd', 'sallyport compress'), None)


KIND = method.Kind(
    name='compression', title='Compressed JSON of 64 KiB', unit='CPU µs per answer', measure=compressed, targets=targets, fresh=True,
    warm=lambda place, contestant: compressed(place, contestant, 1), reference=lambda name: 'nginx compress',
    columns=(('MiB/s of JSON', 'rate', ',.0f'), ('% sent of it', 'share', '.1f'), ('p99 ms', 'p99', '.2f'), ('failed', 'failed', 'd')),
    contestants=[
        Contestant('nginx compress', compress=True, accepts='gzip', **JSON),
        Contestant('sallyport compress', compress=True, accepts='gzip', **JSON),
        Contestant('sallyport compress zstd', compress=True, accepts='zstd', **JSON),
        Contestant('nginx json', accepts='gzip', **JSON),
        Contestant('sallyport json', accepts='gzip', **JSON),
    ], rounds=9, seconds=2)
