/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spare references to page tables: those of kernel slots and of roots are handed on, are counted,
 * and stand in nobody's way.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c
 */
#include "mm_world.h"

#define P 1ull
#define W 2ull

static struct domain *const d = &mm_domain[0];
static struct vcpu *const v = &mm_vcpu[0][0];
static mfn_t l3[3];

static void put_entry(mfn_t table, unsigned slot, uint64_t entry)
{
    ((uint64_t *)mfn_to_virt(table))[slot] = entry;
}

static uint64_t to(mfn_t mfn)
{
    return mfn.v << PAGE_SHIFT | P | W | PTE_USER;
}

/* A top-level table with the kernel's three slots; `user`: only the last. */
static mfn_t new_root(bool user)
{
    static const unsigned slots[] = {272, 400, 511};
    mfn_t root = mm_frame_of(d, 0);
    for (unsigned i = user ? 2 : 0; i < 3; i++)
        put_entry(root, slots[i], to(l3[i]));
    return root;
}

static void start(void)
{
    mm_with_spare_slots = true;
    mm_start();
    for (unsigned i = 0; i < 3; i++)
        l3[i] = mm_frame_of(d, 0);
}

static uint32_t types(mfn_t mfn)
{
    uint64_t word = *frame_type_word(mfn);
    return type_state(word) == TS_VALID ? type_count(word) : 0;
}

static void pin(mfn_t root)
{
    is(frame_pin(d, root, FT_L4), 0, "pinned");
}

static void unpin(mfn_t root)
{
    is(frame_unpin(d, root, &v->arch.torn), 0, "unpinned");
}

static void test_slots(void)
{
    start();
    mfn_t one = new_root(false), two = new_root(false), user = new_root(true);
    pin(one);
    unpin(one);
    is(d->arch.spare_slots->sets, 1, "the references of a table that ends are kept");
    is(types(l3[1]), 1);
    is(frame_type_hint(one), FT_NONE, "the table itself is none any more");
    is(mm_recount(), 0, "all is counted");
    pin(user);
    is(types(l3[2]), 2, "a table with other slots takes references of its own");
    put_entry(two, 400, to(l3[1]) | PTE_ACCESSED);
    pin(two);
    is(d->arch.spare_slots->sets, 0, "the next one gets those that were kept");
    is(types(l3[1]), 1);
    is(mm_recount(), 0);
    unpin(user);
    is(d->arch.spare_slots->sets, 0, "a table with fewer slots does not take the place");
    is(types(l3[2]), 1, "but gives its references back");
    pin(one);
    unpin(one);
    unpin(two);
    is(d->arch.spare_slots->sets, 2, "two of them");
    is(mm_recount(), 0);
    mm_kill(d);
    is(mm_recount() + mm_missing(), 0, "a domain's death leaves nothing");
}

/* The bound on how many are kept, and a kernel that changes its slots. */
static void test_slots_change(void)
{
    mfn_t root[12];
    start();
    for (unsigned i = 0; i < 12; i++)
        pin(root[i] = new_root(false));
    for (unsigned i = 0; i < 12; i++)
        unpin(root[i]);
    is(types(l3[0]), 8, "so many are kept, not more");
    is(mm_recount(), 0);
    for (unsigned i = 0; i < 2; i++)
        put_entry(root[i], 401, to(l3[0]));
    pin(root[0]);
    is(types(l3[0]), 10, "a new slot: nothing that is kept will do");
    unpin(root[0]);
    is(types(l3[0]), 2, "and what was kept makes way");
    is(mm_recount(), 0);
    pin(root[1]);
    is(entry_set(4, (uint64_t *)mfn_to_virt(root[1]) + 401, 0, false, NULL, d, d), 0);
    is(types(l3[0]), 1, "a slot that is cleared gives its own reference back");
    is(mm_recount(), 0);
    mm_kill(d);
    is(mm_recount() + mm_missing(), 0);
}

/* What only spare references hold is the guest's to use. */
static void test_in_nobodys_way(void)
{
    start();
    mfn_t one = new_root(false), page = mm_frame_of(d, 0), other = mm_frame_of(d, 0);
    mfn_t l2 = mm_frame_of(d, 0), l1 = mm_frame_of(d, 0);
    put_entry(l3[0], 0, to(l2));
    put_entry(l2, 0, to(l1));
    put_entry(l1, 0, to(page));
    pin(one);
    unpin(one);
    is(types(page), 1, "the page is mapped by way of what is kept");
    is(frame_get_both(page, d, FT_L1), 0, "and made a table");
    is(types(l3[0]), 0, "nothing is kept any more");
    frame_put_both(page);
    pin(one);
    unpin(one);
    is(frame_get_mapping(l3[1], d, true), 0, "a table that was kept is mapped writable");
    frame_put_mapping(l3[1], true);
    pin(one);
    unpin(one);
    is(frame_release(d, other), 0);
    is(types(l3[0]), 1, "a frame without other references disturbs nothing");
    is(frame_detach(d, l1), 0, "a table is taken away");
    is(frame_attach(d, l1), 0, "and given back");
    put_entry(l2, 0, 0);
    pin(one);
    unpin(one);
    is(frame_release(d, l2), 0);
    ok(mm_free[mm_index(l2)], "a table that is given back is free at once");
    is(mm_recount(), 0);
    put_entry(l3[0], 0, 0);
    pin(one);
    is(frame_get_mapping(l3[1], d, true), -XEN_EBUSY, "one in use stays a table");
    mm_kill(d);
    is(mm_recount() + mm_missing(), 0);
}

