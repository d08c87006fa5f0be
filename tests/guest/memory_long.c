/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Long memory operations can be stopped. A domain may ask for thousands of frames in one call. The
 * hypervisor does not leave it alone with the CPU for so long: between two extents it looks whether
 * an event waits, or another vCPU wants to run, and then goes back into the guest with the call set
 * to go on where it was. The guest sees its events handled, and then the call's result as if
 * nothing had been. Here a timer interrupts all the time, and every call must still do all of its
 * work once.
 *
 * test: vcpus=1,4 memory=64 limit=20
 */
#include "reservation.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/smp.h>

#define PAGES     8192u
#define PERIOD_NS 50000u

static volatile unsigned long ticks;
static volatile bool in_call;
static volatile unsigned long ticks_in_call;

static void tick(void *data)
{
    (void)data;
    ticks++;
    if (in_call)
        ticks_in_call++;
    timer_set(monotonic_ns() + PERIOD_NS, tick, NULL);
}

/* One call, during which events must have come. */
static long interrupted(unsigned cmd, void *argument, const char *name)
{
    ticks_in_call = 0;
    in_call = true;
    long rc = HYPERVISOR_memory_op(cmd, argument);
    in_call = false;
    ok(ticks_in_call > 1, "%s: events are handled meanwhile", name);
    return rc;
}

static unsigned long count_wrong(const xen_pfn_t *mfn, const xen_pfn_t *pfn, unsigned long count)
{
    unsigned long wrong = 0;

    for (unsigned long i = 0; i < count; i++)
        wrong += mfn[i] >= NO_FRAME || m2p_entry(mfn[i]) != pfn[i];
    return wrong;
}

static void decrease_and_populate(void)
{
    long before = pages_owned();

    is(balloon_take(PAGES), PAGES, "pages are taken");
    struct xen_memory_reservation r = reservation(balloon.mfn, PAGES, 0);
    is(interrupted(XENMEM_decrease_reservation, &r, "decrease"), PAGES, "all are given back");
    is(pages_owned(), before - PAGES, "none twice");
    memcpy(balloon.mfn, balloon.pfn, PAGES * sizeof(balloon.pfn[0]));
    is(interrupted(XENMEM_populate_physmap, &r, "populate"), PAGES, "all are populated");
    is(pages_owned(), before, "each once");
    is(count_wrong(balloon.mfn, balloon.pfn, PAGES), 0, "each with its number");
    balloon_put(balloon.mfn, PAGES);
}

static void increase(void)
{
    long before = pages_owned();

    ok(balloon_out(PAGES), "there is room");
    memset(balloon.mfn, 0xff, sizeof(balloon.mfn));
    struct xen_memory_reservation r = reservation(balloon.mfn, PAGES, 0);
    is(interrupted(XENMEM_increase_reservation, &r, "increase"), PAGES, "all are given");
    is(pages_owned(), before, "and counted");
    unsigned long told = 0;
    for (unsigned long i = 0; i < PAGES; i++)
        told += balloon.mfn[i] < NO_FRAME;
    is(told, PAGES, "and told");
    is(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), PAGES, "they go again");
    ok(balloon_in(), "others come");
}

static void exchange(void)
{
    static xen_pfn_t wanted[PAGES];
    long before = pages_owned();

    is(balloon_take(PAGES), PAGES, "pages are taken for an exchange");
    memcpy(wanted, balloon.pfn, sizeof(wanted));
    struct xen_memory_exchange e = {.in = reservation(balloon.mfn, PAGES, 0),
                                    .out = reservation(wanted, PAGES, 0)};
    is_error(interrupted(XENMEM_exchange, &e, "exchange"), 0, "all are exchanged");
    is(e.nr_exchanged, PAGES, "that is said");
    is(pages_owned(), before, "as many as before");
    is(count_wrong(wanted, balloon.pfn, PAGES), 0, "each with its number, in an exchange");
    balloon_put(wanted, PAGES);
}

/* Within a multicall it is the entry that goes on. */
static void in_multicall(void)
{
    struct xen_memory_reservation down, up;
    struct multicall_entry call[3] = {
        {.op = __HYPERVISOR_memory_op, .args = {XENMEM_decrease_reservation, PV_ARG(&down)}},
        {.op = __HYPERVISOR_memory_op, .args = {XENMEM_populate_physmap, PV_ARG(&up)}},
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_version}}};
    static xen_pfn_t list[PAGES];
    long before = pages_owned();

    is(balloon_take(PAGES), PAGES, "pages are taken for a multicall");
    memcpy(list, balloon.pfn, sizeof(list));
    down = reservation(balloon.mfn, PAGES, 0);
    up = reservation(list, PAGES, 0);
    ticks_in_call = 0;
    in_call = true;
    is_error(HYPERVISOR_multicall(call, 3), 0, "a multicall");
    in_call = false;
    ok(ticks_in_call > 1, "multicall: events are handled meanwhile");
    is(call[0].result, PAGES, "its first entry gave all back");
    is(call[1].result, PAGES, "its second entry got all");
    is(call[2].result >> 16, 4, "its third entry was done");
    is(pages_owned(), before, "multicall: as many as before");
    is(count_wrong(list, balloon.pfn, PAGES), 0, "each with its number, in a multicall");
    balloon_put(list, PAGES);
}

/* ---- All vCPUs ---------------------------------------------------------------------------- */

#define SHARE  256u
#define ROUNDS 8u

static unsigned long bad;

/* Each with frames of its own: what it gives back it gets. */
static void work(void *data)
{
    static xen_pfn_t lists[MAX_VCPUS][SHARE];
    xen_pfn_t *list = lists[this_vcpu()];

    (void)data;
    for (unsigned round = 0; round < ROUNDS; round++) {
        if (reserve(XENMEM_increase_reservation, list, SHARE, 0) != SHARE)
            __atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
        if (reserve(XENMEM_decrease_reservation, list, SHARE, 0) != SHARE)
            __atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
    }
}

static void all_vcpus(void)
{
    long before = pages_owned();

    ok(balloon_out(SHARE * nr_vcpus()), "there is room for all vCPUs");
    vcpus_run(work, NULL);
    is(bad, 0, "all vCPUs at once get and give back");
    is(pages_owned(), before - (long)(SHARE * nr_vcpus()), "none is lost");
    ok(balloon_in(), "all pages come back");
}

int main(void)
{
    timer_set(monotonic_ns() + PERIOD_NS, tick, NULL);
    decrease_and_populate();
    increase();
    exchange();
    in_multicall();
    timer_set(0, NULL, NULL);
    diag("%lu timer events", ticks);
    all_vcpus();
    return done();
}
