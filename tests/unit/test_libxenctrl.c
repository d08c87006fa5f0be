/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/libxenctrl/buffer.c toolstack/libxenctrl/call.c toolstack/libxenctrl/domain.c
 * links: toolstack/libxenctrl/interface.c toolstack/libxenctrl/machine.c
 * links: toolstack/libxenctrl/memory.c toolstack/libxenctrl/schedule.c
 * links: toolstack/libxenctrl/share.c toolstack/libxenctrl/vcpu.c toolstack/libxenctrl/device.c
 * links: tests/unit/host.c
 * libs: -lxentoollog -lpthread
 *
 * The control library without a hypervisor: what it gives to one and takes from it, that it gives
 * all its buffers back, whatever fails, and sets of CPUs of any size.
 */
#define XC_WANT_COMPAT_MAP_FOREIGN_API 1
#include "toolstack/libxenctrl/private.h"

#include <pthread.h>
#include <sys/mman.h>

#include "tap.h"

/* ---- A played libxencall ------------------------------------------------------------------ */

/*
 * Buffers are counted, and each is as large as was asked for, so that the sanitizer sees who goes
 * beyond. The hypervisor is a function: it finds its arguments and returns 0 or a negative errno.
 */
struct xencall_handle {
    int dummy;
};

static struct xencall_handle the_call;
static int buffers, failing_in; /* allocations until one fails; 0: none does */
static long (*hypervisor)(unsigned call, uint64_t *arg);
static int calls;
static unsigned cpus = 2;

xencall_handle *xencall_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return &the_call;
}

int xencall_close(xencall_handle *xcall)
{
    (void)xcall;
    return 0;
}

void *xencall_alloc_buffer(xencall_handle *xcall, size_t size)
{
    void *buffer;

    (void)xcall;
    if (failing_in != 0 && --failing_in == 0)
        buffer = NULL;
    else
        buffer = size < 1ul << 40 ? malloc(size) : NULL;
    if (buffer == NULL)
        errno = ENOMEM;
    else
        buffers++;
    return buffer;
}

void xencall_free_buffer(xencall_handle *xcall, void *p)
{
    (void)xcall;
    buffers -= p != NULL;
    free(p);
    errno = ENOTTY; /* who wants to keep errno must do so */
}

void *xencall_alloc_buffer_pages(xencall_handle *xcall, size_t pages)
{
    return xencall_alloc_buffer(xcall, pages << XC_PAGE_SHIFT);
}

void xencall_free_buffer_pages(xencall_handle *xcall, void *p, size_t pages)
{
    (void)pages;
    xencall_free_buffer(xcall, p);
}

static long answer_call(unsigned call, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    uint64_t arg[] = {a0, a1, a2, a3};
    long rc = 0;

    calls++;
    if (call == __HYPERVISOR_sysctl && ((struct xen_sysctl *)a0)->cmd == XEN_SYSCTL_physinfo) {
        xc_physinfo_t *info = &((struct xen_sysctl *)a0)->u.physinfo;

        info->max_cpu_id = cpus - 1;
        info->nr_cpus = cpus;
        info->max_node_id = cpus / 8;
    } else if (hypervisor != NULL) {
        rc = hypervisor(call, arg);
    }
    if (rc >= 0)
        return rc;
    errno = (int)-rc;
    return -1;
}

int xencall1(xencall_handle *xcall, unsigned op, uint64_t a1)
{
    (void)xcall;
    return (int)answer_call(op, a1, 0, 0, 0);
}

int xencall2(xencall_handle *xcall, unsigned op, uint64_t a1, uint64_t a2)
{
    (void)xcall;
    return (int)answer_call(op, a1, a2, 0, 0);
}

long xencall2L(xencall_handle *xcall, unsigned op, uint64_t a1, uint64_t a2)
{
    (void)xcall;
    return answer_call(op, a1, a2, 0, 0);
}

int xencall3(xencall_handle *xcall, unsigned op, uint64_t a1, uint64_t a2, uint64_t a3)
{
    (void)xcall;
    return (int)answer_call(op, a1, a2, a3, 0);
}

int xencall4(xencall_handle *xcall, unsigned op, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    (void)xcall;
    return (int)answer_call(op, a1, a2, a3, a4);
}

/* ---- A played libxenforeignmemory --------------------------------------------------------- */

static size_t pages_mapped;
static xentoollog_logger *quiet;