/* Work is pending whenever it is looked: dropping stops, and what is left is still counted. */
static void test_interrupted(void)
{
    start();
    mfn_t one = new_root(false);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned k = 0; k < 3; k++)
            put_entry(l3[i], k, to(mm_frame_of(d, 0)));
    pin(one);
    unpin(one);
    unsigned rounds = 0;
    preempt_at(1, ~0ul);
    is(arch_spare_drop(d), -XEN_ERESTART, "interrupted");
    is(types(l3[1]), 1, "the next entry is kept still");
    is(mm_recount(), 0);
    while (arch_spare_drop(d) != 0 && rounds < 100)
        rounds++;
    ok(rounds > 1 && rounds < 100, "gone on with, it ends");
    preempt_never();
    is(frame_resume_teardown(&v->arch.torn), 0);
    is(mm_recount() + types(l3[0]) + types(l3[1]) + types(l3[2]), 0, "and nothing is kept");
    mm_kill(d);
    is(mm_recount() + mm_missing(), 0);
}

static void test_roots(void)
{
    start();
    mfn_t root[6];
    ok(spare_root_take(v, INVALID_MFN, 0) == NO_PLACE, "an empty place is no table");
    for (unsigned i = 0; i < 6; i++) {
        pin(root[i] = new_root(false));
        is(frame_get_both(root[i], d, FT_L4), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        spare_root_give(v, root[i], NO_PLACE);
    mm_hold(root[4], 1, FT_L4, 1);
    mm_hold(root[5], 1, FT_L4, 1);
    is(mm_recount(), 0, "four are kept");
    ok(spare_root_take(v, root[2], 7) != NO_PLACE, "taken again");
    ok(spare_root_take(v, root[2], 7) == NO_PLACE, "once");
    spare_root_give(v, root[2], 2);
    is(spare_root_take(v, root[2], 7), 2, "it goes where it is said");
    spare_root_give(v, root[2], 0);
    is(spare_root_take(v, root[2], 7), 2, "but not over another");
    mm_hold(root[2], 1, FT_L4, 1);
    is(mm_recount(), 0);
    for (unsigned i = 4; i < 6; i++) {
        spare_root_give(v, root[i], NO_PLACE);
        mm_hold(root[i], -1, FT_L4, -1);
    }
    is(types(root[0]) + types(root[1]) + types(root[3]), 5, "when all places are taken one goes");
    is(mm_recount(), 0);
    unpin(root[5]);
    is(types(root[5]), 1, "one that is kept stays a table");
    spare_root_forget(d, root[5]);
    is(frame_type_hint(root[5]), FT_NONE, "until it is forgotten");
    unpin(root[4]);
    is(frame_get_mapping(root[4], d, true), 0, "or wanted as something else");
    frame_put_mapping(root[4], true);
    spare_root_give(v, root[2], NO_PLACE);
    mm_hold(root[2], -1, FT_L4, -1);
    is(mm_recount(), 0);
    mm_kill(d);
    is(mm_recount() + mm_missing(), 0, "a domain's death leaves nothing");
}

/* The last one that is dropped is half taken down: that is not the end of it. */
static void test_last_interrupted(void)
{
    start();
    mfn_t one = mm_frame_of(d, 0); /* without kernel slots: nothing of it is kept */
    for (unsigned i = 0; i < 4; i++)
        put_entry(one, i, to(mm_frame_of(d, 0)));
    pin(one);
    is(frame_get_both(one, d, FT_L4), 0);
    spare_root_give(v, one, NO_PLACE);
    unpin(one);
    preempt_at(1, ~0ul);
    is(arch_spare_drop(d), -XEN_ERESTART, "interrupted in the last root");
    unsigned rounds = 0;
    while (arch_spare_drop(d) != 0 && rounds < 100)
        rounds++;
    ok(rounds < 100, "gone on with, it ends");
    preempt_never();
    is(frame_type_hint(one), FT_NONE, "and it is no table any more");
    is(frame_resume_teardown(&v->arch.torn), 0);
    is(mm_recount(), 0);
    mm_kill(d);
    is(mm_recount() + mm_missing(), 0);
}

static void test_dying(void)
{
    start();
    mfn_t one = new_root(false);
    pin(one);
    is(frame_get_both(one, d, FT_L4), 0);
    d->is_dying = true;
    spare_root_give(v, one, NO_PLACE);
    is(v->arch.spare_root[0], 0, "a dying domain keeps no root");
    unpin(one);
    is(d->arch.spare_slots->sets, 0, "and no slots");
    is(mm_recount(), 0);
    mm_kill(d);
    is(mm_recount() + mm_missing(), 0);
}

int main(void)
{
    test_slots();
    test_slots_change();
    test_in_nobodys_way();
    test_interrupted();
    test_roots();
    test_last_interrupted();
    test_dying();
    return done();
}
