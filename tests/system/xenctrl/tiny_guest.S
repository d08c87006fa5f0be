/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of one page: loads known values into its registers, counts, and when somebody has put
 * TINY_NOTICE into R15 says what else it sees, and shuts down. It uses no stack.
 */
#include "tiny_guest.h"

#define DATA TINY_VA(TINY_DATA)

#define SET_DEBUGREG     8
#define SET_SEGMENT_BASE 25
#define SCHED_OP         29
#define SHUTDOWN         2 /* SCHEDOP_shutdown */

.macro hypercall number, first, second
    mov $\number, %eax
    mov $\first, %rdi
    mov $\second, %rsi
    syscall
.endm

    .section .rodata
    .globl tiny_guest, tiny_guest_loop, tiny_guest_loop_end, tiny_guest_end
tiny_guest:
    hypercall SET_DEBUGREG, 0, TINY_DEBUG_VA
    hypercall SET_DEBUGREG, 7, TINY_DEBUG_ENABLE
    hypercall SET_SEGMENT_BASE, 0, TINY_FS_BASE
    hypercall SET_SEGMENT_BASE, 1, TINY_GS_USER
    hypercall SET_SEGMENT_BASE, 2, TINY_GS_KERNEL
    fldcw DATA + AT_FCW
    ldmxcsr DATA + AT_MXCSR
.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    movdqu DATA + AT_XMM + 16 * \n, %xmm\n
.endr
    movabs $TINY_REGISTER(0), %rax
    movabs $TINY_REGISTER(1), %rbx
    movabs $TINY_REGISTER(2), %rcx
    movabs $TINY_REGISTER(3), %rdx
    movabs $TINY_REGISTER(4), %rsi
    movabs $TINY_REGISTER(5), %rdi
    movabs $TINY_REGISTER(6), %rbp
    movabs $TINY_REGISTER(8), %r8
    movabs $TINY_REGISTER(9), %r9
    movabs $TINY_REGISTER(10), %r10
    movabs $TINY_REGISTER(11), %r11
    movabs $TINY_REGISTER(12), %r12
    movabs $TINY_REGISTER(13), %r13
    movabs $TINY_REGISTER(14), %r14
    movabs $TINY_REGISTER(15), %r15
    movq $1, DATA + AT_STATE
tiny_guest_loop:
    lock incq DATA + AT_COUNTER
    cmp $TINY_NOTICE, %r15
    jne tiny_guest_loop
tiny_guest_loop_end:
    mov %r14, DATA + AT_R14
    movdqu %xmm1, DATA + AT_XMM1
    movq $2, DATA + AT_STATE
    hypercall SCHED_OP, SHUTDOWN, (DATA + AT_SHUTDOWN)
    ud2
tiny_guest_end:

    .section .note.GNU-stack, "", @progbits
