/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store as a whole: its nodes' changes with their accounts and their record.
 */
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/state.h"

/* A guest with many devices has some 200 nodes, 30 watches and one transaction at a time. */
static const struct quota default_quota = {
    .nodes = 1000,
    .watches = 128,
    .transactions = 10,
    .transaction_nodes = 1024,
    .transaction_memory = 2u << 20,
    .node_size = 2048,
    .perms = 5,
    .outstanding = 20,
};

void store_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("pvstored: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void store_init(struct store *store)
{
    static const struct perm none = {.domid = CONTROL_DOMAIN};

    *store = (struct store){.quota = default_quota};
    TAILQ_INIT(&store->connections);
    TAILQ_INIT(&store->unsent);
    store->accounts = store_alloc(DOMID_FIRST_RESERVED * sizeof(*store->accounts));
    store->domains = store_alloc(DOMID_FIRST_RESERVED * sizeof(struct domain *));
    for (unsigned i = 0; i < SPECIAL_COUNT; i++)
        store->special[i] = perms_new(&none, 1, 1);
    tree_init(&store->tree, perms_new(&none, 1, 1));
    store->accounts[CONTROL_DOMAIN].nodes = 1;
}

/* Connections of sockets and domains are freed by whom they belong to; this frees what is left. */
void store_destroy(struct store *store)
{
    struct connection *conn;

    while ((conn = TAILQ_FIRST(&store->connections)) != NULL)
        connection_free(conn);
    tree_destroy(&store->tree);
    watch_table_destroy(&store->watches);
    for (unsigned i = 0; i < SPECIAL_COUNT; i++)
        perms_put(store->special[i]);
    free(store->accounts);
    free(store->domains);
}

static void account(struct store *store, const struct perms *perms, int change)
{
    store->accounts[perms_owner(store, perms)].nodes += (uint32_t)change;
}

struct node *store_create(struct store *store, const char *path, size_t length, struct perms *perms,
                          struct blob *value)
{
    struct node *node = tree_create(&store->tree, path, length, perms, value);

    account(store, perms, 1);
    state_node(store, node);
    return node;
}

void store_set_value(struct store *store, struct node *node, struct blob *value)
{
    tree_set_value(&store->tree, node, value);
    state_value(store, node);
}

void store_set_perms(struct store *store, struct node *node, struct perms *perms)
{
    account(store, node->perms, -1);
    tree_set_perms(&store->tree, node, perms);
    account(store, perms, 1);
    state_perms(store, node->path, perms);
}

void store_set_special(struct store *store, enum special special, struct perms *perms)
{
    perms_put(store->special[special]);
    store->special[special] = perms;
    state_perms(store, special_name(special), perms);
}

void store_remove(struct store *store, struct node *node)
{
    state_remove(store, node);
    for (struct node *leaf = tree_first_leaf(node), *next; leaf != NULL; leaf = next) {
        next = tree_next_upwards(leaf, node);
        account(store, leaf->perms, -1);
        tree_remove(&store->tree, leaf);
    }
}

void store_domain_ended(struct store *store, uint16_t domid)
{
    struct account *ended = &store->accounts[domid];

    store->accounts[CONTROL_DOMAIN].nodes += ended->nodes;
    ended->nodes = 0;
    /* Lists that exist were made at this number or before, those to come are made after it. */
    ended->ended = store->tree.generation++;
    state_ended(store, domid);
}

static bool check_node(const struct store *store, const struct node *node, uint32_t *owned)
{
    const struct node *found = tree_find(&store->tree, node->path, node->length);
    bool good = found == node && (node->parent != NULL || node == store->tree.root);

    if (!good)
        store_log("check: %s is not where it should be", node->path);
    owned[perms_owner(store, node->perms)]++;
    return good;
}

bool store_check(const struct store *store)
{
    uint32_t *owned = store_alloc(DOMID_FIRST_RESERVED * sizeof(*owned));
    size_t nodes = 0, watches = 0;
    bool good = true;
    struct connection *conn;

    for (struct node *node = tree_first_leaf(store->tree.root); node != NULL; nodes++) {
        good = check_node(store, node, owned) && good;
        node = tree_next_upwards(node, store->tree.root);
    }
    for (unsigned i = 0; i < DOMID_FIRST_RESERVED; i++) {
        if (owned[i] != store->accounts[i].nodes) {
            store_log("check: domain %u owns %u nodes and is charged for %u", i, owned[i],
                      store->accounts[i].nodes);
            good = false;
        }
    }
    TAILQ_FOREACH(conn, &store->connections, all)
    watches += conn->nr_watches;
    if (nodes != store->tree.nr_nodes || watches != store->watches.nr_watches) {
        store_log("check: %zu nodes of %zu are in the tree, and %zu watches of %zu have owners",
                  nodes, store->tree.nr_nodes, watches, store->watches.nr_watches);
        good = false;
    }
    free(owned);
    return good;
}
