/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/unpack/unpack.c toolstack/unpack/codec.c toolstack/unpack/codec_lz4.c
 * links: tests/unit/host.c
 * libs: -lz -llzma -lzstd -llz4 -lbz2
 *
 * pvunpack's work on kernels made up here: of every compression, whole, cut off at each place that
 * matters, with bytes changed, and with every field of the header at its bounds.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_packer.h"
#include "tap.h"
#include "toolstack/unpack/unpack.h"

#define DEFAULT_LIMIT (64ull << 20)

/* ---- Making kernels ------------------------------------------------------------------------- */

/* An "ELF file" of that size: the magic number, then bytes that compress by about a half. */
static struct bytes make_elf(size_t size)
{
    struct bytes elf = {malloc(size), size};
    uint32_t random = 12345;

    for (size_t i = 0; i < size; i++) {
        random = random * 1664525u + 1013904223u;
        elf.data[i] = (uint8_t)(i & 64 ? random >> 24 : i >> 8);
    }
    memcpy(elf.data,
           "\x7f"
           "ELF",
           size < 4 ? size : 4);
    return elf;
}

static size_t payload_size(const struct bytes *k)
{
    const uint8_t *p = k->data + 0x24c;

    return p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

/* ---- Unpacking them ------------------------------------------------------------------------- */

static struct unpack_report report;
static int out_fd;

static enum unpack_result unpack_limited(struct bytes kernel, uint64_t limit)
{
    int in = memfd_create("in", MFD_CLOEXEC);

    if (write(in, kernel.data, kernel.size) != (ssize_t)kernel.size)
        bail_out("cannot write to a memfd");
    lseek(in, 0, SEEK_SET);
    if (ftruncate(out_fd, 0))
        bail_out("cannot truncate a memfd");
    lseek(out_fd, 0, SEEK_SET);
    enum unpack_result result = unpack_kernel(in, out_fd, limit, &report);
    close(in);
    return result;
}

static enum unpack_result unpack(struct bytes kernel)
{
    return unpack_limited(kernel, DEFAULT_LIMIT);
}

static bool output_is(struct bytes want)
{
    off_t size = lseek(out_fd, 0, SEEK_END);

    if ((size_t)size != want.size || report.written != want.size)
        return false;
    uint8_t *got = mmap(NULL, want.size, PROT_READ, MAP_SHARED, out_fd, 0);
    bool same = !memcmp(got, want.data, want.size);
    munmap(got, want.size);
    return same;
}

static struct bytes copy_of(struct bytes b, size_t size)
{
    struct bytes c = {malloc(size ? size : 1), size};

    memcpy(c.data, b.data, size);
    return c;
}

/* ---- What must come out --------------------------------------------------------------------- */

static void test_whole(const struct format *format, size_t size)
{
    struct bytes elf = make_elf(size);
    struct bytes kernel = make_kernel(format, elf);

    is(unpack(kernel), UNPACK_OK, "%s, %zu bytes: unpacks (%s)", format->name, size, report.error);
    is_str(report.format, format->name, "%s: is recognized", format->name);
    ok(output_is(elf), "%s: the ELF file comes out", format->name);

    is(unpack_limited(kernel, size), UNPACK_OK, "%s: the limit itself is allowed", format->name);
    is(unpack_limited(kernel, size - 1), UNPACK_REFUSED, "%s: one byte more is not", format->name);
    ok(strstr(report.error, "limit"), "%s: and is called that", format->name);
    free(kernel.data);
    free(elf.data);
}

/* Cut off in the header, before, within and at the end of the payload. */
static void test_cut_off(const struct format *format)
{
    struct bytes elf = make_elf(100000);
    struct bytes kernel = make_kernel(format, elf);
    size_t start = HEADER_BYTES + PAYLOAD_AT, size = payload_size(&kernel);
    const size_t cuts[] = {0x250,
                           start - 1,
                           start,
                           start + 1,
                           start + 7,
                           start + 9,
                           start + size / 2,
                           start + size - 5,
                           start + size - 1};

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct bytes part = copy_of(kernel, cuts[i]);
        is(unpack(part), UNPACK_DAMAGED, "%s: a file cut off at %zu", format->name, cuts[i]);
        free(part.data);
    }
    struct bytes part = copy_of(kernel, start + size);
    is(unpack(part), UNPACK_OK, "%s: what follows the payload is not needed", format->name);
    free(part.data);
    free(kernel.data);
    free(elf.data);
}

