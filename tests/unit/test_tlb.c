/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The argument of the flush epochs, held against a model: CPUs touch mapped pages, pages are
 * unmapped, stamped and given a new meaning, CPUs load CR3, and between any two steps of the real
 * tlb.c that touch shared memory other CPUs do something. When a page gets a new meaning no CPU may
 * have a translation of it.
 *
 * links: tests/unit/host.c
 */
#include "host.h"

#include "core/atomic.h"
#include "core/cpumask.h"
#include "core/percpu.h"
#include "x86/counters.h"
#include "x86/cpu.h"
#include "x86/x86.h"

struct cpu_features cpu_features; /* none that matters here */
DEFINE_PER_CPU(struct counters, counters);

static void step(void); /* others may run here */
static void model_load_cr3(uint64_t cr3);
static uint64_t model_cr3(void);
static void model_relax(void);
static void model_invlpg(uint64_t va);

#undef atomic_load
#define atomic_load(p)                                                                             \
    ({                                                                                             \
        step();                                                                                    \
        __typeof__(*(p)) v_ = __atomic_load_n((p), __ATOMIC_ACQUIRE);                              \
        step();                                                                                    \
        v_;                                                                                        \
    })
#undef READ_CR
#define READ_CR(n) model_cr3()
#undef WRITE_CR
#define WRITE_CR(n, val) model_load_cr3(val)
#define cpu_relax()      model_relax()
#define invlpg(va)       model_invlpg(va)
#include "x86/tlb.c"

#define CPUS  4u
#define PAGES 6u

static bool translation[CPUS][PAGES]; /* in this CPU's TLB */
static uint64_t cr3[CPUS];            /* what each CPU walks */
#define GUEST_CR3 0x2000ull
#define OWN_CR3   0x1000ull
static struct {
    bool mapped;
    uint32_t stamp; /* while not */
    bool in_hand;   /* somebody is changing its meaning */
} page[PAGES];
static bool irqs_off[CPUS], away[CPUS], ipi_due[CPUS];
static unsigned ipis, reused, stale, invalidated;
static unsigned depth, chance; /* of others running at a step, in 256 */
static uint32_t seed = 1;

static uint32_t dice(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 16;
}

static void model_invlpg(uint64_t va)
{
    (void)va;
    invalidated++;
}

/* A CPU does something, with interrupts on or off, and then the one before goes on. */
static void on(unsigned cpu, bool irqs, void (*fn)(unsigned), unsigned arg)
{
    unsigned was = host_cpu;
    bool irqs_were = host_irqs_on, off_was = irqs_off[cpu], away_was = away[cpu];
    host_cpu = cpu;
    host_irqs_on = irqs;
    irqs_off[cpu] = !irqs;
    bool stopped_off = irqs_off[was];
    irqs_off[was] |= was != cpu && !irqs_were; /* where it is stopped meanwhile */
    away[cpu] = true;
    fn(arg);
    away[cpu] = away_was;
    irqs_off[was] = stopped_off;
    irqs_off[cpu] = off_was;
    host_irqs_on = irqs_were;
    host_cpu = was;
}

static void handle_ipi(unsigned arg)
{
    (void)arg;
    tlb_flush_ipi();
}

static void deliver(unsigned cpu)
{
    if (!ipi_due[cpu] || irqs_off[cpu])
        return;
    ipi_due[cpu] = false;
    on(cpu, false, handle_ipi, 0);
}

void apic_send_ipi(unsigned cpu, unsigned vector)
{
    if (vector != VECTOR_TLB)
        bail_out("vector %#x", vector);
    ipis++;
    ipi_due[cpu] = true;
}

static void model_relax(void)
{
    static unsigned turns;
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        deliver(cpu);
    if (++turns % 1000000 == 0)
        bail_out("a flush is waited for without end");
}

static uint64_t model_cr3(void)
{
    return cr3[host_cpu];
}

/* A dropped lazy state comes with the flush that was asked for. */
bool switch_drop_lazy(void)
{
    if (chance == 0 || dice() % 4 || cr3[host_cpu] == OWN_CR3)
        return false;
    tlb_load_own(OWN_CR3);
    return true;
}

