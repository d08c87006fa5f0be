/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bzImage format, and moving bytes through a codec. The input is read once, front to back, in
 * pieces; nothing in it is believed before it is checked, and the output never passes the limit.
 *
 * Facts from Linux's Documentation/arch/x86/boot.rst, "The x86 boot protocol".
 */
#include "unpack.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec.h"

/* Offsets in the real-mode header, present since protocol 2.08. */
#define HEADER_SIZE        0x250u
#define HDR_SETUP_SECTS    0x1f1u
#define HDR_SYSSIZE        0x1f4u /* size of what follows the setup sectors, in units of 16 bytes */
#define HDR_BOOT_FLAG      0x1feu
#define HDR_MAGIC          0x202u
#define HDR_VERSION        0x206u
#define HDR_PAYLOAD_OFFSET 0x248u
#define HDR_PAYLOAD_LENGTH 0x24cu

#define BOOT_FLAG            0xaa55u
#define VERSION_WITH_PAYLOAD 0x0208u
#define SECTOR               512u
#define DEFAULT_SETUP_SECTS  4u /* "for backwards compatibility" with a zero in the header */
#define SIZE_TRAILER         4u

#define CHUNK 65536u

struct job {
    int in, out;
    uint64_t limit;
    uint64_t left; /* bytes of the payload not yet read */
    struct unpack_report *report;
    uint8_t inbuf[CHUNK], outbuf[CHUNK];
};

static const uint8_t elf_magic[4] = {0x7f, 'E', 'L', 'F'};

__attribute__((format(printf, 3, 4))) static enum unpack_result
fail(struct job *job, enum unpack_result result, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(job->report->error, sizeof(job->report->error), format, args);
    va_end(args);
    return result;
}

