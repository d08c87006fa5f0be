/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XENMEM_claim_pages: the control domain has free memory kept for a domain that it is building, so
 * that another one that is built meanwhile does not take it. A claim says how many pages the domain
 * shall have; what it has already counts. Pages that the domain gets use its claim up; a claim of 0
 * ends it.
 *
 * test: memory=32
 */
#include "reservation.h"

#define ROOM 256u

#define XENMEM_claim_pages 24 /* xen/memory.h, in a part for tools */

static long claim(domid_t domain, unsigned long pages)
{
    struct xen_memory_reservation r = {.nr_extents = pages, .domid = domain};

    return HYPERVISOR_memory_op(XENMEM_claim_pages, &r);
}

static void working(void)
{
    unsigned long has = (unsigned long)pages_owned();
    xen_pfn_t list[64];

    is_error(claim(0, has + 64), 0, "64 pages more are claimed");
    is(pages_owned(), has, "it does not have them yet");
    is_error(claim(0, has + 32), -XEN_EINVAL, "no second claim beside the first");
    is(reserve(XENMEM_increase_reservation, list, 64, 0), 64, "it gets them");
    is_error(claim(0, has + 65), 0, "that used the claim up: one more is claimed");
    is_error(claim(0, 0), 0, "the claim is given up");
    is(reserve(XENMEM_decrease_reservation, list, 64, 0), 64, "the pages go");
    is_error(claim(0, has + ROOM), 0, "another claim");
    is_error(claim(0, 0), 0, "is given up");
    is_error(claim(0, 0), 0, "there is none to give up: that is no error");
}

static void refused(void)
{
    static const domid_t bad[] = {1,         5,         DOMID_SELF,    DOMID_IO,
                                  DOMID_XEN, DOMID_COW, DOMID_INVALID, 0xffff};
    unsigned long has = (unsigned long)pages_owned();
    domid_t self = DOMID_SELF;
    long may = HYPERVISOR_memory_op(XENMEM_maximum_reservation, &self);
    xen_pfn_t list[1] = {0};

    is_error(claim(0, 1), -XEN_EINVAL, "less than it has");
    is_error(claim(0, has), -XEN_EINVAL, "just what it has");
    is_error(claim(0, (unsigned long)may + 1), -XEN_EINVAL, "more than it may have");
    is_error(claim(0, ~0ul), -XEN_EINVAL, "as many pages as can be");
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is_error(claim(bad[i], has + 1), -XEN_EINVAL, "domain %#x", bad[i]);
    struct xen_memory_reservation r = {.nr_extents = has + 1, .domid = 0};
    is_error(HYPERVISOR_memory_op(XENMEM_claim_pages | 1 << START_SHIFT, &r), -XEN_EINVAL,
             "nothing to be begun in the middle");
    r.extent_order = 1;
    is_error(HYPERVISOR_memory_op(XENMEM_claim_pages, &r), -XEN_EINVAL, "an order");
    r.extent_order = 0;
    r.mem_flags = XENMEMF_address_bits(32);
    is_error(HYPERVISOR_memory_op(XENMEM_claim_pages, &r), -XEN_EINVAL, "flags");
    r.mem_flags = 0;
    set_xen_guest_handle(r.extent_start, list);
    is_error(HYPERVISOR_memory_op(XENMEM_claim_pages, &r), -XEN_EINVAL, "a list");
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)NULL);
    is_error(HYPERVISOR_memory_op(XENMEM_claim_pages, &r), 0, "none of these: claimed");
    is_error(claim(0, 0), 0, "and given up");
    for (const struct address *a = addresses(sizeof(r)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_claim_pages, a->address),
                 a->readable ? 0 : -XEN_EFAULT, "argument %s", a->name);
}

/* A claim for more than is free, where the domain may have so much. */
static void too_much(void)
{
    long top = HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
    domid_t self = DOMID_SELF;

    if (HYPERVISOR_memory_op(XENMEM_maximum_reservation, &self) <= top + pages_owned()) {
        skip(1, "the domain may not have more than the machine");
        return;
    }
    is_error(claim(0, (unsigned long)(top + pages_owned())), -XEN_ENOMEM, "more than there is");
}

int main(void)
{
    long before = pages_owned();

    ok(balloon_out(ROOM), "there is room for pages");
    working();
    refused();
    too_much();
    ok(balloon_in(), "all pages come back");
    is(pages_owned(), before, "as many as before");
    return done();
}
