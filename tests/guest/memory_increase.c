/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XENMEM_increase_reservation: the domain asks for frames, in extents of 2^order that lie together,
 * and is told the number of each extent's first. The answer is the number of extents that it got,
 * never an error: a domain that asks for more than it may have gets what there is.
 *
 * The same rules hold for all three operations on reservations: the list of extents may be begun in
 * the middle (a call that was interrupted goes on so), and the domain may be named DOMID_SELF or by
 * its number, or be another one when the caller is privileged.
 *
 * test: memory=32
 */
#include "reservation.h"

#include <pv/trap.h>

#define ROOM 1024u /* frames that the domain gives back, and may then ask for */

static long increase(xen_pfn_t *list, unsigned long count, unsigned order)
{
    return reserve(XENMEM_increase_reservation, list, count, order);
}

static long decrease(xen_pfn_t *list, unsigned long count, unsigned order)
{
    return reserve(XENMEM_decrease_reservation, list, count, order);
}

static bool writable(xen_pfn_t mfn)
{
    unsigned long frame = mfn;
    uint64_t *window = map_frames(&frame, 1, PTE_KERNEL_RW, DOMID_SELF, NULL);
    bool good = window && try_write(window, 0x5555);

    window_free(window, 1);
    return good;
}

/* All of an extent's frames are zero. */
static bool is_zero(xen_pfn_t mfn, unsigned order)
{
    bool zero = true;

    for (unsigned long i = 0; i < 1ul << order && zero; i++) {
        unsigned long frame = mfn + i;
        uint64_t *window = map_frames(&frame, 1, PTE_KERNEL_RO, DOMID_SELF, NULL);
        for (unsigned k = 0; window && k < PAGE_SIZE / sizeof(*window); k++)
            zero = zero && window[k] == 0;
        zero = zero && window;
        window_free(window, 1);
    }
    return zero;
}

static void working(void)
{
    long before = pages_owned();
    xen_pfn_t list[8] = {0};

    is(increase(list, 8, 0), 8, "eight frames are given");
    is(pages_owned(), before + 8, "they are counted");
    unsigned different = 0;
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < i; k++)
            different += list[i] != list[k];
    is(different, 28, "they are different");
    ok(is_zero(list[0], 0) && is_zero(list[7], 0), "they are zero");
    ok(writable(list[0]) && writable(list[7]), "they are the domain's");
    is(decrease(list, 8, 0), 8, "they are given back");
    is(pages_owned(), before, "and counted no more");
    ok(!writable(list[0]), "they are not the domain's any more");
    is(increase(list, 0, 0), 0, "none are given when none are wanted");
}

static void orders(void)
{
    static const unsigned good[] = {1, 2, 5, 9};
    static const unsigned bad[] = {19, 20, 31, 32, 63, 64, 0x80000000, ~0u};
    long before = pages_owned();

    for (unsigned i = 0; i < 4; i++) {
        xen_pfn_t mfn = 0;
        unsigned order = good[i];
        is(increase(&mfn, 1, order), 1, "order %u: given", order);
        is(pages_owned(), before + (1l << order), "order %u: counted", order);
        ok(mfn % (1ul << order) == 0, "order %u: aligned", order);
        ok(is_zero(mfn, order), "order %u: all of it is the domain's, and zero", order);
        is(decrease(&mfn, 1, order), 1, "order %u: given back", order);
    }
    for (unsigned i = 0; i < 8; i++) {
        xen_pfn_t mfn = 7;
        is(increase(&mfn, 1, bad[i]), 0, "order %u: there is none", bad[i]);
        is(mfn, 7, "order %u: nothing is told", bad[i]);
    }
    is(pages_owned(), before, "orders: all are given back");
}

static void partly(void)
{
    long before = pages_owned();
    unsigned long asked = BALLOON_MAX;

    memset(balloon.mfn, 0, sizeof(balloon.mfn));
    long got = increase(balloon.mfn, asked, 5);
    ok(got >= (long)(ROOM >> 5) && got < (long)asked, "of too many extents some are given");
    is(pages_owned(), before + got * 32, "those are counted");
    ok(balloon.mfn[got - 1] != 0 && balloon.mfn[got] == 0, "those are told");
    is(increase(balloon.mfn + got, 1, 5), 0, "no more is given then");
    is(decrease(balloon.mfn, (unsigned long)got, 5), got, "all are given back");
    is(pages_owned(), before, "and counted no more");
}

