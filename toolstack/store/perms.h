/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Permissions: a list of domains. The first owns the node and may do everything with it; what its
 * entry says holds for all domains that have no entry of their own. The control domain may do
 * everything.
 *
 * A list is never changed. It knows when it was made: an entry for a domain that has ended since is
 * void, whoever bears that domain's number now (the node then belongs to the control domain).
 */
#ifndef STORE_PERMS_H
#define STORE_PERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERM_READ  1u
#define PERM_WRITE 2u
#define PERM_OWNER 4u
#define PERM_ALL   (PERM_READ | PERM_WRITE | PERM_OWNER)

#define CONTROL_DOMAIN 0u

struct perm {
    uint16_t domid;
    uint8_t bits; /* PERM_READ, PERM_WRITE */
};

struct perms {
    unsigned refs, count;
    uint64_t since; /* the tree's generation when the list was made */
    struct perm list[];
};

struct store;

struct perms *perms_new(const struct perm *list, unsigned count, uint64_t since);
struct perms *perms_get(struct perms *perms);
void perms_put(struct perms *perms);
/* "r5" and the like, each with its NUL; -EINVAL. */
int perms_parse(const char *text, size_t size, uint64_t since, struct perms **perms);
/* The entries that are not void, as text; returns its size, which at most is count * 8. */
size_t perms_format(const struct store *store, const struct perms *perms, char *text);
/* What a domain may do, on its own behalf or on its target's (XS_SET_TARGET). */
unsigned perms_of(const struct store *store, const struct perms *perms, uint16_t domid,
                  uint16_t target);
uint16_t perms_owner(const struct store *store, const struct perms *perms);
/* Without void entries and with another owner: what a new node has. Returns a reference. */
struct perms *perms_inherit(const struct store *store, struct perms *perms, uint16_t owner,
                            uint64_t since);
/* Without void entries. Returns a reference. */
struct perms *perms_effective(const struct store *store, struct perms *perms);

#endif
