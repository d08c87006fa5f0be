/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The teller's side of remote.h: programs that tell hands (hand.c) what to do. Arguments: hand=
 * and third=, the domains of the hands, slots 0 and 1.
 */
#ifndef TELLER_H
#define TELLER_H

#include "remote.h"

#include <pv/clock.h>
#include <pv/smp.h>

#include "grants.h"

#define PATIENCE_NS 60000000000ull
#define HANDS       2u

struct hand {
    domid_t domain;
    struct remote *page;
};

static struct hand hands[HANDS];
#define HAND  (&hands[0])
#define THIRD (&hands[1])

static inline void tell_begin(struct hand *h, enum remote_op op, uint64_t a0, uint64_t a1,
                              uint64_t a2, uint64_t a3)
{
    struct remote *p = h->page;
    p->op = op;
    p->args[0] = a0, p->args[1] = a1, p->args[2] = a2, p->args[3] = a3;
    __atomic_store_n(&p->request, p->request + 1, __ATOMIC_RELEASE);
}

static inline bool told(const struct hand *h)
{
    return __atomic_load_n(&h->page->answer, __ATOMIC_ACQUIRE) == h->page->request;
}

/* A hand that does not answer ends the test. */
static inline int64_t tell_end(struct hand *h)
{
    uint64_t until = monotonic_ns() + PATIENCE_NS;
    unsigned turns = 0;
    while (!told(h)) {
        if (monotonic_ns() > until) {
            ok(false, "domain %u answers", h->domain);
            exit(1);
        }
        remote_wait(&turns);
    }
    return h->page->result;
}

/* Makes a hand do something; its result. */
static inline int64_t tell(struct hand *h, enum remote_op op, uint64_t a0, uint64_t a1, uint64_t a2,
                           uint64_t a3)
{
    tell_begin(h, op, a0, a1, a2, a3);
    return tell_end(h);
}

static inline long tell_call(struct hand *h, unsigned number, uint64_t a0, uint64_t a1, uint64_t a2,
                             uint64_t a3)
{
    h->page->number = number;
    h->page->args[4] = 0;
    return (long)tell(h, REMOTE_CALL, a0, a1, a2, a3);
}

/* A hypercall (command, structure); the structure comes back changed. */
static inline long tell_op(struct hand *h, unsigned number, unsigned cmd, void *op, size_t size)
{
    memcpy(h->page->data, op, size);
    long rc = tell_call(h, number, cmd, REMOTE_ARG(0), 1, 0);
    memcpy(op, h->page->data, size);
    return rc;
}

static inline bool tell_faults(struct hand *h, enum remote_op op, uint64_t address, uint64_t value)
{
    tell(h, op, address, value, 0, 0);
    return h->page->fault;
}

static inline uint64_t tell_peek(struct hand *h, uint64_t address)
{
    return (uint64_t)tell(h, REMOTE_PEEK, address, 0, 0, 0);
}

/* ---- Grants --------------------------------------------------------------------------------- */

static inline int tell_map(struct hand *h, domid_t owner, grant_ref_t ref, uint64_t address,
                           unsigned flags, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = map_request(owner, ref, address, flags);
    tell_op(h, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &op, sizeof(op));
    if (handle)
        *handle = op.handle;
    return op.status;
}

static inline int tell_unmap(struct hand *h, uint64_t address, grant_handle_t handle)
{
    struct gnttab_unmap_grant_ref op = {
        .host_addr = address, .handle = handle, .status = STATUS_UNSET};
    tell_op(h, __HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &op, sizeof(op));
    return op.status;
}

/* From a grant into the hand's page, `len` bytes. */
static inline int tell_copy_from(struct hand *h, domid_t owner, grant_ref_t ref, unsigned offset,
                                 unsigned long to_mfn, unsigned len)
{
    struct gnttab_copy op = {.source.u.ref = ref,
                             .source.domid = owner,
                             .source.offset = (uint16_t)offset,
                             .dest.u.gmfn = to_mfn,
                             .dest.domid = DOMID_SELF,
                             .len = (uint16_t)len,
                             .flags = GNTCOPY_source_gref,
                             .status = STATUS_UNSET};
    tell_op(h, __HYPERVISOR_grant_table_op, GNTTABOP_copy, &op, sizeof(op));
    return op.status;
}

static inline int tell_copy_to(struct hand *h, domid_t owner, grant_ref_t ref, unsigned offset,
                               unsigned long from_mfn, unsigned len)
{
    struct gnttab_copy op = {.source.u.gmfn = from_mfn,
                             .source.domid = DOMID_SELF,
                             .dest.u.ref = ref,
                             .dest.domid = owner,
                             .dest.offset = (uint16_t)offset,
                             .len = (uint16_t)len,
                             .flags = GNTCOPY_dest_gref,
                             .status = STATUS_UNSET};
    tell_op(h, __HYPERVISOR_grant_table_op, GNTTABOP_copy, &op, sizeof(op));
    return op.status;
}

/* A page of the hand's: its address, and its frame. */
static inline uint64_t tell_page(struct hand *h, unsigned long *mfn)
{
    uint64_t address = (uint64_t)tell(h, REMOTE_PAGE, 0, 0, 0, 0);
    *mfn = h->page->args[0];
    return address;
}

/* ---- Start and end -------------------------------------------------------------------------- */

static inline void hands_start(int argc, char **argv)
{
    hands[0].domain = (domid_t)argument(argc, argv, "hand", DOMID_INVALID);
    hands[1].domain = (domid_t)argument(argc, argv, "third", DOMID_INVALID);
    for (unsigned i = 0; i < HANDS; i++) {
        hands[i].page = page_alloc();
        write_v1(REMOTE_REF + i, GTF_permit_access, hands[i].domain, virt_to_mfn(hands[i].page));
    }
    for (unsigned i = 0; i < HANDS; i++)
        tell_peek(&hands[i], VIRT_BASE);
}

static inline void hands_end(void)
{
    for (unsigned i = 0; i < HANDS; i++)
        tell(&hands[i], REMOTE_END, 0, 0, 0, 0);
}

#endif
