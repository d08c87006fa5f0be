/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front-end of a disk (xen/io/blkif.h). Owns the ring, and a few transfers, each with pages of
 * its own that stay granted as long as the device is open.
 *
 * Data go through those pages always. So the caller's buffer may lie anywhere; the back-end can
 * change nothing of the caller's, neither after it has answered nor when it never does; and no
 * grant is made, or has to be ended, for a transfer.
 *
 * Invariant: a transfer is busy from the request until its one answer. An answer that does not
 * belong to a busy transfer, or an index that cannot be, ends the use of the device: EIO.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pv/block.h>
#include <pv/memory.h>
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

#include "xenbus.h"

/*
 * Back-ends count in units of 512 bytes, whatever the disk's own sectors are, unless a front-end
 * says "feature-large-sector-size", which this one does not.
 */
#define UNIT           512u
#define UNITS_PER_PAGE ((unsigned)(PAGE_SIZE / UNIT))

#define TRANSFERS 4u
#define SEGMENTS  BLKIF_MAX_SEGMENTS_PER_REQUEST
#define RING_ENTRIES                                                                               \
    ((unsigned)__RD32((PAGE_SIZE - offsetof(struct blkif_sring, ring)) /                           \
                      sizeof(union blkif_sring_entry)))
_Static_assert(TRANSFERS <= RING_ENTRIES, "the ring is never full");

struct transfer {
    bool busy;
    uint8_t operation;
    uint64_t id;
    char *to;    /* a read's destination */
    size_t size; /* bytes */
    struct xenbus_page pages[SEGMENTS];
};

struct block {
    struct xenbus_device bus;
    struct xenbus_page ring_page;
    struct blkif_sring *ring;
    uint32_t req_prod, rsp_cons;
    unsigned handle;
    struct block_info info;
    bool has_flush, has_barrier, broken;
    uint64_t next_id;
    struct transfer transfers[TRANSFERS];
};

/* What is to be moved, and has not been asked for yet. */
struct job {
    uint8_t operation;
    uint64_t unit; /* on the disk, where the rest starts */
    char *buffer;
    size_t left;
    bool started; /* an operation without data is one request, too */
    int error;    /* the first */
};

/* ---- Opening ------------------------------------------------------------------------------- */

static int read_info(struct block *b)
{
    uint64_t units = xenbus_number(&b->bus, "sectors", 0);
    uint64_t size = xenbus_number(&b->bus, "sector-size", UNIT);
    uint64_t info = xenbus_number(&b->bus, "info", 0);

    if (size < UNIT || size > PAGE_SIZE || (size & (size - 1)) || units == 0 ||
        units > UINT64_MAX / UNIT)
        return EINVAL;
    b->info.sector_size = (unsigned)size;
    b->info.sectors = units / (size / UNIT);
    b->info.read_only = (info & VDISK_READONLY) != 0;
    b->info.removable = (info & VDISK_REMOVABLE) != 0;
    b->has_flush = xenbus_number(&b->bus, "feature-flush-cache", 0) == 1;
    b->has_barrier = xenbus_number(&b->bus, "feature-barrier", 0) == 1;
    return 0;
}

static bool share_pages(struct block *b)
{
    if (!xenbus_share(&b->bus, &b->ring_page))
        return false;
    b->ring = b->ring_page.page;
    b->ring->req_event = b->ring->rsp_event = 1;
    for (unsigned i = 0; i < TRANSFERS; i++)
        for (unsigned j = 0; j < SEGMENTS; j++)
            if (!xenbus_share(&b->bus, &b->transfers[i].pages[j]))
                return false;
    return true;
}

