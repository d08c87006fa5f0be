/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domain's grant table (version 1) and mappings of others' grants. Owns which references are
 * in use: one bit each. An entry whose bit is clear is GTF_invalid, and nobody has it mapped.
 *
 * The table is mapped, and grown, a frame at a time when references run out. The address space for
 * all that it may grow to is taken at first use, so that the table never moves.
 */
#include <pv/event.h>
#include <pv/hypercall.h>
#include <pv/memory.h>
#include <pv/smp.h>

#include "grant_internal.h"

#define ENTRIES_PER_FRAME ((unsigned)(PAGE_SIZE / sizeof(grant_entry_v1_t)))
#define MAX_FRAMES        64u /* Xen's default limit; more than that is not used */
#define WORD_BITS         64u

static struct {
    struct spinlock lock; /* taken with events disabled: handlers may grant, too */
    grant_entry_v1_t *table;
    unsigned frames, max_frames;
    unsigned next; /* word of `used` where the search starts */
    uint64_t used[MAX_FRAMES * ENTRIES_PER_FRAME / WORD_BITS];
} grants;

static bool enter(void)
{
    bool enabled = events_disable();

    spin_lock(&grants.lock);
    return enabled;
}

static void leave(bool enabled)
{
    spin_unlock(&grants.lock);
    events_restore(enabled);
}

/* ---- The table; lock held ------------------------------------------------------------------ */

/* Maps what the table has up to `frames`, growing it if need be. */
static bool map_table(unsigned frames)
{
    xen_pfn_t list[MAX_FRAMES];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = frames};

    if (frames > grants.max_frames)
        return false;
    set_xen_guest_handle(setup.frame_list, list);
    if (HYPERVISOR_grant_table_op(GNTTABOP_setup_table, &setup, 1) || setup.status != GNTST_okay)
        return false;
    for (; grants.frames < frames; grants.frames++) {
        const char *va = (const char *)grants.table + grants.frames * PAGE_SIZE;

        if (pte_set(va, pte_make(list[grants.frames], PTE_KERNEL_RW | PTE_NX)))
            return false;
    }
    return true;
}

static bool table_ready(void)
{
    struct gnttab_query_size size = {.dom = DOMID_SELF};

    if (grants.frames)
        return true;
    if (HYPERVISOR_grant_table_op(GNTTABOP_query_size, &size, 1) || size.status != GNTST_okay)
        return false;
    grants.max_frames = size.max_nr_frames < MAX_FRAMES ? size.max_nr_frames : MAX_FRAMES;
    if (!grants.table)
        grants.table = window_alloc(grants.max_frames);
    if (!grants.table || !map_table(1))
        return false;
    grants.used[0] = (1ull << GNTTAB_NR_RESERVED_ENTRIES) - 1;
    return true;
}

/* A free reference, now in use; GRANT_NONE. */
static grant_ref_t take(void)
{
    unsigned words = grants.frames * ENTRIES_PER_FRAME / WORD_BITS;

    for (unsigned i = 0; i < words; i++) {
        unsigned word = (grants.next + i) % words, bit;

        if (~grants.used[word] == 0)
            continue;
        bit = (unsigned)__builtin_ctzll(~grants.used[word]);
        grants.used[word] |= 1ull << bit;
        grants.next = word;
        return word * WORD_BITS + bit;
    }
    if (!map_table(grants.frames + 1))
        return GRANT_NONE;
    grants.next = words;
    grants.used[words] |= 1;
    return words * WORD_BITS;
}

static void give_back(grant_ref_t ref)
{
    grants.used[ref / WORD_BITS] &= ~(1ull << ref % WORD_BITS);
}

/* ---- Granting ------------------------------------------------------------------------------ */

grant_ref_t grant_give_frame(domid_t domain, unsigned long mfn, bool read_only)
{
    bool enabled = enter();
    grant_ref_t ref = table_ready() ? take() : GRANT_NONE;

    if (ref != GRANT_NONE) {
        grant_entry_v1_t *entry = &grants.table[ref];

        entry->domid = domain;
        entry->frame = (uint32_t)mfn;
        /* Valid last ("Introducing a valid entry into the grant table"). */
        __atomic_store_n(&entry->flags,
                         (uint16_t)(GTF_permit_access | (read_only ? GTF_readonly : 0)),
                         __ATOMIC_RELEASE);
    }
    leave(enabled);
    return ref;
}

grant_ref_t grant_give(domid_t domain, const void *page, bool read_only)
{
    return grant_give_frame(domain, virt_to_mfn(page), read_only);
}

/* "Invalidating an unused GTF_permit_access entry": the two flags must be seen clear by the very
 * exchange that ends the permission. */
bool grant_end(grant_ref_t ref)
{
    bool enabled = enter(), ended = false;

    if (ref >= GNTTAB_NR_RESERVED_ENTRIES && ref < grants.frames * ENTRIES_PER_FRAME) {
        uint16_t *word = &grants.table[ref].flags;
        uint16_t flags = __atomic_load_n(word, __ATOMIC_SEQ_CST);

        while (!(flags & (GTF_reading | GTF_writing)) && !ended)
            ended = __atomic_compare_exchange_n(word, &flags, GTF_invalid, false, __ATOMIC_SEQ_CST,
                                                __ATOMIC_SEQ_CST);
        if (ended)
            give_back(ref);
    }
    leave(enabled);
    return ended;
}

unsigned grant_entries(void)
{
    bool enabled = enter();
    unsigned entries = table_ready() ? grants.frames * ENTRIES_PER_FRAME : 0;

    leave(enabled);
    return entries;
}

grant_entry_v1_t *grant_table(void)
{
    bool enabled = enter();
    grant_entry_v1_t *table = table_ready() ? grants.table : NULL;

    leave(enabled);
    return table;
}

/* ---- Mapping ------------------------------------------------------------------------------- */

void *grant_map(domid_t domain, grant_ref_t ref, bool read_only, grant_handle_t *handle,
                int *status)
{
    void *window = window_alloc(1);
    struct gnttab_map_grant_ref op = {
        .host_addr = (unsigned long)window,
        .flags = (uint32_t)(GNTMAP_host_map | (read_only ? GNTMAP_readonly : 0)),
        .ref = ref,
        .dom = domain,
        .status = GNTST_no_space,
    };

    if (window && HYPERVISOR_grant_table_op(GNTTABOP_map_grant_ref, &op, 1))
        op.status = GNTST_general_error;
    if (status)
        *status = op.status;
    if (op.status == GNTST_okay) {
        *handle = op.handle;
        return window;
    }
    if (window)
        window_free(window, 1);
    return NULL;
}

int grant_unmap(void *address, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = (unsigned long)address, .handle = handle};

    if (HYPERVISOR_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1))
        return GNTST_general_error;
    /* While it is mapped still, its address must not serve another. */
    if (op.status == GNTST_okay)
        window_free(address, 1);
    return op.status;
}
