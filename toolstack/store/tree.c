/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of nodes.
 */
#include "store/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/path.h"

#define FIRST_BUCKETS 1024u

static struct node **bucket_of(const struct tree *tree, uint64_t hash)
{
    return &tree->buckets[hash & (tree->nr_buckets - 1)];
}

static struct node *node_new(struct tree *tree, const char *path, size_t length)
{
    struct node *node = store_alloc(sizeof(*node) + length + 1);
    size_t parent = path_parent(path, length);

    memcpy(node->path, path, length);
    node->length = (uint16_t)length;
    node->name = (uint16_t)(parent <= 1 ? parent : parent + 1);
    node->hash = path_hash(path, length);
    TAILQ_INIT(&node->children);
    node->perms_generation = node->value_generation = node->children_generation =
        ++tree->generation;
    return node;
}

/* Twice as many buckets as soon as there are as many nodes: a creation's share of that is constant.
 */
static void tree_grow(struct tree *tree)
{
    size_t old = tree->nr_buckets;
    struct node **from = tree->buckets;

    tree->nr_buckets = old ? old * 2 : FIRST_BUCKETS;
    tree->buckets = store_alloc(tree->nr_buckets * sizeof(struct node *));
    for (size_t i = 0; i < old; i++) {
        for (struct node *node = from[i], *next; node != NULL; node = next) {
            struct node **bucket = bucket_of(tree, node->hash);
            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    free(from);
}

static void tree_insert(struct tree *tree, struct node *node)
{
    if (tree->nr_nodes == tree->nr_buckets)
        tree_grow(tree);
    struct node **bucket = bucket_of(tree, node->hash);
    node->next = *bucket;
    *bucket = node;
    tree->nr_nodes++;
}

void tree_init(struct tree *tree, struct perms *perms)
{
    *tree = (struct tree){0};
    tree->root = node_new(tree, "/", 1);
    tree->root->perms = perms;
    tree->root->value = blob_new("", 0);
    tree_insert(tree, tree->root);
}

static void node_free(struct node *node)
{
    perms_put(node->perms);
    blob_put(node->value);
    free(node);
}

void tree_destroy(struct tree *tree)
{
    for (struct node *node = tree_first_leaf(tree->root), *next; node != NULL; node = next) {
        next = tree_next_upwards(node, tree->root);
        node_free(node);
    }
    free(tree->buckets);
}

struct node *tree_find(const struct tree *tree, const char *path, size_t length)
{
    uint64_t hash = path_hash(path, length);

    for (struct node *node = *bucket_of(tree, hash); node != NULL; node = node->next)
        if (node->hash == hash && node->length == length && memcmp(node->path, path, length) == 0)
            return node;
    return NULL;
}

struct node *tree_create(struct tree *tree, const char *path, size_t length, struct perms *perms,
                         struct blob *value)
{
    struct node *parent = tree_find(tree, path, path_parent(path, length));
    struct node *node = node_new(tree, path, length);

    assert(parent != NULL);
    node->perms = perms;
    node->value = value;
    node->parent = parent;
    TAILQ_INSERT_TAIL(&parent->children, node, siblings);
    parent->children_generation = tree->generation;
    tree_insert(tree, node);
    return node;
}

void tree_set_value(struct tree *tree, struct node *node, struct blob *value)
{
    blob_put(node->value);
    node->value = value;
    node->value_generation = ++tree->generation;
}

void tree_set_perms(struct tree *tree, struct node *node, struct perms *perms)
{
    perms_put(node->perms);
    node->perms = perms;
    node->perms_generation = ++tree->generation;
}

void tree_remove(struct tree *tree, struct node *node)
{
    struct node **link = bucket_of(tree, node->hash);

    assert(node->parent != NULL && TAILQ_EMPTY(&node->children));
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    tree->nr_nodes--;
    TAILQ_REMOVE(&node->parent->children, node, siblings);
    node->parent->children_generation = ++tree->generation;
    node_free(node);
}

struct node *tree_first_leaf(struct node *subtree)
{
    while (!TAILQ_EMPTY(&subtree->children))
        subtree = TAILQ_FIRST(&subtree->children);
    return subtree;
}

struct node *tree_next_upwards(struct node *node, const struct node *subtree)
{
    if (node == subtree)
        return NULL;
    struct node *sibling = TAILQ_NEXT(node, siblings);
    return sibling != NULL ? tree_first_leaf(sibling) : node->parent;
}
