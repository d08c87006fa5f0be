/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every way into the hypervisor from a running machine, and every way out.
 *
 * A CPU's stack ends in struct cpu_info, which begins with the guest's registers. The CPU itself, or the SYSCALL
 * stub of the CPU, switches to that stack such that the frame it pushes lands in guest_regs; what
 * follows fills the rest. Frames of traps taken inside the hypervisor have the same layout, further down.
 *
 * Neither FS nor GS is used: both stay the guest's. Interrupts are off from entry until C turns them on, and
 * from `ret_to_guest` to the guest.
 */
#include "x86/entry.h"

#define OPCODE_RDMSR 0x320f

        .text

/* ---- Exceptions and interrupts: one stub a vector ----------------------------------------- */

        .macro STUB vector
        .balign 16
        .if \vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30
        .else
        push    $0
        .endif
        movl    $\vector, 4(%rsp)
        .if \vector == 1
        jmp     entry_debug
        .elseif \vector == 2 || \vector == 8 || \vector == 18
        jmp     entry_paranoid
        .elseif \vector == 13
        jmp     entry_protection
        .elseif \vector == 14
        jmp     entry_page_fault
        .else
        jmp     entry_trap
        .endif
        .endm

        .balign 16
        .globl  trap_stubs
trap_stubs:
        .set    vec, 0
        .rept   256
        STUB    vec
        .set    vec, vec + 1
        .endr

entry_trap:
        cld
        FORBID_GUEST_ACCESS
        SAVE_REGS
        mov     %rsp, %rdi
        call    trap_dispatch
        testb   $3, REGS_cs(%rsp)
        jnz     ret_to_guest
/* Back to the hypervisor's own code. */
        RESTORE_REGS
        add     $8, %rsp
        iretq

/*
 * #GP. Kernels read the base of the user's GS at each switch of tasks; that one RDMSR is answered here, all else
 * is C's. What was executed is read again: another vCPU may have changed it since, and then this is none.
 */
entry_protection:
        cmp     $MSR_SHADOW_GS_BASE, %ecx
        jne     entry_trap
        cmpw    $0, (%rsp)              /* the error code */
        jne     entry_trap
        cmpw    $FLAT_CS64, SLOT(cs, error_code) /* the 64-bit code segment of a guest */
        jne     entry_trap
        sub     $(REGS_error_code - REGS_rax), %rsp
        mov     %rax, (%rsp)
        mov     INFO(current, rax), %rax
        cmpb    $0, VCPU_in_kernel(%rax)
        je      protection_other
        testl   $RFLAGS_TF, SLOT(rflags, rax)
        jnz     protection_other
        movabs  $HV_VIRT_END, %rax
        cmp     %rax, SLOT(rip, rax)
        jb      protection_other
        mov     SLOT(rip, rax), %rax
        ALLOW_GUEST_ACCESS
1:      cmpw    $OPCODE_RDMSR, (%rax)
2:      FORBID_GUEST_ACCESS
        EXTABLE 1b, 2b, protection_forbid
        jne     protection_other
        rdmsr                           /* the upper halves become 0, as the guest expects */
        addq    $2, SLOT(rip, rax)
        andl    $~RFLAGS_RF, SLOT(rflags, rax)
        ALT_VERW_SITE
        add     $(REGS_rip - REGS_rax), %rsp
        .globl  guest_iretq_rdmsr
guest_iretq_rdmsr:
        iretq

protection_forbid:
        FORBID_GUEST_ACCESS
protection_other:
        mov     (%rsp), %rax
        add     $(REGS_error_code - REGS_rax), %rsp
        jmp     entry_trap

/*
 * #PF of a user program, which is its kernel's to handle: as a system call below, but with the frame of an
 * exception, and the address for the kernel to find. PF_USER tells that it is not the CPU's own look at a descriptor,
 * which may be of an LDT page that is not there yet. fast_entry says that the stack can take the frame.
 */
