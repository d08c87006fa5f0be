# SPDX-License-Identifier: BSD-2-Clause
"""What docs/differences-from-xen.md lists: checks that are known to come out otherwise on Xen."""
import os
import re

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs",
                        "differences-from-xen.md")


def _cells(line):
    """The cells of a table's row, or nothing."""
    if not line.startswith("|"):
        return []
    cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
    return [cell.strip().strip("`").replace("\\|", "|") for cell in cells]


class Differences:
    """The list for one test. Keeps account of what has been seen of it."""

    def __init__(self, test, document=DOCUMENT):
        self._seen = {}  # text: whether it differed in any boot
        with open(document, encoding="utf-8") as f:
            for line in f:
                cells = _cells(line)
                if len(cells) == 5 and cells[0] == test:
                    self._seen[cells[1]] = None

    def expected(self, text, differs):
        """A check came out. True when it differs and is listed."""
        if text not in self._seen:
            return False
        self._seen[text] = bool(self._seen[text]) or differs
        return differs

    def stale(self):
        """Listed checks that passed in all boots, or were not made in any."""
        return [(text, seen is not None) for text, seen in self._seen.items() if not seen]
