/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches: found by a hash of the watched path, so that an event costs what its path is deep.
 * A watch fires for its node and all below it, and once when it is made. Who may not read a node
 * does not learn that it changed.
 */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "store/connection.h"
#include "store/perms.h"

struct watch {
    LIST_ENTRY(watch) in_bucket, in_connection;
    struct connection *conn;
    uint64_t hash;
    size_t length, home; /* of the path; of what a relative one leaves out */
    bool relative;
    char *path, *token;
};

struct watch_table {
    struct watch_list *buckets;
    size_t nr_buckets, nr_watches;
};

struct path;

void watch_table_destroy(struct watch_table *table);
/* -EEXIST; -E2BIG beyond the quota; the initial event is the caller's to fire. */
int watch_add(struct connection *conn, const struct path *path, const char *token,
              struct watch **watch);
/* Without a quota. */
struct watch *watch_insert(struct connection *conn, const struct path *path, const char *token);
int watch_remove(struct connection *conn, const struct path *path, const char *token);
void watch_remove_all(struct connection *conn);
/* Something happened to the node with these permissions. exact: only those that watch that very
 * path are told, as with nodes that vanish along with one above them. */
void watch_fire(struct store *store, const char *path, size_t length, const struct perms *perms,
                bool exact);

#endif
