/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grant-table hypercall: one table of operations, each on an array of structures of the
 * guest's; and the operations on a domain's table itself.
 *
 * An element is copied in once, carried out, and copied back with its status. Between elements the
 * hypercall may stop: the rest of the array is then the argument of the next one.
 */
#include <arch/memory.h>

#include "core/atomic.h"
#include "core/frame.h"
#include "core/grant_internal.h"
#include "core/guest.h"
#include "core/hypercall.h"
#include "core/lib.h"
#include "core/softirq.h"

/* ---- The table ----------------------------------------------------------------------------- */

/* A domain that an operation names, with the errors as statuses. */
static int named_domain(struct vcpu *v, uint16_t id, struct domain **d)
{
    int ret = domain_get_for(v, DOMID(id), d);

    if (ret == 0 && !(*d)->grant) {
        domain_put(*d);
        ret = -XEN_ESRCH;
    }
    if (ret == 0)
        return GNTST_okay;
    return ret == -XEN_EPERM ? GNTST_permission_denied : GNTST_bad_domain;
}

/* Write the frame numbers of the table, or of its status array, to the guest. GNTST_*. */
static int write_frame_list(struct domain *d, vaddr_t list, uint32_t count, bool status)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t frame = grant_table_frame(d, i, status).v;

        if (guest_write(VADDR(list.v + i * sizeof(frame)), &frame))
            return GNTST_bad_virt_addr;
    }
    return GNTST_okay;
}

/* A list begins where a guest may have one; whether all of it is mapped is seen later. */
static bool list_place_ok(vaddr_t list)
{
    return guest_range_ok(list, sizeof(uint64_t));
}

static long setup_table(struct vcpu *v, void *arg)
{
    struct gnttab_setup_table *op = arg;
    vaddr_t list = HANDLE_VA(op->frame_list);
    struct domain *d;

    if (!list_place_ok(list))
        return -XEN_EFAULT;
    op->status = (int16_t)named_domain(v, op->dom, &d);
    if (op->status != GNTST_okay)
        return 0;
    lock(&d->grant->lock);
    if (grant_grow(d, op->nr_frames))
        op->status = GNTST_general_error;
    unlock(&d->grant->lock);
    if (op->status == GNTST_okay)
        op->status = (int16_t)write_frame_list(d, list, op->nr_frames, false);
    domain_put(d);
    return 0;
}

static long get_status_frames(struct vcpu *v, void *arg)
{
    struct gnttab_get_status_frames *op = arg;
    vaddr_t list = HANDLE_VA(op->frame_list);
    struct domain *d;

    if (!list_place_ok(list))
        return -XEN_EFAULT;
    op->status = (int16_t)named_domain(v, op->dom, &d);
    if (op->status != GNTST_okay)
        return 0;
    lock(&d->grant->lock);
    if (d->grant->version != 2 || op->nr_frames > grant_status_frames(d->grant->nr_frames))
        op->status = op->nr_frames ? GNTST_general_error : GNTST_okay;
    unlock(&d->grant->lock);
    if (op->status == GNTST_okay)
        op->status = (int16_t)write_frame_list(d, list, op->nr_frames, true);
    domain_put(d);
    return 0;
}

static long query_size(struct vcpu *v, void *arg)
{
    struct gnttab_query_size *op = arg;
    struct domain *d;

    op->status = (int16_t)named_domain(v, op->dom, &d);
    if (op->status != GNTST_okay)
        return 0;
    op->nr_frames = READ_ONCE(d->grant->nr_frames);
    op->max_nr_frames = READ_ONCE(d->grant->max_frames);
    domain_put(d);
    return 0;
}

static long get_version(struct vcpu *v, void *arg)
{
    struct gnttab_get_version *op = arg;
    struct domain *d;

    switch (named_domain(v, op->dom, &d)) {
    case GNTST_okay:
        break;
    case GNTST_permission_denied:
        return -XEN_EPERM;
    default:
        return -XEN_ESRCH;
    }
    op->version = READ_ONCE(d->grant->version);
    domain_put(d);
    return 0;
}

/* ---- Versions ------------------------------------------------------------------------------ */

/*
 * The entries that tools may have filled in and still use keep their meaning when the version
 * changes; so version 1's form of them must be able to say it.
 */
