/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying between granted frames or the caller's own, and giving a frame away.
 *
 * Each side of a copy is claimed first: its grants pinned, its frame referenced, as FT_WRITABLE if
 * it is written to. So while bytes move no lock is held, and neither guest can take the frame away.
 * A claim stays for the next copy of the hypercall, which may be of the same page; only what is
 * claimed is used, whatever the grant's entry says by then.
 */
#include <arch/memory.h>

#include "core/frame.h"
#include "core/grant_internal.h"
#include "core/lib.h"

static bool find_domain(struct grant_claim *c, domid_t id)
{
    if (c->domain && c->domain->id.v == id.v)
        return true;
    if (c->domain)
        domain_put(c->domain);
    c->domain = domain_get(id);
    return c->domain != NULL;
}

static int claim_grant(struct grant_claim *c, domid_t id, uint32_t ref, domid_t user, bool readonly,
                       struct grant_active *act)
{
    int ret;

    if (!find_domain(c, id) || c->domain->is_dying || !c->domain->grant)
        return GNTST_bad_domain;
    ret = grant_pin(c->domain, ref, user, readonly, GRANT_TO_COPY, act);
    c->ref = ref;
    c->pinned = ret == GNTST_okay;
    return ret;
}

static void drop_claim(struct grant_claim *c, bool readonly)
{
    if (c->pinned)
        grant_unpin(c->domain, c->ref, readonly);
    c->pinned = false;
}

/* A transitive grant may not lead to another one, nor to the domain that gave it. */
static int claim_behind(struct grant_side *s, struct grant_active *act)
{
    domid_t via = s->grant.domain->id;
    int ret;

    if (act->trans_domid.v == via.v)
        return GNTST_general_error;
    ret = claim_grant(&s->behind, act->trans_domid, act->trans_ref, via, s->readonly, act);
    if (ret == GNTST_bad_domain)
        ret = GNTST_general_error;
    if (ret == GNTST_okay && act->kind == GRANT_TRANSITIVE)
        ret = GNTST_general_error;
    return ret;
}

static int claim_frame(struct grant_side *s, mfn_t frame, const struct domain *owner)
{
    int ret;

    if (s->readonly)
        ret = frame_get(frame, owner) ? 0 : -XEN_EPERM;
    else
        ret = frame_get_both(frame, owner, FT_WRITABLE);
    if (ret == -XEN_EPERM)
        return GNTST_bad_page;
    if (ret)
        return ret == -XEN_ERESTART ? GNTST_eagain : GNTST_general_error;
    s->frame = frame;
    s->framed = true;
    return GNTST_okay;
}

/* By its number only a frame of the caller's own can be named, as DOMID_SELF's. */
static int refuse_frame_of(domid_t id)
{
    struct domain *d = domain_get(id);

    if (!d)
        return GNTST_bad_domain;
    domain_put(d);
    return GNTST_permission_denied;
}

static void drop_side(struct grant_side *s)
{
    if (s->framed) {
        if (s->readonly)
            frame_put(s->frame);
        else
            frame_put_both(s->frame);
    }
    s->framed = false;
    drop_claim(&s->behind, s->readonly);
    drop_claim(&s->grant, s->readonly);
}

/* What is claimed before something fails goes with the side. */
static int claim(struct grant_side *s, struct domain *d)
{
    struct grant_active act;
    struct domain *owner;
    int ret;

    if (!s->by_grant) {
        if (s->domid != DOMID_SELF)
            return refuse_frame_of(DOMID(s->domid));
        s->start = 0;
        s->length = (uint16_t)PAGE_SIZE;
        return claim_frame(s, MFN(s->number), d);
    }
    ret = claim_grant(&s->grant, s->domid == DOMID_SELF ? d->id : DOMID(s->domid),
                      (uint32_t)s->number, d->id, s->readonly, &act);
    owner = s->grant.domain;
    if (ret == GNTST_okay && act.kind == GRANT_TRANSITIVE) {
        ret = claim_behind(s, &act);
        owner = s->behind.domain;
    }
    if (ret != GNTST_okay)
        return ret;
    s->start = act.start;
    s->length = act.length;
    return claim_frame(s, MFN(act.frame), owner);
}

