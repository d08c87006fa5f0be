/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trees of page tables, with work becoming pending at each preemption check in turn. Whatever is
 * interrupted is gone on with, left alone, used as something else, or ends with its domain: after
 * each step every reference is recounted, and in the end every frame is back in the heap.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c
 */
#include <unistd.h>

#include "mm_world.h"

#define P       1ull
#define W       2ull
#define FOREVER (~0ul)

static struct domain *const d = &mm_domain[0], *const them = &mm_domain[1];

static uint64_t *entry_at(mfn_t table, unsigned slot)
{
    return (uint64_t *)mfn_to_virt(table) + slot;
}

static void put_entry(mfn_t table, unsigned slot, mfn_t to, uint64_t bits)
{
    *entry_at(table, slot) = (to.v << 12) | bits;
}

/* ---- A tree -----------------------------------------------------------------------------------
 */

/* In which part of memory tables of a level are: the order in which a domain's death finds them. */
static unsigned (*chunk_of)(unsigned level);

static unsigned chunk_rising(unsigned level)
{
    return level;
}

static unsigned chunk_falling(unsigned level)
{
    return 5 - level;
}

static unsigned chunk_same(unsigned level)
{
    (void)level;
    return 1;
}

static unsigned (*const layouts[])(unsigned) = {chunk_rising, chunk_falling, chunk_same};

#define MAX_TABLES 64u
static mfn_t tables[MAX_TABLES];
static unsigned table_level[MAX_TABLES], nr_tables;
static mfn_t data_page;

/* Entries in use of a table of a level; the last slots of a table are among them. */
static const unsigned fanout[] = {0, 3, 2, 3, 2};

static mfn_t make_table(unsigned level)
{
    mfn_t mfn = mm_frame_of(d, chunk_of(level));
    table_level[nr_tables] = level;
    tables[nr_tables++] = mfn;
    return mfn;
}

static mfn_t make_tree(unsigned level)
{
    mfn_t table = make_table(level);
    for (unsigned i = 0; i < fanout[level]; i++) {
        unsigned slot = i == fanout[level] - 1 ? 511 : i * 5;
        if (level > 1)
            put_entry(table, slot, make_tree(level - 1), P | W);
        else if (i == 0)
            put_entry(table, slot, data_page, P | W);
        else if (i == 1)
            put_entry(table, slot, table, P); /* a table may be seen, itself too */
        else
            put_entry(table, slot, mm_frame_of(d, 0), P | W);
    }
    return table;
}

/* A tree in which one L2 and one L1 are linked twice. */
static mfn_t new_world(unsigned layout)
{
    mm_start();
    nr_tables = 0;
    chunk_of = layouts[layout];
    data_page = mm_frame_of(d, 0);
    mfn_t l4 = make_tree(4);
    mfn_t l3 = entry_mfn(*entry_at(l4, 0)), l2 = entry_mfn(*entry_at(l3, 0));
    put_entry(l3, 100, l2, P);
    put_entry(l2, 100, entry_mfn(*entry_at(l2, 0)), P | W);
    return l4;
}

static const char *doing; /* for messages */
static unsigned long failures, cases;

static void must(bool good, const char *what, unsigned long at)
{
    cases++;
    if (!good && failures++ < 10)
        diag("%s, interrupted at check %lu: %s", doing, at, what);
}

static void verdict(void)
{
    ok(failures == 0, "%s: %lu checks", doing, cases);
    failures = cases = 0;
}

/* ---- What becomes of a tree that has been left -------------------------------------------------
 */

static void finish_torn(unsigned long at)
{
    for (unsigned i = 0; torn_any(&d->vcpu[0]->arch.torn); i++) {
        must(i < 10000, "taking down has no end", at);
        if (frame_resume_teardown(&d->vcpu[0]->arch.torn) == 0)
            must(!torn_any(&d->vcpu[0]->arch.torn), "nothing is left when all is said done", at);
        must(mm_recount() == 0, "counts while taking down", at);
    }
}

static void end_domain(unsigned long at)
{
    mm_kill(d);
    must(mm_recount() == 0, "counts after death", at);
    must(mm_missing() == 0, "every frame is back", at);
    must(d->refs == 1 && d->tot_pages == 0, "the domain is let go", at);
}

