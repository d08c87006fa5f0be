/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exception table: instructions that may fault, and where to go on when they do. Ranges, so
 * that a sequence of guest accesses needs one entry.
 */
#ifndef X86_EXTABLE_H
#define X86_EXTABLE_H

#ifdef __ASSEMBLER__

/* clang-format off */

/* A fault at an address in [start, end) continues at fixup. */
        .macro EXTABLE start, end, fixup
        .pushsection .extable, "a"
        .quad \start, \end, \fixup
        .popsection
        .endm

/* clang-format on */

#else

#include "core/types.h"

#define EXTABLE_ASM(start, end, fixup)                                                             \
    ".pushsection .extable, \"a\"\n.quad " start ", " end ", " fixup "\n.popsection\n"

/* Where to continue after a fault at `rip`; 0: nowhere. */
uint64_t extable_find(uint64_t rip);

#endif
#endif
