/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt descriptors, vectors, and the way from a vector to whoever is told.
 *
 * Invariant: vector_irq[v] on a CPU names a descriptor exactly while that descriptor's (cpu,
 * vector) names the entry; both change under vector_lock. A handler looks the descriptor up without
 * that lock and checks again under the descriptor's own, so a stale vector is only ever a spurious
 * interrupt.
 */
#include "x86/irq.h"

#include <arch/current.h>

#include "core/abi.h"
#include "core/cpumask.h"
#include "core/domain.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "core/percpu.h"
#include "core/timer.h"
#include "x86/acpi.h"
#include "x86/apic.h"
#include "x86/iomem.h"
#include "x86/ioapic.h"
#include "x86/irq_internal.h"
#include "x86/msi.h"
#include "x86/smp.h"
#include "x86/tlb.h"

#define NR_MSIS          512u
#define VECTORS          256u
#define DESTINATIONS     255u /* APIC identifiers that 8 bits can name, without broadcast */
#define MSI_WINDOW       0xfee00000ul
#define MSI_WINDOW_BYTES 0x100000u
#define MSI_BLOCK_MAX    32u

static struct irq_desc *descs;
static unsigned nr_gsis, nr_irqs;

/* Descriptor number + 1; 0: free. */
static DEFINE_PER_CPU(uint16_t[VECTORS], vector_irq);
static struct spinlock vector_lock = SPINLOCK_INIT(RANK_IRQ_DESC);
static unsigned next_cpu; /* where the search for a vector begins */

struct irq_desc *irq_desc(unsigned irq)
{
    return irq < nr_irqs ? &descs[array_index_nospec(irq, nr_irqs)] : NULL;
}

unsigned irq_nr_gsis(void)
{
    return nr_gsis;
}

/* ---- Boot ----------------------------------------------------------------------------------- */

/* ISA interrupts as the overrides say, PCI's as its specification does: level, active low. */
static void gsi_defaults(unsigned gsi, struct irq_desc *desc)
{
    desc->kind = ioapic_has_gsi(gsi) ? IRQ_GSI : IRQ_NONE;
    desc->level = desc->active_low = gsi >= ACPI_ISA_IRQS;
    for (unsigned i = 0; i < ACPI_ISA_IRQS; i++)
        if (acpi_info.isa[i].gsi == gsi) {
            desc->level = acpi_info.isa[i].level;
            desc->active_low = acpi_info.isa[i].active_low;
        }
}

void irq_init(void)
{
    nr_gsis = ioapic_init();
    nr_irqs = nr_gsis + NR_MSIS;
    descs = hv_new_array(NULL, struct irq_desc, nr_irqs);
    if (descs == NULL)
        panic("No memory for %u interrupt descriptors", nr_irqs);
    for (unsigned i = 0; i < nr_irqs; i++) {
        lock_init(&descs[i].lock, RANK_IRQ_DESC);
        if (i < nr_gsis)
            gsi_defaults(i, &descs[i]);
    }
    iomem_reserve(MADDR(MSI_WINDOW), MSI_WINDOW_BYTES, false); /* local APICs live here as well */
}

/* ---- Vectors -------------------------------------------------------------------------------- */

static bool vectors_free(unsigned cpu, unsigned first, unsigned count)
{
    for (unsigned v = first; v < first + count; v++)
        if (v == VECTOR_INT80 || per_cpu(vector_irq, cpu)[v] != 0)
            return false;
    return true;
}

static bool find_vectors(unsigned cpu, unsigned count, unsigned *vector)
{
    unsigned v = ROUND_UP(VECTOR_DYNAMIC_FIRST, count);

    while (v + count - 1 <= VECTOR_DYNAMIC_LAST) {
        if (vectors_free(cpu, v, count)) {
            *vector = v;
            return true;
        }
        v += count;
    }
    return false;
}

/*
 * Give `count` descriptors from `irq` on consecutive vectors, aligned to count, on one CPU; CPUs
 * take turns. The descriptors are not known to anybody else yet.
 */
