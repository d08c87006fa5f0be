/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing the record; restore.c reads it.
 */
#include "store/state.h"

#include <string.h>

#include "store/domain.h"
#include "store/journal.h"
#include "store/records.h"
#include "store/store.h"
#include "store/transaction.h"

/* Void entries (perms.h) are left out: whether they are cannot be told from the record. */
static void put_perms(const struct store *store, struct perms *perms)
{
    struct perms *effective = perms_effective(store, perms);

    journal_bytes(store->journal, effective->list, effective->count * sizeof(perms->list[0]));
    perms_put(effective);
}

static void put_path(struct journal *journal, const char *path)
{
    journal_bytes(journal, path, strlen(path));
}

void state_node(struct store *store, const struct node *node)
{
    struct journal *journal = store->journal;

    if (journal == NULL)
        return;
    journal_begin(journal, RECORD_NODE);
    put_path(journal, node->path);
    put_perms(store, node->perms);
    journal_bytes(journal, node->value->bytes, node->value->size);
    journal_end(journal);
}

void state_value(struct store *store, const struct node *node)
{
    struct journal *journal = store->journal;

    if (journal == NULL)
        return;
    journal_begin(journal, RECORD_VALUE);
    put_path(journal, node->path);
    journal_bytes(journal, node->value->bytes, node->value->size);
    journal_end(journal);
}

void state_perms(struct store *store, const char *path, struct perms *perms)
{
    struct journal *journal = store->journal;

    if (journal == NULL)
        return;
    journal_begin(journal, RECORD_PERMS);
    put_path(journal, path);
    put_perms(store, perms);
    journal_end(journal);
}

void state_remove(struct store *store, const struct node *node)
{
    struct journal *journal = store->journal;

    if (journal == NULL)
        return;
    journal_begin(journal, RECORD_REMOVE);
    put_path(journal, node->path);
    journal_end(journal);
}

/* A record of numbers alone. */
static void put(struct journal *journal, enum record_type type, unsigned count,
                const uint64_t *numbers)
{
    if (journal == NULL)
        return;
    journal_begin(journal, type);
    for (unsigned i = 0; i < count; i++)
        journal_number(journal, numbers[i]);
    journal_end(journal);
}

#define PUT(journal, type, ...)                                                                    \
    put(journal, type, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t),                       \
        (uint64_t[]){__VA_ARGS__})

void state_ended(struct store *store, uint16_t domid)
{
    PUT(store->journal, RECORD_ENDED, domid);
}

void state_quota(struct store *store)
{
    if (store->journal == NULL)
        return;
    journal_begin(store->journal, RECORD_QUOTA);
    journal_bytes(store->journal, &store->quota, sizeof(store->quota));
    journal_end(store->journal);
}

void state_domain(const struct store *store, const struct domain *domain)
{
    PUT(store->journal, RECORD_DOMAIN, domain->domid, domain->mfn, domain->port,
        domain->conn->target, domain->shut_down, domain->broken);
}

void state_domain_gone(const struct store *store, const struct domain *domain)
{
    PUT(store->journal, RECORD_DOMAIN_GONE, domain->domid);
}

void state_reset(const struct store *store, const struct domain *domain)
{
    PUT(store->journal, RECORD_RESET, domain->domid, domain->req_cons, domain->conn->out_end);
}

void state_input(const struct store *store, const struct domain *domain)
{
    struct journal *journal = store->journal;
    const struct connection *conn = domain->conn;
    size_t header = sizeof(conn->header);

    if (journal == NULL)
        return;
    journal_begin(journal, RECORD_INPUT);
    journal_number(journal, domain->domid);
    journal_number(journal, domain->req_cons);
    journal_bytes(journal, &conn->header, conn->have < header ? conn->have : header);
    journal_bytes(journal, conn->payload, conn->have < header ? 0 : conn->have - header);
    journal_end(journal);
}

static struct journal *of(const struct connection *conn)
{
    return conn->is_ring ? conn->store->journal : NULL;
}

void state_forget(const struct connection *conn)
{
    PUT(of(conn), RECORD_FORGET, conn->domid);
}

static void put_watch(const struct connection *conn, const struct watch *watch,
                      enum record_type type)
{
    struct journal *journal = of(conn);

    if (journal == NULL)
        return;
    journal_begin(journal, type);
    journal_number(journal, conn->domid);
    journal_number(journal, watch->relative);
    put_path(journal, watch->path);
    put_path(journal, watch->token);
    journal_end(journal);
}

void state_watch(const struct connection *conn, const struct watch *watch)
{
    put_watch(conn, watch, RECORD_WATCH);
}

void state_unwatch(const struct connection *conn, const struct watch *watch)
{
    put_watch(conn, watch, RECORD_UNWATCH);
}

void state_transaction(const struct connection *conn, uint32_t id, bool open)
{
    PUT(of(conn), RECORD_TRANSACTION, conn->domid, id, open);
}

void state_output(const struct connection *conn, const struct message_out *message)
{
    struct journal *journal = of(conn);

    if (journal == NULL)
        return;
    journal_begin(journal, RECORD_OUTPUT);
    journal_number(journal, conn->domid);
    journal_number(journal, message->end);
    journal_number(journal, message->event);
    journal_bytes(journal, message->bytes, message->size);
    journal_end(journal);
}

static void whole_domain(const struct store *store, const struct domain *domain)
{
    const struct connection *conn = domain->conn;
    const struct transaction *tx;
    const struct watch *watch;
    const struct message_out *message;

    state_domain(store, domain);
    state_reset(store, domain);
    LIST_FOREACH(watch, &conn->watches, in_connection)
    state_watch(conn, watch);
    LIST_FOREACH(tx, &conn->transactions, link)
    state_transaction(conn, tx->id, true);
    TAILQ_FOREACH(message, &conn->messages, link)
    state_output(conn, message);
    if (conn->have)
        state_input(store, domain);
}

/* Parents come before their children. */
static void whole_tree(struct store *store)
{
    const struct node *root = store->tree.root, *node = root, *next;

    state_perms(store, root->path, root->perms);
    state_value(store, root);
    while (node != NULL) {
        next = TAILQ_FIRST(&node->children);
        while (next == NULL && node != root) {
            next = TAILQ_NEXT(node, siblings);
            node = node->parent;
        }
        if (next != NULL)
            state_node(store, next);
        node = next;
    }
}

static void replace(struct store *store)
{
    const struct connection *conn;
    int rc = journal_replace_begin(store->journal);

    if (rc) {
        store_log("cannot begin a new record of changes, the old one grows: %s", strerror(-rc));
        return;
    }
    PUT(store->journal, RECORD_GENERATION, store->tree.generation);
    state_quota(store);
    for (unsigned i = 0; i < SPECIAL_COUNT; i++)
        state_perms(store, special_name((enum special)i), store->special[i]);
    whole_tree(store);
    TAILQ_FOREACH(conn, &store->connections, all)
    if (conn->is_ring)
        whole_domain(store, conn->transport);
    journal_replace_end(store->journal);
}

void state_commit(struct store *store)
{
    if (store->journal == NULL)
        return;
    journal_commit(store->journal);
    if (journal_wants_replacement(store->journal))
        replace(store);
}
