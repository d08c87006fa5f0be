/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's disk (pv/block.h), against a back-end that this program plays: what is written is
 * read again, wherever the buffer lies and however much it is; and a back-end that answers what was
 * not asked, or moves its index too far, or goes away, ends the use of the device and no more.
 *
 * test: vcpus=1,4 limit=60
 */
#include <errno.h>
#include <stdlib.h>

#include <pv/block.h>
#include <pv/clock.h>
#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#include "grants.h"
#include "played_store.h"

#define UNITS 2048u /* of 512 bytes: 1 MiB */

enum disk_mischief {
    GOOD,
    BAD_ID,
    BAD_OPERATION,
    BAD_PRODUCER,
    TWICE,
    FAILS,
    UNSUPPORTED,
    BACKWARDS, /* honest, in another order */
    LEAVES,    /* says that it is closing, and answers no more */
    LATE,      /* never connects */
};

static domid_t own;
static char *disk;
static struct {
    unsigned id;
    enum disk_mischief mischief;
    struct blkif_sring *ring;
    grant_handle_t handle;
    evtchn_port_t port;
    uint32_t req_cons, rsp_prod;
    unsigned requests, most, flushes, bad_requests;
} back;

#define RING_SIZE_OF_DISK 32u

/* ---- The back-end -------------------------------------------------------------------------- */

static void set_back(const char *name, const char *value)
{
    char path[96];

    snprintf(path, sizeof(path), "back/%u/%s", back.id, name);
    store_set(path, value);
}

