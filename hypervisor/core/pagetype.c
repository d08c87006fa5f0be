/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Types of frames (word 1 of struct frame): the table of transitions, and nothing round it.
 *
 *   from             to                 who           what happens
 *   IDLE(any)        BUSY(T)            get           a type change pays the TLB flush of the stamp
 *   IDLE(T)          VALID(T) 1         get           FT_WRITABLE: nothing is to be done in between
 *   BUSY(T)          VALID(T) 1         get           every entry has its references, or T has none
 *   BUSY(T)          PARTIAL(T) n       get, put      work is pending: entries [0, n) have theirs
 *   BUSY(T)          IDLE(T) stamp      get, put      not valid, taken down, or the last put
 *   VALID(T) c       VALID(T) c+1       get
 *   VALID(T) c>1     VALID(T) c-1       put
 *   VALID(T) 1       BUSY(T)            put
 *   PARTIAL(T) n     BUSY(T)            get T, or anyone who takes it down
 *
 * Every step is one compare-and-exchange. BUSY belongs to the CPU that made it. Who wants the same
 * type waits, with interrupts on: a table refers only to tables of lower level, so that the waiting
 * has an end. Who wants another type is refused, as if the frame were still in use: it may be an
 * entry somewhere below the very table that the CPU is validating.
 *
 * PARTIAL holds a reference of its own and no type reference, so that nobody need come back for it:
 * a domain's death finds it.
 *
 * The stamp is read in BUSY, when nobody can take the type again: read before the last reference is
 * dropped, it could be older than a translation made and unmapped by another vCPU in between.
 *
 * Why a flush on a type change: a CPU may still hold a writable translation of a frame that becomes
 * a table, or walk through a former table that is written as data now (Intel SDM 3A 4.10.4.3).
 */
#include "core/frame_private.h"

#include <arch/cpu.h>

#include "core/domain.h"
#include "core/lib.h"

static bool type_is_checked(enum frame_type type)
{
    return type != FT_WRITABLE && type != FT_NONE;
}

/* The state BUSY belongs to us alone, so that a plain store ends it. PINNED is never set meanwhile.
 */
static void busy_end(mfn_t mfn, uint64_t word)
{
    atomic_store(frame_type_word(mfn), word);
}

static void busy_to_idle(mfn_t mfn, enum frame_type type)
{
    busy_end(mfn, type_word(type, TS_IDLE, 0, arch_tlb_stamp()));
}

/* The caller holds a reference, so that another can be had, and that the owner stays. */
static void busy_to_partial(mfn_t mfn, enum frame_type type, unsigned progress)
{
    atomic_fetch_add(frame_own(mfn), OWN_REF_ONE);
    frame_chunk_mark(domain_by_id(frame_owner(mfn)), mfn);
    busy_end(mfn, type_word(type, TS_PARTIAL, progress, 0));
}

/* Remember in `torn` that a table is to be gone on with; takes a reference for it. */
static void torn_remember(struct torn_tables *torn, mfn_t mfn, enum frame_type type)
{
    if (torn == NULL || torn->mfn_plus_1[type] != 0)
        return; /* PARTIAL keeps itself */
    atomic_fetch_add(frame_own(mfn), OWN_REF_ONE);
    torn->mfn_plus_1[type] = mfn.v + 1;
}

/* The parts that entries [0, progress) are in. */
static unsigned parts_below(unsigned progress)
{
    return (1u << DIV_ROUND_UP(progress, TABLE_ENTRIES / TABLE_PARTS)) - 1;
}

/*
 * BUSY with `progress` entries held, in `parts`: drop them all. 0 and IDLE, or -XEN_ERESTART and
 * PARTIAL.
 */
static int busy_take_down(mfn_t mfn, enum frame_type type, unsigned progress, unsigned parts,
                          struct torn_tables *torn)
{
    if (arch_table_release(mfn, type, &progress, parts, torn) == 0) {
        busy_to_idle(mfn, type);
        return 0;
    }
    busy_to_partial(mfn, type, progress);
    torn_remember(torn, mfn, type);
    return -XEN_ERESTART;
}

/* BUSY with `progress` entries held: take the rest. */
static int busy_build(mfn_t mfn, enum frame_type type, unsigned progress)
{
    struct domain *owner = domain_by_id(frame_owner(mfn));
    unsigned parts = parts_below(progress);
    int rc = arch_table_acquire(mfn, type, owner, &progress, &parts);
    if (rc == 0)
        busy_end(mfn, type_word(type, TS_VALID, 0, 1) | (uint64_t)parts << TYPE_PARTS_SHIFT);
    else if (rc == -XEN_ERESTART)
        busy_to_partial(mfn, type, progress);
    else
        (void)busy_take_down(mfn, type, progress, parts, arch_current_torn());
    return rc;
}

/* From PARTIAL to BUSY. The state's own reference is dropped; the caller has one. */
static bool partial_seize(mfn_t mfn, uint64_t *word)
{
    if (!atomic_cas(frame_type_word(mfn), word, type_word(type_of(*word), TS_BUSY, 0, 0)))
        return false;
    frame_put(mfn);
    return true;
}

