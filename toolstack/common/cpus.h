/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of CPUs as people write them: "0-3,^1,5", "all", "none".
 */
#ifndef COMMON_CPUS_H
#define COMMON_CPUS_H

#include <stddef.h>
#include <stdint.h>

#include "common/message.h"

#define CPUS_MAX 4096u

/* map: (nr_cpus + 7) / 8 bytes. -EINVAL; why->column counts within the text. An empty set is none.
 */
int cpus_parse(const char *text, uint8_t *map, unsigned nr_cpus, struct message *why);
/* "0-3,5", "all" or "none", cut to size. */
void cpus_format(const uint8_t *map, unsigned nr_cpus, char *text, size_t size);

#endif
