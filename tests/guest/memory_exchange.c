/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XENMEM_exchange: the domain gives frames and gets as many others, which lie together, or low
 * enough for a device. A driver of a device that reads memory by itself needs that: what is
 * contiguous for a PV guest is scattered over the machine. The frames that are given must not be
 * mapped; pages get the new frames' numbers by the list `out`, which tells the page numbers before
 * and the frames after.
 *
 * The work is done in chunks of the larger of the two orders. nr_exchanged says how many of the
 * extents given are done, after an error, too.
 *
 * test: memory=32
 */
#include "reservation.h"

#include <pv/smp.h>
#include <pv/trap.h>

#define MAX_EXTENTS 512u

static xen_pfn_t given[MAX_EXTENTS], wanted[MAX_EXTENTS];

static struct xen_memory_exchange exchange_of(unsigned long in, unsigned in_order,
                                              unsigned long out, unsigned out_order)
{
    return (struct xen_memory_exchange){.in = reservation(given, in, in_order),
                                        .out = reservation(wanted, out, out_order)};
}

static long exchange(struct xen_memory_exchange *e)
{
    return HYPERVISOR_memory_op(XENMEM_exchange, e);
}

/* Frames of `count` pages, mapped nowhere, into given; the numbers of these pages into wanted. */
static void take(unsigned long count)
{
    unsigned long first = balloon.count;

    ok(balloon_take(count) == count, "%lu pages are taken", count);
    memcpy(given, balloon.mfn, count * sizeof(given[0]));
    memcpy(wanted, &balloon.pfn[first], count * sizeof(wanted[0]));
}

/* As many pages come back, with these frames. */
static void put(const xen_pfn_t *mfn, unsigned long count)
{
    unsigned long bad = 0;

    memcpy(balloon.mfn, mfn, count * sizeof(mfn[0]));
    for (unsigned long i = 0; i < count; i++) {
        void *window = map_frames(&balloon.mfn[i], 1, PTE_KERNEL_RW, DOMID_SELF, NULL);
        bad += window == NULL;
        window_free(window, 1);
    }
    balloon_put(balloon.mfn, count);
    is(bad, 0, "the %lu frames are the domain's", count);
}

/* ---- What works --------------------------------------------------------------------------- */

static void single(void)
{
    long before = pages_owned();

    take(1);
    unsigned long pfn = wanted[0];
    struct xen_memory_exchange e = exchange_of(1, 0, 1, 0);
    is_error(exchange(&e), 0, "a frame is exchanged");
    is(e.nr_exchanged, 1, "that is said");
    ok(wanted[0] != pfn && wanted[0] != given[0], "another is told");
    ok(m2p_entry(wanted[0]) == pfn, "it has the page's number");
    ok(m2p_entry(given[0]) != pfn, "the old one has it no more");
    is(pages_owned(), before, "the domain has as many pages as before");
    ok(map_frames(given, 1, PTE_KERNEL_RW, DOMID_SELF, NULL) == NULL, "the old one is not its own");
    put(wanted, 1);
}

/* Makes 2^order single frames one extent, and the reverse. */
static void together(unsigned order)
{
    unsigned long count = 1ul << order, right = 0, first = 0x40000;
    long before = pages_owned();

    take(count);
    wanted[0] = first;
    struct xen_memory_exchange e = exchange_of(count, 0, 1, order);
    is_error(exchange(&e), 0, "order %u: exchanged", order);
    is(e.nr_exchanged, count, "order %u: all", order);
    ok(wanted[0] % count == 0, "order %u: aligned", order);
    for (unsigned long i = 0; i < count; i++)
        right += m2p_entry(wanted[0] + i) == first + i;
    is(right, count, "order %u: numbers rise", order);
    given[0] = wanted[0];
    for (unsigned long i = 0; i < count; i++)
        wanted[i] = first + 2 * i;
    e = exchange_of(1, order, count, 0);
    is_error(exchange(&e), 0, "order %u: exchanged for single ones", order);
    is(e.nr_exchanged, 1, "order %u: all of one", order);
    right = 0;
    for (unsigned long i = 0; i < count; i++)
        right += m2p_entry(wanted[i]) == first + 2 * i;
    is(right, count, "order %u: each has its number", order);
    is(pages_owned(), before, "order %u: as many as before", order);
    put(wanted, count);
}

