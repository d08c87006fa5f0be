/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of frames and page types stand on: the real frame.c, pagetype.c and x86/mm's
 * entry.c and table.c on a small RAM, with a heap that knows what it has, a TLB that records what
 * is asked of it, and work that becomes pending at the preemption check that a test chooses. The
 * recount is the test's own reading of the two words of a frame (as frame_private.h describes them)
 * and of the page tables. Include it in one file of a test program.
 */
#ifndef MM_WORLD_H
#define MM_WORLD_H

#include "host.h"

#define preempt_wanted preempt_wanted_by_softirq
#include "core/softirq.h"
#undef preempt_wanted

/* ---- Preemption ----------------------------------------------------------------------------- */

static _Thread_local unsigned long preempt_checks;           /* made so far */
static _Thread_local unsigned long preempt_from, preempt_to; /* these find work pending */

static inline bool preempt_wanted(void)
{
    preempt_checks++;
    return preempt_checks >= preempt_from && preempt_checks < preempt_to;
}

static inline void preempt_never(void)
{
    preempt_checks = preempt_from = preempt_to = 0;
}

/* Work is pending from the nth check on (the first is 1), for `checks` of them. */
static inline void preempt_at(unsigned long nth, unsigned long checks)
{
    preempt_checks = 0;
    preempt_from = nth;
    preempt_to = nth + checks < nth ? ~0ul : nth + checks;
}

#include "core/frame.c"
#include "core/pagetype.c"
#include "x86/mm/entry.c"
#include "x86/mm/spare.c"
#include "x86/mm/table.c"

/* ---- Domains -------------------------------------------------------------------------------- */

#define MM_DOMAINS 3u

static struct domain mm_domain[MM_DOMAINS];
static struct vcpu mm_vcpu[MM_DOMAINS][2];
static unsigned long mm_owned[MM_DOMAINS][64];

struct domain *domain_by_id(domid_t id)
{
    return id.v < MM_DOMAINS ? &mm_domain[id.v] : NULL;
}

void domain_put(struct domain *d)
{
    if (atomic_fetch_sub(&d->refs, 1) <= 1)
        bail_out("domain %u held by nobody", d->id.v);
}

/* ---- RAM and its heap ------------------------------------------------------------------------ */

#define MM_BASE       0x1000ull
#define MM_FRAMES     4096u
#define MM_CHUNK      512u
#define MM_DEVICE     (MM_BASE + 7) /* in the frame table, but no RAM */
#define MM_FAR_DEVICE 0xfee00ull

/* There are holes: of each chunk the first and the last few frames exist. */
static inline bool mm_exists(uint64_t i)
{
    return i < MM_FRAMES && (i % MM_CHUNK < 56 || i % MM_CHUNK >= MM_CHUNK - 8);
}

bool mfn_valid(mfn_t mfn)
{
    return mfn.v >= MM_BASE && mm_exists(mfn.v - MM_BASE);
}

static uint8_t mm_free[MM_FRAMES]; /* in the heap */
static uint64_t mm_freed;          /* times that a frame came back */

static inline unsigned mm_index(mfn_t mfn)
{
    if (!mfn_valid(mfn))
        bail_out("frame %#lx is outside the arena", mfn.v);
    return (unsigned)(mfn.v - MM_BASE);
}

void heap_free_frames(mfn_t mfn, unsigned order, bool dirty)
{
    for (mfn_t end = mfn_add(mfn, 1ull << order); mfn.v < end.v; mfn.v++) {
        if (!dirty || atomic_swap(&mm_free[mm_index(mfn)], 1) != 0)
            bail_out("frame %#lx is freed twice", mfn.v);
        if (frame_entry(mfn)->opaque[0] || frame_entry(mfn)->opaque[1])
            bail_out("frame %#lx is freed with something in its entry", mfn.v);
        atomic_fetch_add(&mm_freed, 1);
    }
}

bool m2p_is_frame(mfn_t mfn)
{
    (void)mfn;
    return false;
}

