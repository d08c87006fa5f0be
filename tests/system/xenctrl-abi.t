#!/usr/bin/python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Our libxenctrl beside Debian's 4.17: the same prototypes, structures, constants and symbols."""
import os
import re
import subprocess
import tempfile

import machine as m
import tap

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEADERS = os.path.join(REPOSITORY, "include")
PROLOGUE = """
#define XC_WANT_COMPAT_MAP_FOREIGN_API 1
#define XC_WANT_COMPAT_EVTCHN_API 1
#define XC_WANT_COMPAT_GNTTAB_API 1
#include <xenctrl.h>
#include <xenguest.h>
"""
FIELDS = {
    "xc_dominfo_t": "domid ssidref shutdown_reason nr_pages nr_outstanding_pages nr_shared_pages "
                    "nr_paged_pages shared_info_frame cpu_time max_memkb nr_online_vcpus "
                    "max_vcpu_id handle cpupool gpaddr_bits arch_config",
    "xc_cpupoolinfo_t": "cpupool_id sched_id n_dom cpumap",
    "xc_error": "code message",
    "struct xc_hypercall_buffer": "hbuf param_shadow dir ubuf sz",
    "struct e820entry": "addr size type",
    "vcpu_guest_context_any_t": "x64 x32 c",
    "shared_info_any_t": "x64 x32 s",
    "start_info_any_t": "x64 x32 s",
    "xc_domaininfo_t": "", "xc_vcpuinfo_t": "", "xc_physinfo_t": "", "xc_cputopo_t": "",
    "xc_numainfo_t": "", "xc_meminfo_t": "", "xc_pcitopoinfo_t": "", "xc_cpuinfo_t": "",
    "xc_evtchn_status_t": "", "xc_evtchn_port_or_error_t": "",
}
CONSTANTS = """XC_PAGE_SHIFT XC_PAGE_SIZE XC_PAGE_MASK INVALID_MFN XENCTRL_HAS_XC_INTERFACE
XC_OPENFLAG_DUMMY XC_OPENFLAG_NON_REENTRANT XC_ERROR_NONE XC_INTERNAL_ERROR XC_INVALID_KERNEL
XC_INVALID_PARAM XC_OUT_OF_MEMORY XC_MAX_ERROR_MSG_LEN XC_CPUPOOL_POOLID_ANY E820_RAM E820_RESERVED
E820_ACPI E820_NVS E820_UNUSABLE E820MAX XEN_DOMCTL_INTERFACE_VERSION
XEN_SYSCTL_INTERFACE_VERSION""".split()
FLAGS = "dying crashed shutdown paused blocked running hvm debugged xenstore hap".split()


def compiler(*arguments, source, ours):
    """gcc's, whatever CC is: what it tells of prototypes is its own."""
    include = ["-I" + HEADERS] if ours else []
    subprocess.run(["gcc", "-std=gnu11", "-x", "c", *include, *arguments, "-"],
                   input=PROLOGUE + source, text=True, check=True)


def prototypes(work, ours):
    """{function: prototype}"""
    path = os.path.join(work, "prototypes")
    compiler("-fsyntax-only", "-aux-info", path, source="", ours=ours)
    with open(path, encoding="utf-8") as f:
        found = re.findall(r"^/\*.*?\*/ extern (.*?\b(xc_\w+) \(.*?;)", f.read(), re.M)
    return {name: text for text, name in found}


def layout(work, ours):
    """Sizes, offsets and constants, as text."""
    lines = []
    for kind, fields in FIELDS.items():
        lines.append(f'printf("{kind} %zu\\n", sizeof({kind}));')
        lines += [f'printf("{kind}.{field} %zu\\n", offsetof({kind}, {field}));'
                  for field in fields.split()]
    lines += [f'printf("{name} %#llx\\n", (unsigned long long)({name}));' for name in CONSTANTS]
    for flag in FLAGS:
        lines.append(f"{{ union {{ xc_dominfo_t info; unsigned char byte[sizeof(xc_dominfo_t)]; }} u"
                     f" = {{ .info = {{ .{flag} = 1 }} }};"
                     f' for (size_t i = 0; i < sizeof(u); i++) if (u.byte[i]) '
                     f'printf("{flag} %zu %#x\\n", i, u.byte[i]); }}')
    program = os.path.join(work, "layout")
    compiler("-o", program, source="int main(void) {" + "\n".join(lines) + "}\n", ours=ours)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout


def symbols(path):
    """What a shared library defines: {name: version}."""
    text = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True,
                          check=True).stdout
    return dict(re.findall(r"^\w+ [TDBR] (\w+)@@(\S+)$", text, re.M))


def debian(library):
    return subprocess.run(["gcc", "-print-file-name=" + library], capture_output=True, text=True,
                          check=True).stdout.strip()


def compare_symbols(library):
    ours, theirs = symbols(os.path.join(m.BUILD, "lib", library)), symbols(debian(library))
    other = {name for name in ours if theirs.get(name) != ours[name]}
    if not tap.ok(ours and not other, f"{library} has only symbols of Debian's, of their versions"):
        tap.diag(" ".join(sorted(other)))
    return set(ours)


def documentation():
    with open(os.path.join(REPOSITORY, "docs", "libxenctrl.md"), encoding="utf-8") as f:
        return f.read()


def documented_program():
    return re.search(r"^```c\n(.*?)^```$", documentation(), re.M | re.S).group(1)


def builds(*arguments):
    """Whether the program of the documentation is compiled and linked without a warning."""
    with tempfile.TemporaryDirectory() as work:
        result = subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-x", "c", "-",
                                 "-x", "none", "-o", os.path.join(work, "list"), *arguments],
                                input=documented_program(), text=True, capture_output=True)
    if result.returncode:
        tap.diag(result.stderr)
    return result.returncode == 0


with tempfile.TemporaryDirectory() as work:
    ours, theirs = prototypes(work, True), prototypes(work, False)
    wrong = [text for name, text in ours.items() if theirs.get(name) != text]
    if not tap.ok(len(ours) > 100 and not wrong, "every prototype is as in Debian's headers"):
        tap.diag("\n".join(wrong))
    count = f"{len(ours)} functions of Debian's {len(theirs)}"
    tap.ok(count in documentation(), f"{count}, and the documentation says so")
    here, there = layout(work, True).splitlines(), layout(work, False).splitlines()
    if not tap.ok(len(here) > 80 and here == there, "structures and constants are the same"):
        tap.diag("\n".join(f"{a}, Debian's {b}" for a, b in zip(here, there) if a != b))

found = compare_symbols("libxenctrl.so.4.17") | compare_symbols("libxenguest.so.4.17")
if not tap.ok(set(ours) <= found, "every function that the headers declare is there"):
    tap.diag(" ".join(sorted(set(ours) - found)))
internal = {name for name in found - set(ours) if not name.startswith("xc__hypercall_buffer_")}
if not tap.ok(not internal, "nothing else is"):
    tap.diag(" ".join(sorted(internal)))

lib = "-L" + os.path.join(m.BUILD, "lib")
below = ("-lxencall -lxenforeignmemory -lxenevtchn -lxengnttab -lxentoollog -lxentoolcore").split()
tap.ok(builds("-I" + HEADERS, lib, "-lxenctrl", "-lxentoollog"),
       "the documented program builds with our shared library")
tap.ok(builds("-static", "-I" + HEADERS, lib, "-lxenctrl", *below), "with our archive")
tap.ok(builds("-lxenctrl", "-lxentoollog"), "with Debian's library")
tap.done()
