/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unpacking a Linux kernel image to the ELF file inside. The hypervisor parses ELF only, so this is
 * done when a boot image or boot-loader entry is made, by whoever makes it.
 */
#ifndef UNPACK_H
#define UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The values are pvunpack's exit codes; docs/pvunpack.md documents them. */
enum unpack_result {
    UNPACK_OK = 0,
    UNPACK_USAGE = 1,
    UNPACK_IO = 2,      /* reading or writing failed */
    UNPACK_REFUSED = 3, /* no kernel image, or one that cannot be unpacked */
    UNPACK_DAMAGED = 4, /* a kernel image, cut off or corrupted */
};

/* A kernel of today unpacks to some 60 MiB; what passes this bound is taken for a decompression
 * bomb. */
#define UNPACK_DEFAULT_LIMIT (1024ull << 20)
/* What a decoder may take for its window. */
#define UNPACK_MEMORY_LIMIT  (256ull << 20)

struct unpack_report {
    const char *format; /* "elf" or the name of the compression; NULL while unknown */
    uint64_t written;   /* bytes */
    char error[200];    /* one line without a newline when the result is not UNPACK_OK */
};

/*
 * Reads a bzImage or an ELF file from in and writes the ELF file to out, at most limit bytes. Both
 * may be pipes. On failure bytes may have been written already; the caller discards them.
 */
enum unpack_result unpack_kernel(int in, int out, uint64_t limit, struct unpack_report *report);

#endif
