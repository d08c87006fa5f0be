/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of one build, and its steps in start.c. */
#ifndef BUILDER_BUILD_H
#define BUILDER_BUILD_H

#include "builder/builder.h"
#include "builder/guest_memory.h"
#include "builder/kernel_file.h"

struct build {
    const struct builder_request *request;
    struct kernel_file kernel;
    int ramdisk_fd; /* -1: none */
    uint64_t ramdisk_bytes;
    struct pv_layout layout;
    struct guest_memory memory;
    const char *step; /* for progress: what is loaded, and how far it is */
    uint64_t step_before, step_all;
};

/* start_info, the shared page, the hypercall page. */
int start_write(struct build *b, struct message *why);
/* Grants of the rings, the memory map, and the first vCPU's registers: page tables are pinned. */
int start_domain(struct build *b, struct message *why);

#endif
