/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory: a failure ends the process.
 */
#include "store/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("pvstored: no memory is left; what was answered is kept for the next start\n",
              stderr);
        abort();
    }
    return memory;
}

void *store_alloc(size_t size)
{
    return checked(calloc(1, size));
}

void *store_realloc(void *memory, size_t size)
{
    return checked(realloc(memory, size));
}

struct blob *blob_new(const void *bytes, size_t size)
{
    struct blob *blob = checked(malloc(sizeof(*blob) + size));
    blob->refs = 1;
    blob->size = (uint32_t)size;
    if (size)
        memcpy(blob->bytes, bytes, size);
    return blob;
}

struct blob *blob_get(struct blob *blob)
{
    if (blob != NULL)
        blob->refs++;
    return blob;
}

void blob_put(struct blob *blob)
{
    if (blob != NULL && --blob->refs == 0)
        free(blob);
}
