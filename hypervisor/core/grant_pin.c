/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pinning grants: the only file that reads a guest's grant entries to act on them.
 *
 * The protocol with the guest is in xen/grant_table.h, "GRANT TABLE REPRESENTATION". In version 1
 * the flags that say "in use" are in the word with the permission, and set by compare-and-exchange
 * of both at once; in version 2 they are in the status array: they are set, and then the permission
 * must still be there, for the guest revokes in the other order.
 */
#include "core/atomic.h"
#include "core/grant_internal.h"
#include "core/lib.h"

/* Flags and domain of an entry are one aligned word in both versions, read and changed as one. */
union header {
    uint32_t word;
    struct {
        uint16_t flags;
        uint16_t domid;
    };
};
static_assert(sizeof(union header) == sizeof(struct grant_entry_header), "the ABI's header");

/* An honest guest changes its entry once in the time of one try. */
#define HEADER_TRIES 8u

static uint32_t *header_word(struct grant_table *gt, uint32_t ref)
{
    return gt->version == 1 ? (uint32_t *)grant_entry_v1(gt, ref)
                            : (uint32_t *)grant_entry_v2(gt, ref);
}

/* Does the entry let `user` do this? Version 1 knows neither sub-pages nor transitive grants. */
static bool permits(const struct grant_table *gt, union header h, domid_t user, bool readonly,
                    enum grant_use use)
{
    unsigned type = h.flags & GTF_type_mask;

    if (h.domid != user.v || (!readonly && (h.flags & GTF_readonly)))
        return false;
    if (use == GRANT_TO_MAP)
        return type == GTF_permit_access && !(h.flags & GTF_sub_page);
    return type == GTF_permit_access || (type == GTF_transitive && gt->version == 2);
}

static uint16_t use_flags(bool readonly)
{
    return (uint16_t)(readonly ? GTF_reading : GTF_reading | GTF_writing);
}

static int mark_v1(struct grant_table *gt, uint32_t ref, domid_t user, bool readonly,
                   enum grant_use use, union header *h)
{
    uint32_t *word = header_word(gt, ref);

    h->word = READ_ONCE(*word);
    for (unsigned try = 0; try < HEADER_TRIES; try++) {
        union header marked = *h;

        if (!permits(gt, *h, user, readonly, use))
            return GNTST_general_error;
        marked.flags |= use_flags(readonly);
        if (atomic_cas(word, &h->word, marked.word))
            return GNTST_okay;
    }
    return GNTST_general_error;
}

static void clear_marks(struct grant_table *gt, uint32_t ref, uint16_t flags)
{
    uint16_t *word = gt->version == 1 ? &grant_entry_v1(gt, ref)->flags : grant_status_of(gt, ref);

    atomic_fetch_and(word, (uint16_t)~flags);
}

static int mark_v2(struct grant_table *gt, uint32_t ref, domid_t user, bool readonly,
                   enum grant_use use, union header *h)
{
    uint32_t *word = header_word(gt, ref);
    const struct grant_active *act = grant_active_of(gt, ref);
    uint16_t flags = use_flags(readonly);

    h->word = READ_ONCE(*word);
    if (!permits(gt, *h, user, readonly, use))
        return GNTST_general_error;
    atomic_fetch_or(grant_status_of(gt, ref), flags); /* a full barrier, then look again */
    h->word = READ_ONCE(*word);
    if (permits(gt, *h, user, readonly, use))
        return GNTST_okay;
    /* Take back what no other pin stands for. */
    clear_marks(gt, ref, act->readers || act->writers ? GTF_writing : flags);
    return GNTST_general_error;
}

/* Fill in what the first pin finds; each field of the guest's is read once. */
static void read_entry(struct grant_table *gt, uint32_t ref, union header h,
                       struct grant_active *act)
{
    union grant_entry_v2 *e2;

    act->kind = GRANT_WHOLE;
    act->start = 0;
    act->length = (uint16_t)PAGE_SIZE;
    if (gt->version == 1) {
        act->frame = READ_ONCE(grant_entry_v1(gt, ref)->frame);
        return;
    }
    e2 = grant_entry_v2(gt, ref);
    if ((h.flags & GTF_type_mask) == GTF_transitive) {
        act->kind = GRANT_TRANSITIVE;
        act->trans_domid = DOMID(READ_ONCE(e2->transitive.trans_domid));
        act->trans_ref = READ_ONCE(e2->transitive.gref);
    } else if (h.flags & GTF_sub_page) {
        act->kind = GRANT_SUB_PAGE;
        act->start = READ_ONCE(e2->sub_page.page_off);
        act->length = READ_ONCE(e2->sub_page.length);
        act->frame = READ_ONCE(e2->sub_page.frame);
    } else {
        act->frame = READ_ONCE(e2->full_page.frame);
    }
}