/* Each table becomes a data page, then a descriptor page, then an L1; then back to nothing. */
static void reuse_tables(unsigned long at)
{
    static const enum frame_type others[] = {FT_WRITABLE, FT_SEGDESC, FT_WRITABLE, FT_L1};
    for (unsigned i = 0; i < nr_tables; i++) {
        if (!frame_get(tables[i], d))
            continue;
        for (unsigned k = 0; k < ARRAY_SIZE(others); k++) {
            int rc;
            unsigned rounds = 0;
            while ((rc = frame_get_type(tables[i], others[k])) == -XEN_ERESTART && rounds < 10000)
                rounds++;
            must(rc != -XEN_ERESTART, "using a left table as something else has an end", at);
            if (rc == 0 && others[k] == FT_WRITABLE)
                *entry_at(tables[i], 1) = k ? 0 : 0x1234567890000ull; /* not present */
            if (rc == 0)
                frame_put_type(tables[i]);
        }
        frame_put(tables[i]);
        must(mm_recount() == 0, "counts after use as something else", at);
    }
}

static int pin_on(mfn_t l4, unsigned long at)
{
    int rc;
    for (unsigned i = 0; (rc = frame_pin(d, l4, FT_L4)) == -XEN_ERESTART && i < 10000; i++)
        must(mm_recount() == 0, "counts while pinning", at);
    return rc;
}

enum ending { GO_ON, LEAVE, REUSE, REUSE_INTERRUPTED, RELEASE_FRAMES, NR_ENDINGS };

static void end_by(enum ending ending, mfn_t l4, unsigned long at)
{
    switch (ending) {
    case GO_ON:
        preempt_never();
        finish_torn(at);
        must(pin_on(l4, at) == 0 || pin_on(l4, at) == -XEN_EINVAL, "and pinned at last", at);
        break;
    case REUSE_INTERRUPTED: /* what was left is taken down piece by piece, nobody else does it */
        preempt_at(1, FOREVER);
        reuse_tables(at);
        break;
    case REUSE:
        finish_torn(at);
        reuse_tables(at);
        break;
    case RELEASE_FRAMES: /* the guest gives its frames back meanwhile */
        for (unsigned i = 0; i < nr_tables; i++)
            (void)!frame_release(d, tables[i]);
        must(mm_recount() == 0, "counts after frames were given back", at);
        break;
    default:
        break;
    }
    must(mm_recount() == 0, "counts after what came next", at);
    end_domain(at);
}

/* ---- Operations, each interrupted everywhere ---------------------------------------------------
 */

static int op_pin(mfn_t l4)
{
    return frame_pin(d, l4, FT_L4);
}

static void before_unpin(mfn_t l4)
{
    must(frame_pin(d, l4, FT_L4) == 0, "pinned", 0);
}

static int op_unpin(mfn_t l4)
{
    int rc = frame_unpin(d, l4, &d->vcpu[0]->arch.torn);
    return rc == 0 && torn_any(&d->vcpu[0]->arch.torn) ? -XEN_ERESTART : rc;
}

/* An L4 entry is cleared: a whole L3 goes. */
static int op_clear(mfn_t l4)
{
    int rc = entry_set(4, entry_at(l4, 0), 0, false, NULL, d, d);
    return rc == 0 && torn_any(&d->vcpu[0]->arch.torn) ? -XEN_ERESTART : rc;
}

/* The L4 as a vCPU's root: held by type, not pinned. */
static int op_root(mfn_t l4)
{
    int rc = frame_get_both(l4, d, FT_L4);
    if (rc)
        return rc;
    frame_put_both(l4);
    return torn_any(&d->vcpu[0]->arch.torn) ? -XEN_ERESTART : 0;
}

/* The last L1 cannot be: all that was taken goes again. */
static void spoil_last(mfn_t l4)
{
    (void)l4;
    for (unsigned i = 0; i < nr_tables; i++)
        if (table_level[i] == 1 && i == nr_tables - 1)
            put_entry(tables[i], 511, MFN(0xffffff), P);
}

static int op_pin_bad(mfn_t l4)
{
    int rc = frame_pin(d, l4, FT_L4);
    must(rc == -XEN_EINVAL || rc == -XEN_ERESTART, "what cannot be is refused", preempt_from);
    return rc == -XEN_EINVAL ? 0 : rc;
}

