/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host version: guest virtual addresses are the test's own addresses (VADDR((uintptr_t)&object)).
 * A test chooses what is unmapped, and may look at each access as it is made (host.h).
 */
#ifndef HOST_ARCH_GUEST_H
#define HOST_ARCH_GUEST_H

#include "hypervisor/x86/include/arch/guest.h"

#endif