/* Lock held. */
static int pin(struct grant_table *gt, uint32_t ref, struct grant_active *act, domid_t user,
               bool readonly, enum grant_use use)
{
    bool first = act->readers == 0 && act->writers == 0;
    union header h;

    if (!first && (act->user.v != user.v || (use == GRANT_TO_MAP && act->kind != GRANT_WHOLE)))
        return GNTST_general_error;
    if (act->readers == UINT32_MAX || act->writers == UINT32_MAX)
        return GNTST_general_error;
    if (first || (!readonly && act->writers == 0)) {
        int ret = gt->version == 1 ? mark_v1(gt, ref, user, readonly, use, &h)
                                   : mark_v2(gt, ref, user, readonly, use, &h);
        if (ret != GNTST_okay)
            return ret;
    }
    if (first) {
        act->user = user;
        read_entry(gt, ref, h, act);
        gt->in_use += ref >= GNTTAB_NR_RESERVED_ENTRIES;
    }
    if (readonly)
        act->readers++;
    else
        act->writers++;
    return GNTST_okay;
}

/*
 * The record, lock held; NULL: the entry permits nothing of the kind, or there is no memory. A new
 * one is charged to the domain that grants, so there is none for what it does not.
 */
static struct grant_active *record_of(struct domain *d, uint32_t ref, domid_t user, bool readonly,
                                      enum grant_use use)
{
    struct grant_active *act = grant_active_of(d->grant, ref);

    if (act)
        return act;
    union header h = {.word = READ_ONCE(*header_word(d->grant, ref))};
    return permits(d->grant, h, user, readonly, use) ? grant_make_active(d, ref) : NULL;
}

int grant_pin(struct domain *d, uint32_t ref, domid_t user, bool readonly, enum grant_use use,
              struct grant_active *out)
{
    struct grant_table *gt = d->grant;
    int ret = GNTST_bad_gntref;
    uint32_t entries;

    lock_inline(&gt->lock);
    entries = grant_entries(gt);
    if (ref < entries) {
        ref = (uint32_t)array_index_nospec(ref, entries);
        struct grant_active *act = record_of(d, ref, user, readonly, use);
        ret = act ? pin(gt, ref, act, user, readonly, use) : GNTST_general_error;
        if (ret == GNTST_okay)
            *out = *act;
    }
    unlock(&gt->lock);
    return ret;
}

void grant_unpin_locked(struct grant_table *gt, uint32_t ref, bool readonly)
{
    struct grant_active *act = grant_active_of(gt, ref);
    uint16_t cleared = 0;

    ASSERT(readonly ? act->readers : act->writers);
    if (readonly)
        act->readers--;
    else if (--act->writers == 0)
        cleared = GTF_writing;
    if (act->readers == 0 && act->writers == 0) {
        cleared |= GTF_reading;
        gt->in_use -= ref >= GNTTAB_NR_RESERVED_ENTRIES;
    }
    if (cleared)
        clear_marks(gt, ref, cleared);
}

void grant_unpin(struct domain *d, uint32_t ref, bool readonly)
{
    lock_inline(&d->grant->lock);
    grant_unpin_locked(d->grant, ref, readonly);
    unlock(&d->grant->lock);
}

/* ---- Transfers ----------------------------------------------------------------------------- */

int grant_commit_transfer(struct domain *d, uint32_t ref, domid_t from, pfn_t *slot)
{
    struct grant_table *gt = d->grant;
    int ret = GNTST_general_error;
    union header h;

    lock(&gt->lock);
    if (ref >= grant_entries(gt)) {
        unlock(&gt->lock);
        return GNTST_general_error; /* as for every entry that does not accept */
    }
    ref = (uint32_t)array_index_nospec(ref, grant_entries(gt));
    h.word = READ_ONCE(*header_word(gt, ref));
    for (unsigned try = 0; try < HEADER_TRIES; try++) {
        union header committed = h;

        if (h.flags != GTF_accept_transfer || h.domid != from.v)
            break;
        committed.flags |= GTF_transfer_committed;
        if (atomic_cas(header_word(gt, ref), &h.word, committed.word)) {
            ret = GNTST_okay;
            *slot = PFN(gt->version == 1 ? READ_ONCE(grant_entry_v1(gt, ref)->frame)
                                         : READ_ONCE(grant_entry_v2(gt, ref)->full_page.frame));
            break;
        }
    }
    unlock(&gt->lock);
    return ret;
}

void grant_complete_transfer(struct domain *d, uint32_t ref, mfn_t frame)
{
    struct grant_table *gt = d->grant;

    lock(&gt->lock);
    /* The version may have changed in between; then there is nothing to tell. */
    if (ref < grant_entries(gt)) {
        ref = (uint32_t)array_index_nospec(ref, grant_entries(gt));
        if (gt->version == 1)
            WRITE_ONCE(grant_entry_v1(gt, ref)->frame, (uint32_t)frame.v);
        else
            WRITE_ONCE(grant_entry_v2(gt, ref)->full_page.frame, frame.v);
        /* The frame's number before the flag that makes the guest read it. */
        atomic_fetch_or((uint16_t *)header_word(gt, ref), GTF_transfer_completed);
    }
    unlock(&gt->lock);
}
