/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What memory_op tells about memory: how much there is in the machine (XENMEM_maximum_ram_page),
 * how much a domain has and may have (XENMEM_current_reservation, XENMEM_maximum_reservation), its
 * highest page number (XENMEM_maximum_gpfn: a PV domain says it itself, in the shared page), and
 * where the machine-to-phys table is: its addresses (XENMEM_machphys_mapping), and its frames, for
 * tools that map it (XENMEM_machphys_mfn_list).
 *
 * test: memory=16
 */
#include "reservation.h"

#include <pv/trap.h>

#define M2P_CHUNK      (2ul << 20) /* bytes of the table in an extent of the list */
#define M2P_CHUNK_MFNS (M2P_CHUNK / sizeof(uint64_t))
#define CHUNKS_MAX     512u

static long about_domain(unsigned cmd, domid_t domain)
{
    return HYPERVISOR_memory_op(cmd, &domain);
}

/* What three operations have in common: they answer for a domain. */
static void domains(const char *name, unsigned cmd)
{
    static const domid_t bad[] = {1,      5,     DOMID_IO, DOMID_XEN, DOMID_COW, DOMID_INVALID,
                                  0x7fff, 0xffff};
    domid_t self = DOMID_SELF;
    long want = about_domain(cmd, DOMID_SELF);

    ok(want >= 0, "%s: there is an answer", name);
    is(about_domain(cmd, 0), want, "%s: the same for the domain's number", name);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is_error(about_domain(cmd, bad[i]), -XEN_ESRCH, "%s: domain %#x", name, bad[i]);
    is_error(HYPERVISOR_memory_op(cmd | 1 << START_SHIFT, &self), -XEN_EINVAL,
             "%s: nothing to be begun in the middle", name);
    for (const struct address *a = addresses(4); a->name; a++) {
        /* The first two bytes, the domain's number, are good where only the last byte is not. */
        bool good = a->readable || strcmp(a->name, "last byte unmapped") == 0;
        is_error(HYPERVISOR_memory_op(cmd, a->address), good ? want : -XEN_EFAULT,
                 "%s: argument %s", name, a->name);
    }
}

static void reservations(void)
{
    long has = about_domain(XENMEM_current_reservation, DOMID_SELF);
    long may = about_domain(XENMEM_maximum_reservation, DOMID_SELF);

    is(has, nr_pages, "the domain has what start_info says");
    ok(may >= has, "it may have at least as much");
    ok(balloon_out(10), "it gives ten pages back");
    is(about_domain(XENMEM_current_reservation, DOMID_SELF), has - 10, "it has ten less");
    is(about_domain(XENMEM_maximum_reservation, DOMID_SELF), may, "it may have as much as before");
    ok(balloon_in(), "it gets ten");
    is(about_domain(XENMEM_current_reservation, DOMID_SELF), has, "and has as many as before");
}

static void highest_page(void)
{
    unsigned long before = shared_info->arch.max_pfn;

    shared_info->arch.max_pfn = 1000;
    is(about_domain(XENMEM_maximum_gpfn, DOMID_SELF), 999, "one below what the domain says");
    shared_info->arch.max_pfn = 1ul << 40;
    is(about_domain(XENMEM_maximum_gpfn, DOMID_SELF), (1l << 40) - 1, "it is believed");
    shared_info->arch.max_pfn = 0;
    is(about_domain(XENMEM_maximum_gpfn, DOMID_SELF), 0, "a domain that says nothing has page 0");
    shared_info->arch.max_pfn = before;
}

static void highest_frame(void)
{
    long top = HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
    unsigned long highest = 0;

    ok(top > 0 && top < 1l << 40, "there is an end of memory");
    for (unsigned long pfn = 0; pfn < nr_pages; pfn++)
        if (p2m[pfn] > highest)
            highest = p2m[pfn];
    ok((long)highest < top, "all of the domain's frames are below");
    is(HYPERVISOR_memory_op(XENMEM_maximum_ram_page, (void *)NO_FRAME), top,
       "there is no argument that could be wrong");
    is_error(HYPERVISOR_memory_op(XENMEM_maximum_ram_page | 1 << START_SHIFT, NULL), -XEN_EINVAL,
             "the end of memory: nothing to be begun in the middle");
}

