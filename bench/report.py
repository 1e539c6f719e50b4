"""What was found, as Markdown and as JSON."""
import os
import pathlib
import platform
import re
import subprocess

import configurations
import method


def verdict(today, limit):
    return 'met' if today <= limit else 'not met'


def number(value):
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.2f}'


def with_interval(values):
    within = method.interval(values)
    return number(method.middle(values)) + (f' ({number(within[0])} to {number(within[1])})' if within else '')


def table(kind, samples):
    titles = ['contestant' if kind.contestants else 'part', kind.unit, *(['×, 95 %'] if kind.contestants else []),
              *(title for title, _, _ in kind.columns)]
    lines = ['| ' + ' | '.join(titles) + ' |', '| --- |' + ' ---: |' * (len(titles) - 1)]
    costs = method.Costs(samples, None)
    for name, own in samples.items():
        cells = [name, with_interval(costs.of(name))]
        base = kind.reference(name)
        if kind.contestants:
            cells.append(with_interval(costs.ratio(name, base)) if base in samples and base != name else '1')
        for _, key, form in kind.columns:
            each = [sample[key] for sample in own]
            cells.append(format(sum(each) if key == 'failed' else method.middle(each), form))
        lines.append('| ' + ' | '.join(cells) + ' |')
    return lines


def target_rows(targets):
    lines = ['| target | today | must | goal |', '| --- | ---: | ---: | ---: |']
    for target in targets:
        today = method.middle(target.values)
        cells = ['–' if limit is None else f'{number(limit)} {target.unit}: {verdict(today, limit)}'
                 for limit in (target.must, target.goal)]
        lines.append(f'| {target.title} | {with_interval(target.values)} {target.unit} | {cells[0]} | {cells[1]} |')
    return lines


def machine():
    model = re.search(r'^model name\s*: (.*)$', pathlib.Path('/proc/cpuinfo').read_text(), re.M)

    def version(name, option):
        done = subprocess.run([configurations.program(name), option], capture_output=True, text=True)
        return (done.stdout + done.stderr).splitlines()[0].removeprefix('nginx version: ').split(' (Library')[0]
    return [f'{model[1] if model else "unknown processor"}, {os.cpu_count()} cores, Linux {platform.release()}; '
            f'{version("openssl", "version")}; {version("nginx", "-v")}; {version("haproxy", "-v").split(" - ")[0]}.']


def markdown(found, verify_us):
    """`found`: (kind, samples, rounds, seconds) of each kind of work."""
    lines, targets = [], []
    for kind, samples, rounds, seconds in found:
        lines += [f'### {kind.title}', '', *table(kind, samples), '']
        if kind.contestants:
            lines += [f'{rounds} rounds{"" if kind.fresh else f" of {seconds} s"}.', '']
        targets += kind.targets(method.Costs(samples, verify_us)) if kind.targets else []
    if verify_us:
        lines += [f'One RS256 verification by itself: {verify_us:.1f} µs.', '']
    return '\n'.join([*(['### Targets', '', *target_rows(targets), ''] if targets else []), *lines, *machine()])


def plain(found, verify_us):
    """The same for machines: every sample, and the targets."""
    kinds, targets = {}, []
    for kind, samples, rounds, seconds in found:
        kinds[kind.name] = {'unit': kind.unit, 'rounds': rounds, 'seconds': seconds, 'samples': samples}
        for target in kind.targets(method.Costs(samples, verify_us)) if kind.targets else []:
            targets.append({'title': target.title, 'today': method.middle(target.values),
                            'interval': method.interval(target.values),
                            'must': target.must, 'goal': target.goal, 'unit': target.unit})
    return {'targets': targets, 'kinds': kinds, 'verify_us': verify_us, 'machine': machine()}
