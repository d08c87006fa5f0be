/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of changes: a file mapped into memory, to which records are appended. What was
 * appended counts from journal_commit() on, and then survives the end of this process however that
 * comes: the pages are the kernel's. It need not survive the machine, since no guest does; a record
 * of an earlier boot is thrown away.
 *
 * The file grows to a multiple of what a fresh record of the whole state takes, and is then
 * replaced by such a one, so its size is bounded and a change's share of that work is constant.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/message.h"

struct journal;

/* Takes up the record in the directory, which is made if need be, or begins one. -EBUSY: another
 * process has it. `boot` names this boot of the machine. */
int journal_open(const char *directory, const char *boot, bool fresh, struct journal **journal,
                 struct message *why);
void journal_close(struct journal *journal);

/* One record: begin, values, end. */
void journal_begin(struct journal *journal, uint32_t type);
void journal_number(struct journal *journal, uint64_t value);
void journal_bytes(struct journal *journal, const void *bytes, size_t size);
void journal_end(struct journal *journal);
void journal_commit(struct journal *journal);

bool journal_wants_replacement(const struct journal *journal);
/* Records between these two are the new file's, which takes the old one's place at the second.
 * A file that cannot be written is no reason to stop: the old one goes on; -errno. */
int journal_replace_begin(struct journal *journal);
void journal_replace_end(struct journal *journal);

struct record {
    uint32_t type;
    const char *at, *end;
    bool good; /* no value was asked for that is not there */
};

/* From *offset, 0 at first; false: that was the last one. */
bool journal_next(const struct journal *journal, size_t *offset, struct record *record);
uint64_t record_number(struct record *record);
const char *record_bytes(struct record *record, size_t *size);

#endif
