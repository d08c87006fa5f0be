# SPDX-License-Identifier: BSD-2-Clause
"""The table of all figures: ratios, bars, and the forms that it is written in."""
import json

from rows import GROUPS

SYSTEMS = ("paravane", "xen", "native")
# Two passes that differ by more are no figure to compare.
TOLERANCE = 0.02


class Row:
    """One thing measured on some systems. `bar` is what Paravane must not exceed; with `of_xen` it
    is a part of Xen's figure."""

    def __init__(self, group, name, unit="instructions", bar=None, of_xen=False):
        self.group, self.name, self.unit, self.bar, self.of_xen = group, name, unit, bar, of_xen
        self.passes = {}  # system: figures of the passes
        self.more = {}    # system: {what else is known of it: figure}

    def add(self, system, passes, **more):
        self.passes[system] = list(passes)
        self.more[system] = more

    def steady(self, system):
        """The mean of the passes; None when there are none, or they differ."""
        passes = self.passes.get(system)
        if not passes or max(passes) > min(passes) * (1 + TOLERANCE):
            return None
        return sum(passes) / len(passes)

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

    def as_dict(self):
        return {"group": self.group, "name": self.name, "unit": self.unit, "bar": self.bar,
                "bar_of_xen": self.of_xen, "verdict": self.verdict(), "passes": self.passes,
                "more": self.more,
                "ratio": {other: self.ratio(other) for other in SYSTEMS[1:]}}


class Table:
    """Rows in the order of their coming, and what was measured with what."""

    def __init__(self):
        self.rows = {}  # (group, name): Row
        self.versions = {}

    def row(self, group, name, **how):
        return self.rows.setdefault((group, name), Row(group, name, **how))

    def groups(self):
        """In the order of rows.py; what it does not name, last."""
        known = [group for group, *_ in GROUPS]
        found = dict.fromkeys(row.group for row in self.rows.values())
        return sorted(found, key=lambda g: known.index(g) if g in known else len(known))

    def of_group(self, group):
        return [row for row in self.rows.values() if row.group == group]

    def missed(self):
        return [f"{row.group}: {row.name}" for row in self.rows.values()
                if row.verdict() == "MISSED"]

    # --- as files

    def write_json(self, path):
        with open(path, "w") as f:
            json.dump({"versions": self.versions,
                       "rows": [row.as_dict() for row in self.rows.values()]}, f, indent=1)
            f.write("\n")

    @staticmethod
    def read_json(path):
        with open(path) as f:
            content = json.load(f)
        table = Table()
        table.versions = content["versions"]
        for one in content["rows"]:
            row = table.row(one["group"], one["name"], unit=one["unit"], bar=one["bar"],
                            of_xen=one["bar_of_xen"])
            for system, passes in one["passes"].items():
                row.add(system, passes, **one["more"].get(system, {}))
        return table

    def merge(self, older):
        """Takes over what was measured before and not now."""
        for key, row in older.rows.items():
            mine = self.rows.setdefault(key, Row(row.group, row.name, row.unit, row.bar, row.of_xen))
            for system, passes in row.passes.items():
                if system not in mine.passes:
                    mine.add(system, passes, **row.more[system])

    def markdown(self):
        return "\n\n".join(f"### {group}\n\n" + self._group_markdown(group)
                           for group in self.groups())

    def _group_markdown(self, group):
        lines = ["| | unit | Paravane | Xen 4.17 | native | to Xen | to native | bar |",
                 "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"]
        for row in self.of_group(group):
            cells = [row.name, row.unit]
            cells += [shown(row.passes.get(system, [])) for system in SYSTEMS]
            for other in SYSTEMS[1:]:
                ratio = row.ratio(other)
                cells.append(f"{ratio:.3f}" if ratio is not None else "-")
            verdict = row.verdict()
            bar = "" if row.bar is None else number(row.bar) + " x Xen" * row.of_xen
            cells.append(f"{verdict}: {bar}" if verdict else bar)
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join(lines)


def number(x):
    if x >= 1000:
        return f"{x:,.0f}"
    return f"{x:,.1f}" if x >= 100 else f"{x:.3g}"


def shown(passes):
    """One figure when the passes agree, all of them when they do not."""
    if passes and max(passes) <= min(passes) * (1 + TOLERANCE):
        passes = [sum(passes) / len(passes)]
    return " / ".join(number(x) for x in passes)