entry_page_fault:
        testb   $PF_USER, (%rsp)
        jz      entry_trap
        sub     $(REGS_error_code - REGS_r11), %rsp
        mov     %rax, SLOT(rax, r11)
        mov     INFO(current, r11), %rax
        cmpb    $0, VCPU_in_kernel(%rax)
        jne     page_fault_kernel
        mov     %rcx, SLOT(rcx, r11)
        mov     %r11, (%rsp)
        cmpb    $0, VCPU_fast_entry(%rax)
        je      page_fault_other
        cmpq    $0, VCPU_page_fault_address(%rax)
        je      page_fault_other
        testb   $TRAP_GATE_MASKS, VCPU_page_fault_flags(%rax)
        jz      page_fault_other
        mov     VCPU_info(%rax), %rcx
        cmpb    $0, 1(%rcx)             /* evtchn_upcall_mask */
        jne     page_fault_other
        movb    $1, 1(%rcx)
        mov     %cr2, %r11
        mov     %r11, VCPU_cr2(%rax)
        mov     %r11, VCPU_INFO_cr2(%rcx)
        swapgs
        mov     VCPU_cr3_kernel(%rax), %rcx
        mov     %rcx, %cr3
        incl    INFO(mode_switches, r11)
        movb    $1, VCPU_in_kernel(%rax)
        mov     INFO(iomap_base, r11), %rcx
        mov     VCPU_iomap_kernel(%rax), %r11d
        mov     %r11w, (%rcx)
        mov     VCPU_entry_frame(%rax), %rcx
        ALLOW_GUEST_ACCESS
1:      movzwl  SLOT(ss, r11), %r11d
        mov     %r11, 48(%rcx)
        mov     SLOT(rsp, r11), %r11
        mov     %r11, 40(%rcx)
        mov     SLOT(rflags, r11), %r11
        mov     %r11, 32(%rcx)
        movzwl  SLOT(cs, r11), %r11d
        mov     %r11, 24(%rcx)
        mov     SLOT(rip, r11), %r11
        mov     %r11, 16(%rcx)
        mov     SLOT(error_code, r11), %r11d
        mov     %r11, 8(%rcx)
        mov     (%rsp), %r11
        mov     %r11, (%rcx)
        mov     SLOT(rcx, r11), %r11
        mov     %r11, -8(%rcx)
2:      FORBID_GUEST_ACCESS
        EXTABLE 1b, 2b, page_fault_bad_stack
        ALT_VERW_SITE
        lea     -8(%rcx), %r11
        mov     VCPU_page_fault_address(%rax), %rcx
        mov     SLOT(rax, r11), %rax
        mov     %r11, %rsp
        mov     $RFLAGS_RETURN, %r11d
        sysretq

page_fault_other:
        mov     (%rsp), %r11
        mov     SLOT(rcx, r11), %rcx
page_fault_kernel:
        mov     SLOT(rax, r11), %rax
        add     $(REGS_error_code - REGS_r11), %rsp
        cld
        FORBID_GUEST_ACCESS
        SAVE_REGS
        mov     %rsp, %rdi
        call    guest_page_fault
        jmp     ret_to_guest

page_fault_bad_stack:
        FORBID_GUEST_ACCESS
        mov     (%rsp), %r11
        mov     SLOT(rcx, r11), %rcx
        mov     SLOT(rax, r11), %rax
        add     $(REGS_error_code - REGS_r11), %rsp
        cld
        SAVE_REGS
        call    kernel_stack_fault
        jmp     ret_to_guest

/*
 * A debug trap, on a stack of its own: the hypervisor may be at its first instruction, on the guest's
 * stack. One of a guest moves over to the main stack and goes on as any other.
 */
entry_debug:
        cld
        FORBID_GUEST_ACCESS
        testb   $3, SLOT(cs, error_code)
        jz      entry_paranoid
        SAVE_REGS
        mov     %rsp, %rsi
        or      $(STACK_SIZE - 1), %rsp
        lea     1 - CPUINFO_sizeof(%rsp), %rsp
        mov     %rsp, %rdi
        mov     $(REGS_es / 8), %ecx
        rep movsq
        mov     %rsp, %rdi
        call    trap_dispatch
        jmp     ret_to_guest

/* NMI, double fault, machine check: on stacks of their own, from anywhere, back to just there. */
entry_paranoid:
        cld
        FORBID_GUEST_ACCESS
        SAVE_REGS
        mov     %rsp, %rdi
        call    trap_paranoid
        RESTORE_REGS
        add     $8, %rsp
        iretq

