/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking up the exception table. It is short, and faults in the hypervisor are rare: no sorting.
 */
#include "x86/extable.h"

struct extable_entry {
    uint64_t start, end, fixup;
};

extern const struct extable_entry extable_start[], extable_end[];

uint64_t extable_find(uint64_t rip)
{
    for (const struct extable_entry *e = extable_start; e < extable_end; e++)
        if (rip >= e->start && rip < e->end)
            return e->fixup;
    return 0;
}
