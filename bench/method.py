"""How it is measured: contestants in alternated rounds, CPU time from the kernel, intervals over the rounds."""
import contextlib
import dataclasses
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys

import contestants as field

@dataclasses.dataclass
class Kind:
    """A kind of work: who does it, how it is loaded, what it costs."""
    name: str
    title: str
    unit: str        # of the cost
    reference: callable      # (name) -> name of the contestant that it is a ratio to
    contestants: list = ()
    measure: callable = None  # (place, contestant, seconds) -> {'cost': …, and what `columns` name}
    whole: callable = None   # (place) -> samples of everything at once, instead of contestants
    columns: tuple = ()      # ((title, key, format), …); 'failed' is a sum, the others are medians
    targets: callable = None  # (costs) -> Target…; `costs` asks for a contestant's costs by name
    upstream: callable = contextlib.nullcontext  # (place), a context: what it needs beside the usual responder
    warm: callable = None    # (place, contestant), after each start
    fresh: bool = False      # a contestant is started anew for each sample, and alone
    quick: tuple = ()        # names for bench-quick
    rounds: int = 9
    seconds: int = 3


@dataclasses.dataclass
class Target:
    title: str
    values: list     # one per round
    must: float
    goal: float = None
    unit: str = '×'


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


# --- CPU time

def process_tree(pid):
    pids = [pid]
    for thread in pathlib.Path(f'/proc/{pid}/task').glob('*/children'):
        for child in thread.read_text().split():
            pids += process_tree(int(child))
    return pids


def cpu_us(pid, without=()):
    """Of all threads of the process tree, but for those of these names."""
    total = 0
    for member in process_tree(pid):
        for thread in pathlib.Path(f'/proc/{member}/task').iterdir():
            try:
                if (thread / 'comm').read_text().strip() not in without:
                    total += int((thread / 'schedstat').read_text().split()[0])
            except FileNotFoundError:
                pass  # it ended meanwhile
    return total / 1000


def printed_outcome(text):
    found = re.search(r'^RESULT (.*)$', text, re.M)
    return json.loads(found[1]) if found else None


def load(place, contestant, command, outcome_of=printed_outcome, **options):
    """Runs a load and returns the outcome that it prints, with the CPU time that it cost the contestant."""
    before, worker_before = cpu_us(contestant.process.pid), cpu_us(contestant.process.pid, ['logs'])
    text = run('taskset', '-c', place.load_core, *map(str, command), **options)
    spent = cpu_us(contestant.process.pid) - before
    outcome = outcome_of(text)
    if not outcome or contestant.process.poll() is not None:
        sys.exit(f'bench: {contestant.name} failed under load\n{text}\n{field.output(place, contestant)}')
    return {**outcome, 'cpu_us': spent, 'worker_us': cpu_us(contestant.process.pid, ['logs']) - worker_before}


def client(place, contestant, *arguments):
    outcome = load(place, contestant, [place.tools / 'client', arguments[0], contestant.port, *arguments[1:]])
    if outcome['count'] == 0:
        sys.exit(f'bench: {contestant.name} served nothing\n{field.output(place, contestant)}')
    return outcome


# --- rounds

def in_rounds(count, members, sample):
    samples = {member.name: [] for member in members}
    for number in range(count):
        for member in members if number % 2 == 0 else members[::-1]:
            samples[member.name].append(sample(member))
        print(f'  round {number + 1} of {count}', file=sys.stderr, flush=True)
    return samples


def sample_fresh(place, kind, contestant, seconds):
    field.start(place, contestant)
    try:
        if kind.warm:
            kind.warm(place, contestant)
        return kind.measure(place, contestant, seconds)
    finally:
        field.stop([contestant])


def measure(place, kind, chosen, count, seconds):
    """{name: [sample of each round]}"""
    if kind.whole:
        return kind.whole(place)
    if kind.fresh:
        return in_rounds(count, chosen, lambda member: sample_fresh(place, kind, member, seconds))
    try:
        for contestant in chosen:
            field.start(place, contestant)
        for contestant in chosen:
            if kind.warm:
                kind.warm(place, contestant)
            else:
                kind.measure(place, contestant, 1)
        return in_rounds(count, chosen, lambda member: kind.measure(place, member, seconds))
    finally:
        field.stop(chosen)


# --- numbers

def middle(values):
    """The median: what else runs on a machine can only make a round dearer, and a mean would take its word for it."""
    return statistics.median(values)


def interval(values):
    """The narrowest pair of order statistics that holds the median with 95 %, whatever the distribution; None: too few."""
    count, best = len(values), None
    for rank in range(1, count // 2 + 1):
        outside = 2 * sum(math.comb(count, i) for i in range(rank)) / 2 ** count
        if outside <= 0.05:
            best = sorted(values)[rank - 1], sorted(values)[count - rank]
    return best


class Costs:
    """The costs of each contestant, round by round."""

    def __init__(self, samples, verify_us):
        self.samples = samples
        self.verify_us = verify_us

    def have(self, *names):
        return all(name in self.samples for name in names)

    def of(self, name):
        return [sample['cost'] for sample in self.samples[name]]

    def ratio(self, name, base):
        return [own / other for own, other in zip(self.of(name), self.of(base))]

    def difference(self, name, base):
        return [own - other for own, other in zip(self.of(name), self.of(base))]