/* ---- To the guest ---------------------------------------------------------------------------- */

#ifndef PARAVANE_DEBUG
hypercall_unfinished:
        mov     (REGS_rax + HYPERCALL_ARGS_sizeof)(%rsp), %rdi
        mov     %rsp, %rsi
        call    hypercall_again
        jmp     1f
#endif

/* Of a guest kernel, from entry_syscall: what SYSCALL left is in guest_regs, and goes on to the guest below. */
        .globl  entry_hypercall
entry_hypercall:
        movl    $VECTOR_SYSCALL, 4(%rsp)
        mov     SLOT(rflags, error_code), %r11
        SAVE_REGS
        sti
        push    %r9
        push    %r8
        push    %r10
        push    %rdx
        push    %rsi
        push    %rdi
        mov     (CPUINFO_current + HYPERCALL_ARGS_sizeof)(%rsp), %rdi
        mov     %rax, %rsi
        mov     %rsp, %rdx              /* what was pushed is a struct hypercall_args */
#ifdef PARAVANE_DEBUG
        call    hypercall_dispatch
#else
        call    hypercall_call
        cmp     $HC_AGAIN, %rax
        je      hypercall_unfinished
1:
#endif
        add     $HYPERCALL_ARGS_sizeof, %rsp
        cmp     $1, %rax                /* overflows for HC_REWOUND alone, the least number */
        jo      ret_to_guest
        mov     %rax, REGS_rax(%rsp)

/* %rsp is at guest_regs. */
        .globl  ret_to_guest
ret_to_guest:
        cli
        mov     CPUINFO_current(%rsp), %rbx
        mov     CPUINFO_percpu_offset(%rsp), %rax
        lea     percpu_softirq_pending(%rip), %rcx
        cmpq    $0, (%rax, %rcx)
        jne     exit_softirq
        cmpb    $0, VCPU_exit_work(%rbx)
        jne     exit_work
        mov     VCPU_info(%rbx), %rax
        cmpw    $0, (%rax)              /* nothing pending, nothing masked: the common case */
        je      restore_guest
        cmpb    $0, (%rax)
        je      restore_guest
        cmpb    $0, 1(%rax)
        jne     restore_guest
exit_work:
        sti
        mov     %rsp, %rdi
        call    exit_to_guest_work
        jmp     ret_to_guest
exit_softirq:
        sti
        call    softirq_run
        jmp     ret_to_guest

restore_guest:
        ALT_VERW_SITE
        RESTORE_REGS
        add     $8, %rsp
        .globl  guest_iretq
guest_iretq:
        iretq
        .globl  guest_iretq_end
guest_iretq_end:

/*
 * Where the context switch goes: forget the C frames, show the new vCPU's registers to the CPU. RSP
 * never points above struct cpu_info, where an interrupt's frame would be written over it.
 */
        .globl  reset_stack_to_guest
reset_stack_to_guest:
        mov     %rsp, %rax
        or      $(STACK_SIZE - 1), %rax
        lea     1 - CPUINFO_sizeof(%rax), %rsp
        jmp     ret_to_guest

        .globl  reset_stack_to_idle
reset_stack_to_idle:
        mov     %rsp, %rax
        or      $(STACK_SIZE - 1), %rax
        sub     $(CPUINFO_sizeof - 1), %rax
        and     $-16, %rax
        mov     %rax, %rsp
        call    idle_loop
        ud2

/*
 * Thirty-two harmless entries over what the guest left in the return stack, where SMEP does not
 * make its addresses useless. Each call's return is only ever speculated to.
 */
        .globl  fill_return_stack
fill_return_stack:
        mov     $16, %ecx
1:      call    3f
2:      pause
        lfence
        jmp     2b
3:      call    5f
4:      pause
        lfence
        jmp     4b
5:      dec     %ecx
        jnz     1b
        add     $(32 * 8), %rsp
        ret

/* A selector that VERW finds writable (what it names in the guest's GDT does not matter to it). */
        .section .rodata
        .balign 2
        .globl  verw_selector
verw_selector:
        .short  FLAT_SS

        .section .note.GNU-stack, "", @progbits
