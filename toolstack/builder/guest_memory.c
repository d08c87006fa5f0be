/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a domain that does not run yet. The hypervisor gives frames zeroed, so what is not
 * loaded is not touched. Files are read straight into the domain's frames.
 */
#include "builder/guest_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE         4096ull
#define LARGE_ORDER  9u
#define LARGE_PAGES  (1ull << LARGE_ORDER)
#define EXTENTS_MAX  1024u /* in a call */
#define WINDOW_PAGES 4096ull

/* ---- Frames ------------------------------------------------------------------------------- */

/*
 * Extents of 2^order pages from *pfn on, as many as there are up to `end`. The hypervisor answers
 * with the first machine frame of each.
 */
static int populate_extents(struct guest_memory *m, uint64_t *pfn, uint64_t end, unsigned order)
{
    xen_pfn_t extents[EXTENTS_MAX];
    uint64_t step = 1ull << order;

    while (*pfn + step <= end) {
        uint64_t left = (end - *pfn) / step;
        unsigned count = left < EXTENTS_MAX ? (unsigned)left : EXTENTS_MAX;

        for (unsigned i = 0; i < count; i++)
            extents[i] = *pfn + i * step;
        int done = xc_domain_populate_physmap(m->xch, m->domid, count, order, 0, extents);
        if (done < 0)
            return -errno;
        for (unsigned i = 0; i < (unsigned)done; i++)
            for (uint64_t k = 0; k < step; k++)
                m->p2m[(*pfn)++] = extents[i] + k;
        if ((unsigned)done < count)
            return -ENOMEM;
    }
    return 0;
}

static int not_enough(const struct guest_memory *m, uint64_t got, struct message *why)
{
    xc_physinfo_t info = {0};

    (void)xc_physinfo(m->xch, &info);
    return message_set(why, -ENOMEM,
                       "the domain got %llu of %llu MiB of memory; %llu MiB are free: stop or "
                       "shrink another domain, or give this one less",
                       (unsigned long long)got >> 8, (unsigned long long)m->pages >> 8,
                       (unsigned long long)info.free_pages >> 8);
}

int guest_memory_populate(struct guest_memory *m, xc_interface *xch, uint32_t domid, uint64_t pages,
                          struct message *why)
{
    uint64_t pfn = 0;

    *m = (struct guest_memory){.xch = xch, .domid = domid, .pages = pages};
    m->fmem = xc_interface_fmem_handle(xch);
    m->p2m = malloc(pages * sizeof(*m->p2m));
    if (m->p2m == NULL)
        return message_set(why, -ENOMEM, "no memory for the list of the domain's pages");
    /* What there is in large pieces first; the rest may lie anywhere. */
    if (populate_extents(m, &pfn, pages, LARGE_ORDER) == 0 || pfn < pages)
        (void)populate_extents(m, &pfn, pages, 0);
    return pfn == pages ? 0 : not_enough(m, pfn, why);
}

void guest_memory_free(struct guest_memory *m)
{
    free(m->p2m);
    m->p2m = NULL;
}

/* ---- Windows ------------------------------------------------------------------------------ */

void *guest_memory_map(struct guest_memory *m, uint64_t pfn, uint64_t count, struct message *why)
{
    void *at =
        xenforeignmemory_map(m->fmem, m->domid, PROT_READ | PROT_WRITE, count, &m->p2m[pfn], NULL);

    if (at == NULL)
        message_errno(why, -errno, "the domain's memory cannot be mapped (pages %llu to %llu)",
                      (unsigned long long)pfn, (unsigned long long)(pfn + count - 1));
    return at;
}

void guest_memory_unmap(struct guest_memory *m, void *at, uint64_t count)
{
    if (at != NULL)
        (void)xenforeignmemory_unmap(m->fmem, at, count);
}

/* All of the bytes, though the kernel gives them in parts. */
static int read_all(int fd, char *to, uint64_t offset, uint64_t bytes, struct message *why)
{
    while (bytes > 0) {
        ssize_t n = pread(fd, to, bytes, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return message_errno(why, -errno, "cannot be read");
        if (n == 0)
            return message_set(why, -EIO, "it became shorter while it was read");
        to += n;
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

int guest_memory_load(struct guest_memory *m, uint64_t to, int fd, uint64_t offset, uint64_t bytes,
                      void (*progress)(void *data, uint64_t done), void *data, struct message *why)
{
    uint64_t done = 0;

    while (done < bytes) {
        uint64_t first = (to + done) / PAGE, skip = (to + done) % PAGE;
        uint64_t part = WINDOW_PAGES * PAGE - skip;

        if (part > bytes - done)
            part = bytes - done;
        uint64_t count = (skip + part + PAGE - 1) / PAGE;
        char *window = guest_memory_map(m, first, count, why);
        if (window == NULL)
            return -EIO;
        int rc = read_all(fd, window + skip, offset + done, part, why);
        if (rc)
            return rc;
        done += part;
        progress(data, done);
    }
    return 0;
}
