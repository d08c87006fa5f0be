/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies of what is granted, whole, in part or by way of a third domain, and transfers of frames:
 * working cases, statuses and boundaries.
 *
 * links: hypervisor/core/grant.c hypervisor/core/grant_table.c hypervisor/core/grant_pin.c
 * links: hypervisor/core/grant_map.c hypervisor/core/grant_copy.c tests/unit/host.c
 */
#include "grant_world.h"

static int copy(struct vcpu *v, struct gnttab_copy op)
{
    return call(v, GNTTABOP_copy, &op, 1) ? 1 : op.status;
}

static void test_copy(void)
{
    const unsigned in = GNTCOPY_source_gref, out = GNTCOPY_dest_gref;
    struct gnttab_copy op;
    mfn_t mine, theirs;
    char *a, *b;

    begin();
    mine = world_frame_of(dom0);
    theirs = world_frame_of(dom1);
    a = mfn_to_virt(mine);
    b = mfn_to_virt(theirs);
    strcpy(b + 100, "granted");
    offer(dom1, 5, 0, theirs, GTF_readonly);
    is(copy(v0, copy_op(1, 5, 100, DOMID_SELF, mine.v, 10, 8, in)), GNTST_okay);
    is_str(a + 10, "granted", "from a grant to a frame");
    is(in_use(dom1, 5), 0, "nothing is pinned afterwards");
    is(frame_info(theirs)->refs + frame_info(mine)->refs, 2);
    is(frame_info(mine)->types, 0);
    is(copy(v0, copy_op(DOMID_SELF, mine.v, 0, 1, 5, 0, 8, out)), GNTST_general_error,
       "to a read-only grant");
    offer(dom1, 5, 0, theirs, 0);
    is(copy(v0, copy_op(DOMID_SELF, mine.v, 10, 1, 5, 4088, 8, out)), GNTST_okay, "to its end");
    is_str(b + 4088, "granted");
    is(copy(v0, copy_op(DOMID_SELF, mine.v, 10, 1, 5, 4089, 8, out)), GNTST_bad_copy_arg);
    is(copy(v0, copy_op(DOMID_SELF, mine.v, 0xffff, 1, 5, 0, 0xffff, out)), GNTST_bad_copy_arg);
    is(copy(v0, copy_op(1, 5, 0, 1, 5, 2048, 2048, in | out)), GNTST_okay, "grant to grant");
    is_str(b + 2048 + 100, "granted");
    is(copy(v0, copy_op(1, 5, 0, DOMID_SELF, mine.v, 0, 0, in)), GNTST_okay, "no byte");
    is(copy(v0, copy_op(1, theirs.v, 0, DOMID_SELF, mine.v, 0, 1, 0)), GNTST_permission_denied,
       "another's frame by its number");
    is(copy(v0, copy_op(DOMID_SELF, theirs.v, 0, DOMID_SELF, mine.v, 0, 1, 0)), GNTST_bad_page);
    is(copy(v0, copy_op(DOMID_SELF, ~0ull, 0, DOMID_SELF, mine.v, 0, 1, 0)), GNTST_bad_page);
    is(copy(v0, copy_op(1, 6, 0, DOMID_SELF, mine.v, 0, 1, in)), GNTST_general_error, "no grant");
    is(copy(v0, copy_op(1, 512, 0, DOMID_SELF, mine.v, 0, 1, in)), GNTST_bad_gntref);
    is(copy(v0, copy_op(7, 5, 0, DOMID_SELF, mine.v, 0, 1, in)), GNTST_bad_domain);
    is(copy(v2, copy_op(1, 5, 0, DOMID_SELF, mine.v, 0, 1, in)), GNTST_general_error,
       "granted to another");
    frame_info(mine)->types = 1;
    frame_info(mine)->type = FT_L2;
    is(copy(v0, copy_op(1, 5, 0, DOMID_SELF, mine.v, 0, 1, in)), GNTST_general_error,
       "into a page table");
    frame_info(mine)->types = 0;
    op = copy_op(1, 5, 0, DOMID_SELF, mine.v, 0, 1, in);
    dom1->is_dying = true;
    is(copy(v0, op), GNTST_bad_domain);
    finish();
}

static void offer_part(struct domain *d, uint32_t ref, uint16_t to, mfn_t f, unsigned off,
                       unsigned len)
{
    offer(d, ref, to, f, GTF_sub_page);
    entry2(d, ref)->sub_page.page_off = (uint16_t)off;
    entry2(d, ref)->sub_page.length = (uint16_t)len;
}

static void offer_through(struct domain *d, uint32_t ref, uint16_t to, uint16_t dom, uint32_t other)
{
    offer(d, ref, to, MFN(0), 0);
    entry2(d, ref)->transitive.trans_domid = dom;
    entry2(d, ref)->transitive.gref = other;
    entry2(d, ref)->hdr.flags = GTF_transitive;
}

