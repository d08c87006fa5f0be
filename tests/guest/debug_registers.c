/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers (Intel SDM 3B 17.2): HYPERVISOR_set_debugreg() and get_debugreg(), and MOV DR.
 *
 * DR0 to DR3 are addresses, DR7 says which of them stop at what (execution, writes, accesses,
 * ports), DR6 tells what has hit; DR4 and DR5 are other names of DR6 and DR7. A guest has registers
 * of its own. An address must be the guest's, or a breakpoint could stop the hypervisor; DR7 may
 * not guard the registers themselves (GD); breakpoints on ports need CR4.DE.
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"
#include "user.h"

#define DR6_ONES 0xffff0ff0ul
#define DR7_ONES 0x400ul
#define DR7_GD   0x2000ul
#define DR6_BS   0x4000ul
#define EXECUTE  0u
#define WRITE    1u
#define IO       2u
#define ACCESS   3u
#define CR4_DE   8ul
#define UNTOLD   0xc00ul /* of DR6: reserved bits that CPUs have used since */

extern const char user_break[], user_spin[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_break, user_spin\n"
        "user_code:\n"
        "user_spin: nop\n"
        "user_break: nop\n"
        "   mov %rax, (%rbx)\n"
        "   nop\n"
        "   ud2\n"
        "user_code_end:\n"
        ".popsection\n");

static volatile uint64_t watched[2];

/* DR7 with breakpoint n on, for `type` at 2^log bytes (8 is coded as 2). */
static unsigned long dr7(unsigned n, unsigned type, unsigned size)
{
    static const unsigned code[9] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
    return DR7_ONES | 1ul << (2 * n) | (unsigned long)(type | code[size] << 2) << (16 + 4 * n);
}

static void clear(void)
{
    HYPERVISOR_set_debugreg(7, 0);
    HYPERVISOR_set_debugreg(6, 0);
}

static void test_values(void)
{
    is(HYPERVISOR_get_debugreg(6) & ~UNTOLD, DR6_ONES & ~UNTOLD, "DR6 begins without hits");
    is(HYPERVISOR_get_debugreg(7), DR7_ONES, "DR7 begins with nothing on");
    for (unsigned n = 0; n < 4; n++) {
        is_error(HYPERVISOR_set_debugreg(n, 0x1000 + n), 0, "DR%u takes an address", n);
        is(HYPERVISOR_get_debugreg(n), 0x1000 + n, "DR%u gives it back", n);
        is_error(HYPERVISOR_set_debugreg(n, HYPERVISOR_FIRST), -XEN_EPERM,
                 "DR%u refuses the hypervisor's first address", n);
        is_error(HYPERVISOR_set_debugreg(n, HYPERVISOR_LAST), -XEN_EPERM,
                 "DR%u refuses the hypervisor's last address", n);
        is_error(HYPERVISOR_set_debugreg(n, NON_CANONICAL_2), -XEN_EPERM,
                 "DR%u refuses an address that is not canonical", n);
        is_error(HYPERVISOR_set_debugreg(n, HYPERVISOR_VIRT_END), 0,
                 "DR%u takes the kernel's high addresses", n);
        is(HYPERVISOR_get_debugreg(n), HYPERVISOR_VIRT_END, "DR%u holds it", n);
    }
    is_error(HYPERVISOR_set_debugreg(6, 0xf), 0, "DR6 can be written");
    is(HYPERVISOR_get_debugreg(6) & ~UNTOLD, (DR6_ONES | 0xf) & ~UNTOLD, "its fixed bits stay");
    is(HYPERVISOR_get_debugreg(4) & 0xf, 0xf, "DR4 is DR6");
    is_error(HYPERVISOR_set_debugreg(4, 0), 0, "for writing, too");
    is(HYPERVISOR_get_debugreg(6) & 0xf, 0, "as DR6 shows");
    is_error(HYPERVISOR_set_debugreg(7, 0x155), 0, "DR7 can be written");
    is(HYPERVISOR_get_debugreg(7), 0x155 | DR7_ONES, "its bit 10 is always set");
    is(HYPERVISOR_get_debugreg(5), 0x155 | DR7_ONES, "DR5 is DR7");
    is_error(HYPERVISOR_set_debugreg(5, 0), 0, "for writing as well");
    is(HYPERVISOR_get_debugreg(7), DR7_ONES, "as DR7 shows");
    is_error(HYPERVISOR_set_debugreg(7, 0xd000), 0, "reserved bits of DR7 are taken");
    is(HYPERVISOR_get_debugreg(7), DR7_ONES, "and forgotten");
}

static void test_errors(void)
{
    static const unsigned missing[] = {8, 9, 16, 0x7fffffff, 0x80000000, ~0u};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        is_error(HYPERVISOR_set_debugreg(missing[i], 0), -XEN_ENODEV, "there is no DR%u to set",
                 missing[i]);
        is_error((long)HYPERVISOR_get_debugreg(missing[i]), -XEN_ENODEV, "there is no DR%u to get",
                 missing[i]);
    }
    is_error(HYPERVISOR_set_debugreg(7, DR7_GD), -XEN_EPERM, "DR7.GD is refused");
    is_error(HYPERVISOR_set_debugreg(7, DR7_GD | 0xff), -XEN_EPERM, "with breakpoints on as well");
    is_error(HYPERVISOR_set_debugreg(7, dr7(0, IO, 1)), -XEN_EPERM,
             "a breakpoint on a port needs CR4.DE");
    is(HYPERVISOR_get_debugreg(7), DR7_ONES, "what was refused has changed nothing");
}

