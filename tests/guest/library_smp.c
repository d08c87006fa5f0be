/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's vCPUs: starting and stopping them, what each has for itself, locks and barriers,
 * and events between them.
 *
 * test: vcpus=1,2,4
 */
#include "tap.h"

#include <errno.h>
#include <unistd.h>

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/smp.h>

#define ROUNDS 200u

/* Waits a little for another vCPU, which may need this CPU. */
static void wait_a_little(void)
{
    cpu_relax();
    (void)HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
}

static unsigned ran[MAX_VCPUS];
static uintptr_t stacks[MAX_VCPUS];

static void note_run(void *data)
{
    unsigned me = this_vcpu();

    stacks[me] = (uintptr_t)__builtin_frame_address(0);
    __atomic_add_fetch(&ran[me], *(unsigned *)data, __ATOMIC_SEQ_CST);
}

static void test_run(void)
{
    unsigned one = 1, wrong = 0, close = 0;

    for (unsigned i = 0; i < 10; i++)
        vcpus_run(note_run, &one);
    for (unsigned i = 0; i < nr_vcpus(); i++) {
        wrong += ran[i] != 10;
        for (unsigned j = 0; j < i; j++)
            close += (stacks[i] > stacks[j] ? stacks[i] - stacks[j] : stacks[j] - stacks[i]) < 4096;
    }
    is(wrong, 0, "ten times, a function runs once on each vCPU");
    is(close, 0, "each has a stack of its own");
    is(this_vcpu(), 0, "main() is on vCPU 0");
}

static unsigned held;

static void hold(void *data)
{
    __atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n((unsigned *)data, __ATOMIC_SEQ_CST) == 0)
        sleep_ns(100000);
}

static void test_start(void)
{
    unsigned release = 0, last = nr_vcpus() - 1;

    is_error(vcpu_start(nr_vcpus(), hold, &release), -XEN_ENOENT, "no vCPU to start");
    is_error(vcpu_start(0, hold, &release), -XEN_EBUSY, "vCPU 0 runs");
    ok(vcpu_is_running(0), "it says so");
    if (last == 0)
        return;
    ok(!vcpu_is_running(last), "the last vCPU is down");
    is_error(vcpu_start(last, hold, &release), 0, "start it");
    while (!__atomic_load_n(&held, __ATOMIC_SEQ_CST))
        wait_a_little();
    ok(vcpu_is_running(last), "it runs");
    is_error(vcpu_start(last, hold, &release), -XEN_EBUSY, "start it again");
    __atomic_store_n(&release, 1, __ATOMIC_SEQ_CST);
    vcpu_join(last);
    ok(!vcpu_is_running(last), "when its function returns it goes down");
}

/* ---- What each vCPU has for itself ---------------------------------------------------------- */

static struct barrier barrier;

static void check_private(void *data)
{
    unsigned *wrong = data;

    for (unsigned i = 0; i < ROUNDS; i++) {
        errno = (int)(1000 * this_vcpu() + i);
        barrier_wait(&barrier, nr_vcpus());
        if (errno != (int)(1000 * this_vcpu() + i))
            __atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
        barrier_wait(&barrier, nr_vcpus());
    }
}

/* ---- Locks and barriers --------------------------------------------------------------------- */

static struct spinlock lock;
static volatile unsigned counter;
static unsigned phase[MAX_VCPUS];

static void count_locked(void *data)
{
    (void)data;
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned before;

        spin_lock(&lock);
        before = counter;
        if (i % 16 == 0)
            (void)HYPERVISOR_sched_op(SCHEDOP_yield, NULL);
        counter = before + 1;
        spin_unlock(&lock);
    }
}

static void count_phases(void *data)
{
    unsigned *wrong = data;

    for (unsigned i = 1; i <= ROUNDS; i++) {
        __atomic_store_n(&phase[this_vcpu()], i, __ATOMIC_SEQ_CST);
        barrier_wait(&barrier, nr_vcpus());
        for (unsigned j = 0; j < nr_vcpus(); j++) {
            unsigned seen = __atomic_load_n(&phase[j], __ATOMIC_SEQ_CST);

            if (seen != i && seen != i + 1)
                __atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
        }
    }
}

