/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSCALL and SYSENTER: system calls of user programs, and the hypercalls that are answered here.
 * The stack, and interrupts, are as entry.S says.
 */
#include "x86/entry.h"

        .text

/* ---- SYSCALL --------------------------------------------------------------------------------- */

/*
 * From the CPU's stub: guest_regs.ss and .rsp are pushed. %rcx has the guest's RIP and %r11 its
 * RFLAGS; both are free once pushed.
 */
        .globl  entry_syscall
entry_syscall:
        push    %r11
        push    $FLAT_CS64
        push    %rcx
        push    $0
        mov     INFO(current, error_code), %r11
        cmpb    $0, VCPU_in_kernel(%r11)
        jne     from_kernel

/*
 * A system call of a user program: a frame on the kernel's stack (rcx, r11, rip, cs, rflags, rsp,
 * ss), the kernel's page table and GS, and on to the entry point that it registered. entry_frame was
 * checked to be guest memory when the kernel named its stack. fast_entry says that the
 * kernel wants events masked, and that no unusual flag must be shown to it.
 */
        mov     %rax, SLOT(rax, error_code)
        mov     VCPU_info(%r11), %rax
        cmpb    $0, VCPU_fast_entry(%r11)
        je      syscall_slow
        cmpb    $0, 1(%rax)             /* evtchn_upcall_mask */
        jne     syscall_slow
        movb    $1, 1(%rax)
        swapgs
        mov     VCPU_cr3_kernel(%r11), %rcx
        mov     %rcx, %cr3
        incl    INFO(mode_switches, error_code)
        movb    $1, VCPU_in_kernel(%r11)
        mov     INFO(iomap_base, error_code), %rcx
        mov     VCPU_iomap_kernel(%r11), %eax
        mov     %ax, (%rcx)
        mov     VCPU_entry_frame(%r11), %rcx
        ALLOW_GUEST_ACCESS
1:      movq    $FLAT_SS, 48(%rcx)
        mov     SLOT(rsp, error_code), %rax
        mov     %rax, 40(%rcx)
        mov     SLOT(rflags, error_code), %rax
        mov     %rax, 32(%rcx)
        mov     %rax, 8(%rcx)
        movq    $FLAT_CS64, 24(%rcx)
        mov     SLOT(rip, error_code), %rax
        mov     %rax, 16(%rcx)
        mov     %rax, (%rcx)
2:      FORBID_GUEST_ACCESS
        ALT_VERW_SITE
        mov     SLOT(rax, error_code), %rax
        mov     %rcx, %rsp
        mov     VCPU_syscall_address(%r11), %rcx
        mov     $RFLAGS_RETURN, %r11d
        sysretq
        EXTABLE 1b, 2b, syscall_bad_stack

syscall_bad_stack:
        FORBID_GUEST_ACCESS
        mov     SLOT(rax, error_code), %rax
        SAVE_REGS
        call    kernel_stack_fault
        jmp     ret_to_guest

syscall_slow:
        mov     SLOT(rax, error_code), %rax
        movl    $VECTOR_SYSCALL, 4(%rsp)
        mov     SLOT(rip, error_code), %rcx
        mov     SLOT(rflags, error_code), %r11
        SAVE_REGS
        mov     %rsp, %rdi
        call    syscall_from_user
        jmp     ret_to_guest

from_kernel:
        cmp     $HYPERCALL_iret, %eax
        je      iret_fast
        cmp     $HYPERCALL_xen_version, %eax
        jne     entry_hypercall

/*
 * xen_version(XENVER_version), the hypercall that does nothing: kernels make it to have their events
 * delivered as soon as they unmask them. No register but those that SYSCALL takes is touched, and SYSRET
 * goes back, if the address is canonical: else it would fault in ring 0 (Intel SDM 2B, SYSRET), and what follows
 * the last SYSCALL of the lower half is not. A guest that is being stepped goes the common way.
 */
version_fast:
        test    %edi, %edi
        jnz     entry_hypercall
        mov     $ABI_VERSION, %eax
        cmpb    $0, VCPU_exit_work(%r11)
        jne     version_work
        mov     VCPU_info(%r11), %rcx
        cmpb    $0, (%rcx)              /* evtchn_upcall_pending */
        jne     version_work
        mov     INFO(percpu_offset, error_code), %rcx
        lea     percpu_softirq_pending(%rip), %r11
        cmpq    $0, (%rcx, %r11)
        jne     version_work
        mov     SLOT(rip, error_code), %rcx
        mov     %rcx, %r11
        shl     $16, %r11
        sar     $16, %r11
        cmp     %rcx, %r11
        jne     version_work
        mov     SLOT(rflags, error_code), %r11
        test    $RFLAGS_TF, %r11d
        jnz     version_work
        ALT_VERW_SITE
        mov     SLOT(rsp, error_code), %rsp
        sysretq

/* Something is to be done before the guest goes on, or the frame is none for SYSRET. */
version_work:
        movl    $VECTOR_SYSCALL, 4(%rsp)
        mov     SLOT(rip, error_code), %rcx
        mov     SLOT(rflags, error_code), %r11
        SAVE_REGS
        jmp     ret_to_guest