/* With CR4.DE DR4 and DR5 are gone, and ports can be watched. */
static void test_debugging_extensions(void)
{
    uint64_t cr4;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_DE));
    is_error((long)HYPERVISOR_get_debugreg(4), -XEN_ENODEV, "with CR4.DE there is no DR4");
    is_error((long)HYPERVISOR_get_debugreg(5), -XEN_ENODEV, "nor DR5");
    is_error(HYPERVISOR_set_debugreg(4, 0), -XEN_ENODEV, "to set, either");
    is_error(HYPERVISOR_set_debugreg(0, 0x80), 0, "a port");
    is_error(HYPERVISOR_set_debugreg(7, dr7(0, IO, 1)), 0, "can be watched with CR4.DE");
    is(HYPERVISOR_get_debugreg(7), dr7(0, IO, 1), "as DR7 tells");
    clear();
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 & ~CR4_DE));
}

static unsigned long __attribute__((noinline)) stepped_on(void *argument)
{
    (void)argument;
    __asm__ volatile("nop");
    return 1;
}

static unsigned long write_watched(void *argument)
{
    watched[0] = (uint64_t)argument;
    __asm__ volatile("nop\nnop");
    return 2;
}

static unsigned long read_watched(void *argument)
{
    (void)argument;
    uint64_t value = watched[0];
    __asm__ volatile("nop\nnop");
    return value;
}

static void test_kernel_hits(void)
{
    for (unsigned n = 0; n < 4; n++) {
        HYPERVISOR_set_debugreg(n, (unsigned long)stepped_on);
        HYPERVISOR_set_debugreg(7, dr7(n, EXECUTE, 1));
        struct trap_result r = trap_catch(stepped_on, NULL);
        is(r.vector, TRAP_DB, "breakpoint %u stops execution in the kernel", n);
        is(r.rip, stepped_on, "before the instruction: %u", n);
        is(HYPERVISOR_get_debugreg(6) & 0xf, 1u << n, "DR6 says which: %u", n);
        clear();
        HYPERVISOR_set_debugreg(n, 0);
    }
    HYPERVISOR_set_debugreg(0, (unsigned long)stepped_on);
    is(trap_catch(stepped_on, NULL).vector, -1, "with DR7 clear nothing stops");

    HYPERVISOR_set_debugreg(1, (unsigned long)&watched[0]);
    HYPERVISOR_set_debugreg(7, dr7(1, WRITE, 8));
    is(trap_catch(write_watched, (void *)55).vector, TRAP_DB, "a watched write stops");
    is(watched[0], 55, "after it was done");
    is(HYPERVISOR_get_debugreg(6) & 0xf, 2, "DR6 says that it was breakpoint 1");
    is(trap_catch(read_watched, NULL).vector, -1, "a read is no write");
    HYPERVISOR_set_debugreg(7, dr7(1, ACCESS, 8));
    is(trap_catch(read_watched, NULL).vector, TRAP_DB, "a watched read stops");
    clear();
}

/* The hypervisor touches what the guest watches: no trap, no harm. */
static void test_hypervisor_touches(void)
{
    static xen_extraversion_t extra __attribute__((aligned(8)));
    HYPERVISOR_set_debugreg(2, (unsigned long)extra);
    HYPERVISOR_set_debugreg(7, dr7(2, ACCESS, 8));
    is_error(HYPERVISOR_xen_version(XENVER_extraversion, extra), 0,
             "a hypercall writes to what is watched");
    clear();
    ok(extra[0] == '.', "and has written it");
}

static unsigned long set_trap_flag(void *argument)
{
    (void)argument;
    __asm__ volatile("pushfq\n"
                     "orl $0x100, (%%rsp)\n"
                     "popfq\n"
                     "nop\n"
                     "nop\n"
                     :
                     :
                     : "cc", "memory");
    return 0;
}

static unsigned long one_byte_trap(void *argument)
{
    (void)argument;
    __asm__ volatile(".byte 0xf1");
    return 0;
}

static unsigned long emulated_step(void *argument)
{
    (void)argument;
    __asm__ volatile("pushfq\n"
                     "orl $0x100, (%%rsp)\n"
                     "popfq\n"
                     "mov %%cr0, %%rax\n" /* carried out by the hypervisor */
                     "nop\n"
                     :
                     :
                     : "rax", "cc", "memory");
    return 0;
}

extern const char rdmsr_stepped[];

static unsigned long rdmsr_step(void *argument)
{
    (void)argument;
    __asm__ volatile("mov $0xc0000102, %%ecx\n" /* user mode's GS base */
                     "pushfq\n"
                     "orl $0x100, (%%rsp)\n"
                     "popfq\n"
                     "rdmsr\n"
                     "rdmsr_stepped: nop\n"
                     :
                     :
                     : "rax", "rcx", "rdx", "cc", "memory");
    return 0;
}