static unsigned front_number(const char *name)
{
    char path[96];
    const char *value;

    snprintf(path, sizeof(path), "device/vbd/%u/%s", back.id, name);
    value = store_get(path);
    return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

/* Segments of a request, from or to the disk. */
static bool move(const struct blkif_request *request)
{
    char *at = disk + request->sector_number * 512;

    for (unsigned i = 0; i < request->nr_segments; i++) {
        const struct blkif_request_segment *seg = &request->seg[i];
        size_t size = (size_t)(seg->last_sect - seg->first_sect + 1) * 512;
        grant_handle_t handle;
        char *page = grant_map(own, seg->gref, false, &handle, NULL);

        if (!page || seg->last_sect > 7 || seg->first_sect > seg->last_sect ||
            at + size > disk + UNITS * 512ul)
            return false;
        if (request->operation == BLKIF_OP_READ)
            memcpy(page + seg->first_sect * 512, at, size);
        else
            memcpy(at, page + seg->first_sect * 512, size);
        at += size;
        (void)grant_unmap(page, handle);
    }
    return true;
}

static void respond(const struct blkif_request *request, int status)
{
    struct blkif_response answer = {
        .id = request->id, .operation = request->operation, .status = (int16_t)status};

    if (back.mischief == BAD_ID)
        answer.id += 1000;
    if (back.mischief == BAD_OPERATION)
        answer.operation = BLKIF_OP_DISCARD;
    for (int i = 0; i < (back.mischief == TWICE ? 2 : 1); i++)
        back.ring->ring[back.rsp_prod++ % RING_SIZE_OF_DISK].rsp = answer;
}

static int serve(const struct blkif_request *request)
{
    back.requests++;
    if (back.mischief == FAILS)
        return BLKIF_RSP_ERROR;
    if (back.mischief == UNSUPPORTED)
        return BLKIF_RSP_EOPNOTSUPP;
    if (request->operation == BLKIF_OP_FLUSH_DISKCACHE) {
        back.flushes++;
        return BLKIF_RSP_OKAY;
    }
    if (request->nr_segments == 0 || request->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST ||
        !move(request)) {
        back.bad_requests++;
        return BLKIF_RSP_ERROR;
    }
    return BLKIF_RSP_OKAY;
}

static void disk_handler(evtchn_port_t port, void *unused)
{
    struct blkif_request batch[RING_SIZE_OF_DISK];
    unsigned count = 0;

    (void)port;
    (void)unused;
    while (back.req_cons != back.ring->req_prod && count < RING_SIZE_OF_DISK)
        batch[count++] = back.ring->ring[back.req_cons++ % RING_SIZE_OF_DISK].req;
    back.ring->req_event = back.req_cons + 1;
    if (count > back.most)
        back.most = count;
    if (back.mischief == LEAVES) {
        set_back("state", "5");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct blkif_request *request =
            &batch[back.mischief == BACKWARDS ? count - 1 - i : i];

        respond(request, serve(request));
    }
    __atomic_store_n(&back.ring->rsp_prod,
                     back.rsp_prod + (back.mischief == BAD_PRODUCER ? 1000 : 0), __ATOMIC_SEQ_CST);
    (void)event_send(back.port);
}

/* The front-end has written something of its own. */
static void disk_written(const char *path, const char *value)
{
    if (!strstr(path, "/state"))
        return;
    if (atoi(value) == XenbusStateInitialised && back.mischief != LATE) {
        back.ring = grant_map(own, front_number("ring-ref"), false, &back.handle, NULL);
        back.port = (evtchn_port_t)event_bind_interdomain(own, front_number("event-channel"),
                                                          disk_handler, NULL);
        set_back("state", "4");
    } else if (atoi(value) == XenbusStateClosing && back.ring) {
        (void)grant_unmap(back.ring, back.handle);
        (void)event_close(back.port);
        back.ring = NULL;
        set_back("state", "6");
    }
}

/* A new device of its own number. */
static int plug(unsigned id, enum disk_mischief mischief, const char *info, struct block **block)
{
    char path[96], value[32];

    memset(&back, 0, sizeof(back));
    back.id = id;
    back.mischief = mischief;
    set_back("sectors", "2048");
    set_back("sector-size", "512");
    set_back("info", info);
    set_back("feature-flush-cache", "1");
    set_back("state", "2");
    snprintf(path, sizeof(path), "device/vbd/%u/backend-id", id);
    snprintf(value, sizeof(value), "%u", own);
    store_set(path, value);
    snprintf(path, sizeof(path), "device/vbd/%u/backend", id);
    snprintf(value, sizeof(value), "back/%u", id);
    store_set(path, value);
    store_play.written = disk_written;
    return block_open(block, id);
}

/* ---- Honest back-ends ---------------------------------------------------------------------- */

static void check_transfer(struct block *b, char *buffer, unsigned sector, unsigned sectors,
                           const char *how, const char *what)
{
    uint64_t sum;

    for (unsigned i = 0; i < sectors * 512; i++)
        buffer[i] = (char)(i * 31 + sector + i / 512);
    sum = checksum(buffer, sectors * 512ul);
    is(block_write(b, sector, buffer, sectors), 0, "%s, %s: written", how, what);
    is(checksum(disk + sector * 512ul, sectors * 512ul), sum, "%s, %s: on the disk", how, what);
    memset(buffer, 0, sectors * 512ul);
    is(block_read(b, sector, buffer, sectors), 0, "%s, %s: read", how, what);
    is(checksum(buffer, sectors * 512ul), sum, "%s, %s: as it was written", how, what);
}

static void test_transfers(struct block *b, const char *how)
{
    char *buffer = malloc(UNITS * 512ul + 64), *page = page_alloc();

    check_transfer(b, buffer, 0, 1, how, "one sector");
    check_transfer(b, buffer + 1, 5, 3, how, "three sectors, an odd address");
    check_transfer(b, page, 8, 8, how, "a page");
    check_transfer(b, buffer + 7, 100, 88, how, "a whole request");
    check_transfer(b, buffer, 100, 89, how, "a sector more than a request");
    back.most = back.flushes = 0;
    check_transfer(b, buffer + 3, 0, UNITS, how, "the whole disk");
    ok(back.most > 1, "%s: the whole disk: several requests at once", how);
    check_transfer(b, buffer, UNITS - 1, 1, how, "the last sector");
    is(back.bad_requests, 0, "%s: the back-end found no fault with any request", how);
    is(block_read(b, UNITS, buffer, 1), ERANGE, "%s: read behind the end: ERANGE", how);
    is(block_read(b, UNITS - 1, buffer, 2), ERANGE, "%s: read across the end: ERANGE", how);
    is(block_write(b, ~0ull, buffer, 2), ERANGE, "%s: write at the greatest sector: ERANGE", how);
    is(block_read(b, 0, buffer, 0), 0, "%s: read of nothing: works", how);
    is(block_flush(b), 0, "%s: flush: works", how);
    is(back.flushes, 1, "%s: flush: reached the back-end", how);
    page_free(page);
    free(buffer);
}

static void test_honest(void)
{
    unsigned long before = pages_free_count();
    struct block *b;
    struct block_info info;

    is(plug(1, GOOD, "2", &b), 0, "open: works");
    (void)block_info(b, &info);
    ok(info.sectors == UNITS && info.sector_size == 512 && !info.read_only && info.removable,
       "info: as the back-end says");
    test_transfers(b, "in order");
    back.mischief = BACKWARDS;
    test_transfers(b, "backwards");
    back.mischief = FAILS;
    is(block_read(b, 0, disk, 1), EIO, "an error of the disk: EIO");
    back.mischief = UNSUPPORTED;
    is(block_flush(b), EOPNOTSUPP, "a flush that the back-end cannot do: EOPNOTSUPP");
    back.mischief = GOOD;
    is(block_flush(b), 0, "after errors: it works still");
    block_close(b);
    ok(before - pages_free_count() < 8, "close: pages are free again");
}

static void test_read_only(void)
{
    struct block *b;

    is(plug(2, GOOD, "4", &b), 0, "open read-only: works");
    is(block_write(b, 0, disk, 1), EROFS, "write: EROFS");
    block_close(b);
    is(block_open(&b, 99), ENOENT, "open of no device: ENOENT");
}

/* ---- Others -------------------------------------------------------------------------------- */

static void test_hostile(unsigned id, enum disk_mischief mischief, const char *what)
{
    static char buffer[512];
    struct block *b;

    if (!ok(plug(id, GOOD, "0", &b) == 0, "%s: open", what))
        return;
    back.mischief = mischief;
    is(block_read(b, 0, buffer, 1), EIO, "%s: EIO", what);
    back.mischief = GOOD;
    is(block_read(b, 0, buffer, 1), EIO, "%s: and for ever", what);
    block_close(b);
}

static void test_late(void)
{
    uint64_t start = monotonic_ns();
    struct block *b;

    is(plug(20, LATE, "0", &b), ETIMEDOUT, "a back-end that never connects: ETIMEDOUT");
    ok(monotonic_ns() - start >= 10 * NS_PER_SEC, "a back-end that never connects: after 10 s");
}

int main(void)
{
    own = own_domain();
    disk = pages_alloc(8);
    store_start(own);
    test_honest();
    test_read_only();
    test_hostile(10, BAD_ID, "an answer to what was not asked");
    test_hostile(11, BAD_OPERATION, "an answer of another operation");
    test_hostile(12, BAD_PRODUCER, "an index beyond the requests");
    test_hostile(13, TWICE, "an answer given twice");
    test_hostile(14, LEAVES, "a back-end that goes");
    test_late();
    return done();
}