/*
 * iret, to user mode or within the kernel, by the frame on the kernel's stack (struct iret_context). All of it is
 * read once, into guest_regs. What is unusual (events to stay masked, a stack that is not guest memory) goes
 * the long way, which starts afresh. A frame across the end of the address space goes on at 0, which is the guest's, too.
 */
iret_fast:
        mov     SLOT(rsp, error_code), %rcx
        movabs  $HV_VIRT_END, %rax
        cmp     %rax, %rcx
        jb      iret_slow
        cmpb    $0, VCPU_fast_entry(%r11)
        je      iret_slow
        ALLOW_GUEST_ACCESS
1:      testl   $VGCF_in_syscall, IRET_flags(%rcx)
        jnz     iret_slow_close
        mov     IRET_cs(%rcx), %eax
        mov     %ax, SLOT(cs, error_code)
        mov     IRET_rflags(%rcx), %rax
        test    $RFLAGS_IF, %eax
        jz      iret_slow_close
        and     $IRET_RFLAGS, %eax
        or      $RFLAGS_RETURN, %eax
        mov     %rax, SLOT(rflags, error_code)
        mov     IRET_ss(%rcx), %eax
        mov     %ax, SLOT(ss, error_code)
        mov     IRET_rip(%rcx), %rax
        mov     %rax, SLOT(rip, error_code)
        mov     IRET_rax(%rcx), %rax
        mov     %rax, SLOT(rax, error_code)
        mov     IRET_r11(%rcx), %rax
        mov     %rax, SLOT(r11, error_code)
        mov     IRET_rsp(%rcx), %rax
        mov     IRET_rcx(%rcx), %rcx
2:      FORBID_GUEST_ACCESS
        mov     %rcx, SLOT(rcx, error_code)
        mov     %rax, SLOT(rsp, error_code)
        EXTABLE 1b, 2b, iret_slow_fault
        mov     SLOT(cs, error_code), %eax
        not     %eax
        test    $3, %al
        jnz     iret_within_kernel

        mov     INFO(iomap_base, error_code), %rcx
        mov     VCPU_iomap_user(%r11), %eax
        mov     %ax, (%rcx)
        swapgs
        mov     VCPU_cr3_user(%r11), %rcx
        mov     %rcx, %cr3
        incl    INFO(mode_switches, error_code)
        movb    $0, VCPU_in_kernel(%r11)
iret_unmask:
        mov     VCPU_info(%r11), %rax
        movb    $0, 1(%rax)
        cmpb    $0, (%rax)
        jne     iret_events
        cmpb    $0, VCPU_exit_work(%r11)
        jne     iret_events
        ALT_VERW_SITE
        mov     SLOT(rax, error_code), %rax
        mov     SLOT(r11, error_code), %r11
        mov     SLOT(rcx, error_code), %rcx
        add     $8, %rsp
        .globl  guest_iretq_fast
guest_iretq_fast:
        iretq

iret_within_kernel:
        orw     $3, SLOT(cs, error_code)
        orw     $3, SLOT(ss, error_code)
        jmp     iret_unmask

/* An event came while they were masked: the guest is where it wants to be; deliver it the common way. */
iret_events:
        mov     SLOT(rax, error_code), %rax
        mov     SLOT(r11, error_code), %r11
        mov     SLOT(rcx, error_code), %rcx
        SAVE_REGS
        jmp     ret_to_guest

/*
 * The hardware frame in guest_regs may be half overwritten; all that the long way needs of it is the stack pointer,
 * and RIP and CS for a trap frame, should the guest's stack fault.
 */
iret_slow_close:
iret_slow_fault:
        FORBID_GUEST_ACCESS
iret_slow:
        mov     $HYPERCALL_iret, %eax
        movw    $FLAT_CS64, SLOT(cs, error_code)
        movw    $FLAT_SS, SLOT(ss, error_code)
        movl    $VECTOR_SYSCALL, 4(%rsp)
        SAVE_REGS
        mov     %rsp, %rdi
        call    iret_from_kernel
        jmp     ret_to_guest

/* ---- 32-bit system calls ---------------------------------------------------------------------- */

/* SYSCALL from a 32-bit program (AMD CPUs): as above, through the CPU's other stub. */
        .globl  entry_syscall32
entry_syscall32:
        push    %r11
        push    $FLAT_CS32
        push    %rcx
        push    $0
        movl    $VECTOR_SYSCALL, 4(%rsp)
        SAVE_REGS
        mov     %rsp, %rdi
        call    syscall32_entry
        jmp     ret_to_guest

/* SYSENTER: the CPU has loaded RSP from the MSR, and kept nothing. */
        .globl  entry_sysenter
entry_sysenter:
        push    $FLAT_SS
        push    $0
        pushfq
        pushq   $RFLAGS_FIXED           /* the program's NT would make our IRETQ fault */
        popfq
        push    $3                      /* privilege 3, nothing more is known */
        push    $0
        push    $0
        movl    $VECTOR_SYSENTER, 4(%rsp)
        cld
        FORBID_GUEST_ACCESS
        SAVE_REGS
        mov     %rsp, %rdi
        call    sysenter_entry
        jmp     ret_to_guest

        .section .note.GNU-stack, "", @progbits
