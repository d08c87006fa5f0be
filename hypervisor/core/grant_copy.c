/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying between granted frames or the caller's own, and giving a frame away.
 *
 * Each side of a copy is claimed first: its grants pinned, its frame referenced, as FT_WRITABLE if
 * it is written to. So while bytes move no lock is held, and neither guest can take the frame away.
 */
#include <arch/memory.h>

#include "core/frame.h"
#include "core/grant_internal.h"
#include "core/lib.h"

/* A pinned grant. */
struct claim {
    struct domain *domain; /* held; NULL: none */
    uint32_t ref;
};

/* One side of a copy. */
struct side {
    struct claim grant, behind; /* `behind`: the grant that a transitive one stands for */
    bool readonly;
    bool framed;
    mfn_t frame;
    unsigned start, length; /* the part of the frame that may be touched */
};

static int claim_grant(struct claim *c, domid_t id, uint32_t ref, domid_t user, bool readonly,
                       struct grant_active *act)
{
    int ret;

    c->domain = domain_get(id);
    c->ref = ref;
    if (!c->domain)
        return GNTST_bad_domain;
    ret = c->domain->is_dying || !c->domain->grant
              ? GNTST_bad_domain
              : grant_pin(c->domain, ref, user, readonly, GRANT_TO_COPY, act);
    if (ret != GNTST_okay) {
        domain_put(c->domain);
        c->domain = NULL;
    }
    return ret;
}

static void drop_claim(struct claim *c, bool readonly)
{
    if (!c->domain)
        return;
    grant_unpin(c->domain, c->ref, readonly);
    domain_put(c->domain);
}

/* A transitive grant may not lead to another one, nor to the domain that gave it. */
static int claim_behind(struct side *s, struct grant_active *act)
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

static int claim_frame(struct side *s, mfn_t frame, const struct domain *owner)
{
    int ret;

    if (!frame_get(frame, owner))
        return GNTST_bad_page;
    ret = s->readonly ? 0 : frame_get_type(frame, FT_WRITABLE);
    if (ret) {
        frame_put(frame);
        return ret == -XEN_ERESTART ? GNTST_eagain : GNTST_general_error;
    }
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

/* On failure too, what has been claimed is given back by drop_side(). */
static int claim_side(struct side *s, struct domain *d, const struct gnttab_copy_ptr *ptr,
                      bool by_grant)
{
    struct grant_active act;
    int ret;

    if (!by_grant) {
        if (ptr->domid != DOMID_SELF)
            return refuse_frame_of(DOMID(ptr->domid));
        s->length = (unsigned)PAGE_SIZE;
        return claim_frame(s, MFN(ptr->u.gmfn), d);
    }
    ret = claim_grant(&s->grant, ptr->domid == DOMID_SELF ? d->id : DOMID(ptr->domid), ptr->u.ref,
                      d->id, s->readonly, &act);
    if (ret == GNTST_okay && act.kind == GRANT_TRANSITIVE)
        ret = claim_behind(s, &act);
    if (ret != GNTST_okay)
        return ret;
    s->start = act.start;
    s->length = act.length;
    return claim_frame(s, MFN(act.frame), s->behind.domain ? s->behind.domain : s->grant.domain);
}

static void drop_side(struct side *s)
{
    if (s->framed) {
        if (s->readonly)
            frame_put(s->frame);
        else
            frame_put_both(s->frame);
    }
    drop_claim(&s->behind, s->readonly);
    drop_claim(&s->grant, s->readonly);
}

static bool within(const struct side *s, unsigned offset, unsigned len)
{
    return offset >= s->start && offset + len <= s->start + s->length;
}

static int copy_sides(struct domain *d, const struct gnttab_copy *op, struct side *src,
                      struct side *dst)
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

long grant_op_copy(struct vcpu *v, struct gnttab_copy *op)
{
    struct side src = {.readonly = true}, dst = {.readonly = false};

    if (op->source.offset + op->len > (int)PAGE_SIZE ||
        op->dest.offset + op->len > (int)PAGE_SIZE) {
        op->status = GNTST_bad_copy_arg;
        return 0;
    }
    op->status = (int16_t)copy_sides(v->domain, op, &src, &dst);
    drop_side(&dst);
    drop_side(&src);
    return 0;
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
