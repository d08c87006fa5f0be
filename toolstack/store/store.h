/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store as a whole, and the only functions that change its nodes: they keep the accounts of
 * what domains own, and the record of changes from which a new process takes up (state.h).
 *
 * Nothing here knows of sockets or of Xen: all of it runs on byte buffers.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

#include "store/connection.h"
#include "store/path.h"
#include "store/tree.h"
#include "store/watch.h"

/* What a domain may use; the control domain may use what there is. */
struct quota {
    unsigned nodes;              /* that it owns */
    unsigned watches;            /* at a time */
    unsigned transactions;       /* at a time */
    unsigned transaction_nodes;  /* that one transaction sees */
    unsigned transaction_memory; /* bytes that all its transactions hold */
    unsigned node_size;          /* bytes of a value */
    unsigned perms;              /* entries of one list */
    unsigned outstanding;        /* answers that it has not taken; further requests wait */
};

struct account {
    uint32_t nodes;
    uint64_t ended; /* the tree's generation when a domain of that number last ended */
};

struct journal;
struct domain;

struct store {
    struct tree tree;
    struct watch_table watches;
    struct perms *special[SPECIAL_COUNT]; /* who learns of domains */
    struct account *accounts;             /* by number of domain */
    struct quota quota;
    struct connection_list connections;
    struct connection_list unsent; /* those with answers that their transport was not told of */
    struct domain **domains;       /* by number; NULL: not introduced */
    const struct domain_ops *domain_ops;
    void *domain_data;
    struct journal *journal; /* NULL: no record is kept */
    bool log;                /* requests are logged */
};

/* What requests about domains need from below; -errno. */
struct domain_ops {
    int (*introduce)(void *data, uint16_t domid, uint64_t mfn, uint32_t port);
    int (*release)(void *data, uint16_t domid);
    int (*resume)(void *data, uint16_t domid);
};

void store_init(struct store *store);
void store_destroy(struct store *store);

/* These take no permission into account, and tell no watcher. References are taken over. */
struct node *store_create(struct store *store, const char *path, size_t length, struct perms *perms,
                          struct blob *value);
void store_set_value(struct store *store, struct node *node, struct blob *value);
void store_set_perms(struct store *store, struct node *node, struct perms *perms);
void store_set_special(struct store *store, enum special special, struct perms *perms);
/* With all below it. */
void store_remove(struct store *store, struct node *node);
/* A domain of that number ended: what permissions say of it is void. */
void store_domain_ended(struct store *store, uint16_t domid);
/* Whether nodes, accounts and watches agree with each other; false: what is wrong is logged. */
bool store_check(const struct store *store);

void store_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
