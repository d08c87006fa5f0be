/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Codecs over zlib, liblzma, libzstd and libbz2. Each step is one call of the library's own stream
 * decoder; memory is bounded by UNPACK_MEMORY_LIMIT where the format lets the stream choose it.
 */
#include "codec.h"

#include <bzlib.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "unpack.h"

static void input_take(struct codec_input *in, size_t n)
{
    in->data += n;
    in->size -= n;
}

static void output_give(struct codec_output *out, size_t n)
{
    out->data += n;
    out->room -= n;
}

static void *gzip_open(void)
{
    z_stream *z = calloc(1, sizeof(*z));

    /* 16: expect gzip's header and trailer, so that its CRC is checked (zlib.h, inflateInit2). */
    if (z && inflateInit2(z, 16 + MAX_WBITS) != Z_OK) {
        free(z);
        return NULL;
    }
    return z;
}

static enum codec_step gzip_step(void *state, struct codec_input *in, struct codec_output *out)
{
    z_stream *z = state;

    z->next_in = (Bytef *)in->data;
    z->avail_in = (uInt)in->size;
    z->next_out = out->data;
    z->avail_out = (uInt)out->room;
    int ret = inflate(z, Z_NO_FLUSH);
    input_take(in, in->size - z->avail_in);
    output_give(out, out->room - z->avail_out);

    switch (ret) {
    case Z_OK:
    case Z_BUF_ERROR:
        return CODEC_MORE;
    case Z_STREAM_END:
        return CODEC_END;
    case Z_MEM_ERROR:
        return CODEC_NOMEM;
    default:
        return CODEC_BAD;
    }
}

static void gzip_close(void *state)
{
    inflateEnd(state);
    free(state);
}

static void *lzma_open_with(lzma_ret (*init)(lzma_stream *))
{
    lzma_stream *s = malloc(sizeof(*s));

    if (!s)
        return NULL;
    *s = (lzma_stream)LZMA_STREAM_INIT;
    if (init(s) != LZMA_OK) {
        free(s);
        return NULL;
    }
    return s;
}

static lzma_ret xz_init(lzma_stream *s)
{
    return lzma_stream_decoder(s, UNPACK_MEMORY_LIMIT, LZMA_TELL_UNSUPPORTED_CHECK);
}

static lzma_ret lzma_alone_init(lzma_stream *s)
{
    return lzma_alone_decoder(s, UNPACK_MEMORY_LIMIT);
}

static void *xz_open(void)
{
    return lzma_open_with(xz_init);
}

static void *lzma_alone_open(void)
{
    return lzma_open_with(lzma_alone_init);
}

static enum codec_step xz_step(void *state, struct codec_input *in, struct codec_output *out)
{
    lzma_stream *s = state;

    s->next_in = in->data;
    s->avail_in = in->size;
    s->next_out = out->data;
    s->avail_out = out->room;
    lzma_ret ret = lzma_code(s, LZMA_RUN);
    input_take(in, in->size - s->avail_in);
    output_give(out, out->room - s->avail_out);

    switch (ret) {
    case LZMA_OK:
    case LZMA_BUF_ERROR:
        return CODEC_MORE;
    case LZMA_STREAM_END:
        return CODEC_END;
    case LZMA_MEM_ERROR:
    case LZMA_MEMLIMIT_ERROR:
        return CODEC_NOMEM;
    default:
        return CODEC_BAD;
    }
}

static void xz_close(void *state)
{
    lzma_end(state);
    free(state);
}

static void *zstd_open(void)
{
    return ZSTD_createDStream();
}

/* The library's own bound on the window, 128 MiB, is what Linux's build uses at most. */
static enum codec_step zstd_step(void *state, struct codec_input *in, struct codec_output *out)
{
    ZSTD_inBuffer zin = {in->data, in->size, 0};
    ZSTD_outBuffer zout = {out->data, out->room, 0};
    size_t ret = ZSTD_decompressStream(state, &zout, &zin);

    if (ZSTD_isError(ret))
        return CODEC_BAD;
    input_take(in, zin.pos);
    output_give(out, zout.pos);
    return ret == 0 ? CODEC_END : CODEC_MORE;
}

static void zstd_close(void *state)
{
    ZSTD_freeDStream(state);
}

static void *bzip2_open(void)
{
    bz_stream *b = calloc(1, sizeof(*b));

    if (b && BZ2_bzDecompressInit(b, 0, 0) != BZ_OK) {
        free(b);
        return NULL;
    }
    return b;
}

static enum codec_step bzip2_step(void *state, struct codec_input *in, struct codec_output *out)
{
    bz_stream *b = state;

    b->next_in = (char *)in->data;
    b->avail_in = (unsigned)in->size;
    b->next_out = (char *)out->data;
    b->avail_out = (unsigned)out->room;
    int ret = BZ2_bzDecompress(b);
    input_take(in, in->size - b->avail_in);
    output_give(out, out->room - b->avail_out);

    switch (ret) {
    case BZ_OK:
        return CODEC_MORE;
    case BZ_STREAM_END:
        return CODEC_END;
    case BZ_MEM_ERROR:
        return CODEC_NOMEM;
    default:
        return CODEC_BAD;
    }
}

static void bzip2_close(void *state)
{
    BZ2_bzDecompressEnd(state);
    free(state);
}

static const struct codec codecs[] = {
    {"gzip", {0x1f, 0x8b}, 2, false, gzip_open, gzip_step, gzip_close},
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, true, xz_open, xz_step, xz_close},
    /* No magic number: the properties byte that every encoder writes, and a dictionary size of a
     * power of two from 64 KiB up. */
    {"lzma", {0x5d, 0, 0}, 3, true, lzma_alone_open, xz_step, xz_close},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, true, zstd_open, zstd_step, zstd_close},
    {"bzip2", {'B', 'Z', 'h'}, 3, true, bzip2_open, bzip2_step, bzip2_close},
};

const struct codec *codec_find(const uint8_t data[CODEC_MAGIC_MAX])
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
        if (!memcmp(data, codecs[i].magic, codecs[i].magic_size))
            return &codecs[i];
    if (!memcmp(data, codec_lz4.magic, codec_lz4.magic_size))
        return &codec_lz4;
    return NULL;
}
