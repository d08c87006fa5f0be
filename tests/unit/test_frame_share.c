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
    frame_put_type(frame);
    mm_flush_hook = look_in_flush;
    is(frame_get_type(frame, FT_L1), 0, "from writable to a table");
    is(in_flush, 1);
    frame_put_both(frame);
    is(frame_get_both(frame, us, FT_WRITABLE), 0, "and back");
    is(in_flush, 2);
    frame_put_both(frame);
    mm_flush_hook = NULL;
}

int main(void)
{
    test_share();
    test_stamp();
    test_flush_first();
    return done();
}
