/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations on nodes.
 */
#include "store/operations.h"

#include <errno.h>
#include <string.h>

static unsigned may(const struct actor *actor, const struct perms *perms)
{
    return perms_of(actor->view.store, perms, actor->conn->domid, actor->conn->target);
}

static int explain_absence(struct actor *actor, const struct path *path, unsigned need)
{
    struct sight above = {0};
    size_t length = path->length;

    if (connection_privileged(actor->conn))
        return -ENOENT;
    while (above.perms == NULL && (length = path_parent(path->text, length)) != 0) {
        char text[PATH_SIZE];
        memcpy(text, path->text, length);
        text[length] = '\0';
        int rc = view_see(&actor->view, text, length, 0, &above);
        if (rc)
            return rc;
    }
    return above.perms != NULL && (may(actor, above.perms) & need) ? -ENOENT : -EACCES;
}

int op_look(struct actor *actor, const struct path *path, unsigned need, unsigned sees,
            struct sight *sight)
{
    int rc = view_see(&actor->view, path->text, path->length, sees, sight);

    if (rc)
        return rc;
    if (sight->perms == NULL)
        return explain_absence(actor, path, need);
    return (may(actor, sight->perms) & need) == need ? 0 : -EACCES;
}

/* How long the paths of the node and of those above it are that do not exist, deepest first; and
 * the permissions of the nearest that does. */
static int find_missing(struct actor *actor, const struct path *path, uint16_t *lengths,
                        unsigned *count, struct perms **perms)
{
    struct path above = *path;
    struct sight sight = {0};

    *count = 0;
    while (sight.perms == NULL) {
        lengths[(*count)++] = (uint16_t)above.length;
        above.length = path_parent(above.text, above.length);
        above.text[above.length] = '\0';
        int rc = view_see(&actor->view, above.text, above.length, 0, &sight);
        if (rc)
            return rc;
    }
    *perms = sight.perms;
    return 0;
}

/* New nodes have the permissions of the node above, but belong to the domain that made them; those
 * that the control domain makes belong to whom the node above belongs to. */
static int create(struct actor *actor, const struct path *path, struct blob *value)
{
    struct store *store = actor->view.store;
    uint16_t lengths[XENSTORE_ABS_PATH_MAX / 2 + 1], domid = actor->conn->domid;
    bool privileged = connection_privileged(actor->conn);
    unsigned count;
    struct perms *above;
    int rc = find_missing(actor, path, lengths, &count, &above);

    if (rc == 0 && !privileged && view_owned(&actor->view, domid) + count > store->quota.nodes)
        rc = -ENOSPC;
    if (rc) {
        blob_put(value);
        return rc;
    }
    struct perms *perms = privileged ? perms_effective(store, above)
                                     : perms_inherit(store, above, domid, store->tree.generation);
    while (count-- > 0 && rc == 0) {
        struct path node = *path;
        node.text[node.length = lengths[count]] = '\0';
        rc = view_create(&actor->view, node.text, node.length, perms_get(perms),
                         count ? blob_new("", 0) : blob_get(value), count ? FIRE_NOT : FIRE_ALL);
    }
    perms_put(perms);
    blob_put(value);
    if (rc)
        actor->view.tx->failed = true;
    return rc;
}

int op_write(struct actor *actor, const struct path *path, const char *value, size_t size)
{
    struct sight sight;
    int rc;

    if (!connection_privileged(actor->conn) && size > actor->view.store->quota.node_size)
        return -ENOSPC;
    rc = op_look(actor, path, PERM_WRITE, SEES_VALUE, &sight);
    if (rc == 0)
        return view_set_value(&actor->view, &sight, blob_new(value, size));
    return rc == -ENOENT ? create(actor, path, blob_new(value, size)) : rc;
}

int op_mkdir(struct actor *actor, const struct path *path)
{
    struct sight sight;
    int rc = op_look(actor, path, PERM_WRITE, 0, &sight);

    return rc == -ENOENT ? create(actor, path, blob_new("", 0)) : rc;
}

int op_rm(struct actor *actor, const struct path *path)
{
    struct sight sight;
    int rc = op_look(actor, path, PERM_WRITE, 0, &sight);

    if (rc == -ENOENT) {
        /* What is not there need not be removed, if it could be there. */
        struct path above = *path;
        above.length = path_parent(path->text, path->length);
        above.text[above.length] = '\0';
        rc = view_see(&actor->view, above.text, above.length, 0, &sight);
        return rc || sight.perms != NULL ? rc : -ENOENT;
    }
    if (rc)
        return rc;
    return path->length == 1 ? -EINVAL : view_remove(&actor->view, path->text, path->length);
}

int op_set_perms(struct actor *actor, const struct path *path, const char *text, size_t size)
{
    struct store *store = actor->view.store;
    bool privileged = connection_privileged(actor->conn);
    enum special special = path_special(path->text);
    struct sight sight = {0};
    struct perms *perms;
    int rc = perms_parse(text, size, store->tree.generation, &perms);

    if (rc)
        return rc;
    if (!privileged && perms->count > store->quota.perms)
        rc = -ENOSPC;
    else if (special != SPECIAL_NONE)
        rc = privileged ? 0 : -EACCES;
    else
        rc = op_look(actor, path, PERM_WRITE | PERM_OWNER, 0, &sight);
    if (rc == 0 && !privileged && perms->list[0].domid != perms_owner(store, sight.perms))
        rc = -EPERM;
    if (rc)
        perms_put(perms);
    else if (special != SPECIAL_NONE)
        store_set_special(store, special, perms);
    else
        view_set_perms(&actor->view, &sight, perms);
    return rc;
}