static int alloc_vectors(unsigned irq, unsigned count)
{
    unsigned long flags = lock_irqsave(&vector_lock);
    unsigned vector = 0, cpu = 0;
    bool found = false;

    for (unsigned i = 0; i < NR_CPUS && !found; i++) {
        cpu = (next_cpu + i) % NR_CPUS;
        found = cpumask_has(cpu_online_mask, cpu) && apic_cpu_id(cpu) < DESTINATIONS &&
                find_vectors(cpu, count, &vector);
    }
    if (found) {
        next_cpu = cpu + 1;
        for (unsigned i = 0; i < count; i++) {
            descs[irq + i].vector = (uint8_t)(vector + i);
            descs[irq + i].cpu = (uint8_t)cpu;
            WRITE_ONCE(per_cpu(vector_irq, cpu)[vector + i], (uint16_t)(irq + i + 1));
        }
    }
    unlock_irqrestore(&vector_lock, flags);
    return found ? 0 : -XEN_ENOSPC;
}

static void free_vector(struct irq_desc *desc)
{
    unsigned long flags = lock_irqsave(&vector_lock);

    if (desc->vector != 0)
        WRITE_ONCE(per_cpu(vector_irq, desc->cpu)[desc->vector], 0);
    desc->vector = 0;
    unlock_irqrestore(&vector_lock, flags);
}

unsigned irq_vector(unsigned irq)
{
    return descs[irq].vector;
}

unsigned irq_cpu(unsigned irq)
{
    return descs[irq].cpu;
}

/* ---- GSIs ----------------------------------------------------------------------------------- */

static struct irq_desc *gsi_desc(unsigned gsi)
{
    struct irq_desc *desc = gsi < nr_gsis ? irq_desc(gsi) : NULL;

    return desc != NULL && desc->kind == IRQ_GSI ? desc : NULL;
}

int irq_gsi_prepare(unsigned gsi)
{
    struct irq_desc *desc = gsi_desc(gsi);

    if (desc == NULL)
        return -XEN_EINVAL;
    return desc->vector != 0 ? 0 : alloc_vectors(gsi, 1);
}

void irq_desc_enable(unsigned irq, struct irq_desc *desc)
{
    if (desc->kind == IRQ_MSI) {
        msi_mask(irq, false);
        return;
    }
    ioapic_route(irq, desc->vector, apic_cpu_id(desc->cpu), desc->level, desc->active_low);
    ioapic_unmask(irq);
}

void irq_desc_disable(unsigned irq, struct irq_desc *desc)
{
    if (desc->kind == IRQ_MSI)
        msi_mask(irq, true);
    else
        ioapic_mask(irq);
}

int irq_request_gsi(unsigned gsi, void (*fn)(void *), void *data)
{
    struct irq_desc *desc = gsi_desc(gsi);
    int ret = irq_gsi_prepare(gsi);
    unsigned long flags;

    if (ret != 0)
        return ret;
    flags = lock_irqsave(&desc->lock);
    if (desc->fn != NULL || desc->nr_guests != 0) {
        ret = -XEN_EBUSY;
    } else {
        desc->data = data;
        desc->fn = fn;
        irq_desc_enable(gsi, desc);
    }
    unlock_irqrestore(&desc->lock, flags);
    return ret;
}

int irq_request_isa(unsigned isa_irq, void (*fn)(void *), void *data)
{
    if (isa_irq >= ACPI_ISA_IRQS)
        return -XEN_EINVAL;
    return irq_request_gsi(acpi_info.isa[isa_irq].gsi, fn, data);
}

int irq_setup_gsi(unsigned gsi, bool level, bool active_low)
{
    struct irq_desc *desc = gsi_desc(gsi);
    unsigned long flags;
    int ret = 0;

    if (desc == NULL)
        return -XEN_EINVAL;
    flags = lock_irqsave(&desc->lock);
    if (desc->level != level || desc->active_low != active_low) {
        if (desc->fn != NULL || desc->nr_guests != 0) {
            ret = -XEN_EBUSY;
        } else {
            desc->level = level;
            desc->active_low = active_low;
        }
    }
    unlock_irqrestore(&desc->lock, flags);
    return ret;
}

unsigned irq_gsi_vector(unsigned gsi)
{
    const struct irq_desc *desc = gsi_desc(gsi);

    return desc != NULL ? desc->vector : 0;
}

/* ---- Messages ------------------------------------------------------------------------------- */

/* A run of unused descriptors, made used. */
static int claim_descs(unsigned count, unsigned *first)
{
    unsigned long flags = lock_irqsave(&vector_lock);
    unsigned run = 0, irq = nr_gsis;

    while (irq < nr_irqs && run < count) {
        run = descs[irq].kind == IRQ_NONE ? run + 1 : 0;
        irq++;
    }
    *first = irq - run;
    for (unsigned i = 0; i < count && run == count; i++)
        descs[*first + i].kind = IRQ_MSI;
    unlock_irqrestore(&vector_lock, flags);
    return run == count ? 0 : -XEN_ENOSPC;
}

