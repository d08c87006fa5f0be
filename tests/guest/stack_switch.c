/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's stack for entries from user mode: HYPERVISOR_stack_switch(), the PV form of SS0 and
 * RSP0 in a TSS.
 *
 * When user mode is left, by SYSCALL, exception or event, the frame for the kernel lies below the
 * address named here, aligned down to 16 bytes as a CPU does it. A trap in kernel mode stays on the
 * stack that is in use. The hypercall takes any value: what it is worth shows at the next entry (a
 * stack that cannot be written is the end of the domain, see e6_entry_exit.c). The setting is the
 * vCPU's own.
 *
 *   test: vcpus=1
 */
#include <pv/memory.h>

#include "raw.h"
#include "tap.h"
#include "user.h"

extern const char user_syscall[], user_divide[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_syscall, user_divide\n"
        "user_code:\n"
        "user_syscall: syscall\n"
        "1: jmp 1b\n"
        "user_divide: xor %ecx, %ecx\n"
        "   div %ecx\n"
        "user_code_end:\n"
        ".popsection\n");

static char stacks[3 * 4096] __attribute__((aligned(4096)));

/* As raw_iret(), without naming a stack of its own. */
static int enter_user(const char *label)
{
    struct iret_context frame = {.rip = user_address(label),
                                 .cs = USER_CS64,
                                 .rflags = RFLAGS_IF | 2,
                                 .rsp = USER_STACK,
                                 .ss = USER_SS};
    bool enabled = events_disable();
    return raw_finish(raw_iret_asm(&frame), enabled);
}

static void test_place(void)
{
    unsigned long top = (unsigned long)stacks + 4096;
    for (unsigned offset = 0; offset < 17; offset++) {
        HYPERVISOR_stack_switch(FLAT_KERNEL_SS, top + offset);
        is(enter_user(user_syscall), 0, "SYSCALL with a stack at %u beyond an aligned address",
           offset);
        is(raw_rsp, ((top + offset) & ~15ul) - 7 * 8, "its frame is below the aligned stack: %u",
           offset);
    }
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (unsigned long)stacks + 4096 + 24);
    is(enter_user(user_syscall), 0, "a frame may lie in two pages");
    is(raw_words[5], USER_STACK, "and is whole");

    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (unsigned long)stacks + 2 * 4096);
    is(enter_user(user_divide), 1, "an exception comes on the same stack");
    is(raw_rsp, (unsigned long)stacks + 2 * 4096 - 7 * 8, "at the same place");
}

static void test_selector(void)
{
    static const unsigned long selectors[] = {0, FLAT_KERNEL_SS & ~3ul, 0xffff, ~0ul, 0x1234567};
    for (unsigned i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
        is_error(HYPERVISOR_stack_switch(selectors[i], (unsigned long)stacks + 4096), 0,
                 "any selector is taken: %#lx", selectors[i]);
        is(enter_user(user_syscall), 0, "and SYSCALL arrives with it: %#lx", selectors[i]);
    }
    uint16_t ss;
    __asm__("mov %%ss, %0" : "=r"(ss));
    ok(ss == FLAT_KERNEL_SS || ss == 0, "the kernel's stack segment is flat");
}

static void divide(void *argument)
{
    (void)argument;
    __asm__ volatile("xor %%ecx, %%ecx\n div %%ecx" : : : "rax", "rcx", "rdx", "cc");
}

static void test_kernel_trap(void)
{
    unsigned long here = (unsigned long)__builtin_frame_address(0);
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (unsigned long)stacks + 4096);
    is(raw_call(divide, NULL), 1, "an exception in kernel mode arrives");
    ok(here - raw_rsp < 4096, "on the stack that was in use");
}

/* Set, not used: the next good one counts. */
static void test_any_value(void)
{
    static const unsigned long values[] = {
        0, 1, ~0ul, NON_CANONICAL, HYPERVISOR_FIRST, HYPERVISOR_LAST};
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        is_error(HYPERVISOR_stack_switch(FLAT_KERNEL_SS, values[i]), 0, "a stack at %#lx is taken",
                 values[i]);
    is_error(HYPERVISOR_stack_switch(FLAT_KERNEL_SS, (unsigned long)stacks + 4096), 0,
             "and a good one after that");
    is(enter_user(user_syscall), 0, "is the one that is used");
}

int main(void)
{
    struct user_space user;
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    raw_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, raw_entry(0));
    raw_gate(TRAP_DE, 0, raw_entry(1));
    test_place();
    test_selector();
    test_kernel_trap();
    test_any_value();
    return done();
}
