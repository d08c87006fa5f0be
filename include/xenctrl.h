/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control of domains from the control domain: names, signatures and behaviour of Xen 4.17's
 * libxenctrl, as far as Paravane has it. What is not declared here is not there.
 *
 * Unless a function says otherwise it returns 0 on success; on failure -1, or NULL, with errno set
 * to the hypervisor's error. What the hypervisor refuses fails like that, too, with the refusal as
 * errno. A handle may be used by several threads at once, but not by a child after fork(). Pages
 * have 4096 bytes; frame numbers of a PV domain are machine frames; KiB are 1024 bytes.
 *
 * docs/libxenctrl.md tells what is covered and how programs are built.
 */
#ifndef XENCTRL_H
#define XENCTRL_H

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/version.h>

#include <xen/foreign/x86_32.h>
#include <xen/foreign/x86_64.h>

#include <xentoollog.h>

#ifdef __cplusplus
extern "C" {
#endif

#define XC_PAGE_SHIFT 12
#define XC_PAGE_SIZE  (1UL << XC_PAGE_SHIFT)
#define XC_PAGE_MASK  (~(XC_PAGE_SIZE - 1))

#define INVALID_MFN (~0UL)

/* Memory barriers for rings shared with other domains; loads and stores of x86 keep their order. */
#define xen_barrier() __asm__ volatile("" : : : "memory")
#define xen_mb()      __sync_synchronize()
#define xen_rmb()     xen_barrier()
#define xen_wmb()     xen_barrier()

#define XENCTRL_HAS_XC_INTERFACE 1

/* ---- Handles and errors ------------------------------------------------------------------- */

typedef struct xc_interface_core xc_interface;

enum xc_open_flags {
    XC_OPENFLAG_DUMMY = 1 << 0,         /* nothing is opened: every call fails */
    XC_OPENFLAG_NON_REENTRANT = 1 << 1, /* the caller sees to it that calls do not overlap */
};

/*
 * Errors are told to `logger` (NULL: to stderr); `dombuild_logger` is not used. Wants the device
 * /dev/xen/privcmd, which is the superuser's.
 */
xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
                                unsigned open_flags);
int xc_interface_close(xc_interface *xch);

/* The handles within, for the libraries that they are of; not to be closed. */
struct xencall_handle *xc_interface_xcall_handle(xc_interface *xch);
struct xenforeignmemory_handle *xc_interface_fmem_handle(xc_interface *xch);

enum xc_error_code {
    XC_ERROR_NONE = 0,
    XC_INTERNAL_ERROR = 1,
    XC_INVALID_KERNEL = 2,
    XC_INVALID_PARAM = 3,
    XC_OUT_OF_MEMORY = 4,
};
typedef enum xc_error_code xc_error_code;

#define XC_MAX_ERROR_MSG_LEN 1024
typedef struct xc_error {
    enum xc_error_code code;
    char message[XC_MAX_ERROR_MSG_LEN];
} xc_error;

const char *xc_error_code_to_desc(int code);
/* The calling thread's last failure on this handle that the library itself had words for. */
const xc_error *xc_get_last_error(xc_interface *handle);
void xc_clear_last_error(xc_interface *xch);
const char *xc_strerror(xc_interface *xch, int errcode);

/* ---- Buffers for hypercalls --------------------------------------------------------------- */

/*
 * DECLARE_HYPERCALL_BUFFER(int, list) declares `int *list`, NULL at first, and what the library has
 * to know of it. xc_hypercall_buffer_alloc() gives it memory that the hypervisor can reach, which
 * set_xen_guest_handle(op.field, list) then names in a structure. Only what was declared so can be
 * named there: a forgotten buffer does not compile. The structure is the library's.
 */
struct xc_hypercall_buffer {
    void *hbuf;                               /* the memory */
    struct xc_hypercall_buffer *param_shadow; /* it stands for this one */
    int dir;                                  /* these are not used, and stay as they are */
    void *ubuf;
    size_t sz;
};
typedef struct xc_hypercall_buffer xc_hypercall_buffer_t;

#define XC__HYPERCALL_BUFFER_NAME(name) xc__hypercall_buffer_##name
#define HYPERCALL_BUFFER_INIT_NO_BOUNCE .dir = 0, .ubuf = (void *)-1, .sz = 0

