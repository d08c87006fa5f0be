/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest page-table entries. See entry.h for what each stands for.
 *
 * No lock guards a slot: references for the new entry are taken first, the entry is exchanged
 * atomically, and the references of exactly the entry that came out are dropped. The caller's type
 * reference on the table keeps it a table meanwhile.
 */
#include "x86/mm/entry.h"

#include <arch/memory.h>

#include "core/atomic.h"
#include "core/domain.h"
#include "core/log.h"
#include "x86/iomem.h"

/*
 * Bits 62..52 are the guest's: the CPU ignores them as long as CR4.PKE is 0, as it is for guests
 * (SDM 3, 4.5.4). Linux from 6.6 on keeps a "saved dirty" in bit 58.
 */
#define PTE_HIGH_AVAIL 0x7ff0000000000000ul
#define PTE_CACHE_BITS (PTE_PWT | PTE_PCD)
/* What an L1 entry may change without any reference being touched. */
#define L1_FREE_BITS   (PTE_NX | PTE_ACCESSED | PTE_DIRTY | PTE_AVAIL | PTE_HIGH_AVAIL | PTE_USER)

static bool domain_has_devices(const struct domain *d)
{
    return d->arch.all_iomem;
}

static bool l1_bits_ok(uint64_t entry, const struct domain *owner)
{
    return domain_has_devices(owner) || !(entry & (PTE_CACHE_BITS | PTE_PAT));
}

static bool table_bits_ok(uint64_t entry, const struct domain *owner)
{
    uint64_t refused = PTE_PSE | PTE_GLOBAL;
    if (!domain_has_devices(owner))
        refused |= PTE_CACHE_BITS;
    return !(entry & refused);
}

/*
 * A frame that no domain can own: device memory, or firmware tables. The last frame number that an
 * entry can hold stands for none at all.
 */
static int device_acquire(mfn_t mfn, uint64_t entry, const struct domain *owner)
{
    if (iomem_permitted(owner, mfn, entry & PTE_WRITE))
        return 0;
    return mfn_eq(mfn, entry_mfn(PTE_MFN_MASK)) ? -XEN_EINVAL : -XEN_EPERM;
}

/* The machine-to-phys table's frames are counted by nobody: they stay for ever. */
static int m2p_acquire(mfn_t mfn, uint64_t entry)
{
    return !(entry & PTE_WRITE) && m2p_is_frame(mfn) ? 0 : -XEN_EINVAL;
}

/*
 * What is stored of a present entry. Ring 3 is where guest kernels run, so that every entry is a
 * user one. Global ones would outlive a CR3 load.
 */
static uint64_t l1_stored(uint64_t entry)
{
    return (entry | PTE_USER) & ~PTE_GLOBAL;
}

static int l1_acquire(uint64_t *entry, struct domain *owner, const struct domain *page_owner)
{
    mfn_t mfn = entry_mfn(*entry);
    if (!l1_bits_ok(*entry, owner))
        return -XEN_EINVAL;
    *entry = l1_stored(*entry);
    if (page_owner->id.v == DOMID_XEN)
        return m2p_acquire(mfn, *entry);
    int rc = frame_get_mapping(mfn, page_owner, *entry & PTE_WRITE);
    if (rc == -XEN_EPERM)
        return mfn_is_ram(mfn) ? -XEN_EBUSY : device_acquire(mfn, *entry, owner);
    return rc;
}

static int table_acquire(unsigned level, uint64_t *entry, struct domain *owner)
{
    if (!table_bits_ok(*entry, owner))
        return -XEN_EINVAL;
    *entry |= PTE_USER;
    int rc = frame_get_both(entry_mfn(*entry), owner, (enum frame_type)(level - 1));
    return rc == -XEN_EPERM ? -XEN_EINVAL : rc;
}

int entry_acquire(unsigned level, uint64_t *entry, struct domain *owner,
                  const struct domain *page_owner)
{
    if (!(*entry & PTE_PRESENT))
        return 0;
    return level == 1 ? l1_acquire(entry, owner, page_owner) : table_acquire(level, entry, owner);
}

void entry_release(unsigned level, uint64_t entry, struct torn_tables *torn)
{
    if (!(entry & PTE_PRESENT))
        return;
    mfn_t mfn = entry_mfn(entry);
    if (level == 1) {
        frame_put_mapping(mfn, entry & PTE_WRITE);
    } else {
        frame_put_type(mfn, torn);
        frame_put(mfn);
    }
}

/* The same frame with the same rights: nothing to take, nothing to drop. */
static bool same_references(uint64_t old, uint64_t new)
{
    return (old & PTE_PRESENT) && !((old ^ new) & ~(uint64_t)(L1_FREE_BITS | PTE_GLOBAL));
}

static uint64_t merge_ad(uint64_t entry, uint64_t old)
{
    return entry & PTE_PRESENT ? entry | (old & (PTE_ACCESSED | PTE_DIRTY)) : entry;
}

/* An entry that is about to be there. */
static inline void note_present(const uint64_t *slot)
{
    frame_note_part(virt_to_mfn(slot), arch_table_part(slot));
}

/* *old, what was there, comes out. Not if it is not what is `expected`: then it is what there is.
 */
static inline bool exchange(uint64_t *slot, uint64_t entry, bool preserve_ad, bool expected,
                            uint64_t *old)
{
    while (!atomic_cas(slot, old, preserve_ad ? merge_ad(entry, *old) : entry))
        if (expected)
            return false;
    return true;
}

int l1_entry_set(uint64_t *slot, uint64_t entry, bool preserve_ad, uint64_t *expected,
                 struct domain *owner, const struct domain *page_owner)
{
    uint64_t old = expected ? *expected : atomic_load(slot);
    if (same_references(old, entry)) {
        entry = l1_stored(entry);
        if (atomic_cas(slot, &old, preserve_ad ? merge_ad(entry, old) : entry))
            return 0;
        if (expected) {
            *expected = old;
            return -XEN_EAGAIN;
        }
    }
    if (entry & PTE_PRESENT) {
        entry = l1_stored(entry);
        int rc = owner == page_owner && l1_acquire_plain(entry, owner)
                     ? 0
                     : l1_acquire(&entry, owner, page_owner);
        if (rc)
            return rc;
        note_present(slot);
    }
    if (!exchange(slot, entry, preserve_ad, expected != NULL, &old)) {
        *expected = old;
        entry_release(1, entry, NULL);
        return -XEN_EAGAIN;
    }
    if (old & PTE_PRESENT)
        frame_put_mapping(entry_mfn(old), old & PTE_WRITE);
    return 0;
}

int entry_set(unsigned level, uint64_t *slot, uint64_t entry, bool preserve_ad, uint64_t *expected,
              struct domain *owner, const struct domain *page_owner)
{
    if (level == 1)
        return l1_entry_set(slot, entry, preserve_ad, expected, owner, page_owner);
    uint64_t old = expected ? *expected : atomic_load(slot);
    int rc = entry_acquire(level, &entry, owner, page_owner);
    if (rc)
        return rc;
    if (entry & PTE_PRESENT)
        note_present(slot);
    bool done = exchange(slot, entry, preserve_ad, expected != NULL, &old);
    if (!done)
        *expected = old;
    entry_release(level, done ? old : entry, arch_current_torn());
    return done ? 0 : -XEN_EAGAIN;
}
