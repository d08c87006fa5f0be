/* SPDX-License-Identifier: BSD-2-Clause */
/* Searches in the atomic bitmaps of core/atomic.h. Each word is read once, so bits may move
 * between. */
#include "core/atomic.h"

/* First bit at or after `from` that is set in map XOR flip. */
static unsigned find(const unsigned long *map, unsigned bits, unsigned from, unsigned long flip)
{
    if (from >= bits)
        return bits;
    for (unsigned i = from / BITS_PER_LONG; i <= (bits - 1) / BITS_PER_LONG; i++) {
        unsigned long word = READ_ONCE(map[i]) ^ flip;

        if (i == from / BITS_PER_LONG)
            word &= ~0ul << (from % BITS_PER_LONG);
        if (word != 0) {
            unsigned bit = i * BITS_PER_LONG + (unsigned)__builtin_ctzl(word);

            return bit < bits ? bit : bits;
        }
    }
    return bits;
}

unsigned bitmap_find_set(const unsigned long *map, unsigned bits, unsigned from)
{
    return find(map, bits, from, 0);
}

unsigned bitmap_find_clear(const unsigned long *map, unsigned bits, unsigned from)
{
    return find(map, bits, from, ~0ul);
}
