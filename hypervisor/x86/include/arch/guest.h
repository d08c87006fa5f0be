/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory through the current page tables, with faults caught (x86/uaccess.c). */
#ifndef ARCH_GUEST_H
#define ARCH_GUEST_H

#include <arch/layout.h>

#include "core/types.h"

/*
 * Below the hypervisor's slots or above them, the whole range on one side, canonical. The lower
 * canonical half ends at 1 << 47.
 */
static inline bool guest_range_ok(vaddr_t start, size_t n)
{
    uint64_t end = start.v + n;
    return end >= start.v && (end <= (1ull << 47) || start.v >= HV_VIRT_END);
}

size_t guest_copy_in(void *dst, vaddr_t src, size_t n) must_check;
size_t guest_copy_out(vaddr_t dst, const void *src, size_t n) must_check;

#endif