static void test_single_step(void)
{
    is(trap_catch(set_trap_flag, NULL).vector, TRAP_DB, "TF stops after an instruction");
    is(HYPERVISOR_get_debugreg(6) & DR6_BS, DR6_BS, "DR6 says that it was a step");
    clear();
    is(HYPERVISOR_get_debugreg(6) & DR6_BS, 0, "until that is cleared");
    is(trap_catch(emulated_step, NULL).vector, TRAP_DB, "an emulated instruction is a step, too");
    clear();
    struct trap_result r = trap_catch(rdmsr_step, NULL);
    is(r.vector, TRAP_DB, "so is RDMSR");
    is(r.rip, rdmsr_stepped, "behind it");
    clear();
    if (under_tcg())
        skip(1, "QEMU does not know the instruction F1");
    else
        is(trap_catch(one_byte_trap, NULL).vector, TRAP_DB, "instruction F1 raises #DB");
    clear();
}

static void test_user_hits(void)
{
    static struct user_space user;
    if (!ok(user_space_make(&user), "there is a user address space"))
        return;
    HYPERVISOR_set_debugreg(3, user_address(user_break));
    HYPERVISOR_set_debugreg(7, dr7(3, EXECUTE, 1));
    struct trap_frame frame = user_at(user_spin);
    frame.rbx = USER_DATA;
    is(user_enter(&frame), TRAP_DB, "a breakpoint stops user mode");
    is(frame.rip, user_address(user_break), "before the instruction of user mode");
    is(HYPERVISOR_get_debugreg(6) & 0xf, 8, "DR6 says that it was breakpoint 3");
    HYPERVISOR_set_debugreg(6, 0);
    frame.rflags |= RFLAGS_RF;
    is(user_enter(&frame), TRAP_UD, "RF lets it go on");
    HYPERVISOR_set_debugreg(3, USER_DATA);
    HYPERVISOR_set_debugreg(7, dr7(3, WRITE, 4));
    frame = user_at(user_spin);
    frame.rbx = USER_DATA;
    is(user_enter(&frame), TRAP_DB, "a watched write stops user mode");
    is(frame.rip, user_address(user_break) + 4, "after the writing instruction");
    clear();
    frame = user_at(user_spin);
    frame.rflags |= RFLAGS_TF;
    is(user_enter(&frame), TRAP_DB, "TF steps user mode");
    is(frame.rip, user_address(user_spin) + 1, "by one instruction");
    clear();
}

static unsigned long mov_to_dr0(void *argument)
{
    __asm__ volatile("mov %0, %%dr0" : : "r"(argument));
    return 0;
}

static unsigned long mov_to_dr7(void *argument)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(argument));
    return 0;
}

static unsigned long mov_from_dr6(void *argument)
{
    unsigned long value;
    (void)argument;
    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

static void test_instructions(void)
{
    is(trap_catch(mov_to_dr0, (void *)0x1234).vector, -1, "MOV to DR0 is carried out");
    is(HYPERVISOR_get_debugreg(0), 0x1234, "as the hypercall sees");
    is(trap_catch(mov_to_dr0, (void *)HYPERVISOR_FIRST).vector, TRAP_GP,
       "MOV to DR0 of the hypervisor's address raises #GP");
    is(HYPERVISOR_get_debugreg(0), 0x1234, "and changes nothing");
    is(trap_catch(mov_to_dr7, (void *)DR7_GD).vector, TRAP_GP, "MOV to DR7 with GD raises #GP");
    struct trap_result r = trap_catch(mov_from_dr6, NULL);
    is(r.vector, -1, "MOV from DR6 is carried out");
    is(r.value & ~UNTOLD, DR6_ONES & ~UNTOLD, "and gives what the hypercall gives");
}

static unsigned wrong[MAX_VCPUS];

static void keep(void *argument)
{
    unsigned id = this_vcpu();
    unsigned long mine = (unsigned long)&watched[1] + 0;
    (void)argument;
    HYPERVISOR_set_debugreg(0, 0x10000 + 16 * id);
    HYPERVISOR_set_debugreg(1, mine);
    HYPERVISOR_set_debugreg(7, dr7(0, WRITE, 1));
    for (unsigned i = 0; i < 100; i++) {
        if (i % 10 == 0)
            sleep_ns(100000);
        else
            HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        if (HYPERVISOR_get_debugreg(0) != 0x10000 + 16 * id ||
            HYPERVISOR_get_debugreg(7) != dr7(0, WRITE, 1))
            wrong[id]++;
    }
    clear();
}

static void test_per_vcpu(void)
{
    vcpus_run(keep, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++)
        is(wrong[i], 0, "vCPU %u keeps its registers", i);
}

int main(void)
{
    test_values();
    test_errors();
    test_debugging_extensions();
    clear();
    test_kernel_hits();
    test_hypervisor_touches();
    test_single_step();
    test_user_hits();
    test_instructions();
    test_per_vcpu();
    return done();
}
