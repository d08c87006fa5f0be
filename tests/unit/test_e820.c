/* SPDX-License-Identifier: BSD-2-Clause */
/* links: hypervisor/core/e820.c tests/unit/host.c */
/* The memory map: a firmware's mistakes repaired, ranges looked up. */
#include "core/e820.h"
#include "host.h"

#define MAP(...)                                                                                   \
    map_of((struct e820_entry[]){__VA_ARGS__},                                                     \
           sizeof((struct e820_entry[]){__VA_ARGS__}) / sizeof(struct e820_entry))

static struct e820_map map_of(const struct e820_entry *e, size_t n)
{
    struct e820_map m = {.count = (unsigned)n};
    memcpy(m.entry, e, n * sizeof(*e));
    return m;
}

static bool same(const struct e820_map *got, struct e820_map want)
{
    bool equal = got->count == want.count &&
                 memcmp(got->entry, want.entry, want.count * sizeof(want.entry[0])) == 0;
    if (!equal)
        for (unsigned i = 0; i < got->count; i++)
            diag("got %#" PRIx64 " +%#" PRIx64 " type %u", got->entry[i].addr, got->entry[i].size,
                 got->entry[i].type);
    return equal;
}

static void test_sanitize(void)
{
    struct e820_map m =
        MAP({0x100000, 0x1000, 1}, {0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {0x101000, 0x1000, 1});
    ok(e820_sanitize(&m));
    ok(same(&m, MAP({0, 0x9fc00, 1}, {0x9fc00, 0x400, 2}, {0x100000, 0x2000, 1})),
       "sorted, neighbours united");

    m = MAP({0, 0x10000, 1}, {0x4000, 0x2000, 2}, {0x5000, 0x2000, 3}, {0x6800, 0x100, 5});
    ok(e820_sanitize(&m));
    ok(same(&m, MAP({0, 0x4000, 1}, {0x4000, 0x2000, 2}, {0x6000, 0x800, 3}, {0x6800, 0x100, 5},
                    {0x6900, 0x700, 3}, {0x7000, 0x9000, 1})),
       "the more restrictive type wins");

    m = MAP({0, 0x1000, 1}, {0, 0x1000, 12}, {0x1000, 0x1000, 1}, {0x1000, 0x1000, 4});
    ok(!e820_sanitize(&m), "no RAM is left");
    ok(same(&m, MAP({0, 0x1000, 12}, {0x1000, 0x1000, 4})), "an unknown type outweighs RAM");

    m = MAP({0x1000, 0, 1}, {~0ull, 0, 2}, {~0ull - 0xfff, 0x1000, 1}, {~0ull - 0xfff, 0x2000, 1},
            {5, ~0ull, 2}, {0x2000, 0x1000, 1});
    ok(e820_sanitize(&m));
    ok(same(&m, MAP({0x2000, 0x1000, 1})), "empty and wrapping entries are dropped");

    m = MAP({~0ull - 0x1fff, 0x1fff, 1}, {0, 1, 1});
    ok(e820_sanitize(&m));
    is(e820_ram_end(&m), ~0ull, "up to the last address but one");

    m.count = 0;
    ok(!e820_sanitize(&m), "an empty map");
}

/* Any map, against a byte-by-byte model of a small address space. */
static void test_random(void)
{
    unsigned wrong = 0, untidy = 0;

    srand(99);
    for (unsigned round = 0; round < 500; round++) {
        struct e820_map m = {.count = (unsigned)rand() % (E820_MAX + 1)};
        uint32_t model[256] = {0};
        const uint32_t order[] = {1, 3, 4, 2, 9, 5}; /* by rising restriction */

        for (unsigned i = 0; i < m.count; i++)
            m.entry[i] = (struct e820_entry){(uint64_t)rand() % 200, (uint64_t)rand() % 56,
                                             order[rand() % 6]};
        for (unsigned o = 0; o < 6; o++)
            for (unsigned i = 0; i < m.count; i++)
                if (m.entry[i].type == order[o])
                    for (uint64_t b = 0; b < m.entry[i].size; b++)
                        model[m.entry[i].addr + b] = order[o];
        e820_sanitize(&m);
        uint32_t got[256] = {0};
        for (unsigned i = 0; i < m.count; i++) {
            for (uint64_t b = 0; b < m.entry[i].size; b++)
                got[m.entry[i].addr + b] = m.entry[i].type;
            if (i == 0)
                continue;
            uint64_t end = m.entry[i - 1].addr + m.entry[i - 1].size;
            untidy += end > m.entry[i].addr ||
                      (end == m.entry[i].addr && m.entry[i - 1].type == m.entry[i].type);
        }
        wrong += memcmp(got, model, sizeof(got)) != 0;
    }
    is(wrong, 0, "500 random maps: every byte has its type");
    is(untidy, 0, "sorted, apart, united");
}

static void test_full(void)
{
    struct e820_map m = {.count = E820_MAX};

    for (unsigned i = 0; i < E820_MAX; i++)
        m.entry[i] = (struct e820_entry){i * 0x2000ull, 0x1000, E820_RAM};
    struct e820_map before = m;
    ok(e820_sanitize(&m) && same(&m, before), "a full map passes");
    m.entry[0] = (struct e820_entry){0, E820_MAX * 0x2000ull, E820_RESERVED};
    for (unsigned i = 1; i < E820_MAX; i++)
        m.entry[i] = (struct e820_entry){i * 0x1000ull, 0x800, E820_UNUSABLE};
    m.entry[E820_MAX - 1] = (struct e820_entry){E820_MAX * 0x2000ull, 0x1000, E820_RAM};
    ok(!e820_sanitize(&m), "more ranges than fit: the last are left out");
    is(m.count, E820_MAX);
    m.count = ~0u;
    e820_sanitize(&m);
    ok(m.count <= E820_MAX, "a count beyond the table is not believed");
}

static void test_queries(void)
{
    struct e820_map m = MAP({0x1000, 0x1000, 1}, {0x2000, 0x1000, 2}, {0x3000, 0x1000, 1});

    is(e820_ram_bytes(&m), 0x2000);
    is(e820_ram_end(&m), 0x4000);
    ok(e820_all(&m, 0x1000, 0x2000, E820_RAM));
    ok(e820_all(&m, 0x1800, 0x1801, E820_RAM));
    ok(!e820_all(&m, 0xfff, 0x2000, E820_RAM), "one byte before");
    ok(!e820_all(&m, 0x1000, 0x2001, E820_RAM), "one byte behind");
    ok(!e820_all(&m, 0x1000, 0x4000, E820_RAM), "something else between");
    ok(!e820_all(&m, 0x3000, ~0ull, E820_RAM));
    ok(e820_all(&m, 0x9000, 0x9000, E820_RAM), "nothing is all of anything");
    m.entry[1].type = 1;
    ok(e820_all(&m, 0x1000, 0x4000, E820_RAM), "across neighbours");
    m.count = 0;
    is(e820_ram_end(&m), 0);
}

int main(void)
{
    test_sanitize();
    test_random();
    test_full();
    test_queries();
    return done();
}
