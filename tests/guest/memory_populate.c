/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XENMEM_populate_physmap: the domain asks for frames for pages whose numbers it says, one number
 * an extent. The hypervisor enters the numbers into the machine-to-phys table and gives the frames'
 * numbers back in the same list; the domain enters those into its own P2M. It is how a balloon
 * driver gets memory back, and how a domain is built.
 *
 * test: memory=32
 */
#include "reservation.h"

#include <pv/trap.h>

#define ROOM 2048u

static long populate(xen_pfn_t *list, unsigned long count, unsigned order)
{
    return reserve(XENMEM_populate_physmap, list, count, order);
}

static long decrease(xen_pfn_t *list, unsigned long count, unsigned order)
{
    return reserve(XENMEM_decrease_reservation, list, count, order);
}

/* A page goes, another frame comes in its place, and all is as before. */
static void round_trip(void)
{
    long before = pages_owned();

    ok(balloon_out(1), "a page is given back");
    unsigned long pfn = balloon.pfn[balloon.count - 1];
    xen_pfn_t list[1] = {pfn};
    is(populate(list, 1, 0), 1, "a frame is given for it");
    ok(m2p_entry(list[0]) == pfn, "the machine-to-phys table has the page's number");
    balloon_put(list, 1);
    is(mfn_to_pfn(list[0]), pfn, "and the domain has the frame's");
    ok(try_write(pfn_to_virt(pfn), 1), "the page can be used");
    is(pages_owned(), before, "as many as before");
}

static void many(void)
{
    long before = pages_owned();
    xen_pfn_t list[16];

    for (unsigned i = 0; i < 16; i++)
        list[i] = 0x10000 + 3 * i;
    is(populate(list, 16, 0), 16, "sixteen are given");
    unsigned right = 0;
    for (unsigned i = 0; i < 16; i++)
        right += m2p_entry(list[i]) == 0x10000 + 3 * i;
    is(right, 16, "each has its number");
    is(pages_owned(), before + 16, "they are counted");
    is(decrease(list, 16, 0), 16, "they are given back");
    unsigned kept = 0;
    for (unsigned i = 0; i < 16; i++)
        kept += m2p_entry(list[i]) == 0x10000 + 3 * i;
    is(kept, 0, "their numbers are forgotten");
    is(pages_owned(), before, "none is kept");
    is(populate(list, 0, 0), 0, "none are given when none are wanted");
}

static void orders(void)
{
    static const unsigned good[] = {1, 4, 9};
    static const unsigned bad[] = {19, 31, 32, 63, 64, ~0u};
    long before = pages_owned();

    for (unsigned i = 0; i < 3; i++) {
        unsigned order = good[i];
        xen_pfn_t list[1] = {0x20000};
        is(populate(list, 1, order), 1, "order %u: given", order);
        unsigned long right = 0;
        for (unsigned long k = 0; k < 1ul << order; k++)
            right += m2p_entry(list[0] + k) == 0x20000 + k;
        is(right, 1ul << order, "order %u: numbers rise", order);
        ok(list[0] % (1ul << order) == 0, "order %u: aligned", order);
        is(pages_owned(), before + (1l << order), "order %u: counted", order);
        is(decrease(list, 1, order), 1, "order %u: given back", order);
    }
    for (unsigned i = 0; i < 6; i++) {
        xen_pfn_t list[1] = {0x20000};
        is(populate(list, 1, bad[i]), 0, "order %u: there is none", bad[i]);
        is(list[0], 0x20000, "order %u: the list is as it was", bad[i]);
    }
    is(pages_owned(), before, "orders: all are given back");
}

static void partly(void)
{
    long before = pages_owned();

    for (unsigned i = 0; i < BALLOON_MAX; i++)
        balloon.mfn[i] = ~0ul - i;
    long got = populate(balloon.mfn, BALLOON_MAX, 5);
    ok(got >= (long)(ROOM >> 5) && got < (long)BALLOON_MAX, "of too many extents some are given");
    ok(balloon.mfn[got - 1] < NO_FRAME && balloon.mfn[got] == ~0ul - (unsigned long)got,
       "those are told, no other");
    is(pages_owned(), before + got * 32, "those are counted");
    is(decrease(balloon.mfn, (unsigned long)got, 5), got, "all are given back");
    is(pages_owned(), before, "and counted no more");
}

