/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BUILDER_APART_H
#define BUILDER_APART_H

#include "common/message.h"

/*
 * Runs work(data, why) in a process of its own, with a copy of this one's memory: what it changes
 * there is lost, but `why`'s text. Its answer, or a negative errno.
 */
int apart(int (*work)(void *data, struct message *why), void *data, struct message *why);

#endif
