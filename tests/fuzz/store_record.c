/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores that must be the same: nodes in the same order with values, owners and permissions;
 * watches, open transactions, and what waits to be sent, of domains; quotas and accounts.
 */
#include "tests/fuzz/store_record.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/domain.h"
#include "store/journal.h"
#include "store/state.h"
#include "tests/fuzz/fuzz.h"

#define DIRECTORY_SIZE 256
#define DOMAINS        16u /* whose numbers are compared; the fuzzers use none above */

static char directory[DIRECTORY_SIZE];

static void remove_directory(void)
{
    static const char *const names[] = {"state", "state.new", "lock"};
    char name[DIRECTORY_SIZE + 16];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(name, sizeof(name), "%s/%s", directory, names[i]);
        unlink(name);
    }
    rmdir(directory);
}

static void make_directory(void)
{
    const char *place = getenv("TMPDIR");

    if (directory[0] != '\0')
        return;
    snprintf(directory, sizeof(directory), "%s/fuzz-store.XXXXXX", place != NULL ? place : "/tmp");
    demand(mkdtemp(directory) != NULL);
    atexit(remove_directory);
}

/* The store that the record tells. */
static struct store *take_up(bool fresh)
{
    struct store *store = calloc(1, sizeof(*store));
    struct journal *journal;
    struct message why;

    demand(store != NULL);
    store_init(store);
    demand(journal_open(directory, "fuzz", fresh, &journal, &why) == 0);
    demand(state_restore(store, journal, &why) == 0);
    return store;
}

struct store *record_begin(void)
{
    make_directory();
    return take_up(true);
}

static void same_perms(const struct store *a, struct perms *of_a, const struct store *b,
                       struct perms *of_b)
{
    struct perms *left = perms_effective(a, of_a), *right = perms_effective(b, of_b);

    demand(left->count == right->count);
    for (unsigned i = 0; i < left->count; i++)
        demand(left->list[i].domid == right->list[i].domid &&
               left->list[i].bits == right->list[i].bits);
    perms_put(left);
    perms_put(right);
}

static void same_trees(const struct store *a, const struct store *b)
{
    struct node *left = tree_first_leaf(a->tree.root), *right = tree_first_leaf(b->tree.root);

    while (left != NULL && right != NULL) {
        demand(strcmp(left->path, right->path) == 0);
        demand(left->value->size == right->value->size &&
               memcmp(left->value->bytes, right->value->bytes, left->value->size) == 0);
        same_perms(a, left->perms, b, right->perms);
        left = tree_next_upwards(left, a->tree.root);
        right = tree_next_upwards(right, b->tree.root);
    }
    demand(left == NULL && right == NULL);
}

static void same_messages(const struct connection *a, const struct connection *b)
{
    const struct message_out *left = TAILQ_LAST(&a->messages, message_list),
                             *right = TAILQ_LAST(&b->messages, message_list);

    /* The record does not know what was sent: that is at the ring. So `b` may have more in front.
     */
    demand(a->out_end == b->out_end);
    while (left != NULL) {
        demand(right != NULL && left->event == right->event && left->end == right->end);
        demand(left->size == right->size && memcmp(left->bytes, right->bytes, left->size) == 0);
        left = TAILQ_PREV(left, message_list, link);
        right = TAILQ_PREV(right, message_list, link);
    }
}

static void same_domains(struct domain *a, struct domain *b)
{
    const struct watch *watch, *other;
    const struct transaction_list *list = &a->conn->transactions;

    demand(a->conn->nr_watches == b->conn->nr_watches);
    LIST_FOREACH(watch, &a->conn->watches, in_connection)
    {
        bool found = false;
        LIST_FOREACH(other, &b->conn->watches, in_connection)
        found = found ||
                (strcmp(watch->path, other->path) == 0 && strcmp(watch->token, other->token) == 0 &&
                 watch->relative == other->relative);
        demand(found);
    }
    demand(a->conn->nr_transactions == b->conn->nr_transactions);
    demand(LIST_EMPTY(list) == LIST_EMPTY(&b->conn->transactions));
    demand(a->conn->target == b->conn->target && a->broken == b->broken);
    same_messages(a->conn, b->conn);
}

static void same_stores(const struct store *a, const struct store *b)
{
    same_trees(a, b);
    demand(memcmp(&a->quota, &b->quota, sizeof(a->quota)) == 0);
    for (unsigned i = 0; i < SPECIAL_COUNT; i++)
        same_perms(a, a->special[i], b, b->special[i]);
    for (unsigned i = 0; i < DOMAINS; i++) {
        demand((a->domains[i] == NULL) == (b->domains[i] == NULL));
        demand(a->accounts[i].nodes == b->accounts[i].nodes);
        if (a->domains[i] != NULL)
            same_domains(a->domains[i], b->domains[i]);
    }
}

void record_end(struct store *store)
{
    struct journal *journal = store->journal;

    store->journal = NULL;
    for (unsigned i = 0; i < DOMAINS; i++)
        if (store->domains[i] != NULL)
            domain_free(store, store->domains[i]);
    store_destroy(store);
    if (journal != NULL)
        journal_close(journal);
    free(store);
}

struct store *record_restart(struct store *store)
{
    journal_close(store->journal);
    store->journal = NULL;
    struct store *again = take_up(false);
    same_stores(store, again);
    record_end(store);
    return again;
}
