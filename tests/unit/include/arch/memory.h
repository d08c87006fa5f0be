/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host version: RAM is an arena of the test's (host_ram_init() in host.h), with a frame table and a
 * machine-to-phys table beside it. A frame number outside the arena ends the test.
 */
#ifndef HOST_ARCH_MEMORY_H
#define HOST_ARCH_MEMORY_H

#include <arch/layout.h>

#include "core/types.h"

struct frame;

void *maddr_to_virt(maddr_t a);
void *mfn_to_virt(mfn_t m);
mfn_t virt_to_mfn(const void *va);
struct frame *frame_entry(mfn_t m);
bool mfn_valid(mfn_t m);

void m2p_set(mfn_t m, pfn_t p);
pfn_t m2p_get(mfn_t m);
#define INVALID_M2P PFN(~0ull)
unsigned m2p_chunk_count(void); /* a test that asks for the table's frames says what there is */
mfn_t m2p_chunk_mfn(unsigned chunk);
bool m2p_is_frame(mfn_t mfn);

#endif
