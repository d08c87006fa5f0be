/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual IDT: HYPERVISOR_set_trap_table().
 *
 * A PV kernel has no IDT. It hands over a list of struct trap_info, each saying where an exception
 * or `int n` goes, ended by an entry with address 0; vectors that are not in the list stay as they
 * were. Each vCPU has its own table. When a trap comes, the hypervisor puts the frame of 64-bit
 * mode on the kernel's stack (SS, RSP, RFLAGS, CS, RIP, perhaps an error code), with R11 and RCX
 * below it, and the byte above CS tells whether events were masked. CS is shown with privilege 0
 * when the kernel itself was interrupted. Two bits of the flags say which privilege may use `int n`
 * (the kernel counts as ring 1), one whether events are masked at the handler (as an interrupt gate
 * does with IF).
 *
 * The entry points here are those of raw.h, which only record how they were entered.
 *
 *   test: vcpus=1,4
 */
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "raw.h"
#include "tap.h"

#define GATE      0x80 /* it has a gate of its own in real IDTs: works under every emulator */
#define IF_MASKED 4u

enum frame { FRAME_RCX, FRAME_R11, FRAME_RIP, FRAME_CS, FRAME_RFLAGS, FRAME_RSP, FRAME_SS };

static uint64_t rip_after, rsp_before;

static void int_80(void *argument)
{
    (void)argument;
    __asm__ volatile("lea 1f(%%rip), %%rax\n"
                     "mov %%rax, %0\n"
                     "mov %%rsp, %1\n"
                     "mov $0x1111, %%ecx\n"
                     "mov $0x2222, %%r11d\n"
                     "stc\n"
                     "int $0x80\n"
                     "1:\n"
                     : "=m"(rip_after), "=m"(rsp_before)
                     :
                     : "rax", "rcx", "r11", "cc", "memory");
}

static unsigned long caught_int_80(void *argument)
{
    int_80(argument);
    return 0;
}

static void int_90(void *argument)
{
    (void)argument;
    __asm__ volatile("int $0x90" : : : "memory");
}

static unsigned long caught_int_90(void *argument)
{
    int_90(argument);
    return 0;
}

static void test_frame(void)
{
    is_error(raw_gate(GATE, 3, raw_entry(0)), 0, "a gate can be set");
    is(raw_call(int_80, NULL), 0, "int 0x80 comes to the address of its gate");
    is(raw_words[FRAME_RIP], rip_after, "the frame's RIP is behind the instruction");
    is(raw_words[FRAME_RCX], 0x1111, "RCX lies below the frame");
    is(raw_words[FRAME_R11], 0x2222, "R11 lies below the frame");
    is(raw_words[FRAME_RSP], rsp_before, "the frame's RSP is what it was");
    is(raw_rsp, (rsp_before & ~15ul) - 7 * 8, "the frame begins at an address divisible by 16");
    is(raw_words[FRAME_CS] & 3, 0, "CS is shown with privilege 0: the kernel was interrupted");
    is(raw_words[FRAME_CS] & 0xfffc, FLAT_KERNEL_CS & 0xfffc, "CS is the kernel's flat segment");
    is(raw_words[FRAME_SS] & 0xfffc, FLAT_KERNEL_SS & 0xfffc, "SS is the kernel's flat segment");
    ok(raw_words[FRAME_RFLAGS] & RFLAGS_CF, "RFLAGS of the moment are in the frame");
    ok(raw_words[FRAME_RFLAGS] & RFLAGS_IF, "IF is shown set: events were not masked");
    is(raw_words[FRAME_CS] >> 32 & 0xff, 0, "the saved event mask is 0, too");
    is(raw_words[FRAME_RFLAGS] & RFLAGS_IOPL, 0, "IOPL is shown as 0");
    ok(!raw_masked, "events stay unmasked at a trap gate");
}

static void test_masking(void)
{
    raw_gate(GATE, 3 | IF_MASKED, raw_entry(1));
    is(raw_call(int_80, NULL), 1, "a gate can be replaced");
    ok(raw_masked, "a gate with the interrupt flag masks events");
    is(raw_words[FRAME_CS] >> 32 & 0xff, 0, "the mask before is still shown");

    bool enabled = events_disable();
    is(raw_call(int_80, NULL), 1, "a trap comes with events masked, too");
    events_restore(enabled);
    is(raw_words[FRAME_CS] >> 32 & 0xff, 1, "the mask that was set is shown above CS");
    is(raw_words[FRAME_RFLAGS] & RFLAGS_IF, 0, "and as IF clear");
}

/* A software interrupt that is refused: #GP at the instruction, with 8 * vector + 2. */
static void test_privilege(void)
{
    raw_gate(GATE, 1, raw_entry(2));
    is(raw_call(int_80, NULL), 2, "the kernel may use a gate of privilege 1");

    if (int_n_is_faulty()) {
        skip(8, "QEMU gives #GP of int n a wrong error code, and this hypervisor believes it");
        return;
    }
    raw_gate(0x90, 0, raw_entry(2));
    struct trap_result r = trap_catch(caught_int_90, NULL);
    is(r.vector, TRAP_GP, "int n with a gate of privilege 0 raises #GP");
    is(r.error, 0x90 << 3 | 2, "whose error code names the gate");
    is(*(const uint16_t *)r.rip, 0x90cd, "and whose RIP is at the instruction");

    raw_gate(0x90, 1, raw_entry(2));
    is(raw_call(int_90, NULL), 2, "int n with privilege 1 arrives");
    is(((const uint16_t *)raw_words[FRAME_RIP])[-1], 0x90cd, "with RIP behind the instruction");

    raw_gate(GATE, 0, raw_entry(2));
    r = trap_catch(caught_int_80, NULL);
    is(r.vector, TRAP_GP, "int 0x80 with a gate of privilege 0 raises #GP");
    is(r.error, 0x80 << 3 | 2, "whose error code names gate 0x80");
    is(*(const uint16_t *)r.rip, 0x80cd, "and whose RIP is at int 0x80");
}

