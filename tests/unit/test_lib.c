/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's memory and string functions, under names of their own, against the host's: every
 * small size at every alignment, and every overlap.
 *
 * links: tests/unit/host.c
 */
#include "host.h"

/* Their declarations are taken from core/lib.h under the new names. */
#undef CORE_LIB_H
#define memcpy  pv_memcpy
#define memmove pv_memmove
#define memset  pv_memset
#define memcmp  pv_memcmp
#define strlen  pv_strlen
#define strnlen pv_strnlen
#define strcmp  pv_strcmp
#define strncmp pv_strncmp
#define strchr  pv_strchr
#undef BUG_ON
#undef ASSERT
#include "hypervisor/core/lib.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

#define AREA  360u
#define APART 180u

/* The sizes that are tried: all small ones, and those at which string instructions come in. */
#define LAST_SIZE (STRING_MIN + 33)
static unsigned next_size(unsigned n)
{
    return n == 70 ? STRING_MIN - 2 : n + 1;
}

static unsigned char ours[AREA], theirs[AREA];

static void fill(void)
{
    for (unsigned i = 0; i < AREA; i++)
        ours[i] = theirs[i] = (unsigned char)(i * 7 + 1);
}

static void test_copies(void)
{
    unsigned bad = 0;

    for (unsigned n = 0; n <= LAST_SIZE; n = next_size(n))
        for (unsigned to = 0; to < 9; to++)
            for (unsigned from = APART; from < APART + 9; from++) {
                fill();
                bad += pv_memcpy(ours + to, ours + from, n) != ours + to;
                memcpy(theirs + to, theirs + from, n);
                bad += memcmp(ours, theirs, AREA) != 0;
            }
    is(bad, 0, "memcpy");
    bad = 0;
    for (unsigned n = 0; n <= LAST_SIZE; n = next_size(n))
        for (unsigned to = 0; to < 40; to++)
            for (unsigned from = 0; from < 40; from++) {
                fill();
                bad += pv_memmove(ours + to, ours + from, n) != ours + to;
                memmove(theirs + to, theirs + from, n);
                bad += memcmp(ours, theirs, AREA) != 0;
            }
    is(bad, 0, "memmove, overlaps of every kind");
    bad = 0;
    for (unsigned n = 0; n <= LAST_SIZE; n = next_size(n))
        for (unsigned to = 0; to < 9; to++) {
            fill();
            bad += pv_memset(ours + to, (int)(0x180 + n), n) != ours + to;
            memset(theirs + to, (int)(0x180 + n), n);
            bad += memcmp(ours, theirs, AREA) != 0;
        }
    is(bad, 0, "memset");
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void test_compares(void)
{
    static const char *const texts[] = {"", "a", "b", "ab", "abc", "abd", "\xff", "a\xff", "A"};
    unsigned bad = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
        for (unsigned j = 0; j < ARRAY_SIZE(texts); j++) {
            const char *a = texts[i], *b = texts[j];

            bad += sign(pv_strcmp(a, b)) != sign(strcmp(a, b));
            for (size_t n = 0; n < 5; n++)
                bad += sign(pv_strncmp(a, b, n)) != sign(strncmp(a, b, n));
            for (size_t n = 0; n <= MIN(strlen(a), strlen(b)); n++)
                bad += sign(pv_memcmp(a, b, n)) != sign(memcmp(a, b, n));
        }
    is(bad, 0, "strcmp, strncmp, memcmp");
}

static void test_searches(void)
{
    static const char text[] = "look here\xff";
    unsigned bad = 0;

    for (int c = -1; c < 256; c++)
        bad += pv_strchr(text, c) != strchr(text, c);
    for (size_t n = 0; n < 20; n++)
        bad += pv_strnlen("0123456789", n) != strnlen("0123456789", n);
    bad += pv_strlen("") != 0 || pv_strlen(text) != sizeof(text) - 1;
    is(bad, 0, "strchr, strlen, strnlen");
}

int main(void)
{
    test_copies();
    test_compares();
    test_searches();
    return done();
}