#define DECLARE_HYPERCALL_BUFFER(type, name)                                                       \
    type *name = NULL;                                                                             \
    xc_hypercall_buffer_t XC__HYPERCALL_BUFFER_NAME(name) = {                                      \
        .hbuf = NULL, .param_shadow = NULL, HYPERCALL_BUFFER_INIT_NO_BOUNCE}

/* `name` stands for the buffer that a function was given as a parameter. */
#define DECLARE_HYPERCALL_BUFFER_ARGUMENT(name)                                                    \
    xc_hypercall_buffer_t XC__HYPERCALL_BUFFER_NAME(name) = {                                      \
        .hbuf = (void *)-1, .param_shadow = (name), HYPERCALL_BUFFER_INIT_NO_BOUNCE}

/* The same, with `type *name` for what is in it. */
#define DECLARE_HYPERCALL_BUFFER_SHADOW(type, name, buffer)                                        \
    type *name = (buffer)->hbuf;                                                                   \
    __attribute__((unused)) xc_hypercall_buffer_t XC__HYPERCALL_BUFFER_NAME(name) = {              \
        .hbuf = (void *)-1, .param_shadow = (buffer), HYPERCALL_BUFFER_INIT_NO_BOUNCE}

static inline xc_hypercall_buffer_t *xc__hypercall_buffer_of(xc_hypercall_buffer_t *b)
{
    return b->param_shadow != NULL ? b->param_shadow : b;
}

#define HYPERCALL_BUFFER(name)        xc__hypercall_buffer_of(&XC__HYPERCALL_BUFFER_NAME(name))
#define HYPERCALL_BUFFER_AS_ARG(name) ((unsigned long)HYPERCALL_BUFFER(name)->hbuf)

#undef set_xen_guest_handle
#define set_xen_guest_handle(handle, name)                                                         \
    set_xen_guest_handle_raw(handle, HYPERCALL_BUFFER(name)->hbuf)
/* `offset` counts elements. */
#define set_xen_guest_handle_offset(handle, name, offset)                                          \
    set_xen_guest_handle_raw(                                                                      \
        handle, (void *)((char *)HYPERCALL_BUFFER(name)->hbuf + sizeof(*(name)) * (offset)))

/* set_xen_guest_handle(field, HYPERCALL_BUFFER_NULL): no buffer. */
extern xc_hypercall_buffer_t XC__HYPERCALL_BUFFER_NAME(HYPERCALL_BUFFER_NULL);

/* By bytes, or by whole pages; zeroed. Freeing one that was not allocated does nothing. */
void *xc__hypercall_buffer_alloc(xc_interface *xch, xc_hypercall_buffer_t *b, size_t size);
void xc__hypercall_buffer_free(xc_interface *xch, xc_hypercall_buffer_t *b);
void *xc__hypercall_buffer_alloc_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages);
void xc__hypercall_buffer_free_pages(xc_interface *xch, xc_hypercall_buffer_t *b, int nr_pages);

/* They set the declared pointer as well. */
#define xc_hypercall_buffer_alloc(xch, name, size)                                                 \
    ((name) = xc__hypercall_buffer_alloc(xch, HYPERCALL_BUFFER(name), size))
#define xc_hypercall_buffer_free(xch, name) xc__hypercall_buffer_free(xch, HYPERCALL_BUFFER(name))
#define xc_hypercall_buffer_alloc_pages(xch, name, pages)                                          \
    ((name) = xc__hypercall_buffer_alloc_pages(xch, HYPERCALL_BUFFER(name), pages))
#define xc_hypercall_buffer_free_pages(xch, name, pages)                                           \
    xc__hypercall_buffer_free_pages(xch, HYPERCALL_BUFFER(name), pages)

/* ---- Any hypercall ------------------------------------------------------------------------ */

/* The interface's version is filled in. -1, or what the hypervisor returned. */
int xc_domctl(xc_interface *xch, struct xen_domctl *domctl);
int xc_sysctl(xc_interface *xch, struct xen_sysctl *sysctl);
/* `len` bytes of arg go to the hypervisor and come back; pointers within are the caller's. */
long xc_memory_op(xc_interface *xch, unsigned int cmd, void *arg, size_t len);
/* -EINVAL for a command that is not known. */
int xc_version(xc_interface *xch, int cmd, void *arg);
int xc_mmuext_op(xc_interface *xch, struct mmuext_op *op, unsigned int nr_ops, uint32_t dom);
int xc_gnttab_op(xc_interface *xch, int cmd, void *op, int op_size, int count);