static void test_copy_v2(void)
{
    const unsigned in = GNTCOPY_source_gref;
    mfn_t mine, f;

    begin();
    set_version(v1, 2);
    set_version(v2, 2);
    mine = world_frame_of(dom0);
    f = world_frame_of(dom1);
    strcpy((char *)mfn_to_virt(f) + 96, "part");
    offer_part(dom1, 5, 0, f, 96, 8);
    is(copy(v0, copy_op(1, 5, 96, DOMID_SELF, mine.v, 0, 8, in)), GNTST_okay, "all of the part");
    is_str((char *)mfn_to_virt(mine), "part");
    is(copy(v0, copy_op(1, 5, 95, DOMID_SELF, mine.v, 0, 1, in)), GNTST_general_error);
    is(copy(v0, copy_op(1, 5, 104, DOMID_SELF, mine.v, 0, 1, in)), GNTST_general_error);
    is(copy(v0, copy_op(1, 5, 97, DOMID_SELF, mine.v, 0, 8, in)), GNTST_general_error);
    offer_part(dom1, 6, 0, f, 4000, 65535);
    is(copy(v0, copy_op(1, 6, 4000, DOMID_SELF, mine.v, 0, 97, in)), GNTST_bad_copy_arg,
       "a part longer than the page");
    is(copy(v0, copy_op(1, 6, 4000, DOMID_SELF, mine.v, 0, 96, in)), GNTST_okay);

    offer(dom1, 7, 2, f, GTF_readonly); /* domain 1 to 2, and 2 to 0 through that */
    offer_through(dom2, 7, 0, 1, 7);
    strcpy((char *)mfn_to_virt(f), "through");
    is(copy(v0, copy_op(2, 7, 0, DOMID_SELF, mine.v, 0, 8, in)), GNTST_okay, "transitive");
    is_str((char *)mfn_to_virt(mine), "through");
    is(in_use(dom1, 7) | in_use(dom2, 7), 0);
    is(copy(v0, copy_op(DOMID_SELF, mine.v, 0, 2, 7, 0, 8, GNTCOPY_dest_gref)), GNTST_general_error,
       "not more than the first allows");
    is(in_use(dom1, 7) | in_use(dom2, 7), 0);
    is(map(v0, 2, 7, 0x1000, true), GNTST_general_error, "not to be mapped");
    offer_through(dom2, 8, 0, 2, 7);
    is(copy(v0, copy_op(2, 8, 0, DOMID_SELF, mine.v, 0, 8, in)), GNTST_general_error, "to itself");
    offer_through(dom1, 9, 2, 2, 7);
    offer_through(dom2, 9, 0, 1, 9);
    is(copy(v0, copy_op(2, 9, 0, DOMID_SELF, mine.v, 0, 8, in)), GNTST_general_error,
       "through two");
    offer_through(dom2, 9, 0, 6, 9);
    is(copy(v0, copy_op(2, 9, 0, DOMID_SELF, mine.v, 0, 8, in)), GNTST_general_error,
       "through nobody");
    offer_through(dom2, 9, 0, 1, 5);
    is(copy(v0, copy_op(2, 9, 96, DOMID_SELF, mine.v, 0, 8, in)), GNTST_general_error,
       "what was granted to domain 0, not to 2");
    is(dom1->grant->in_use + dom2->grant->in_use, 0);
    finish();
}

static int transfer(struct vcpu *v, uint64_t mfn, uint16_t dom, uint32_t ref)
{
    struct gnttab_transfer op = {.mfn = mfn, .domid = dom, .ref = ref, .status = 1};

    return call(v, GNTTABOP_transfer, &op, 1) ? 1 : op.status;
}

static void test_transfer(void)
{
    mfn_t f[6];

    begin();
    dom0->tot_pages = 6;
    for (unsigned i = 0; i < 6; i++)
        f[i] = world_frame_of(dom0);
    strcpy(mfn_to_virt(f[0]), "gift");
    *entry(dom1, 4) =
        (struct grant_entry_v1){.flags = GTF_accept_transfer, .domid = 0, .frame = 77};
    is(transfer(v0, f[0].v, 1, 4), GNTST_okay);
    is(entry(dom1, 4)->flags,
       GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    is_str(mfn_to_virt(MFN(entry(dom1, 4)->frame)), "gift");
    is(frame_owner(MFN(entry(dom1, 4)->frame)).v, 1, "it is the receiver's");
    is(m2p_get(MFN(entry(dom1, 4)->frame)).v, 77, "at the place it asked for");
    is(dom0->tot_pages, 5);
    is(dom1->tot_pages, 1);
    is(entry(dom1, 4)->frame, f[0].v, "the very frame");
    is(transfer(v0, f[0].v, 1, 4), GNTST_bad_page, "which it cannot give twice");
    is(transfer(v0, ~0ull, 1, 4), GNTST_bad_page);
    is(transfer(v0, f[1].v, 1, 4), GNTST_general_error, "a slot that is filled");
    is(frame_owner(f[1]).v, DOMID_INVALID, "the frame is lost then, as the ABI says");
    is(dom1->tot_pages, 1, "and the receiver has no more");
    is(transfer(v0, f[2].v, 6, 4), GNTST_bad_domain);
    is(transfer(v0, f[3].v, 1, 512), GNTST_general_error);
    *entry(dom1, 5) = (struct grant_entry_v1){.flags = GTF_accept_transfer, .domid = 2};
    is(transfer(v0, f[4].v, 1, 5), GNTST_general_error, "a slot for another giver");
    frame_info(f[5])->refs = 2;
    is(transfer(v0, f[5].v, 1, 5), GNTST_bad_page, "a frame that something refers to is kept");
    frame_info(f[5])->refs = 1;
    frame_info(f[5])->types = 1;
    frame_info(f[5])->type = FT_L4;
    is(transfer(v0, f[5].v, 1, 5), GNTST_bad_page, "a page table is kept");
    is(frame_owner(f[5]).v, 0);
    frame_info(f[5])->types = 0;
    entry(dom1, 5)->domid = 0;
    dom1->max_pages = 1;
    is(transfer(v0, f[5].v, 1, 5), GNTST_general_error, "no room");
    is(entry(dom1, 5)->flags, GTF_accept_transfer, "the slot is untouched");
    finish();
}

int main(void)
{
    test_copy();
    test_copy_v2();
    test_transfer();
    return done();
}
