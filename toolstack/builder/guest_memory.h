/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of the domain that is being built: its frames, and windows on them.
 */
#ifndef BUILDER_GUEST_MEMORY_H
#define BUILDER_GUEST_MEMORY_H

#include <stdint.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "common/message.h"

struct guest_memory {
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    uint32_t domid;
    uint64_t pages;
    xen_pfn_t *p2m; /* machine frame of each page */
};

/* Gives the domain `pages` pages, zero. -ENOMEM with what is left said in `why`. */
int guest_memory_populate(struct guest_memory *m, xc_interface *xch, uint32_t domid, uint64_t pages,
                          struct message *why);
void guest_memory_free(struct guest_memory *m);

/* Pages [pfn, pfn + count) for reading and writing. NULL with `why`. Undone by unmap. */
void *guest_memory_map(struct guest_memory *m, uint64_t pfn, uint64_t count, struct message *why);
void guest_memory_unmap(struct guest_memory *m, void *at, uint64_t count);

/*
 * Copies `bytes` of a file from `offset` on into the domain's memory at byte `to`. Calls
 * progress(data, bytes done) now and then. The domain's memory stays mapped until the process ends
 * (builder/apart.h).
 */
int guest_memory_load(struct guest_memory *m, uint64_t to, int fd, uint64_t offset, uint64_t bytes,
                      void (*progress)(void *data, uint64_t done), void *data, struct message *why);

#endif
