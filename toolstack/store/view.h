/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one request sees and changes: the tree itself, or a transaction's image of it. Permissions
 * are the caller's to check.
 */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include "store/transaction.h"

struct view {
    struct store *store;
    struct transaction *tx; /* NULL: the tree itself */
};

struct sight {
    struct perms *perms; /* NULL: there is no such node */
    struct blob *value;
    struct node *node;     /* in the tree */
    struct access *access; /* in the transaction */
};

/* `sees` as in transaction.h. -ENOSPC: the transaction sees too much. */
int view_see(struct view *view, const char *path, size_t length, unsigned sees,
             struct sight *sight);
/* Names of children, in one piece, each with its NUL; seen with SEES_CHILDREN before. `number`
 * changes whenever the set of children does. free() the names. */
size_t view_children(struct view *view, const struct sight *sight, char **names, uint64_t *number);
/* These take references over and tell watchers. */
int view_create(struct view *view, const char *path, size_t length, struct perms *perms,
                struct blob *value, enum fire fire);
int view_set_value(struct view *view, struct sight *sight, struct blob *value);
void view_set_perms(struct view *view, struct sight *sight, struct perms *perms);
/* With all below it. */
int view_remove(struct view *view, const char *path, size_t length);
/* Nodes that the domain owns, as seen from here. */
unsigned view_owned(const struct view *view, uint16_t domid);

#endif