static int save_reserved(struct grant_table *gt, struct grant_entry_v1 *saved)
{
    for (uint32_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
        const union grant_entry_v2 *e2;
        unsigned type;

        if (gt->version == 1) {
            saved[i] = *grant_entry_v1(gt, i);
            continue;
        }
        e2 = grant_entry_v2(gt, i);
        saved[i].flags = READ_ONCE(e2->hdr.flags);
        saved[i].domid = READ_ONCE(e2->hdr.domid);
        saved[i].frame = (uint32_t)READ_ONCE(e2->full_page.frame);
        type = saved[i].flags & GTF_type_mask;
        if (type == GTF_transitive ||
            (type == GTF_permit_access && (saved[i].flags & GTF_sub_page)))
            return -XEN_ERANGE;
        saved[i].flags |= *grant_status_of(gt, i) & (GTF_reading | GTF_writing);
    }
    return 0;
}

static void restore_reserved(struct grant_table *gt, const struct grant_entry_v1 *saved)
{
    const uint16_t in_use = GTF_reading | GTF_writing;

    for (uint32_t i = 0; i < GNTTAB_NR_RESERVED_ENTRIES; i++) {
        union grant_entry_v2 *e2;

        if (gt->version == 1) {
            *grant_entry_v1(gt, i) = saved[i];
            continue;
        }
        e2 = grant_entry_v2(gt, i);
        *grant_status_of(gt, i) = saved[i].flags & in_use;
        e2->hdr.flags = saved[i].flags & (uint16_t)~in_use;
        e2->hdr.domid = saved[i].domid;
        e2->full_page.frame = saved[i].frame;
    }
}

/* Lock held. */
static long change_version(struct domain *d, unsigned version)
{
    struct grant_entry_v1 saved[GNTTAB_NR_RESERVED_ENTRIES];
    struct grant_table *gt = d->grant;
    long ret;

    if (version == gt->version)
        return 0;
    if (gt->in_use)
        return -XEN_EBUSY;
    ret = version == 2 ? grant_make_status(d, gt->nr_frames) : 0;
    if (ret == 0)
        ret = save_reserved(gt, saved);
    if (ret)
        return ret;
    for (unsigned i = 0; i < gt->nr_frames; i++)
        memset(gt->frame[i], 0, PAGE_SIZE);
    for (unsigned i = 0; i < gt->nr_status; i++)
        memset(gt->status[i], 0, PAGE_SIZE);
    gt->version = version;
    restore_reserved(gt, saved);
    return 0;
}

static long set_version(struct vcpu *v, void *arg)
{
    struct gnttab_set_version *op = arg;
    struct grant_table *gt = v->domain->grant;
    long ret = -XEN_EINVAL;

    lock(&gt->lock);
    if (op->version >= 1 && op->version <= READ_ONCE(gt->max_version))
        ret = change_version(v->domain, op->version);
    op->version = gt->version;
    unlock(&gt->lock);
    return ret;
}

/* ---- Swap and cache maintenance ------------------------------------------------------------ */

static bool pinned(struct grant_table *gt, uint32_t ref)
{
    const struct grant_active *act = grant_active_of(gt, ref);

    return act && (act->readers || act->writers);
}

/* Lock held, both in range and not pinned: so nothing of ours refers to either. */
static void swap_entries(struct grant_table *gt, uint32_t a, uint32_t b)
{
    if (gt->version == 1) {
        struct grant_entry_v1 entry = *grant_entry_v1(gt, a);

        *grant_entry_v1(gt, a) = *grant_entry_v1(gt, b);
        *grant_entry_v1(gt, b) = entry;
    } else {
        union grant_entry_v2 entry = *grant_entry_v2(gt, a);
        grant_status_t status = *grant_status_of(gt, a);

        *grant_entry_v2(gt, a) = *grant_entry_v2(gt, b);
        *grant_entry_v2(gt, b) = entry;
        *grant_status_of(gt, a) = *grant_status_of(gt, b);
        *grant_status_of(gt, b) = status;
    }
}

static long swap_grant_ref(struct vcpu *v, void *arg)
{
    struct gnttab_swap_grant_ref *op = arg;
    struct grant_table *gt = v->domain->grant;
    uint32_t entries, a, b;

    lock(&gt->lock);
    entries = grant_entries(gt);
    a = (uint32_t)array_index_nospec(op->ref_a, entries);
    b = (uint32_t)array_index_nospec(op->ref_b, entries);
    if (op->ref_a >= entries || op->ref_b >= entries) {
        op->status = GNTST_bad_gntref;
    } else if (a != b && (pinned(gt, a) || pinned(gt, b))) {
        op->status = GNTST_eagain;
    } else {
        swap_entries(gt, a, b);
        op->status = GNTST_okay;
    }
    unlock(&gt->lock);
    return 0;
}