/* The list begun in the middle, and counts that cannot be. */
static void starts(void)
{
    long before = pages_owned();
    xen_pfn_t list[4] = {0};
    struct xen_memory_reservation r = reservation(list, 4, 0);

    is(HYPERVISOR_memory_op(XENMEM_increase_reservation | 2 << START_SHIFT, &r), 4,
       "begun at the third extent, it ends at the fourth");
    ok(list[1] == 0 && list[2] != 0 && list[3] != 0, "two are told");
    is(pages_owned(), before + 2, "two are given");
    is(decrease(list + 2, 2, 0), 2, "they are given back");
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation | 4 << START_SHIFT, &r), 4,
       "begun at the end, nothing remains");
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation | 9 << START_SHIFT, &r), 9,
       "begun behind the end, it says so");
    r.nr_extents = (~0u >> START_SHIFT) + 1ul;
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 0, "more than a start can say");
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation | 3 << START_SHIFT, &r), 3,
       "more than a start can say, begun at the fourth");
    r.nr_extents = ~0ul;
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 0, "as many extents as can be");
    is(pages_owned(), before, "starts: nothing is given");
}

static void address_bits(void)
{
    static const unsigned bad[] = {1, 2, 11, 12};
    long before = pages_owned();
    xen_pfn_t mfn = 0;
    struct xen_memory_reservation r = reservation(&mfn, 1, 0);

    r.mem_flags = XENMEMF_address_bits(32);
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 1, "a frame below 4 GiB");
    ok(mfn < 1ul << 20, "it is below 4 GiB");
    is(decrease_one(mfn), 1, "and given back");
    for (unsigned i = 0; i < 4; i++) {
        r.mem_flags = XENMEMF_address_bits(bad[i]);
        is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 0, "an address of %u bits",
           bad[i]);
    }
    r.mem_flags = XENMEMF_address_bits(64);
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 1, "an address of 64 bits");
    is(decrease_one(mfn), 1, "is given back");
    r.mem_flags = XENMEMF_address_bits(255);
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 1, "an address of 255 bits");
    is(decrease_one(mfn), 1, "is given back, too");
    is(pages_owned(), before, "bits: nothing is kept");
}

static void domains(void)
{
    static const domid_t bad[] = {1,      5,      DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID,
                                  0x7fff, 0x8000, 0xffff};
    long before = pages_owned();
    xen_pfn_t mfn = 0;
    struct xen_memory_reservation r = reservation(&mfn, 1, 0);

    /* The control domain's number. */
    r.domid = 0;
    is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 1, "the domain by its number");
    is(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 1,
       "the domain by its number gives back");
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        r.domid = bad[i];
        is(HYPERVISOR_memory_op(XENMEM_increase_reservation, &r), 0, "domain %#x: not increased",
           bad[i]);
        is(HYPERVISOR_memory_op(XENMEM_decrease_reservation, &r), 0, "domain %#x: not decreased",
           bad[i]);
        is(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 0, "domain %#x: not populated",
           bad[i]);
    }
    is(pages_owned(), before, "domains: nothing is given");
}

/* Where the argument lies: one that cannot be read is an error, the only one there is. */
static void argument_addresses(void)
{
    long before = pages_owned();
    unsigned wrong = 0;
    xen_pfn_t mfn;

    for (const struct address *a = addresses(sizeof(struct xen_memory_reservation)); a->name; a++) {
        struct xen_memory_reservation r = reservation(&mfn, 1, 0);
        if (a->writable)
            memcpy(a->address, &r, sizeof(r));
        long rc = HYPERVISOR_memory_op(XENMEM_increase_reservation, a->address);
        if (a->readable) {
            is(rc, a->writable, "argument %s", a->name);
        } else if (rc != -XEN_EFAULT) {
            diag("argument %s: %ld", a->name, rc);
            wrong++;
        }
        if (a->writable)
            is(decrease_one(mfn), 1, "argument %s: given back", a->name);
    }
    is(wrong, 0, "an argument that cannot be read is an error");
    is(pages_owned(), before, "arguments: nothing is given");
}

/* Where the list lies. A frame whose number cannot be told is no use to the domain. */
static void list_addresses(void)
{
    long before = pages_owned();

    for (const struct address *a = addresses(sizeof(xen_pfn_t)); a->name; a++) {
        xen_pfn_t mfn = 0;
        if (a->address == NULL)
            continue;
        is(increase(a->address, 1, 0), a->writable, "list %s", a->name);
        if (a->writable) {
            memcpy(&mfn, a->address, sizeof(mfn));
            is(decrease_one(mfn), 1, "list %s: given back", a->name);
        }
    }
    is(pages_owned(), before, "a frame that cannot be told is not kept");
}

/* Without a list the domain is told nothing. What it is given is lost to it: nothing comes after.
 */
static void without_list(void)
{
    long before = pages_owned();

    is(increase(NULL, 2, 1), 2, "frames are given without a list");
    is(pages_owned(), before + 4, "and counted");
}

int main(void)
{
    long before = pages_owned();

    ok(balloon_out(ROOM), "there is room for frames");
    working();
    orders();
    partly();
    starts();
    address_bits();
    domains();
    argument_addresses();
    ok(balloon_in(), "all pages come back");
    is(pages_owned(), before, "as many as before");
    (void)balloon_out(16);
    list_addresses();
    without_list();
    return done();
}
