/* SPDX-License-Identifier: BSD-2-Clause */
/* Conversions of time that need no machine: tick scales, and dates. */
#include "x86/time.h"

#include "core/lib.h"

/*
 * mul is kept in [2^31, 2^32), for the most precision that vcpu_time_info can carry:
 *   ns = ticks * 2^shift * mul / 2^32   with   mul = 10^9 * 2^(32 - shift) / hz
 */
void time_scale_set(struct time_scale *s, uint64_t hz)
{
    uint64_t numerator = (uint64_t)NS_PER_SEC; /* 10^9 / hz as a fraction made to lie in [1/2, 1) */
    uint64_t denominator = hz;
    int shift = 0;

    while (numerator >= denominator) {
        denominator <<= 1;
        shift++;
    }
    while (numerator < denominator - denominator / 2) {
        numerator <<= 1;
        shift--;
    }
    /* Long division of numerator << 32, bit by bit: both are below 2^38. */
    s->mul = 0;
    for (unsigned i = 0; i < 32; i++) {
        numerator <<= 1;
        s->mul <<= 1;
        if (numerator >= denominator) {
            numerator -= denominator;
            s->mul |= 1;
        }
    }
    s->shift = (int8_t)shift;
    s->inverse = (1ull << 63) / s->mul + 1;
}

uint64_t time_scale_ns(const struct time_scale *s, uint64_t ticks)
{
    if (s->shift >= 0)
        ticks <<= s->shift;
    else
        ticks >>= -s->shift;
    return (uint64_t)((unsigned __int128)ticks * s->mul >> 32);
}

uint64_t time_scale_ticks(const struct time_scale *s, uint64_t ns)
{
    uint64_t ticks = (uint64_t)((unsigned __int128)(ns + 1) * s->inverse >> 31) + 1;

    if (s->shift >= 0)
        return (ticks >> s->shift) + 1;
    return ticks << -s->shift;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

uint64_t time_from_date(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned min,
                        unsigned sec)
{
    static const uint16_t days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t days = 0;

    for (unsigned y = 1970; y < year; y++)
        days += is_leap(y) ? 366 : 365;
    days += days_before[month - 1] + day - 1u;
    if (month > 2 && is_leap(year))
        days++;
    return ((days * 24 + hour) * 60 + min) * 60 + sec;
}
