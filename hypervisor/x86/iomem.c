/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device memory. Everything that is not RAM may be mapped by a domain that has devices, but for
 * what the hypervisor drives itself (local APICs, IOAPICs, its timers), noted here at boot.
 */
#include "x86/iomem.h"

#include "core/domain.h"
#include "core/e820.h"
#include "core/lib.h"
#include "x86/cpu.h"

#define RESERVED_MAX 32u

static struct reserved_range {
    uint64_t first, last; /* frames */
    bool read;
} reserved[RESERVED_MAX];
static unsigned reserved_count;

bool mfn_is_ram(mfn_t mfn)
{
    uint64_t addr = mfn.v << PAGE_SHIFT;
    return addr >= LOW_MEMORY_END && e820_all(&e820, addr, addr + PAGE_SIZE, E820_RAM);
}

void iomem_reserve(maddr_t start, size_t bytes, bool read)
{
    BUG_ON(reserved_count == RESERVED_MAX);
    reserved[reserved_count++] = (struct reserved_range){
        .first = start.v >> PAGE_SHIFT, .last = (start.v + bytes - 1) >> PAGE_SHIFT, .read = read};
}

bool iomem_permitted(const struct domain *d, mfn_t mfn, bool write)
{
    if (!d->arch.all_iomem || mfn.v >> (cpu_features.phys_bits - PAGE_SHIFT))
        return false;
    for (unsigned i = 0; i < reserved_count; i++)
        if (mfn.v >= reserved[i].first && mfn.v <= reserved[i].last)
            return reserved[i].read && !write;
    return true;
}
