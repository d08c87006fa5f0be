/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E6: entry, exit, iret and the frames that the hypervisor puts on a guest's stack.
 *
 * A guest chooses where it returns to, with which flags and segments, and where its stack is. The
 * hypervisor has to use these values at the most delicate moment, between two privilege levels
 * (Xen's advisories 7, 44, 183, 202, 213, 259, 260, 265, 339, 446). Here each is set to what it
 * should not be: the guest hears of it by an exception, or, where there is nothing that it could be
 * told on, its domain is crashed. The machine stays as it is.
 *
 *   test: vcpus=1
 *   test: vcpus=1 args="case=stack_unmapped" expect="cannot be written|no room|Dom0 crashed"
 *   test: vcpus=1 args="case=stack_read_only" expect="cannot be written|no room|Dom0 crashed"
 *   test: vcpus=1 args="case=stack_hypervisor" expect="cannot be written|no room|Dom0 crashed"
 *   test: vcpus=1 args="case=stack_hole" expect="cannot be written|no room|Dom0 crashed"
 *   test: vcpus=1 args="case=stack_zero" expect="cannot be written|no room|Dom0 crashed"
 *   test: vcpus=1 args="case=kernel_stack_hole" expect="no room|Dom0 crashed"
 *   test: vcpus=1 args="case=no_handler" expect="trap 6 at .* without|Dom0 crashed"
 *   test: vcpus=1 args="case=no_page_fault_handler" expect="page fault at .* without|Dom0 crashed"
 *   test: vcpus=1 args="case=no_breakpoint_handler" expect="trap 3 at .* without|Dom0 crashed"
 *   test: vcpus=1 args="case=no_event_callback" expect="no event callback|Dom0 crashed"
 *   test: vcpus=1 args="case=iret_in_multicall" expect="iret inside a multicall|Dom0 crashed"
 *   test: vcpus=1 args="case=iret_stack_unmapped" expect="iret: no frame at stack|Dom0 crashed"
 *   test: vcpus=1 args="case=iret_stack_hypervisor" expect="iret: no frame at stack|Dom0 crashed"
 *   test: vcpus=1 args="case=iret_stack_hole" expect="iret: no frame at stack|Dom0 crashed"
 *   test: vcpus=1 args="case=no_user_table" expect="without a user page table|Dom0 crashed"
 */
#include <pv/clock.h>
#include <pv/memory.h>
#include <pv/smp.h>

#include "raw.h"
#include "tap.h"
#include "user.h"

/* The first bytes are written by the test. */
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end\n"
        "user_code:\n"
        "   .skip 64, 0xcc\n"
        "user_code_end:\n"
        ".popsection\n");

enum { AT_GP, AT_PF, AT_UD, AT_DB, AT_INT80, AT_SYSCALL, AT_SS, AT_BP };
enum frame { FRAME_RCX, FRAME_R11, FRAME_RIP, FRAME_CS, FRAME_RFLAGS, FRAME_RSP, FRAME_SS };

static struct user_space user;

#define CODE(...) set_code((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void set_code(const uint8_t *bytes, size_t size)
{
    memset(user.code, 0xcc, 64);
    memcpy(user.code, bytes, size);
}

static struct iret_context to_user(void)
{
    return (struct iret_context){.rip = USER_CODE,
                                 .cs = USER_CS64,
                                 .rflags = RFLAGS_IF | 2,
                                 .rsp = USER_STACK,
                                 .ss = USER_SS};
}

static int go(unsigned long cs)
{
    struct iret_context frame = to_user();
    frame.cs = cs;
    return raw_iret(&frame);
}

/* ---- What the guest survives
 * --------------------------------------------------------------------- */

static void test_addresses(void)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   0x00007ffffffff000,
                                   0x00007fffffffffff,
                                   0x0000800000000000,
                                   0x0000800000000001,
                                   0x8000000000000000,
                                   0xffff7fffffffffff,
                                   HYPERVISOR_VIRT_START,
                                   HYPERVISOR_VIRT_START + 0x20000000000,
                                   HYPERVISOR_VIRT_END - 1,
                                   HYPERVISOR_VIRT_END,
                                   0xfffffffffffff000,
                                   0xffffffffffffffff};
    CODE(0xcd, 0x80);
    for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct iret_context frame = to_user();
        frame.rip = odd[i];
        int entry = raw_iret(&frame);
        ok(entry == AT_PF || entry == AT_GP, "return to user mode at %#" PRIx64, odd[i]);
        is(raw_words[FRAME_RIP + 1], odd[i], "the exception says so: %#" PRIx64, odd[i]);
        frame = to_user();
        frame.rsp = odd[i];
        is(raw_iret(&frame), AT_INT80, "return with a stack at %#" PRIx64, odd[i]);
        is(raw_words[FRAME_RSP], odd[i], "which is not looked at: %#" PRIx64, odd[i]);
    }
}

