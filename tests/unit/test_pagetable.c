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

static struct domain *const d = &mm_domain[0];

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
    mm_with_spare_slots = layout & 1;
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
                frame_put_type(tables[i], arch_current_torn());
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

/* Death alone, stopped once at each of its checks: tables that are unpinned first, and what becomes
 * unused then, all stay counted until they are freed. */
static void test_death_interrupted(void)
{
    doing = "a death that is interrupted";
    for (unsigned layout = 0; layout < ARRAY_SIZE(layouts); layout++) {
        unsigned long at = 0;
        int rc;
        do {
            mfn_t l4 = new_world(layout);
            if (frame_pin(d, l4, FT_L4) || frame_pin(d, mm_frame_of(d, 6), FT_L1))
                bail_out("a good tree cannot be pinned");
            d->is_dying = true;
            preempt_at(++at, FOREVER);
            rc = frame_release_all(d);
            must(rc == (preempt_checks >= at ? -XEN_ERESTART : 0), "it says so", at);
            must(mm_recount() == 0, "counts when it stops", at);
            preempt_never();
            must(frame_release_all(d) == 0, "it goes on to the end", at);
            end_domain(at);
        } while (rc != 0);
    }
    verdict();
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

int main(void)
{
    test_interrupted();
    test_death();
    test_death_stops();
    test_death_interrupted();
    test_linear();
    test_linear_update();
    test_two_types();
    test_l4_slots();
    return done();
}
