/* SPDX-License-Identifier: BSD-2-Clause */
/* links: hypervisor/x86/time_scale.c tests/unit/host.c */
/* Tick scales, in the form that guests compute with, and dates. */
#include "x86/time.h"

#include "host.h"

static const uint64_t rates[] = {1000000,    3579545,    14318180,    62500000,   999999999,
                                 1000000000, 1000000001, 2400000000u, 5000000000, 100000000000};

static void test_scale(void)
{
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct time_scale s;
        int64_t second;

        time_scale_set(&s, rates[i]);
        second = (int64_t)time_scale_ns(&s, rates[i]);
        ok(s.mul >= 1u << 31, "%" PRIu64 " Hz: full precision", rates[i]);
        ok(second <= NS_PER_SEC && second >= NS_PER_SEC - 64, "a second is a second");
        is(time_scale_ns(&s, 0), 0);
        /* A hundred days, as a guest's 64-bit arithmetic has to carry them. */
        if (rates[i] <= 5000000000)
            ok(llabs((int64_t)time_scale_ns(&s, rates[i] * 8640000) - 8640000 * NS_PER_SEC) <
                   8640000 * 64ll,
               "a hundred days are");
    }
}

/* A timer set by ticks must not go off before its time, nor much after it. */
static void test_way_back(void)
{
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct time_scale s;
        uint64_t early = 0, late = 0;

        time_scale_set(&s, rates[i]);
        for (uint64_t ns = 0; ns < 3600 * (uint64_t)NS_PER_SEC; ns = ns * 2 + 3) {
            uint64_t there = time_scale_ns(&s, time_scale_ticks(&s, ns));
            uint64_t tick = 3000000000u / rates[i] + 4;

            early += there < ns;
            late += there > ns + tick + ns / 100000000;
        }
        is(early, 0, "%" PRIu64 " Hz: never early", rates[i]);
        is(late, 0, "nor late by more than three ticks");
    }
}

static void test_date(void)
{
    is(time_from_date(1970, 1, 1, 0, 0, 0), 0);
    is(time_from_date(1970, 12, 31, 23, 59, 59), 365 * 86400 - 1);
    is(time_from_date(2000, 2, 29, 0, 0, 0), 951782400, "2000 is a leap year");
    is(time_from_date(2000, 3, 1, 0, 0, 0), 951868800);
    is(time_from_date(2024, 2, 29, 12, 0, 0), 1709208000);
    is(time_from_date(2026, 11, 22, 14, 0, 0), 1795356000);
    is(time_from_date(2038, 1, 19, 3, 14, 8), 0x80000000ll, "beyond 31 bits");
    is(time_from_date(2069, 12, 31, 23, 59, 59), 3155759999);
}

int main(void)
{
    test_scale();
    test_way_back();
    test_date();
    return done();
}
