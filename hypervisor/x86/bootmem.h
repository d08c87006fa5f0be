/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory before there is a heap: whole ranges of free RAM, cut from the top down. */
#ifndef X86_BOOTMEM_H
#define X86_BOOTMEM_H

#include "core/types.h"

#define BOOTMEM_4G       (1ull << 32)
#define BOOTMEM_ANYWHERE (~0ull)

/* Collect the RAM of e820 that holds neither the image nor a module nor lies below 1 MiB. */
void bootmem_init(void);
/* Aligned bytes that end at or below `limit`, contents as found. Stops the machine without room. */
maddr_t bootmem_alloc(uint64_t bytes, uint64_t align, uint64_t limit);
/* Give what is left to the heap. From now on bootmem_alloc() must not be called. */
void bootmem_to_heap(void);
bool bootmem_is_open(void);

#endif