static int connect(struct block *b, unsigned id)
{
    int error = xenbus_open(&b->bus, "vbd", id);
    char path[80];

    if (error)
        return error;
    if (!share_pages(b))
        return ENOMEM;
    error = xenbus_offer_port(&b->bus);
    if (error == 0)
        error = xenbus_write(&b->bus, "ring-ref", b->ring_page.ref);
    snprintf(path, sizeof(path), "%s/protocol", b->bus.path);
    if (error == 0)
        error = xenstore_write(0, path, XEN_IO_PROTO_ABI_X86_64);
    if (error == 0)
        error = xenbus_connect(&b->bus, XenbusStateInitialised);
    if (error == 0)
        error = read_info(b);
    if (error == 0)
        error = xenbus_set_state(&b->bus, XenbusStateConnected);
    return error;
}

void block_close(struct block *b)
{
    xenbus_close(&b->bus);
    for (unsigned i = 0; i < TRANSFERS; i++)
        for (unsigned j = 0; j < SEGMENTS; j++)
            xenbus_unshare(&b->transfers[i].pages[j]);
    xenbus_unshare(&b->ring_page);
    free(b);
}

int block_open(struct block **block, unsigned id)
{
    struct block *b = calloc(1, sizeof(*b));
    int error;

    if (!b)
        return ENOMEM;
    b->handle = id;
    error = connect(b, id);
    if (error)
        block_close(b);
    else
        *block = b;
    return error;
}

int block_info(struct block *b, struct block_info *info)
{
    *info = b->info;
    return 0;
}

/* ---- Requests ------------------------------------------------------------------------------ */

static struct transfer *idle_transfer(struct block *b)
{
    for (unsigned i = 0; i < TRANSFERS; i++)
        if (!b->transfers[i].busy)
            return &b->transfers[i];
    return NULL;
}

static bool any_busy(const struct block *b)
{
    for (unsigned i = 0; i < TRANSFERS; i++)
        if (b->transfers[i].busy)
            return true;
    return false;
}

/* The segments of a transfer's first `size` bytes. */
static unsigned fill_segments(const struct transfer *t, struct blkif_request *request)
{
    unsigned count = 0;

    for (size_t at = 0; at < t->size; at += PAGE_SIZE) {
        size_t part = t->size - at < PAGE_SIZE ? t->size - at : PAGE_SIZE;

        request->seg[count].gref = t->pages[count].ref;
        request->seg[count].first_sect = 0;
        request->seg[count].last_sect = (uint8_t)(part / UNIT - 1);
        count++;
    }
    return count;
}

static void copy_out(const struct transfer *t, const char *from)
{
    for (unsigned i = 0; i * PAGE_SIZE < t->size; i++) {
        size_t at = i * PAGE_SIZE;

        memcpy(t->pages[i].page, from + at, t->size - at < PAGE_SIZE ? t->size - at : PAGE_SIZE);
    }
}

static void copy_in(const struct transfer *t)
{
    for (unsigned i = 0; i * PAGE_SIZE < t->size; i++) {
        size_t at = i * PAGE_SIZE;

        memcpy(t->to + at, t->pages[i].page, t->size - at < PAGE_SIZE ? t->size - at : PAGE_SIZE);
    }
}

/* Puts the next part of a job into the ring; the back-end does not see it before push(). */
static void start(struct block *b, struct transfer *t, struct job *job)
{
    struct blkif_request request = {.operation = job->operation};

    t->busy = true;
    t->operation = job->operation;
    t->id = b->next_id++;
    t->to = job->buffer;
    t->size = job->left < SEGMENTS * PAGE_SIZE ? job->left : SEGMENTS * PAGE_SIZE;
    if (job->operation == BLKIF_OP_WRITE)
        copy_out(t, job->buffer);
    request.nr_segments = (uint8_t)fill_segments(t, &request);
    request.handle = (blkif_vdev_t)b->handle;
    request.id = t->id;
    request.sector_number = job->unit;
    b->ring->ring[b->req_prod++ % RING_ENTRIES].req = request;
    job->unit += t->size / UNIT;
    if (job->buffer)
        job->buffer += t->size;
    job->left -= t->size;
    job->started = true;
}

