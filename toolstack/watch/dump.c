/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dumping a stopped guest.
 *
 * Which frames it has, the hypervisor says; which page of the guest each of them is, says the table
 * of machine frames that the hypervisor keeps. Nothing that the guest wrote is followed: it may
 * have crashed because of that.
 */
#include "watch/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xencall.h>
#include <xenforeignmemory.h>

#include "watch/core_file.h"

#define FRAMES_AT_ONCE 1024u /* of XEN_DOMCTL_getpageframeinfo3 */

/* The table comes in pieces of 2 MiB (XENMEM_machphys_mfn_list). */
#define PIECE_PAGES   512u
#define PIECE_ENTRIES (PIECE_PAGES * XC_PAGE_SIZE / sizeof(uint64_t))

struct dump {
    xc_interface *xch;
    uint32_t domid;
    xc_domaininfo_t info;
    struct core_frame *frames;
    uint64_t nr_frames, room;
    vcpu_guest_context_any_t context;
    vcpu_guest_context_t *contexts;
    unsigned nr_vcpus;
    char shared_info[XC_PAGE_SIZE];
};

/* ---- Frames ------------------------------------------------------------------------------- */

/* Those of `count` frames from `first` on that are the guest's; in `array`, the others ~0. */
static int ask_frames(struct dump *dump, xen_pfn_t *array, uint64_t first, unsigned count)
{
    struct xen_domctl domctl = {.cmd = XEN_DOMCTL_getpageframeinfo3,
                                .domain = (domid_t)dump->domid};

    for (unsigned i = 0; i < count; i++)
        array[i] = first + i;
    domctl.u.getpageframeinfo3.num = count;
    set_xen_guest_handle_raw(domctl.u.getpageframeinfo3.array, array);
    return xc_domctl(dump->xch, &domctl) ? -errno : 0;
}

static int find_frames(struct dump *dump, struct message *why)
{
    xencall_handle *call = xc_interface_xcall_handle(dump->xch);
    xen_pfn_t *array = xencall_alloc_buffer(call, FRAMES_AT_ONCE * sizeof(*array));
    unsigned long max = 0;
    int rc = array == NULL ? -ENOMEM : xc_maximum_ram_page(dump->xch, &max) ? -errno : 0;

    dump->room = dump->info.tot_pages;
    dump->frames = calloc(dump->room ? dump->room : 1, sizeof(*dump->frames));
    if (rc == 0 && dump->frames == NULL)
        rc = -ENOMEM;
    for (uint64_t first = 0; rc == 0 && first <= max; first += FRAMES_AT_ONCE) {
        uint64_t left = max - first + 1;
        unsigned count = left < FRAMES_AT_ONCE ? (unsigned)left : FRAMES_AT_ONCE;

        rc = ask_frames(dump, array, first, count);
        for (unsigned i = 0; rc == 0 && i < count && dump->nr_frames < dump->room; i++)
            if ((array[i] & XEN_DOMCTL_PFINFO_LTAB_MASK) != XEN_DOMCTL_PFINFO_XTAB)
                dump->frames[dump->nr_frames++].mfn = first + i;
    }
    if (array != NULL)
        xencall_free_buffer(call, array);
    return rc ? message_errno(why, rc, "its frames cannot be told") : 0;
}

/* A piece of the table, or NULL; for munmap(). */
static const uint64_t *map_piece(struct dump *dump, xen_pfn_t first)
{
    xen_pfn_t frames[PIECE_PAGES];

    if (first == 0)
        return NULL;
    for (unsigned i = 0; i < PIECE_PAGES; i++)
        frames[i] = first + i;
    return xenforeignmemory_map(xc_interface_fmem_handle(dump->xch), DOMID_XEN, PROT_READ,
                                PIECE_PAGES, frames, NULL);
}

static int by_page(const void *a, const void *b)
{
    const struct core_frame *x = a, *y = b;

    return (x->pfn > y->pfn) - (x->pfn < y->pfn);
}

/* Frames are in order of their numbers here, so each piece is mapped once. */
static int name_frames(struct dump *dump, struct message *why)
{
    uint64_t pieces =
        dump->nr_frames ? dump->frames[dump->nr_frames - 1].mfn / PIECE_ENTRIES + 1 : 0;
    xen_pfn_t *list = calloc(pieces + 1, sizeof(*list));
    const uint64_t *piece = NULL;
    uint64_t mapped = UINT64_MAX;
    xenforeignmemory_handle *memory = xc_interface_fmem_handle(dump->xch);
    int rc = 0;

    if (list == NULL)
        return message_set(why, -ENOMEM, "no memory for the table of frames");
    if (pieces && xc_machphys_mfn_list(dump->xch, pieces, list))
        rc = message_errno(why, -errno, "the table of frames cannot be had");
    for (uint64_t i = 0; rc == 0 && i < dump->nr_frames; i++) {
        uint64_t mfn = dump->frames[i].mfn;

        if (mfn / PIECE_ENTRIES != mapped) {
            if (piece != NULL)
                xenforeignmemory_unmap(memory, (void *)(uintptr_t)piece, PIECE_PAGES);
            mapped = mfn / PIECE_ENTRIES;
            piece = map_piece(dump, list[mapped]);
            if (piece == NULL)
                rc = message_errno(why, -errno, "the table of frames cannot be mapped");
        }
        if (piece != NULL)
            dump->frames[i].pfn = piece[mfn % PIECE_ENTRIES];
    }
    if (piece != NULL)
        xenforeignmemory_unmap(memory, (void *)(uintptr_t)piece, PIECE_PAGES);
    free(list);
    if (rc == 0)
        qsort(dump->frames, dump->nr_frames, sizeof(*dump->frames), by_page);
    return rc;
}