static void test_list(void)
{
    struct trap_info two[3] = {
        {GATE, 3, 0, raw_entry(3)},                   /* a selector of 0: replaced by a good one */
        {0x91, 3, FLAT_KERNEL_CS & ~3, raw_entry(4)}, /* privilege 0: raised to 3 */
        {0, 0, 0, 0},
    };
    is_error(HYPERVISOR_set_trap_table(two), 0, "any code selector is taken");
    is(raw_call(int_80, NULL), 3, "the first of a list is set");
    uint16_t cs;
    __asm__("mov %%cs, %0" : "=r"(cs));
    is(cs, FLAT_KERNEL_CS, "code goes on in the flat segment");

    struct trap_info same[3] = {
        {GATE, 3, FLAT_KERNEL_CS, raw_entry(3)},
        {GATE, 3, FLAT_KERNEL_CS, raw_entry(5)},
        {0, 0, 0, 0},
    };
    HYPERVISOR_set_trap_table(same);
    is(raw_call(int_80, NULL), 5, "of two entries for one vector, the last counts");

    static struct trap_info whole[257];
    for (unsigned i = 0; i < 256; i++)
        whole[i] = (struct trap_info){(uint8_t)i, 3, FLAT_KERNEL_CS, raw_entry(6)};
    struct trap_info *kept = &whole[0x20]; /* leave the exceptions to the library */
    is_error(HYPERVISOR_set_trap_table(kept), 0, "a list of all vectors but the exceptions");
    is(raw_call(int_80, NULL), 6, "sets each of them");

    whole[0] = (struct trap_info){0, 0, 0, 0};
    is_error(HYPERVISOR_set_trap_table(whole), 0, "an empty list is a list");
    is(raw_call(int_80, NULL), 6, "and changes nothing");
}

static void test_errors(void)
{
    is_error(raw_gate(GATE, 3, NON_CANONICAL), -XEN_EINVAL,
             "an address that is not canonical is refused");
    is_error(raw_gate(GATE, 3, NON_CANONICAL_2), -XEN_EINVAL, "far from canonical as well");
    is_error(raw_gate(GATE, 3, HYPERVISOR_FIRST), -XEN_EINVAL,
             "an address in the hypervisor's range is refused");
    if (!is_paravane())
        raw_gate(GATE, 3, raw_entry(6)); /* Xen takes it: such a handler is a page fault */
    is(raw_call(int_80, NULL), 6, "a refused entry leaves the gate as it was");

    struct trap_info half[2] = {
        {GATE, 3, FLAT_KERNEL_CS, raw_entry(7)},
        {0x92, 3, FLAT_KERNEL_CS, NON_CANONICAL},
    };
    is_error(HYPERVISOR_set_trap_table(half), -XEN_EINVAL, "a list with a wrong second entry");
    is(raw_call(int_80, NULL), 7, "has set the first");

    for (const struct address *a = addresses(sizeof(struct trap_info)); a->name != NULL; a++) {
        /* A good one holds zeroes, which is an empty list; address 0 means the whole table. */
        if (a->address != NULL)
            is_error(HYPERVISOR_set_trap_table(a->address), a->readable ? 0 : -XEN_EFAULT,
                     "a list at an address that is %s", a->name);
    }
}

static volatile int vector_elsewhere;

static void on_other_vcpu(void *argument)
{
    (void)argument;
    if (this_vcpu() == 1)
        vector_elsewhere = trap_catch(caught_int_80, NULL).vector;
}

/* Vector 0x80 of vCPU 0 is raw_entry(7), which vCPU 1 must not reach: it would ruin the program. */
static void test_per_vcpu(void)
{
    if (nr_vcpus() < 2) {
        skip(1, "needs a second vCPU");
        return;
    }
    vector_elsewhere = -2;
    vcpus_run(on_other_vcpu, NULL);
    ok(vector_elsewhere == TRAP_GP || vector_elsewhere == 0x80 || vector_elsewhere == -1,
       "another vCPU's table is its own");
}

/* Last: without a table, the next trap is the end. */
static void test_clear(void)
{
    is_error(HYPERVISOR_set_trap_table(NULL), 0, "no list clears the table");
    is_error(raw_gate(TRAP_GP, 0, raw_entry(0)), 0, "a cleared table takes gates again");
    is_error(raw_gate(TRAP_UD, 0, raw_entry(1)), 0, "one at a time");
    is(raw_call(int_80, NULL), 0, "a gate that was cleared raises #GP");
    is(raw_words[FRAME_RIP], 0x80 << 3 | 2, "with the vector in the error code");
    is(raw_words[FRAME_RIP + 1], rip_after - 2, "and RIP at the instruction");
}

int main(void)
{
    test_frame();
    test_masking();
    test_privilege();
    test_list();
    test_errors();
    test_per_vcpu();
    test_clear();
    return done();
}
