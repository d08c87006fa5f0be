/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Splits a device's description and reads the plain kinds of values. Blanks round an item, a key
 * and a value do not count. Nothing here knows a key's meaning.
 */
#include "devices/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void trim(const char **from, size_t *size)
{
    while (*size > 0 && isspace((unsigned char)**from)) {
        ++*from;
        --*size;
    }
    while (*size > 0 && isspace((unsigned char)(*from)[*size - 1]))
        --*size;
}

/* A key is of small letters, digits and '-' and begins with a letter: a path never looks so. */
static size_t key_length(const char *text, size_t size)
{
    if (size == 0 || !islower((unsigned char)text[0]))
        return 0;
    size_t n = 1;
    while (n < size && (islower((unsigned char)text[n]) || isdigit((unsigned char)text[n]) ||
                        text[n] == '-' || text[n] == '_'))
        n++;
    size_t equals = n;
    while (equals < size && isblank((unsigned char)text[equals]))
        equals++;
    return equals < size && text[equals] == '=' ? n : 0;
}

bool spec_next(const char *text, const char **rest, struct spec_item *item)
{
    if (*rest == NULL)
        return false;
    const char *begin = *rest;
    size_t size = strcspn(begin, ",");
    *rest = begin[size] == ',' ? begin + size + 1 : NULL;

    trim(&begin, &size);
    *item = (struct spec_item){.value = begin, .value_size = size};
    item->column = item->value_column = (unsigned)(begin - text) + 1;
    item->key_size = key_length(begin, size);
    if (item->key_size > 0) {
        const char *equals = memchr(begin, '=', size);
        item->key = begin;
        item->value = equals + 1;
        item->value_size = (size_t)(begin + size - item->value);
        trim(&item->value, &item->value_size);
        item->value_column = (unsigned)(item->value - text) + 1;
    }
    return true;
}

void spec_take_rest(const char **rest, struct spec_item *item)
{
    if (*rest != NULL)
        item->value_size = strlen(item->value);
    trim(&item->value, &item->value_size);
    *rest = NULL;
}

static bool is(const char *text, size_t size, const char *other)
{
    return strlen(other) == size && memcmp(text, other, size) == 0;
}

bool spec_key_is(const struct spec_item *item, const char *key)
{
    return is(item->key, item->key_size, key);
}

bool spec_value_is(const struct spec_item *item, const char *value)
{
    return is(item->value, item->value_size, value);
}

int spec_error(const struct spec_item *item, struct message *why, const char *format, ...)
{
    if (why == NULL)
        return -EINVAL;
    *why = (struct message){.column = item->value_column};
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return -EINVAL;
}

int spec_string(const struct spec_item *item, char **to, struct message *why)
{
    int key_size = (int)item->key_size;
    if (*to != NULL)
        return spec_error(item, why, "%.*s is given twice", key_size, item->key);
    if (item->value_size == 0)
        return spec_error(item, why, "%.*s needs a value", key_size, item->key);
    for (size_t i = 0; i < item->value_size; i++)
        if (iscntrl((unsigned char)item->value[i]))
            return spec_error(item, why, "there is a control character in a value");
    *to = strndup(item->value, item->value_size);
    return *to != NULL ? 0 : message_errno(why, -ENOMEM, "cannot keep a device's description");
}

int spec_number(const struct spec_item *item, unsigned max, unsigned *to, struct message *why)
{
    unsigned long n = 0;
    bool good = item->value_size > 0;
    for (size_t i = 0; good && i < item->value_size; i++) {
        good = isdigit((unsigned char)item->value[i]);
        n = 10 * n + (unsigned long)(item->value[i] - '0');
        good = good && n <= max;
    }
    if (!good)
        return spec_error(item, why, "\"%.*s\" is no number from 0 to %u", (int)item->value_size,
                          item->value, max);
    *to = (unsigned)n;
    return 0;
}

int spec_bool(const struct spec_item *item, bool *to, struct message *why)
{
    bool yes =
        spec_value_is(item, "1") || spec_value_is(item, "yes") || spec_value_is(item, "true");
    if (!yes && !spec_value_is(item, "0") && !spec_value_is(item, "no") &&
        !spec_value_is(item, "false"))
        return spec_error(item, why, "\"%.*s\" is neither yes (1) nor no (0)",
                          (int)item->value_size, item->value);
    *to = yes;
    return 0;
}

int spec_backend(const struct spec_item *item, struct message *why)
{
    if (spec_value_is(item, "0") || spec_value_is(item, "Domain-0"))
        return 0;
    return spec_error(item, why,
                      "\"%.*s\" cannot be a back-end: only the control domain has them (backend=0)",
                      (int)item->value_size, item->value);
}
