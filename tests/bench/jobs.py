# SPDX-License-Identifier: BSD-2-Clause
"""Benchmarks at once, each in a process of its own: what is counted does not depend on the host."""
import collections
import multiprocessing
import os
import signal
import sys
import time

from table import Table

Result = collections.namedtuple("Result", "job table failure seconds")


def _work(job):
    """In a process of its own, which a signal ends as an exit does: with it its machines."""
    step, system, name = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    table, failure = Table(), None
    start = time.monotonic()
    try:
        step(table, system, name)
    except SystemExit as reason:
        failure = str(reason)
    except Exception as error:  # pylint: disable=broad-except
        failure = f"{type(error).__name__}: {error}"
    return Result((system, name), table, failure, time.monotonic() - start)


def run(step, jobs, at_once, say):
    """Calls step(table, system, name) for each (system, name), so many at once, and yields Results as
    they come. What a step has added before it failed is in its Result. `say` gets lines on the
    progress."""
    with multiprocessing.get_context("fork").Pool(at_once, maxtasksperchild=1) as pool:
        results = pool.imap_unordered(_work, [(step, *job) for job in jobs])
        say(f"{len(jobs)} benchmarks, {at_once} at once")
        for count, result in enumerate(results, 1):
            system, name = result.job
            say(f"{count}/{len(jobs)} {name}, {system}: "
                f"{'failed' if result.failure else 'done'} in {result.seconds:.0f} s")
            yield result


def processors():
    return len(os.sched_getaffinity(0))
