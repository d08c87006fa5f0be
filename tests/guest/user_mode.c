/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User mode of a PV guest: what leaves it, and how the kernel hears of it.
 *
 * Kernel and user mode both run in ring 3, apart only by their page tables; the hypervisor keeps in
 * mind which it is. Whatever leaves user mode goes to the hypervisor first: exceptions, software
 * interrupts, system calls by four instructions. It changes to the kernel's page table and GS base
 * and enters the kernel with a frame (user_enter() of pv/trap.h receives it). 32-bit programs of a
 * 64-bit kernel are user mode with another code segment.
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "machine.h"
#include "tap.h"
#include "user.h"

#define U(name) extern const char user_##name[];
#define LABELS(f)                                                                                  \
    f(syscall) f(divide) f(undefined) f(int3) f(int80) f(int81) f(halt) f(cli) f(rdmsr) f(in)      \
        f(read) f(write) f(jump) f(wait) f(x87) f(sse) f(bits32) f(syscall32) f(sysenter)          \
            f(int80_32) f(into) f(bound) f(load_ds) f(hypercall) f(overflow_int) f(far_gate)       \
                f(mov_cr0) f(lgdt) f(swapgs) f(iretq)
LABELS(U)

/* Each snippet ends in what leaves user mode. */
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end\n"
        "user_code:\n"
        "user_syscall: syscall\n"
        "user_divide: xor %ecx, %ecx\n div %ecx\n"
        "user_undefined: ud2\n"
        "user_int3: int3\n"
        "user_int80: int $0x80\n"
        "user_int81: int $0x81\n"
        "user_halt: hlt\n"
        "user_cli: cli\n"
        "user_rdmsr: rdmsr\n"
        "user_in: in $0x80, %al\n"
        "user_read: mov (%rbx), %rax\n ud2\n"
        "user_write: mov %rax, (%rbx)\n ud2\n"
        "user_jump: jmp *%rbx\n"
        "user_wait: mov (%rbx), %eax\n test %eax, %eax\n jz user_wait\n ud2\n"
        "user_x87: fninit\n fldz\n fld1\n fdivp\n"
        "   pushq $0x37b\n fldcw (%rsp)\n fld1\n fldz\n fdivrp\n fwait\n ud2\n"
        "user_sse: pushq $0x1d80\n ldmxcsr (%rsp)\n pxor %xmm0, %xmm0\n"
        "   mov $1, %eax\n cvtsi2sd %eax, %xmm1\n divsd %xmm0, %xmm1\n ud2\n"
        "user_load_ds: mov %ecx, %ds\n ud2\n"
        "user_hypercall: syscall\n"
        "user_overflow_int: int $4\n"
        "user_mov_cr0: mov %cr0, %rax\n"
        "user_lgdt: lgdt (%rsp)\n"
        "user_swapgs: swapgs\n"
        "user_iretq: push %rdx\n push %rsp\n pushfq\n push %rcx\n push %rbx\n iretq\n"
        "user_far_gate: push %rcx\n push %rbx\n lretq\n"
        ".code32\n"
        "user_bits32: mov $0x12345678, %eax\n inc %eax\n push %eax\n pop %ecx\n"
        "   .byte 0x40\n" /* INC EAX here, a prefix in 64-bit code */
        "   ud2\n"
        "user_syscall32: syscall\n"
        "user_sysenter: sysenter\n"
        "user_int80_32: int $0x80\n"
        "user_into: mov $0x7fffffff, %eax\n inc %eax\n into\n"
        "user_bound: mov $5, %eax\n sub $8, %esp\n movl $0, (%esp)\n movl $4, 4(%esp)\n"
        "   .byte 0x62, 0x04, 0x24\n" /* BOUND EAX, [ESP] */
        ".code64\n"
        "user_code_end:\n"
        ".popsection\n");

static struct user_space user;

static struct trap_frame enter(const char *label, uint64_t rbx, int *reason)
{
    struct trap_frame frame = user_at(label);
    frame.rax = 0xaaaa;
    frame.rbx = rbx;
    frame.r15 = 0xffff;
    *reason = user_enter(&frame);
    return frame;
}

static void test_syscall(void)
{
    int reason;
    struct trap_frame frame = user_at(user_syscall);
    frame.rax = 1;
    frame.rdi = 2;
    frame.rsi = 3;
    frame.rdx = 4;
    frame.r10 = 5;
    frame.r8 = 6;
    frame.r9 = 7;
    frame.rbp = 8;
    frame.r12 = 9;
    is(user_enter(&frame), USER_SYSCALL, "SYSCALL leaves user mode");
    ok(frame.rax == 1 && frame.rdi == 2 && frame.rsi == 3 && frame.rdx == 4 && frame.r10 == 5 &&
           frame.r8 == 6 && frame.r9 == 7 && frame.rbp == 8 && frame.r12 == 9,
       "with its arguments in their registers");
    is(frame.rip, user_address(user_syscall) + 2, "RIP is behind SYSCALL");
    is(frame.rsp, USER_STACK, "RSP is the program's");
    is(frame.cs & 3, 3, "CS is the program's");

    frame = enter(user_hypercall, 0, &reason);
    is(reason, USER_SYSCALL, "a hypercall cannot be made from user mode: it is a system call");
    for (unsigned i = 0; i < 100; i++) {
        frame = user_at(user_syscall);
        if (user_enter(&frame) != USER_SYSCALL)
            reason = -1;
    }
    is(reason, USER_SYSCALL, "a hundred times in a row");
}

