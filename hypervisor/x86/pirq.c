/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which PIRQ of a domain is which interrupt descriptor.
 *
 * Invariant: a word of the map is written only under physdev_lock, and taken back to 0 only under
 * the lock of the descriptor it named; so a bind, which looks at it again under that lock, can
 * never reach a descriptor that has been given back.
 */
#include "x86/pirq.h"

#include <arch/memory.h>

#include "core/abi.h"
#include "core/atomic.h"
#include "core/domain.h"
#include "core/evtchn.h"
#include "core/frame.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"
#include "x86/irq.h"
#include "x86/msi.h"

struct spinlock physdev_lock = SPINLOCK_INIT(RANK_PHYSDEV);

int pirq_domain_init(struct domain *d)
{
    struct pirq_map *map;

    if (!d->is_privileged)
        return 0;
    map = hv_new(d, struct pirq_map);
    if (map == NULL)
        return -XEN_ENOMEM;
    map->eoi_mfn = INVALID_MFN;
    d->arch.pirqs = map;
    return 0;
}

void pirq_domain_release(struct domain *d)
{
    struct pirq_map *map = d->arch.pirqs;

    if (map == NULL)
        return;
    lock(&physdev_lock);
    for (unsigned pirq = 0; pirq < PIRQ_MAX; pirq++)
        if (map->irq[pirq] != 0 && pirq_unmap(d, (int)pirq) != 0)
            ASSERT(false);
    unlock(&physdev_lock);
    if (map->eoi_map != NULL) {
        atomic_store(&map->eoi_map, (unsigned long *)NULL);
        frame_put_both(map->eoi_mfn);
    }
}

void pirq_domain_free(struct domain *d)
{
    if (d->arch.pirqs != NULL)
        hv_free(d, d->arch.pirqs, sizeof(*d->arch.pirqs));
    d->arch.pirqs = NULL;
}

/* ---- The map -------------------------------------------------------------------------------- */

bool pirq_to_irq(const struct domain *d, unsigned pirq, unsigned *irq)
{
    int32_t word;

    if (d->arch.pirqs == NULL || pirq >= PIRQ_MAX)
        return false;
    word = READ_ONCE(d->arch.pirqs->irq[array_index_nospec(pirq, PIRQ_MAX)]);
    *irq = (unsigned)(word - 1);
    return word > 0;
}

/* The first of `count` free numbers above the GSIs; PIRQ_MAX: there are none. */
static unsigned find_free(const struct pirq_map *map, unsigned count)
{
    unsigned run = 0, pirq = irq_nr_gsis();

    while (pirq < PIRQ_MAX && run < count) {
        run = map->irq[pirq] == 0 ? run + 1 : 0;
        pirq++;
    }
    return run == count ? pirq - run : PIRQ_MAX;
}

int pirq_reserve(struct domain *d, unsigned *pirq)
{
    struct pirq_map *map = d->arch.pirqs;

    if (map == NULL)
        return -XEN_EINVAL;
    *pirq = find_free(map, 1);
    if (*pirq == PIRQ_MAX)
        return -XEN_ENOSPC;
    WRITE_ONCE(map->irq[*pirq], PIRQ_RESERVED);
    return 0;
}

int pirq_map_gsi(struct domain *d, unsigned gsi, int *pirq)
{
    struct pirq_map *map = d->arch.pirqs;
    int ret;

    if (map == NULL || gsi >= MIN(irq_nr_gsis(), PIRQ_MAX) || (*pirq >= 0 && *pirq != (int)gsi))
        return -XEN_EINVAL;
    gsi = (unsigned)array_index_nospec(gsi, PIRQ_MAX);
    ret = irq_gsi_prepare(gsi);
    if (ret != 0)
        return ret;
    *pirq = (int)gsi;
    WRITE_ONCE(map->irq[gsi], (int32_t)gsi + 1);
    return 0;
}