static void model_load_cr3(uint64_t value)
{
    if (host_irqs_on)
        bail_out("CR3 is loaded for a flush with interrupts on");
    step();
    cr3[host_cpu] = value;
    memset(translation[host_cpu], 0, sizeof(translation[0]));
    step();
}

/* ---- What CPUs do
 * -------------------------------------------------------------------------------- */

static void do_touch(unsigned p)
{
    if (page[p].mapped && cr3[host_cpu] == GUEST_CR3)
        translation[host_cpu][p] = true;
}

static void do_unmap(unsigned p)
{
    if (!page[p].mapped || page[p].in_hand)
        return;
    page[p].in_hand = true;
    page[p].mapped = false;
    page[p].stamp = arch_tlb_stamp();
    page[p].in_hand = false;
}

static void do_switch(unsigned p)
{
    if (p % 3 == 2)
        tlb_load_own(OWN_CR3);
    else
        tlb_load_guest(GUEST_CR3);
}

static void do_reuse(unsigned p)
{
    if (page[p].mapped || page[p].in_hand)
        return;
    page[p].in_hand = true;
    arch_tlb_flush_stamp(page[p].stamp);
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        stale += translation[cpu][p];
    reused++;
    page[p].mapped = true;
    page[p].in_hand = false;
}

static void anything(void)
{
    unsigned cpu = dice() % CPUS, p = dice() % PAGES, what = dice() % 16;
    bool blocked = !host_irqs_on;
    for (unsigned i = 0; i < CPUS; i++)
        blocked |= irqs_off[i];
    if (what < 8) /* also by speculation, wherever the CPU is stopped */
        translation[cpu][p] |= page[p].mapped && cr3[cpu] == GUEST_CR3;
    else if (away[cpu])
        return;
    else if (what < 11)
        on(cpu, true, do_unmap, p);
    else if (what < 13)
        on(cpu, false, do_switch, p);
    else if (!blocked) /* else a flush would wait for a CPU that is stopped here */
        on(cpu, true, do_reuse, p);
}

static void step(void)
{
    if (depth >= 3 || dice() % 256 >= chance)
        return;
    depth++;
    for (unsigned i = dice() % 4; i > 0; i--)
        anything();
    for (unsigned cpu = 0; cpu < CPUS; cpu++)
        if (dice() % 4 == 0 && !away[cpu])
            deliver(cpu);
    depth--;
}

static void start(uint32_t first_epoch)
{
    cpu_online_mask.bits = (1u << CPUS) - 1;
    memset(translation, 0, sizeof(translation));
    memset(ipi_due, 0, sizeof(ipi_due));
    chance = 0;
    host_irqs_on = true;
    epoch = first_epoch;
    epoch_stamped = first_epoch - 1;
    guest_cpus = cpu_online_mask;
    for (unsigned i = 0; i < CPUS; i++) {
        per_cpu(tlb_seen, i) = first_epoch - 1;
        cr3[i] = GUEST_CR3;
    }
    for (unsigned p = 0; p < PAGES; p++)
        page[p].mapped = true;
    ipis = reused = stale = 0;
}

/* ---- Tests
 * ---------------------------------------------------------------------------------------- */

static void test_random(void)
{
    static const uint32_t first[] = {1, 0x7ffffff0u, 0xfffffff0u, (1u << 28) - 8};
    for (unsigned i = 0; i < ARRAY_SIZE(first); i++) {
        start(first[i]);
        chance = 40;
        for (unsigned n = 0; n < 150000; n++)
            anything();
        is(stale, 0, "no stale translation, epochs from %#x on", first[i]);
        ok(reused > 1000 && epoch != first[i], "%u pages reused, epoch %#x, %u IPIs", reused, epoch,
           ipis);
    }
}

