/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the store is recorded, and how a new process takes it up: nodes, permissions, accounts,
 * quotas, and of each domain its ring, watches, open transactions, what it was half-way through
 * asking, and what it has not been sent yet. Connections of the socket end with the process.
 *
 * A request is taken off a ring only after its record is committed, and its answer put there only
 * then. So a process that ends at any moment leaves a request either on the ring or recorded with
 * its answer; how much of that answer the domain has got, the ring itself tells.
 *
 * Of a transaction only its number is kept: one that was open at a restart ends with EAGAIN, which
 * every client must be ready for.
 *
 * Without a journal these do nothing.
 */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/message.h"

struct journal;
struct store;
struct node;
struct perms;
struct connection;
struct domain;
struct watch;
struct message_out;

void state_node(struct store *store, const struct node *node);
void state_value(struct store *store, const struct node *node);
void state_perms(struct store *store, const char *path, struct perms *perms);
void state_remove(struct store *store, const struct node *node);
void state_ended(struct store *store, uint16_t domid);
void state_quota(struct store *store);
/* Introduced, or something of it changed. */
void state_domain(const struct store *store, const struct domain *domain);
void state_domain_gone(const struct store *store, const struct domain *domain);
/* What it is half-way through asking, and up to where its ring was read. */
void state_input(const struct store *store, const struct domain *domain);
/* It begins anew: nothing asked, nothing to be sent, no watches or transactions. */
void state_reset(const struct store *store, const struct domain *domain);
void state_forget(const struct connection *conn);
void state_watch(const struct connection *conn, const struct watch *watch);
void state_unwatch(const struct connection *conn, const struct watch *watch);
void state_transaction(const struct connection *conn, uint32_t id, bool open);
void state_output(const struct connection *conn, const struct message_out *message);

/* After each request: all of the above counts from here on. */
void state_commit(struct store *store);
/* Takes up what the journal has, into a store that is empty. */
int state_restore(struct store *store, struct journal *journal, struct message *why);

#endif