int irq_alloc_msi(unsigned count, unsigned *first)
{
    int ret;

    if (count == 0 || count > MSI_BLOCK_MAX || (count & (count - 1)) != 0)
        return -XEN_EINVAL;
    ret = claim_descs(count, first);
    if (ret != 0)
        return ret;
    ret = alloc_vectors(*first, count);
    if (ret != 0)
        irq_free_msi(*first, count);
    return ret;
}

void irq_free_msi(unsigned first, unsigned count)
{
    for (unsigned irq = first; irq < first + count; irq++) {
        struct irq_desc *desc = &descs[irq];
        unsigned long flags;

        free_vector(desc);
        flags = lock_irqsave(&desc->lock);
        ASSERT(desc->nr_guests == 0);
        desc->level = desc->shared_by_guests = false;
        desc->kind = IRQ_NONE;
        unlock_irqrestore(&desc->lock, flags);
    }
}

/* ---- Delivery ------------------------------------------------------------------------------- */

/* A line that nobody wants: say so at the first, and then ever more rarely. */
static void unexpected(unsigned vector)
{
    static uint32_t count;
    uint32_t n = atomic_fetch_add(&count, 1) + 1;

    if ((n & (n - 1)) == 0)
        log_warning("Interrupt on vector %#x of CPU %u is nobody's (so far: %u)", vector, cpu_id(),
                    n);
}

/*
 * A level line is masked until its guests have served it; then, and for an edge at once, the local
 * APIC may have its EOI. The hypervisor's own handlers silence their device first.
 */
static void device_interrupt(unsigned vector)
{
    unsigned irq = READ_ONCE(this_cpu(vector_irq)[vector]);
    struct irq_desc *desc = irq != 0 ? irq_desc(irq - 1) : NULL;
    unsigned long flags;

    if (desc == NULL) {
        apic_eoi();
        unexpected(vector);
        return;
    }
    irq--;
    flags = lock_irqsave(&desc->lock);
    if (desc->fn != NULL) {
        void (*fn)(void *) = desc->fn;
        void *data = desc->data;

        unlock_irqrestore(&desc->lock, flags);
        fn(data);
        apic_eoi();
        return;
    }
    if (desc->level)
        ioapic_mask(irq);
    apic_eoi();
    if (desc->nr_guests != 0)
        irq_deliver_to_guests(desc);
    unlock_irqrestore(&desc->lock, flags);
}

void irq_handle(unsigned vector)
{
    switch (vector) {
    case VECTOR_TIMER:
        apic_eoi();
        timer_interrupt();
        return;
    case VECTOR_KICK: /* what is to be done is seen on the way out */
        apic_eoi();
        return;
    case VECTOR_TLB:
        apic_eoi();
        tlb_flush_ipi();
        return;
    case VECTOR_CALL_FUNCTION:
        apic_eoi();
        smp_call_interrupt();
        return;
    case VECTOR_ERROR:
        apic_error_interrupt();
        return;
    case VECTOR_SPURIOUS:
        apic_spurious_interrupt();
        return;
    }
    if (vector >= VECTOR_DYNAMIC_FIRST && vector <= VECTOR_DYNAMIC_LAST)
        device_interrupt(vector);
    else if (vector > VECTOR_DYNAMIC_LAST) {
        apic_eoi();
        unexpected(vector);
    } else { /* an 8259's spurious interrupt: never in service at the local APIC */
        unexpected(vector);
    }
}

void irq_dump(void)
{
    for (unsigned irq = 0; irq < nr_irqs; irq++) {
        const struct irq_desc *desc = &descs[irq];

        if (desc->fn == NULL && desc->nr_guests == 0)
            continue;
        log_info("irq %u: %s%s vector %#x cpu %u%s", irq, desc->kind == IRQ_MSI ? "msi" : "gsi",
                 desc->level ? " level" : " edge", desc->vector, desc->cpu,
                 desc->fn != NULL ? " hypervisor" : "");
        for (unsigned i = 0; i < desc->nr_guests; i++)
            log_info("    domain %u pirq %u%s", desc->guest[i].domain->id.v, desc->guest[i].pirq,
                     desc->guest[i].pending ? ", not yet served" : "");
    }
}