bool mfn_is_ram(mfn_t mfn)
{
    return mfn_valid(mfn) && mfn.v != MM_DEVICE;
}

bool iomem_permitted(const struct domain *d, mfn_t mfn, bool write)
{
    (void)write;
    return d->arch.all_iomem && (mfn.v == MM_DEVICE || mfn.v == MM_FAR_DEVICE);
}

/* A free frame of chunk [0, 8) of the arena; its contents are zero. */
static inline mfn_t mm_take(unsigned chunk)
{
    for (unsigned i = chunk * MM_CHUNK; i < MM_FRAMES; i++) {
        if (MM_BASE + i != MM_DEVICE && atomic_swap(&mm_free[i], 0)) {
            memset(mfn_to_virt(MFN(MM_BASE + i)), 0, PAGE_SIZE);
            return MFN(MM_BASE + i);
        }
    }
    bail_out("the arena is too small");
}

static inline mfn_t mm_frame_of(struct domain *d, unsigned chunk)
{
    mfn_t mfn = mm_take(chunk);
    if (frame_assign(d, mfn, 0))
        bail_out("domain %u may have no more frames", d->id.v);
    return mfn;
}

/* ---- TLB, descriptors, the hypervisor's slots --------------------------------------------------
 */

static uint32_t mm_epoch = 100;
static unsigned mm_flushes;
static uint32_t mm_flushed_stamp;
static void (*mm_stamp_hook)(void);
static void (*mm_flush_hook)(uint32_t stamp);

uint32_t arch_tlb_stamp(void)
{
    uint32_t now = atomic_load(&mm_epoch);
    if (mm_stamp_hook)
        mm_stamp_hook();
    return now;
}

void arch_tlb_flush_stamp(uint32_t stamp)
{
    if (!irq_enabled() || host_locks_held)
        bail_out("a flush with interrupts off or under a lock");
    atomic_fetch_add(&mm_flushes, 1);
    mm_flushed_stamp = stamp;
    if (mm_flush_hook)
        mm_flush_hook(stamp);
}

#define MM_BAD_DESCRIPTOR 0x0000890000000000ull /* a TSS */

int segdesc_page_acquire(mfn_t mfn, unsigned *progress)
{
    const uint64_t *desc = mfn_to_virt(mfn);
    for (; *progress < 512; (*progress)++)
        if (desc[*progress] == MM_BAD_DESCRIPTOR)
            return -XEN_EINVAL;
    return 0;
}

#define MM_HV_ENTRY 0xdead000000000063ull

void paging_fill_slots(uint64_t *l4)
{
    for (unsigned i = 256; i <= 271; i++)
        l4[i] = MM_HV_ENTRY;
}

/* ---- The world ------------------------------------------------------------------------------- */

/* References that a test holds itself, beside those that words and tables stand for. */
static struct {
    uint32_t refs, types[8];
} mm_held[MM_FRAMES];

static inline void mm_hold(mfn_t mfn, int refs, enum frame_type type, int types)
{
    atomic_fetch_add(&mm_held[mm_index(mfn)].refs, (uint32_t)refs);
    atomic_fetch_add(&mm_held[mm_index(mfn)].types[type], (uint32_t)types);
}

static struct spare_slots mm_spare_slots[MM_DOMAINS];
static bool mm_with_spare_slots; /* else tables give and take references one by one */

