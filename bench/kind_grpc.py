"""Unary gRPC calls, 100 bytes there and back, over HTTP/2 on both sides: TLS to the load, which is that of kind_http2, none to the
upstream, which is nghttpd with a trailer."""
import contextlib
import subprocess

import contestants as field
import kind_http2
import method
from contestants import Contestant

MESSAGE = b'\0' + (100).to_bytes(4, 'big') + bytes(100)


@contextlib.contextmanager
def upstream(place):
    folder = place.work / 'calls'
    (folder / 'bench.Echo').mkdir(parents=True)
    (folder / 'bench.Echo/Unary.grpc').write_bytes(MESSAGE)
    (folder / 'message').write_bytes(MESSAGE)
    (folder / 'types').write_text('application/grpc grpc\n')
    process = subprocess.Popen(['taskset', '-c', place.load_core, 'nghttpd', '--no-tls', f'--htdocs={folder}', f'--mime-types-file={folder}/types',
                                '--trailer=grpc-status: 0', str(place.call_port)])
    try:
        field.wait_for_port(place.call_port)
        yield
    finally:
        process.terminate()
        process.wait()


def calls(place, contestant, seconds):
    return kind_http2.h2load(place, contestant, seconds, '-H', 'content-type: application/grpc', '-H', 'te: trailers', '-d', place.work / 'calls/message')


def warm(place, contestant):
    calls(place, contestant, 1)


KIND = method.Kind(
    name='grpc', title='A unary gRPC call', unit='CPU µs per call', reference=lambda name: 'nginx plain grpc',
    measure=calls, warm=warm, fresh=True, upstream=upstream, columns=kind_http2.KIND.columns,
    contestants=[
        Contestant('nginx plain grpc', tls=True, h2=True, grpc=True, path=field.METHOD),
        Contestant('haproxy plain grpc', tls=True, h2=True, grpc=True, path=field.METHOD),
        Contestant('sallyport plain grpc', tls=True, h2=True, grpc=True, path=field.METHOD),
        Contestant('sallyport policy grpc', tls=True, h2=True, grpc=True, policy=True, path=field.METHOD),
    ])
