/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a domain, from files to a vCPU that may run. What the vCPU and start_info hold is in
 * start.c.
 */
#include "builder/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/apart.h"
#include "builder/build.h"

#define RINGS 2u /* the store's, and the console's */

/* ---- Progress ----------------------------------------------------------------------------- */

static void report(struct build *b, uint64_t done)
{
    if (b->request->progress != NULL)
        b->request->progress(b->request->progress_data, b->step, b->step_before + done,
                             b->step_all);
}

static void loaded(void *data, uint64_t done)
{
    report(data, done);
}

/* ---- Files -------------------------------------------------------------------------------- */

static int open_ramdisk(struct build *b, struct message *why)
{
    const char *path = b->request->ramdisk;
    struct stat st;

    b->ramdisk_fd = -1;
    if (path == NULL)
        return 0;
    b->ramdisk_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe must not hold it up */
    if (b->ramdisk_fd < 0)
        return message_errno(why, -errno, "%s: the initial ramdisk cannot be opened", path);
    if (fstat(b->ramdisk_fd, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
        return message_set(why, -EINVAL, "%s: the initial ramdisk must be a file that is not empty",
                           path);
    b->ramdisk_bytes = (uint64_t)st.st_size;
    return 0;
}

/* Features that a kernel may demand and a 64-bit PV guest has. */
static int check_features(const struct build *b, struct message *why)
{
    uint32_t have = 1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_writable_page_tables |
                    1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_gnttab_map_avail_bits;
    uint32_t lack = b->kernel.kernel.features_required[0] & ~have;

    if (lack)
        return message_set(why, -EINVAL,
                           "%s: requires features (%#x) that a 64-bit PV guest does not have",
                           b->request->kernel, lack);
    return 0;
}

static int load_kernel(struct build *b, struct message *why)
{
    const struct pv_kernel *k = &b->kernel.kernel;

    b->step = "kernel";
    for (unsigned i = 0; i < k->nr_segments; i++)
        b->step_all += k->segment[i].file_size;
    for (unsigned i = 0; i < k->nr_segments; i++) {
        const struct elf_segment *s = &k->segment[i];
        int rc = guest_memory_load(&b->memory, s->paddr - k->paddr_offset, b->kernel.fd, s->offset,
                                   s->file_size, loaded, b, why);

        if (rc) {
            message_prefix(why, "%s", b->request->kernel);
            return rc;
        }
        b->step_before += s->file_size;
    }
    return 0;
}

static int load_ramdisk(struct build *b, struct message *why)
{
    if (b->ramdisk_fd < 0)
        return 0;
    b->step = "ramdisk";
    b->step_before = 0;
    b->step_all = b->ramdisk_bytes;
    int rc = guest_memory_load(&b->memory, b->layout.ramdisk.pfn * XC_PAGE_SIZE, b->ramdisk_fd, 0,
                               b->ramdisk_bytes, loaded, b, why);
    if (rc)
        message_prefix(why, "%s", b->request->ramdisk);
    return rc;
}

/* In a process of its own. */
static int load_files(void *data, struct message *why)
{
    struct build *b = data;
    int rc = load_kernel(b, why);

    return rc ? rc : load_ramdisk(b, why);
}

/* ---- What the kernel finds ---------------------------------------------------------------- */

static int write_p2m(struct build *b, struct message *why)
{
    const struct pv_area *a = &b->layout.p2m;
    void *list = guest_memory_map(&b->memory, a->pfn, a->frames, why);

    if (list == NULL)
        return -EIO;
    memcpy(list, b->memory.p2m, b->memory.pages * sizeof(*b->memory.p2m));
    guest_memory_unmap(&b->memory, list, a->frames);
    return 0;
}

/* Both areas of tables, as pv_tables_write() wants to see them. */
struct table_windows {
    const struct pv_layout *layout;
    char *tables, *p2m_tables;
};

static void *table_page(void *data, uint64_t pfn)
{
    struct table_windows *w = data;
    const struct pv_area *a = &w->layout->tables;

    if (pfn - a->pfn < a->frames)
        return w->tables + (pfn - a->pfn) * XC_PAGE_SIZE;
    return w->p2m_tables + (pfn - w->layout->p2m_tables.pfn) * XC_PAGE_SIZE;
}

static int write_tables(struct build *b, struct message *why)
{
    const struct pv_layout *l = &b->layout;
    struct table_windows w = {.layout = l};
    struct pv_tables t = {
        .layout = l, .p2m = (const uint64_t *)b->memory.p2m, .page = table_page, .data = &w};
    int rc = -EIO;

    w.tables = guest_memory_map(&b->memory, l->tables.pfn, l->tables.frames, why);
    if (w.tables != NULL && l->p2m_tables.frames)
        w.p2m_tables = guest_memory_map(&b->memory, l->p2m_tables.pfn, l->p2m_tables.frames, why);
    if (w.tables != NULL && (w.p2m_tables != NULL || l->p2m_tables.frames == 0)) {
        pv_tables_write(&t);
        rc = 0;
    }
    /* The hypervisor takes no page for a table that is mapped writable. */
    guest_memory_unmap(&b->memory, w.tables, l->tables.frames);
    guest_memory_unmap(&b->memory, w.p2m_tables, l->p2m_tables.frames);
    return rc;
}

static int pin_tables(struct build *b, struct message *why)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE,
                           .arg1.mfn = b->memory.p2m[b->layout.tables.pfn]};

    if (xc_mmuext_op(b->request->xch, &op, 1, b->request->domid) < 0)
        return message_errno(why, -errno, "the domain's first page tables are refused");
    return 0;
}

