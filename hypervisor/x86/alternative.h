/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions that only some CPUs have or need: the image carries no-operations in their place,
 * and alternatives_apply() writes the instructions over them at boot. Included by assembly.
 */
#ifndef X86_ALTERNATIVE_H
#define X86_ALTERNATIVE_H

#define ALT_SMAP 1 /* STAC and CLAC */
#define ALT_VERW 2 /* VERW, to clear CPU buffers on the way to a guest */
#define ALT_RSB  3 /* fill the return stack on the way in */

#ifdef __ASSEMBLER__

/* clang-format off */

/* A site: its address, what it depends on, and the bytes (at most 12). */
        .macro ALT_SITE feature, length, bytes:vararg
        .pushsection .alternatives, "a"
        .quad 771b
        .byte \feature, \length
        .byte \bytes
        .skip 14 - \length
        .popsection
        .endm

        .macro ALLOW_GUEST_ACCESS
771:    .byte 0x0f, 0x1f, 0x00 /* nopl (%rax) */
        ALT_SITE ALT_SMAP, 3, 0x0f, 0x01, 0xcb
        .endm

/* VERW of verw_selector (Intel: MD_CLEAR). The displacement is filled in when it is applied. */
        .macro ALT_VERW_SITE
771:    .byte 0x0f, 0x1f, 0x80, 0, 0, 0, 0 /* nopl 0(%rax) */
        ALT_SITE ALT_VERW, 7, 0x0f, 0x00, 0x2d, 0, 0, 0, 0
        .endm

/* CALL fill_return_stack; the displacement as above. Overwrites %rcx. */
        .macro ALT_RSB_SITE
771:    .byte 0x0f, 0x1f, 0x44, 0x00, 0x00 /* nopl 0(%rax,%rax) */
        ALT_SITE ALT_RSB, 5, 0xe8, 0, 0, 0, 0
        .endm

        .macro FORBID_GUEST_ACCESS
771:    .byte 0x0f, 0x1f, 0x00
        ALT_SITE ALT_SMAP, 3, 0x0f, 0x01, 0xca
        .endm

/* clang-format on */

#else

#include "core/types.h"

#define ALT_ASM(feature, nops, bytes)                                                              \
    "771: .byte " nops "\n"                                                                        \
    ".pushsection .alternatives, \"a\"\n"                                                          \
    ".quad 771b\n.byte " #feature ", 3\n.byte " bytes "\n.skip 11\n.popsection\n"

/* STAC and CLAC: guest memory may be touched in between. */
static inline void guest_access_begin(void)
{
    __asm__ volatile(ALT_ASM(1, "0x0f, 0x1f, 0x00", "0x0f, 0x01, 0xcb")::: "memory");
}

static inline void guest_access_end(void)
{
    __asm__ volatile(ALT_ASM(1, "0x0f, 0x1f, 0x00", "0x0f, 0x01, 0xca")::: "memory");
}

/* Once, at boot, before a guest runs. `features` has bit ALT_* set for what this machine needs. */
void alternatives_apply(uint32_t features);

#endif
#endif