static void between_orders(void)
{
    xen_pfn_t list[8];

    take(16);
    struct xen_memory_exchange e = exchange_of(16, 0, 4, 2);
    is_error(exchange(&e), 0, "sixteen for four of order 2");
    memcpy(given, wanted, 4 * sizeof(given[0]));
    for (unsigned i = 0; i < 8; i++)
        wanted[i] = 0x50000 + 2 * i;
    e = exchange_of(4, 2, 8, 1);
    is_error(exchange(&e), 0, "four of order 2 for eight of order 1");
    is(e.nr_exchanged, 4, "four are said");
    unsigned right = 0;
    for (unsigned i = 0; i < 8; i++)
        right += wanted[i] % 2 == 0 && m2p_entry(wanted[i] + 1) == 0x50001 + 2 * i;
    is(right, 8, "each is of order 1");
    memcpy(list, wanted, sizeof(list));
    memcpy(given, list, sizeof(list));
    for (unsigned i = 0; i < 16; i++)
        wanted[i] = i;
    e = exchange_of(8, 1, 16, 0);
    is_error(exchange(&e), 0, "those for single ones");
    put(wanted, 16);
}

static void low(void)
{
    take(4);
    struct xen_memory_exchange e = exchange_of(4, 0, 1, 2);
    e.out.mem_flags = XENMEMF_address_bits(32);
    is_error(exchange(&e), 0, "four for an extent below 4 GiB");
    ok(wanted[0] + 4 <= 1ul << 20, "it is below 4 GiB");
    given[0] = wanted[0];
    for (unsigned i = 0; i < 4; i++)
        wanted[i] = i;
    e = exchange_of(1, 2, 4, 0);
    is_error(exchange(&e), 0, "it is given for single ones");
    put(wanted, 4);
}

/* Numbers given and wanted in one list: each chunk is read before it is written. */
static void one_list(void)
{
    take(8);
    struct xen_memory_exchange e = exchange_of(8, 0, 8, 0);
    e.out.extent_start = e.in.extent_start;
    is_error(exchange(&e), 0, "both lists are the same");
    unsigned right = 0;
    for (unsigned i = 0; i < 8; i++)
        right += m2p_entry(given[i]) < NO_FRAME;
    is(right, 8, "each frame has a number");
    put(given, 8);
}

static void begun(void)
{
    long before = pages_owned();

    take(4);
    xen_pfn_t old[4];
    memcpy(old, given, sizeof(old));
    struct xen_memory_exchange e = exchange_of(4, 0, 4, 0);
    e.nr_exchanged = 2;
    is_error(exchange(&e), 0, "two of four are done before");
    is(e.nr_exchanged, 4, "four are done then");
    ok(wanted[0] == balloon.pfn[balloon.count - 4], "the first is as it was");
    memcpy(wanted, old, 2 * sizeof(old[0]));
    e.nr_exchanged = 4;
    is_error(exchange(&e), 0, "nothing remains to be done");
    is(e.nr_exchanged, 4, "four are done still");
    e = exchange_of(0, 0, 0, 0);
    is_error(exchange(&e), 0, "none for none");
    is(pages_owned(), before, "as many as before");
    put(wanted, 4);
}

/* ---- What does not ------------------------------------------------------------------------ */

static void refused(const char *name, struct xen_memory_exchange e, long error)
{
    unsigned long done = e.nr_exchanged;

    is_error(exchange(&e), error, "%s", name);
    is(e.nr_exchanged, done, "%s: nothing is done", name);
}

static void bad_arguments(void)
{
    struct xen_memory_exchange e = exchange_of(1, 0, 1, 0);
    long before = pages_owned();

    take(4);
    refused("an order that there is not, given", exchange_of(1, 19, 1, 19), -XEN_EPERM);
    refused("an order that there is not, wanted", exchange_of(1, 0, 1, 19), -XEN_EPERM);
    refused("the highest order", exchange_of(1, ~0u, 1, ~0u), -XEN_EPERM);
    refused("fewer wanted than given", exchange_of(2, 0, 1, 0), -XEN_EINVAL);
    refused("more wanted than given", exchange_of(1, 0, 1, 1), -XEN_EINVAL);
    refused("a size that wraps, given", exchange_of(1ul << 63, 1, 0, 0), -XEN_EINVAL);
    refused("a size that wraps, wanted", exchange_of(0, 0, 1ul << 63, 1), -XEN_EINVAL);
    refused("a size that wraps to the right one", exchange_of(1, 0, (1ul << 55) + 1, 9),
            -XEN_EINVAL);
    e.nr_exchanged = 2;
    refused("more done than there is", e, -XEN_EINVAL);
    e = exchange_of(1, 0, 1, 0);
    e.out.domid = 0;
    refused("two names of one domain", e, -XEN_EINVAL);
    e.in.domid = e.out.domid = 5;
    refused("a domain that there is not", e, -XEN_ESRCH);
    e.in.domid = e.out.domid = DOMID_IO;
    refused("the devices' memory", e, -XEN_ESRCH);
    e.in.domid = e.out.domid = DOMID_INVALID;
    refused("no domain", e, -XEN_ESRCH);
    e = exchange_of(1, 0, 1, 0);
    is_error(HYPERVISOR_memory_op(XENMEM_exchange | 1 << START_SHIFT, &e), -XEN_EINVAL,
             "begun by the command's upper bits");
    e.in.domid = e.out.domid = 0;
    is_error(exchange(&e), 0, "the domain by its number");
    given[0] = wanted[0];
    is(pages_owned(), before, "as many as before");
    put(given, 4);
}

