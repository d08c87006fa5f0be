/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of CPUs, read and written. Words are taken from left to right: "^" takes CPUs away again
 * from those named before it.
 */
#include "common/cpus.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *text, const char *at, struct message *why, const char *what)
{
    if (why != NULL)
        why->column = (unsigned)(at - text) + 1;
    return message_set(why, -EINVAL, "%s", what);
}

static void set_range(uint8_t *map, unsigned first, unsigned last, bool on)
{
    for (unsigned i = first; i <= last; i++) {
        if (on)
            map[i / 8] |= (uint8_t)(1u << i % 8);
        else
            map[i / 8] &= (uint8_t) ~(1u << i % 8);
    }
}

static bool read_number(const char **at, unsigned *number)
{
    char *rest;

    if (**at < '0' || **at > '9')
        return false;
    unsigned long n = strtoul(*at, &rest, 10);
    *at = rest;
    *number = n > CPUS_MAX ? CPUS_MAX : (unsigned)n;
    return true;
}

/* A number, a range, or "all"; *at moves behind it. */
static int read_range(const char *text, const char **at, unsigned nr_cpus, unsigned *first,
                      unsigned *last, struct message *why)
{
    const char *begin = *at;

    if (strncmp(*at, "all", 3) == 0) {
        *at += 3;
        *first = 0;
        *last = nr_cpus - 1;
        return 0;
    }
    if (strncmp(*at, "node", 4) == 0)
        return fail(text, begin, why, "nodes are not available in this version: name CPUs");
    if (!read_number(at, first))
        return fail(text, begin, why, "CPUs are written like 0-3,^1,5 or all");
    *last = *first;
    if (**at == '-') {
        (*at)++;
        if (!read_number(at, last))
            return fail(text, *at, why, "behind '-' the range's last CPU is missing");
    }
    if (*first > *last)
        return fail(text, begin, why, "a range goes from the lower CPU to the higher one");
    if (*last >= nr_cpus)
        return fail(text, begin, why, "there is no such CPU");
    return 0;
}

int cpus_parse(const char *text, uint8_t *map, unsigned nr_cpus, struct message *why)
{
    const char *at = text;
    bool first_word = true;

    memset(map, 0, (nr_cpus + 7) / 8);
    if (strcmp(text, "none") == 0)
        return fail(text, text, why, "a set without CPUs: a vCPU needs one at least");
    for (;;) {
        unsigned first = 0, last = 0;

        while (*at == ' ' || *at == '\t')
            at++;
        bool on = *at != '^';
        if (!on) {
            at++;
            if (first_word) /* "^1" alone: all but 1 */
                set_range(map, 0, nr_cpus - 1, true);
        }
        int rc = read_range(text, &at, nr_cpus, &first, &last, why);
        if (rc)
            return rc;
        set_range(map, first, last, on);
        first_word = false;
        while (*at == ' ' || *at == '\t')
            at++;
        if (*at == '\0')
            break;
        if (*at++ != ',')
            return fail(text, at - 1, why, "between CPUs a ',' is missing");
    }
    for (unsigned i = 0; i < (nr_cpus + 7) / 8; i++)
        if (map[i])
            return 0;
    return fail(text, text, why, "a set without CPUs: a vCPU needs one at least");
}

static bool test(const uint8_t *map, unsigned cpu)
{
    return map[cpu / 8] >> cpu % 8 & 1;
}

void cpus_format(const uint8_t *map, unsigned nr_cpus, char *text, size_t size)
{
    unsigned count = 0;
    size_t used = 0;

    for (unsigned i = 0; i < nr_cpus; i++)
        count += test(map, i);
    if (count == nr_cpus || count == 0) {
        snprintf(text, size, "%s", count ? "all" : "none");
        return;
    }
    text[0] = '\0';
    for (unsigned i = 0; i < nr_cpus && used < size; i++) {
        unsigned first = i;

        if (!test(map, i))
            continue;
        while (i + 1 < nr_cpus && test(map, i + 1))
            i++;
        int n = snprintf(text + used, size - used, first == i ? "%s%u" : "%s%u-%u", used ? "," : "",
                         first, i);
        used += n > 0 ? (size_t)n : 0;
    }
}
