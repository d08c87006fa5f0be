/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * FS and GS: HYPERVISOR_set_segment_base().
 *
 * In 64-bit mode only FS and GS have bases, in three MSRs. FS is the same in both modes of a PV
 * guest. GS has two bases, one for the kernel and one for user mode, which the hypervisor exchanges
 * whenever the mode changes (SWAPGS, which a kernel in ring 3 cannot execute). The fourth command
 * loads a selector into user mode's GS, with the base of its descriptor. What is not canonical is
 * refused, as the CPU would refuse it.
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>
#include <string.h>

#include "machine.h"
#include "tap.h"
#include "user.h"

extern const char user_bases[], user_selector[], user_load[], user_rdmsr[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_bases, user_selector, user_load, "
        "user_rdmsr\n"
        "user_code:\n"
        "user_bases: mov %fs:0, %rax\n"
        "   mov %gs:0, %rbx\n"
        "   ud2\n"
        "user_selector: mov %gs, %eax\n"
        "   ud2\n"
        "user_load: mov %ecx, %gs\n"
        "   ud2\n"
        "user_rdmsr: rdmsr\n"
        "   ud2\n"
        "user_code_end:\n"
        ".popsection\n");

/* Memory to point bases at; what is there tells which. */
static uint64_t marks[4] = {0xf5, 0x65, 0, 0};
static struct user_space user;

static long set_base(unsigned which, const volatile void *base)
{
    return HYPERVISOR_set_segment_base(which, (unsigned long)base);
}

static uint64_t fs_word(void)
{
    uint64_t word;
    __asm__ volatile("mov %%fs:0, %0" : "=r"(word));
    return word;
}

static uint64_t gs_word(void)
{
    uint64_t word;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(word));
    return word;
}

static void test_fs(void)
{
    is_error(set_base(SEGBASE_FS, &marks[0]), 0, "FS can have any base");
    is(fs_word(), 0xf5, "which is used at once");
    is(rdmsr(MSR_FS_BASE), marks, "RDMSR tells it");
    is_error(set_base(SEGBASE_FS, (void *)NON_CANONICAL), -XEN_EINVAL,
             "FS refuses a base that is not canonical");
    is_error(set_base(SEGBASE_FS, (void *)~NON_CANONICAL), -XEN_EINVAL,
             "FS refuses the last that is not canonical");
    is(fs_word(), 0xf5, "and keeps its base");
    is_error(set_base(SEGBASE_FS, (void *)HYPERVISOR_FIRST), 0,
             "the hypervisor's addresses are canonical");
    is_error(set_base(SEGBASE_FS, (void *)(NON_CANONICAL - 1)), 0, "and the last low one");
    is_error(set_base(SEGBASE_FS, (void *)~(NON_CANONICAL - 1)), 0, "and the first high one");
    is(rdmsr(MSR_FS_BASE), ~(NON_CANONICAL - 1), "RDMSR tells that one, too");
    wrmsr(MSR_FS_BASE, (uint64_t)&marks[1]);
    is(fs_word(), 0x65, "WRMSR sets FS's base as well");
    sleep_ns(1000000);
    is(fs_word(), 0x65, "a vCPU that slept still has it");
}

/* The library keeps what is private to a vCPU behind the kernel's GS: nothing may use it meanwhile.
 */
static void test_gs_kernel(void)
{
    bool enabled = events_disable();
    uint64_t before = rdmsr(MSR_GS_BASE);
    long set = set_base(SEGBASE_GS_KERNEL, &marks[1]);
    uint64_t seen = gs_word();
    long refused = set_base(SEGBASE_GS_KERNEL, (void *)NON_CANONICAL);
    uint64_t kept = gs_word();
    uint64_t read = rdmsr(MSR_GS_BASE);
    long restored = set_base(SEGBASE_GS_KERNEL, (void *)before);
    events_restore(enabled);

    is_error(set, 0, "the kernel's GS can have any base");
    is(seen, 0x65, "the kernel's GS is used at once");
    is_error(refused, -XEN_EINVAL, "GS refuses a base that is not canonical");
    is(kept, 0x65, "the kernel's GS keeps its base then");
    is(read, &marks[1], "RDMSR tells the kernel's GS base");
    is_error(restored, 0, "the base before can be set again");
}

static void test_gs_user(void)
{
    uint64_t *data = user.data;
    data[0] = 0xf5f5;
    data[1] = 0x6565;
    is_error(HYPERVISOR_set_segment_base(SEGBASE_FS, USER_DATA), 0, "FS for user mode");
    is_error(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, USER_DATA + 8), 0, "GS for user mode");
    is(rdmsr(MSR_SHADOW_GS_BASE), USER_DATA + 8, "RDMSR tells user mode's GS base");
    struct trap_frame frame = user_at(user_bases);
    is(user_enter(&frame), TRAP_UD, "user mode reads through both");
    is(frame.rax, 0xf5f5, "FS of user mode has the base");
    is(frame.rbx, 0x6565, "GS of user mode has its own");
    is_error(set_base(SEGBASE_GS_USER, (void *)NON_CANONICAL), -XEN_EINVAL,
             "GS of user mode refuses a base that is not canonical");
    frame = user_at(user_bases);
    user_enter(&frame);
    is(frame.rbx, 0x6565, "and keeps its base");
    wrmsr(MSR_SHADOW_GS_BASE, USER_DATA);
    frame = user_at(user_bases);
    user_enter(&frame);
    is(frame.rbx, 0xf5f5, "WRMSR sets it, too");
}

/* What an instruction did to the registers. */
struct registers {
    uint64_t rax, rcx, rdx, rflags;
};

