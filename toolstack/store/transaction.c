/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What transactions saw and changed; commit.c makes it true.
 */
#include "store/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/commit.h"
#include "store/state.h"

static struct transaction *transaction_new(struct connection *conn, uint32_t id)
{
    struct transaction *tx = store_alloc(sizeof(*tx));

    tx->conn = conn;
    tx->id = id;
    tx->moment = conn->store->tree.generation;
    TAILQ_INIT(&tx->accesses);
    LIST_INSERT_HEAD(&conn->transactions, tx, link);
    conn->nr_transactions++;
    return tx;
}

struct transaction *transaction_find(struct connection *conn, uint32_t id)
{
    struct transaction *tx;

    LIST_FOREACH(tx, &conn->transactions, link)
    if (tx->id == id)
        return tx;
    return NULL;
}

int transaction_start(struct connection *conn, struct transaction **tx)
{
    if (!connection_privileged(conn) && conn->nr_transactions >= conn->store->quota.transactions)
        return -ENOSPC;
    while (conn->next_transaction == 0 || transaction_find(conn, conn->next_transaction) != NULL)
        conn->next_transaction++;
    *tx = transaction_new(conn, conn->next_transaction++);
    state_transaction(conn, (*tx)->id, true);
    return 0;
}

void transaction_restore(struct connection *conn, uint32_t id)
{
    transaction_new(conn, id)->doomed = true;
    if (id >= conn->next_transaction)
        conn->next_transaction = id + 1;
}

static void transaction_free(struct transaction *tx)
{
    struct access *access;

    while ((access = TAILQ_FIRST(&tx->accesses)) != NULL) {
        TAILQ_REMOVE(&tx->accesses, access, in_transaction);
        tx->conn->transaction_memory -= access->charged;
        perms_put(access->base_perms);
        perms_put(access->perms);
        blob_put(access->value);
        free(access);
    }
    LIST_REMOVE(tx, link);
    tx->conn->nr_transactions--;
    free(tx);
}

void transaction_abort_all(struct connection *conn)
{
    while (!LIST_EMPTY(&conn->transactions))
        transaction_free(LIST_FIRST(&conn->transactions));
}

int transaction_end(struct transaction *tx, bool commit)
{
    int rc = commit ? transaction_commit(tx) : 0;

    state_transaction(tx->conn, tx->id, false);
    transaction_free(tx);
    return rc;
}

/* The latest change that what is to be seen at this path can owe to. */
static uint64_t latest_change(const struct tree *tree, const struct node *node, const char *path,
                              size_t length)
{
    if (node != NULL) {
        uint64_t latest = node->perms_generation;
        if (latest < node->value_generation)
            latest = node->value_generation;
        return latest < node->children_generation ? node->children_generation : latest;
    }
    while (node == NULL) {
        length = path_parent(path, length);
        node = tree_find(tree, path, length);
    }
    return node->children_generation;
}

struct access *transaction_seen(struct transaction *tx, const char *path, size_t length)
{
    uint64_t hash = path_hash(path, length);
    struct access *access;

    LIST_FOREACH(access, &tx->buckets[hash % ACCESS_BUCKETS], in_bucket)
    if (access->hash == hash && access->length == length && memcmp(access->path, path, length) == 0)
        return access;
    return NULL;
}

static struct access *access_new(struct transaction *tx, const struct node *node, const char *path,
                                 size_t length)
{
    struct access *access = store_alloc(sizeof(*access) + length + 1);

    memcpy(access->path, path, length);
    access->length = length;
    access->hash = path_hash(path, length);
    TAILQ_INIT(&access->created);
    if (node != NULL) {
        access->base = access->exists = true;
        access->perms_generation = node->perms_generation;
        access->value_generation = node->value_generation;
        access->children_generation = node->children_generation;
        access->base_perms = perms_get(node->perms);
        access->perms = perms_get(node->perms);
        access->value = blob_get(node->value);
    }
    access->charged = sizeof(*access) + length + (node != NULL ? node->value->size : 0);
    tx->conn->transaction_memory += access->charged;
    LIST_INSERT_HEAD(&tx->buckets[access->hash % ACCESS_BUCKETS], access, in_bucket);
    TAILQ_INSERT_TAIL(&tx->accesses, access, in_transaction);
    tx->nr_accesses++;
    return access;
}

static bool memory_allows(const struct transaction *tx, size_t more)
{
    const struct connection *conn = tx->conn;

    return connection_privileged(conn) ||
           conn->transaction_memory + more <= conn->store->quota.transaction_memory;
}

int transaction_access(struct transaction *tx, const char *path, size_t length, unsigned sees,
                       struct access **access)
{
    const struct store *store = tx->conn->store;

    *access = transaction_seen(tx, path, length);
    if (*access == NULL) {
        if (!connection_privileged(tx->conn) &&
            (tx->nr_accesses >= store->quota.transaction_nodes || !memory_allows(tx, 0)))
            return -ENOSPC;
        const struct node *node = tree_find(&store->tree, path, length);
        if (!tx->doomed && latest_change(&store->tree, node, path, length) > tx->moment) {
            tx->doomed = !transaction_holds(tx);
            tx->moment = store->tree.generation;
        }
        *access = access_new(tx, node, path, length);
    }
    (*access)->sees |= sees;
    return 0;
}

int access_set_value(struct transaction *tx, struct access *access, struct blob *value)
{
    if (!memory_allows(tx, value->size)) {
        blob_put(value);
        return -ENOSPC;
    }
    access->charged += value->size;
    tx->conn->transaction_memory += value->size;
    if (access->value != NULL) {
        access->charged -= access->value->size;
        tx->conn->transaction_memory -= access->value->size;
        blob_put(access->value);
    }
    access->value = value;
    access->new_value = true;
    return 0;
}

/* Nodes that the client will own; those of others are not limited by its quota. */
static void count_owned(struct transaction *tx, const struct perms *perms, int change)
{
    if (perms_owner(tx->conn->store, perms) == tx->conn->domid)
        tx->owned += change;
}

void access_set_perms(struct access *access, struct perms *perms)
{
    perms_put(access->perms);
    access->perms = perms;
    access->new_perms = true;
}

int access_create(struct transaction *tx, struct access *access, struct perms *perms,
                  struct blob *value)
{
    if (access_set_value(tx, access, value)) {
        perms_put(perms);
        return -ENOSPC;
    }
    access_set_perms(access, perms);
    if (!access->base && !access->fresh) {
        size_t parent = path_parent(access->path, access->length);
        struct access *above = transaction_seen(tx, access->path, parent);
        TAILQ_INSERT_TAIL(&above->created, access, siblings);
    }
    access->exists = access->fresh = true;
    count_owned(tx, perms, 1);
    return 0;
}

void access_remove(struct transaction *tx, struct access *access)
{
    count_owned(tx, access->perms, -1);
    access->exists = false;
    access->sees |= SEES_CHILDREN | SEES_VALUE;
}
