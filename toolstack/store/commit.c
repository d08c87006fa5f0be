/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commit. Changes are made in the order of paths, in which a node comes before those below it:
 * removals backwards, then creations and new values forwards, then watchers are told.
 */
#include "store/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/transaction.h"

static bool access_holds(const struct tree *tree, const struct access *access)
{
    const struct node *node = tree_find(tree, access->path, access->length);

    if (node == NULL)
        return !access->base;
    return access->base && node->perms_generation == access->perms_generation &&
           (!(access->sees & SEES_VALUE) || node->value_generation == access->value_generation) &&
           (!(access->sees & SEES_CHILDREN) ||
            node->children_generation == access->children_generation);
}

bool transaction_holds(const struct transaction *tx)
{
    const struct access *access;

    TAILQ_FOREACH(access, &tx->accesses, in_transaction)
    if (!access_holds(&tx->conn->store->tree, access))
        return false;
    return true;
}

static bool changed(const struct access *access)
{
    return access->fresh || access->new_value || access->new_perms ||
           access->exists != access->base || access->fire != FIRE_NOT;
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(struct access *const *)a)->path, (*(struct access *const *)b)->path);
}

static struct access **changes_in_order(const struct transaction *tx, size_t *count)
{
    struct access **list = store_alloc((tx->nr_accesses + 1) * sizeof(struct access *)), *access;

    *count = 0;
    TAILQ_FOREACH(access, &tx->accesses, in_transaction)
    if (changed(access))
        list[(*count)++] = access;
    qsort(list, *count, sizeof(struct access *), by_path);
    return list;
}

static void make_true(struct store *store, const struct access *access)
{
    struct node *node = tree_find(&store->tree, access->path, access->length);

    if (access->fresh) {
        store_create(store, access->path, access->length, perms_get(access->perms),
                     blob_get(access->value));
        return;
    }
    if (access->new_value)
        store_set_value(store, node, blob_get(access->value));
    if (access->new_perms)
        store_set_perms(store, node, perms_get(access->perms));
}

static void tell(struct store *store, const struct access *access)
{
    const struct perms *perms = access->exists ? access->perms : access->base_perms;

    /* What was made and removed again was never there. */
    if (access->fire != FIRE_NOT && perms != NULL)
        watch_fire(store, access->path, access->length, perms, access->fire == FIRE_EXACT);
}

static bool quota_allows(const struct transaction *tx)
{
    const struct connection *conn = tx->conn;
    const struct store *store = conn->store;

    return connection_privileged(conn) || tx->owned <= 0 ||
           store->accounts[conn->domid].nodes + (unsigned)tx->owned <= store->quota.nodes;
}

int transaction_commit(struct transaction *tx)
{
    struct store *store = tx->conn->store;
    size_t count;

    if (tx->doomed || !transaction_holds(tx))
        return -EAGAIN;
    if (tx->failed || !quota_allows(tx))
        return -ENOSPC;
    struct access **list = changes_in_order(tx, &count);
    for (size_t i = count; i-- > 0;) {
        struct access *access = list[i];
        if (access->base && (!access->exists || access->fresh))
            store_remove(store, tree_find(&store->tree, access->path, access->length));
    }
    for (size_t i = 0; i < count; i++)
        if (list[i]->exists)
            make_true(store, list[i]);
    for (size_t i = 0; i < count; i++)
        tell(store, list[i]);
    free(list);
    return 0;
}
