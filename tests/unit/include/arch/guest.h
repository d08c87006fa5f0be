/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host version: guest virtual addresses are the test's own addresses (VADDR((uintptr_t)&object)).
 * A test chooses what is unmapped, and may look at each access as it is made (host.h).
 */
#ifndef HOST_ARCH_GUEST_H
#define HOST_ARCH_GUEST_H

#include <arch/layout.h>

#include "core/types.h"

static inline bool guest_range_ok(vaddr_t start, size_t n)
{
    uint64_t end = start.v + n;
    return end >= start.v && (end <= (1ull << 47) || start.v >= HV_VIRT_END);
}

size_t guest_copy_in(void *dst, vaddr_t src, size_t n) must_check;
size_t guest_copy_out(vaddr_t dst, const void *src, size_t n) must_check;
size_t guest_clear(vaddr_t dst, size_t n) must_check;

#endif
