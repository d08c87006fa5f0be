/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The items of a device's description: what lies between its commas, with the place of each.
 */
#ifndef DEVICES_SPEC_H
#define DEVICES_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "common/message.h"

/* An item of "key=value" has both; any other has a value alone, and key_size is 0. */
struct spec_item {
    const char *key, *value;
    size_t key_size, value_size;
    unsigned column; /* of the item, from 1 */
    unsigned value_column;
};

/* Takes the next item from *rest, which begins at `text` and becomes NULL behind the last one. */
bool spec_next(const char *text, const char **rest, struct spec_item *item);
/* The value reaches to the end of the description, commas and all. */
void spec_take_rest(const char **rest, struct spec_item *item);
bool spec_key_is(const struct spec_item *item, const char *key);
bool spec_value_is(const struct spec_item *item, const char *value);
/* A fault of an item: fills `why` with the item's place and returns -EINVAL. */
int spec_error(const struct spec_item *item, struct message *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The value into *to, which must be NULL still. Refuses emptiness and control characters. */
int spec_string(const struct spec_item *item, char **to, struct message *why);
/* A decimal number of at most `max`. */
int spec_number(const struct spec_item *item, unsigned max, unsigned *to, struct message *why);
int spec_bool(const struct spec_item *item, bool *to, struct message *why);
/* backend=: only the control domain has back-ends. */
int spec_backend(const struct spec_item *item, struct message *why);

#endif
