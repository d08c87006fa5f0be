/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of the store daemon, and byte strings that several owners share.
 *
 * When memory runs out the process ends: what was answered is kept (state.h), a new process takes
 * it up, and the request at hand was not begun.
 */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

void *store_alloc(size_t size) __attribute__((returns_nonnull)); /* zeroed */
void *store_realloc(void *memory, size_t size) __attribute__((returns_nonnull));

/* Never changed after it was made. */
struct blob {
    unsigned refs;
    uint32_t size;
    char bytes[];
};

struct blob *blob_new(const void *bytes, size_t size);
struct blob *blob_get(struct blob *blob); /* NULL stays NULL */
void blob_put(struct blob *blob);

#endif