/* ---- The machine-to-phys table ------------------------------------------------------------ */

static void m2p_place(void)
{
    struct xen_machphys_mapping m = {0};
    uint64_t value;

    is_error(HYPERVISOR_memory_op(XENMEM_machphys_mapping, &m), 0, "the table has a place");
    is(m.v_start, MACH2PHYS_VIRT_START, "it starts where the ABI says");
    is(m.v_end, MACH2PHYS_VIRT_END, "it ends where the ABI says");
    is(m.max_mfn, HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL) - 1,
       "its last entry is the last frame's");
    ok(try_read((void *)(m.v_start + 8 * p2m[0]), &value) && value == 0, "it can be read");
    ok(!try_write((void *)(m.v_start + 8 * p2m[0]), 1), "it cannot be written");
    for (const struct address *a = addresses(sizeof(m)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_machphys_mapping, a->address),
                 a->writable ? 0 : -XEN_EFAULT, "the table's place: argument %s", a->name);
}

static struct xen_machphys_mfn_list list_of(xen_pfn_t *list, unsigned count)
{
    struct xen_machphys_mfn_list l = {.max_extents = count, .nr_extents = 77};

    set_xen_guest_handle(l.extent_start, list);
    return l;
}

static void m2p_frames(void)
{
    static xen_pfn_t list[CHUNKS_MAX];
    long top = HYPERVISOR_memory_op(XENMEM_maximum_ram_page, NULL);
    unsigned long wanted = ((unsigned long)top + M2P_CHUNK_MFNS - 1) / M2P_CHUNK_MFNS;

    memset(list, 0xff, sizeof(list));
    struct xen_machphys_mfn_list l = list_of(list, CHUNKS_MAX);
    is_error(HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, &l), 0, "the table's frames");
    ok(l.nr_extents >= wanted && l.nr_extents <= CHUNKS_MAX, "there is one for each part in use");
    ok(l.nr_extents == CHUNKS_MAX || list[l.nr_extents] == ~0ul, "no more are told");
    xen_pfn_t first = list[0], chunk = list[p2m[0] / M2P_CHUNK_MFNS];
    /* The part that tells of the domain's first page. */
    unsigned long mfn = chunk + p2m[0] % M2P_CHUNK_MFNS * 8 / PAGE_SIZE;
    long error;
    const unsigned long *window = map_frames(&mfn, 1, PTE_KERNEL_RO, DOMID_XEN, &error);
    ok(window && window[p2m[0] % (PAGE_SIZE / 8)] == 0, "the control domain maps it");
    window_free((void *)window, 1);
    ok(map_frames(&mfn, 1, PTE_KERNEL_RW, DOMID_XEN, &error) == NULL, "but not to write");
    ok(map_frames(&mfn, 1, PTE_KERNEL_RO, DOMID_SELF, &error) == NULL, "nor as its own");
    memset(list, 0xff, sizeof(list));
    l = list_of(list, 1);
    is_error(HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, &l), 0, "room for one");
    ok(l.nr_extents == 1 && list[0] == first && list[1] == ~0ul, "one is told");
    l = list_of(NULL, 0);
    is_error(HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, &l), 0, "room for none");
    is(l.nr_extents, 0, "none is told");
}

static void m2p_frames_addresses(void)
{
    for (const struct address *a = addresses(sizeof(xen_pfn_t)); a->name; a++) {
        struct xen_machphys_mfn_list l = list_of(a->address, 1);
        is_error(HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, &l), a->writable ? 0 : -XEN_EFAULT,
                 "the table's frames: list %s", a->name);
    }
    for (const struct address *a = addresses(sizeof(struct xen_machphys_mfn_list)); a->name; a++)
        is_error(HYPERVISOR_memory_op(XENMEM_machphys_mfn_list, a->address),
                 a->writable ? 0 : -XEN_EFAULT, "the table's frames: argument %s", a->name);
}

int main(void)
{
    reservations();
    domains("current reservation", XENMEM_current_reservation);
    domains("maximum reservation", XENMEM_maximum_reservation);
    shared_info->arch.max_pfn = nr_pages;
    domains("highest page", XENMEM_maximum_gpfn);
    highest_page();
    highest_frame();
    m2p_place();
    m2p_frames();
    m2p_frames_addresses();
    return done();
}
