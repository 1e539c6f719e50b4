#!/usr/bin/env python3
"""As much of a service manager as a test needs (sd_notify(3), sd_listen_fds(3)): starts a command, keeps the descriptors that it
is sent (FDSTORE=1), and hands them over by name when it starts the command again. Orders come as lines on standard input
(restart, stop), what happens goes as lines of JSON to standard output. Ends with its standard input.

usage: service_manager.py SOCKET [NAME=ADDRESS:PORT]... -- COMMAND...
NAME=ADDRESS:PORT: a socket of its own, as of a .socket unit; with a `+` in front, with SO_REUSEPORT.
"""
import json
import os
import select
import signal
import socket
import sys

SPLIT = sys.argv.index('--')
PATH, OWN, COMMAND = sys.argv[1], sys.argv[2:SPLIT], sys.argv[SPLIT + 1:]
kept = []  # (name, descriptor), those of our own first


def tell(**what):
    print(json.dumps(what), flush=True)


def listen(text):
    name, place = text.split('=')
    address, port = place.rsplit(':', 1)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if name.startswith('+'):
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind((address, int(port)))
    s.listen(1024)
    kept.append((name.lstrip('+'), s.detach()))
    tell(listening=name.lstrip('+'), port=socket.socket(fileno=os.dup(kept[-1][1])).getsockname()[1])


def same(a, b):
    one, other = os.fstat(a), os.fstat(b)
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def notified(channel):
    data, fds, flags, _ = socket.recv_fds(channel, 8192, 253)
    if flags & socket.MSG_CTRUNC:
        tell(broken='descriptors were cut')
    fields = dict(line.split('=', 1) for line in data.decode().splitlines() if '=' in line)
    name = fields.get('FDNAME')
    if fields.get('FDSTORE') == '1':
        fresh = [fd for fd in fds if not any(same(fd, other) for _, other in kept)]
        kept.extend((name, fd) for fd in fresh)
        tell(kept=name, count=len(fresh), sent=len(fds))
    elif fields.get('FDSTOREREMOVE') == '1':
        gone = [entry for entry in kept[len(OWN):] if entry[0] == name]
        for entry in gone:
            kept.remove(entry)
            os.close(entry[1])
        tell(forgot=name, count=len(gone))
    else:
        tell(notified=fields)


def start():
    child = os.fork()
    if child == 0:
        os.environ.update(NOTIFY_SOCKET=PATH, LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)),
                          LISTEN_FDNAMES=':'.join(name for name, _ in kept))
        high = [os.dup(fd) if fd < 3 + len(kept) else fd for _, fd in kept]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
        os.closerange(3 + len(kept), 1024)
        os.execv(COMMAND[0], COMMAND)
    tell(started=child, fds=len(kept))
    return child


def main():
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.bind(PATH)
    for text in OWN:
        listen(text)
    wake, woken = os.pipe()
    signal.signal(signal.SIGCHLD, lambda *_: os.write(woken, b'x'))
    child, again = start(), False
    while True:
        ready = select.select([channel, sys.stdin.fileno(), wake], [], [])[0]
        if channel in ready:
            notified(channel)
        if wake in ready:
            os.read(wake, 64)
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                tell(exited=os.waitstatus_to_exitcode(status))
                if not again:
                    return
                child, again = start(), False
        if sys.stdin.fileno() in ready:
            order = os.read(sys.stdin.fileno(), 64).decode().strip()
            again = order == 'restart'
            os.kill(child, signal.SIGTERM if order else signal.SIGKILL)


main()
