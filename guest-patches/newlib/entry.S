/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All assembly of the library: how the hypervisor finds the image (ELF notes), where vCPUs start,
 * and the way in and out of every trap, callback and upcall.
 *
 * A PV kernel's handler gets the frame of the hardware with R11 and RCX below (SYSRET, by which the
 * hypervisor may enter it, loses both), on its own stack or, from user mode, on the one named to
 * HYPERVISOR_stack_switch(). Every stub makes it a struct trap_frame and calls C; the way back is
 * the hypercall iret, which restores the event mask and everything else at once.
 */
#define __ASSEMBLY__
#include <xen/elfnote.h>

#define VIRT_BASE 0x400000 /* pv/memory.h */
#define STACK_SIZE 0x10000 /* pv/smp.h */
#define HYPERVISOR_STACK_SWITCH 3 /* xen/xen.h */
#define HYPERVISOR_IRET 23
#define HYPERCALL_SIZE 32
#define FLAT_KERNEL_SS 0xe02b /* xen/arch-x86/xen-x86_64.h */

/* struct trap_frame */
#define FRAME_SIZE 176

/* ---- What the loader reads ------------------------------------------------------------------ */

        .macro NOTE type, value:vararg
        .pushsection .note.Xen, "a", @note
        .balign 4
        .long   4, 4f - 3f, \type
        .asciz  "Xen"
3:      \value
4:      .balign 4
        .popsection
        .endm

        NOTE    XEN_ELFNOTE_GUEST_OS, .asciz "newlib"
        NOTE    XEN_ELFNOTE_GUEST_VERSION, .asciz "1"
        NOTE    XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
        NOTE    XEN_ELFNOTE_LOADER, .asciz "generic"
        NOTE    XEN_ELFNOTE_PAE_MODE, .asciz "yes"
        NOTE    XEN_ELFNOTE_BSD_SYMTAB, .asciz "no"
        NOTE    XEN_ELFNOTE_FEATURES, .asciz "writable_page_tables|dom0"
        NOTE    XEN_ELFNOTE_VIRT_BASE, .quad VIRT_BASE
        NOTE    XEN_ELFNOTE_PADDR_OFFSET, .quad VIRT_BASE
        NOTE    XEN_ELFNOTE_ENTRY, .quad start
        NOTE    XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page

        .bss
        .balign 4096
        .globl  first_stack, first_stack_guard
first_stack_guard:
        .skip   4096
first_stack:
        .skip   STACK_SIZE
first_stack_end:

        .section .text.hypercall_page, "ax", @progbits
        .balign 4096
        .globl  hypercall_page
hypercall_page:
        .skip   4096, 0xcc

/* ---- Where vCPUs start ---------------------------------------------------------------------- */

        .section .text.entry, "ax", @progbits

/* The first: %rsi is the start_info's address. */
        .globl  start
start:
        lea     first_stack_end(%rip), %rsp
        cld
        xor     %ebp, %ebp
        mov     %rsi, %rdi
        call    start_first
        ud2

        .globl  secondary_entry
secondary_entry:
        cld
        xor     %ebp, %ebp
        and     $-16, %rsp
        call    secondary_main
        ud2

/* ---- Traps ---------------------------------------------------------------------------------- */

/* %rsp is at struct trap_frame's vector; what lies above is complete. */
trap_common:
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
        cld
        mov     %rsp, %rdi
        mov     %rsp, %rbx
        and     $-16, %rsp
        call    trap_entry
        mov     %rbx, %rsp
/*
 * Leave by the struct trap_frame at %rsp. The hypercall iret takes RAX, R11, RCX and flags (0) from
 * below RIP; its stub pushes the first three.
 */
trap_return:
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
        add     $8, %rsp
        movq    $0, (%rsp)
        jmp     hypercall_page + HYPERVISOR_IRET * HYPERCALL_SIZE

/* One stub of 16 bytes a vector, with an error code where the processor gives one (SDM 3A 6.15): exceptions, and the software interrupts 0x80 to 0xff. */
        .macro TRAP_STUB vector
        .balign 16
        pop     %rcx
        pop     %r11
        .if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17 && \vector != 21 && \vector != 29 && \vector != 30
        push    $0
        .endif
        push    $\vector
        jmp     trap_common
        .endm

        .balign 16
        .globl  trap_stubs, gate_stubs
