/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that the hypervisor shares with a domain; when the stamp of a last type reference is read,
 * and that the flush of a type change comes before the new type can be had.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c
 */
#include "mm_world.h"

#define S_BUSY 1u /* the state, in the type's word */

static mfn_t frame;
static struct domain *const us = &mm_domain[0];

/* ---- Shared frames ------------------------------------------------------------------------------
 */

static void share_one(bool writable)
{
    mfn_t mfn = mm_take(3);
    frame_share(us, mfn, writable);
    is(us->tot_pages, 0, "a shared frame is not counted as the domain's");
    is(frame_get_both(mfn, us, FT_WRITABLE), writable ? 0 : -XEN_EBUSY, "a %s one",
       writable ? "writable" : "read-only");
    for (unsigned type = FT_L1; type <= FT_SEGDESC; type++)
        is(frame_get_both(mfn, us, (enum frame_type)type), -XEN_EBUSY, "never of type %u", type);
    is(frame_release(us, mfn), -XEN_EINVAL, "the guest cannot give it back");
    is(frame_detach(us, mfn), -XEN_EINVAL, "nor swap it");
    is(frame_pin(us, mfn, FT_L1), -XEN_EBUSY, "nor pin it");
    ok(frame_get(mfn, us), "it may be mapped");
    mm_hold(mfn, writable ? 2 : 1, FT_WRITABLE, writable);
    is(mm_recount(), 0, "all is accounted for");
    is(mm_kill(us), 0, "its end");
    ok(!mm_free[mm_index(mfn)], "leaves it");
    us->is_dying = false;
    frame_unshare(mfn);
    ok(!mm_free[mm_index(mfn)], "a mapping keeps it longer than the sharing");
    ok(!frame_get(mfn, us), "but another domain of the same number has no right to it");
    is(mm_recount(), 0, "all is accounted for");
    if (writable)
        frame_put_both(mfn);
    frame_put(mfn);
    ok(mm_free[mm_index(mfn)], "and with the last mapping it is free");
    is(us->refs, 1, "no domain is let go for it");
    mm_hold(mfn, writable ? -2 : -1, FT_WRITABLE, -writable);
    is(mm_missing(), 0);
}

static void test_share(void)
{
    mm_start();
    share_one(true);
    share_one(false);
}

/* ---- The stamp ----------------------------------------------------------------------------------
 */

static unsigned nested_taken;

/* Between reading the stamp and dropping the reference: another vCPU maps, uses and unmaps. */
static void map_meanwhile(void)
{
    mm_stamp_hook = NULL;
    if (!frame_hold(frame, us, FT_WRITABLE))
        return;
    nested_taken++;
    mm_epoch++; /* its CPU flushed before that, so its record is above the first stamp */
    frame_put_both(frame);
    mm_epoch++;
}

static void test_stamp(void)
{
    mm_start();
    frame = mm_frame_of(us, 1);
    is(frame_get_both(frame, us, FT_WRITABLE), 0, "mapped");
    uint32_t before = mm_epoch;
    mm_stamp_hook = map_meanwhile;
    frame_put_both(frame);
    mm_stamp_hook = NULL;
    uint32_t stamp = (uint32_t)(frame_entry(frame)->opaque[1] >> 32);
    ok(nested_taken == 0 || (int32_t)(stamp - before) > 0,
       "no translation is made between the reading of the stamp and the end of the type");
    is(frame_get_type(frame, FT_L1), 0);
    is(mm_flushes, 1, "one flush for the change of type");
    is(mm_flushed_stamp, stamp, "of the stamp");
}

static unsigned in_flush;

static void look_in_flush(uint32_t stamp)
{
    (void)stamp;
    const uint64_t *w = frame_entry(frame)->opaque;
    in_flush++;
    ok(((w[1] >> 4) & 3) == S_BUSY, "the flush comes before the type is usable");
    ok(!frame_hold(frame, us, FT_L1) && !frame_hold(frame, us, FT_WRITABLE),
       "and nobody gets at the frame meanwhile");
}

static void test_flush_first(void)
{
    mm_start();
    frame = mm_frame_of(us, 1);
    is(frame_get_both(frame, us, FT_WRITABLE), 0);
    frame_put_type(frame, arch_current_torn());
    mm_flush_hook = look_in_flush;
    is(frame_get_type(frame, FT_L1), 0, "from writable to a table");
    is(in_flush, 1);
    frame_put_both(frame);
    is(frame_get_both(frame, us, FT_WRITABLE), 0, "and back");
    is(in_flush, 2);
    frame_put_both(frame);
    mm_flush_hook = NULL;
}

/* ---- Tables and mappings ------------------------------------------------------------------------
 */

static void test_hold_table(void)
{
    mm_start();
    for (unsigned type = FT_L1; type <= FT_WRITABLE; type++) {
        if (type == FT_WRITABLE - 1)
            continue;
        frame = mm_frame_of(us, 1);
        is(frame_hold_table(frame, us), FT_NONE, "nothing of type %u yet", type);
        is(frame_get_both(frame, us, (enum frame_type)type), 0);
        is(frame_hold_table(frame, us), type <= FT_L4 ? type : FT_NONE, "a table of type %u", type);
        is(frame_hold_table(frame, &mm_domain[1]), FT_NONE, "not another's");
        mm_hold(frame, 1 + (type <= FT_L4), (enum frame_type)type, 1 + (type <= FT_L4));
        is(mm_recount(), 0, "is held");
    }
    is(frame_hold_table(MFN(MM_BASE + 200), us), FT_NONE, "no frame at all");
}

static void test_mapping(void)
{
    mm_start();
    frame = mm_frame_of(us, 1);
    is(frame_get_mapping(frame, us, true), 0, "a fresh frame is mapped writable");
    is(frame_get_mapping(frame, us, true), 0, "again");
    is(frame_get_mapping(frame, us, false), 0, "read-only");
    is(frame_get_mapping(frame, &mm_domain[1], false), -XEN_EPERM, "not by another");
    mm_hold(frame, 3, FT_WRITABLE, 2);
    is(mm_recount(), 0, "each has its references");
    frame_put_mapping(frame, false);
    frame_put_mapping(frame, true);
    mm_hold(frame, -2, FT_WRITABLE, -1);
    is(mm_recount(), 0, "and gives them back");
    mm_epoch++;
    frame_put_mapping(frame, true);
    is((uint32_t)(frame_entry(frame)->opaque[1] >> 32), mm_epoch, "with the last goes a stamp");
    is(frame_get_mapping(frame, us, true), 0, "once more");
    is(mm_flushes, 0, "no flush for the same type");
    frame_put_mapping(frame, true);
    is(frame_get_both(frame, us, FT_L1), 0, "a table");
    is(frame_get_mapping(frame, us, true), -XEN_EBUSY, "is not mapped writable");
    frame_put_both(frame);
    mm_flush_hook = NULL;
    mm_flushes = 0;
    is(frame_get_mapping(frame, us, true), 0, "no table any more");
    is(mm_flushes, 1, "after a flush");
    is(frame_release(us, frame), 0, "given back");
    frame_put_mapping(frame, true);
    ok(mm_free[mm_index(frame)], "the last mapping frees it");
    frame_put_mapping(MFN(MM_DEVICE), false);
    frame_put_mapping(MFN(MM_BASE + 200), true);
    mm_hold(frame, -1, FT_WRITABLE, -1);
    is(mm_recount(), 0, "devices have no references");
}

int main(void)
{
    test_hold_table();
    test_mapping();
    test_share();
    test_stamp();
    test_flush_first();
    return done();
}
