/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches.
 */
#include "store/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/path.h"
#include "store/state.h"
#include "store/store.h"

#define FIRST_BUCKETS 256u

static struct watch_list *bucket_of(const struct watch_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->nr_buckets - 1)];
}

static void table_grow(struct watch_table *table)
{
    size_t old = table->nr_buckets;
    struct watch_list *from = table->buckets;
    struct watch *watch;

    table->nr_buckets = old ? old * 2 : FIRST_BUCKETS;
    table->buckets = store_alloc(table->nr_buckets * sizeof(*from));
    for (size_t i = 0; i < old; i++) {
        while ((watch = LIST_FIRST(&from[i])) != NULL) {
            LIST_REMOVE(watch, in_bucket);
            LIST_INSERT_HEAD(bucket_of(table, watch->hash), watch, in_bucket);
        }
    }
    free(from);
}

void watch_table_destroy(struct watch_table *table)
{
    free(table->buckets);
}

static struct watch *watch_find(struct connection *conn, const struct path *path, const char *token)
{
    const struct watch_table *table = &conn->store->watches;
    uint64_t hash = path_hash(path->text, path->length);
    struct watch *watch;

    if (table->nr_buckets == 0)
        return NULL;
    LIST_FOREACH(watch, bucket_of(table, hash), in_bucket)
    if (watch->conn == conn && watch->hash == hash && strcmp(watch->path, path->text) == 0 &&
        strcmp(watch->token, token) == 0)
        return watch;
    return NULL;
}

struct watch *watch_insert(struct connection *conn, const struct path *path, const char *token)
{
    struct watch_table *table = &conn->store->watches;
    struct watch *watch = store_alloc(sizeof(*watch) + path->length + strlen(token) + 2);
    char home[sizeof("/local/domain/65535")];

    watch->conn = conn;
    watch->length = path->length;
    watch->hash = path_hash(path->text, path->length);
    watch->path = (char *)(watch + 1);
    memcpy(watch->path, path->text, path->length);
    watch->token = watch->path + path->length + 1;
    memcpy(watch->token, token, strlen(token));
    watch->relative = path->relative;
    watch->home = path_home(home, sizeof(home), conn->domid) + 1;
    if (table->nr_watches == table->nr_buckets)
        table_grow(table);
    LIST_INSERT_HEAD(bucket_of(table, watch->hash), watch, in_bucket);
    LIST_INSERT_HEAD(&conn->watches, watch, in_connection);
    table->nr_watches++;
    conn->nr_watches++;
    return watch;
}

int watch_add(struct connection *conn, const struct path *path, const char *token,
              struct watch **watch)
{
    if (watch_find(conn, path, token) != NULL)
        return -EEXIST;
    if (!connection_privileged(conn) && conn->nr_watches >= conn->store->quota.watches)
        return -E2BIG;
    *watch = watch_insert(conn, path, token);
    state_watch(conn, *watch);
    return 0;
}

static void watch_free(struct watch *watch)
{
    LIST_REMOVE(watch, in_bucket);
    LIST_REMOVE(watch, in_connection);
    watch->conn->store->watches.nr_watches--;
    watch->conn->nr_watches--;
    free(watch);
}

int watch_remove(struct connection *conn, const struct path *path, const char *token)
{
    struct watch *watch = watch_find(conn, path, token);

    if (watch == NULL)
        return -ENOENT;
    state_unwatch(conn, watch);
    watch_free(watch);
    return 0;
}

void watch_remove_all(struct connection *conn)
{
    while (!LIST_EMPTY(&conn->watches))
        watch_free(LIST_FIRST(&conn->watches));
}

static void fire_at(struct store *store, size_t length, const char *path, const struct perms *perms)
{
    uint64_t hash = path_hash(path, length);
    struct watch *watch;

    LIST_FOREACH(watch, bucket_of(&store->watches, hash), in_bucket)
    {
        struct connection *conn = watch->conn;
        if (watch->hash == hash && watch->length == length &&
            memcmp(watch->path, path, length) == 0 &&
            (perms_of(store, perms, conn->domid, conn->target) & PERM_READ))
            connection_event(conn, watch, path);
    }
}

void watch_fire(struct store *store, const char *path, size_t length, const struct perms *perms,
                bool exact)
{
    if (store->watches.nr_buckets == 0)
        return;
    fire_at(store, length, path, perms);
    if (exact || path[0] != '/')
        return;
    while ((length = path_parent(path, length)) != 0)
        fire_at(store, length, path, perms);
}