/* ---- Sets of CPUs and nodes: bit arrays of xc_get_*map_size() bytes, for free() ------------ */

typedef uint8_t *xc_cpumap_t;
typedef uint8_t *xc_nodemap_t;

int xc_get_max_cpus(xc_interface *xch); /* one past the highest number */
int xc_get_online_cpus(xc_interface *xch);
int xc_get_cpumap_size(xc_interface *xch);
xc_cpumap_t xc_cpumap_alloc(xc_interface *xch); /* empty */
void xc_cpumap_clearcpu(int cpu, xc_cpumap_t map);
void xc_cpumap_setcpu(int cpu, xc_cpumap_t map);
int xc_cpumap_testcpu(int cpu, xc_cpumap_t map);
int xc_get_max_nodes(xc_interface *xch);
int xc_get_nodemap_size(xc_interface *xch);
xc_nodemap_t xc_nodemap_alloc(xc_interface *xch);

/* ---- Domains ------------------------------------------------------------------------------ */

typedef struct xc_dominfo {
    uint32_t domid;
    uint32_t ssidref;
    unsigned int dying : 1, crashed : 1, shutdown : 1, paused : 1, blocked : 1, running : 1,
        hvm : 1, debugged : 1, xenstore : 1, hap : 1;
    unsigned int shutdown_reason; /* SHUTDOWN_*, when it is shut down */
    unsigned long nr_pages;       /* that it has */
    unsigned long nr_outstanding_pages;
    unsigned long nr_shared_pages;
    unsigned long nr_paged_pages;
    unsigned long shared_info_frame;
    uint64_t cpu_time; /* ns, of all its vCPUs */
    unsigned long max_memkb;
    unsigned int nr_online_vcpus;
    unsigned int max_vcpu_id;
    xen_domain_handle_t handle;
    unsigned int cpupool;
    uint8_t gpaddr_bits;
    struct xen_arch_domainconfig arch_config;
} xc_dominfo_t;

typedef xen_domctl_getdomaininfo_t xc_domaininfo_t;

/* *pdomid: the wished number, or 0 for any; then the one that it has. Paused, without memory. */
int xc_domain_create(xc_interface *xch, uint32_t *pdomid, struct xen_domctl_createdomain *config);
int xc_domain_max_vcpus(xc_interface *xch, uint32_t domid, unsigned int max);
/* Pauses nest. */
int xc_domain_pause(xc_interface *xch, uint32_t domid);
int xc_domain_unpause(xc_interface *xch, uint32_t domid);
/* Returns when all of it is gone. */
int xc_domain_destroy(xc_interface *xch, uint32_t domid);
/* Declares it shut down; its kernel is not asked. */
int xc_domain_shutdown(xc_interface *xch, uint32_t domid, int reason);
/* The caller's own watchdog; the new one's number for id 0. */
int xc_watchdog(xc_interface *xch, uint32_t id, uint32_t timeout);
int xc_domain_sethandle(xc_interface *xch, uint32_t domid, xen_domain_handle_t handle);
/* From first_domid on; how many there were, or -1. */
int xc_domain_getinfo(xc_interface *xch, uint32_t first_domid, unsigned int max_doms,
                      xc_dominfo_t *info);
int xc_domain_getinfolist(xc_interface *xch, uint32_t first_domain, unsigned int max_domains,
                          xc_domaininfo_t *info);
int xc_domain_get_guest_width(xc_interface *xch, uint32_t domid, unsigned int *guest_width);
int xc_domain_set_time_offset(xc_interface *xch, uint32_t domid, int32_t time_offset_seconds);
int xc_domain_set_tsc_info(xc_interface *xch, uint32_t domid, uint32_t tsc_mode,
                           uint64_t elapsed_nsec, uint32_t gtsc_khz, uint32_t incarnation);
int xc_domain_get_tsc_info(xc_interface *xch, uint32_t domid, uint32_t *tsc_mode,
                           uint64_t *elapsed_nsec, uint32_t *gtsc_khz, uint32_t *incarnation);