static void preempt_everywhere(const char *name, void (*before)(mfn_t), int (*op)(mfn_t),
                               unsigned long pending)
{
    char text[120];
    snprintf(text, sizeof(text), "%s, work pending %s", name,
             pending == 1 ? "for one check" : "until the call returns");
    doing = text;
    for (unsigned layout = 0; layout < ARRAY_SIZE(layouts); layout++)
        for (enum ending ending = 0; ending < NR_ENDINGS; ending++) {
            unsigned long nth = 0, points;
            do {
                mfn_t l4 = new_world(layout);
                if (before)
                    before(l4);
                preempt_at(++nth, pending);
                int rc = op(l4);
                points = preempt_checks;
                preempt_never();
                must(rc == 0 || rc == -XEN_ERESTART, "done, or to be gone on with", nth);
                must(mm_recount() == 0, "counts after the interruption", nth);
                end_by(ending, l4, nth);
            } while (points >= nth && nth < 1000);
            must(nth > 5 && nth < 1000, "there are such checks", nth);
        }
    verdict();
}

static void test_interrupted(void)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned long pending = i ? FOREVER : 1;
        preempt_everywhere("pin", NULL, op_pin, pending);
        preempt_everywhere("unpin", before_unpin, op_unpin, pending);
        preempt_everywhere("clearing an entry", before_unpin, op_clear, pending);
        preempt_everywhere("a root set and dropped", NULL, op_root, pending);
        preempt_everywhere("pinning what cannot be", spoil_last, op_pin_bad, pending);
    }
}

/* A domain's death, interrupted at each check, once or always. */
static void test_death(void)
{
    doing = "death";
    for (unsigned layout = 0; layout < ARRAY_SIZE(layouts); layout++)
        for (unsigned pinned = 0; pinned < 3; pinned++) {
            unsigned long nth = 0, points;
            do {
                mfn_t l4 = new_world(layout);
                if (pinned) /* 2: interrupted half-way */
                    preempt_at(10, pinned == 2 ? FOREVER : 0);
                (void)!frame_pin(d, l4, FT_L4);
                preempt_at(++nth, 1);
                end_domain(nth);
                points = preempt_checks;
            } while (points >= nth && nth < 1000);
            must(nth > 50 && nth < 1000, "death has an end", nth);
        }
    for (unsigned layout = 0; layout < ARRAY_SIZE(layouts); layout++) {
        mfn_t l4 = new_world(layout);
        must(frame_pin(d, l4, FT_L4) == 0, "pinned", 0);
        preempt_at(1, FOREVER);
        end_domain(1);
        l4 = new_world(layout);
        preempt_at(1, FOREVER);
        must(pin_on(l4, 1) == 0, "pinned with work always pending: each call gets on", 1);
        must(mm_recount() == 0, "counts", 1);
        preempt_at(1, FOREVER);
        must(frame_unpin(d, l4, &d->vcpu[0]->arch.torn) == 0, "unpinned likewise", 1);
        finish_torn(1);
        end_domain(1);
    }
    verdict();
}

/* No stretch of a domain's death without a check is longer than one table's entries. */
static void test_death_stops(void)
{
    unsigned pins = 0;
    mm_start();
    data_page = mm_frame_of(d, 0);
    for (unsigned i = 0; i < 200; i++) {
        mfn_t l1 = mm_frame_of(d, 1);
        for (unsigned k = 0; k < 512; k++)
            put_entry(l1, k, data_page, P | W);
        pins += frame_pin(d, l1, FT_L1) == 0;
    }
    is(pins, 200, "200 full L1 tables");
    is(frame_entry(data_page)->opaque[1] >> 32, 200 * 512, "each entry is counted");
    preempt_at(1, FOREVER);
    ok(mm_kill(d) >= 200, "taken down in at least as many calls");
    is(mm_missing(), 0);
}

/* ---- What must be refused -----------------------------------------------------------------------
 */

