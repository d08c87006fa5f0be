/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains' memory: how much, which frames, and what is in them.
 */
#define XC_WANT_COMPAT_MAP_FOREIGN_API 1
#include "private.h"

#include <sys/mman.h>

/* ---- Limits and maps ---------------------------------------------------------------------- */

int xc_domain_setmaxmem(xc_interface *xch, uint32_t domid, uint64_t max_memkb)
{
    struct xen_domctl op = xci_domctl(XEN_DOMCTL_max_mem, domid);

    op.u.max_mem.max_memkb = max_memkb;
    return xc_domctl(xch, &op);
}

int xc_domain_set_memory_map(xc_interface *xch, uint32_t domid, struct e820entry entries[],
                             uint32_t nr_entries)
{
    struct xen_foreign_memory_map map;
    size_t size = nr_entries * sizeof(entries[0]);
    void *buffer = xci_buffer_get(xch, entries, size);

    if (buffer == NULL)
        return -1;
    memset(&map, 0, sizeof(map));
    map.domid = (domid_t)domid;
    map.map.nr_entries = nr_entries;
    set_xen_guest_handle_raw(map.map.buffer, buffer);
    long rc = xc_memory_op(xch, XENMEM_set_memory_map, &map, sizeof(map));
    xci_buffer_put(xch, buffer, NULL, 0);
    return (int)rc;
}

int xc_domain_set_memmap_limit(xc_interface *xch, uint32_t domid, unsigned long map_limitkb)
{
    struct e820entry all = {.addr = 0, .size = (uint64_t)map_limitkb << 10, .type = 1 /* RAM */};

    return xc_domain_set_memory_map(xch, domid, &all, 1);
}

int xc_get_machine_memory_map(xc_interface *xch, struct e820entry entries[], uint32_t max_entries)
{
    size_t size = max_entries * sizeof(entries[0]);
    void *buffer = xci_buffer_get(xch, NULL, size);
    struct xen_memory_map map;

    if (buffer == NULL)
        return -1;
    memset(&map, 0, sizeof(map));
    map.nr_entries = max_entries;
    set_xen_guest_handle_raw(map.buffer, buffer);
    long rc = xc_memory_op(xch, XENMEM_machine_memory_map, &map, sizeof(map));
    xci_buffer_put(xch, buffer, rc == 0 ? entries : NULL, size);
    return rc ? (int)rc : (int)map.nr_entries;
}

/* ---- Numbers ------------------------------------------------------------------------------ */

int xc_domain_maximum_gpfn(xc_interface *xch, uint32_t domid, xen_pfn_t *gpfns)
{
    domid_t id = (domid_t)domid;
    long rc = xc_memory_op(xch, XENMEM_maximum_gpfn, &id, sizeof(id));

    if (rc < 0)
        return -1;
    *gpfns = (xen_pfn_t)rc;
    return 0;
}

int xc_domain_nr_gpfns(xc_interface *xch, uint32_t domid, xen_pfn_t *gpfns)
{
    int rc = xc_domain_maximum_gpfn(xch, domid, gpfns);

    if (rc == 0)
        *gpfns += 1;
    return rc;
}

long xc_get_tot_pages(xc_interface *xch, uint32_t domid)
{
    xc_dominfo_t info;

    if (xc_domain_getinfo(xch, domid, 1, &info) != 1 || info.domid != domid)
        return -1;
    return (long)info.nr_pages;
}

int xc_maximum_ram_page(xc_interface *xch, unsigned long *max_mfn)
{
    long rc = xc_memory_op(xch, XENMEM_maximum_ram_page, NULL, 0);

    if (rc < 0)
        return -1;
    *max_mfn = (unsigned long)rc;
    return 0;
}

int xc_machphys_mfn_list(xc_interface *xch, unsigned long max_extents, xen_pfn_t *extent_start)
{
    size_t size = max_extents * sizeof(*extent_start);
    void *buffer = xci_array_get(xch, extent_start, max_extents, sizeof(*extent_start));
    struct xen_machphys_mfn_list list = {.max_extents = (unsigned int)max_extents};

    if (buffer == NULL)
        return -1;
    set_xen_guest_handle_raw(list.extent_start, buffer);
    long rc = xc_memory_op(xch, XENMEM_machphys_mfn_list, &list, sizeof(list));
    xci_buffer_put(xch, buffer, extent_start, size);
    return (int)rc;
}

int xc_domain_claim_pages(xc_interface *xch, uint32_t domid, unsigned long nr_pages)
{
    struct xen_memory_reservation claim;

    memset(&claim, 0, sizeof(claim));
    claim.nr_extents = nr_pages;
    claim.domid = (domid_t)domid;
    return (int)xc_memory_op(xch, XENMEM_claim_pages, &claim, sizeof(claim));
}