int pirq_map_irqs(struct domain *d, unsigned first_irq, unsigned count, int *pirq)
{
    struct pirq_map *map = d->arch.pirqs;
    unsigned first;

    if (map == NULL)
        return -XEN_EINVAL;
    if (*pirq >= 0) { /* a number that was reserved, or is free */
        first = (unsigned)*pirq;
        if (count != 1 || first < irq_nr_gsis() || first >= PIRQ_MAX)
            return -XEN_EINVAL;
        first = (unsigned)array_index_nospec(first, PIRQ_MAX);
        if (map->irq[first] > 0)
            return -XEN_EEXIST;
    } else {
        first = find_free(map, count);
        if (first == PIRQ_MAX)
            return -XEN_ENOSPC;
    }
    for (unsigned i = 0; i < count; i++)
        WRITE_ONCE(map->irq[first + i], (int32_t)(first_irq + i) + 1);
    *pirq = (int)first;
    return 0;
}

int pirq_unmap(struct domain *d, int pirq)
{
    struct pirq_map *map = d->arch.pirqs;
    unsigned irq, first, count, at;

    if (map == NULL || pirq < 0 || pirq >= (int)PIRQ_MAX)
        return -XEN_EINVAL;
    at = (unsigned)array_index_nospec((unsigned long)pirq, PIRQ_MAX);
    if (map->irq[at] == PIRQ_RESERVED) {
        WRITE_ONCE(map->irq[at], 0);
        return 0;
    }
    if (!pirq_to_irq(d, at, &irq))
        return -XEN_EINVAL;
    first = msi_set_of(irq, &count);
    at -= irq - first;
    for (unsigned i = 0; i < count && at + i < PIRQ_MAX; i++)
        if (map->irq[at + i] == (int32_t)(first + i) + 1)
            irq_guest_unbind(first + i, d, at + i, &map->irq[at + i]);
    msi_teardown(first);
    return 0;
}

/* ---- Event channels ------------------------------------------------------------------------- */

unsigned arch_pirq_count(const struct domain *d)
{
    return d->arch.pirqs != NULL ? PIRQ_MAX : 0;
}

int arch_pirq_bind(struct domain *d, unsigned pirq, bool share)
{
    unsigned irq;
    int ret;

    if (!pirq_to_irq(d, pirq, &irq))
        return -XEN_EINVAL;
    ret = irq_guest_bind(irq, d, pirq, share, &d->arch.pirqs->irq[pirq]);
    if (ret == 0)
        pirq_publish_eoi(d, pirq);
    return ret;
}

void arch_pirq_unbind(struct domain *d, unsigned pirq)
{
    unsigned irq;

    if (pirq_to_irq(d, pirq, &irq))
        irq_guest_unbind(irq, d, pirq, NULL);
}

/* ---- The page that tells whether EOI is due ------------------------------------------------- */

void pirq_publish_eoi(struct domain *d, unsigned pirq)
{
    unsigned long *bits = atomic_load(&d->arch.pirqs->eoi_map);
    unsigned irq;

    if (bits == NULL)
        return;
    if (pirq_to_irq(d, pirq, &irq) && irq_needs_eoi(irq))
        bit_set(pirq, bits);
    else
        bit_clear(pirq, bits);
}

int pirq_set_eoi_page(struct domain *d, uint64_t gmfn, bool unmasks)
{
    struct pirq_map *map = d->arch.pirqs;
    mfn_t mfn = MFN(gmfn);
    int ret;

    if (map == NULL)
        return -XEN_EINVAL;
    if (map->eoi_map != NULL)
        return -XEN_EBUSY;
    if (!mfn_valid(mfn))
        return -XEN_EINVAL;
    ret = frame_get_both(mfn, d, FT_WRITABLE);
    if (ret != 0)
        return ret == -XEN_ERESTART ? ret : -XEN_EINVAL;
    lock(&physdev_lock);
    if (map->eoi_map == NULL) {
        map->eoi_mfn = mfn;
        map->eoi_unmasks = unmasks;
        atomic_store(&map->eoi_map, (unsigned long *)mfn_to_virt(mfn));
        for (unsigned pirq = 0; pirq < PIRQ_MAX; pirq++)
            pirq_publish_eoi(d, pirq);
        unlock(&physdev_lock);
        return 0;
    }
    unlock(&physdev_lock);
    frame_put_both(mfn);
    return -XEN_EBUSY;
}
