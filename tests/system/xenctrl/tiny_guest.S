/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of one page. In its kernel it loads known values into its registers and counts, until
 * somebody has put TINY_NOTICE into R15: then it says what else it sees and goes to its user mode, where
 * it counts with the same registers. Noticing TINY_NOTICE there it makes a system call, and its kernel
 * shuts it down.
 */
#include "tiny_guest.h"

#define DATA TINY_VA(TINY_DATA)

#define SET_DEBUGREG     8
#define IRET             23
#define SET_SEGMENT_BASE 25
#define SCHED_OP         29
#define SHUTDOWN         2 /* SCHEDOP_shutdown */

#define USER_CS 0xe033 /* FLAT_USER_CS64, FLAT_USER_SS64 */
#define USER_SS 0xe02b
#define RFLAGS  0x202

#define CR4_FSGSBASE 0x10000

.macro hypercall number, first, second
    mov $\number, %eax
    mov $\first, %rdi
    mov $\second, %rsi
    syscall
.endm

.macro push_value value
    movabs $\value, %rax
    push %rax
.endm

    .section .rodata
    .globl tiny_guest, tiny_guest_end, tiny_guest_kernel, tiny_guest_kernel_end
    .globl tiny_guest_user, tiny_guest_user_end, tiny_guest_syscall
tiny_guest:
    hypercall SET_DEBUGREG, 0, TINY_DEBUG_VA
    hypercall SET_DEBUGREG, 7, TINY_DEBUG_ENABLE
    /* What a CPU holds differs from what the hypervisor was told last, where it may. */
    hypercall SET_SEGMENT_BASE, 1, TINY_GS_USER
    cmpl $0, DATA + AT_FSGSBASE
    je 1f
    hypercall SET_SEGMENT_BASE, 0, 0x1000
    hypercall SET_SEGMENT_BASE, 2, 0x2000
    mov %cr4, %rax
    or $CR4_FSGSBASE, %rax
    mov %rax, %cr4
    mov $TINY_FS_BASE, %rax
    wrfsbase %rax
    mov $TINY_GS_KERNEL, %rax
    wrgsbase %rax
    jmp 2f
1:  hypercall SET_SEGMENT_BASE, 0, TINY_FS_BASE
    hypercall SET_SEGMENT_BASE, 2, TINY_GS_KERNEL
2:  fldcw DATA + AT_FCW
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
    movq $STATE_KERNEL, DATA + AT_STATE
tiny_guest_kernel:
    lock incq DATA + AT_COUNTER
    cmp $TINY_NOTICE, %r15
    jne tiny_guest_kernel
tiny_guest_kernel_end:
    mov %r14, DATA + AT_R14
    movdqu %xmm1, DATA + AT_XMM1
    movabs $TINY_REGISTER(14), %r14
    movabs $TINY_REGISTER(15), %r15
    /* struct iret_context */
    push_value USER_SS
    push_value TINY_USER_STACK_TOP
    push_value RFLAGS
    push_value USER_CS
    push_value TINY_VA(TINY_CODE) + (user - tiny_guest)
    push_value 0
    push_value TINY_REGISTER(2)
    push_value TINY_REGISTER(11)
    push_value TINY_REGISTER(0)
    mov $IRET, %eax
    syscall

user:
    movq $STATE_USER, DATA + AT_STATE
tiny_guest_user:
    lock incq DATA + AT_COUNTER
    cmp $TINY_NOTICE, %r15
    jne tiny_guest_user
tiny_guest_user_end:
    syscall

tiny_guest_syscall:
    movq $STATE_DONE, DATA + AT_STATE
    hypercall SCHED_OP, SHUTDOWN, DATA + AT_SHUTDOWN
    ud2
tiny_guest_end:

    .section .note.GNU-stack, "", @progbits
