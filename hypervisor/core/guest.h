/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access to the current guest's virtual memory.
 *
 * The range is checked (canonical, outside the hypervisor's slots) and a fault in the middle ends
 * the copy. Each datum is read once into hypervisor storage; nothing is ever read again from the
 * guest to be trusted. Never called with a spin lock held that a page-fault path takes.
 */
#ifndef CORE_GUEST_H
#define CORE_GUEST_H

#include <arch/guest.h>

#include "core/types.h"

/*
 * From arch/guest.h; the copies return the number of bytes not copied, so 0 is success:
 *   size_t guest_copy_in(void *dst, vaddr_t src, size_t n);
 *   size_t guest_copy_out(vaddr_t dst, const void *src, size_t n);
 *   bool guest_range_ok(vaddr_t start, size_t n);
 */

/* 0 or -XEN_EFAULT. */
#define guest_read(obj, va)  (guest_copy_in((obj), (va), sizeof(*(obj))) ? -XEN_EFAULT : 0)
#define guest_write(va, obj) (guest_copy_out((va), (obj), sizeof(*(obj))) ? -XEN_EFAULT : 0)

/* A public ABI handle as a guest virtual address. */
#define HANDLE_VA(h) VADDR((uint64_t)(uintptr_t)(h).p)

#endif
