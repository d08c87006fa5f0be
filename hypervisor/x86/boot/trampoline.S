/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the other CPUs start: real mode, at the page below 1 MiB that the start-up IPI names. smp.c
 * copies this there and fills in the values at its end; it leads to 64-bit mode and to ap_start().
 * It writes nothing, so that all CPUs find it alike.
 */
#include "x86/boot/boot.h"

#define CR0_PE 0x00000001
#define CR0_WP 0x00010000
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define EFER 0xc0000080
#define EFER_LME_NXE 0x900

#define AT(sym) ((sym) - trampoline_start)
#define SEL_CODE32 8
#define SEL_CODE64 16
#define SEL_DATA 24

        .section .rodata.trampoline, "a"
        .globl trampoline_start, trampoline_end
        .globl trampoline_gdtr, trampoline_far32, trampoline_far64
        .globl trampoline_cr3, trampoline_stack, trampoline_entry
        .balign 16
trampoline_start:
        .code16
        cli
        cld
        mov %cs, %ax
        mov %ax, %ds
        xor %ebx, %ebx
        mov %ax, %bx
        shl $4, %ebx                    /* %ebx: where we are */
        lgdtl AT(trampoline_gdtr)
        mov $CR0_PE, %eax
        mov %eax, %cr0
        ljmpl *AT(trampoline_far32)

        .code32
ap_start32:
        mov $SEL_DATA, %eax
        mov %eax, %ds
        mov $CR4_PAE, %eax
        mov %eax, %cr4
        mov AT(trampoline_cr3)(%ebx), %eax
        mov %eax, %cr3
        mov $EFER, %ecx
        rdmsr
        or $EFER_LME_NXE, %eax
        wrmsr
        mov $(CR0_PG | CR0_WP | CR0_PE), %eax
        mov %eax, %cr0
        ljmpl *AT(trampoline_far64)(%ebx)

        .code64
ap_start64:
        xor %eax, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        mov %eax, %fs
        mov %eax, %gs
        xor %ebp, %ebp
        mov trampoline_stack(%rip), %rsp
        push %rax                       /* no return address: the end of a stack trace */
        jmp *trampoline_entry(%rip)

        .balign 8
ap_gdt: .quad 0
        .quad 0x00cf9b000000ffff        /* SEL_CODE32 */
        .quad 0x00af9b000000ffff        /* SEL_CODE64 */
        .quad 0x00cf93000000ffff        /* SEL_DATA */

/* Offsets here, to which smp.c adds where this page is. */
trampoline_gdtr:
        .short trampoline_gdtr - ap_gdt - 1
        .long AT(ap_gdt)
trampoline_far32:
        .long AT(ap_start32)
        .short SEL_CODE32
trampoline_far64:
        .long AT(ap_start64)
        .short SEL_CODE64
        .balign 8
trampoline_cr3:   .quad 0
trampoline_stack: .quad 0
trampoline_entry: .quad 0
trampoline_end:

        .section .note.GNU-stack, "", @progbits