static inline void mm_start(void)
{
    host_ram_init(MFN(MM_BASE), MM_FRAMES);
    memset(mm_held, 0, sizeof(mm_held));
    for (unsigned i = 0; i < MM_FRAMES; i++)
        mm_free[i] = mm_exists(i) && MM_BASE + i != MM_DEVICE;
    mm_freed = 0;
    for (unsigned i = 0; i < MM_DOMAINS; i++) {
        struct domain *d = &mm_domain[i];
        memset(d, 0, sizeof(*d));
        memset(mm_owned[i], 0, sizeof(mm_owned[i]));
        d->id = DOMID((uint16_t)i);
        d->refs = 1;
        d->max_pages = MM_FRAMES;
        d->owned_chunks = mm_owned[i];
        mm_spare_slots[i] = (struct spare_slots){0};
        d->arch.spare_slots = mm_with_spare_slots ? &mm_spare_slots[i] : NULL;
        d->max_vcpus = 2;
        lock_init(&d->pages_lock, RANK_PAGES);
        for (unsigned k = 0; k < 2; k++) {
            mm_vcpu[i][k] = (struct vcpu){.id = k, .domain = d};
            d->vcpu[k] = &mm_vcpu[i][k];
        }
    }
    host_current = &mm_vcpu[0][0];
    mm_flushes = 0;
    mm_stamp_hook = NULL;
    mm_flush_hook = NULL;
    preempt_never();
}

/* ---- The recount ------------------------------------------------------------------------------
 */

static struct {
    uint32_t refs, types;
    unsigned kinds; /* bitmap of the types that were asked for */
} mm_tally[MM_FRAMES];

static inline void mm_note(uint64_t mfn, unsigned refs, unsigned type, unsigned types)
{
    unsigned i = mm_index(MFN(mfn));
    mm_tally[i].refs += refs;
    mm_tally[i].types += types;
    mm_tally[i].kinds |= types ? 1u << type : 0;
}

/* Entries of tables in use in a part that was not noted. */
static unsigned mm_unnoted;

static inline void mm_note_table(uint64_t mfn, unsigned level, unsigned entries)
{
    uint64_t word = frame_entry(MFN(mfn))->opaque[1];
    bool in_use = ((word >> 4) & 3) == 2;
    const uint64_t *e = mfn_to_virt(MFN(mfn));
    for (unsigned i = 0; i < entries; i++) {
        uint64_t to = (e[i] & 0x000ffffffffff000ull) >> 12;
        if (!(e[i] & 1) || (level == 4 && i >= 256 && i <= 271))
            continue;
        mm_unnoted += in_use && !((word >> (16 + i / 32)) & 1);
        if (level > 1)
            mm_note(to, 1, level - 1, 1);
        else if (to != MM_DEVICE && to != MM_FAR_DEVICE)
            mm_note(to, 1, 7, (e[i] >> 1) & 1);
    }
}

static inline void mm_note_frame(unsigned i)
{
    const uint64_t *w = frame_entry(MFN(MM_BASE + i))->opaque;
    unsigned type = w[1] & 7, state = (w[1] >> 4) & 3, progress = (w[1] >> 8) & 0x3ff;
    mm_tally[i].refs += mm_held[i].refs;
    for (unsigned t = 0; t < 8; t++)
        mm_note(MM_BASE + i, 0, t, mm_held[i].types[t]);
    if (!(w[0] & 0x100))
        return;
    mm_note(MM_BASE + i, (w[0] >> 9) & 1, 0, 0);
    if (w[0] & 0x400)
        mm_note(MM_BASE + i, (uint16_t)(w[0] >> 16) != DOMID_XEN, type, 1);
    mm_note(MM_BASE + i, (w[1] >> 3) & 1, type, (w[1] >> 3) & 1);
    mm_note(MM_BASE + i, state == 3, 0, 0);
    if (type >= 1 && type <= 4 && state >= 2)
        mm_note_table(MM_BASE + i, type, state == 2 ? 512 : progress);
}

static inline bool mm_frame_right(unsigned i, uint64_t *owned)
{
    const uint64_t *w = frame_entry(MFN(MM_BASE + i))->opaque;
    uint16_t owner = (uint16_t)(w[0] >> 16);
    unsigned state = (w[1] >> 4) & 3, type = w[1] & 7;
    uint32_t types = state == 2 ? (uint32_t)(w[1] >> 32) : 0;
    if (!(w[0] & 0x100)) /* detached frames keep the memory of their type */
        return w[0] == 0 && mm_tally[i].refs == 0 && mm_tally[i].types == 0;
    if (!(w[0] & 0x400) && owner < MM_DOMAINS)
        owned[owner]++;
    return w[0] >> 32 == mm_tally[i].refs && types == mm_tally[i].types && state != 1 &&
           (state != 2 || types > 0) && !(mm_tally[i].kinds & ~(1u << type)) && !mm_free[i];
}

