/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Searches in bitmaps, against a walk bit by bit; and the clamp of indices.
 *
 * links: tests/unit/host.c hypervisor/core/bitmap.c
 */
#include "core/atomic.h"
#include "host.h"

static unsigned walk(const unsigned long *map, unsigned bits, unsigned from, bool wanted)
{
    for (unsigned i = from; i < bits; i++)
        if (bit_test(i, map) == wanted)
            return i;
    return bits;
}

/* Every size up to three words, every start, on some patterns. */
static unsigned mismatches(const unsigned long *map)
{
    unsigned bad = 0;

    for (unsigned bits = 0; bits <= 192; bits++)
        for (unsigned from = 0; from <= bits + 1; from++) {
            bad += bitmap_find_set(map, bits, from) != walk(map, bits, from, true);
            bad += bitmap_find_clear(map, bits, from) != walk(map, bits, from, false);
        }
    return bad;
}

static void test_find(void)
{
    static const unsigned long patterns[][3] = {
        {0, 0, 0},
        {~0ul, ~0ul, ~0ul},
        {1, 0, 0},
        {0, 1, 0},
        {0, 0, 1ul << 63},
        {1ul << 63, 1, 1ul << 63},
        {~1ul, ~0ul, ~(1ul << 63)},
        {0xaaaaaaaaaaaaaaaaul, 0, 0x5555555555555555ul},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(patterns); i++)
        is(mismatches(patterns[i]), 0, "pattern %u", i);
    is(bitmap_find_set(patterns[1], 192, ~0u), 192, "a start far beyond the end");
}

static void test_change(void)
{
    unsigned long map[2] = {0, 0};

    ok(!bit_test_and_set(0, map), "bit 0 was clear");
    ok(bit_test_and_set(0, map), "bit 0 was set");
    bit_set(127, map);
    is(map[0], 1, "first word");
    is(map[1], 1ul << 63, "second word");
    ok(bit_test_and_clear(127, map), "bit 127 was set");
    ok(!bit_test_and_clear(127, map), "bit 127 was clear");
    bit_clear(0, map);
    is(map[0] | map[1], 0, "all clear");
}

static void test_nospec(void)
{
    is(array_index_nospec(0, 0), 0, "0 of 0");
    is(array_index_nospec(0, 1), 0, "0 of 1");
    is(array_index_nospec(1, 1), 0, "1 of 1");
    is(array_index_nospec(9, 10), 9, "9 of 10");
    is(array_index_nospec(10, 10), 0, "10 of 10");
    is(array_index_nospec(~0ul, 10), 0, "-1 of 10");
    is(array_index_nospec(~0ul - 1, ~0ul), ~0ul - 1, "the largest of the largest");
}

int main(void)
{
    test_find();
    test_change();
    test_nospec();
    return done();
}