/* ---- Giving and taking -------------------------------------------------------------------- */

static int reserve(xc_interface *xch, unsigned cmd, uint32_t domid, unsigned long nr_extents,
                   unsigned order, unsigned flags, xen_pfn_t *extents)
{
    struct xen_memory_reservation r;
    size_t size = nr_extents * sizeof(*extents);
    void *buffer = extents ? xci_array_get(xch, extents, nr_extents, sizeof(*extents)) : NULL;

    if (extents != NULL && buffer == NULL)
        return -1;
    memset(&r, 0, sizeof(r));
    r.nr_extents = nr_extents;
    r.extent_order = order;
    r.mem_flags = flags;
    r.domid = (domid_t)domid;
    set_xen_guest_handle_raw(r.extent_start, buffer);
    long rc = xc_memory_op(xch, cmd, &r, sizeof(r));
    xci_buffer_put(xch, buffer, extents, size);
    return (int)rc;
}

/* Of `nr` extents `done` were done, or it failed; `error`: what it is called that some were not. */
static int exactly(xc_interface *xch, const char *what, uint32_t domid, unsigned long nr, int done,
                   int error)
{
    if (done >= 0 && (unsigned long)done == nr)
        return 0;
    if (done >= 0) {
        errno = error;
        xci_fail(xch, XC_INTERNAL_ERROR, "%s of domain %u: %d of %lu extents", what, domid, done,
                 nr);
    }
    return -1;
}

int xc_domain_increase_reservation(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                                   unsigned int extent_order, unsigned int mem_flags,
                                   xen_pfn_t *extent_start)
{
    return reserve(xch, XENMEM_increase_reservation, domid, nr_extents, extent_order, mem_flags,
                   extent_start);
}

int xc_domain_increase_reservation_exact(xc_interface *xch, uint32_t domid,
                                         unsigned long nr_extents, unsigned int extent_order,
                                         unsigned int mem_flags, xen_pfn_t *extent_start)
{
    return exactly(xch, "more memory", domid, nr_extents,
                   xc_domain_increase_reservation(xch, domid, nr_extents, extent_order, mem_flags,
                                                  extent_start),
                   ENOMEM);
}

int xc_domain_decrease_reservation(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                                   unsigned int extent_order, xen_pfn_t *extent_start)
{
    if (extent_start == NULL) {
        errno = EINVAL;
        return -1;
    }
    return reserve(xch, XENMEM_decrease_reservation, domid, nr_extents, extent_order, 0,
                   extent_start);
}

int xc_domain_decrease_reservation_exact(xc_interface *xch, uint32_t domid,
                                         unsigned long nr_extents, unsigned int extent_order,
                                         xen_pfn_t *extent_start)
{
    return exactly(
        xch, "less memory", domid, nr_extents,
        xc_domain_decrease_reservation(xch, domid, nr_extents, extent_order, extent_start), EINVAL);
}

int xc_domain_populate_physmap(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                               unsigned int extent_order, unsigned int mem_flags,
                               xen_pfn_t *extent_start)
{
    return reserve(xch, XENMEM_populate_physmap, domid, nr_extents, extent_order, mem_flags,
                   extent_start);
}

int xc_domain_populate_physmap_exact(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                                     unsigned int extent_order, unsigned int mem_flags,
                                     xen_pfn_t *extent_start)
{
    return exactly(
        xch, "populating memory", domid, nr_extents,
        xc_domain_populate_physmap(xch, domid, nr_extents, extent_order, mem_flags, extent_start),
        EBUSY);
}

int xc_domain_memory_exchange_pages(xc_interface *xch, uint32_t domid, unsigned long nr_in_extents,
                                    unsigned int in_order, xen_pfn_t *in_extents,
                                    unsigned long nr_out_extents, unsigned int out_order,
                                    xen_pfn_t *out_extents)
{
    size_t out_size = nr_out_extents * sizeof(*out_extents);
    void *in = xci_array_get(xch, in_extents, nr_in_extents, sizeof(*in_extents));
    void *out = xci_array_get(xch, out_extents, nr_out_extents, sizeof(*out_extents));
    struct xen_memory_exchange exchange;
    long rc = -1;

    if (in != NULL && out != NULL) {
        memset(&exchange, 0, sizeof(exchange));
        exchange.in.nr_extents = nr_in_extents;
        exchange.in.extent_order = in_order;
        exchange.in.domid = (domid_t)domid;
        set_xen_guest_handle_raw(exchange.in.extent_start, in);
        exchange.out.nr_extents = nr_out_extents;
        exchange.out.extent_order = out_order;
        exchange.out.domid = (domid_t)domid;
        set_xen_guest_handle_raw(exchange.out.extent_start, out);
        rc = xc_memory_op(xch, XENMEM_exchange, &exchange, sizeof(exchange));
    }
    xci_buffer_put(xch, in, NULL, 0);
    xci_buffer_put(xch, out, out_extents, out_size);
    return (int)rc;
}

