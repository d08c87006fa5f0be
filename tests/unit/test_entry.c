/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single page-table entries: every bit at every level, every change from one to another, and counts
 * that are full. After each step all references are recounted.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c
 */
#include "mm_world.h"

#define P 1ull
#define W 2ull

static struct domain *const d = &mm_domain[0], *const them = &mm_domain[1];
static mfn_t data_page;

static uint64_t *entry_at(mfn_t table, unsigned slot)
{
    return (uint64_t *)mfn_to_virt(table) + slot;
}

static void put_entry(mfn_t table, unsigned slot, mfn_t to, uint64_t bits)
{
    *entry_at(table, slot) = (to.v << 12) | bits;
}

static const char *doing; /* for messages */
static unsigned long failures, cases;

static void must(bool good, const char *what, unsigned long at)
{
    cases++;
    if (!good && failures++ < 10)
        diag("%s, case %lu: %s", doing, at, what);
}

static void verdict(void)
{
    ok(failures == 0, "%s: %lu checks", doing, cases);
    failures = cases = 0;
}

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
            bool refused = cache && !devices;
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
    static const int results[] = {0, 0,          0,          0,          0, 0, 0,
                                  0, -XEN_EBUSY, -XEN_EBUSY, -XEN_EBUSY, 0, 0, -XEN_EPERM};
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
            bool refused = bit == 3 || bit == 4 || bit == 7 || bit == 8;
            int rc = frame_pin(d, high, (enum frame_type)level);
            must(rc == (refused ? -XEN_EINVAL : 0), "one bit", bit);
            must(mm_recount() == 0, "counts", bit);
            put_entry(high, 2, low, HIGH(bit));
            mm_kill(d);
            (void)rc;
        }
    verdict();
}

/* ---- Counts that are full
 * ------------------------------------------------------------------------- */

static void test_full(void)
{
    mfn_t l1 = one_l1();
    uint64_t *own = &frame_entry(data_page)->opaque[0], *type = &frame_entry(data_page)->opaque[1];
    uint64_t own_was = *own, entry = (data_page.v << 12) | P;

    *own = (own_was & 0xffffffff) | (0xffffull << 48);
    is(entry_set(1, entry_at(l1, 0), entry, false, NULL, d, d), -XEN_EBUSY,
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
    test_l1_bits();
    test_l1_transitions();
    test_preserve_ad();
    test_table_bits();
    test_full();
    return done();
}
