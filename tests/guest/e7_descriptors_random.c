/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E7, at random: on all vCPUs descriptors are changed, tables of descriptors set and taken
 * away, selectors loaded, MSRs and debug registers written with values drawn by lot; a page is at
 * the same time in the GDT of one vCPU and the LDT of another.
 *
 * What must hold whatever comes: no selector leads out of ring 3 (CS of the kernel and of user mode
 * has privilege 3 in every trap), a page of descriptors is never writable, an MSR that was refused
 * keeps its value, debug registers never hold an address of the hypervisor, and the machine stays.
 *
 *   test: vcpus=2,4 parallel=yes limit=120
 */
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"
#include "user.h"

#define PAGES   4u
#define IN_PAGE 512u
#define CODE64  0x00affb000000ffffull

extern const char user_load[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_load\n"
        "user_code:\n"
        "user_load: mov %eax, %ds\n"
        "   mov %ebx, %es\n"
        "   mov %ecx, %fs\n"
        "   mov %edx, %gs\n"
        "   lar %eax, %esi\n"
        "   verr %bx\n"
        "   xor %eax, %eax\n"
        "   mov %eax, %ds\n"
        "   mov %eax, %es\n"
        "   mov %eax, %fs\n"
        "   mov %eax, %gs\n"
        "   push %rdi\n"
        "   push %r8\n"
        "   lretq\n"
        "user_code_end:\n"
        ".popsection\n");

static uint64_t *pages[PAGES];
static unsigned long rounds;
static unsigned long done_rounds[MAX_VCPUS], broken[MAX_VCPUS];

static uint64_t any_descriptor(void)
{
    uint64_t d = random_below(2) ? CODE64 : random_u64();
    return d ^ (random_below(2) ? 1ull << random_below(64) : 0);
}

static unsigned any_selector(void)
{
    return random_below(3) ? (unsigned)(random_below(PAGES * IN_PAGE) << 3 | random_below(8))
                           : (unsigned)random_below(0x10000);
}

static uint64_t any_value(void)
{
    static const uint64_t pool[] = {0, ~0ull, 0x0000800000000000, HYPERVISOR_VIRT_START,
                                    HYPERVISOR_VIRT_END - 1};
    return random_below(2) ? pool[random_below(sizeof(pool) / sizeof(pool[0]))] : random_u64();
}

/* ---- What is done -----------------------------------------------------------------------------
 */

static void change_descriptor(void)
{
    uint64_t *page = pages[random_below(PAGES)];
    uint64_t at = virt_to_maddr(page) + random_below(IN_PAGE) * 8 + (random_below(16) == 0);
    HYPERVISOR_update_descriptor(at, any_descriptor());
}

static void change_gdt(void)
{
    unsigned long frames[14];
    for (unsigned i = 0; i < 14; i++)
        frames[i] = random_below(16) ? virt_to_mfn(pages[random_below(PAGES)]) : random_u64();
    HYPERVISOR_set_gdt(frames, (unsigned)random_below(random_below(4) ? 2048 : 8193));
}

static void change_ldt(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};
    op.arg1.linear_addr =
        random_below(8) ? (unsigned long)pages[random_below(PAGES)] : any_value() & PAGE_MASK;
    op.arg2.nr_ents = (unsigned)random_below(random_below(4) ? 1024 : 8194);
    HYPERVISOR_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

static unsigned long load_selectors(void *argument)
{
    unsigned selector = *(const unsigned *)argument;
    uint32_t limit = 0;
    __asm__ volatile("lsl %1, %0\n verw %w1\n" : "+r"(limit) : "r"(selector) : "cc");
    __asm__ volatile("mov %0, %%ds\n mov %0, %%es" : : "r"(selector) : "memory");
    return limit;
}

static void load_kernel(void)
{
    unsigned selector = any_selector();
    trap_catch(load_selectors, &selector);
    __asm__ volatile("mov %0, %%ds\n mov %0, %%es" : : "r"(0) : "memory");
}

static void load_user(void)
{
    struct trap_frame frame = user_at(user_load);
    frame.rax = any_selector();
    frame.rbx = any_selector();
    frame.rcx = any_selector();
    frame.rdx = any_selector();
    frame.rdi = random_below(2) ? USER_CS32 : any_selector();
    frame.r8 = user_address(user_code_end);
    if (random_below(4) == 0)
        frame.cs = any_selector() | 3;
    if (random_below(4) == 0)
        frame.ss = any_selector();
    user_enter(&frame);
    broken[this_vcpu()] += (frame.cs & 3) != 3;
}