/* A table that shows itself or a higher one: each combination of levels. */
static void test_linear(void)
{
    for (unsigned at = 1; at <= 4; at++)
        for (unsigned to = at; to <= 4; to++) {
            new_world(0);
            mfn_t t[5];
            for (unsigned level = 1; level <= 4; level++)
                t[level] = mm_frame_of(d, level);
            for (unsigned level = 2; level <= 4; level++)
                put_entry(t[level], 3, t[level - 1], P | W);
            put_entry(t[at], 7, t[to], P | W);
            alarm(20);
            int rc = frame_pin(d, t[4], FT_L4);
            alarm(0);
            ok(rc == -XEN_EBUSY || rc == -XEN_EINVAL, "an L%u that names an L%u above it (%d)", at,
               to, rc);
            is(mm_recount(), 0, "leaves no reference");
            mm_kill(d);
            is(mm_missing(), 0, "and no frame");
        }
}

/* The same by an update of an entry of tables that are in use. */
static void test_linear_update(void)
{
    mfn_t l4 = new_world(0);
    is(frame_pin(d, l4, FT_L4), 0);
    mfn_t l3 = entry_mfn(*entry_at(l4, 0)), l2 = entry_mfn(*entry_at(l3, 0));
    mfn_t l1 = entry_mfn(*entry_at(l2, 0));
    mfn_t t[] = {l4, l1, l2, l3, l4};
    for (unsigned at = 1; at <= 4; at++)
        for (unsigned to = 1; to <= 4; to++) {
            uint64_t entry = (t[to].v << 12) | P | W;
            alarm(20);
            int rc = entry_set(at, entry_at(t[at], 40), entry, false, NULL, d, d);
            alarm(0);
            if (to == at - 1)
                is(rc, 0, "an L%u in an L%u", to, at);
            else
                is(rc, -XEN_EBUSY, "no L%u in an L%u", to, at);
        }
    is(mm_recount(), 0);
    mm_kill(d);
    is(mm_missing(), 0);
}

/* One frame as two levels, in one tree; as a table and writable. */
static void test_two_types(void)
{
    mfn_t l4 = new_world(0);
    mfn_t l3 = entry_mfn(*entry_at(l4, 0)), l2 = entry_mfn(*entry_at(l3, 0));
    put_entry(l3, 7, l3, P);
    is(frame_pin(d, l4, FT_L4), -XEN_EBUSY, "an L3 as its own L2");
    put_entry(l3, 7, entry_mfn(*entry_at(l2, 0)), P);
    is(frame_pin(d, l4, FT_L4), -XEN_EBUSY, "an L1 as an L2 too");
    put_entry(l3, 7, MFN(0), 0);
    is(frame_get_both(l2, d, FT_WRITABLE), 0, "an L2 mapped writable");
    is(frame_pin(d, l4, FT_L4), -XEN_EBUSY, "is no L2");
    frame_put_both(l2);
    is(frame_pin(d, l4, FT_L4), 0, "when it no longer is, it is");
    is(frame_get_both(l2, d, FT_WRITABLE), -XEN_EBUSY, "and cannot be writable");
    is(mm_recount(), 0);
    mm_kill(d);
    is(mm_missing(), 0);
}

/* ---- Single entries
 * ------------------------------------------------------------------------------ */

#define HIGH(n) (1ull << (n))

static mfn_t one_l1(void)
{
    mm_start();
    data_page = mm_frame_of(d, 0);
    mfn_t l1 = mm_frame_of(d, 1);
    is(frame_get_both(l1, d, FT_L1), 0, "an empty L1");
    mm_hold(l1, 1, FT_L1, 1);
    return l1;
}

/* Every single bit of an L1 entry: taken, adjusted or refused, and the counts say the same. */
static void test_l1_bits(void)
{
    for (unsigned devices = 0; devices < 2; devices++) {
        mfn_t l1 = one_l1();
        d->arch.all_iomem = devices;
        for (unsigned bit = 1; bit < 64; bit++) {
            if (bit >= 12 && bit <= 51)
                continue;
            uint64_t entry = (data_page.v << 12) | P | HIGH(bit);
            bool cache = bit == 3 || bit == 4 || bit == 7;
            bool refused = (bit >= 52 && bit <= 62) || (cache && !devices);
            int rc = entry_set(1, entry_at(l1, bit), entry, false, NULL, d, d);
            uint64_t want = refused ? 0 : (entry | 4) & ~HIGH(8);
            cases++;
            if (rc != (refused ? -XEN_EINVAL : 0) || *entry_at(l1, bit) != want)
                failures++;
        }
        doing = devices ? "bits of an L1 entry, with devices" : "bits of an L1 entry";
        must(mm_recount() == 0, "counts", 0);
        verdict();
    }
}

