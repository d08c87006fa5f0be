/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many grant operations in one hypercall: what one of them holds is kept for the next, and must
 * neither be taken for what the next one names nor outlive the hypercall.
 *
 * links: hypervisor/core/grant.c hypervisor/core/grant_table.c hypervisor/core/grant_pin.c
 * links: hypervisor/core/grant_map.c hypervisor/core/grant_copy.c tests/unit/host.c
 */
#include "grant_world.h"

/* What one copy of a hypercall claims stays for the next; each is what the guest named all the
 * same. */
static void test_copy_batch(unsigned version)
{
    const unsigned in = GNTCOPY_source_gref, out = GNTCOPY_dest_gref;
    mfn_t mine, f, g;
    struct gnttab_copy op[7];

    begin();
    is(set_version(v1, version) | set_version(v2, version), 0);
    mine = world_frame_of(dom0);
    f = world_frame_of(dom1);
    g = world_frame_of(dom2);
    offer(dom1, 5, 0, f, 0);
    offer(dom1, 6, 0, f, GTF_readonly);
    offer(dom2, 5, 0, g, 0);
    strcpy((char *)mfn_to_virt(f), "one");
    strcpy((char *)mfn_to_virt(g), "two");
    op[0] = copy_op(1, 5, 0, DOMID_SELF, mine.v, 0, 4, in);
    op[1] = copy_op(1, 5, 0, DOMID_SELF, mine.v, 4, 4, in);
    op[2] = copy_op(2, 5, 0, DOMID_SELF, mine.v, 8, 4, in);    /* the same number, another domain */
    op[3] = copy_op(1, 5, 0, DOMID_SELF, mine.v, 12, 4, 0);    /* a number, of no grant */
    op[4] = copy_op(DOMID_SELF, mine.v, 8, 1, 5, 100, 4, out); /* read before, written to now */
    op[5] = copy_op(DOMID_SELF, mine.v, 8, 1, 6, 104, 4, out);
    op[6] = copy_op(1, 5, 100, 2, 5, 200, 4, in | out);
    is(call(v0, GNTTABOP_copy, op, 7), 0, "copies in one hypercall");
    is(memcmp(mfn_to_virt(mine), "one\0one\0two\0", 12), 0, "each from where it said");
    is(op[0].status | op[1].status | op[2].status | op[4].status | op[6].status, GNTST_okay);
    is(op[3].status, GNTST_permission_denied, "a frame of another's");
    is(op[5].status, GNTST_general_error, "a grant that is only to be read");
    is_str((char *)mfn_to_virt(f) + 100, "two");
    is_str((char *)mfn_to_virt(f) + 104, "");
    is_str((char *)mfn_to_virt(g) + 200, "two", "grant to grant, of two domains");
    is(in_use(dom1, 5) | in_use(dom1, 6) | in_use(dom2, 5), 0, "nothing stays in use");
    is(dom1->refs + dom2->refs, 2, "nobody stays held");
    finish();
}

/* Mappings of two domains, and of nobody, in one hypercall; and their end in one. */
static void test_map_batch(unsigned version)
{
    static const uint16_t of[] = {1, 1, 7, 2, 1};
    struct gnttab_map_grant_ref op[ARRAY_SIZE(of)];
    struct gnttab_unmap_grant_ref un[ARRAY_SIZE(of)];
    mfn_t f, g;

    begin();
    is(set_version(v1, version) | set_version(v2, version), 0);
    f = world_frame_of(dom1);
    g = world_frame_of(dom2);
    offer(dom1, 5, 0, f, 0);
    offer(dom2, 5, 0, g, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(of); i++)
        op[i] = (struct gnttab_map_grant_ref){.host_addr = 0x1000 * (i + 1),
                                              .flags = GNTMAP_host_map,
                                              .ref = 5,
                                              .dom = of[i],
                                              .handle = ~0u};
    is(call(v0, GNTTABOP_map_grant_ref, op, ARRAY_SIZE(of)), 0, "mappings in one hypercall");
    is(op[0].status | op[1].status | op[3].status | op[4].status, GNTST_okay);
    is(op[2].status, GNTST_bad_domain, "one of them of nobody's");
    is(pte_of(0x1000)->frame == f.v && pte_of(0x4000)->frame == g.v, 1, "each frame its owner's");
    is(dom1->refs * 16 + dom2->refs, 4 * 16 + 2, "each mapping holds its domain");
    is(dom1->grant->active[0][5].writers, 3);
    for (unsigned i = 0; i < ARRAY_SIZE(of); i++)
        un[i] =
            (struct gnttab_unmap_grant_ref){.host_addr = 0x1000 * (i + 1), .handle = op[i].handle};
    is(call(v0, GNTTABOP_unmap_grant_ref, un, ARRAY_SIZE(of)), 0);
    is(un[0].status | un[1].status | un[3].status | un[4].status, GNTST_okay);
    is(un[2].status, GNTST_bad_handle);
    is(in_use(dom1, 5) | in_use(dom2, 5), 0, "nothing stays in use");
    is(dom1->refs + dom2->refs, 2, "nobody stays held");
    is(map(v0, 2, 5, 0x1000, false), GNTST_okay, "and one alone");
    is(dom2->refs, 2);
    is(unmap(v0, last_map.handle, 0x1000), GNTST_okay);
    finish();
}

int main(void)
{
    for (unsigned version = 1; version <= 2; version++) {
        test_copy_batch(version);
        test_map_batch(version);
    }
    return done();
}
