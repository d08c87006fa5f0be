/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The legacy LZ4 frame, which Linux's build uses: a magic number, then blocks, each a four-byte
 * little-endian compressed size and the data, unpacking to at most 8 MiB; only the last block may
 * unpack to less. There is no mark at the end: the frame ends with its input (LZ4 Frame Format
 * Description, "Legacy frame").
 *
 * liblz4 decodes a block at a time, so a block is gathered whole, unpacked whole, and drained.
 */
#include "codec.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#define LEGACY_MAGIC 0x184c2102u
#define LEGACY_BLOCK (8u << 20)

struct lz4_state {
    uint8_t word[4]; /* the magic number or a block's size, as far as it has come */
    size_t word_fill;
    bool magic_seen;
    bool short_block_seen; /* that was the last one */
    size_t want;           /* compressed size of the block being gathered, 0: none */
    size_t fill;
    size_t ready, drained; /* bytes unpacked, bytes given out */
    uint8_t *packed;       /* LZ4_COMPRESSBOUND(LEGACY_BLOCK) bytes */
    uint8_t *unpacked;     /* LEGACY_BLOCK bytes */
};

static void lz4_close(void *state)
{
    struct lz4_state *s = state;

    free(s->packed);
    free(s->unpacked);
    free(s);
}

static void *lz4_open(void)
{
    struct lz4_state *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->packed = malloc(LZ4_COMPRESSBOUND(LEGACY_BLOCK));
    s->unpacked = malloc(LEGACY_BLOCK);
    if (!s->packed || !s->unpacked) {
        lz4_close(s);
        return NULL;
    }
    return s;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Moves up to n bytes of the input to dst. Returns how many there were. */
static size_t take(struct codec_input *in, uint8_t *dst, size_t n)
{
    n = min_size(n, in->size);
    memcpy(dst, in->data, n);
    in->data += n;
    in->size -= n;
    return n;
}

static void drain(struct lz4_state *s, struct codec_output *out)
{
    size_t n = min_size(out->room, s->ready - s->drained);

    memcpy(out->data, s->unpacked + s->drained, n);
    out->data += n;
    out->room -= n;
    s->drained += n;
}

/* Gathers the next four bytes: the magic number first, then sizes of blocks. */
static enum codec_step read_word(struct lz4_state *s, struct codec_input *in)
{
    s->word_fill += take(in, s->word + s->word_fill, sizeof(s->word) - s->word_fill);
    if (s->word_fill < sizeof(s->word))
        return in->last && !s->word_fill && s->magic_seen ? CODEC_END : CODEC_MORE;
    s->word_fill = 0;

    uint32_t word = s->word[0] | (uint32_t)s->word[1] << 8 | (uint32_t)s->word[2] << 16 |
                    (uint32_t)s->word[3] << 24;
    if (!s->magic_seen) {
        s->magic_seen = true;
        return word == LEGACY_MAGIC ? CODEC_MORE : CODEC_BAD;
    }
    if (!word || word > LZ4_COMPRESSBOUND(LEGACY_BLOCK) || s->short_block_seen)
        return CODEC_BAD;
    s->want = word;
    s->fill = 0;
    return CODEC_MORE;
}

static enum codec_step read_block(struct lz4_state *s, struct codec_input *in)
{
    s->fill += take(in, s->packed + s->fill, s->want - s->fill);
    if (s->fill < s->want)
        return CODEC_MORE;

    int n = LZ4_decompress_safe((const char *)s->packed, (char *)s->unpacked, (int)s->want,
                                LEGACY_BLOCK);
    if (n <= 0)
        return CODEC_BAD;
    s->ready = (size_t)n;
    s->drained = 0;
    s->want = 0;
    s->short_block_seen = s->ready < LEGACY_BLOCK;
    return CODEC_MORE;
}

static enum codec_step lz4_step(void *state, struct codec_input *in, struct codec_output *out)
{
    struct lz4_state *s = state;

    if (s->drained < s->ready) {
        drain(s, out);
        return CODEC_MORE;
    }
    if (s->want)
        return read_block(s, in);
    return read_word(s, in);
}

const struct codec codec_lz4 = {
    "lz4", {0x02, 0x21, 0x4c, 0x18}, 4, true, lz4_open, lz4_step, lz4_close,
};
