/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/console/ring.c toolstack/console/backlog.c
 *
 * The page of a guest's console, with indices anywhere and out of range; and the backlog of what
 * nobody has read, beside a model.
 */
#include <errno.h>

#include "console/backlog.h"
#include "console/ring.h"
#include "tap.h"

static struct xencons_interface ring;

/* As a guest does it, from the index `at` on. */
static void guest_writes(uint32_t count, uint32_t salt)
{
    for (uint32_t i = 0; i < count; i++, ring.out_prod++)
        ring.out[MASK_XENCONS_IDX(ring.out_prod, ring.out)] = (char)(i + salt);
}

static bool output_is(const char *bytes, uint32_t count, uint32_t salt)
{
    for (uint32_t i = 0; i < count; i++)
        if (bytes[i] != (char)(i + salt))
            return false;
    return true;
}

static void test_output(void)
{
    static const uint32_t starts[] = {0, 1, 2047, 0x7fffffff, 0xffffffff, 0xfffff800, 0xfffffc01};
    static const uint32_t counts[] = {0, 1, 100, 2047, 2048};
    char bytes[RING_OUTPUT];
    uint32_t next;

    for (unsigned s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
        for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
            ring.out_cons = ring.out_prod = starts[s];
            guest_writes(counts[c], s);
            int count = ring_output(&ring, bytes, &next);
            ok(count == (int)counts[c] && output_is(bytes, counts[c], s),
               "%u bytes from index %#x are read", counts[c], starts[s]);
            ok(ring.out_cons == starts[s], "and lie there until they are taken");
            ring_output_taken(&ring, next);
            ok(ring_output(&ring, bytes, &next) == 0, "then there are none");
        }
}

static void test_rubbish(void)
{
    static const uint32_t distances[] = {2049, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    char bytes[RING_OUTPUT], input[8] = "1234567";
    uint32_t next;

    for (unsigned i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        ring.out_cons = 77;
        ring.out_prod = 77 + distances[i];
        is(ring_output(&ring, bytes, &next), -EPROTO, "output %#x bytes long is none",
           distances[i]);
        is(ring.out_cons, 77, "nothing is changed");
        ring_output_skip(&ring);
        guest_writes(10, i);
        is(ring_output(&ring, bytes, &next), 10, "what comes behind it is read");
        ring.in_cons = 5;
        ring.in_prod = 5 + distances[i];
        is(ring_input_room(&ring), 0, "no room behind input %#x bytes long", distances[i]);
        is(ring_input(&ring, input, 7), 0, "nothing is put there");
        is(ring.in_prod, 5 + distances[i], "and no index moves");
    }
}

static void test_input(void)
{
    char bytes[RING_INPUT + 100];

    for (uint32_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7);
    for (uint32_t start = 0xfffffe00; start != 0x200; start += 64) {
        ring.in_cons = ring.in_prod = start;
        is(ring_input(&ring, bytes, 1000), 1000, "1000 bytes fit");
        is(ring_input_room(&ring), 24);
        is(ring_input(&ring, bytes + 1000, 100), 24, "then 24");
        bool same = true;
        for (uint32_t i = 0; i < RING_INPUT; i++)
            same &= ring.in[MASK_XENCONS_IDX(start + i, ring.in)] == bytes[i];
        ok(same, "they lie there in order from %#x on", start);
        ring.in_cons += 3;
        is(ring_input(&ring, bytes, 100), 3, "what the guest took makes room");
    }
}

/* ---- Backlog ------------------------------------------------------------------------------ */

#define LIMIT 10000u

static uint32_t seed = 1;

static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* The model: byte number n of all that was ever added has a value of its own. */
static char byte_number(uint64_t n)
{
    return (char)(n * 31 + (n >> 8));
}

static bool drop_some(struct backlog *backlog, uint64_t *begin)
{
    const char *bytes;
    size_t count = backlog_peek(backlog, &bytes);
    bool same = true;

    if (count > 0)
        count = 1 + rnd((uint32_t)count);
    for (size_t i = 0; i < count; i++)
        same &= bytes[i] == byte_number(*begin + i);
    backlog_drop(backlog, count);
    *begin += count;
    return same;
}

static void test_backlog(void)
{
    static char bytes[LIMIT * 3];
    struct backlog backlog;
    uint64_t begin = 0, end = 0;
    bool same = true, bounded = true, counted = true;

    backlog_init(&backlog, LIMIT);
    for (unsigned round = 0; round < 20000; round++) {
        uint32_t count = rnd(rnd(50) ? 300 : sizeof(bytes));
        for (uint32_t i = 0; i < count; i++)
            bytes[i] = byte_number(end + i);
        size_t lost = backlog_add(&backlog, bytes, count);
        end += count;
        size_t expected = end - begin > LIMIT ? (size_t)(end - begin - LIMIT) : 0;
        counted &= lost == expected;
        begin += lost;
        bounded &= backlog.count == end - begin && backlog.room <= LIMIT;
        if (rnd(3))
            same &= drop_some(&backlog, &begin);
    }
    while (begin != end && same)
        same &= drop_some(&backlog, &begin);
    ok(same, "what comes out is what went in, in order, the newest of it");
    ok(bounded, "never more than the limit is kept");
    ok(counted, "what is pushed out is counted");
    backlog_free(&backlog);
}

int main(void)
{
    test_output();
    test_rubbish();
    test_input();
    test_backlog();
    return done();
}
