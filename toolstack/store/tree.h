/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of nodes: found by a hash of the whole path, so that nothing costs more when there are
 * more nodes; children in the order of their creation.
 *
 * Every change takes a new number from one counter, and a node remembers the numbers of its latest
 * changes apart for permissions (and its creation), value, and set of children. Two looks at a node
 * that give the same number saw the same.
 */
#ifndef STORE_TREE_H
#define STORE_TREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "store/memory.h"
#include "store/perms.h"

TAILQ_HEAD(node_list, node);

struct node {
    struct node *next; /* in its bucket */
    uint64_t hash;
    struct node *parent;
    TAILQ_ENTRY(node) siblings;
    struct node_list children;
    uint64_t perms_generation, value_generation, children_generation;
    struct perms *perms;
    struct blob *value;
    uint16_t length, name; /* of the path; where its last part begins */
    char path[];
};

struct tree {
    struct node **buckets;
    size_t nr_buckets, nr_nodes;
    struct node *root;
    uint64_t generation;
};

/* Takes the reference to `perms`, which the root gets. */
void tree_init(struct tree *tree, struct perms *perms);
void tree_destroy(struct tree *tree);
struct node *tree_find(const struct tree *tree, const char *path, size_t length);
/* The parent must exist and the node must not. Takes the references. */
struct node *tree_create(struct tree *tree, const char *path, size_t length, struct perms *perms,
                         struct blob *value);
void tree_set_value(struct tree *tree, struct node *node, struct blob *value);
void tree_set_perms(struct tree *tree, struct node *node, struct perms *perms);
/* `node` must be a leaf other than the root. */
void tree_remove(struct tree *tree, struct node *node);
/* Children before their parent: the first of the subtree, and the one that follows; NULL: that was
 * the subtree's own root. The next is to be asked for before a node is removed. */
struct node *tree_first_leaf(struct node *subtree);
struct node *tree_next_upwards(struct node *node, const struct node *subtree);

static inline const char *node_name(const struct node *node)
{
    return node->path + node->name;
}

#endif