static void test_exceptions(void)
{
    static const struct {
        const char *name, *label;
        int vector;
        int error;
        unsigned behind; /* RIP in the frame: this far behind the label */
    } cases[] = {
        {"division by zero", user_divide, TRAP_DE, 0, 2},
        {"an undefined instruction", user_undefined, TRAP_UD, 0, 0},
        {"a breakpoint", user_int3, TRAP_BP, 0, 1},
        {"HLT", user_halt, TRAP_GP, 0, 0},
        {"CLI", user_cli, TRAP_GP, 0, 0},
        {"RDMSR", user_rdmsr, TRAP_GP, 0, 0},
        {"IN", user_in, TRAP_GP, 0, 0},
        {"MOV from CR0", user_mov_cr0, TRAP_GP, 0, 0},
        {"LGDT", user_lgdt, TRAP_GP, 0, 0},
        {"SWAPGS", user_swapgs, TRAP_GP, 0, 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int reason;
        struct trap_frame frame = enter(cases[i].label, 0, &reason);
        is(reason, cases[i].vector, "%s in user mode raises its exception", cases[i].name);
        is(frame.error, cases[i].error, "error code of %s", cases[i].name);
        is(frame.rip, user_address(cases[i].label) + cases[i].behind, "RIP of %s", cases[i].name);
        ok(frame.r15 == 0xffff && (frame.cs & 3) == 3, "registers of %s", cases[i].name);
    }
    HYPERVISOR_set_debugreg(6, 0);
    int reason;
    enter(user_x87, 0, &reason);
    is(reason, TRAP_MF, "an x87 error that is not masked raises #MF");
    __asm__ volatile("fninit");
    if (under_tcg()) {
        skip(1, "QEMU does not raise errors of SSE");
        return;
    }
    enter(user_sse, 0, &reason);
    is(reason, TRAP_XF, "an SSE error that is not masked raises #XF");
    uint32_t mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void test_page_faults(void)
{
    static const struct {
        const char *name;
        const char *label;
        unsigned long address;
        unsigned error; /* P 1, W 2, U 4, I 16 */
    } cases[] = {
        {"a read of nothing", user_read, 0, 4},
        {"a write to nothing", user_write, 0x20000000, 6},
        {"a jump to nothing", user_jump, 0x20000000, 0x14},
        {"a read of the kernel", user_read, VIRT_BASE, 4},
        {"a read of the hypervisor", user_read, HYPERVISOR_VIRT_START + 0x10000000000, 4},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int reason;
        struct trap_frame frame = enter(cases[i].label, cases[i].address, &reason);
        is(reason, TRAP_PF, "%s by user mode is a page fault", cases[i].name);
        is(frame.error & ~1ul, cases[i].error, "error code of %s", cases[i].name);
        is(trap_fault_address(), cases[i].address, "address of %s", cases[i].name);
    }
    int reason;
    struct trap_frame frame = enter(user_read, NON_CANONICAL, &reason);
    is(reason, TRAP_GP, "a read that is not canonical is #GP");
    frame = enter(user_jump, NON_CANONICAL, &reason);
    is(reason, TRAP_GP, "so is a jump");
    ok(frame.rip == user_address(user_jump) || frame.rip == NON_CANONICAL,
       "with RIP at one end of it");
}

static void test_software_interrupts(void)
{
    int reason;
    struct trap_frame frame = enter(user_overflow_int, 0, &reason);
    is(reason, TRAP_OF, "int 4 of user mode is the overflow trap");
    is(frame.rip, user_address(user_overflow_int) + 2, "with RIP behind it");
    frame = enter(user_int80, 0, &reason);
    ok(reason == 0x80 || reason == TRAP_GP, "int 0x80 comes to its gate, or is refused");
    is(frame.rip, user_address(user_int80) + (reason == TRAP_GP ? 0 : 2), "RIP of int 0x80");
    if (int_n_is_faulty()) {
        skip(2, "QEMU gives #GP of int n a wrong error code, and this hypervisor believes it");
        return;
    }
    frame = enter(user_int81, 0, &reason);
    ok(reason == 0x81 || reason == TRAP_GP, "int 0x81 comes to its gate, or is refused");
    is(frame.rip, user_address(user_int81) + (reason == TRAP_GP ? 0 : 2), "RIP of int 0x81");
}

static int enter32(const char *label, struct trap_frame *frame)
{
    *frame = user_at(label);
    frame->cs = USER_CS32;
    return user_enter(frame);
}

static void test_32_bit(void)
{
    struct trap_frame frame;
    is(enter32(user_bits32, &frame), TRAP_UD, "32-bit user code runs");
    is(frame.rax, 0x1234567a, "as 32-bit code");
    is(frame.rcx, 0x12345679, "with a stack of 32-bit words");
    is(frame.cs & 0xffff, USER_CS32, "CS is the 32-bit segment");
    is(enter32(user_into, &frame), TRAP_OF, "INTO raises #OF");
    is(enter32(user_bound, &frame), TRAP_BR, "BOUND raises #BR");
    is(enter32(user_int80_32, &frame), 0x80, "int 0x80 of 32-bit code comes to its gate");
    is(frame.rip, user_address(user_int80_32) + 2, "with RIP behind it");

    int reason = enter32(user_syscall32, &frame);
    if (cpu_is_intel()) {
        ok(reason == TRAP_UD || under_tcg(), "Intel's CPUs have no SYSCALL in 32-bit code");
    } else {
        is(reason, USER_SYSCALL32, "SYSCALL of 32-bit code comes to its callback");
        is(frame.rip, user_address(user_syscall32) + 2, "RIP of the 32-bit SYSCALL");
        is(frame.cs & 0xffff, USER_CS32, "CS of the 32-bit SYSCALL");
    }
    reason = enter32(user_sysenter, &frame);
    if (cpu_is_intel())
        is(reason, USER_SYSENTER, "SYSENTER comes to its callback");
    else
        ok(reason == TRAP_UD || reason == TRAP_GP, "SYSENTER is refused in 64-bit mode");
}

/* Segments that user mode may not have. */
static void test_selectors(void)
{
    static const unsigned hypervisors[] = {0xe008, 0xe010, 0xe008 | 3, 0xe010 | 3};
    for (unsigned i = 0; i < sizeof(hypervisors) / sizeof(hypervisors[0]); i++) {
        struct trap_frame frame = user_at(user_load_ds);
        frame.rcx = hypervisors[i];
        is(user_enter(&frame), TRAP_GP, "user mode cannot load selector %#x", hypervisors[i]);
        is(frame.error, hypervisors[i] & ~3u, "the error code names it: %#x", hypervisors[i]);
    }
    struct trap_frame frame = user_at(user_far_gate);
    frame.rcx = 0xe008;
    frame.rbx = USER_CODE;
    is(user_enter(&frame), TRAP_GP, "nor return far to the hypervisor's segment");
    frame = user_at(user_far_gate);
    frame.rcx = USER_CS32;
    frame.rbx = user_address(user_bits32);
    is(user_enter(&frame), TRAP_UD, "a far return to 32-bit code");
    is(frame.rcx, 0x12345679, "goes there");
    frame = user_at(user_iretq);
    frame.rcx = USER_CS64;
    frame.rdx = USER_SS;
    frame.rbx = user_address(user_undefined);
    is(user_enter(&frame), TRAP_UD, "IRETQ within user mode is the CPU's own affair");
    is(frame.rip, user_address(user_undefined), "and goes where it should");
}

static volatile uint32_t *flag;

static void set_flag(void *data)
{
    (void)data;
    *flag = 1;
}

static void test_events(void)
{
    flag = user.data;
    *flag = 0;
    timer_set(monotonic_ns() + 3000000, set_flag, NULL);
    int reason;
    enter(user_wait, USER_DATA, &reason);
    is(reason, TRAP_UD, "a timer interrupts user mode, which goes on");
    is(*flag, 1, "when its handler has run");
}

/* All vCPUs at once, each with user tables of its own. */
static unsigned wrong[MAX_VCPUS];

static void run_user(void *argument)
{
    struct user_space mine;
    unsigned id = this_vcpu();
    (void)argument;
    if (!user_space_make(&mine)) {
        wrong[id] = ~0u;
        return;
    }
    *(uint64_t *)mine.data = 0x1000 + id;
    for (unsigned i = 0; i < 300; i++) {
        struct trap_frame frame = user_at(i & 1 ? user_syscall : user_read);
        frame.rbx = USER_DATA;
        int reason = user_enter(&frame);
        if (reason != (i & 1 ? USER_SYSCALL : TRAP_UD) || (!(i & 1) && frame.rax != 0x1000 + id))
            wrong[id]++;
    }
}

int main(void)
{
    if (!ok(user_space_make(&user), "there is a user address space"))
        return done();
    test_syscall();
    test_exceptions();
    test_page_faults();
    test_software_interrupts();
    test_32_bit();
    test_selectors();
    test_events();
    vcpus_run(run_user, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++)
        is(wrong[i], 0, "vCPU %u has a user mode of its own", i);
    return done();
}