int xc_domain_setdebugging(xc_interface *xch, uint32_t domid, unsigned int enable);
/* Who gets a global VIRQ of the hypervisor; Paravane: the control domain, always. */
int xc_domain_set_virq_handler(xc_interface *xch, uint32_t domid, int virq);
/* Of the rings of its devices: XEN_IO_PROTO_ABI_*. In libxenguest. */
const char *xc_domain_get_native_protocol(xc_interface *xch, uint32_t domid);
/* Shadow page tables; Paravane has none: what turns them off works. */
int xc_shadow_control(xc_interface *xch, uint32_t domid, unsigned int sop, unsigned int *mb,
                      unsigned int mode);
int xc_domain_node_setaffinity(xc_interface *xch, uint32_t domind, xc_nodemap_t nodemap);
int xc_domain_node_getaffinity(xc_interface *xch, uint32_t domind, xc_nodemap_t nodemap);

/* ---- vCPUs -------------------------------------------------------------------------------- */

typedef union {
    vcpu_guest_context_x86_64_t x64;
    vcpu_guest_context_x86_32_t x32;
    vcpu_guest_context_t c;
} vcpu_guest_context_any_t;

typedef union {
    shared_info_x86_64_t x64;
    shared_info_x86_32_t x32;
    shared_info_t s;
} shared_info_any_t;

typedef union {
    start_info_x86_64_t x64;
    start_info_x86_32_t x32;
    start_info_t s;
} start_info_any_t;

typedef struct xen_domctl_getvcpuinfo xc_vcpuinfo_t;

int xc_vcpu_getinfo(xc_interface *xch, uint32_t domid, uint32_t vcpu, xc_vcpuinfo_t *info);
/* CPU time in ns, or -1. */
long long xc_domain_get_cpu_usage(xc_interface *xch, uint32_t domid, int vcpu);
/* Without a context: the vCPU has none any more, where the hypervisor can (Paravane: EINVAL). */
int xc_vcpu_setcontext(xc_interface *xch, uint32_t domid, uint32_t vcpu,
                       vcpu_guest_context_any_t *ctxt);
int xc_vcpu_getcontext(xc_interface *xch, uint32_t domid, uint32_t vcpu,
                       vcpu_guest_context_any_t *ctxt);
/* flags: XEN_VCPUAFFINITY_*. The sets come back as what is in force. */
int xc_vcpu_setaffinity(xc_interface *xch, uint32_t domid, int vcpu, xc_cpumap_t cpumap_hard_inout,
                        xc_cpumap_t cpumap_soft_inout, uint32_t flags);
int xc_vcpu_getaffinity(xc_interface *xch, uint32_t domid, int vcpu, xc_cpumap_t cpumap_hard,
                        xc_cpumap_t cpumap_soft, uint32_t flags);

/* ---- Scheduling --------------------------------------------------------------------------- */

int xc_sched_id(xc_interface *xch, int *sched_id);
int xc_sched_credit_params_set(xc_interface *xch, uint32_t cpupool_id,
                               struct xen_sysctl_credit_schedule *schedule);
int xc_sched_credit_params_get(xc_interface *xch, uint32_t cpupool_id,
                               struct xen_sysctl_credit_schedule *schedule);
int xc_sched_credit_domain_set(xc_interface *xch, uint32_t domid,
                               struct xen_domctl_sched_credit *sdom);
int xc_sched_credit_domain_get(xc_interface *xch, uint32_t domid,
                               struct xen_domctl_sched_credit *sdom);
int xc_sched_credit2_params_set(xc_interface *xch, uint32_t cpupool_id,
                                struct xen_sysctl_credit2_schedule *schedule);
int xc_sched_credit2_params_get(xc_interface *xch, uint32_t cpupool_id,
                                struct xen_sysctl_credit2_schedule *schedule);
int xc_sched_credit2_domain_set(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *sdom);
int xc_sched_credit2_domain_get(xc_interface *xch, uint32_t domid,
                                struct xen_domctl_sched_credit2 *sdom);

typedef struct xc_cpupoolinfo {
    uint32_t cpupool_id;
    uint32_t sched_id;
    uint32_t n_dom;
    xc_cpumap_t cpumap;
} xc_cpupoolinfo_t;

#define XC_CPUPOOL_POOLID_ANY 0xffffffffu

