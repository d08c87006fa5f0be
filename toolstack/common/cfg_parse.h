/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The syntax of xl.cfg(5): settings "key = value" that a new line or ';' ends; values are numbers,
 * strings in '...' or "...", and lists [a, b] of values. What keys mean, guest_config.c knows.
 */
#ifndef COMMON_CFG_PARSE_H
#define COMMON_CFG_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "common/message.h"

/* Beyond these a file is refused: nobody writes that, and what reads it may recurse. */
#define CFG_SIZE_MAX  (1u << 20)
#define CFG_DEPTH_MAX 8u
#define CFG_KEYS_MAX  1000u

enum cfg_type { CFG_NUMBER, CFG_STRING, CFG_LIST };

struct cfg_value {
    enum cfg_type type;
    unsigned line, column; /* where it begins; a string: its opening quote */
    int64_t number;
    char *string;
    struct cfg_value *item;
    size_t nr_items;
};

struct cfg_setting {
    char *key;
    unsigned line, column;
    struct cfg_value value;
};

/* Each key once: of several settings the last one counts, and "+=" lengthens a string or list. */
struct cfg_file {
    struct cfg_setting *setting;
    size_t nr_settings;
};

/* `name` stands for the file in messages. On failure -EINVAL, with the place, or -ENOMEM; *file is
 * empty then. */
int cfg_parse(const char *name, const char *text, size_t size, struct cfg_file *file,
              struct message *why);
void cfg_free(struct cfg_file *file);

#endif
