/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What domains use: looks at all of them, and the differences between two looks.
 */
#ifndef PVCTL_USAGE_H
#define PVCTL_USAGE_H

#include "pvctl/pvctl.h"

struct usage {
    uint32_t domid;
    char name[GUEST_NAME_MAX + 1], state[7];
    unsigned vcpus;
    uint64_t cpu_ns, memory_kib;
    uint64_t net_sent, net_received;  /* bytes, as the guest sees them */
    uint64_t disk_read, disk_written; /* bytes */
    double cpu_percent;               /* since the look before; 100 is a whole CPU */
};

struct look {
    uint64_t when_ns; /* CLOCK_MONOTONIC */
    struct usage *domain;
    unsigned count;
};

/* false: a message was printed. */
bool usage_look(struct pvctl *p, struct look *look);
/* Fills in cpu_percent. */
void usage_compare(struct look *now, const struct look *before);
void usage_free(struct look *look);

#endif
