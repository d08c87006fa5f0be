/* SPDX-License-Identifier: BSD-2-Clause */
/* Which frames are RAM, and which device memory a domain may map. */
#ifndef X86_IOMEM_H
#define X86_IOMEM_H

#include "core/types.h"

struct domain;

/*
 * Below: RAM too, but with the firmware's data in places that no map tells, so that it is nobody's.
 * Domains with devices may look for that data as in device memory (Linux searches all from 512 KiB
 * on). The other CPUs' trampoline lies there as well, of no use any more when a domain runs.
 */
#define LOW_MEMORY_END 0x100000ull
/*
 * RAM that a domain can own, by the machine's map, whoever has it now. A page that is RAM only in
 * part is none.
 */
bool mfn_is_ram(mfn_t mfn);
/*
 * Keep a device page for the hypervisor: `read` says whether others may still read it. Boot only.
 */
void iomem_reserve(maddr_t start, size_t bytes, bool read);
bool iomem_permitted(const struct domain *d, mfn_t mfn, bool write);

#endif