/* The hypervisor only notes a PV domain's numbers: any will do, also twice. */
static void numbers(void)
{
    static const xen_pfn_t number[] = {0, 1, 0xffffffff, 1ul << 40, ~0ul >> 1, ~0ul - 1};
    long before = pages_owned();

    for (unsigned i = 0; i < sizeof(number) / sizeof(number[0]); i++) {
        xen_pfn_t list[2] = {number[i], number[i]};
        is(populate(list, 2, 0), 2, "page number %#lx: two frames", number[i]);
        ok(m2p_entry(list[0]) == number[i] && m2p_entry(list[1]) == number[i],
           "page number %#lx: both have it", number[i]);
        is(decrease(list, 2, 0), 2, "page number %#lx: given back", number[i]);
    }
    ok(mfn_to_pfn(p2m[nr_pages - 1]) == nr_pages - 1, "the domain's own pages keep theirs");
    is(pages_owned(), before, "numbers: none is kept");
}

static void flags(void)
{
    long before = pages_owned();
    xen_pfn_t list[2] = {5, 6};
    struct xen_memory_reservation r = reservation(list, 2, 0);

    is(HYPERVISOR_memory_op(XENMEM_populate_physmap | 1 << START_SHIFT, &r), 2,
       "begun at the second extent, it ends there");
    ok(list[0] == 5 && m2p_entry(list[1]) == 6, "one is told");
    is(decrease(list + 1, 1, 0), 1, "and given back");
    list[0] = 7;
    r.nr_extents = 1;
    r.mem_flags = XENMEMF_address_bits(32);
    is(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 1, "a frame below 4 GiB");
    ok(list[0] < 1ul << 20, "it is below 4 GiB");
    is(decrease(list, 1, 0), 1, "is given back");
    r.mem_flags = XENMEMF_address_bits(12);
    is(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 0, "none below 4 KiB");
    r.mem_flags = XENMEMF_populate_on_demand;
    is(HYPERVISOR_memory_op(XENMEM_populate_physmap, &r), 0, "none on demand, for a PV domain");
    is(pages_owned(), before, "flags: none is kept");
}

/* Where the list lies: it is read and written. */
static void list_addresses(void)
{
    long before = pages_owned();

    for (const struct address *a = addresses(2 * sizeof(xen_pfn_t)); a->name; a++) {
        xen_pfn_t list[2];
        /* The second of two numbers may be where it cannot be read, or cannot be written. */
        bool one = strcmp(a->name, "second half read-only") == 0 ||
                   strcmp(a->name, "last byte unmapped") == 0;
        long want = a->writable ? 2 : one;
        is(populate(a->address, 2, 0), want, "list %s", a->name);
        if (want) {
            memcpy(list, a->address, (size_t)want * sizeof(list[0]));
            is(decrease(list, (unsigned long)want, 0), want, "list %s: given back", a->name);
        }
    }
    is(pages_owned(), before, "a frame that cannot be told is not kept");
}

static void argument_addresses(void)
{
    unsigned wrong = 0;
    for (const struct address *a = addresses(sizeof(struct xen_memory_reservation)); a->name; a++) {
        long rc = HYPERVISOR_memory_op(XENMEM_populate_physmap, a->address);
        if (rc == (a->readable ? 0 : -XEN_EFAULT))
            continue;
        diag("argument %s: %ld", a->name, rc);
        wrong++;
    }
    is(wrong, 0, "an argument that cannot be read is an error");
}

int main(void)
{
    long before = pages_owned();

    ok(balloon_out(ROOM), "there is room for frames");
    round_trip();
    many();
    orders();
    partly();
    numbers();
    flags();
    argument_addresses();
    ok(balloon_in(), "all pages come back");
    is(pages_owned(), before, "as many as before");
    (void)balloon_out(16);
    list_addresses();
    return done();
}