int xc_domain_add_to_physmap(xc_interface *xch, uint32_t domid, unsigned int space,
                             unsigned long idx, xen_pfn_t gpfn)
{
    struct xen_add_to_physmap add = {
        .domid = (domid_t)domid, .space = space, .idx = idx, .gpfn = gpfn};

    return (int)xc_memory_op(xch, XENMEM_add_to_physmap, &add, sizeof(add));
}

int xc_domain_remove_from_physmap(xc_interface *xch, uint32_t domid, xen_pfn_t gpfn)
{
    struct xen_remove_from_physmap remove = {.domid = (domid_t)domid, .gpfn = gpfn};

    return (int)xc_memory_op(xch, XENMEM_remove_from_physmap, &remove, sizeof(remove));
}

/* ---- Contents ----------------------------------------------------------------------------- */

void *xc_map_foreign_bulk(xc_interface *xch, uint32_t dom, int prot, const xen_pfn_t *arr, int *err,
                          unsigned int num)
{
    if (xch->fmem == NULL) {
        errno = ENODEV;
        return NULL;
    }
    return xenforeignmemory_map(xch->fmem, dom, prot, num, arr, err);
}

void *xc_map_foreign_pages(xc_interface *xch, uint32_t dom, int prot, const xen_pfn_t *arr, int num)
{
    if (num <= 0) {
        errno = EINVAL;
        return NULL;
    }
    return xc_map_foreign_bulk(xch, dom, prot, arr, NULL, (unsigned)num);
}

void *xc_map_foreign_range(xc_interface *xch, uint32_t dom, int size, int prot, unsigned long mfn)
{
    unsigned num = size > 0 ? ((unsigned)size + (unsigned)XC_PAGE_SIZE - 1) >> XC_PAGE_SHIFT : 0;
    xen_pfn_t *list = num > 0 ? calloc(num, sizeof(*list)) : NULL;
    void *at;

    if (num == 0)
        errno = EINVAL;
    if (list == NULL)
        return NULL;
    for (unsigned i = 0; i < num; i++)
        list[i] = mfn + i;
    at = xc_map_foreign_pages(xch, dom, prot, list, (int)num);
    free(list);
    return at;
}

int xc_copy_to_domain_page(xc_interface *xch, uint32_t domid, unsigned long dst_pfn,
                           const char *src_page)
{
    void *page =
        xc_map_foreign_range(xch, domid, (int)XC_PAGE_SIZE, PROT_READ | PROT_WRITE, dst_pfn);

    if (page == NULL)
        return -1;
    memcpy(page, src_page, XC_PAGE_SIZE);
    munmap(page, XC_PAGE_SIZE);
    return 0;
}

int xc_clear_domain_pages(xc_interface *xch, uint32_t domid, unsigned long dst_pfn, int num)
{
    size_t size = (size_t)num << XC_PAGE_SHIFT;
    void *pages = xc_map_foreign_range(xch, domid, (int)size, PROT_READ | PROT_WRITE, dst_pfn);

    if (pages == NULL)
        return -1;
    memset(pages, 0, size);
    munmap(pages, size);
    return 0;
}

#define ENTRY_PRESENT 1ull
#define ENTRY_LARGE   (1ull << 7)
#define ENTRY_FRAME   0x000ffffffffff000ull

unsigned long xc_translate_foreign_address(xc_interface *xch, uint32_t dom, int vcpu,
                                           unsigned long long virt)
{
    vcpu_guest_context_any_t context;

    if (xc_vcpu_getcontext(xch, dom, (uint32_t)vcpu, &context))
        return 0;
    uint64_t table = context.x64.ctrlreg[3] & ENTRY_FRAME;
    for (int level = 4; level >= 1; level--) {
        unsigned shift = (unsigned)(XC_PAGE_SHIFT + 9 * (level - 1));
        uint64_t *map =
            xc_map_foreign_range(xch, dom, (int)XC_PAGE_SIZE, PROT_READ, table >> XC_PAGE_SHIFT);
        if (map == NULL)
            return 0;
        uint64_t entry = map[virt >> shift & 511];
        munmap(map, XC_PAGE_SIZE);
        if (!(entry & ENTRY_PRESENT))
            return 0;
        table = entry & ENTRY_FRAME;
        if (level > 1 && entry & ENTRY_LARGE) {
            uint64_t within = virt & ((1ull << shift) - 1);
            return ((table & ~((1ull << shift) - 1)) + within) >> XC_PAGE_SHIFT;
        }
    }
    return table >> XC_PAGE_SHIFT;
}