/* Is the side what `ptr` names? Not of a domain that is dying, which gets its pages back. */
static bool claimed(const struct grant_side *s, const struct gnttab_copy_ptr *ptr, uint64_t number,
                    bool by_grant)
{
    return s->framed && s->by_grant == by_grant && s->number == number && s->domid == ptr->domid &&
           !(by_grant && s->grant.domain->is_dying);
}

static int claim_side(struct grant_side *s, struct domain *d, const struct gnttab_copy_ptr *ptr,
                      bool by_grant)
{
    uint64_t number = by_grant ? ptr->u.ref : ptr->u.gmfn;
    int ret;

    if (claimed(s, ptr, number, by_grant))
        return GNTST_okay;
    drop_side(s);
    s->by_grant = by_grant;
    s->domid = ptr->domid;
    s->number = number;
    ret = claim(s, d);
    if (ret != GNTST_okay)
        drop_side(s);
    return ret;
}

static bool within(const struct grant_side *s, unsigned offset, unsigned len)
{
    return offset >= s->start && offset + len <= (unsigned)s->start + s->length;
}

static int copy_sides(struct domain *d, const struct gnttab_copy *op, struct grant_side *src,
                      struct grant_side *dst)
{
    int ret = claim_side(src, d, &op->source, (op->flags & GNTCOPY_source_gref) != 0);

    if (ret == GNTST_okay)
        ret = claim_side(dst, d, &op->dest, (op->flags & GNTCOPY_dest_gref) != 0);
    if (ret != GNTST_okay)
        return ret;
    if (!within(src, op->source.offset, op->len) || !within(dst, op->dest.offset, op->len))
        return GNTST_general_error;
    memmove((char *)mfn_to_virt(dst->frame) + op->dest.offset,
            (const char *)mfn_to_virt(src->frame) + op->source.offset, op->len);
    return GNTST_okay;
}

void grant_op_copy(struct vcpu *v, struct gnttab_copy *op, struct grant_copy_batch *batch)
{
    if (op->source.offset + op->len > (int)PAGE_SIZE || op->dest.offset + op->len > (int)PAGE_SIZE)
        op->status = GNTST_bad_copy_arg;
    else
        op->status = (int16_t)copy_sides(v->domain, op, &batch->src, &batch->dst);
}

static void leave_side(struct grant_side *s)
{
    drop_side(s);
    if (s->grant.domain)
        domain_put(s->grant.domain);
    if (s->behind.domain)
        domain_put(s->behind.domain);
}

void grant_copy_finish(struct grant_copy_batch *batch)
{
    leave_side(&batch->dst);
    leave_side(&batch->src);
}

/* ---- Transfer ------------------------------------------------------------------------------ */

/* A frame that is nobody's goes to `to`; on failure it is gone. GNTST_*. */
static int give_frame(struct domain *to, domid_t from, uint32_t ref, mfn_t frame)
{
    pfn_t slot;
    int ret;

    if (frame_attach(to, frame)) {
        frame_discard(frame);
        return GNTST_general_error;
    }
    ret = grant_commit_transfer(to, ref, from, &slot);
    if (ret != GNTST_okay) {
        /* Attached a moment ago: only `to` itself, or its end, can have released it before us. */
        (void)!frame_release(to, frame);
        return ret;
    }
    m2p_set(frame, slot);
    grant_complete_transfer(to, ref, frame);
    return GNTST_okay;
}

/*
 * The giver may have nothing left that refers to the frame; then what its CPUs may still have in
 * their TLBs goes, too. Whatever comes of it after that, the giver has lost the frame: so the ABI
 * says (xen/grant_table.h).
 */
long grant_op_transfer(struct vcpu *v, struct gnttab_transfer *op)
{
    struct domain *d = v->domain, *to;
    mfn_t frame = MFN(op->mfn);

    if (frame_detach(d, frame)) {
        op->status = GNTST_bad_page;
        return 0;
    }
    m2p_set(frame, INVALID_M2P);
    arch_grant_flush(d);
    to = domain_get(DOMID(op->domid));
    if (to && !to->is_dying && to->grant) {
        op->status = (int16_t)give_frame(to, d->id, op->ref, frame);
    } else {
        op->status = to ? GNTST_general_error : GNTST_bad_domain;
        frame_discard(frame);
    }
    if (to)
        domain_put(to);
    return 0;
}
