"""Bodies: 64 KiB and 10 MiB down, 10 MiB up. Beside nginx as it comes, and beside nginx that buffers nothing."""
import method
from contestants import Contestant

SIZES = {'64 KiB': 64 * 1024, '10 MiB': 10 * 1024 * 1024, 'upload': 10 * 1024 * 1024}


def bodies(place, contestant, seconds):
    size = SIZES[contestant.work]
    what = ('put', size) if contestant.work == 'upload' else ('get', f'/bytes/{size}')
    outcome = method.client(place, contestant, 'bodies', seconds, 'tls' if contestant.tls else 'plain', *what)
    gib = outcome['count'] * size / 2**30
    return {'cost': outcome['cpu_us'] / 1000 / gib, 'rate': gib * 1024 / outcome['seconds'], 'failed': outcome['failed']}


def family():
    for tls in (False, True):
        for work in SIZES:
            for program, streaming in (('nginx', False), ('nginx', True), ('sallyport', False)):
                if not (tls and streaming):
                    yield Contestant(program + (' unbuffered' if streaming else '') + f' {work}' + (' tls' if tls else ''),
                                     tls=tls, streaming=streaming, work=work)


def reference(name):
    return name.replace('sallyport', 'nginx').replace(' unbuffered', '')


def targets(costs):
    for name in costs.samples:
        if name.startswith('sallyport') and costs.have(reference(name)):
            yield method.Target(f"{name.removeprefix('sallyport ')}: CPU per GiB, as × of nginx's",
                                costs.ratio(name, reference(name)), 1.0, 0.9)


KIND = method.Kind(
    name='bodies', title='Bodies', unit='CPU ms per GiB', measure=bodies, targets=targets, reference=reference,
    columns=(('MiB/s', 'rate', ',.0f'), ('failed', 'failed', 'd')), contestants=list(family()), rounds=7, seconds=2,
    quick=('nginx 10 MiB', 'sallyport 10 MiB'))
