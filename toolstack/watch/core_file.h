/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's memory and registers as a file of the kind that Xen's tools write (ELF core with the
 * sections .note.Xen, .xen_prstatus, .xen_shared_info, .xen_p2m and .xen_pages; xen/elfnote.h names
 * the notes), so that what reads those reads this.
 */
#ifndef WATCH_CORE_FILE_H
#define WATCH_CORE_FILE_H

#include <stdint.h>
#include <xenctrl.h>

#include "common/message.h"

/* An entry of .xen_p2m; page n of .xen_pages is that of entry n. */
struct core_frame {
    uint64_t pfn, mfn;
};

/* The note XEN_ELFNOTE_DUMPCORE_XEN_VERSION. */
struct core_version {
    uint64_t major, minor;
    xen_extraversion_t extra;
    xen_compile_info_t compile_info;
    xen_capabilities_info_t capabilities;
    xen_changeset_info_t changeset;
    xen_platform_parameters_t platform;
    uint64_t page_size;
};

struct core_source {
    struct core_version version;
    const vcpu_guest_context_t *contexts;
    unsigned nr_vcpus;
    const void *shared_info; /* a page */
    const struct core_frame *frames;
    uint64_t nr_frames;
    /* Copies pages; what cannot be had is filled with zeroes. */
    void (*read_pages)(void *data, const struct core_frame *frames, unsigned count, char *pages);
    void *data;
};

#define CORE_PAGES_AT_ONCE 256u

int core_write(int fd, const struct core_source *source, struct message *why);

#endif
