/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traps of kernel mode as the board support library shows them (pv/trap.h).
 *
 * The CPU gives each exception of a guest to the hypervisor, which calls the entry point that the
 * guest named in its trap table, with a frame as the hardware would make it. The library makes it a
 * struct trap_frame and asks, in this order: the handler of the vector; the innermost trap_catch(),
 * which ends the call that trapped; nobody, and then the domain ends with a report. The FPU's
 * registers are the interrupted code's again when it goes on: a handler may compute with them.
 *
 *   test: vcpus=1,4
 */
#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/smp.h>
#include <pv/trap.h>

#include "tap.h"

#define UNMAPPED 0x0000600000001238ul

/* ---- Catching ----------------------------------------------------------------------------- */

static unsigned long returns(void *argument)
{
    return (unsigned long)argument + 1;
}

static unsigned long divides(void *argument)
{
    unsigned long value = 1;

    __asm__ volatile("div %1" : "+a"(value) : "r"(argument), "d"(0ul) : "cc");
    return value;
}

static unsigned long undefined(void *argument)
{
    __asm__ volatile("ud2" : : "D"(argument));
    return 0;
}

static unsigned long privileged(void *argument)
{
    __asm__ volatile("lidt (%0)" : : "r"(argument));
    return 0;
}

static unsigned long writes(void *argument)
{
    *(volatile uint64_t *)argument = 1;
    return 0;
}

static unsigned long breaks(void *argument)
{
    (void)argument;
    __asm__ volatile("int3");
    return 0;
}

static unsigned long interrupts(void *argument)
{
    (void)argument;
    __asm__ volatile("int $0x80");
    return 0;
}

/* Leaves everything else than it was: flags, events, the FPU's control words. */
static unsigned long disturbs(void *argument)
{
    uint32_t mxcsr = 0x1f80 | 0x6000;
    uint16_t control = 0x0c7f;

    (void)events_disable();
    __asm__ volatile("ldmxcsr %0; fldcw %1; std; ud2" : : "m"(mxcsr), "m"(control), "r"(argument));
    return 0;
}

static unsigned long nests(void *argument)
{
    struct trap_result inner = trap_catch(undefined, argument);

    if (inner.vector != TRAP_UD)
        return 0;
    return divides(NULL);
}

static void vectors(void)
{
    struct trap_result r = trap_catch(returns, (void *)41ul);

    is(r.vector, -1, "a function that returns traps not");
    is(r.value, 42, "its value is told");
    is(trap_catch(divides, NULL).vector, TRAP_DE, "a division by 0");
    is(trap_catch(undefined, NULL).vector, TRAP_UD, "an undefined instruction");
    is(trap_catch(privileged, &r).vector, TRAP_GP, "a privileged instruction");
    is(trap_catch(breaks, NULL).vector, TRAP_BP, "a breakpoint");
    is(trap_catch(interrupts, NULL).vector, 0x80, "int 0x80");
    r = trap_catch(writes, (void *)UNMAPPED);
    is(r.vector, TRAP_PF, "a write to nowhere");
    is(r.address, UNMAPPED, "its address");
    is(r.error & 7, 2, "its error code: a write, of the kernel though it runs in ring 3");
    is(trap_catch(nests, NULL).vector, TRAP_DE, "a trap behind an inner trap_catch()");
}

static void state_after_catch(void)
{
    uint32_t mxcsr = 0;
    uint16_t control = 0;
    uint64_t flags, value = 7, there = 5;

    (void)trap_catch(disturbs, NULL);
    __asm__ volatile("stmxcsr %0; fnstcw %1; pushfq; pop %2"
                     : "=m"(mxcsr), "=m"(control), "=r"(flags));
    is(mxcsr & 0xffc0, 0x1f80, "MXCSR is as before");
    is(control, 0x037f, "the FPU's control word is as before");
    is(flags & 0x400, 0, "the direction flag is as before");
    bool enabled = events_disable();
    ok(enabled, "events are enabled as before");
    (void)trap_catch(undefined, NULL);
    ok(!events_disable(), "events stay disabled when they were");
    events_restore(enabled);
    ok(try_read(&there, &value) && value == 5, "try_read() of memory");
    ok(!try_read((void *)UNMAPPED, &value) && value == 5, "try_read() of nothing");
    ok(try_write(&there, 6) && there == 6, "try_write() of memory");
    ok(!try_write((void *)UNMAPPED, 1), "try_write() of nothing");
}

