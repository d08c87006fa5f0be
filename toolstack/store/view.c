/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One way of looking at nodes, with and without a transaction.
 */
#include "store/view.h"

#include <stdlib.h>
#include <string.h>

int view_see(struct view *view, const char *path, size_t length, unsigned sees, struct sight *sight)
{
    *sight = (struct sight){0};
    if (view->tx == NULL) {
        sight->node = tree_find(&view->store->tree, path, length);
        if (sight->node != NULL) {
            sight->perms = sight->node->perms;
            sight->value = sight->node->value;
        }
        return 0;
    }
    int rc = transaction_access(view->tx, path, length, sees, &sight->access);
    if (rc == 0 && sight->access->exists) {
        sight->perms = sight->access->perms;
        sight->value = sight->access->value;
    }
    return rc;
}

struct names {
    char *text;
    size_t size, room;
};

static void names_add(struct names *names, const char *name)
{
    size_t size = strlen(name) + 1;

    if (names->size + size > names->room) {
        names->room = (names->size + size) * 2;
        names->text = store_realloc(names->text, names->room);
    }
    memcpy(names->text + names->size, name, size);
    names->size += size;
}

static const char *last_part(const struct access *access)
{
    return strrchr(access->path, '/') + 1;
}

size_t view_children(struct view *view, const struct sight *sight, char **names, uint64_t *number)
{
    const struct access *access = sight->access, *other;
    const struct node *node = sight->node, *child;
    struct names list = {0};

    if (view->tx != NULL && access->base && !access->fresh)
        node = tree_find(&view->store->tree, access->path, access->length);
    if (node != NULL) {
        TAILQ_FOREACH(child, &node->children, siblings)
        {
            other = view->tx ? transaction_seen(view->tx, child->path, child->length) : NULL;
            if (other == NULL || (other->base && other->exists))
                names_add(&list, node_name(child));
        }
    } else if (access != NULL) {
        /* It was made anew: of the children that the tree had, those that were made anew, too. */
        TAILQ_FOREACH(other, &view->tx->accesses, in_transaction)
        if (other->base && other->exists && other != access &&
            path_parent(other->path, other->length) == access->length &&
            memcmp(other->path, access->path, access->length) == 0)
            names_add(&list, last_part(other));
    }
    if (access != NULL) {
        TAILQ_FOREACH(other, &access->created, siblings)
        if (other->exists)
            names_add(&list, last_part(other));
    }
    *names = list.text;
    *number = node != NULL ? node->children_generation : 0;
    if (access != NULL)
        *number += view->tx->nr_accesses;
    return list.size;
}

static void set_fire(struct access *access, enum fire fire)
{
    if (access->fire < fire)
        access->fire = fire;
}

int view_create(struct view *view, const char *path, size_t length, struct perms *perms,
                struct blob *value, enum fire fire)
{
    if (view->tx == NULL) {
        store_create(view->store, path, length, perms, value);
        if (fire == FIRE_ALL)
            watch_fire(view->store, path, length, perms, false);
        return 0;
    }
    struct access *access;
    int rc = transaction_access(view->tx, path, length, SEES_VALUE, &access);
    if (rc) {
        perms_put(perms);
        blob_put(value);
        return rc;
    }
    rc = access_create(view->tx, access, perms, value);
    if (rc == 0)
        set_fire(access, fire);
    return rc;
}

int view_set_value(struct view *view, struct sight *sight, struct blob *value)
{
    if (view->tx != NULL) {
        set_fire(sight->access, FIRE_ALL);
        return access_set_value(view->tx, sight->access, value);
    }
    struct node *node = sight->node;
    store_set_value(view->store, node, value);
    watch_fire(view->store, node->path, node->length, node->perms, false);
    return 0;
}

void view_set_perms(struct view *view, struct sight *sight, struct perms *perms)
{
    if (view->tx != NULL) {
        set_fire(sight->access, FIRE_ALL);
        access_set_perms(sight->access, perms);
        return;
    }
    struct node *node = sight->node;
    store_set_perms(view->store, node, perms);
    watch_fire(view->store, node->path, node->length, node->perms, false);
}

/* The transaction comes to know all children that there are. `path` has PATH_SIZE bytes of room. */
static int remove_seen(struct view *view, char *path, size_t length, enum fire fire)
{
    struct sight sight;
    char *names;
    uint64_t number;
    int rc = view_see(view, path, length, SEES_CHILDREN | SEES_VALUE, &sight);

    if (rc || sight.perms == NULL)
        return rc;
    size_t size = view_children(view, &sight, &names, &number);
    for (size_t at = 0; at < size && rc == 0;) {
        size_t part = strlen(names + at);
        path[length] = '/';
        memcpy(path + length + 1, names + at, part + 1);
        rc = remove_seen(view, path, length + 1 + part, FIRE_EXACT);
        at += part + 1;
    }
    path[length] = '\0';
    free(names);
    if (rc)
        return rc;
    access_remove(view->tx, sight.access);
    set_fire(sight.access, fire);
    return 0;
}

int view_remove(struct view *view, const char *path, size_t length)
{
    if (view->tx != NULL) {
        char buffer[PATH_SIZE];
        memcpy(buffer, path, length + 1);
        int rc = remove_seen(view, buffer, length, FIRE_ALL);
        view->tx->failed = view->tx->failed || rc != 0;
        return rc;
    }
    struct store *store = view->store;
    struct node *node = tree_find(&store->tree, path, length);
    struct perms *perms = perms_get(node->perms);
    for (struct node *below = tree_first_leaf(node); below != node;
         below = tree_next_upwards(below, node))
        watch_fire(store, below->path, below->length, below->perms, true);
    store_remove(store, node);
    watch_fire(store, path, length, perms, false);
    perms_put(perms);
    return 0;
}

unsigned view_owned(const struct view *view, uint16_t domid)
{
    int more = view->tx != NULL && view->tx->conn->domid == domid ? view->tx->owned : 0;

    return view->store->accounts[domid].nodes + (unsigned)more;
}
