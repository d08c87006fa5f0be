/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client may do with nodes: each operation checks permissions and quotas, changes what is to
 * be changed, and has watchers told. Errors are the protocol's, negative.
 */
#ifndef STORE_OPERATIONS_H
#define STORE_OPERATIONS_H

#include "store/view.h"

struct actor {
    struct connection *conn;
    struct view view;
};

/* The node, if the client has all of the permissions `need`. -ENOENT only tells a client whom the
 * nearest node above lets know; others get -EACCES. */
int op_look(struct actor *actor, const struct path *path, unsigned need, unsigned sees,
            struct sight *sight);
/* Missing nodes above are made, too. */
int op_write(struct actor *actor, const struct path *path, const char *value, size_t size);
int op_mkdir(struct actor *actor, const struct path *path);
int op_rm(struct actor *actor, const struct path *path);
int op_set_perms(struct actor *actor, const struct path *path, const char *text, size_t size);

#endif
