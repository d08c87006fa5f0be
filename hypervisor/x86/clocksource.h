/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers of known rate, to measure the TSC by; used at boot only. */
#ifndef X86_CLOCKSOURCE_H
#define X86_CLOCKSOURCE_H

#include "core/types.h"

struct clocksource {
    const char *name;    /* as the option clocksource= calls it */
    bool (*start)(void); /* false: the machine has none */
    uint64_t (*read)(void);
    uint64_t (*hz)(void);
    uint64_t mask; /* of the counter's bits */
};

/* The one named, if it works; else the best that does. NULL: there is none. */
const struct clocksource *clocksource_choose(const char *wanted);
/* The TSC's rate, measured for about 8 ms. */
uint64_t clocksource_measure_tsc(const struct clocksource *c);
/* Seconds since 1970 by the battery-backed clock; 0 when it has no sensible time. */
uint64_t rtc_read(void);

#endif