/* ---- All of it ---------------------------------------------------------------------------- */

static int prepare(struct build *b, struct message *why)
{
    const struct builder_request *r = b->request;
    uint64_t pages = r->memory_kib / (XC_PAGE_SIZE / 1024);
    const char *reason = NULL;

    if (strlen(r->cmdline) >= MAX_GUEST_CMDLINE)
        return message_set(why, -E2BIG, "the kernel's command line has %zu characters; %d can be",
                           strlen(r->cmdline), MAX_GUEST_CMDLINE - 1);
    int rc = kernel_file_open(&b->kernel, r->kernel, why);
    if (rc == 0)
        rc = open_ramdisk(b, why);
    if (rc == 0)
        rc = check_features(b, why);
    if (rc)
        return rc;
    uint64_t ramdisk = (b->ramdisk_bytes + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE;
    if (pv_layout_make(&b->layout, &b->kernel.kernel, pages, ramdisk, RINGS, &reason))
        return message_set(why, -EINVAL, "%s, with %llu MiB of memory: %s", r->kernel,
                           (unsigned long long)r->memory_kib / 1024, reason);
    return 0;
}

static int fill(struct build *b, struct message *why)
{
    const struct builder_request *r = b->request;
    int rc = guest_memory_populate(&b->memory, r->xch, r->domid, b->layout.nr_pages, why);

    if (rc == 0)
        rc = apart(load_files, b, why);
    if (rc == 0)
        rc = write_p2m(b, why);
    if (rc == 0)
        rc = start_write(b, why);
    if (rc == 0)
        rc = write_tables(b, why);
    if (rc == 0)
        rc = pin_tables(b, why);
    if (rc == 0)
        rc = start_domain(b, why);
    return rc;
}

int builder_build(const struct builder_request *request, struct builder_result *result,
                  struct message *why)
{
    struct build b = {.request = request, .kernel.fd = -1, .ramdisk_fd = -1};
    int rc = prepare(&b, why);

    if (rc == 0)
        rc = fill(&b, why);
    if (rc == 0)
        *result = (struct builder_result){
            .store_mfn = b.memory.p2m[b.layout.rings.pfn],
            .console_mfn = b.memory.p2m[b.layout.rings.pfn + 1],
            .pages = b.memory.pages,
        };
    guest_memory_free(&b.memory);
    if (b.ramdisk_fd >= 0)
        close(b.ramdisk_fd);
    kernel_file_close(&b.kernel);
    return rc;
}