/* From each of a set of entries to each: references follow, by both ways of writing. */
static void test_l1_transitions(void)
{
    mfn_t l1 = one_l1();
    mfn_t other = mm_frame_of(d, 0), foreign = mm_frame_of(them, 0);
    d->arch.all_iomem = true;
    const uint64_t entries[] = {0,
                                data_page.v << 12,
                                (data_page.v << 12) | P,
                                (data_page.v << 12) | P | W,
                                (data_page.v << 12) | P | W | HIGH(63) | HIGH(5) | HIGH(6),
                                (data_page.v << 12) | P | HIGH(9) | HIGH(8),
                                (other.v << 12) | P | W,
                                (l1.v << 12) | P,
                                (l1.v << 12) | P | W,
                                (foreign.v << 12) | P,
                                (foreign.v << 12) | P | W,
                                (MM_DEVICE << 12) | P | W,
                                (MM_FAR_DEVICE << 12) | P,
                                (0xffffffull << 12) | P};
    static const int results[] = {0, 0,          0,           0,           0, 0, 0,
                                  0, -XEN_EBUSY, -XEN_EINVAL, -XEN_EINVAL, 0, 0, -XEN_EINVAL};
    doing = "L1 entries, from each to each";
    for (unsigned from = 0; from < ARRAY_SIZE(entries); from++)
        for (unsigned to = 0; to < ARRAY_SIZE(entries); to++)
            for (unsigned how = 0; how < 3; how++) {
                uint64_t *slot = entry_at(l1, 9);
                if (results[from])
                    continue;
                must(entry_set(1, slot, entries[from], false, NULL, d, d) == 0, "from", from);
                uint64_t old = *slot, expected = how == 2 ? old ^ HIGH(5) : old;
                int want = how == 2 && results[to] == 0 ? -XEN_EAGAIN : results[to];
                int rc = entry_set(1, slot, entries[to], false, how ? &expected : NULL, d, d);
                must(rc == want, "result", from * 100 + to);
                must(rc == 0 || *slot == old, "an error changes nothing", from * 100 + to);
                must(rc != -XEN_EAGAIN || expected == old, "says what is there", from * 100 + to);
                must(mm_recount() == 0, "counts", from * 100 + to);
                must(entry_set(1, slot, 0, false, NULL, d, d) == 0, "cleared", 0);
            }
    must(entry_set(1, entry_at(l1, 3), (foreign.v << 12) | P | W, false, NULL, d, them) == 0,
         "another's frame, for whom may", 0);
    must(mm_recount() == 0, "counts", 0);
    mm_kill(them);
    must(mm_recount() == 0, "a foreign mapping outlives its domain's death", 0);
    must(them->refs == 2 && them->tot_pages == 1, "and holds its structure", 0);
    mm_hold(l1, -1, FT_L1, -1);
    frame_put_both(l1);
    must(them->refs == 1, "until it goes itself", 0);
    mm_kill(d);
    must(mm_recount() == 0 && mm_missing() == 0, "and all is back", 0);
    verdict();
}

static void test_preserve_ad(void)
{
    mfn_t l1 = one_l1();
    uint64_t *slot = entry_at(l1, 0), page = data_page.v << 12;
    *slot = page | P | W | 4 | HIGH(5) | HIGH(6);
    is(frame_get_both(data_page, d, FT_WRITABLE), 0);
    is(entry_set(1, slot, page | P | W, true, NULL, d, d), 0);
    is(*slot, page | P | W | 4 | HIGH(5) | HIGH(6), "accessed and dirty stay");
    is(entry_set(1, slot, page | P, true, NULL, d, d), 0);
    is(*slot, page | P | 4 | HIGH(5) | HIGH(6), "also when rights change");
    is(entry_set(1, slot, page | P, false, NULL, d, d), 0);
    is(*slot, page | P | 4, "or do not, as asked");
    is(entry_set(1, slot, 0, true, NULL, d, d), 0);
    is(*slot, 0, "and not in an absent entry");
    is(mm_recount(), 0);
}

