/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain builder: a paused domain without memory becomes one whose first vCPU stands at the
 * kernel's entry. What the layout of the start of day is, hypervisor/core/pv_layout.c decides, for
 * the hypervisor's first domain as for these; kernels are read by hypervisor/core/elf.c, and
 * unpacked by toolstack/unpack.
 */
#ifndef BUILDER_BUILDER_H
#define BUILDER_BUILDER_H

#include <stdint.h>
#include <xenctrl.h>

#include "common/message.h"

/* How far it is: `done` of `all` bytes (all 0: not known). */
typedef void builder_progress(void *data, const char *what, uint64_t done, uint64_t all);

struct builder_request {
    xc_interface *xch;
    uint32_t domid;
    const char *kernel;  /* a file: ELF, or bzImage of any compression */
    const char *ramdisk; /* NULL: none */
    const char *cmdline; /* at most MAX_GUEST_CMDLINE - 1 characters */
    uint64_t memory_kib;
    uint64_t max_memory_kib; /* 0: memory_kib; what the guest may balloon up to */
    unsigned max_vcpus;
    uint32_t flags; /* SIF_* of start_info */
    evtchn_port_t store_port, console_port;
    domid_t store_domid, console_domid; /* whom the grants of both rings are given to */
    builder_progress *progress;         /* NULL: none */
    void *progress_data;
};

struct builder_result {
    unsigned long store_mfn, console_mfn;
    uint64_t pages;
};

/*
 * The domain exists (its vCPUs, its memory limit and its ports too), is paused and has no memory.
 * Memory is zero where nothing was loaded. On failure it has what it has: destroy it.
 * A negative errno, with `why` naming the file that is wrong, and what to do.
 */
int builder_build(const struct builder_request *request, struct builder_result *result,
                  struct message *why);

#endif