trap_stubs:
        .set    vector, 0
        .rept   32
        TRAP_STUB vector
        .set    vector, vector + 1
        .endr

        .balign 16
gate_stubs:
        .set    vector, 0x80
        .rept   128
        TRAP_STUB vector
        .set    vector, vector + 1
        .endr

/* Callbacks have frames like exceptions without error code. */
        .macro CALLBACK_STUB name, vector
        .balign 16
        .globl  \name
\name:
        pop     %rcx
        pop     %r11
        push    $0
        push    $\vector
        jmp     trap_common
        .endm

        CALLBACK_STUB callback_syscall, 0x100
        CALLBACK_STUB callback_syscall32, 0x101
        CALLBACK_STUB callback_sysenter, 0x102
        CALLBACK_STUB callback_event, 0x104
        CALLBACK_STUB callback_nmi, 2

/* The failsafe callback has the selectors DS, ES, FS and GS between R11 and the frame. */
        .balign 16
        .globl  callback_failsafe
callback_failsafe:
        pop     %rcx
        pop     %r11
        add     $32, %rsp
        push    $0
        push    $0x103
        jmp     trap_common

/* fpu_save(area): trap_entry() tells by the address that CR0.TS made it trap. */
        .globl  fpu_save, fpu_save_at
fpu_save:
fpu_save_at:
        fxsave64 (%rdi)
        ret

/* ---- trap_catch() --------------------------------------------------------------------------- */

/*
 * unsigned long catch_call(struct trap_catcher *catcher, function, argument). The catcher begins
 * with RSP, RBP, RBX, R12 to R15, RFLAGS, MXCSR and the FPU's control word.
 */
        .globl  catch_call
catch_call:
        mov     %rsp, 0(%rdi)
        mov     %rbp, 8(%rdi)
        mov     %rbx, 16(%rdi)
        mov     %r12, 24(%rdi)
        mov     %r13, 32(%rdi)
        mov     %r14, 40(%rdi)
        mov     %r15, 48(%rdi)
        pushfq
        pop     56(%rdi)
        stmxcsr 64(%rdi)
        fnstcw  68(%rdi)
        sub     $8, %rsp
        mov     %rsi, %rax
        mov     %rdx, %rdi
        call    *%rax
        add     $8, %rsp
        ret

/* A trap ends the call: returns from it anew, %rdi the catcher; all but RSP is to be restored. */
        .globl  catch_resume
catch_resume:
        mov     8(%rdi), %rbp
        mov     16(%rdi), %rbx
        mov     24(%rdi), %r12
        mov     32(%rdi), %r13
        mov     40(%rdi), %r14
        mov     48(%rdi), %r15
        ldmxcsr 64(%rdi)
        fnclex
        fldcw   68(%rdi)
        xor     %eax, %eax
        ret

/* ---- User mode ------------------------------------------------------------------------------ */

/*
 * int user_call(struct user_context *context, const struct trap_frame *registers): goes to user
 * mode; returns when trap_entry() leaves by user_resume with the vector in RSI. The context begins
 * with RSP. A trap out of user mode starts on the stack below what is saved here.
 */
        .globl  user_call
user_call:
        push    %rbp
        push    %rbx
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        mov     %rsp, 0(%rdi)
        mov     %rsi, %rbx
        mov     $FLAT_KERNEL_SS, %edi
        mov     %rsp, %rsi
        call    hypercall_page + HYPERVISOR_STACK_SWITCH * HYPERCALL_SIZE
        mov     %rbx, %rsi
        sub     $FRAME_SIZE, %rsp
        mov     %rsp, %rdi
        mov     $FRAME_SIZE / 8, %ecx
        rep movsq
        jmp     trap_return

        .globl  user_resume
user_resume:
        mov     %esi, %eax
        mov     0(%rdi), %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbx
        pop     %rbp
        ret

        .section .note.GNU-stack, "", @progbits
