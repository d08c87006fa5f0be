/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paths of the store: "/" or "/name/name", names of letters, digits, '-', '_' and '@', no empty
 * name. A domain may leave out its home, "/local/domain/<domid>/". Two names that begin with '@'
 * are no nodes but events that can be watched.
 */
#ifndef STORE_PATH_H
#define STORE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/wire.h"

#define PATH_SIZE (XENSTORE_ABS_PATH_MAX + 1)

enum special { SPECIAL_INTRODUCE, SPECIAL_RELEASE, SPECIAL_COUNT, SPECIAL_NONE = SPECIAL_COUNT };

struct path {
    size_t length;
    bool relative;
    char text[PATH_SIZE];
};

/* The absolute path that domain `domid` means by `text`. -EINVAL: it is no path. */
int path_make(struct path *path, uint16_t domid, const char *text);
/* The same, and the special names are let through as they are. */
int path_make_watch(struct path *path, uint16_t domid, const char *text);
enum special path_special(const char *text);
const char *special_name(enum special special);
/* "/local/domain/<domid>"; returns its length. */
size_t path_home(char *text, size_t size, uint16_t domid);
/* How long the parent's path is; 0: the root has none. */
size_t path_parent(const char *path, size_t length);

/* Keyed with a number that no guest knows: guests choose paths, and must not choose collisions. */
uint64_t path_hash(const char *path, size_t length);

#endif