/* From IDLE: make it the caller's, of the new type. */
static bool idle_seize(mfn_t mfn, uint64_t *word, enum frame_type type)
{
    if (!atomic_cas(frame_type_word(mfn), word, type_word(type, TS_BUSY, 0, 0)))
        return false;
    if (type_of(*word) != type && type_of(*word) != FT_NONE)
        arch_tlb_flush_stamp(type_count(*word));
    return true;
}

static int idle_get(mfn_t mfn, enum frame_type type)
{
    if (type_is_checked(type))
        return busy_build(mfn, type, 0);
    busy_end(mfn, type_word(type, TS_VALID, 0, 1));
    return 0;
}

/* One more reference to what is VALID as `type`. False: it is not, or the count is full. */
static inline bool valid_get(mfn_t mfn, uint64_t word, enum frame_type type)
{
    while (type_is_valid(word, type) && type_count(word) < COUNT_MAX)
        if (atomic_cas(frame_type_word(mfn), &word, word + TYPE_COUNT_ONE))
            return true;
    return false;
}

/* One reference less, if it is not the last. */
static inline bool valid_put(mfn_t mfn)
{
    uint64_t word = atomic_load(frame_type_word(mfn));
    while (type_state(word) == TS_VALID && type_count(word) > 1)
        if (atomic_cas(frame_type_word(mfn), &word, word - TYPE_COUNT_ONE))
            return true;
    return false;
}

/* It is VALID, but not to be had: -XEN_EBUSY, unless it is only spare references that hold it. */
static int busy_spare_drop(mfn_t mfn, bool *dropped)
{
    if (*dropped)
        return -XEN_EBUSY;
    *dropped = true;
    return arch_spare_drop(domain_by_id(frame_owner(mfn)));
}

int frame_get_type(mfn_t mfn, enum frame_type type)
{
    uint64_t *at = frame_type_word(mfn);
    uint64_t word = atomic_load(at);
    bool dropped = false;
    for (;;) {
        switch (type_state(word)) {
        case TS_VALID:
            if (type_of(word) != type || type_count(word) >= COUNT_MAX) {
                int rc = busy_spare_drop(mfn, &dropped);
                if (rc)
                    return rc;
                break;
            }
            if (atomic_cas(at, &word, word + TYPE_COUNT_ONE))
                return 0;
            continue;
        case TS_IDLE:
            if (idle_seize(mfn, &word, type))
                return idle_get(mfn, type);
            continue;
        case TS_PARTIAL: {
            unsigned progress = type_progress(word);
            enum frame_type was = type_of(word);
            if (!partial_seize(mfn, &word))
                continue;
            if (was == type)
                return busy_build(mfn, type, progress);
            if (busy_take_down(mfn, was, progress, parts_below(progress), arch_current_torn()))
                return -XEN_ERESTART;
            break;
        }
        case TS_BUSY:
            if (type_of(word) != type)
                return -XEN_EBUSY;
            cpu_relax();
            break;
        }
        word = atomic_load(at);
    }
}

void frame_put_type(mfn_t mfn, struct torn_tables *torn)
{
    uint64_t *at = frame_type_word(mfn);
    uint64_t word = atomic_load(at);
    enum frame_type type = type_of(word);
    for (;;) {
        BUG_ON(type_state(word) != TS_VALID);
        if (type_count(word) > 1) {
            if (atomic_cas(at, &word, word - TYPE_COUNT_ONE))
                return;
        } else if (atomic_cas(at, &word, type_word(type, TS_BUSY, 0, 0))) {
            break;
        }
    }
    if (type_is_checked(type))
        (void)busy_take_down(mfn, type, TABLE_ENTRIES, type_parts(word), torn);
    else
        busy_to_idle(mfn, type);
}

int frame_get_both(mfn_t mfn, const struct domain *owner, enum frame_type type)
{
    if (!own_get(mfn, owner))
        return -XEN_EPERM;
    if (valid_get(mfn, atomic_load(frame_type_word(mfn)), type))
        return 0;
    int rc = frame_get_type(mfn, type);
    if (rc)
        own_put(mfn);
    return rc;
}

/* Not inline: the common case needs no stack. */
static __attribute__((noinline)) void put_both_slowly(mfn_t mfn, struct torn_tables *torn)
{
    frame_put_type(mfn, torn);
    own_put(mfn);
}

void frame_put_both(mfn_t mfn)
{
    if (likely(valid_put(mfn)))
        own_put(mfn);
    else
        put_both_slowly(mfn, arch_current_torn());
}

bool frame_hold(mfn_t mfn, const struct domain *owner, enum frame_type type)
{
    if (!own_get(mfn, owner))
        return false;
    if (valid_get(mfn, atomic_load(frame_type_word(mfn)), type))
        return true;
    own_put(mfn);
    return false;
}

