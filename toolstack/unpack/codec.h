/* SPDX-License-Identifier: BSD-2-Clause */
/* The compressions that a bzImage's payload may have, each a stream decoder behind one interface.
 */
#ifndef CODEC_H
#define CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec_step {
    CODEC_MORE, /* call again, with more input or with room for output */
    CODEC_END,  /* the stream is complete; what is left of the input lies behind it */
    CODEC_BAD,  /* the data are corrupt */
    CODEC_NOMEM /* no memory, or the stream asks for more than UNPACK_MEMORY_LIMIT */
};

struct codec_input {
    const uint8_t *data;
    size_t size;
    bool last; /* nothing follows these bytes */
};

struct codec_output {
    uint8_t *data;
    size_t room;
};

struct codec {
    const char *name;
    uint8_t magic[6];
    uint8_t magic_size;
    /*
     * Linux's build appends the unpacked size, four bytes little-endian, where the compressed
     * format does not end with it by itself (gzip does).
     */
    bool size_follows;
    void *(*open)(void); /* NULL: no memory */
    /* Consumes from the front of in and fills the front of out, advancing both. */
    enum codec_step (*step)(void *state, struct codec_input *in, struct codec_output *out);
    void (*close)(void *state);
};

#define CODEC_MAGIC_MAX 6

/* The codec whose magic number the data begin with, or NULL. */
const struct codec *codec_find(const uint8_t data[CODEC_MAGIC_MAX]);

extern const struct codec codec_lz4;

#endif