int xc_cpupool_create(xc_interface *xch, uint32_t *ppoolid, uint32_t sched_id);
int xc_cpupool_destroy(xc_interface *xch, uint32_t poolid);
/* cpu -1: any. */
int xc_cpupool_addcpu(xc_interface *xch, uint32_t poolid, int cpu);
int xc_cpupool_removecpu(xc_interface *xch, uint32_t poolid, int cpu);
/* The CPUs that are in no pool; for free(). */
xc_cpumap_t xc_cpupool_freeinfo(xc_interface *xch);
xc_cpupoolinfo_t *xc_cpupool_getinfo(xc_interface *xch, uint32_t poolid);
void xc_cpupool_infofree(xc_interface *xch, xc_cpupoolinfo_t *info);
int xc_cpupool_movedomain(xc_interface *xch, uint32_t poolid, uint32_t domid);

/* ---- Memory ------------------------------------------------------------------------------- */

#define E820_RAM      1
#define E820_RESERVED 2
#define E820_ACPI     3
#define E820_NVS      4
#define E820_UNUSABLE 5

#define E820MAX 128

struct e820entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

int xc_domain_setmaxmem(xc_interface *xch, uint32_t domid, uint64_t max_memkb);
int xc_domain_set_memmap_limit(xc_interface *xch, uint32_t domid, unsigned long map_limitkb);
int xc_domain_set_memory_map(xc_interface *xch, uint32_t domid, struct e820entry entries[],
                             uint32_t nr_entries);
/* How many entries there were, or -1. */
int xc_get_machine_memory_map(xc_interface *xch, struct e820entry entries[], uint32_t max_entries);
int xc_domain_maximum_gpfn(xc_interface *xch, uint32_t domid, xen_pfn_t *gpfns);
int xc_domain_nr_gpfns(xc_interface *xch, uint32_t domid, xen_pfn_t *gpfns);
long xc_get_tot_pages(xc_interface *xch, uint32_t domid);
int xc_maximum_ram_page(xc_interface *xch, unsigned long *max_mfn);
int xc_machphys_mfn_list(xc_interface *xch, unsigned long max_extents, xen_pfn_t *extent_start);
int xc_domain_claim_pages(xc_interface *xch, uint32_t domid, unsigned long nr_pages);

/*
 * Extents of 2^order pages. Without _exact: how many were done, or -1. With it: 0 when all were,
 * else -1, and when it was some or none ENOMEM (increase), EINVAL (decrease), EBUSY (populate).
 */
int xc_domain_increase_reservation(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                                   unsigned int extent_order, unsigned int mem_flags,
                                   xen_pfn_t *extent_start);
int xc_domain_increase_reservation_exact(xc_interface *xch, uint32_t domid,
                                         unsigned long nr_extents, unsigned int extent_order,
                                         unsigned int mem_flags, xen_pfn_t *extent_start);
int xc_domain_decrease_reservation(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                                   unsigned int extent_order, xen_pfn_t *extent_start);
int xc_domain_decrease_reservation_exact(xc_interface *xch, uint32_t domid,
                                         unsigned long nr_extents, unsigned int extent_order,
                                         xen_pfn_t *extent_start);
int xc_domain_populate_physmap(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                               unsigned int extent_order, unsigned int mem_flags,
                               xen_pfn_t *extent_start);
int xc_domain_populate_physmap_exact(xc_interface *xch, uint32_t domid, unsigned long nr_extents,
                                     unsigned int extent_order, unsigned int mem_flags,
                                     xen_pfn_t *extent_start);

/* Frames for other frames, of the same number altogether; in_extents are gone then. */
int xc_domain_memory_exchange_pages(xc_interface *xch, uint32_t domid, unsigned long nr_in_extents,
                                    unsigned int in_order, xen_pfn_t *in_extents,
                                    unsigned long nr_out_extents, unsigned int out_order,
                                    xen_pfn_t *out_extents);
int xc_domain_add_to_physmap(xc_interface *xch, uint32_t domid, unsigned int space,
                             unsigned long idx, xen_pfn_t gpfn);
int xc_domain_remove_from_physmap(xc_interface *xch, uint32_t domid, xen_pfn_t gpfn);

int xc_copy_to_domain_page(xc_interface *xch, uint32_t domid, unsigned long dst_pfn,
                           const char *src_page);
