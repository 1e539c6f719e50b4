"""Single parts, measured by bench/micro.c within one process."""
import json

import method


def parts(place):
    found = json.loads(method.run('taskset', '-c', place.core, str(place.sallyport.parent / 'bench/micro')))
    return {name: [{'cost': batch} for batch in batches] for name, batches in found.items() if isinstance(batches, list)}


MUSTS = {
    'limiter decision, window': 60,
    'limiter decision, rate': 60,
    'JSON reader, 1 KiB of claims': 1500,
    'canonical URI': 150,
}


def targets(costs):
    for name, must in MUSTS.items():
        if costs.have(name):
            yield method.Target(name, costs.of(name), must, None, 'ns')


KIND = method.Kind(name='parts', title='Parts', unit='ns per call', whole=parts, targets=targets,
                   reference=lambda name: name)
