# SPDX-License-Identifier: BSD-2-Clause
"""Names for addresses, from a program's symbol table."""
import bisect
import os
import subprocess


def symbols(path):
    """Address and name of the functions and data of a program, by address."""
    text = subprocess.run(["nm", "-n", path], check=True, capture_output=True, text=True).stdout
    return [(int(line.split()[0], 16), line.split()[2]) for line in text.splitlines()
            if len(line.split()) == 3]


class Names:
    """Says where an address is, of several programs; the nearest symbol below it is the one."""

    def __init__(self, *paths):
        self._programs = [symbols(path) for path in paths if os.path.exists(path)]

    def name(self, address):
        best = None
        for table in self._programs:
            i = bisect.bisect_right(table, (address, chr(0x10ffff))) - 1
            # The last symbol of a program is its end.
            if 0 <= i < len(table) - 1 and (best is None or table[i] > best):
                best = table[i]
        return f"{best[1]}+{address - best[0]:#x}" if best else "?"