/*
 * Caches of this machine's CPUs are coherent with devices (Intel SDM 3A 12.3), so cleaning and
 * cleaning with invalidation have nothing to do, and a caller need not prove that it has the page
 * mapped. Invalidation alone would discard data, which no instruction does for one page.
 */
static long cache_flush(struct vcpu *v, void *arg)
{
    const struct gnttab_cache_flush *op = arg;
    mfn_t frame = maddr_to_mfn(MADDR(op->a.dev_bus_addr));

    (void)v;
    if (op->offset >= PAGE_SIZE || op->length > PAGE_SIZE ||
        op->offset + op->length > (int)PAGE_SIZE)
        return -XEN_EINVAL;
    if (op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL))
        return -XEN_EINVAL;
    if (op->length == 0 || op->op == 0)
        return 0;
    if (!mfn_valid(frame))
        return -XEN_EINVAL;
    if (frame_owner(frame).v == DOMID_INVALID)
        return -XEN_EPERM;
    return op->op == GNTTAB_CACHE_INVAL ? -XEN_EOPNOTSUPP : 0;
}

/* ---- The hypercall ------------------------------------------------------------------------- */

static long transfer(struct vcpu *v, void *arg)
{
    return grant_op_transfer(v, arg);
}

union grant_arg {
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_grant_ref unmap;
    struct gnttab_unmap_and_replace replace;
    struct gnttab_setup_table setup;
    struct gnttab_transfer transfer;
    struct gnttab_copy copy;
    struct gnttab_query_size query;
    struct gnttab_set_version set_version;
    struct gnttab_get_version get_version;
    struct gnttab_get_status_frames status_frames;
    struct gnttab_swap_grant_ref swap;
    struct gnttab_cache_flush cache;
};

/* ANY: there is one element, whatever the count says. */
enum arity { ONE, MANY, ANY };

/* Element size, and the part of it that is written back. */
#define WHOLE(type) sizeof(struct type), 0, sizeof(struct type)
#define ONLY(type, field)                                                                          \
    sizeof(struct type), offsetof(struct type, field), MEMBER_SIZE(type, field)
#define MEMBER_SIZE(type, field) sizeof(((struct type *)NULL)->field)

/* Dumping a table (GNTTABOP_dump_table) is for debugging, and answers -ENOSYS as on Xen. */
static const struct grant_op {
    long (*run)(struct vcpu *v, void *arg); /* NULL: done in batches */
    uint16_t arity, size, out, out_size;
} grant_ops[] = {
    [GNTTABOP_map_grant_ref] = {NULL, MANY, WHOLE(gnttab_map_grant_ref)},
    [GNTTABOP_unmap_grant_ref] = {NULL, MANY, WHOLE(gnttab_unmap_grant_ref)},
    [GNTTABOP_setup_table] = {setup_table, ONE, ONLY(gnttab_setup_table, status)},
    [GNTTABOP_transfer] = {transfer, MANY, ONLY(gnttab_transfer, status)},
    [GNTTABOP_copy] = {NULL, MANY, ONLY(gnttab_copy, status)},
    [GNTTABOP_query_size] = {query_size, ONE, WHOLE(gnttab_query_size)},
    [GNTTABOP_unmap_and_replace] = {NULL, MANY, WHOLE(gnttab_unmap_and_replace)},
    [GNTTABOP_set_version] = {set_version, ANY, WHOLE(gnttab_set_version)},
    [GNTTABOP_get_status_frames] = {get_status_frames, ONE, ONLY(gnttab_get_status_frames, status)},
    [GNTTABOP_get_version] = {get_version, ANY, ONLY(gnttab_get_version, version)},
    [GNTTABOP_swap_grant_ref] = {swap_grant_ref, MANY, ONLY(gnttab_swap_grant_ref, status)},
    [GNTTABOP_cache_flush] = {cache_flush, MANY, sizeof(struct gnttab_cache_flush), 0, 0},
};

/*
 * Batches: up to `count` elements, fewer when work is pending. Each returns how many are done; *ret
 * is -XEN_EFAULT when it stopped for that.
 */

static uint32_t map_batch(struct vcpu *v, vaddr_t array, uint32_t count, long *ret)
{
    struct grant_map_batch batch = {.domain = NULL};
    struct gnttab_map_grant_ref op;
    uint32_t i = 0;

    do {
        vaddr_t va = VADDR(array.v + i * sizeof(op));

        *ret = guest_read(&op, va);
        if (*ret)
            break;
        grant_op_map(v, &op, &batch);
        *ret = guest_write(va, &op);
    } while (++i < count && *ret == 0 && !preempt_wanted());
    grant_map_finish(&batch);
    return i;
}