static void read_pages(void *data, const struct core_frame *frames, unsigned count, char *pages)
{
    struct dump *dump = data;
    xenforeignmemory_handle *memory = xc_interface_fmem_handle(dump->xch);
    xen_pfn_t numbers[CORE_PAGES_AT_ONCE];
    int errors[CORE_PAGES_AT_ONCE];

    for (unsigned i = 0; i < count; i++)
        numbers[i] = frames[i].mfn;
    memset(pages, 0, count * XC_PAGE_SIZE);
    char *mapped = xenforeignmemory_map(memory, dump->domid, PROT_READ, count, numbers, errors);
    for (unsigned i = 0; mapped != NULL && i < count; i++)
        if (errors[i] == 0)
            memcpy(pages + i * XC_PAGE_SIZE, mapped + i * XC_PAGE_SIZE, XC_PAGE_SIZE);
    if (mapped != NULL)
        xenforeignmemory_unmap(memory, mapped, count);
}

/* ---- The rest ----------------------------------------------------------------------------- */

/* Those that the guest has started. */
static int read_contexts(struct dump *dump, struct message *why)
{
    dump->contexts = calloc(dump->info.max_vcpu_id + 1u, sizeof(*dump->contexts));
    if (dump->contexts == NULL)
        return message_set(why, -ENOMEM, "no memory for its registers");
    for (unsigned i = 0; i <= dump->info.max_vcpu_id; i++)
        if (xc_vcpu_getcontext(dump->xch, dump->domid, i, &dump->context) == 0)
            dump->contexts[dump->nr_vcpus++] = dump->context.c;
    return 0;
}

static void read_version(xc_interface *xch, struct core_version *version)
{
    int number = xc_version(xch, XENVER_version, NULL);

    version->major = (unsigned)number >> 16;
    version->minor = number & 0xffff;
    xc_version(xch, XENVER_extraversion, &version->extra);
    xc_version(xch, XENVER_compile_info, &version->compile_info);
    xc_version(xch, XENVER_capabilities, &version->capabilities);
    xc_version(xch, XENVER_changeset, &version->changeset);
    xc_version(xch, XENVER_platform_parameters, &version->platform);
    version->page_size = XC_PAGE_SIZE;
}

static int gather(struct dump *dump, struct message *why)
{
    struct core_frame shared = {.pfn = 0};

    if (xc_domain_getinfolist(dump->xch, dump->domid, 1, &dump->info) != 1 ||
        dump->info.domain != dump->domid)
        return message_set(why, -ESRCH, "there is no domain %u", dump->domid);
    int rc = find_frames(dump, why);
    if (rc == 0)
        rc = name_frames(dump, why);
    if (rc == 0)
        rc = read_contexts(dump, why);
    shared.mfn = dump->info.shared_info_frame;
    if (rc == 0)
        read_pages(dump, &shared, 1, dump->shared_info);
    return rc;
}

/* A file that is whole, or none. */
static int write_file(struct dump *dump, const char *path, struct message *why)
{
    struct core_source source = {.contexts = dump->contexts,
                                 .nr_vcpus = dump->nr_vcpus,
                                 .shared_info = dump->shared_info,
                                 .frames = dump->frames,
                                 .nr_frames = dump->nr_frames,
                                 .read_pages = read_pages,
                                 .data = dump};
    char part[320];

    mkdir(PATH_STATE, 0755);
    mkdir(DUMPS, 0700);
    snprintf(part, sizeof(part), "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return message_errno(why, -errno, "%s cannot be written", part);
    read_version(dump->xch, &source.version);
    int rc = core_write(fd, &source, why);
    if (close(fd) && rc == 0)
        rc = message_errno(why, -errno, "%s cannot be written", part);
    if (rc == 0 && rename(part, path))
        rc = message_errno(why, -errno, "%s cannot be written", path);
    if (rc)
        unlink(part);
    return rc;
}

int dump_guest(xc_interface *xch, uint32_t domid, const char *name, struct message *what)
{
    struct dump *dump = calloc(1, sizeof(*dump));
    char path[256], stamp[32];
    time_t now = time(NULL);
    struct tm tm;

    if (dump == NULL)
        return message_set(what, -ENOMEM, "no memory");
    dump->xch = xch;
    dump->domid = domid;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(path, sizeof(path), "%s/%s-%s.core", DUMPS, name, stamp);
    int rc = gather(dump, what);
    if (rc == 0)
        rc = write_file(dump, path, what);
    free(dump->frames);
    free(dump->contexts);
    free(dump);
    return rc ? rc : message_set(what, 0, "%s", path);
}
