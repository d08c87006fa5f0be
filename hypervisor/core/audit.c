/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit. Every holder of references reports what it holds; the sums must be what the frames'
 * own counts say. All guests are stopped, between two hypercalls or between two parts of one.
 */
#include "core/audit.h"

#include "core/domain.h"
#include "core/frame_private.h"
#include "core/heap.h"
#include "core/lib.h"
#include "core/log.h"

/* What was reported of a frame so far. */
struct tally {
    uint32_t refs, types;
};

static struct tally *tallies;
static uint64_t tally_count;
static unsigned errors;
#define ERRORS_SHOWN 20u

static void complain(mfn_t mfn, const char *what, uint64_t is, uint64_t should)
{
    if (errors++ >= ERRORS_SHOWN)
        return;
    log_error("audit: frame %#lx of domain %u: %s %lu, counted %lu (words %#lx %#lx)",
              (unsigned long)mfn.v, frame_owner(mfn).v, what, (unsigned long)is,
              (unsigned long)should, (unsigned long)*frame_own(mfn),
              (unsigned long)*frame_type_word(mfn));
}

void audit_note(mfn_t mfn, unsigned refs, unsigned types)
{
    if (mfn.v >= tally_count || !mfn_valid(mfn)) {
        log_error("audit: a reference to frame %#lx, which there is not", (unsigned long)mfn.v);
        errors++;
        return;
    }
    tallies[mfn.v].refs += refs;
    tallies[mfn.v].types += types;
}

/* What the frame's own state stands for, and what is in it when it is a table. */
static bool note_frame(mfn_t mfn)
{
    uint64_t own = *frame_own(mfn), type = *frame_type_word(mfn);
    enum type_state state = type_state(type);
    if (!(own & OWN_FLAG))
        return false;
    if (own & OWN_ALLOCATED)
        audit_note(mfn, 1, 0);
    if (own & OWN_SHARED)
        audit_note(mfn, own_owner(own).v != DOMID_XEN, 1);
    if (type & TYPE_PINNED)
        audit_note(mfn, 1, 1);
    if (state == TS_PARTIAL)
        audit_note(mfn, 1, 0);
    if (state == TS_BUSY)
        complain(mfn, "is busy", 1, 0);
    bool table = type_of(type) >= FT_L1 && type_of(type) <= FT_L4 &&
                 (state == TS_VALID || state == TS_PARTIAL);
    if (table && state == TS_PARTIAL)
        (void)arch_audit_table(mfn, type_of(type), type_progress(type));
    if (table && state == TS_VALID) {
        unsigned parts = arch_audit_table(mfn, type_of(type), TABLE_ENTRIES);
        if (parts & ~type_parts(type))
            complain(mfn, "has entries in parts", parts, type_parts(type));
    }
    return table;
}

static void check_frame(mfn_t mfn, const struct tally *t)
{
    uint64_t own = *frame_own(mfn), type = *frame_type_word(mfn);
    if (!(own & OWN_FLAG)) {
        if (t->refs || t->types)
            complain(mfn, "is free; references", 0, t->refs);
        return;
    }
    if (own_refs(own) != t->refs)
        complain(mfn, "references", own_refs(own), t->refs);
    uint32_t types = type_state(type) == TS_VALID ? type_count(type) : 0;
    if (types != t->types)
        complain(mfn, "type references", types, t->types);
}

static void note_domains(void)
{
    lock(&domain_list_lock);
    for (struct domain *d = domain_list; d != NULL; d = d->next) {
        arch_audit_domain(d);
        evtchn_audit_domain(d);
        grant_audit_domain(d);
    }
    unlock(&domain_list_lock);
}

static void walk_all(uint64_t *frames, uint64_t *tables)
{
    note_domains();
    for (mfn_t mfn = MFN(0); mfn.v < tally_count; mfn.v++) {
        if (!mfn_valid(mfn))
            continue;
        *tables += note_frame(mfn);
        *frames += (*frame_own(mfn) & OWN_FLAG) != 0;
    }
    for (mfn_t mfn = MFN(0); mfn.v < tally_count; mfn.v++)
        if (mfn_valid(mfn))
            check_frame(mfn, &tallies[mfn.v]);
}

/* Each running vCPU but the one that this CPU was on its way back to. */
static void stop_guests(void)
{
    lock(&domain_list_lock);
    for (struct domain *d = domain_list; d != NULL; d = d->next)
        domain_pause_nowait(d);
    unlock(&domain_list_lock);
    for (struct domain *d = domain_list; d != NULL; d = d->next)
        for_each_vcpu (d, v)
            if (v != current_vcpu())
                vcpu_wait_stopped(v);
}

static void start_guests(void)
{
    lock(&domain_list_lock);
    for (struct domain *d = domain_list; d != NULL; d = d->next)
        domain_unpause(d);
    unlock(&domain_list_lock);
}

unsigned audit_memory(void)
{
    static uint32_t at_work;
    uint64_t frames = 0, tables = 0;
    if (atomic_swap(&at_work, 1))
        return 0;
    errors = 0;
    tally_count = frame_max().v;
    tallies = hv_alloc(NULL, tally_count * sizeof(*tallies));
    if (tallies == NULL) {
        log_warning("memory audit: no %lu KiB free to count in; not made",
                    (unsigned long)(tally_count * sizeof(*tallies) >> 10));
    } else {
        stop_guests();
        walk_all(&frames, &tables);
        start_guests();
        hv_free(NULL, tallies, tally_count * sizeof(*tallies));
        if (errors)
            log_error("memory audit: %u errors", errors);
        else
            log_info("memory audit: %lu frames, %lu tables: ok", (unsigned long)frames,
                     (unsigned long)tables);
    }
    atomic_store(&at_work, 0);
    return errors;
}