enum frame_type frame_hold_table(mfn_t mfn, const struct domain *owner)
{
    if (!own_get(mfn, owner))
        return FT_NONE;
    uint64_t word = atomic_load(frame_type_word(mfn));
    enum frame_type type = type_of(word);
    if (type >= FT_L1 && type <= FT_L4 && valid_get(mfn, word, type))
        return type;
    own_put(mfn);
    return FT_NONE;
}

/* ---- Mappings -------------------------------------------------------------------------------- */

/*
 * FT_WRITABLE needs no validation, and most frames have not been anything else: then nothing need
 * be done in BUSY.
 */
static __attribute__((noinline)) int writable_get_slowly(mfn_t mfn, uint64_t word)
{
    if (type_state(word) == TS_IDLE && (type_of(word) == FT_WRITABLE || type_of(word) == FT_NONE) &&
        atomic_cas(frame_type_word(mfn), &word, type_word(FT_WRITABLE, TS_VALID, 0, 1)))
        return 0;
    int rc = frame_get_type(mfn, FT_WRITABLE);
    if (rc)
        own_put(mfn);
    return rc;
}

int frame_get_mapping(mfn_t mfn, const struct domain *owner, bool writable)
{
    if (!own_get(mfn, owner))
        return -XEN_EPERM;
    uint64_t word = atomic_load(frame_type_word(mfn));
    if (!writable || valid_get(mfn, word, FT_WRITABLE))
        return 0;
    return writable_get_slowly(mfn, word);
}

void frame_put_mapping(mfn_t mfn, bool writable)
{
    if (!mfn_valid(mfn) || !(atomic_load(frame_own(mfn)) & OWN_FLAG))
        return;
    if (!writable || likely(valid_put(mfn)))
        own_put(mfn);
    else
        put_both_slowly(mfn, NULL);
}

void frame_note_part(mfn_t table, unsigned part)
{
    uint64_t *at = frame_type_word(table), bit = 1ull << (TYPE_PARTS_SHIFT + part);
    if (!(atomic_load(at) & bit))
        atomic_fetch_or(at, bit);
}

enum frame_type frame_type_hint(mfn_t mfn)
{
    uint64_t word = atomic_load(frame_type_word(mfn));
    return type_state(word) == TS_IDLE ? FT_NONE : type_of(word);
}

bool frame_pinned_hint(mfn_t mfn)
{
    return (atomic_load(frame_type_word(mfn)) & TYPE_PINNED) != 0;
}

/* ---- Half-done tables ---------------------------------------------------------------------- */

/* The caller holds a reference. Take down what is PARTIAL; leave every other state alone. */
static int partial_take_down(mfn_t mfn, struct torn_tables *torn)
{
    uint64_t word = atomic_load(frame_type_word(mfn));
    while (type_state(word) == TS_PARTIAL) {
        unsigned progress = type_progress(word);
        enum frame_type type = type_of(word);
        if (partial_seize(mfn, &word))
            return busy_take_down(mfn, type, progress, parts_below(progress), torn);
    }
    return 0;
}

int frame_finish_teardown(mfn_t mfn)
{
    return partial_take_down(mfn, NULL);
}

int frame_resume_torn(struct torn_tables *torn)
{
    for (unsigned level = FT_L1; level <= FT_L4; level++) {
        if (torn->mfn_plus_1[level] == 0)
            continue;
        mfn_t mfn = MFN(torn->mfn_plus_1[level] - 1);
        torn->mfn_plus_1[level] = 0;
        int rc = partial_take_down(mfn, torn);
        frame_put(mfn);
        if (rc)
            return rc;
    }
    /* The last entry of a table may have left the one below half done. */
    return torn_any(torn) ? -XEN_ERESTART : 0;
}

/* ---- Pinned tables --------------------------------------------------------------------------- */

/* Set or clear PINNED on a table that has type references. False when it was so already. */
static bool pin_flip(mfn_t mfn, bool pin)
{
    uint64_t *at = frame_type_word(mfn);
    uint64_t word = atomic_load(at);
    do {
        if (type_state(word) != TS_VALID || !!(word & TYPE_PINNED) == pin)
            return false;
    } while (!atomic_cas(at, &word, word ^ TYPE_PINNED));
    return true;
}

int frame_pin(struct domain *d, mfn_t mfn, enum frame_type type)
{
    int rc = frame_get_both(mfn, d, type);
    if (rc)
        return rc;
    if (pin_flip(mfn, true)) {
        if (!READ_ONCE(d->is_dying))
            return 0;
        /* frame_release_all() may have been here already; if not, it has unpinned it by now. */
        if (!pin_flip(mfn, false))
            return -XEN_EINVAL;
    }
    frame_put_both(mfn);
    return -XEN_EINVAL;
}

int frame_unpin(struct domain *d, mfn_t mfn, struct torn_tables *torn)
{
    if (!frame_get(mfn, d))
        return -XEN_EINVAL;
    int rc = -XEN_EINVAL;
    if (pin_flip(mfn, false)) {
        frame_put_type(mfn, torn);
        frame_put(mfn);
        rc = 0;
    }
    frame_put(mfn);
    return rc;
}
