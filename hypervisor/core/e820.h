/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's memory map: sorted, without overlaps, repaired where a firmware's map is not. */
#ifndef CORE_E820_H
#define CORE_E820_H

#include "core/types.h"

#define E820_MAX 128u

/* ACPI 6.4, table 15.4; the numbers are ABI for XENMEM_machine_memory_map too. */
enum e820_type {
    E820_RAM = 1,
    E820_RESERVED = 2,
    E820_ACPI = 3,
    E820_NVS = 4,
    E820_UNUSABLE = 5,
};

struct e820_entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

struct e820_map {
    unsigned count;
    struct e820_entry entry[E820_MAX];
};

extern struct e820_map e820; /* what the machine has, after sanitizing */

/*
 * Sort, and resolve overlaps in favour of the more restrictive type; merge neighbours of one type;
 * drop empty and wrapping entries. Returns false when no RAM is left.
 */
bool e820_sanitize(struct e820_map *map);
/* Is all of [start, end) of this type? */
bool e820_all(const struct e820_map *map, uint64_t start, uint64_t end, uint32_t type);
uint64_t e820_ram_bytes(const struct e820_map *map);
uint64_t e820_ram_end(const struct e820_map *map); /* one past the highest RAM byte */

#endif
