/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's counters of an operation. In the control domain they are read here. A guest may
 * not read them: with COUNTED_BY=store it writes to its node data/counts, and the control domain
 * (counts.c) reads them and answers in data/counted. What that takes at both ends is in the counts.
 *
 *   data/counts     NUMBER begin      NUMBER end NAME TIMES
 *   data/counted    NUMBER
 */
#ifndef COUNTED_H
#define COUNTED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore.h>

#include "perfc.h"

#define COUNTED_LOOK_US 5000
#define COUNTED_TRIES   2000

static inline bool counted_by_store(void)
{
    return getenv("COUNTED_BY") && strcmp(getenv("COUNTED_BY"), "store") == 0;
}

static inline void counted_check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed: %s\n", what);
        exit(1);
    }
}

/* Says `what` to the control domain, and comes back when it has been done. It looks for the answer
 * from time to time: for a watch the library makes a thread, which each fork would have to do with.
 */
static inline void counted_ask(const char *what)
{
    static struct xs_handle *store;
    static unsigned number;
    char text[96], *answer;
    unsigned answered = 0;

    if (!store) {
        store = xs_open(0);
        number = (unsigned)getpid() * 1000; /* another program's are others */
    }
    counted_check(store != NULL, "open the store");
    snprintf(text, sizeof(text), "%u %s", ++number, what);
    counted_check(xs_write(store, XBT_NULL, "data/counts", text, (unsigned)strlen(text)),
                  "ask by the store");
    for (unsigned tries = 0; answered != number; tries++) {
        counted_check(tries < COUNTED_TRIES, "wait for the answer");
        usleep(COUNTED_LOOK_US);
        answer = xs_read(store, XBT_NULL, "data/counted", NULL);
        answered = answer ? (unsigned)atoi(answer) : 0;
        free(answer);
    }
}

static inline void counted_begin(uint32_t before[PERFC_COUNTERS])
{
    if (counted_by_store())
        counted_ask("begin");
    else
        perfc_read(before);
}

static inline void counted_end(const char *name, uint32_t times,
                               const uint32_t before[PERFC_COUNTERS])
{
    char text[64];

    if (!counted_by_store()) {
        perfc_print(name, times, before);
        return;
    }
    snprintf(text, sizeof(text), "end %s %u", name, times);
    counted_ask(text);
}

#endif