static uint32_t le16(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le32(const uint8_t *p)
{
    return le16(p) | le16(p + 2) << 16;
}

/* Reads until size bytes have come or the input ends. Returns how many came, -1 on an error. */
static ssize_t read_some(struct job *job, uint8_t *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = read(job->in, buf + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* Reads exactly size bytes of the payload: the header promised them. */
static enum unpack_result read_promised(struct job *job, uint8_t *buf, size_t size)
{
    ssize_t n = read_some(job, buf, size);

    if (n < 0)
        return fail(job, UNPACK_IO, "cannot read: %s", strerror(errno));
    if ((size_t)n < size)
        return fail(job, UNPACK_DAMAGED, "the file is cut off: it ends %llu bytes early",
                    (unsigned long long)(job->left - (size_t)n));
    job->left -= size;
    return UNPACK_OK;
}

static enum unpack_result write_all(struct job *job, const uint8_t *buf, size_t size)
{
    if (!job->report->written && size &&
        (size < sizeof(elf_magic) || memcmp(buf, elf_magic, sizeof(elf_magic))))
        return fail(job, UNPACK_REFUSED, "the image holds no ELF file (%s data of another kind)",
                    job->report->format);
    if (size > job->limit - job->report->written)
        return fail(job, UNPACK_REFUSED, "unpacks to more than the limit of %llu bytes",
                    (unsigned long long)job->limit);

    while (size) {
        ssize_t n = write(job->out, buf, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(job, UNPACK_IO, "cannot write: %s", strerror(errno));
        buf += n;
        size -= (size_t)n;
        job->report->written += (uint64_t)n;
    }
    return UNPACK_OK;
}

/* An ELF file needs no unpacking: what has been read of it, and the rest. */
static enum unpack_result copy_elf(struct job *job, const uint8_t *head, size_t size)
{
    job->report->format = "elf";
    enum unpack_result result = write_all(job, head, size);

    while (result == UNPACK_OK) {
        ssize_t n = read_some(job, job->inbuf, CHUNK);
        if (n < 0)
            return fail(job, UNPACK_IO, "cannot read: %s", strerror(errno));
        if (n == 0)
            break;
        result = write_all(job, job->inbuf, (size_t)n);
    }
    return result;
}

/* Reads the next piece of the payload's packed bytes, of which `*packed` have not been read. */
static enum unpack_result refill(struct job *job, struct codec_input *in, uint64_t *packed)
{
    size_t n = *packed < CHUNK ? (size_t)*packed : CHUNK;
    enum unpack_result result = read_promised(job, job->inbuf, n);

    *packed -= n;
    *in = (struct codec_input){job->inbuf, n, *packed == 0};
    return result;
}

/*
 * Runs the payload through the codec. Its first CODEC_MAGIC_MAX bytes are in inbuf; `packed` bytes
 * follow them. Output is written when the buffer is full, so the first write shows the ELF header.
 */
static enum unpack_result run_codec(struct job *job, const struct codec *codec, void *state,
                                    uint64_t packed)
{
    struct codec_input in = {job->inbuf, CODEC_MAGIC_MAX, packed == 0};
    struct codec_output out = {job->outbuf, CHUNK};
    enum unpack_result result = UNPACK_OK;
    enum codec_step step = CODEC_MORE;

    while (step != CODEC_END) {
        if (!in.size && packed)
            result = refill(job, &in, &packed);
        if (result != UNPACK_OK)
            return result;

        size_t had_input = in.size, had_room = out.room;
        step = codec->step(state, &in, &out);
        bool stalled = in.size == had_input && out.room == had_room;
        if (step == CODEC_BAD || (step == CODEC_MORE && stalled && in.size))
            return fail(job, UNPACK_DAMAGED, "the %s data are corrupt", codec->name);
        if (step == CODEC_NOMEM)
            return fail(job, UNPACK_REFUSED, "unpacking the %s data takes too much memory",
                        codec->name);
        if (step == CODEC_MORE && stalled && in.last)
            return fail(job, UNPACK_DAMAGED, "the %s data are cut off", codec->name);
        if (step == CODEC_END || !out.room) {
            result = write_all(job, job->outbuf, CHUNK - out.room);
            out = (struct codec_output){job->outbuf, CHUNK};
        }
    }
    if (result == UNPACK_OK && (in.size || packed))
        return fail(job, UNPACK_DAMAGED, "%llu bytes follow the end of the %s data",
                    (unsigned long long)(in.size + packed), codec->name);
    return result;
}

/* Compares the size that Linux's build appended with what came out. */
static enum unpack_result check_size(struct job *job)
{
    uint8_t trailer[SIZE_TRAILER];
    enum unpack_result result = read_promised(job, trailer, sizeof(trailer));

    if (result == UNPACK_OK && le32(trailer) != (uint32_t)job->report->written)
        return fail(job, UNPACK_DAMAGED, "unpacks to %llu bytes where the image says %lu",
                    (unsigned long long)job->report->written, (unsigned long)le32(trailer));
    return result;
}

/* The payload begins at the input's position; job->left is its length. */
static enum unpack_result unpack_payload(struct job *job)
{
    if (job->left < CODEC_MAGIC_MAX + SIZE_TRAILER)
        return fail(job, UNPACK_DAMAGED, "the header's payload length, %llu, is too small",
                    (unsigned long long)job->left);
    enum unpack_result result = read_promised(job, job->inbuf, CODEC_MAGIC_MAX);
    if (result != UNPACK_OK)
        return result;

    const struct codec *codec = codec_find(job->inbuf);
    if (!codec)
        return fail(
            job, UNPACK_REFUSED,
            "the payload's compression is unknown (it begins %02x %02x %02x %02x); known are "
            "gzip, xz, lzma, zstd, bzip2, lz4",
            job->inbuf[0], job->inbuf[1], job->inbuf[2], job->inbuf[3]);
    job->report->format = codec->name;

    void *state = codec->open();
    if (!state)
        return fail(job, UNPACK_IO, "no memory for the %s decoder", codec->name);
    result = run_codec(job, codec, state, job->left - (codec->size_follows ? SIZE_TRAILER : 0));
    codec->close(state);
    if (result == UNPACK_OK && codec->size_follows)
        result = check_size(job);
    return result;
}

/* Checks the boot header, leaves the payload's bounds within the file in *start and job->left. */
static enum unpack_result parse_header(struct job *job, const uint8_t *head, uint64_t *start)
{
    uint32_t sects = head[HDR_SETUP_SECTS] ? head[HDR_SETUP_SECTS] : DEFAULT_SETUP_SECTS;
    uint32_t version = le16(head + HDR_VERSION);
    uint64_t offset = le32(head + HDR_PAYLOAD_OFFSET);
    uint64_t length = le32(head + HDR_PAYLOAD_LENGTH);
    uint64_t body = (uint64_t)le32(head + HDR_SYSSIZE) * 16;

    if (version < VERSION_WITH_PAYLOAD)
        return fail(job, UNPACK_REFUSED,
                    "boot protocol %u.%02u tells no payload; 2.08 (Linux 2.6.26) is the first",
                    version >> 8, version & 0xff);
    if (!length)
        return fail(job, UNPACK_REFUSED, "the image has no compressed payload");
    if (offset + length > body)
        return fail(job, UNPACK_DAMAGED,
                    "the payload, %llu bytes at %llu, lies outside the image's %llu bytes",
                    (unsigned long long)length, (unsigned long long)offset,
                    (unsigned long long)body);
    *start = (uint64_t)(sects + 1) * SECTOR + offset;
    if (*start < HEADER_SIZE)
        return fail(job, UNPACK_DAMAGED, "the payload overlaps the header");
    job->left = length;
    return UNPACK_OK;
}

/* Reads up to the payload, which may lie behind code that is of no interest here. */
static enum unpack_result skip_to(struct job *job, uint64_t from, uint64_t to)
{
    uint64_t length = job->left;
    enum unpack_result result = UNPACK_OK;

    job->left += to - from; /* so that an early end is reported with what is missing in all */
    while (result == UNPACK_OK && job->left > length) {
        uint64_t n = job->left - length;
        result = read_promised(job, job->inbuf, n < CHUNK ? (size_t)n : CHUNK);
    }
    return result;
}

static enum unpack_result unpack_bzimage(struct job *job, const uint8_t *head)
{
    uint64_t start = 0;
    enum unpack_result result = parse_header(job, head, &start);

    if (result == UNPACK_OK)
        result = skip_to(job, HEADER_SIZE, start);
    if (result == UNPACK_OK)
        result = unpack_payload(job);
    return result;
}

enum unpack_result unpack_kernel(int in, int out, uint64_t limit, struct unpack_report *report)
{
    uint8_t head[HEADER_SIZE];
    enum unpack_result result;
    struct job *job = calloc(1, sizeof(*job));

    *report = (struct unpack_report){0};
    if (!job) {
        snprintf(report->error, sizeof(report->error), "no memory");
        return UNPACK_IO;
    }
    job->in = in;
    job->out = out;
    job->limit = limit;
    job->report = report;

    ssize_t n = read_some(job, head, sizeof(head));
    if (n < 0)
        result = fail(job, UNPACK_IO, "cannot read: %s", strerror(errno));
    else if ((size_t)n >= sizeof(elf_magic) && !memcmp(head, elf_magic, sizeof(elf_magic)))
        result = copy_elf(job, head, (size_t)n);
    else if ((size_t)n == sizeof(head) && le16(head + HDR_BOOT_FLAG) == BOOT_FLAG &&
             !memcmp(head + HDR_MAGIC, "HdrS", 4))
        result = unpack_bzimage(job, head);
    else
        result = fail(job, UNPACK_REFUSED, "neither a Linux kernel (bzImage) nor an ELF file");
    free(job);
    return result;
}
