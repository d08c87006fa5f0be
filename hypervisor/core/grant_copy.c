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
#include "core/heap.h"
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

/* On failure too, what has been claimed is given back by drop_side(). */
static int claim_side(struct side *s, struct domain *d, const struct gnttab_copy_ptr *ptr,
                      bool by_grant)
{
    struct grant_active act;
    int ret;

    if (!by_grant) {
        if (ptr->domid != DOMID_SELF)
            return GNTST_permission_denied;
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

/*
 * What the receiver gets is a fresh frame with the contents of the one given: mappings of that
 * one which the giver or others still have do not reach it. *frame belongs to `to` on success.
 */
static int give_copy(struct domain *to, domid_t from, uint32_t ref, mfn_t old, mfn_t *frame)
{
    mfn_t copy = heap_alloc_frames(0, HEAP_DIRTY);
    pfn_t slot;
    int ret;

    if (mfn_eq(copy, INVALID_MFN))
        return GNTST_address_too_big; /* as Xen says when a copy cannot be made */
    memcpy(mfn_to_virt(copy), mfn_to_virt(old), PAGE_SIZE);
    if (frame_assign(to, copy, 0)) {
        heap_free_frames(copy, 0, true);
        return GNTST_general_error;
    }
    ret = grant_commit_transfer(to, ref, from, &slot);
    if (ret != GNTST_okay) {
        /* Assigned a moment ago: only the end of `to` can have released it before us. */
        (void)!frame_release(to, copy);
        return ret;
    }
    m2p_set(copy, slot);
    *frame = copy;
    return GNTST_okay;
}

/* Whatever comes of it, the giver has lost the frame: so the ABI says (xen/grant_table.h). */
static int transfer_frame(struct domain *d, const struct gnttab_transfer *op, mfn_t old)
{
    struct domain *to = domain_get(DOMID(op->domid));
    mfn_t frame;
    int ret;

    if (!to)
        return GNTST_bad_domain;
    ret = to->is_dying || !to->grant ? GNTST_general_error
                                     : give_copy(to, d->id, op->ref, old, &frame);
    if (ret == GNTST_okay)
        grant_complete_transfer(to, op->ref, frame);
    domain_put(to);
    return ret;
}

long grant_op_transfer(struct vcpu *v, struct gnttab_transfer *op)
{
    struct domain *d = v->domain;
    mfn_t old = MFN(op->mfn);

    /* The caller's, no page table or descriptor page, and not given back already. */
    op->status = GNTST_bad_page;
    if (!mfn_valid(old) || frame_get_both(old, d, FT_WRITABLE))
        return 0;
    if (frame_release(d, old) == 0) {
        m2p_set(old, INVALID_M2P);
        op->status = (int16_t)transfer_frame(d, op, old);
    }
    frame_put_both(old);
    return 0;
}
