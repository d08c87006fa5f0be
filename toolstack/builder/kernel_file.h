/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel's file, as ELF: the file itself, or what a bzImage unpacks to.
 */
#ifndef BUILDER_KERNEL_FILE_H
#define BUILDER_KERNEL_FILE_H

#include "builder/core.h"
#include "common/message.h"

struct kernel_file {
    int fd; /* of the ELF image */
    uint64_t size;
    struct pv_kernel kernel;
};

/* A negative errno: it cannot be read, or is no kernel of a PV domain. */
int kernel_file_open(struct kernel_file *k, const char *path, struct message *why);
void kernel_file_close(struct kernel_file *k);

#endif
