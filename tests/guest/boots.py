# SPDX-License-Identifier: BSD-2-Clause
"""How a guest test says that it is booted: lines `test:` of its head comment.

The options and their defaults are in docs/internals (testing guests).
"""
import re
import shlex
from dataclasses import dataclass, fields, replace

USUAL_VCPUS = (1, 4)
LIMIT = 10  # virtual seconds
LIMIT_PARALLEL = 60  # of the host's CPU time


class Mistake(Exception):
    """The test's line cannot be understood."""


@dataclass(frozen=True)
class Boot:
    """One boot of a test program."""
    vcpus: int = 1
    memory: int = 16  # MiB of the domain
    machine: int = 128  # MiB
    limit: int = 0  # seconds
    parallel: bool = False
    args: str = ""
    options: str = ""  # more for the hypervisor's command line
    expect: str = ""  # regular expression
    xen: bool = True  # whether it says anything there

    def name(self, others):
        """What tells this boot from the test's others; the number of vCPUs in any case."""
        said = [f"vcpus={self.vcpus}"]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if field.name in ("limit", "expect", "xen") or value == field.default:
                continue
            if any(getattr(other, field.name) != value for other in others):
                said.append(f"{field.name}={'yes' if value is True else value}")
        return " ".join(said)


def _number(key, text):
    if not re.fullmatch(r"\d+", text):
        raise Mistake(f"{key}={text} is no number")
    return int(text)


def _boots_of_line(line):
    vcpus, boot = USUAL_VCPUS, Boot()
    for word in shlex.split(line):
        key, equals, value = word.partition("=")
        if not equals:
            raise Mistake(f"'{word}' is no option=value")
        if key == "vcpus":
            vcpus = [_number(key, n) for n in value.split(",")]
        elif key in ("memory", "machine", "limit"):
            boot = replace(boot, **{key: _number(key, value)})
        elif key in ("parallel", "xen") and value in ("yes", "no"):
            boot = replace(boot, **{key: value == "yes"})
        elif key in ("args", "options", "expect"):
            boot = replace(boot, **{key: value})
        else:
            raise Mistake(f"there is no option '{word}'")
    if not boot.limit:
        boot = replace(boot, limit=LIMIT_PARALLEL if boot.parallel else LIMIT)
    return [replace(boot, vcpus=n) for n in vcpus]


def _head_lines(source):
    """The lines of the comments before the first code, without their asterisks."""
    with open(source, encoding="utf-8") as f:
        for line in f:
            text = re.match(r"\s*(?:/\*+|\*+/?)?\s*(.*?)\s*(?:\*/)?\s*$", line).group(1)
            if line.startswith("#") or (text and not re.match(r"\s*(/\*|\*)", line)):
                return
            yield text


def read(source):
    """The boots that the program in file `source` wants, in order."""
    boots, open_line = [], ""
    for text in _head_lines(source):
        if open_line:
            open_line += " " + text
        elif text.startswith("test:"):
            open_line = text[len("test:"):].strip()
        # The formatter breaks long lines, also within quotes.
        if open_line and open_line.count('"') % 2 == 0:
            boots += _boots_of_line(open_line)
            open_line = ""
    if open_line:
        raise Mistake(f"a quote is not closed: {open_line}")
    return boots or _boots_of_line("")
