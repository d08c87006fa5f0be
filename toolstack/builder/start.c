/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start of day, as the ABI says (xen/xen.h, "start-of-day memory layout"): what the kernel
 * finds in memory and in its registers.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "builder/build.h"

#define RFLAGS_FIXED 0x2u
#define RFLAGS_IF    0x200u

/* The rings' places in their area. */
enum { RING_STORE, RING_CONSOLE };

static void fill_start_info(const struct build *b, start_info_t *si, uint64_t shared_mfn)
{
    const struct builder_request *r = b->request;
    const struct pv_layout *l = &b->layout;

    snprintf(si->magic, sizeof(si->magic), "xen-3.0-x86_64");
    si->nr_pages = l->nr_pages;
    si->shared_info = shared_mfn << XC_PAGE_SHIFT;
    si->flags = r->flags;
    si->store_mfn = b->memory.p2m[l->rings.pfn + RING_STORE];
    si->store_evtchn = r->store_port;
    si->console.domU.mfn = b->memory.p2m[l->rings.pfn + RING_CONSOLE];
    si->console.domU.evtchn = r->console_port;
    si->pt_base = l->tables.va;
    si->nr_pt_frames = l->tables.frames;
    si->mfn_list = l->p2m.va;
    if (l->p2m_tables.frames) {
        si->first_p2m_pfn = l->p2m.pfn;
        si->nr_p2m_frames = l->p2m.frames + l->p2m_tables.frames;
    }
    if (b->ramdisk_bytes) {
        si->mod_start = l->ramdisk.va ? l->ramdisk.va : l->ramdisk.pfn;
        si->mod_len = b->ramdisk_bytes;
        if (l->ramdisk.va == 0)
            si->flags |= SIF_MOD_START_PFN;
    }
    snprintf((char *)si->cmd_line, sizeof(si->cmd_line), "%s", r->cmdline);
}

/* No vCPU takes an event before its kernel says so. */
static int prepare_shared_info(struct build *b, uint64_t *mfn, struct message *why)
{
    const struct builder_request *r = b->request;
    xc_domaininfo_t info;

    if (xc_domain_getinfolist(r->xch, r->domid, 1, &info) != 1 || info.domain != r->domid)
        return message_set(why, -ESRCH, "domain %u is gone", r->domid);
    *mfn = info.shared_info_frame;
    xen_pfn_t frame = *mfn;
    shared_info_t *shared =
        xenforeignmemory_map(b->memory.fmem, r->domid, PROT_READ | PROT_WRITE, 1, &frame, NULL);
    if (shared == NULL)
        return message_errno(why, -errno, "the domain's shared page cannot be mapped");
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        shared->vcpu_info[i].evtchn_upcall_mask = 1;
    (void)xenforeignmemory_unmap(b->memory.fmem, shared, 1);
    return 0;
}

static int write_hypercall_page(struct build *b, struct message *why)
{
    const struct pv_kernel *k = &b->kernel.kernel;
    struct xen_domctl op = {.cmd = XEN_DOMCTL_hypercall_init, .domain = (domid_t)b->request->domid};

    if (k->hypercall_page == ~0ull)
        return 0;
    uint64_t pfn = (k->hypercall_page - k->virt_base) >> XC_PAGE_SHIFT;
    op.u.hypercall_init.gmfn = b->memory.p2m[pfn];
    if (xc_domctl(b->request->xch, &op))
        return message_errno(why, -errno, "the kernel's hypercall page cannot be made");
    return 0;
}

int start_write(struct build *b, struct message *why)
{
    uint64_t shared_mfn = 0;
    int rc = prepare_shared_info(b, &shared_mfn, why);

    if (rc)
        return rc;
    start_info_t *si = guest_memory_map(&b->memory, b->layout.start_info.pfn, 1, why);
    if (si == NULL)
        return -EIO;
    fill_start_info(b, si, shared_mfn);
    guest_memory_unmap(&b->memory, si, 1);
    return write_hypercall_page(b, why);
}

/* ---- Grants ------------------------------------------------------------------------------- */

/* The two references that the ABI sets apart, so that back-ends need not map frames. */
static int seed_grants(struct build *b, struct message *why)
{
    const struct builder_request *r = b->request;
    void *table = NULL;
    xenforeignmemory_resource_handle *resource = xenforeignmemory_map_resource(
        b->memory.fmem, (domid_t)r->domid, XENMEM_resource_grant_table,
        XENMEM_resource_grant_table_id_shared, 0, 1, &table, PROT_READ | PROT_WRITE, 0);

    if (resource == NULL)
        return message_errno(why, -errno, "the domain's grant table cannot be mapped");
    grant_entry_v1_t *entry = table;
    entry[GNTTAB_RESERVED_CONSOLE] =
        (grant_entry_v1_t){.flags = GTF_permit_access,
                           .domid = r->console_domid,
                           .frame = (uint32_t)b->memory.p2m[b->layout.rings.pfn + RING_CONSOLE]};
    entry[GNTTAB_RESERVED_XENSTORE] =
        (grant_entry_v1_t){.flags = GTF_permit_access,
                           .domid = r->store_domid,
                           .frame = (uint32_t)b->memory.p2m[b->layout.rings.pfn + RING_STORE]};
    (void)xenforeignmemory_unmap_resource(b->memory.fmem, resource);
    return 0;
}

/* ---- The first vCPU ----------------------------------------------------------------------- */

static void set_registers(const struct build *b, vcpu_guest_context_x86_64_t *c)
{
    const struct pv_layout *l = &b->layout;

    c->user_regs.rip = b->kernel.kernel.virt_entry;
    c->user_regs.rsp = l->stack.va + XC_PAGE_SIZE;
    c->user_regs.rsi = l->start_info.va;
    c->user_regs.rflags = RFLAGS_IF | RFLAGS_FIXED;
    c->user_regs.cs = FLAT_KERNEL_CS_X86_64;
    c->user_regs.ss = c->user_regs.ds = c->user_regs.es = c->user_regs.fs = c->user_regs.gs =
        FLAT_KERNEL_SS_X86_64;
    c->kernel_ss = FLAT_KERNEL_SS_X86_64;
    c->kernel_sp = c->user_regs.rsp;
    c->ctrlreg[3] = (uint64_t)b->memory.p2m[l->tables.pfn] << XC_PAGE_SHIFT;
    c->flags = VGCF_in_kernel_X86_64 | VGCF_online_X86_64;
}

int start_domain(struct build *b, struct message *why)
{
    const struct builder_request *r = b->request;
    vcpu_guest_context_any_t context;
    int rc = seed_grants(b, why);

    if (rc)
        return rc;
    if (r->max_memory_kib > r->memory_kib &&
        xc_domain_set_memmap_limit(r->xch, r->domid, r->max_memory_kib))
        return message_errno(why, -errno, "the domain's memory map is refused");
    memset(&context, 0, sizeof(context));
    set_registers(b, &context.x64);
    if (xc_vcpu_setcontext(r->xch, r->domid, 0, &context))
        return message_errno(why, -errno, "the first vCPU's registers are refused");
    return 0;
}
