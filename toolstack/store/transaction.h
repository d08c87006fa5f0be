/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions: what a client sees and changes until it commits.
 *
 * A transaction remembers every node that it looked at, as it was then, and its own changes. The
 * rest it sees in the tree. It commits if nothing that it looked at was changed by others: not the
 * permissions (or existence), nor, if it looked at those, the value or the set of children.
 * Nothing else makes it fail with EAGAIN.
 *
 * What it sees belongs to one moment: when it comes to a node that was changed since that moment,
 * all that it has seen must be as it was, and the moment becomes now. If it is not, the commit will
 * fail, and what is seen from there on does not matter.
 */
#ifndef STORE_TRANSACTION_H
#define STORE_TRANSACTION_H

#include "store/store.h"

#define SEES_VALUE    1u
#define SEES_CHILDREN 2u

/* Who is told when a transaction commits: nobody, watchers of that path, or of those above too. */
enum fire { FIRE_NOT, FIRE_EXACT, FIRE_ALL };

LIST_HEAD(access_list, access);
TAILQ_HEAD(access_queue, access);

/* A node as a transaction sees it. */
struct access {
    LIST_ENTRY(access) in_bucket;
    TAILQ_ENTRY(access) in_transaction, siblings;
    struct access_queue created; /* children that the tree did not have when they were seen */
    uint64_t hash;
    size_t length;

    bool base; /* the tree had it; then these are what it had */
    uint64_t perms_generation, value_generation, children_generation;
    struct perms *base_perms;
    unsigned sees;

    bool exists, fresh, new_value, new_perms; /* fresh: made by the transaction */
    struct perms *perms;
    struct blob *value;
    size_t charged; /* bytes of conn->transaction_memory */
    enum fire fire;
    char path[];
};

#define ACCESS_BUCKETS 64u

struct transaction {
    LIST_ENTRY(transaction) link;
    struct connection *conn;
    uint32_t id;
    uint64_t moment;
    bool doomed; /* it will not commit: others changed what it saw */
    bool failed; /* nor because a change of its own was made in part only */
    struct access_list buckets[ACCESS_BUCKETS];
    struct access_queue accesses; /* in the order in which they were seen */
    size_t nr_accesses;
    int owned; /* nodes that the client will own more than before */
};

/* -ENOSPC beyond the quota. */
int transaction_start(struct connection *conn, struct transaction **tx);
/* As state.h has kept it: only that it was open is known, and it will not commit. */
void transaction_restore(struct connection *conn, uint32_t id);
struct transaction *transaction_find(struct connection *conn, uint32_t id);
/* Ends it in any case. -EAGAIN: others changed what it saw; -ENOSPC: too many nodes. */
int transaction_end(struct transaction *tx, bool commit);
void transaction_abort_all(struct connection *conn);

/* -ENOSPC: it sees too many nodes. */
int transaction_access(struct transaction *tx, const char *path, size_t length, unsigned sees,
                       struct access **access);
struct access *transaction_seen(struct transaction *tx, const char *path, size_t length);
/* These take the references over. -ENOSPC: the client's transactions hold too much; then nothing
 * was changed. */
int access_set_value(struct transaction *tx, struct access *access, struct blob *value);
void access_set_perms(struct access *access, struct perms *perms);
/* The parent must have been seen. */
int access_create(struct transaction *tx, struct access *access, struct perms *perms,
                  struct blob *value);
void access_remove(struct transaction *tx, struct access *access);

#endif