/* ---- Handlers ----------------------------------------------------------------------------- */

static unsigned handled;

static bool skip_ud2(struct trap_frame *frame)
{
    volatile double spoiled = 1.0; /* the handler uses SSE */

    for (int i = 0; i < 10; i++)
        spoiled = spoiled / 3.0;
    __asm__ volatile("pxor %%xmm7, %%xmm7" : : : "xmm7");
    handled++;
    frame->rip += 2;
    frame->rax = frame->rax * 2;
    return true;
}

static bool refuse(struct trap_frame *frame)
{
    (void)frame;
    handled++;
    return false;
}

static bool faults_itself(struct trap_frame *frame)
{
    uint64_t value;

    handled += !try_read((void *)UNMAPPED, &value);
    frame->rip += 2;
    return true;
}

static void handlers(void)
{
    uint64_t rax = 21, xmm = 0x0123456789abcdef, after = 0;

    ok(trap_set_handler(TRAP_UD, skip_ud2) == NULL, "there was no handler");
    __asm__ volatile("movq %2, %%xmm7; ud2; movq %%xmm7, %1"
                     : "+a"(rax), "=r"(after)
                     : "r"(xmm)
                     : "xmm7");
    is(handled, 1, "the handler was called");
    is(rax, 42, "what it changed in the frame holds");
    is(after, xmm, "XMM registers are as before");
    ok(trap_set_handler(TRAP_UD, refuse) == skip_ud2, "the handler before is told");
    is(trap_catch(undefined, NULL).vector, TRAP_UD, "what a handler refuses is caught");
    is(handled, 2, "but it was asked");
    (void)trap_set_handler(TRAP_UD, faults_itself);
    undefined(NULL);
    is(handled, 3, "a handler may trap itself");
    (void)trap_set_handler(TRAP_UD, NULL);
    is(trap_catch(undefined, NULL).vector, TRAP_UD, "without handler it is caught");
}

/* ---- The FPU while CR0.TS is set ------------------------------------------------------------ */

static bool use_fpu(struct trap_frame *frame)
{
    (void)frame;
    handled++;
    return true;
}

static void task_switched(void)
{
    uint64_t value = 0x5555, after = 0;

    (void)trap_set_handler(TRAP_UD, skip_ud2);
    (void)trap_set_handler(TRAP_NM, use_fpu);
    handled = 0;
    __asm__ volatile("movq %0, %%xmm7" : : "r"(value) : "xmm7");
    is_error(HYPERVISOR_fpu_taskswitch(1), 0, "TS is set");
    __asm__ volatile("ud2" : : : "rax");
    is(handled, 1, "a trap meanwhile is no #NM for the program");
    __asm__ volatile("movq %%xmm7, %0" : "=r"(after) : : "xmm7");
    is(handled, 2, "but its own use of the FPU then is");
    is(after, value, "and XMM registers are as before");
    (void)trap_set_handler(TRAP_NM, NULL);
    (void)trap_set_handler(TRAP_UD, NULL);
}

/* ---- All vCPUs at once ---------------------------------------------------------------------- */

#define ROUNDS 200
static unsigned wrong;

static void trap_often(void *data)
{
    (void)data;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned long address = UNMAPPED + this_vcpu() * 4096;
        struct trap_result r = trap_catch(writes, (void *)address);
        if (r.vector != TRAP_PF || r.address != address)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
    }
}

int main(void)
{
    vectors();
    state_after_catch();
    handlers();
    task_switched();
    vcpus_run(trap_often, NULL);
    is(wrong, 0, "each vCPU catches its own traps");
    return done();
}