xenforeignmemory_handle *xenforeignmemory_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return (xenforeignmemory_handle *)&the_call;
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
    (void)fmem;
    return 0;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom, int prot, size_t pages,
                           const xen_pfn_t arr[], int err[])
{
    (void)fmem;
    (void)dom;
    (void)arr;
    (void)err;
    pages_mapped = pages;
    void *at = mmap(NULL, pages << XC_PAGE_SHIFT, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static xc_interface *open_handle(unsigned with_cpus)
{
    cpus = with_cpus;
    hypervisor = NULL;
    failing_in = calls = 0;
    return xc_interface_open(quiet, NULL, 0);
}

/* ---- Sets --------------------------------------------------------------------------------- */

static void test_sets(void)
{
    static const unsigned counts[] = {1, 7, 8, 9, 63, 64, 65, 4095};

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        unsigned n = counts[i], wrong = 0;
        xc_interface *xch = open_handle(n);
        xc_cpumap_t map = xc_cpumap_alloc(xch);

        ok(xc_get_cpumap_size(xch) == (int)(n + 7) / 8, "a set of %u CPUs has its size", n);
        for (unsigned cpu = 0; cpu < n; cpu++) {
            wrong += xc_cpumap_testcpu((int)cpu, map);
            xc_cpumap_setcpu((int)cpu, map);
            wrong += !xc_cpumap_testcpu((int)cpu, map);
        }
        for (unsigned cpu = 0; cpu < n; cpu += 2)
            xc_cpumap_clearcpu((int)cpu, map);
        for (unsigned cpu = 0; cpu < n; cpu++)
            wrong += xc_cpumap_testcpu((int)cpu, map) != (int)(cpu & 1);
        is(wrong, 0, "each of %u CPUs is in it or not by itself", n);
        is(calls, 1, "the number of CPUs is asked for once");
        free(map);
        xc_interface_close(xch);
    }
}

/* ---- Buffers ------------------------------------------------------------------------------ */

static void call_all(xc_interface *xch)
{
    vcpu_guest_context_any_t context = {0};
    xc_cpumap_t hard = calloc(1, 16), soft = calloc(1, 16);
    struct xen_domctl_createdomain config = {0};
    uint32_t domid = 0, distance[4], nodes[2], count = 10, index = 0;
    unsigned number = 2;
    xen_pfn_t frames[4] = {0};
    xc_domaininfo_t list[3];
    xc_dominfo_t info[3];
    xc_cputopo_t topology[2];
    xc_meminfo_t memory[2];
    physdev_pci_device_t devices[2] = {{0}};
    xc_cpuinfo_t cpuinfo[2];
    struct mmuext_op op[2] = {{.cmd = 0}};
    struct gnttab_query_size query[2] = {{.dom = 1}};
    struct e820entry map[2] = {{0}};
    char text[16];
    int entries, pirq = 0;

    (void)xc_domain_create(xch, &domid, &config);
    (void)xc_domain_getinfo(xch, 0, 3, info);
    (void)xc_domain_getinfolist(xch, 0, 3, list);
    (void)xc_domain_node_getaffinity(xch, 1, soft);
    (void)xc_vcpu_setcontext(xch, 1, 0, &context);
    (void)xc_vcpu_setcontext(xch, 1, 0, NULL);
    (void)xc_vcpu_getcontext(xch, 1, 0, &context);
    (void)xc_vcpu_setaffinity(xch, 1, 0, hard, soft, 3);
    (void)xc_vcpu_getaffinity(xch, 1, 0, hard, NULL, 1);
    xc_cpupool_infofree(xch, xc_cpupool_getinfo(xch, 0));
    free(xc_cpupool_freeinfo(xch));
    (void)xc_domain_populate_physmap_exact(xch, 1, 4, 0, 0, frames);
    (void)xc_domain_increase_reservation(xch, 1, 4, 0, 0, NULL);
    (void)xc_domain_decrease_reservation(xch, 1, 4, 0, frames);
    (void)xc_domain_memory_exchange_pages(xch, 1, 2, 0, frames, 2, 0, frames + 2);
    (void)xc_domain_set_memory_map(xch, 1, map, 2);
    (void)xc_get_machine_memory_map(xch, map, 2);
    (void)xc_machphys_mfn_list(xch, 4, frames);
    (void)xc_mmuext_op(xch, op, 2, 1);
    (void)xc_gnttab_op(xch, GNTTABOP_query_size, query, sizeof(query[0]), 2);
    (void)xc_gnttab_map_table_v1(xch, 1, &entries);
    (void)xc_evtchn_alloc_unbound(xch, 1, 0);
    (void)xc_physdev_map_pirq(xch, 1, 4, &pirq);
    (void)xc_cputopoinfo(xch, &number, topology);
    number = 2;
    (void)xc_numainfo(xch, &number, memory, distance);
    (void)xc_pcitopoinfo(xch, 2, devices, nodes);
    (void)xc_getcpuinfo(xch, 2, cpuinfo, &entries);
    (void)xc_readconsolering(xch, text, &count, 0, 1, &index);
    (void)xc_send_debug_keys(xch, "m");
    (void)xc_version(xch, XENVER_commandline, (xen_commandline_t){0});
    free(hard);
    free(soft);
}

static long refuse(unsigned call, uint64_t *arg)
{
    (void)call;
    (void)arg;
    return -EPERM;
}

/* Each allocation fails once; the addresses are told to nobody. */
static void test_buffers(void)
{
    int unsound = 0, runs = 0;

    for (int fail = 0; fail < 60; fail++) {
        xc_interface *xch = open_handle(16);

        hypervisor = fail & 1 ? refuse : NULL;
        failing_in = fail / 2;
        call_all(xch);
        runs += failing_in == 0;
        unsound += buffers != 0;
        xc_interface_close(xch);
    }
    is(unsound, 0, "every buffer is given back, whichever allocation fails, refused or not");
    ok(runs > 30, "allocations did fail");
}

static void test_errors(void)
{
    xc_interface *xch = open_handle(16);
    xen_pfn_t frames[4] = {0};

    hypervisor = refuse;
    ok(xc_domain_pause(xch, 1) == -1 && errno == EPERM, "a refusal is errno");
    ok(xc_vcpu_getcontext(xch, 1, 0, &(vcpu_guest_context_any_t){0}) == -1 && errno == EPERM,
       "it outlives freeing buffers");
    ok(xc_domain_populate_physmap(xch, 1, 4, 0, 0, frames) == -1 && errno == EPERM,
       "so it does for memory");
    failing_in = 1;
    ok(xc_domain_pause(xch, 1) == -1 && errno == ENOMEM, "no memory for a buffer is ENOMEM");
    is(xc_get_last_error(xch)->code, XC_OUT_OF_MEMORY, "and the handle's last error");
    ok(strstr(xc_get_last_error(xch)->message, "buffer") != NULL, "with words for it");
    xc_clear_last_error(xch);
    is(xc_get_last_error(xch)->code, XC_ERROR_NONE, "until it is cleared");
    ok(xc_domain_populate_physmap(xch, 1, ~0ul / 4, 0, 0, frames) == -1 && errno == ENOMEM,
       "a number of frames whose size overflows is ENOMEM");
    ok(xc_gnttab_op(xch, 0, frames, -1, -1) == -1 && errno == ENOMEM,
       "so are negative numbers of grants");
    xc_interface_close(xch);
}

static void test_dummy(void)
{
    xc_interface *xch = xc_interface_open(quiet, NULL, XC_OPENFLAG_DUMMY);
    xc_dominfo_t info;

    calls = 0;
    call_all(xch);
    is(calls, 0, "a dummy calls nobody");
    ok(xc_domain_getinfo(xch, 0, 1, &info) == -1 && errno == ENODEV, "its calls fail");
    ok(xc_map_foreign_range(xch, 1, 4096, PROT_READ, 1) == NULL && errno == ENODEV,
       "so do its mappings");
    ok(xc_interface_xcall_handle(xch) == NULL, "it has no handle within");
    xc_interface_close(xch);
}

/* ---- Failures by thread ------------------------------------------------------------------- */

static void *look_at_error(void *handle)
{
    bool clean = xc_get_last_error(handle)->code == XC_ERROR_NONE;

    (void)xc_version(handle, 99, NULL);
    return clean && xc_get_last_error(handle)->code == XC_INVALID_PARAM ? handle : NULL;
}

static void test_threads(void)
{
    xc_interface *xch = open_handle(2), *other = open_handle(2);
    pthread_t thread;
    void *result;

    is(xc_version(xch, 99, NULL), -EINVAL, "an unknown command of xen_version fails");
    pthread_create(&thread, NULL, look_at_error, xch);
    pthread_join(thread, &result);
    ok(result == xch, "another thread has errors of its own");
    is(xc_get_last_error(xch)->code, XC_INVALID_PARAM, "this one keeps its");
    is(xc_get_last_error(other)->code, XC_ERROR_NONE, "another handle had none");
    xc_interface_close(xch);
    xc_interface_close(other);
}

/* ---- Domains ------------------------------------------------------------------------------ */

#define MANY 500u

/* Domains 0, 2, 4 ... of MANY. */
static long list_domains(unsigned call, uint64_t *arg)
{
    struct xen_sysctl *op = (struct xen_sysctl *)arg[0];
    xc_domaininfo_t *to;
    unsigned found = 0;

    if (call != __HYPERVISOR_sysctl || op->cmd != XEN_SYSCTL_getdomaininfolist)
        return -EINVAL;
    to = op->u.getdomaininfolist.buffer.p;
    for (unsigned id = 0; id < 2 * MANY && found < op->u.getdomaininfolist.max_domains; id += 2) {
        if (id < op->u.getdomaininfolist.first_domain)
            continue;
        to[found] = (xc_domaininfo_t){.domain = (domid_t)id, .tot_pages = id, .max_pages = 256};
        to[found].flags = id == 2 ? XEN_DOMINF_shutdown | SHUTDOWN_crash << XEN_DOMINF_shutdownshift
                          : id == 4
                              ? XEN_DOMINF_shutdown | SHUTDOWN_reboot << XEN_DOMINF_shutdownshift
                          : id == 6 ? XEN_DOMINF_paused | XEN_DOMINF_dying
                                    : XEN_DOMINF_running;
        found++;
    }
    op->u.getdomaininfolist.num_domains = found;
    return 0;
}

static void test_lists(void)
{
    static xc_dominfo_t info[MANY + 10];
    xc_interface *xch = open_handle(2);

    hypervisor = list_domains;
    is(xc_domain_getinfo(xch, 0, MANY + 10, info), MANY, "all domains are told of");
    is(calls, 1, "by one call");
    ok(info[0].running && !info[0].paused && info[0].max_memkb == 1024, "one runs");
    ok(info[1].crashed && !info[1].shutdown && info[1].shutdown_reason == SHUTDOWN_crash,
       "a crash is none of the shutdowns");
    ok(info[2].shutdown && !info[2].crashed && info[2].shutdown_reason == SHUTDOWN_reboot,
       "a shutdown is no crash");
    ok(info[3].paused && info[3].dying, "one is paused, and goes");
    is(xc_domain_getinfo(xch, 3, 2, info), 2, "of more than there is room for some are told of");
    ok(info[0].domid == 4 && info[1].domid == 6, "the next ones");
    ok(xc_domain_getinfo(xch, 2 * MANY, 1, info) == -1 && errno == ESRCH,
       "behind the last is none");
    ok(xc_domain_getinfo(xch, 0x10000, 1, info) == -1 && errno == ESRCH,
       "a number of more than 16 bits is not cut off");
    is(xc_domain_getinfo(xch, 0, 0, info), 0, "none is told of where there is no room");
    is(xc_get_tot_pages(xch, 8), 8, "one's pages are told");
    is(xc_get_tot_pages(xch, 9), -1, "those of the next one are not");
    xc_interface_close(xch);
}

/* ---- Memory and the log ------------------------------------------------------------------- */

/* Three extents of any. */
static long give_three(unsigned call, uint64_t *arg)
{
    struct xen_memory_reservation *r = (struct xen_memory_reservation *)arg[1];

    if (call != __HYPERVISOR_memory_op)
        return -ENOSYS;
    for (unsigned i = 0; i < 3; i++)
        r->extent_start.p[i] = 1000 + i;
    return 3;
}

static void test_memory(void)
{
    xen_pfn_t frames[4] = {1, 2, 3, 4};
    xc_interface *xch = open_handle(2);

    hypervisor = give_three;
    is(xc_domain_populate_physmap(xch, 1, 4, 0, 0, frames), 3, "some extents are done");
    ok(frames[0] == 1000 && frames[2] == 1002 && frames[3] == 4, "their frames come back");
    ok(xc_domain_populate_physmap_exact(xch, 1, 4, 0, 0, frames) == -1 && errno == EBUSY,
       "some are too few to populate");
    ok(xc_domain_increase_reservation_exact(xch, 1, 4, 0, 0, frames) == -1 && errno == ENOMEM,
       "too few for more memory");
    ok(xc_domain_decrease_reservation_exact(xch, 1, 4, 0, frames) == -1 && errno == EINVAL,
       "and for less");
    is(xc_domain_populate_physmap_exact(xch, 1, 3, 0, 0, frames), 0, "three are enough for three");
    void *at = xc_map_foreign_range(xch, 1, 5000, PROT_READ, 77);
    ok(at != NULL && pages_mapped == 2, "a part of a page is mapped as a page");
    munmap(at, 2 * XC_PAGE_SIZE);
    ok(xc_map_foreign_range(xch, 1, 0, PROT_READ, 77) == NULL && errno == EINVAL,
       "nothing is not mapped");
    ok(xc_map_foreign_range(xch, 1, -1, PROT_READ, 77) == NULL && errno == EINVAL,
       "nor is less than that");
    xc_interface_close(xch);
}

/* Says that it wrote more than there was room for. */
static long write_log(unsigned call, uint64_t *arg)
{
    struct xen_sysctl *op = (struct xen_sysctl *)arg[0];

    (void)call;
    memset(op->u.readconsole.buffer.p, 'x', op->u.readconsole.count);
    op->u.readconsole.count += 1000;
    op->u.readconsole.index = 7;
    return 0;
}

static long half_of_devices(unsigned call, uint64_t *arg)
{
    struct xen_sysctl *op = (struct xen_sysctl *)arg[0];

    (void)call;
    op->u.pcitopoinfo.num_devs = (op->u.pcitopoinfo.num_devs + 1) / 2;
    for (unsigned i = 0; i < op->u.pcitopoinfo.num_devs; i++)
        op->u.pcitopoinfo.nodes.p[i] = (uint32_t)calls;
    return 0;
}

static void test_machine(void)
{
    physdev_pci_device_t devices[5] = {{0}};
    uint32_t nodes[5] = {0}, index = 0, count;
    xc_interface *xch = open_handle(2);
    char text[20] = "";

    hypervisor = write_log;
    count = 10;
    is(xc_readconsolering(xch, text, &count, 0, 1, &index), 0, "the log is read");
    ok(count == 10 && index == 7 && strcmp(text, "xxxxxxxxxx") == 0,
       "no more comes than there is room for");
    hypervisor = half_of_devices;
    calls = 0;
    is(xc_pcitopoinfo(xch, 5, devices, nodes), 0, "devices are told of piece by piece");
    ok(nodes[0] == 1 && nodes[2] == 1 && nodes[3] == 2 && nodes[4] == 3, "each of them");
    xc_interface_close(xch);
}

/* ---- Buffers of programs ------------------------------------------------------------------ */

static void fill(xc_hypercall_buffer_t *given, struct xen_sysctl *op)
{
    DECLARE_HYPERCALL_BUFFER_ARGUMENT(given);

    set_xen_guest_handle_raw(op->u.debug_keys.keys, HYPERCALL_BUFFER(given)->hbuf);
}

static void test_declared(void)
{
    xc_interface *xch = open_handle(2);
    struct xen_sysctl op;

    DECLARE_HYPERCALL_BUFFER(char, keys);
    ok(keys == NULL, "a declared buffer has nothing yet");
    xc_hypercall_buffer_free(xch, keys);
    ok(xc_hypercall_buffer_alloc(xch, keys, 100) != NULL && keys[0] == 0 && keys[99] == 0,
       "it gets zeroed memory");
    set_xen_guest_handle(op.u.debug_keys.keys, keys);
    ok(op.u.debug_keys.keys.p == keys, "a structure names it");
    set_xen_guest_handle_offset(op.u.debug_keys.keys, keys, 5);
    ok(op.u.debug_keys.keys.p == keys + 5, "or a part of it");
    fill(HYPERCALL_BUFFER(keys), &op);
    ok(op.u.debug_keys.keys.p == keys, "a function that it is given to, too");
    ok(HYPERCALL_BUFFER_AS_ARG(keys) == (unsigned long)keys, "it is an argument");
    set_xen_guest_handle(op.u.debug_keys.keys, HYPERCALL_BUFFER_NULL);
    ok(op.u.debug_keys.keys.p == NULL, "no buffer is named");
    xc_hypercall_buffer_free(xch, keys);
    is(buffers, 0, "it is given back");
    DECLARE_HYPERCALL_BUFFER(uint64_t, pages);
    ok(xc_hypercall_buffer_alloc_pages(xch, pages, 2) != NULL && pages[1023] == 0,
       "pages are given");
    xc_hypercall_buffer_free_pages(xch, pages, 2);
    is(buffers, 0, "they are given back");
    ok(xc_hypercall_buffer_alloc_pages(xch, pages, -1) == NULL && errno == EINVAL,
       "less than a page is none");
    failing_in = 1;
    ok(xc_hypercall_buffer_alloc(xch, keys, 10) == NULL && keys == NULL, "no memory is NULL");
    xc_interface_close(xch);
}

int main(void)
{
    quiet = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    test_sets();
    test_buffers();
    test_errors();
    test_dummy();
    test_threads();
    test_lists();
    test_memory();
    test_machine();
    test_declared();
    xtl_logger_destroy(quiet);
    return done();
}
