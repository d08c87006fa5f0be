/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A record of changes for a fuzzed store, and whether it tells the same store.
 */
#ifndef FUZZ_STORE_RECORD_H
#define FUZZ_STORE_RECORD_H

#include "store/store.h"

/* An empty store that keeps a record. */
struct store *record_begin(void);
/* As the end of a process and the start of the next: the store that is taken up from the record.
 * Aborts unless it is the same. The old one is gone, and the rings of domains are not mapped. */
struct store *record_restart(struct store *store);
void record_end(struct store *store);

#endif