struct msr {
    uint32_t number;
    uint64_t value;
};

static unsigned long write_msr(void *argument)
{
    const struct msr *m = argument;
    wrmsr(m->number, m->value);
    return 0;
}

static unsigned long read_msr(void *argument)
{
    return rdmsr(((const struct msr *)argument)->number);
}

/* The kernel's GS and the hypercall page's are not touched: the library needs the one. */
static void change_msr(void)
{
    static const uint32_t known[] = {MSR_FS_BASE, MSR_SHADOW_GS_BASE,
                                     0xc0000080,  0xc0000081,
                                     0xc0000082,  0xc0000084,
                                     0x174,       0x175,
                                     0x176,       0x277,
                                     0x1b,        0xc0000103,
                                     0x1d9,       0x48,
                                     0xd90,       0xda0};
    struct msr m = {
        .number = random_below(2)
                      ? known[random_below(sizeof(known) / sizeof(known[0]))]
                      : (uint32_t)random_below(0x2000) + (random_below(2) ? 0xc0000000 : 0),
        .value = any_value(),
    };
    if (m.number == MSR_GS_BASE)
        return;
    struct trap_result before = trap_catch(read_msr, &m);
    if (trap_catch(write_msr, &m).vector != TRAP_GP || m.number == 0x10)
        return;
    struct trap_result after = trap_catch(read_msr, &m);
    broken[this_vcpu()] +=
        before.vector != after.vector || (before.vector == -1 && before.value != after.value);
}

static void change_debug(void)
{
    unsigned nr = (unsigned)random_below(10);
    /* Breakpoints stay off: where they would hit is not the subject here. */
    uint64_t value = nr == 7 || nr == 5 ? any_value() & ~0xfful : any_value();
    HYPERVISOR_set_debugreg(nr, value);
    for (unsigned i = 0; i < 4; i++) {
        unsigned long at = HYPERVISOR_get_debugreg(i);
        broken[this_vcpu()] += at >= HYPERVISOR_VIRT_START && at < HYPERVISOR_VIRT_END;
    }
}

static void try_writable(void)
{
    uint64_t *page = pages[random_below(PAGES)];
    /* A page that no table uses now may become writable; others must not. */
    if (pte_set(page, pte_make(virt_to_mfn(page), PTE_KERNEL_RW)) != 0)
        return;
    (void)try_write(&page[random_below(IN_PAGE)], any_descriptor()); /* another may be faster */
    pte_set(page, pte_make(virt_to_mfn(page), PTE_KERNEL_RO));
}

static unsigned long nothing(void *argument)
{
    uint64_t cr0;
    (void)argument;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0)); /* asks what kind of segment CS is */
    return cr0;
}

static void run_vcpu(void *data)
{
    static void (*const actions[])(void) = {change_descriptor, change_descriptor, change_gdt,
                                            change_ldt,        load_kernel,       load_user,
                                            change_msr,        change_debug,      try_writable};
    struct user_space user;
    unsigned id = this_vcpu();
    (void)data;
    if (!user_space_make(&user))
        return;
    for (unsigned long i = 0; i < rounds; i++) {
        actions[random_below(sizeof(actions) / sizeof(actions[0]))]();
        if (i % 16 == 0) {
            HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
            broken[id] += trap_catch(nothing, NULL).vector != -1;
        }
        done_rounds[id]++;
    }
    HYPERVISOR_set_gdt(NULL, 0);
}

/* On a vCPU's way back to work a selector may be gone that it had: no reason to die of it. */
int main(int argc, char **argv)
{
    random_start(argc, argv);
    rounds = argument(argc, argv, "rounds", 1500);
    for (unsigned i = 0; i < PAGES; i++) {
        pages[i] = page_alloc();
        for (unsigned j = 0; j < IN_PAGE; j++)
            pages[i][j] = j % 3 ? CODE64 : 0;
        page_read_only(pages[i]);
    }
    vcpus_run(run_vcpu, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++) {
        is(done_rounds[i], rounds, "vCPU %u has done its rounds", i);
        is(broken[i], 0, "and nothing gave way: %u", i);
    }
    return done();
}
