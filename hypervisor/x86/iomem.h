/* SPDX-License-Identifier: BSD-2-Clause */
/* Which frames are RAM, and which device memory a domain may map. */
#ifndef X86_IOMEM_H
#define X86_IOMEM_H

#include "core/types.h"

struct domain;

/*
 * Usable RAM by the machine's map, whoever has it now. A page that is RAM only in part is none:
 * nobody can own it.
 */
bool mfn_is_ram(mfn_t mfn);
/*
 * Keep a device page for the hypervisor: `read` says whether others may still read it. Boot only.
 */
void iomem_reserve(maddr_t start, size_t bytes, bool read);
bool iomem_permitted(const struct domain *d, mfn_t mfn, bool write);

#endif