/* Only those CPUs that may have something are asked, and each once. */
static void test_frugal(void)
{
    start(10);
    on(0, true, do_unmap, 0);
    is(page[0].stamp, 10, "the stamp is the epoch");
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        on(cpu, false, do_switch, 0);
    is(epoch, 11, "the first flush after a stamp begins an epoch, others do not");
    is(per_cpu(tlb_seen, 3), 11);
    on(1, true, do_reuse, 0);
    is(ipis, 1, "one CPU has not flushed since");
    is(per_cpu(tlb_seen, 0), 11);
    on(1, true, do_unmap, 0);
    on(1, true, do_reuse, 0);
    is(ipis, 1 + CPUS - 1, "all but the asking CPU get an interrupt when nobody has");
    is(epoch, 12);
    unsigned before = ipis;
    page[0].mapped = false;
    on(2, true, do_reuse, 0);
    is(ipis, before, "and nobody a second time");
    is(stale, 0);
}

/* A CPU that has no guest's tables loaded has nothing to flush. */
static void test_own_tables(void)
{
    start(10);
    on(3, false, do_switch, 2);
    is(cr3[3], OWN_CR3, "a CPU is on the hypervisor's tables");
    on(0, true, do_unmap, 0);
    on(1, true, do_reuse, 0);
    is(ipis, CPUS - 2, "only the others that may have translations are asked");
    on(3, false, do_switch, 0);
    on(0, true, do_unmap, 1);
    unsigned before = ipis;
    on(1, true, do_reuse, 1);
    is(ipis, before + CPUS - 1, "and it is again once it has a guest's");
    is(stale, 0);
}

/*
 * A CPU that runs one guest and never loads CR3, while others make epochs pass: epochs are compared
 * by distance, so half the circle must never come between.
 */
static void test_wrap(void)
{
    for (uint64_t apart = 1ull << 27; apart <= 1ull << 33; apart += 3ull << 26) {
        start(7);
        on(2, true, do_touch, 0);
        for (uint64_t done = 0; done < apart; done += 1ull << 26) {
            /* 2^26 epochs pass; where one of them would have done more, it is made in full. */
            uint32_t next = epoch + (1u << 26);
            uint32_t lap = next & ~(EPOCH_LAP - 1);
            if (lap - epoch <= next - epoch) {
                epoch = epoch_stamped = lap - 1;
                on(0, false, do_switch, 0);
            }
            epoch = next;
            per_cpu(tlb_seen, 0) = next;
            for (unsigned cpu = 0; cpu < CPUS; cpu++)
                deliver(cpu);
            on(2, true, do_touch, 0);
        }
        on(0, true, do_unmap, 0);
        on(0, true, do_reuse, 0);
        if (stale)
            break;
    }
    is(stale, 0, "a CPU that never flushes by itself is not forgotten");
}

static unsigned targets;

static void ask_mask(unsigned bits)
{
    tlb_flush_mask((cpumask_t){bits});
    tlb_flush_page_mask((cpumask_t){bits}, ~0ull >> 1);
    tlb_flush_pay((tlb_flush_t){.mask = {bits}, .all = true});
    tlb_flush_pay((tlb_flush_t){.mask = {bits}, .va = 0x1000});
    targets++;
}

/* Flushes that guests ask for: any mask, CPUs that are not there too. */
static void test_masks(void)
{
    start(3);
    for (unsigned bits = 0; bits < 64; bits++) {
        for (unsigned cpu = 0; cpu < CPUS; cpu++)
            translation[cpu][1] = true;
        ipis = invalidated = 0;
        on(1, true, ask_mask, bits);
        bool right = true;
        for (unsigned cpu = 0; cpu < CPUS; cpu++)
            right &= translation[cpu][1] == !((bits >> cpu) & 1);
        ok(right, "mask %#x: those CPUs and no others", bits);
        is(ipis, 4 * (unsigned)__builtin_popcount(bits & 0xd), "one interrupt each");
        is(invalidated, bits & 2 ? 2 : 0, "and the asking CPU its page");
    }
    ipis = 0;
    tlb_flush_pay(TLB_FLUSH_NONE);
    is(ipis, 0, "no flush owed, none made");
}

int main(void)
{
    test_random();
    test_frugal();
    test_own_tables();
    test_wrap();
    test_masks();
    return done();
}