int xc_clear_domain_pages(xc_interface *xch, uint32_t domid, unsigned long dst_pfn, int num);
static inline int xc_clear_domain_page(xc_interface *xch, uint32_t domid, unsigned long dst_pfn)
{
    return xc_clear_domain_pages(xch, domid, dst_pfn, 1);
}
/* The frame that a virtual address is mapped to, by the vCPU's page tables; 0: none. */
unsigned long xc_translate_foreign_address(xc_interface *xch, uint32_t dom, int vcpu,
                                           unsigned long long virt);

/* ---- Grants and event channels ------------------------------------------------------------ */

int xc_gnttab_query_size(xc_interface *xch, struct gnttab_query_size *query);
int xc_gnttab_get_version(xc_interface *xch, uint32_t domid);
/* All of the table, *gnt_num its entries; munmap(). */
grant_entry_v1_t *xc_gnttab_map_table_v1(xc_interface *xch, uint32_t domid, int *gnt_num);
grant_entry_v2_t *xc_gnttab_map_table_v2(xc_interface *xch, uint32_t domid, int *gnt_num);

typedef int xc_evtchn_port_or_error_t;
typedef struct evtchn_status xc_evtchn_status_t;

/* A port of domain `dom` that `remote_dom` may connect to. */
xc_evtchn_port_or_error_t xc_evtchn_alloc_unbound(xc_interface *xch, uint32_t dom,
                                                  uint32_t remote_dom);
int xc_evtchn_reset(xc_interface *xch, uint32_t dom);
int xc_evtchn_status(xc_interface *xch, xc_evtchn_status_t *status);

/* ---- Devices ------------------------------------------------------------------------------ */

int xc_domain_ioport_permission(xc_interface *xch, uint32_t domid, uint32_t first_port,
                                uint32_t nr_ports, uint32_t allow_access);
int xc_domain_irq_permission(xc_interface *xch, uint32_t domid, uint32_t pirq, bool allow_access);
int xc_domain_iomem_permission(xc_interface *xch, uint32_t domid, unsigned long first_mfn,
                               unsigned long nr_mfns, uint8_t allow_access);
/* *pirq: the wished one, or -1; then the one that it is. */
int xc_physdev_map_pirq(xc_interface *xch, uint32_t domid, int index, int *pirq);
int xc_physdev_map_pirq_msi(xc_interface *xch, uint32_t domid, int index, int *pirq, int devfn,
                            int bus, int entry_nr, uint64_t table_base);
int xc_physdev_unmap_pirq(xc_interface *xch, uint32_t domid, int pirq);

/* ---- The machine -------------------------------------------------------------------------- */

typedef struct xen_sysctl_physinfo xc_physinfo_t;
typedef struct xen_sysctl_cputopo xc_cputopo_t;
typedef struct xen_sysctl_numainfo xc_numainfo_t;
typedef struct xen_sysctl_meminfo xc_meminfo_t;
typedef struct xen_sysctl_pcitopoinfo xc_pcitopoinfo_t;
typedef struct xen_sysctl_cpuinfo xc_cpuinfo_t;

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info);
/* *max_cpus: room; then how many there are. A null array asks for the number alone. */
int xc_cputopoinfo(xc_interface *xch, unsigned *max_cpus, xc_cputopo_t *cputopo);
int xc_numainfo(xc_interface *xch, unsigned *max_nodes, xc_meminfo_t *meminfo, uint32_t *distance);
int xc_pcitopoinfo(xc_interface *xch, unsigned num_devs, physdev_pci_device_t *devs,
                   uint32_t *nodes);
int xc_getcpuinfo(xc_interface *xch, int max_cpus, xc_cpuinfo_t *info, int *nr_cpus);
int xc_cpu_online(xc_interface *xch, int cpu);
int xc_cpu_offline(xc_interface *xch, int cpu);
/* Widths 0 and node -1: all of free memory. */
int xc_availheap(xc_interface *xch, int min_width, int max_width, int node, uint64_t *bytes);
/* The hypervisor's log. *pnr_chars: room; then what came. *pindex: where to go on (incremental). */
int xc_readconsolering(xc_interface *xch, char *buffer, unsigned int *pnr_chars, int clear,
                       int incremental, uint32_t *pindex);
int xc_send_debug_keys(xc_interface *xch, const char *keys);

#ifdef __cplusplus
}
#endif

#include "xenctrl_compat.h"

#endif
