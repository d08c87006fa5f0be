/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's command line: one table of options (core/cmdline.def) sets the defaults, parses
 * the line, and gives the reference in docs/ (make docs). Options that mean what one of Xen's means
 * bear its name.
 */
#ifndef CORE_CMDLINE_H
#define CORE_CMDLINE_H

#include "core/types.h"

/* Every option's value; defaults set by cmdline_defaults(). */
struct options {
    char console[32];        /* console=com1,vga */
    char com1[48], com2[48]; /* com1=115200,8n1 */
    bool vga_keep;           /* go on writing to the screen when the control domain runs */
    uint64_t dom0_mem_pages; /* 0: all but a reserve */
    uint64_t dom0_mem_max_pages;
    unsigned dom0_max_vcpus;                  /* 0: one a CPU */
    unsigned maxcpus;                         /* 0: all */
    int loglvl, guest_loglvl;                 /* highest enum log_level shown always; -1: none */
    int loglvl_limited, guest_loglvl_limited; /* highest shown subject to the rate limit */
    unsigned sched_ratelimit_us;              /* as sched_set_ratelimit() takes it */
    bool sync_console;
    bool noreboot; /* after a panic or crash: halt */
    bool smap, smep, pcid, x2apic;
    bool spec_ctrl;
    bool unsafe_cpu;      /* start on a CPU that cannot be defended */
    char clocksource[16]; /* hpet, acpi, pit, or empty: the best */
    bool audit;           /* audit memory when the control domain shuts down */
};

extern struct options options;

void cmdline_defaults(struct options *o);
/*
 * Parse a loader's command line, up to a word "--". A first word with a slash before any '=' is the
 * image's name and ignored. Unknown options and bad values are reported by log_warning() with
 * what was expected, and change nothing. Returns the number of warnings.
 */
unsigned cmdline_parse(struct options *o, const char *line);

#endif