static inline void mm_note_spare(const struct domain *d)
{
    for (unsigned k = 0; k < 2; k++)
        for (unsigned i = 0; i < SPARE_ROOTS; i++)
            if (d->vcpu[k]->arch.spare_root[i])
                mm_note(d->vcpu[k]->arch.spare_root[i] - 1, 1, 4, 1);
    const struct spare_slots *s = d->arch.spare_slots;
    for (unsigned i = 0; s != NULL && i < KERNEL_SLOTS; i++)
        if (s->entry[i] & 1)
            mm_note((s->entry[i] & 0x000ffffffffff000ull) >> 12, s->sets, s->sets ? 3 : 0, s->sets);
}

/* What is wrong in the whole arena; said too. */
static inline unsigned mm_recount(void)
{
    uint64_t owned[MM_DOMAINS] = {0};
    unsigned wrong = 0;
    memset(mm_tally, 0, sizeof(mm_tally));
    mm_unnoted = 0;
    for (unsigned i = 0; i < MM_DOMAINS; i++)
        for (unsigned k = 0; k < 2; k++)
            for (unsigned level = 1; level <= 4; level++)
                if (mm_vcpu[i][k].arch.torn.mfn_plus_1[level])
                    mm_note(mm_vcpu[i][k].arch.torn.mfn_plus_1[level] - 1, 1, 0, 0);
    for (unsigned i = 0; i < MM_DOMAINS; i++)
        mm_note_spare(&mm_domain[i]);
    for (unsigned i = 0; i < MM_FRAMES; i++)
        if (mm_exists(i))
            mm_note_frame(i);
    for (unsigned i = 0; i < MM_FRAMES; i++) {
        if (!mm_exists(i) || mm_frame_right(i, owned))
            continue;
        if (wrong++ < 5)
            diag("frame %#llx: words %#lx %#lx, counted %u, types %u (kinds %#x)", MM_BASE + i,
                 frame_entry(MFN(MM_BASE + i))->opaque[0], frame_entry(MFN(MM_BASE + i))->opaque[1],
                 mm_tally[i].refs, mm_tally[i].types, mm_tally[i].kinds);
    }
    if (mm_unnoted) {
        diag("%u entries in parts of tables that are not noted", mm_unnoted);
        wrong++;
    }
    for (unsigned i = 0; i < MM_DOMAINS; i++)
        if (owned[i] != mm_domain[i].tot_pages || mm_domain[i].refs != 1u + (owned[i] != 0)) {
            diag("domain %u owns %lu frames, says %lu, held %u", i, owned[i],
                 mm_domain[i].tot_pages, mm_domain[i].refs);
            wrong++;
        }
    return wrong;
}

/* ---- The end of a domain -----------------------------------------------------------------------
 */

/*
 * As domain_kill() ends it. Each part may be interrupted; returns how often it had to be called.
 */
static inline unsigned mm_kill(struct domain *d)
{
    unsigned rounds = 0;
    lock(&d->pages_lock);
    d->is_dying = true;
    unlock(&d->pages_lock);
    for (unsigned k = 0; k < 2; k++)
        while (frame_resume_teardown(&d->vcpu[k]->arch.torn) != 0)
            rounds++;
    while (spare_drop(d, NULL) != 0)
        rounds++;
    while (frame_release_all(d) != 0)
        if (++rounds > 100000)
            bail_out("a domain's death has no end");
    return rounds;
}

/* Frames that are not in the heap. */
static inline unsigned mm_missing(void)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < MM_FRAMES; i++)
        missing += mm_exists(i) && !mm_free[i] && MM_BASE + i != MM_DEVICE;
    return missing;
}

#endif
