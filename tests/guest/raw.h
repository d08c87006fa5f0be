/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entry points of a kernel that do nothing but record how they were entered, for tests of what the
 * hypervisor puts on the stack. To be included by one file of a program, and used on one vCPU.
 *
 * raw_call() calls a function, raw_iret() makes the iret hypercall; when one of the entry points
 * raw_entry(0) to raw_entry(7) is reached, by a trap, a callback or a return to it, they return its
 * number, with the state at that moment in raw_words, raw_rsp, raw_regs and raw_flags.
 */
#ifndef RAW_H
#define RAW_H

#include <pv/event.h>
#include <pv/hypercall.h>

#include "machine.h"

#define RAW_ENTRIES 8
#define RAW_WORDS   14

enum raw_register {
    RAW_RAX,
    RAW_RBX,
    RAW_RCX,
    RAW_RDX,
    RAW_RSI,
    RAW_RDI,
    RAW_RBP,
    RAW_R8,
    RAW_R9,
    RAW_R10,
    RAW_R11,
    RAW_R12,
    RAW_R13,
    RAW_R14,
    RAW_R15,
    RAW_REGISTERS,
};

extern char raw_entries[];
uint64_t raw_words[RAW_WORDS]; /* from the stack pointer upwards */
uint64_t raw_rsp;
uint64_t raw_regs[RAW_REGISTERS];
uint64_t raw_load[RAW_REGISTERS]; /* what raw_iret() enters with, but RAX, RCX and R11 */
uint64_t raw_flags;
uint64_t raw_context;
bool raw_masked; /* events were masked at the entry */

int raw_call_asm(void (*function)(void *argument), void *argument);
int raw_iret_asm(struct iret_context *frame);

__asm__(".text\n"
        ".balign 16\n"
        ".globl raw_entries, raw_call_asm, raw_iret_asm\n"
        "raw_entries:\n"
        ".set raw_n, 0\n"
        ".rept 8\n"
        ".balign 16\n"
        "   push $raw_n\n"
        "   jmp raw_common\n"
        ".set raw_n, raw_n + 1\n"
        ".endr\n"
        "raw_common:\n"
        "   mov %rax, raw_regs+0(%rip)\n"
        "   mov %rbx, raw_regs+8(%rip)\n"
        "   mov %rcx, raw_regs+16(%rip)\n"
        "   mov %rdx, raw_regs+24(%rip)\n"
        "   mov %rsi, raw_regs+32(%rip)\n"
        "   mov %rdi, raw_regs+40(%rip)\n"
        "   mov %rbp, raw_regs+48(%rip)\n"
        "   mov %r8, raw_regs+56(%rip)\n"
        "   mov %r9, raw_regs+64(%rip)\n"
        "   mov %r10, raw_regs+72(%rip)\n"
        "   mov %r11, raw_regs+80(%rip)\n"
        "   mov %r12, raw_regs+88(%rip)\n"
        "   mov %r13, raw_regs+96(%rip)\n"
        "   mov %r14, raw_regs+104(%rip)\n"
        "   mov %r15, raw_regs+112(%rip)\n"
        "   pop %rbx\n"
        "   pushfq\n"
        "   popq raw_flags(%rip)\n"
        "   pushq $2\n" /* what else the flags may say must not trouble the C that follows */
        "   popfq\n"
        "   mov %rsp, raw_rsp(%rip)\n"
        "   mov %rsp, %rsi\n"
        "   lea raw_words(%rip), %rdi\n"
        "   mov $14, %ecx\n"
        "   rep movsq\n"
        "   mov %ebx, %eax\n"
        "raw_leave:\n"
        "   mov raw_context(%rip), %rsp\n"
        "   pop %r15\n"
        "   pop %r14\n"
        "   pop %r13\n"
        "   pop %r12\n"
        "   pop %rbp\n"
        "   pop %rbx\n"
        "   ret\n"
        "raw_call_asm:\n"
        "   push %rbx\n"
        "   push %rbp\n"
        "   push %r12\n"
        "   push %r13\n"
        "   push %r14\n"
        "   push %r15\n"
        "   mov %rsp, raw_context(%rip)\n"
        "   mov %rdi, %rax\n"
        "   mov %rsi, %rdi\n"
        "   sub $8, %rsp\n"
        "   call *%rax\n"
        "   mov $-1, %eax\n"
        "   jmp raw_leave\n"
        "raw_iret_asm:\n"
        "   push %rbx\n"
        "   push %rbp\n"
        "   push %r12\n"
        "   push %r13\n"
        "   push %r14\n"
        "   push %r15\n"
        "   mov %rsp, raw_context(%rip)\n"
        "   mov %rdi, %rsp\n"
        "   mov raw_load+8(%rip), %rbx\n"
        "   mov raw_load+24(%rip), %rdx\n"
        "   mov raw_load+32(%rip), %rsi\n"
        "   mov raw_load+40(%rip), %rdi\n"
        "   mov raw_load+48(%rip), %rbp\n"
        "   mov raw_load+56(%rip), %r8\n"
        "   mov raw_load+64(%rip), %r9\n"
        "   mov raw_load+72(%rip), %r10\n"
        "   mov raw_load+88(%rip), %r12\n"
        "   mov raw_load+96(%rip), %r13\n"
        "   mov raw_load+104(%rip), %r14\n"
        "   mov raw_load+112(%rip), %r15\n"
        "   pop %rax\n"
        "   pop %r11\n"
        "   pop %rcx\n"
        /* The stub of iret pushes these three again, and adds the number. */
        "   jmp hypercall_page + 23 * 32\n");

static inline unsigned long raw_entry(unsigned n)
{
    return (unsigned long)raw_entries + 16 * n;
}

static inline int raw_finish(int entry, bool enabled)
{
    raw_masked = !events_disable();
    events_restore(enabled);
    return entry;
}

/* -1: the function returned. Events are as before, whatever happened. */
static inline int raw_call(void (*function)(void *argument), void *argument)
{
    bool enabled = events_disable();
    events_restore(enabled);
    return raw_finish(raw_call_asm(function, argument), enabled);
}

/*
 * The iret hypercall with a frame, which is overwritten. Kernel entries from user mode will come on
 * this stack, below what is in use. Events are masked until the hypercall sets them as frame says.
 */
static inline int raw_iret(struct iret_context *frame)
{
    bool enabled = events_disable();
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (unsigned long)__builtin_frame_address(0) - 8192);
    return raw_finish(raw_iret_asm(frame), enabled);
}

/* A gate of the virtual IDT; flags: privilege level, 4 masks events. */
static inline long raw_gate(unsigned vector, unsigned flags, unsigned long address)
{
    struct trap_info table[2] = {
        {(uint8_t)vector, (uint8_t)flags, FLAT_KERNEL_CS, address},
        {0, 0, 0, 0},
    };
    return HYPERVISOR_set_trap_table(table);
}

static inline long raw_callback(unsigned type, unsigned flags, unsigned long address)
{
    struct callback_register reg = {
        .type = (uint16_t)type, .flags = (uint16_t)flags, .address = address};
    return HYPERVISOR_callback_op(CALLBACKOP_register, &reg);
}

#endif