static void test_selectors(void)
{
    static const uint16_t selectors[] = {0,      1,      2,      3,      4,      7,      8,
                                         0x33,   0x2b,   0x4000, 0xdfff, 0xe000, 0xe008, 0xe010,
                                         0xe020, 0xe028, 0xe030, 0xe033, 0xe038, 0xe040, 0xffff};
    unsigned good = 0, refused = 0, other = 0;
    CODE(0xcd, 0x80);
    for (unsigned i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++)
        for (unsigned j = 0; j < sizeof(selectors) / sizeof(selectors[0]); j++) {
            struct iret_context frame = to_user();
            frame.cs = selectors[i] | 3;
            frame.ss = selectors[j];
            int entry = raw_iret(&frame);
            good += entry == AT_INT80;
            refused += entry == AT_GP || entry == AT_SS;
            other += entry != AT_INT80 && entry != AT_GP && entry != AT_SS;
        }
    ok(good > 0, "some selectors are good");
    ok(refused > good, "most are refused");
    is(other, 0, "nothing else comes of them");
}

static void test_flags(void)
{
    static const uint64_t flags[] = {RFLAGS_NT,  RFLAGS_IOPL, RFLAGS_VM, RFLAGS_RF, RFLAGS_AC,
                                     RFLAGS_VIF, RFLAGS_VIP,  RFLAGS_ID, RFLAGS_DF, ~0ul,
                                     ~RFLAGS_TF, 0,           1ul << 63};
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct iret_context frame = to_user();
        frame.rflags = flags[i];
        CODE(0xcd, 0x80);
        int entry = raw_iret(&frame);
        is(entry, AT_INT80, "RFLAGS %#" PRIx64 " and int 0x80", flags[i]);
        is(raw_words[FRAME_RFLAGS] & (RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP), 0,
           "%#" PRIx64 " gives no privilege", flags[i]);
        CODE(0x0f, 0x05);
        frame = to_user();
        frame.rflags = flags[i] & ~RFLAGS_TF;
        is(raw_iret(&frame), AT_SYSCALL, "RFLAGS %#" PRIx64 " and SYSCALL", flags[i]);
        CODE(0x0f, 0x34);
        frame = to_user();
        frame.rflags = flags[i];
        frame.cs = USER_CS32;
        entry = raw_iret(&frame);
        ok(entry == AT_GP || entry == AT_UD || entry == AT_DB || entry == AT_SYSCALL,
           "RFLAGS %#" PRIx64 " and SYSENTER", flags[i]);
        HYPERVISOR_set_debugreg(6, 0);
    }
}

/* The gates of INT3 and INTO are open; all others lead to #GP where the guest has no handler. */
static void test_software_interrupts(void)
{
    CODE(0xcc);
    is(go(USER_CS64), AT_BP, "INT3 of user mode");
    CODE(0xce);
    is(go(USER_CS32), AT_BP, "INTO of 32-bit code without overflow goes on to INT3");
    CODE(0xce);
    is(go(USER_CS64), AT_UD, "INTO of 64-bit code is undefined");
    CODE(0xcd, 0x80);
    raw_gate(0x80, 1, raw_entry(AT_INT80));
    is(go(USER_CS64), AT_GP, "int 0x80 that user mode may not");
    raw_gate(0x80, 3, raw_entry(AT_INT80));
    if (int_n_is_faulty()) {
        skip(1, "QEMU gives #GP of int n a wrong error code, and this hypervisor believes it");
        return;
    }
    unsigned wrong = 0;
    for (unsigned vector = 0; vector < 256; vector++) {
        if (vector == 3 || vector == 4 || vector == 0x80)
            continue;
        CODE(0xcd, (uint8_t)vector);
        if (vector > 0x80)
            raw_gate(vector, 0, raw_entry(AT_INT80));
        if (go(vector & 1 ? USER_CS64 : USER_CS32) != AT_GP || raw_words[2] != (vector << 3 | 2) ||
            raw_words[3] != USER_CODE)
            wrong++;
    }
    is(wrong, 0, "every other software interrupt of user mode is #GP, with its vector");
}

