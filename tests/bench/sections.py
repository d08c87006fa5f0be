# SPDX-License-Identifier: BSD-2-Clause
"""What the plugin (count.c) wrote, as figures of operations.

A program does an operation in batches (programs/batch.h): a section each, in two passes, the first
batch of which warms up. A figure is the median of a pass's other batches for one operation.
"""
import os
import re
import statistics

HERE = os.path.dirname(os.path.abspath(__file__))
PASSES = 2
# What a section says; "total" is the sum of the first three: executed, by whatever domain.
WHERE = ("low", "hypervisor", "kernel")
COUNTS = WHERE + ("cr3", "invlpg")
CONTROL = "control"


def mark_names():
    """programs/marks.def: names by their numbers."""
    with open(os.path.join(HERE, "programs", "marks.def")) as f:
        return re.findall(r"^MARK\((\w+)\)", f.read(), re.M)


class Section:
    """What was executed from a mark to the next one."""

    def __init__(self, name):
        self.name = name
        self.counts = dict.fromkeys(COUNTS, 0)
        self.addresses = {}  # instruction: how often

    def total(self):
        return sum(self.counts[where] for where in WHERE)

    def value(self, what):
        return self.total() if what == "total" else self.counts[what]


def read(path):
    """The plugin's file: Sections in their order."""
    names = mark_names()
    sections = []
    with open(path) as f:
        for line in f:
            key, value = line.split()
            if key == "section":
                sections.append(Section(names[int(value[1:])] if value[0] == "#" else value))
            elif key in COUNTS:
                sections[-1].counts[key] += int(value)
            else:
                sections[-1].addresses[int(key, 16)] = int(value)
    return sections


def by_operation(sections, complete=True):
    """{(phase, operation): [Section]}: a phase's mark says which domain's the next ones are. Of what is
    not complete the last phase is left out."""
    result = {}
    phase = CONTROL
    if not complete:
        starts = [i for i, one in enumerate(sections) if one.name.startswith("phase_")]
        sections = sections[:starts[-1]] if starts else []
    for section in sections:
        if section.name.startswith("phase_"):
            phase = section.name.removeprefix("phase_")
        elif section.name not in ("none", "end", "init"):
            result.setdefault((phase, section.name), []).append(section)
    return result


def repetitions(console):
    """How often each operation is done in a batch, from what programs printed."""
    return {name.decode(): int(count) for name, count in
            re.findall(rb"^bench (\w+) \d \d+ (\d+)\r?$", console, re.M)}


def printed_figures(console):
    """{name: [figure of each pass]} of what programs found without counting instructions."""
    result = {}
    for name, value in re.findall(rb"^figure (\w+) (\d+)\r?$", console, re.M):
        result.setdefault(name.decode(), []).append(int(value))
    return result


def passes(sections):
    """The sections that count, of each pass; what was done once counts."""
    size = len(sections) // PASSES
    if size == 0:
        return [sections]
    return [sections[first + 1:first + size] for first in range(0, size * PASSES, size)]


def counted(sections):
    """All that count."""
    return [section for one in passes(sections) for section in one]


def figures(sections, times):
    """Of the sections of one operation, done `times` times in each: {what: [figure of each pass]},
    and under "spread" how far the batches of a pass lie apart, as part of their median."""
    result = {what: [] for what in ("total", "spread") + COUNTS}
    for batches in filter(None, passes(sections)):
        for what in ("total",) + COUNTS:
            result[what].append(statistics.median(b.value(what) for b in batches) / times)
        totals = [b.total() for b in batches]
        result["spread"].append((max(totals) - min(totals)) / max(statistics.median(totals), 1))
    return result


def measured(operations, times):
    """{(phase, operation): figures()} of by_operation() and repetitions()."""
    return {key: figures(found, times.get(key[1], 1)) for key, found in operations.items()}
