/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the ways in and out share (assembly only): the registers' places on the CPU's stack, which
 * ends in struct cpu_info, and the numbers, of asm_offsets.c.
 */
/* clang-format off */
#ifndef X86_ENTRY_H
#define X86_ENTRY_H

#include <arch/layout.h>

#include "asm_offsets.h"
#include "x86/alternative.h"
#include "x86/extable.h"

#define VECTOR_SYSCALL 0x100    /* entry_vector, where a trap has its vector */
#define VECTOR_SYSENTER 0x101
#define RFLAGS_RETURN (RFLAGS_IF | RFLAGS_FIXED)        /* interrupts on, nothing else */

/* A field of struct cpu_info, when %rsp is at guest_regs.\at. */
#define INFO(field, at) (CPUINFO_##field - REGS_##at)(%rsp)
#define SLOT(reg, at) (REGS_##reg - REGS_##at)(%rsp)

        .macro SAVE_REGS
        push    %rdi
        push    %rsi
        push    %rdx
        push    %rcx
        push    %rax
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        ALT_RSB_SITE
        .endm

        .macro RESTORE_REGS
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rax
        pop     %rcx
        pop     %rdx
        pop     %rsi
        pop     %rdi
        .endm

#endif