/* The header promises less than the stream needs, or more than it is. */
static void test_wrong_length(const struct format *format)
{
    struct bytes elf = make_elf(100000);
    struct bytes kernel = make_kernel(format, elf);
    uint32_t size = (uint32_t)payload_size(&kernel);
    const uint32_t wrong[] = {1, 9, 10, 11, size / 2, size - 1, size + 1, size + 50};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put32(kernel.data + 0x24c, wrong[i]);
        is(unpack(kernel), UNPACK_DAMAGED, "%s: a payload length of %u for %u", format->name,
           wrong[i], size);
    }
    put32(kernel.data + 0x24c, 0);
    is(unpack(kernel), UNPACK_REFUSED, "%s: no payload", format->name);
    free(kernel.data);
    free(elf.data);
}

/*
 * Changed bytes: an error, or (where nothing checks them) the wrong output, but always an end. With
 * a checksum (all but lzma and lz4) an unchanged size never hides wrong contents.
 */
static void test_corrupt(const struct format *format, bool checksum)
{
    struct bytes elf = make_elf(100000);
    struct bytes kernel = make_kernel(format, elf);
    size_t start = HEADER_BYTES + PAYLOAD_AT, size = payload_size(&kernel);
    unsigned undetected = 0, runs = 0;

    for (size_t at = 0; at < size; at += at < 64 ? 1 : size / 150 + 1) {
        uint8_t old = kernel.data[start + at];
        kernel.data[start + at] ^= (uint8_t)(1 + at % 255);
        enum unpack_result result = unpack(kernel);
        undetected += result == UNPACK_OK && !output_is(elf);
        runs += result == UNPACK_OK || report.error[0];
        kernel.data[start + at] = old;
    }
    ok(runs >= 150, "%s: every damaged payload ends with a result", format->name);
    if (checksum)
        is(undetected, 0, "%s: damage is never taken for data", format->name);
    is(unpack(kernel), UNPACK_OK, "%s: undamaged again it unpacks", format->name);
    free(kernel.data);
    free(elf.data);
}

static void test_size_trailer(void)
{
    struct bytes elf = make_elf(5000);

    for (size_t i = 0; i < NR_FORMATS; i++) {
        if (!formats[i].size_follows)
            continue;
        struct bytes kernel = make_kernel(&formats[i], elf);
        put32(kernel.data + HEADER_BYTES + PAYLOAD_AT + payload_size(&kernel) - 4, 4999);
        is(unpack(kernel), UNPACK_DAMAGED, "%s: another size than promised", formats[i].name);
        ok(strstr(report.error, "5000") && strstr(report.error, "4999"), "both are named: %s",
           report.error);
        free(kernel.data);
    }
    free(elf.data);
}

static void test_not_elf(void)
{
    struct bytes text = make_elf(5000);

    text.data[0] = 'x';
    for (size_t i = 0; i < NR_FORMATS; i++) {
        struct bytes kernel = make_kernel(&formats[i], text);
        is(unpack(kernel), UNPACK_REFUSED, "%s: a payload that is no ELF file", formats[i].name);
        is(report.written, 0, "nothing is written of it");
        free(kernel.data);
    }
    free(text.data);
}

/* ---- The header ----------------------------------------------------------------------------- */

static void test_header(void)
{
    struct bytes elf = make_elf(5000);
    struct bytes kernel = make_kernel(&formats[0], elf);
    uint32_t size = (uint32_t)payload_size(&kernel);
    uint8_t *h = kernel.data;

    put32(h + 0x206, 0x0207);
    is(unpack(kernel), UNPACK_REFUSED, "a protocol without payload fields");
    ok(strstr(report.error, "2.07"), "its version is named: %s", report.error);
    put32(h + 0x206, 0x0208);
    is(unpack(kernel), UNPACK_OK, "the first protocol with them");

    put32(h + 0x248, 0xffffffff);
    is(unpack(kernel), UNPACK_DAMAGED, "the largest payload offset");
    put32(h + 0x24c, 0xffffffff);
    is(unpack(kernel), UNPACK_DAMAGED, "with the largest length");
    put32(h + 0x1f4, 0xffffffff);
    is(unpack(kernel), UNPACK_DAMAGED, "in the largest image");
    put32(h + 0x24c, 100);
    is(unpack(kernel), UNPACK_DAMAGED, "a payload far behind the end of the file");

    put32(h + 0x248, PAYLOAD_AT);
    put32(h + 0x24c, size);
    put32(h + 0x1f4, (PAYLOAD_AT + size + 15) / 16);
    is(unpack(kernel), UNPACK_OK, "a payload that ends with the image");
    put32(h + 0x1f4, (PAYLOAD_AT + size + 15) / 16 - 1);
    is(unpack(kernel), UNPACK_DAMAGED, "one that passes its end");

    put32(h + 0x1f4, 0xffff);
    h[0x1f1] = 0;
    is(unpack(kernel), UNPACK_REFUSED, "setup_sects 0 means 4: other bytes are looked at");
    ok(strstr(report.error, "unknown"), "which are no known compression");
    h[0x1f1] = SETUP_SECTS;
    memcpy(h + 0x202, "HdrX", 4);
    is(unpack(kernel), UNPACK_REFUSED, "another magic number");
    free(kernel.data);
    free(elf.data);
}

