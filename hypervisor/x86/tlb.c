/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB shoot-down. Owns the epoch and each CPU's record of its last full flush.
 *
 * Invariant: tlb_seen of a CPU is above a stamp only if the CPU has flushed after the stamp was
 * taken. The stamp is read after the mapping went; a CPU reads the epoch before it flushes; so an
 * epoch above the stamp was read after the mapping went.
 */
#include "x86/tlb.h"

#include "core/frame.h"
#include "core/lib.h"
#include "core/percpu.h"
#include "x86/apic.h"
#include "x86/counters.h"
#include "x86/cpu.h"
#include "x86/irq.h"
#include "x86/switch.h"
#include "x86/x86.h"

static uint32_t epoch = 1;
#define EPOCH_LAP (1u << 28)
/* The epoch that was last given out as a stamp: a hint that it is time for the next one. */
static uint32_t epoch_stamped;

static DEFINE_PER_CPU(uint32_t, tlb_seen);
/* Flushes asked of a CPU by others, and how many of them it has done. */
static DEFINE_PER_CPU(uint64_t, flush_asked);
static DEFINE_PER_CPU(uint64_t, flush_done);

uint32_t arch_tlb_stamp(void)
{
    uint32_t now = atomic_load(&epoch);
    if (READ_ONCE(epoch_stamped) != now)
        WRITE_ONCE(epoch_stamped, now);
    return now;
}

/*
 * From one epoch to the next, unless another CPU was faster. Epochs wrap and are compared by
 * distance, so that no CPU may go 2^31 of them without a flush: at times everyone is asked for one,
 * and not waited for.
 */
static bool epoch_advance(uint32_t now)
{
    if (!atomic_cas(&epoch, &now, now + 1))
        return false;
    if ((now + 1) % EPOCH_LAP == 0)
        for_each_cpu (cpu, cpu_online_mask)
            if (cpu != cpu_id())
                apic_send_ipi(cpu, VECTOR_TLB);
    return true;
}

/* The epoch to record for a flush that is about to be made. */
static uint32_t epoch_for_flush(void)
{
    uint32_t now = atomic_load(&epoch);
    if (READ_ONCE(epoch_stamped) == now) {
        (void)epoch_advance(now);
        now = atomic_load(&epoch);
    }
    return now;
}

uint64_t tlb_mode_cr3(uint64_t table, bool user)
{
    return cpu_has_pcid() ? table | (user ? PCID_USER : PCID_KERNEL) | CR3_NOFLUSH : table;
}

/* CPUs that may have translations of guests. Set before a guest's tables are loaded. */
static cpumask_t guest_cpus;

static void load_cr3(uint64_t cr3)
{
    uint32_t seen = epoch_for_flush();
    WRITE_CR(3, cr3 & ~CR3_NOFLUSH);
    count(COUNTER_CR3);
    if (cpu_has_pcid())
        invpcid(INVPCID_ALL, 0, 0);
    this_cpu(tlb_seen) = seen;
}

void tlb_load_guest(uint64_t cr3)
{
    if (!cpumask_has(guest_cpus, cpu_id()))
        cpumask_set_atomic(&guest_cpus, cpu_id());
    load_cr3(cr3);
}

void tlb_load_own(uint64_t cr3)
{
    load_cr3(cr3);
    cpumask_clear_atomic(&guest_cpus, cpu_id());
}

void tlb_flush_user_local(void)
{
    if (cpu_has_pcid())
        invpcid(INVPCID_ONE, PCID_USER, 0);
}

void tlb_flush_local(void)
{
    unsigned long flags = irq_save();
    count(COUNTER_FLUSH);
    load_cr3(READ_CR(3));
    irq_restore(flags);
}

void tlb_flush_page_local(uint64_t va)
{
    /* INVLPG of a non-canonical address does nothing (Intel SDM 2A, INVLPG); INVPCID faults. */
    count(COUNTER_INVLPG);
    invlpg(va);
    if (cpu_has_pcid() && is_canonical(va)) {
        invpcid(INVPCID_ADDRESS, PCID_KERNEL, va);
        invpcid(INVPCID_ADDRESS, PCID_USER, va);
    }
}

void tlb_flush_ipi(void)
{
    uint64_t asked = atomic_load(&this_cpu(flush_asked));
    if (!switch_drop_lazy())
        tlb_flush_local();
    atomic_store(&this_cpu(flush_done), asked);
}

void tlb_flush_mask(cpumask_t mask)
{
    mask = cpumask_and(mask, cpu_online_mask);
    if (cpumask_has(mask, cpu_id()))
        tlb_flush_local();
    mask.bits &= ~(1ull << cpu_id());
    if (cpumask_empty(mask))
        return;
    ASSERT(irq_enabled());
    uint64_t ticket[NR_CPUS];
    for_each_cpu (cpu, mask) {
        ticket[cpu] = atomic_fetch_add(&per_cpu(flush_asked, cpu), 1) + 1;
        apic_send_ipi(cpu, VECTOR_TLB);
    }
    for_each_cpu (cpu, mask)
        /* cppcheck-suppress uninitvar; the same CPUs as above */
        while (atomic_load(&per_cpu(flush_done, cpu)) < ticket[cpu])
            cpu_relax();
}

void tlb_flush_page_mask(cpumask_t mask, uint64_t va)
{
    unsigned self = cpu_id();
    if (cpumask_has(mask, self))
        tlb_flush_page_local(va);
    mask.bits &= ~(1ull << self);
    tlb_flush_mask(mask);
}

void tlb_flush_make(tlb_flush_t owed)
{
    if (owed.all)
        tlb_flush_mask(owed.mask);
    else
        tlb_flush_page_mask(owed.mask, owed.va);
}

void arch_tlb_flush_stamp(uint32_t stamp)
{
    cpumask_t stale = CPUMASK_NONE;
    for_each_cpu (cpu, ((cpumask_t){atomic_load(&guest_cpus.bits)})) {
        /* Epochs wrap: compare by distance. */
        if ((int32_t)(per_cpu(tlb_seen, cpu) - stamp) <= 0)
            stale.bits |= 1ull << cpu;
    }
    if (cpumask_empty(stale))
        return;
    (void)epoch_advance(stamp);
    tlb_flush_mask(stale);
}
