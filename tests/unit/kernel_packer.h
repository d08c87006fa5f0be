/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel images of every compression that there is, made of any bytes: what Linux's build does.
 */
#ifndef KERNEL_PACKER_H
#define KERNEL_PACKER_H

#include <bzlib.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define SETUP_SECTS  3u
#define PAYLOAD_AT   0x123u /* behind the setup sectors; not aligned, on purpose */
#define HEADER_BYTES ((SETUP_SECTS + 1) * 512u)
#define LZ4_BLOCK    (8u << 20)

struct bytes {
    uint8_t *data;
    size_t size;
};

typedef size_t compressor(uint8_t *out, size_t room, const uint8_t *in, size_t size);

static inline void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

static inline size_t pack_gzip(uint8_t *out, size_t room, const uint8_t *in, size_t size)
{
    z_stream z = {0};

    deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)in;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    return room - z.avail_out;
}

static inline size_t finish_lzma(lzma_stream *s, uint8_t *out, size_t room, const uint8_t *in,
                                 size_t size)
{
    s->next_in = in;
    s->avail_in = size;
    s->next_out = out;
    s->avail_out = room;
    if (lzma_code(s, LZMA_FINISH) != LZMA_STREAM_END)
        abort();
    size_t left = s->avail_out;
    lzma_end(s);
    return room - left;
}

static inline size_t pack_xz(uint8_t *out, size_t room, const uint8_t *in, size_t size)
{
    lzma_stream s = LZMA_STREAM_INIT;

    if (lzma_easy_encoder(&s, 1, LZMA_CHECK_CRC32) != LZMA_OK)
        abort();
    return finish_lzma(&s, out, room, in, size);
}

static inline size_t pack_lzma(uint8_t *out, size_t room, const uint8_t *in, size_t size)
{
    lzma_stream s = LZMA_STREAM_INIT;
    lzma_options_lzma options;

    if (lzma_lzma_preset(&options, 1) || lzma_alone_encoder(&s, &options) != LZMA_OK)
        abort();
    return finish_lzma(&s, out, room, in, size);
}

static inline size_t pack_zstd(uint8_t *out, size_t room, const uint8_t *in, size_t size)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();

    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(c, out, room, in, size);
    ZSTD_freeCCtx(c);
    return n;
}

static inline size_t pack_bzip2(uint8_t *out, size_t room, const uint8_t *in, size_t size)
{
    unsigned n = (unsigned)room;

    BZ2_bzBuffToBuffCompress((char *)out, &n, (char *)in, (unsigned)size, 1, 0, 0);
    return n;
}

static inline size_t pack_lz4(uint8_t *out, size_t room, const uint8_t *in, size_t size)
{
    size_t n = 4;

    put32(out, 0x184c2102);
    for (size_t at = 0; at < size; at += LZ4_BLOCK) {
        size_t part = size - at < LZ4_BLOCK ? size - at : LZ4_BLOCK;
        int packed = LZ4_compress_default((const char *)in + at, (char *)out + n + 4, (int)part,
                                          (int)(room - n - 4));
        put32(out + n, (uint32_t)packed);
        n += 4 + (size_t)packed;
    }
    return n;
}

static const struct format {
    const char *name;
    compressor *pack;
    bool size_follows;
} formats[] = {
    {"gzip", pack_gzip, false}, {"xz", pack_xz, true},       {"lzma", pack_lzma, true},
    {"zstd", pack_zstd, true},  {"bzip2", pack_bzip2, true}, {"lz4", pack_lz4, true},
};

#define NR_FORMATS (sizeof(formats) / sizeof(formats[0]))

/* Header, some code, the packed ELF file, some more code. */
static inline struct bytes make_kernel(const struct format *format, struct bytes elf)
{
    size_t room = elf.size + elf.size / 8 + 65536; /* for what does not compress */
    struct bytes k = {calloc(1, room + 65536), 0};
    uint8_t *payload = k.data + HEADER_BYTES + PAYLOAD_AT;
    size_t size = format->pack(payload, room, elf.data, elf.size);

    if (format->size_follows) {
        put32(payload + size, (uint32_t)elf.size);
        size += 4;
    }
    size_t body = (PAYLOAD_AT + size + 100 + 15) / 16 * 16;
    k.size = HEADER_BYTES + body;
    k.data[0x1f1] = SETUP_SECTS;
    put32(k.data + 0x1f4, (uint32_t)(body / 16));
    put32(k.data + 0x1fe, 0xaa55);
    memcpy(k.data + 0x202, "HdrS", 4);
    put32(k.data + 0x206, 0x020f);
    put32(k.data + 0x248, PAYLOAD_AT);
    put32(k.data + 0x24c, (uint32_t)size);
    return k;
}

#endif