static void test_zero_setup_sects(void)
{
    struct bytes elf = make_elf(5000);
    struct bytes kernel = make_kernel(&formats[0], elf);

    /* A sector more in front of the payload, and the header's word for it: 0, meaning 4. */
    memmove(kernel.data + HEADER_BYTES + 512, kernel.data + HEADER_BYTES,
            kernel.size - HEADER_BYTES);
    kernel.size += 512;
    kernel.data[0x1f1] = 0;
    is(unpack(kernel), UNPACK_OK, "setup_sects 0 means 4");
    ok(output_is(elf), "and the payload is found there");
    free(kernel.data);
    free(elf.data);
}

static void test_unknown_compressions(void)
{
    struct bytes elf = make_elf(5000);
    struct bytes kernel = make_kernel(&formats[0], elf);

    memcpy(kernel.data + HEADER_BYTES + PAYLOAD_AT, "\x89LZO\0", 5);
    is(unpack(kernel), UNPACK_REFUSED, "LZO is not supported");
    ok(strstr(report.error, "89 4c 5a 4f"), "what was found is named: %s", report.error);
    free(kernel.data);
    free(elf.data);
}

/* ---- Other files ---------------------------------------------------------------------------- */

static void test_plain(void)
{
    const size_t sizes[] = {4, 5, 0x24f, 0x250, 0x251, 65536, 200000};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct bytes elf = make_elf(sizes[i]);
        is(unpack(elf), UNPACK_OK, "an ELF file of %zu bytes", sizes[i]);
        ok(output_is(elf), "passes unchanged");
        is(unpack_limited(elf, sizes[i] - 1), UNPACK_REFUSED, "unless it is above the limit");
        free(elf.data);
    }
    is_str(report.format, "elf", "it is called elf");

    struct bytes other = {calloc(1, 8192), 8192};
    is(unpack(other), UNPACK_REFUSED, "zeros");
    other.size = 0;
    is(unpack(other), UNPACK_REFUSED, "an empty file");
    memcpy(other.data,
           "\x7f"
           "EL",
           3);
    other.size = 3;
    is(unpack(other), UNPACK_REFUSED, "three bytes of an ELF file");
    free(other.data);
}

static void test_lz4_framing(void)
{
    struct bytes elf = make_elf(LZ4_BLOCK + 1000);
    struct bytes kernel = make_kernel(&formats[5], elf);
    uint8_t *block = kernel.data + HEADER_BYTES + PAYLOAD_AT + 4;
    uint8_t first[4];

    memcpy(first, block, 4);
    put32(block, 0);
    is(unpack(kernel), UNPACK_DAMAGED, "lz4: a block of no bytes");
    put32(block, 0x7fffffff);
    is(unpack(kernel), UNPACK_DAMAGED, "lz4: a block larger than any");
    put32(block, LZ4_COMPRESSBOUND(LZ4_BLOCK) + 1);
    is(unpack(kernel), UNPACK_DAMAGED, "lz4: one byte larger than any");
    memcpy(block, first, 4);
    is(unpack(kernel), UNPACK_OK, "lz4: as it was");
    free(kernel.data);
    free(elf.data);
}

static void test_io_errors(void)
{
    struct bytes elf = make_elf(5000);
    int in = memfd_create("in", MFD_CLOEXEC), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    if (write(in, elf.data, elf.size) != (ssize_t)elf.size)
        bail_out("cannot write to a memfd");
    lseek(in, 0, SEEK_SET);
    is(unpack_kernel(in, full, DEFAULT_LIMIT, &report), UNPACK_IO, "a full disk");
    ok(strstr(report.error, "cannot write"), "is said: %s", report.error);
    is(unpack_kernel(-1, out_fd, DEFAULT_LIMIT, &report), UNPACK_IO,
       "an input that cannot be read");
    close(in);
    close(full);
    free(elf.data);
}

int main(void)
{
    out_fd = memfd_create("out", MFD_CLOEXEC);
    for (size_t i = 0; i < NR_FORMATS; i++) {
        bool checksum = strcmp(formats[i].name, "lzma") && strcmp(formats[i].name, "lz4");
        test_whole(&formats[i], 5);
        test_whole(&formats[i], 65536);
        test_whole(&formats[i], 3000001);
        test_cut_off(&formats[i]);
        test_wrong_length(&formats[i]);
        test_corrupt(&formats[i], checksum);
    }
    test_whole(&formats[5], LZ4_BLOCK);
    test_whole(&formats[5], LZ4_BLOCK + 1);
    test_size_trailer();
    test_not_elf();
    test_header();
    test_zero_setup_sects();
    test_unknown_compressions();
    test_plain();
    test_lz4_framing();
    test_io_errors();
    return done();
}
