# SPDX-License-Identifier: BSD-2-Clause
"""Reporting in the Test Anything Protocol. A script that stops before done() has no plan and fails."""
import sys

_count = 0
_failed = 0


def ok(good, name):
    """One check. Returns whether it passed."""
    global _count, _failed
    _count += 1
    if not good:
        _failed += 1
    print(f"{'ok' if good else 'not ok'} {_count} - {name}", flush=True)
    return bool(good)


def skip(name, why):
    """One check that cannot be made here."""
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def diag(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def done():
    """Prints the plan and ends the script."""
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed or not _count else 0)