static void bad_frames(void)
{
    unsigned long frame;

    take(4);
    xen_pfn_t good[4], numbers[4];
    memcpy(good, given, sizeof(good));
    memcpy(numbers, wanted, sizeof(numbers));
    given[0] = NO_FRAME;
    refused("a frame beyond the machine's memory", exchange_of(4, 0, 4, 0), -XEN_EINVAL);
    given[0] = ~0ul;
    refused("the highest number", exchange_of(4, 0, 4, 0), -XEN_EINVAL);
    given[0] = 0x200;
    refused("the hypervisor's frame", exchange_of(4, 0, 4, 0), -XEN_EINVAL);
    given[0] = start_info->shared_info >> PAGE_SHIFT;
    refused("the shared page", exchange_of(4, 0, 4, 0), -XEN_EINVAL);
    frame = given[0] = good[0];
    void *window = map_frames(&frame, 1, PTE_KERNEL_RO, DOMID_SELF, NULL);
    refused("a mapped frame", exchange_of(4, 0, 4, 0), -XEN_EINVAL);
    given[0] = good[1];
    given[1] = frame;
    refused("a mapped frame in a chunk with others", exchange_of(4, 0, 1, 2), -XEN_EINVAL);
    window_free(window, 1);
    given[0] = given[1] = good[1];
    refused("a frame twice in a chunk", exchange_of(4, 0, 1, 2), -XEN_EINVAL);
    is(memcmp(wanted, numbers, sizeof(numbers)), 0, "the list of what is wanted is as it was");
    put(good, 4);
}

static void partly(void)
{
    long before = pages_owned();

    take(4);
    xen_pfn_t good = given[3];
    given[3] = NO_FRAME;
    struct xen_memory_exchange e = exchange_of(4, 0, 4, 0);
    is_error(exchange(&e), -XEN_EINVAL, "the last is bad");
    is(e.nr_exchanged, 3, "three are done");
    ok(m2p_entry(wanted[0]) == balloon.pfn[balloon.count - 4], "they are told");
    ok(wanted[3] == balloon.pfn[balloon.count - 1], "the last is as it was");
    given[3] = good;
    is_error(exchange(&e), 0, "it is set right, and the call goes on");
    is(e.nr_exchanged, 4, "four are done");
    is(pages_owned(), before, "as many as before");
    put(wanted, 4);
}

static void no_memory(void)
{
    static const unsigned bits[] = {1, 12, 13};
    long before = pages_owned();

    take(512);
    for (unsigned i = 0; i < 3; i++) {
        struct xen_memory_exchange e = exchange_of(512, 0, 1, 9);
        e.out.mem_flags = XENMEMF_address_bits(bits[i]);
        is_error(exchange(&e), -XEN_ENOMEM, "nothing is as low as %u bits", bits[i]);
        is(e.nr_exchanged, 0, "%u bits: nothing is done", bits[i]);
    }
    is(pages_owned(), before, "no memory: as many as before");
    put(given, 512);
}

static void bad_addresses(void)
{
    long before = pages_owned();

    take(1);
    for (const struct address *a = addresses(sizeof(xen_pfn_t)); a->name; a++) {
        if (a->writable || a->readable)
            continue;
        struct xen_memory_exchange e = exchange_of(1, 0, 1, 0);
        set_xen_guest_handle(e.in.extent_start, (xen_pfn_t *)a->address);
        refused(a->name, e, -XEN_EFAULT);
    }
    unsigned wrong = 0;
    for (const struct address *a = addresses(sizeof(struct xen_memory_exchange)); a->name; a++)
        wrong +=
            HYPERVISOR_memory_op(XENMEM_exchange, a->address) != (a->writable ? 0 : -XEN_EFAULT);
    is(wrong, 0, "an argument that cannot be written is an error");
    wrong = 0;
    for (const struct address *a = addresses(sizeof(xen_pfn_t)); a->name; a++) {
        struct xen_memory_exchange e = exchange_of(1, 0, 1, 0);
        set_xen_guest_handle(e.out.extent_start, (xen_pfn_t *)a->address);
        if (a->writable)
            continue;
        long rc = exchange(&e);
        if (rc == -XEN_EFAULT && e.nr_exchanged == 0)
            continue;
        diag("wanted at %s: %ld, %lu done", a->name, rc, (unsigned long)e.nr_exchanged);
        wrong++;
    }
    is(wrong, 0, "an exchange that cannot be told is not made");
    is(pages_owned(), before, "addresses: as many as before");
    put(given, 1);
}

int main(void)
{
    single();
    together(1);
    together(5);
    together(9);
    between_orders();
    low();
    one_list();
    begun();
    bad_arguments();
    bad_frames();
    partly();
    no_memory();
    bad_addresses();
    return done();
}
