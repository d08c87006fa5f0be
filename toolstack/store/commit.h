/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a transaction: whether what it saw still holds, and if so, its changes become true all
 * at once.
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include <stdbool.h>

struct transaction;

bool transaction_holds(const struct transaction *tx);
/* 0, -EAGAIN or -ENOSPC. */
int transaction_commit(struct transaction *tx);

#endif