static uint32_t copy_batch(struct vcpu *v, vaddr_t array, uint32_t count, long *ret)
{
    struct grant_copy_batch batch = {.src = {.readonly = true}};
    struct gnttab_copy op;
    uint32_t i = 0;

    do {
        vaddr_t va = VADDR(array.v + i * sizeof(op));

        *ret = guest_read(&op, va);
        if (*ret)
            break;
        grant_op_copy(v, &op, &batch);
        *ret = guest_write(VADDR(va.v + offsetof(struct gnttab_copy, status)), &op.status);
    } while (++i < count && *ret == 0 && !preempt_wanted());
    grant_copy_finish(&batch);
    return i;
}

/* One of the two unmap operations; they differ in their second address. */
static void unmap_element(struct vcpu *v, bool replace, union grant_arg *arg,
                          struct grant_unmap_batch *batch)
{
    if (replace)
        arg->replace.status = (int16_t)grant_unmap_one(
            v, arg->replace.handle, arg->replace.host_addr, 0, arg->replace.new_addr, batch);
    else
        arg->unmap.status = (int16_t)grant_unmap_one(v, arg->unmap.handle, arg->unmap.host_addr,
                                                     arg->unmap.dev_bus_addr, 0, batch);
}

/*
 * Their statuses are told before the flush, but no reference is dropped before, and the hypercall
 * does not return before.
 */
static uint32_t unmap_batch(struct vcpu *v, bool replace, vaddr_t array, uint32_t count, long *ret)
{
    size_t size = grant_ops[replace ? GNTTABOP_unmap_and_replace : GNTTABOP_unmap_grant_ref].size;
    struct grant_unmap_batch batch;
    union grant_arg arg;
    uint32_t i;

    batch.count = 0;
    batch.flush = false;
    batch.place.where = 0;
    for (i = 0; i < MIN(count, GRANT_UNMAP_BATCH) && *ret == 0; i++) {
        vaddr_t va = VADDR(array.v + i * size);

        if (guest_copy_in(&arg, va, size)) {
            *ret = -XEN_EFAULT;
            break;
        }
        unmap_element(v, replace, &arg, &batch);
        if (guest_copy_out(va, &arg, size))
            *ret = -XEN_EFAULT;
    }
    grant_unmap_finish(v->domain, &batch);
    return i;
}

static uint32_t run_batch(struct vcpu *v, unsigned cmd, vaddr_t array, uint32_t count, long *ret)
{
    switch (cmd) {
    case GNTTABOP_map_grant_ref:
        return map_batch(v, array, count, ret);
    case GNTTABOP_copy:
        return copy_batch(v, array, count, ret);
    default:
        return unmap_batch(v, cmd == GNTTABOP_unmap_and_replace, array, count, ret);
    }
}

static long run_element(struct vcpu *v, const struct grant_op *op, vaddr_t va)
{
    union grant_arg arg;
    long ret;

    if (guest_copy_in(&arg, va, op->size))
        return -XEN_EFAULT;
    ret = op->run(v, &arg);
    /* set_version tells the version in force when it refuses, too. */
    if (ret != -XEN_EFAULT &&
        guest_copy_out(VADDR(va.v + op->out), (const char *)&arg + op->out, op->out_size))
        ret = -XEN_EFAULT;
    return ret;
}

long hc_grant_table_op(struct vcpu *v, struct hypercall_args *a)
{
    unsigned cmd = (unsigned)a->arg[0];
    vaddr_t array = VADDR(a->arg[1]);
    uint32_t count = (uint32_t)a->arg[2];
    const struct grant_op *op;
    uint32_t done = 0;
    long ret = 0;

    if ((int32_t)count < 0)
        return -XEN_EINVAL;
    if (cmd >= ARRAY_SIZE(grant_ops) || grant_ops[cmd].size == 0)
        return -XEN_ENOSYS;
    op = &grant_ops[array_index_nospec(cmd, ARRAY_SIZE(grant_ops))];
    if (op->arity == ONE && count != 1)
        return -XEN_EINVAL;
    if (op->arity == ANY)
        count = 1;
    while (done < count && ret == 0) {
        if (done > 0 && preempt_wanted()) {
            uint64_t args[3] = {cmd, array.v + done * op->size, count - done};
            return hypercall_continue(__HYPERVISOR_grant_table_op, 3, args);
        }
        if (op->run) {
            ret = run_element(v, op, VADDR(array.v + done * op->size));
            done++;
        } else {
            done += run_batch(v, cmd, VADDR(array.v + done * op->size), count - done, &ret);
        }
    }
    return ret;
}
