/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Class E8, long operations that cannot be stopped: all vCPUs at once, with operations and lengths
 * at random. Each unmaps and maps its own pages in batches, gives some back and gets others, makes
 * multicalls, and binds and closes many ports; its timer fires meanwhile. Interrupted and continued
 * at any point, an operation must still do everything, once: pages keep what was written in them,
 * those that are new are empty, counts are what was asked for. No timer may be later than a quarter
 * of a second, which is generous: the CPUs share an emulator.
 *
 * test: vcpus=2 parallel=yes memory=48 machine=256
 * test: vcpus=4 memory=48 machine=256 limit=60
 */
#include "tap.h"

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/memory.h>
#include <pv/smp.h>

#include "evtchn.h"

#define MS          1000000ull
#define LATEST      (250 * MS)
#define BLOCK_ORDER 9u
#define PAGES       (1u << BLOCK_ORDER)
#define CALLS       400u

struct worker {
    char *block;
    uint64_t values[PAGES]; /* what each page holds */
    struct mmu_update updates[PAGES];
    xen_pfn_t frames[PAGES];
    struct multicall_entry calls[CALLS];
    evtchn_port_t ports[CALLS];
    uint64_t due, longest;
    unsigned ticks;
};

static struct worker workers[8];
static unsigned operations, wrong;

static void check(bool good, const char *what)
{
    if (!good && __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST) <= 10)
        diag("vCPU %u: %s", this_vcpu(), what);
}

static void tick(void *data)
{
    struct worker *w = data;
    uint64_t now = monotonic_ns();

    if (now - w->due > w->longest)
        w->longest = now - w->due;
    w->ticks++;
    w->due = monotonic_ns() + 100000;
    timer_set(w->due, tick, w);
}

static uint64_t *page(struct worker *w, unsigned i)
{
    return (uint64_t *)(w->block + i * PAGE_SIZE);
}

/* Entries of pages [first, first + count): the frames that p2m says, or nothing. */
static void set_entries(struct worker *w, unsigned first, unsigned count, uint64_t flags)
{
    struct mmuext_op flush = {.cmd = MMUEXT_TLB_FLUSH_ALL};
    unsigned done = 0;
    long ret;

    for (unsigned i = 0; i < count; i++) {
        void *va = page(w, first + i);

        w->updates[i] = (struct mmu_update){
            pte_maddr(va, 1) | MMU_NORMAL_PT_UPDATE,
            flags ? pte_make(virt_to_mfn(va), flags) : 0,
        };
    }
    ret = HYPERVISOR_mmu_update(w->updates, count, &done, DOMID_SELF);
    check(ret == 0 && done == count, "mmu_update");
    /* mmu_update flushes no TLB for its caller, who alone uses these addresses. */
    check(HYPERVISOR_mmuext_op(&flush, 1, NULL, DOMID_SELF) == 0, "a flush of the TLB");
}

static long reserve(struct worker *w, unsigned cmd, unsigned count)
{
    struct xen_memory_reservation op = {.nr_extents = count, .domid = DOMID_SELF};

    set_xen_guest_handle(op.extent_start, w->frames);
    return HYPERVISOR_memory_op(cmd, &op);
}

static void remap(struct worker *w, unsigned first, unsigned count)
{
    set_entries(w, first, count, 0);
    set_entries(w, first, count, PTE_KERNEL_RW);
}

static void renew(struct worker *w, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        w->frames[i] = virt_to_mfn(page(w, first + i));
    set_entries(w, first, count, 0);
    check(reserve(w, XENMEM_decrease_reservation, count) == (long)count, "decrease_reservation");
    for (unsigned i = 0; i < count; i++)
        w->frames[i] = virt_to_pfn(page(w, first + i));
    check(reserve(w, XENMEM_populate_physmap, count) == (long)count, "populate_physmap");
    for (unsigned i = 0; i < count; i++)
        p2m[virt_to_pfn(page(w, first + i))] = w->frames[i];
    set_entries(w, first, count, PTE_KERNEL_RW);
    for (unsigned i = first; i < first + count; i++) {
        page(w, i)[0] = w->values[i] = random_u64();
        page(w, i)[511] = 0;
    }
}

static void multicall(struct worker *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        w->calls[i] =
            (struct multicall_entry){.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}};
    check(HYPERVISOR_multicall(w->calls, count) == 0, "multicall");
    for (unsigned i = 0; i < count; i++)
        check(w->calls[i].result == PAGE_SIZE, "a call of a multicall");
}

static void bind_and_close(struct worker *w, unsigned count)
{
    static struct evtchn_close ops[8][CALLS];
    unsigned bound = 0;

    while (bound < count) {
        long port = evtchn_bind_ipi((unsigned)random_below(nr_vcpus()));

        if (port < 0)
            break;
        w->ports[bound++] = (evtchn_port_t)port;
    }
    for (unsigned i = 0; i < bound; i++) {
        ops[this_vcpu()][i].port = w->ports[i];
        w->calls[i] =
            (struct multicall_entry){.op = __HYPERVISOR_event_channel_op,
                                     .args = {EVTCHNOP_close, (unsigned long)&ops[this_vcpu()][i]}};
    }
    check(HYPERVISOR_multicall(w->calls, bound) == 0, "multicall of closes");
    for (unsigned i = 0; i < bound; i++)
        check(w->calls[i].result == 0, "a close");
}

static void step(struct worker *w)
{
    unsigned first = (unsigned)random_below(PAGES);
    unsigned count = 1 + (unsigned)random_below(PAGES - first);

    switch (random_below(5)) {
    case 0:
    case 1:
        remap(w, first, count);
        break;
    case 2:
        renew(w, first, count);
        break;
    case 3:
        multicall(w, 1 + (unsigned)random_below(CALLS));
        break;
    default:
        bind_and_close(w, 1 + (unsigned)random_below(CALLS));
    }
}

static void work(void *data)
{
    struct worker *w = &workers[this_vcpu()];

    (void)data;
    for (unsigned i = 0; i < PAGES; i++)
        page(w, i)[0] = w->values[i] = random_u64();
    w->due = monotonic_ns() + 100000;
    timer_set(w->due, tick, w);
    for (unsigned i = 0; i < operations; i++)
        step(w);
    timer_set(0, NULL, NULL);
    for (unsigned i = 0; i < PAGES; i++)
        check(page(w, i)[0] == w->values[i], "what a page holds");
}

int main(int argc, char **argv)
{
    uint64_t longest = 0;
    unsigned ticks = 0;

    random_start(argc, argv);
    operations = (unsigned)argument(argc, argv, "operations", 200);
    for (unsigned i = 0; i < nr_vcpus(); i++)
        workers[i].block = pages_alloc(BLOCK_ORDER);
    vcpus_run(work, NULL);
    for (unsigned i = 0; i < nr_vcpus(); i++) {
        longest = workers[i].longest > longest ? workers[i].longest : longest;
        ticks += workers[i].ticks;
    }
    is(wrong, 0, "every operation does all that it should");
    ok(longest < LATEST, "no timer is late by a quarter of a second");
    ok(ticks > 0, "timers have fired");
    diag("%u timers, the longest delay %u us", ticks, (unsigned)(longest / 1000));
    return done();
}
