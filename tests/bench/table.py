# SPDX-License-Identifier: BSD-2-Clause
"""The table of all figures: ratios, bars, and the forms that it is written in."""
import json

from rows import COUNTERS_GROUP, GROUPS, ORDER, SYSTEMS

NAMES = {"paravane": "Paravane", "xen": "Xen 4.17", "native": "native"}
# Two passes that differ by more are no figure to compare.
TOLERANCE = 0.02


class Row:
    """One thing measured on some systems. `bar` is what Paravane must not exceed; with `of_xen` it
    is a part of Xen's figure."""

    def __init__(self, group, name, unit="instructions", bar=None, of_xen=False):
        self.group, self.name, self.unit, self.bar, self.of_xen = group, name, unit, bar, of_xen
        self.passes = {}  # system: figures of the passes
        self.more = {}    # system: {what else is known of it: figure}
        self.why = {}     # system: why there is no figure though there should be

    def add(self, system, passes, **more):
        self.passes[system] = list(passes)
        self.more[system] = more

    def mean(self, system):
        passes = self.passes[system]
        return sum(passes) / len(passes)

    def steady(self, system):
        """The mean of the passes; None when there are none, or they differ."""
        return self.mean(system) if agree(self.passes.get(system)) else None

    def ratio(self, other):
        ours, theirs = self.steady("paravane"), self.steady(other)
        return ours / theirs if ours is not None and theirs else None

    def verdict(self):
        """None where there is no bar or nothing to hold against it; else "held", "MISSED", or "not to
        be said"."""
        if self.bar is None or "paravane" not in self.passes:
            return None
        ours = self.ratio("xen") if self.of_xen else self.steady("paravane")
        if ours is None:
            return "not to be said"
        return "held" if ours <= self.bar else "MISSED"

    def part(self, system, which):
        """What of the figure is executed in one of "hypervisor", "kernel", "low"; None where it is
        not told apart."""
        passes = self.more.get(system, {}).get(which)
        return sum(passes) / len(passes) if passes else None

    def as_dict(self):
        return {"group": self.group, "name": self.name, "unit": self.unit, "bar": self.bar,
                "bar_of_xen": self.of_xen, "verdict": self.verdict(), "passes": self.passes,
                "more": self.more, "not_measured": self.why,
                "ratio": {other: self.ratio(other) for other in SYSTEMS[1:]}}


class Table:
    """Rows, and what was measured with what."""

    def __init__(self):
        self.rows = {}      # (group, name): Row
        self.versions = {}
        self.seconds = {}   # "benchmark, system": wall time

    def row(self, group, name, **how):
        return self.rows.setdefault((group, name), Row(group, name, **how))

    def groups(self):
        """In the order of rows.py; what it does not name, last."""
        found = dict.fromkeys(row.group for row in self.rows.values())
        return sorted(found, key=lambda g: GROUPS.index(g) if g in GROUPS else len(GROUPS))

    def of_group(self, group):
        rows = [row for row in self.rows.values() if row.group == group]
        return sorted(rows, key=lambda row: ORDER.get((row.group, row.name), len(ORDER)))

    def missed(self):
        return [f"{row.group}: {row.name}" for row in self.rows.values()
                if row.verdict() == "MISSED"]

    def take(self, part):
        """Adds what was measured by another process."""
        for key, row in part.rows.items():
            mine = self.rows.setdefault(key, row)
            for system in row.passes:
                mine.add(system, row.passes[system], **row.more[system])

    def stamp(self):
        """Each of Paravane's figures tells of which version it is: not all are measured at once."""
        for row in self.rows.values():
            if "paravane" in row.passes:
                row.more["paravane"]["version"] = self.versions["paravane"]

    # --- as files

    def write_json(self, path):
        rows = [row.as_dict() for group in self.groups() for row in self.of_group(group)]
        with open(path, "w") as f:
            json.dump({"versions": self.versions, "seconds": self.seconds, "rows": rows}, f,
                      indent=1)
            f.write("\n")

    @staticmethod
    def read_json(path):
        with open(path) as f:
            content = json.load(f)
        table = Table()
        table.versions = content["versions"]
        table.seconds = content.get("seconds", {})
        for one in content["rows"]:
            row = table.row(one["group"], one["name"], unit=one["unit"], bar=one["bar"],
                            of_xen=one["bar_of_xen"])
            row.why = one.get("not_measured", {})
            for system, passes in one["passes"].items():
                row.add(system, passes, **one["more"].get(system, {}))
        return table

    def merge(self, older):
        """Takes over what was measured before and was not to be measured now."""
        self.seconds = {**older.seconds, **self.seconds}
        for key, row in older.rows.items():
            mine = self.rows.setdefault(key, Row(row.group, row.name, row.unit, row.bar, row.of_xen))
            for system, passes in row.passes.items():
                if system not in mine.passes and system not in mine.why:
                    mine.add(system, passes, **row.more[system])
            for system, why in row.why.items():
                if system not in mine.passes:
                    mine.why.setdefault(system, why)

    def markdown(self):
        return "\n\n".join(f"### {group}\n\n" + self._group_markdown(group)
                           for group in self.groups())

    def _group_markdown(self, group):
        if group == COUNTERS_GROUP:
            return matrix(self.of_group(group))
        lines = ["| | unit | Paravane | Xen 4.17 | native | to Xen | to native | bar |",
                 "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"]
        reasons = []
        for row in self.of_group(group):
            cells = [row.name, row.unit]
            cells += [figure(row, system, reasons) for system in SYSTEMS]
            for other in SYSTEMS[1:]:
                ratio = row.ratio(other)
                cells.append(f"{ratio:.3f}" if ratio is not None else "-")
            verdict = row.verdict()
            bar = "" if row.bar is None else number(row.bar) + " x Xen" * row.of_xen
            cells.append(f"{verdict}: {bar}" if verdict else bar)
            lines.append("| " + " | ".join(cells) + " |")
        notes = [f"- ({i}) not measured: {reason}" for i, reason in enumerate(reasons, 1)]
        return "\n".join(lines + [""] * bool(notes) + notes)


def figure(row, system, reasons):
    """A cell; where there is no figure and should be one, the number of the reason."""
    if system in row.passes or system not in row.why:
        return shown(row.passes.get(system, []))
    reason = f"{NAMES[system]}: {row.why[system]}"
    if reason not in reasons:
        reasons.append(reason)
    return f"({reasons.index(reason) + 1})"


def matrix(rows):
    """Rows called "OPERATION: COUNTER" as a table of both."""
    cells = {}
    for row in rows:
        operation, counter = row.name.rsplit(": ", 1)
        cells.setdefault(operation, {})[counter] = shown(row.passes["paravane"])
    counters = list(dict.fromkeys(counter for line in cells.values() for counter in line))
    lines = ["| Paravane, an operation | " + " | ".join(counters) + " |",
             "| --- |" + " ---: |" * len(counters)]
    for operation, line in cells.items():
        lines.append(f"| {operation} | " + " | ".join(line.get(c, "") for c in counters) + " |")
    return "\n".join(lines)


def number(x):
    if x >= 1000:
        return f"{x:,.0f}"
    return f"{x:,.1f}" if x >= 100 else f"{x:.3g}"


def agree(passes):
    return bool(passes) and max(passes) <= min(passes) * (1 + TOLERANCE)


def shown(passes):
    """One figure when the passes agree, all of them when they do not."""
    if agree(passes):
        passes = [sum(passes) / len(passes)]
    return " / ".join(number(x) for x in passes)