static void test_multicall(void)
{
    struct multicall_entry calls[3] = {
        {.op = __HYPERVISOR_stack_switch, .args = {FLAT_KERNEL_SS, 0x1000}},
        {.op = __HYPERVISOR_set_segment_base, .args = {SEGBASE_FS, NON_CANONICAL}},
        {.op = __HYPERVISOR_stack_switch, .args = {FLAT_KERNEL_SS, NON_CANONICAL}},
    };
    is_error(HYPERVISOR_multicall(calls, 3), 0, "stack_switch inside a multicall");
    is((long)calls[0].result, 0, "is carried out");
    is((long)calls[1].result, -XEN_EINVAL, "an error is the entry's own");
    CODE(0x0f, 0x05);
    is(go(USER_CS64), AT_SYSCALL, "the next stack counts");
}

/* ---- What ends the domain
 * ------------------------------------------------------------------------ */

static void with_stack(unsigned long sp)
{
    struct iret_context frame = to_user();
    CODE(0x0f, 0x05);
    HYPERVISOR_stack_switch(FLAT_KERNEL_SS, sp);
    raw_iret_asm(&frame);
}

static void with_iret_at(unsigned long sp)
{
    __asm__ volatile("mov %0, %%rsp\n"
                     "mov $23, %%eax\n"
                     "syscall"
                     :
                     : "r"(sp)
                     : "memory");
}

static void clear_table(void)
{
    HYPERVISOR_set_trap_table(NULL);
}

static void no_event_callback(void)
{
    evtchn_port_t port = (evtchn_port_t)event_bind_ipi(0, NULL, NULL);
    event_unmask(port);
    HYPERVISOR_set_callbacks(0, 0, 0);
    event_send(port);
}

static void die(const char *name)
{
    static char page[3 * 4096] __attribute__((aligned(4096)));
    struct multicall_entry iret = {.op = __HYPERVISOR_iret};
    volatile unsigned long nowhere = 8;
    char *readable = page + 4096;
    if (strcmp(name, "stack_unmapped") == 0)
        with_stack(0x7000);
    else if (strcmp(name, "stack_read_only") == 0 && page_read_only(readable) == 0)
        with_stack((unsigned long)readable + 2048);
    else if (strcmp(name, "stack_hypervisor") == 0)
        with_stack(HYPERVISOR_VIRT_START + 0x20000000000);
    else if (strcmp(name, "stack_hole") == 0)
        with_stack(HYPERVISOR_VIRT_START + 16);
    else if (strcmp(name, "stack_zero") == 0)
        with_stack(8);
    else if (strcmp(name, "kernel_stack_hole") == 0)
        __asm__ volatile("mov %0, %%rsp\n ud2" : : "r"(NON_CANONICAL + 16) : "memory");
    else if (strcmp(name, "no_handler") == 0)
        clear_table(), (void)cpuid_forced(0, 0), __builtin_trap();
    else if (strcmp(name, "no_page_fault_handler") == 0)
        clear_table(), try_write((void *)nowhere, 0);
    else if (strcmp(name, "no_breakpoint_handler") == 0)
        clear_table(), ({ __asm__ volatile("int3"); });
    else if (strcmp(name, "no_event_callback") == 0)
        no_event_callback();
    else if (strcmp(name, "iret_in_multicall") == 0)
        HYPERVISOR_multicall(&iret, 1);
    else if (strcmp(name, "iret_stack_unmapped") == 0)
        with_iret_at(0x7000);
    else if (strcmp(name, "iret_stack_hypervisor") == 0)
        with_iret_at(HYPERVISOR_VIRT_START + 0x20000000000);
    else if (strcmp(name, "iret_stack_hole") == 0)
        with_iret_at(NON_CANONICAL - 16);
    ok(false, "%s ends the domain", name);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 && strncmp(argv[1], "case=", 5) == 0 ? argv[1] + 5 : NULL;
    if (name != NULL && strcmp(name, "no_user_table") == 0) {
        struct iret_context frame = to_user();
        raw_iret(&frame);
        ok(false, "a return to user mode without its page table ends the domain");
        return done();
    }
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    raw_gate(0x80, 3, raw_entry(AT_INT80));
    raw_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, raw_entry(AT_SYSCALL));
    raw_callback(CALLBACKTYPE_sysenter, 0, raw_entry(AT_SYSCALL));
    if (name != NULL) {
        die(name);
        return done();
    }
    raw_gate(TRAP_GP, 0, raw_entry(AT_GP));
    raw_gate(TRAP_PF, 0, raw_entry(AT_PF));
    raw_gate(TRAP_UD, 0, raw_entry(AT_UD));
    raw_gate(TRAP_DB, 0, raw_entry(AT_DB));
    raw_gate(TRAP_SS, 0, raw_entry(AT_SS));
    raw_gate(TRAP_NP, 0, raw_entry(AT_SS));
    raw_gate(TRAP_BP, 0, raw_entry(AT_BP));
    test_addresses();
    test_selectors();
    test_flags();
    test_software_interrupts();
    test_multicall();
    return done();
}