static void push(struct block *b)
{
    uint32_t old = b->ring->req_prod;

    __atomic_store_n(&b->ring->req_prod, b->req_prod, __ATOMIC_SEQ_CST);
    if (ring_wants_notice(__atomic_load_n(&b->ring->req_event, __ATOMIC_SEQ_CST), old, b->req_prod))
        xenbus_notify(&b->bus);
}

/* ---- Answers ------------------------------------------------------------------------------- */

static int status_error(int16_t status)
{
    switch (status) {
    case BLKIF_RSP_OKAY:
        return 0;
    case BLKIF_RSP_EOPNOTSUPP:
        return EOPNOTSUPP;
    default:
        return EIO;
    }
}

/* False: no such transfer. */
static bool finish(struct block *b, const struct blkif_response *answer, struct job *job)
{
    for (unsigned i = 0; i < TRANSFERS; i++) {
        struct transfer *t = &b->transfers[i];
        int error = status_error(answer->status);

        if (!t->busy || t->id != answer->id)
            continue;
        if (t->operation != answer->operation)
            return false;
        t->busy = false;
        if (error && !job->error)
            job->error = error;
        if (!error && t->operation == BLKIF_OP_READ)
            copy_in(t);
        return true;
    }
    return false;
}

/* Takes the answers that there are, and asks to be told of the next. False: broken. */
static bool take_answers(struct block *b, struct job *job, bool *taken)
{
    while (true) {
        uint32_t prod = __atomic_load_n(&b->ring->rsp_prod, __ATOMIC_SEQ_CST);

        if (prod - b->rsp_cons > b->req_prod - b->rsp_cons)
            return false;
        if (prod == b->rsp_cons)
            return true;
        for (; b->rsp_cons != prod; b->rsp_cons++) {
            /* The back-end can change it while we look: one copy. */
            struct blkif_response answer =
                *(volatile struct blkif_response *)&b->ring->ring[b->rsp_cons % RING_ENTRIES].rsp;

            if (!finish(b, &answer, job))
                return false;
            *taken = true;
        }
        __atomic_store_n(&b->ring->rsp_event, b->rsp_cons + 1, __ATOMIC_SEQ_CST);
    }
}

static int run(struct block *b, struct job *job)
{
    while (!b->broken && (!job->started || job->left || any_busy(b))) {
        struct transfer *t;
        bool taken = false;

        while ((job->left || !job->started) && !job->error && (t = idle_transfer(b)))
            start(b, t, job);
        push(b);
        if (job->error)
            job->left = 0;
        if (!take_answers(b, job, &taken) || (!taken && xenbus_wait(&b->bus, 0) != 0))
            b->broken = true;
    }
    return b->broken ? EIO : job->error;
}

/* ---- The interface ------------------------------------------------------------------------- */

static int transfer(struct block *b, uint8_t operation, uint64_t sector, void *buffer,
                    unsigned sectors)
{
    struct job job = {
        .operation = operation,
        .unit = sector * (b->info.sector_size / UNIT),
        .buffer = buffer,
        .left = (size_t)sectors * b->info.sector_size,
    };

    if (sector > b->info.sectors || sectors > b->info.sectors - sector)
        return ERANGE;
    return sectors ? run(b, &job) : 0;
}

int block_read(struct block *b, uint64_t sector, void *buffer, unsigned sectors)
{
    return transfer(b, BLKIF_OP_READ, sector, buffer, sectors);
}

int block_write(struct block *b, uint64_t sector, const void *buffer, unsigned sectors)
{
    if (b->info.read_only)
        return EROFS;
    /* Not written to: the operation says so. */
    return transfer(b, BLKIF_OP_WRITE, sector, (void *)(uintptr_t)buffer, sectors);
}

/* All writes have been answered. A back-end that offers neither operation keeps nothing back. */
int block_flush(struct block *b)
{
    struct job job = {
        .operation = b->has_flush ? BLKIF_OP_FLUSH_DISKCACHE : BLKIF_OP_WRITE_BARRIER,
    };

    if (b->info.read_only || (!b->has_flush && !b->has_barrier))
        return 0;
    return run(b, &job);
}
