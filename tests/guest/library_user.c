/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User mode as the board support library offers it (user_enter() of pv/trap.h).
 *
 * A PV kernel runs in ring 3, as its programs do. What keeps them apart is the page table: each
 * vCPU has two, and the hypervisor exchanges them, and the GS base, when it enters the kernel and
 * when the kernel returns by the hypercall iret. user_enter() goes to user mode and comes back with
 * the next exception, software interrupt or system call; events are handled meanwhile.
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <pv/start.h>

#include "tap.h"
#include "user.h"

extern const char user_syscall[], user_int80[], user_intff[], user_undefined[], user_read[];
extern const char user_wait[], user_gs[], user_spoil[];
__asm__(".pushsection .text.user, \"ax\"\n"
        ".balign 4096\n"
        ".globl user_code, user_code_end, user_syscall, user_int80, user_intff, user_undefined\n"
        ".globl user_read, user_wait, user_gs, user_spoil\n"
        "user_code:\n"
        "user_syscall: add $1, %r12\n"
        "   syscall\n"
        "user_int80: int $0x80\n"
        "user_intff: int $0xff\n"
        "user_undefined: ud2\n"
        "user_read: mov (%rbx), %rax\n"
        "   int $0x80\n"
        "user_wait: cmpl $0, (%rbx)\n"
        "   je user_wait\n"
        "   syscall\n"
        "user_gs: mov %gs:0, %rax\n"
        "   syscall\n"
        "user_spoil: std\n"
        "   fninit\n"
        "   fld1\n"
        "   fld1\n"
        "   push $0x6000\n"
        "   ldmxcsr (%rsp)\n"
        "   syscall\n"
        "user_code_end:\n"
        ".popsection\n");

static struct user_space space;

static void ways_out(void)
{
    struct trap_frame frame = user_at(user_syscall);

    frame.r12 = 41;
    frame.rdi = 0x1234;
    is(user_enter(&frame), USER_SYSCALL, "SYSCALL of user mode");
    is(frame.r12, 42, "user code ran");
    is(frame.rdi, 0x1234, "registers are told");
    is(frame.rip, user_address(user_int80), "RIP is behind SYSCALL");
    is(frame.cs & 3, 3, "CS shows user mode");
    is(frame.rsp, USER_STACK, "RSP is user mode's");
    is(user_enter(&frame), 0x80, "and it goes on, to int 0x80");
    frame.rip = user_address(user_undefined);
    is(user_enter(&frame), TRAP_UD, "an undefined instruction");
    is(frame.rip, user_address(user_undefined), "RIP is at it");
    frame = user_at(user_read);
    frame.rbx = (uint64_t)&space;
    is(user_enter(&frame), TRAP_PF, "the kernel's memory is not there");
    is(trap_fault_address(), (unsigned long)&space, "the address is told");
    is(frame.error & 5, 4, "no page, user mode");
    frame = user_at(user_syscall);
    frame.ss = 0x13; /* of a descriptor that there is none of */
    is(user_enter(&frame), TRAP_GP, "a stack segment that cannot be loaded");
    /* QEMU 7.2 doubles the index in the error code of other vectors, by which Xen finds them. */
    if (!is_paravane())
        return skip(1, "QEMU's software interrupts");
    frame = user_at(user_intff);
    is(user_enter(&frame), 0xff, "int 0xff");
}

static void set_flag(void *data)
{
    *(volatile unsigned *)data = 1;
}

static void events_meanwhile(void)
{
    struct trap_frame frame = user_at(user_wait);
    unsigned *flag = space.data;

    *flag = 0;
    frame.rbx = USER_DATA;
    timer_set(monotonic_ns() + 2 * 1000 * 1000, set_flag, flag);
    is(user_enter(&frame), USER_SYSCALL, "a timer's event comes through");
    is(*flag, 1, "its handler ran");
    bool enabled = events_disable();
    frame = user_at(user_syscall);
    is(user_enter(&frame), USER_SYSCALL, "user mode with events disabled before");
    ok(!events_disable(), "and they are disabled again");
    events_restore(enabled);
}

static void two_worlds(void)
{
    struct trap_frame frame = user_at(user_gs);
    unsigned vcpu = this_vcpu();
    double third = 1.0;

    *(uint64_t *)space.data = 0x4711;
    is_error(HYPERVISOR_set_segment_base(SEGBASE_GS_USER, USER_DATA), 0, "user mode's GS base");
    is(user_enter(&frame), USER_SYSCALL, "user code reads by GS");
    is(frame.rax, 0x4711, "it has its own base");
    is(this_vcpu(), vcpu, "and the kernel its own");
    frame = user_at(user_spoil);
    is(user_enter(&frame), USER_SYSCALL, "user code spoils flags and the FPU's state");
    third /= 3.0;
    is((int64_t)(third * 3000.0 + 0.5), 1000, "the kernel computes as before");
    uint64_t flags;
    __asm__ volatile("pushfq; pop %0" : "=r"(flags));
    is(flags & 0x400, 0, "upwards");
}

static unsigned long enters(void *argument)
{
    struct trap_frame frame = user_at(user_syscall);
    int way = user_enter(&frame);

    (void)argument;
    __asm__ volatile("ud2");
    return (unsigned long)way;
}

static unsigned wrong;

static void enter_often(void *data)
{
    struct user_space own;

    (void)data;
    if (!user_space_make(&own)) {
        __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        return;
    }
    for (unsigned i = 0; i < 100; i++) {
        struct trap_frame frame = user_at(user_syscall);
        frame.r12 = this_vcpu();
        if (user_enter(&frame) != USER_SYSCALL || frame.r12 != this_vcpu() + 1)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    }
    user_tables_free(own.root);
}

int main(void)
{
    if (!ok(user_space_make(&space), "user mode has a page table"))
        return done();
    ways_out();
    events_meanwhile();
    two_worlds();
    is(trap_catch(enters, NULL).vector, TRAP_UD, "a trap of the kernel after user mode");
    vcpus_run(enter_often, NULL);
    is(wrong, 0, "all vCPUs enter user mode");
    return done();
}