#define EXECUTE(instruction, rcx_)                                                                 \
    ({                                                                                             \
        struct registers r_ = {.rax = ~0ul, .rcx = (rcx_), .rdx = ~0ul};                           \
        __asm__ volatile("stc\n" instruction "\n"                                                  \
                         "pushfq\n"                                                                \
                         "popq %3\n"                                                               \
                         : "+a"(r_.rax), "+c"(r_.rcx), "+d"(r_.rdx), "=r"(r_.rflags)               \
                         :                                                                         \
                         : "cc", "memory");                                                        \
        r_;                                                                                        \
    })

static void is_value(struct registers r, uint64_t rcx, uint64_t value, const char *what)
{
    is(r.rax, (uint32_t)value, "%s: RAX has the lower half, and nothing above", what);
    is(r.rdx, value >> 32, "%s: RDX the upper one", what);
    ok(r.rcx == rcx && (r.rflags & 1), "%s: RCX and the flags are what they were", what);
}

uint8_t code[2 * 4096] __attribute__((aligned(4096))); /* named by assembly */

/*
 * Kernels make this RDMSR at each switch of tasks: the hypervisor has a short way for it, and all
 * that looks alike but is not the same must go the long one.
 */
static void test_rdmsr(void)
{
    const uint64_t value = 0x7a5512345678, garbage = 0xfedcba9800000000 | MSR_SHADOW_GS_BASE;
    is_error(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, value), 0, "GS for user mode");
    is_value(EXECUTE("rdmsr", MSR_SHADOW_GS_BASE), MSR_SHADOW_GS_BASE, value, "RDMSR");
    is_value(EXECUTE("rdmsr", garbage), garbage, value, "RCX's upper half does not count");
    is_value(EXECUTE(".byte 0x66; rdmsr", garbage), garbage, value, "an operand-size prefix");
    is_value(EXECUTE(".byte 0x48; rdmsr", garbage), garbage, value, "REX.W");

    /* Across the end of a page. */
    memcpy(code + 4095, "\x0f\x32\xc3", 3);
    is_value(EXECUTE("call code + 4095", garbage), garbage, value, "across two pages");

    struct registers r = EXECUTE("clts", garbage);
    ok(r.rax == ~0ul && r.rdx == ~0ul && r.rcx == garbage, "CLTS with the same RCX is no RDMSR");
    struct trap_frame frame = user_at(user_rdmsr);
    frame.rcx = MSR_SHADOW_GS_BASE;
    is(user_enter(&frame), TRAP_GP, "user mode may not execute it");
    is(frame.rip, user_address(user_rdmsr), "which it is told where it did");
}

static uint64_t user_gs(void)
{
    struct trap_frame frame = user_at(user_selector);
    user_enter(&frame);
    return frame.rax & 0xffff;
}

static void test_gs_selector(void)
{
    is_error(set_base(SEGBASE_GS_USER_SEL, (void *)FLAT_RING3_DS64), 0, "a selector for user GS");
    is(user_gs(), FLAT_RING3_DS64, "user mode has it");
    is_error(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, FLAT_RING3_DS32), 0,
             "a selector of the flat data segment");
    is(user_gs(), FLAT_RING3_DS32, "user mode has that one");
    static const unsigned long bad[] = {0xfffb, 0xe010, 7, 0xe008};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_error(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, bad[i]), 0,
                 "selector %#lx, which cannot be loaded, is no error", bad[i]);
        is(user_gs(), 0, "but gives the null selector: %#lx", bad[i]);
    }
    is_error(HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0xffffffff00000000ul), 0,
             "only 16 bits of a selector count");
    is(user_gs(), 0, "which are 0 here");
    struct trap_frame frame = user_at(user_load);
    frame.rcx = FLAT_RING3_DS32;
    is(user_enter(&frame), TRAP_UD, "user mode may load GS itself");
    is(user_gs(), FLAT_RING3_DS32, "and finds it again");
    frame = user_at(user_load);
    frame.rcx = 0xe010;
    is(user_enter(&frame), TRAP_GP, "but no segment of the hypervisor");
    HYPERVISOR_set_segment_base(SEGBASE_GS_USER_SEL, 0);
}

static void test_errors(void)
{
    static const unsigned which[] = {4, 5, 0x100, 0x7fffffff, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(which) / sizeof(which[0]); i++)
        is_error(HYPERVISOR_set_segment_base(which[i], 0), -XEN_EINVAL, "command %#x is refused",
                 which[i]);
}

static unsigned wrong[MAX_VCPUS];

static void keep_bases(void *argument)
{
    unsigned id = this_vcpu();
    uint64_t mine = 0x1000 + id;
    (void)argument;
    HYPERVISOR_set_segment_base(SEGBASE_FS, (unsigned long)&mine);
    HYPERVISOR_set_segment_base(SEGBASE_GS_USER, 0x7000 + 16 * id);
    for (unsigned i = 0; i < 200; i++) {
        if (i % 20 == 0)
            sleep_ns(100000);
        else
            HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        if (fs_word() != mine || rdmsr(MSR_SHADOW_GS_BASE) != 0x7000 + 16 * id)
            wrong[id]++;
    }
}

static void test_per_vcpu(void)
{
    vcpus_run(keep_bases, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++)
        is(wrong[i], 0, "vCPU %u keeps its bases", i);
}

int main(void)
{
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    test_fs();
    test_gs_kernel();
    test_gs_user();
    test_rdmsr();
    test_gs_selector();
    test_errors();
    test_per_vcpu();
    return done();
}
