#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The benchmark's own arithmetic and files, without a machine."""
import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from xml.dom import minidom

import tap

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench")
sys.path.insert(0, BENCH)
import chart  # noqa: E402
import jobs  # noqa: E402
import rows  # noqa: E402
import sections  # noqa: E402
import timers  # noqa: E402
from table import Table, shown  # noqa: E402


def script(name):
    """A script of tests/bench as a module."""
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(BENCH, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def table_of(ours, theirs, **how):
    table = Table()
    row = table.row("Group", "row", **how)
    row.add("paravane", ours, cr3=[2.0, 2.0])
    row.add("xen", theirs)
    table.versions = dict.fromkeys(("date", "paravane", "xen", "linux", "qemu", "compiler"), "?")
    return table, row


def test_ratios():
    _, row = table_of([100, 101], [200, 202])
    tap.ok(row.ratio("xen") == 0.5, "the ratio is that of the means")
    tap.ok(row.ratio("native") is None, "there is none to what was not measured")
    for passes in ([100, 102.1], [102.1, 100]):
        _, row = table_of(passes, [200, 200])
        tap.ok(row.ratio("xen") is None, f"none of passes that differ: {passes}")
    _, row = table_of([100, 100], [200, 210])
    tap.ok(row.ratio("xen") is None, "nor when the other's do")
    _, row = table_of([100, 102], [200, 200])
    tap.ok(row.ratio("xen") is not None, "2 % are no difference")
    _, row = table_of([0, 0], [0, 0])
    tap.ok(row.ratio("xen") is None, "nothing is divided by 0")
    tap.ok(shown([1000, 1010]) == "1,005" and shown([1000, 1100]) == "1,000 / 1,100",
           "figures that differ are both shown")


def test_bars():
    for bar, ours, verdict in ((100, [100, 100], "held"), (99, [100, 100], "MISSED"),
                               (200, [100, 110], "not to be said"), (None, [1, 1], None)):
        table, row = table_of(ours, [200, 200], bar=bar)
        tap.ok(row.verdict() == verdict, f"{ours} and a bar of {bar}: {verdict}")
        tap.ok(bool(table.missed()) == (verdict == "MISSED"), "a missed bar is told")
    _, row = table_of([100, 100], [200, 200], bar=0.4, of_xen=True)
    tap.ok(row.verdict() == "MISSED", "a bar that is a part of Xen's figure")


def test_files(directory):
    table, row = table_of([100, 101], [200, 202], bar=150)
    path = os.path.join(directory, "bench.json")
    table.write_json(path)
    again = Table.read_json(path)
    tap.ok(again.markdown() == table.markdown(), "what is written is read again")
    with open(path) as f:
        first = json.load(f)["rows"][0]
    tap.ok(first["ratio"] == {"xen": 0.5, "native": None} and first["verdict"] == "held",
           "ratios and verdicts are in it")
    older, _ = table_of([7, 7], [200, 202])
    older.row("Group", "other").add("xen", [1, 1])
    table.merge(older)
    tap.ok(row.passes["paravane"] == [100, 101] and ("Group", "other") in table.rows,
           "what was not measured now is taken over, and no more")
    picture = minidom.parseString(chart.svg("A & B", table.of_group("Group")))
    widths = [float(r.getAttribute("width")) for r in picture.getElementsByTagName("rect")]
    tap.ok(chart.WIDTH in widths, "the picture is XML, and its largest bar as long as it may be")
    table.stamp()
    table.row("Group", "former").add("paravane", [1, 1], version="1234567")
    report = script("report")
    text = report.replaced(f"a\n{report.BEGIN}\nold\n{report.END}\nz\n", table)
    tap.ok(text.startswith("a\n") and text.endswith("\nz\n") and "old" not in text and
           "| row |" in text, "the table is put into the document")
    tap.ok("Of Paravane 1234567, in part or wholly: Group." in text.replace("\n", " "),
           "which tells what is of another version")
    tap.ok("| row: Group | 150.0 | held | 100.5 |" in text, "and whose instructions those with a bar are")
    tap.ok("from, to |" in text and "`waitpid` included" in text, "and what timers include")
    tap.ok(report.replaced("nothing", table) is None, "not into one without a place for it")
    tap.ok(report.replaced(f"{report.BEGIN}\n{report.END}\nkept\n{report.END}\n", table) is None,
           "nor into one with two ends, between which there may be text")


def test_reasons(directory):
    asked = [("paravane", "calls"), ("xen", "calls"), ("native", "micro")]
    table = Table()
    rows.add(table, "paravane", "calls", {("newlib", "pin"): {"total": [9, 9], "hypervisor": [5, 5]}})
    rows.explain(table, asked, {("xen", "calls"): "it | stopped"})
    text = table.markdown()
    tap.ok("| pin | instructions | 5 | (2) |  |" in text and
           "- (2) not measured: Xen 4.17: it | stopped" in text, "why a figure is not there is told")
    tap.ok("Paravane: its program gave no figure" in text, "of each that was asked for")
    tap.ok("Disk" not in text, "nothing of what was not")
    path = os.path.join(directory, "reasons.json")
    table.write_json(path)
    older = Table()
    rows.add(older, "xen", "calls", {("newlib", "pin"): {"total": [7, 7], "hypervisor": [7, 7]}})
    rows.add(older, "xen", "life", {("control", "destroy"): {"total": [8, 8]}})
    again = Table.read_json(path)
    again.merge(older)
    tap.ok("xen" not in again.rows[rows.NEWLIB_GROUP, "pin"].passes and
           again.rows[rows.GUESTS_GROUP, "destroy"].passes["xen"] == [8, 8],
           "an older figure stays, but not for one that could not be measured now")
    tap.ok(timers.silent() == [], "something is said of each row's timer")


def step(table, system, name):
    """For test_jobs: what a benchmark may do, in its process."""
    table.row("Group", name).add(system, [1, 1])
    if name == "exit":
        sys.exit("why\nmore")
    if name == "raise":
        raise ValueError("wrong")


def test_jobs():
    wanted = [("xen", name) for name in ("good", "exit", "raise", "also good")]
    said = []
    results = {result.job: result for result in jobs.run(step, wanted, 2, said.append)}
    tap.ok(sorted(results) == sorted(wanted), "each is done, some at once")
    tap.ok([results[job].failure for job in wanted] ==
           [None, "why\nmore", "ValueError: wrong", None], "one that fails keeps none from going on")
    table = Table()
    for result in results.values():
        table.take(result.table)
    tap.ok(len(table.rows) == 4 and len(said) == 5, "what it had is kept; the progress is told")


def test_counters():
    table = Table()
    printed = [("read", "250", "cr3 loads"), ("read", "0", "ipis sent"), ("read", "252", "cr3 loads")]
    rows.add_counters(table, "guest", printed)
    tap.ok("| guest, read | 2.51 | 0 |" in table.markdown(), "counters stand side by side")


def test_sections(directory):
    names = sections.mark_names()
    path = os.path.join(directory, "sections")
    with open(path, "w") as f:
        f.write(f"section boot\nhypervisor 5\nsection #{names.index('phase_guest')}\nlow 1\n")
        for total in (900, 100, 120, 110, 900, 200, 200, 200):
            f.write(f"section #{names.index('getpid')}\nlow 10\nhypervisor {total - 10}\ncr3 20\n"
                    f"section #{names.index('end')}\nlow 7\n")
    found = sections.by_operation(sections.read(path))
    tap.ok(list(found) == [("control", "boot"), ("guest", "getpid")],
           "sections belong to the phase before them; what is between them to none")
    times = sections.repetitions(b"bench getpid 1 123 10\r\nbench getpid 2 123 10\n")
    figures = sections.measured(found, times)["guest", "getpid"]
    tap.ok(figures["total"] == [11, 20], "a pass is the median without its first batch")
    tap.ok(figures["cr3"] == [2, 2] and figures["low"] == [1, 1], "so are other counts")
    once = sections.measured(found, times)["control", "boot"]
    tap.ok(once["total"] == [5], "what was done once is a figure")
    printed = sections.printed_figures(b"figure memory 7\r\nfigure memory 9\n")
    tap.ok(printed == {"memory": [7, 9]}, "so is what a program has found itself")
    tap.ok(abs(figures["spread"][0] - 20 / 110) < 1e-9, "the spread is that of its batches")


def test_usage():
    run = [sys.executable, "-B", os.path.join(BENCH, "run")]
    listed = subprocess.run(run + ["--list"], capture_output=True, text=True)
    tap.ok(listed.returncode == 0 and "guest_micro" in listed.stdout.split(), "--list")
    for wrong, said in ((["--only", "nothing"], "there are:"), (["--systems", "hurd"], "there are:"),
                        (["--jobs", "0"], "at least 1"),
                        (["--only", "calls", "--systems", "native"], "cannot be measured on native")):
        done = subprocess.run(run + wrong, capture_output=True, text=True)
        tap.ok(done.returncode == 2 and said in done.stderr, " ".join(wrong))
    made = subprocess.run(["make", "bench", "B=nothing"], capture_output=True, text=True,
                          env={**os.environ, "MAKEFLAGS": ""}, cwd=os.path.join(BENCH, "..", ".."))
    tap.ok(made.returncode == 2 and "B=nothing: no benchmark" in made.stderr, "make bench B=nothing")


with tempfile.TemporaryDirectory() as place:
    test_ratios()
    test_bars()
    test_files(place)
    test_reasons(place)
    test_sections(place)
test_jobs()
test_counters()
test_usage()
tap.done()