/* Bits of entries of the upper levels, and that absent ones may hold anything. */
static void test_table_bits(void)
{
    doing = "bits of upper entries";
    for (unsigned level = 2; level <= 4; level++)
        for (unsigned bit = 1; bit < 64; bit++) {
            mm_start();
            mfn_t low = mm_frame_of(d, 0), high = mm_frame_of(d, 0);
            if (bit >= 12 && bit <= 51)
                continue;
            put_entry(high, 2, low, P | HIGH(bit));
            bool refused = (bit >= 52 && bit <= 62) || bit == 3 || bit == 4 || bit == 7 || bit == 8;
            int rc = frame_pin(d, high, (enum frame_type)level);
            must(rc == (refused ? -XEN_EINVAL : 0), "one bit", bit);
            must(mm_recount() == 0, "counts", bit);
            put_entry(high, 2, low, HIGH(bit));
            mm_kill(d);
            (void)rc;
        }
    verdict();
}

/* The hypervisor's slots: not looked at, filled in when a table becomes an L4, gone after that. */
static void test_l4_slots(void)
{
    mfn_t l4 = new_world(0);
    for (unsigned i = 256; i <= 271; i++)
        put_entry(l4, i, MFN(0xffffff), P | W);
    put_entry(l4, 255, MFN(0), 0);
    is(frame_pin(d, l4, FT_L4), 0, "what a guest has there does not matter");
    is(*entry_at(l4, 256), MM_HV_ENTRY, "the hypervisor's own is there now");
    is(*entry_at(l4, 271), MM_HV_ENTRY);
    is(*entry_at(l4, 255), 0);
    is(*entry_at(l4, 272), 0);
    is(frame_unpin(d, l4, NULL), 0);
    is(*entry_at(l4, 256), 0, "and gone when the frame is no L4 any more");
    is(*entry_at(l4, 271), 0);
    is(mm_recount(), 0);
    for (unsigned slot = 254; slot <= 273; slot++) {
        if (slot >= 256 && slot <= 271)
            continue;
        put_entry(l4, slot, MFN(0xffffff), P);
        is(frame_pin(d, l4, FT_L4), -XEN_EINVAL, "slot %u is the guest's and looked at", slot);
        put_entry(l4, slot, MFN(0), 0);
    }
    mm_kill(d);
    is(mm_missing(), 0);
}

/* ---- Counts that are full
 * ------------------------------------------------------------------------- */

static void test_full(void)
{
    mfn_t l1 = one_l1();
    uint64_t *own = &frame_entry(data_page)->opaque[0], *type = &frame_entry(data_page)->opaque[1];
    uint64_t own_was = *own, entry = (data_page.v << 12) | P;

    *own = (own_was & 0xffffffff) | (0xffffull << 48);
    is(entry_set(1, entry_at(l1, 0), entry, false, NULL, d, d), -XEN_EINVAL,
       "no mapping beyond the last reference");
    is(*own >> 48, 0xffff, "and none is taken");
    *own = own_was;
    is(entry_set(1, entry_at(l1, 0), entry | W, false, NULL, d, d), 0);
    uint64_t type_was = *type;
    own_was = *own;
    *type = (type_was & 0xffffffff) | (0xffff0000ull << 32);
    is(entry_set(1, entry_at(l1, 1), entry | W, false, NULL, d, d), -XEN_EBUSY,
       "no writable mapping beyond the last type reference");
    is(*own, own_was, "and its reference is dropped again");
    *type = type_was;
    is(mm_recount(), 0);

    /* What is taken without a check stays below the wrap: a state's own, and one for each vCPU. */
    ok(COUNT_MAX + 1ull + 4096u * MAX_VCPUS / 16 <= UINT32_MAX, "room above the limit");
}

int main(void)
{
    test_interrupted();
    test_death();
    test_death_stops();
    test_linear();
    test_linear_update();
    test_two_types();
    test_l1_bits();
    test_l1_transitions();
    test_preserve_ad();
    test_table_bits();
    test_l4_slots();
    test_full();
    return done();
}