/* Each vCPU's malloc and printf, all at once: the C library's own locks. */
static void use_c_library(void *data)
{
    unsigned *wrong = data;

    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t size = 16 + 37 * i % 900;
        unsigned char *p = malloc(size);
        char text[32];

        if (!p) {
            __atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
            return;
        }
        memset(p, (int)this_vcpu(), size);
        (void)snprintf(text, sizeof(text), "%u-%f", this_vcpu(), 0.5 * i);
        for (size_t j = 0; j < size; j++) {
            if (p[j] != this_vcpu())
                __atomic_add_fetch(wrong, 1, __ATOMIC_SEQ_CST);
        }
        free(p);
    }
}

/* ---- Events between vCPUs ------------------------------------------------------------------- */

static long doorbells[MAX_VCPUS];
static unsigned rung[MAX_VCPUS], misplaced;

static void answer(evtchn_port_t port, void *data)
{
    (void)port;
    if ((uintptr_t)data != this_vcpu())
        __atomic_add_fetch(&misplaced, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&rung[(uintptr_t)data], 1, __ATOMIC_SEQ_CST);
}

/* Rings the next vCPU and waits until its handler has run: none may be lost. */
static void ring_next(void *data)
{
    unsigned next = (this_vcpu() + 1) % nr_vcpus();

    for (unsigned i = 1; i <= ROUNDS; i++) {
        uint64_t limit = monotonic_ns() + NS_PER_SEC;

        (void)event_send((evtchn_port_t)doorbells[next]);
        while (__atomic_load_n(&rung[next], __ATOMIC_SEQ_CST) < i && monotonic_ns() < limit)
            wait_a_little();
        if (__atomic_load_n(&rung[next], __ATOMIC_SEQ_CST) != i)
            __atomic_add_fetch((unsigned *)data, 1, __ATOMIC_SEQ_CST);
    }
    barrier_wait(&barrier, nr_vcpus()); /* whoever went down could not answer */
}

static void test_events(void)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < nr_vcpus(); i++)
        doorbells[i] = event_bind_ipi(i, answer, (void *)(uintptr_t)i);
    vcpus_run(ring_next, &lost);
    is(lost, 0, "events from vCPU to vCPU are not lost");
    is(misplaced, 0, "and handled by the one that they are for");
    for (unsigned i = 0; i < nr_vcpus(); i++)
        (void)event_close((evtchn_port_t)doorbells[i]);
}

/* ---- Waiting for events --------------------------------------------------------------------- */

static void send_later(void *data)
{
    sleep_ns(2000000);
    (void)event_send(*(evtchn_port_t *)data);
}

static void test_wait(void)
{
    evtchn_port_t port = (evtchn_port_t)event_bind_ipi(0, NULL, NULL);
    uint64_t before = monotonic_ns();

    ok(!event_wait(port, before + 1000000), "a wait for what does not come ends at its time");
    ok(monotonic_ns() >= before + 1000000, "not before");
    (void)event_send(port);
    ok(event_wait(port, 0), "one for what is there ends at once");
    ok(!event_is_pending(port), "and takes it");
    if (nr_vcpus() > 1) {
        (void)vcpu_start(1, send_later, &port);
        ok(event_wait(port, 0), "and one for what comes later ends then");
        vcpu_join(1);
    }
    (void)event_close(port);
}

int main(void)
{
    unsigned wrong = 0;

    ok(nr_vcpus() >= 1 && nr_vcpus() <= MAX_VCPUS, "there are vCPUs");
    test_start();
    test_run();
    vcpus_run(check_private, &wrong);
    is(wrong, 0, "errno is each vCPU's own");
    vcpus_run(count_locked, NULL);
    is(counter, ROUNDS * nr_vcpus(), "a lock keeps vCPUs apart");
    wrong = 0;
    vcpus_run(count_phases, &wrong);
    is(wrong, 0, "a barrier keeps them together");
    vcpus_run(use_c_library, &wrong);
    is(wrong, 0, "all use malloc and printf at once");
    test_events();
    test_wait();
    return done();
}
