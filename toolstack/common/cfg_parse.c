/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of configuration files: recursive descent over the text, which need not end in NUL.
 * `at` never passes `end`; every value that was begun is in the tree or freed.
 */
#include "common/cfg_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const char *at, *end, *line_begin;
    unsigned line, depth;
    const char *name;
    struct message *why;
};

/* ---- Text --------------------------------------------------------------------------------- */

static unsigned column(const struct parser *p)
{
    return (unsigned)(p->at - p->line_begin) + 1;
}

static int fail_at(const struct parser *p, unsigned line, unsigned col, const char *text)
{
    if (p->why != NULL) {
        p->why->file = p->name;
        p->why->line = line;
        p->why->column = col;
    }
    return message_set(p->why, -EINVAL, "%s", text);
}

static int fail(const struct parser *p, const char *text)
{
    return fail_at(p, p->line, column(p), text);
}

static int no_memory(const struct parser *p)
{
    return message_set(p->why, -ENOMEM, "no memory for the configuration");
}

/* The next character; -1 at the end. */
static int peek(const struct parser *p)
{
    return p->at < p->end ? (unsigned char)*p->at : -1;
}

static void next(struct parser *p)
{
    if (*p->at++ == '\n') {
        p->line++;
        p->line_begin = p->at;
    }
}

static void skip_blank(struct parser *p, bool lines)
{
    for (int c = peek(p); c == ' ' || c == '\t' || c == '\r' || c == '#' || (lines && c == '\n');
         c = peek(p)) {
        if (c != '#')
            next(p);
        else
            while (peek(p) >= 0 && peek(p) != '\n')
                next(p);
    }
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(int c)
{
    return is_letter(c) || is_digit(c);
}

/* ---- Values ------------------------------------------------------------------------------- */

static void value_free(struct cfg_value *v)
{
    for (size_t i = 0; i < v->nr_items; i++)
        value_free(&v->item[i]);
    free(v->item);
    free(v->string);
    *v = (struct cfg_value){.type = CFG_NUMBER};
}

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands behind a backslash; -1: nothing that is known. */
static int escaped(struct parser *p)
{
    static const char letter[] = "abefnrtv\\\"'", meaning[] = "\a\b\033\f\n\r\t\v\\\"'";
    int c = peek(p);

    if (c == 'x' && p->end - p->at >= 3) {
        int high = hex_digit(p->at[1]), low = hex_digit(p->at[2]);

        if (high < 0 || low < 0 || high + low == 0)
            return -1;
        p->at += 3;
        return high << 4 | low;
    }
    const char *found = c > 0 ? strchr(letter, c) : NULL;
    if (found == NULL)
        return -1;
    p->at++;
    return (unsigned char)meaning[found - letter];
}

/* RFC 3629. Names and command lines are kept and listed as JSON, which is UTF-8. */
static bool is_utf8(const char *text)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};

    for (const unsigned char *c = (const unsigned char *)text; *c != 0; c++) {
        unsigned more = *c < 0x80             ? 0
                        : (*c & 0xe0) == 0xc0 ? 1
                        : (*c & 0xf0) == 0xe0 ? 2
                        : (*c & 0xf8) == 0xf0 ? 3
                                              : 4;
        uint32_t value = more == 0 ? *c : *c & (0x3fu >> more);

        for (unsigned i = 0; more < 4 && i < more; i++)
            if ((c[1] & 0xc0) == 0x80)
                value = value << 6 | (*++c & 0x3fu);
            else
                more = 4;
        if (more == 4 || value < least[more] || value > 0x10ffff || (value >> 11) == 0x1b)
            return false;
    }
    return true;
}

static int parse_string(struct parser *p, struct cfg_value *v)
{
    const char *line_end = memchr(p->at, '\n', (size_t)(p->end - p->at));
    char quote = *p->at++;
    size_t used = 0;

    v->type = CFG_STRING;
    v->string = malloc((size_t)((line_end != NULL ? line_end : p->end) - p->at) + 1);
    if (v->string == NULL)
        return no_memory(p);
    v->string[0] = '\0';
    while (peek(p) >= 0 && *p->at != quote && *p->at != '\n') {
        int c = (unsigned char)*p->at;

        if (c == '\0')
            return fail(p, "a NUL character: this is not a text file");
        p->at++;
        if (c == '\\') {
            c = escaped(p);
            if (c < 0)
                return fail(p, "not a known escape: write \\\\ for a backslash");
        }
        v->string[used++] = (char)c;
    }
    v->string[used] = '\0';
    if (peek(p) != (unsigned char)quote)
        return fail_at(p, v->line, v->column, "this string is not ended on its line");
    p->at++;
    if (!is_utf8(v->string))
        return fail_at(p, v->line, v->column, "this string is not UTF-8 text");
    return 0;
}

/* Decimal, 0x hexadecimal or 0 octal; a sign before it. */
static int parse_number(struct parser *p, struct cfg_value *v)
{
    char digits[32];
    size_t used = 0;

    v->type = CFG_NUMBER;
    for (int c = peek(p); is_word(c) || (used == 0 && (c == '-' || c == '+')); c = peek(p)) {
        if (used + 1 == sizeof(digits))
            return fail_at(p, v->line, v->column, "this number is too long");
        digits[used++] = (char)c;
        p->at++;
    }
    digits[used] = '\0';
    char *rest;
    errno = 0;
    v->number = strtoll(digits, &rest, 0);
    if (errno == ERANGE)
        return fail_at(p, v->line, v->column, "this number is too large");
    if (rest == digits || *rest != '\0')
        return fail_at(p, v->line, v->column, "this is no number; text must stand between quotes");
    return 0;
}

static int parse_value(struct parser *p, struct cfg_value *v);

static int add_item(struct parser *p, struct cfg_value *list)
{
    /* Room for 4, 8, 16 ... items: it is full when the number is such a power. */
    size_t n = list->nr_items;
    if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
        struct cfg_value *larger = realloc(list->item, (n ? 2 * n : 4) * sizeof(*larger));
        if (larger == NULL)
            return no_memory(p);
        list->item = larger;
    }
    list->item[n] = (struct cfg_value){.type = CFG_NUMBER};
    list->nr_items++;
    return parse_value(p, &list->item[n]);
}

static int parse_list(struct parser *p, struct cfg_value *v)
{
    v->type = CFG_LIST;
    if (p->depth == CFG_DEPTH_MAX)
        return fail(p, "lists stand too deep in each other");
    p->depth++;
    p->at++;
    skip_blank(p, true);
    while (peek(p) != ']') {
        if (peek(p) < 0)
            return fail_at(p, v->line, v->column, "this list has no ']'");
        int rc = add_item(p, v);
        if (rc)
            return rc;
        skip_blank(p, true);
        if (peek(p) == ',') {
            p->at++;
            skip_blank(p, true);
        } else if (peek(p) >= 0 && peek(p) != ']') {
            return fail(p, "between a list's items a ',' is missing");
        }
    }
    p->at++;
    p->depth--;
    return 0;
}

static int parse_value(struct parser *p, struct cfg_value *v)
{
    int c = peek(p);

    *v = (struct cfg_value){.type = CFG_NUMBER, .line = p->line, .column = column(p)};
    if (c == '"' || c == '\'')
        return parse_string(p, v);
    if (c == '[')
        return parse_list(p, v);
    if (is_word(c) || c == '-' || c == '+')
        return parse_number(p, v);
    return fail(p, c < 0 || c == '\n' ? "a value is missing" : "no value begins like this");
}

/* ---- Settings ----------------------------------------------------------------------------- */

static struct cfg_setting *find(struct cfg_file *file, const char *key)
{
    for (size_t i = 0; i < file->nr_settings; i++)
        if (strcmp(file->setting[i].key, key) == 0)
            return &file->setting[i];
    return NULL;
}

/* Moves what `more` has behind what `v` has. */
static int lengthen(struct parser *p, struct cfg_value *v, struct cfg_value *more)
{
    if (v->type != more->type || v->type == CFG_NUMBER)
        return fail_at(p, more->line, more->column,
                       "+= adds a string to a string, or a list to a list");
    if (v->type == CFG_STRING) {
        size_t had = strlen(v->string), all = had + strlen(more->string) + 1;
        char *joined = realloc(v->string, all);
        if (joined == NULL)
            return no_memory(p);
        memcpy(joined + had, more->string, all - had);
        v->string = joined;
    } else if (more->nr_items) {
        size_t all = v->nr_items + more->nr_items;
        struct cfg_value *items = realloc(v->item, all * sizeof(*items));
        if (items == NULL)
            return no_memory(p);
        memcpy(items + v->nr_items, more->item, more->nr_items * sizeof(*items));
        v->item = items;
        v->nr_items = all;
        more->nr_items = 0;
    }
    value_free(more);
    return 0;
}

/* Takes over what *new owns, or leaves it to the caller on failure. */
static int put_setting(struct parser *p, struct cfg_file *file, struct cfg_setting *new, bool add)
{
    struct cfg_setting *old = find(file, new->key);

    if (old != NULL && add) {
        int rc = lengthen(p, &old->value, &new->value);
        if (rc == 0)
            free(new->key);
        return rc;
    }
    if (old != NULL) {
        value_free(&old->value);
        free(old->key);
        *old = *new;
        return 0;
    }
    if (file->nr_settings == CFG_KEYS_MAX)
        return fail_at(p, new->line, new->column,
                       "more than 1000 keys: this is not a guest's configuration");
    struct cfg_setting *larger =
        realloc(file->setting, (file->nr_settings + 1) * sizeof(*file->setting));
    if (larger == NULL)
        return no_memory(p);
    file->setting = larger;
    file->setting[file->nr_settings++] = *new;
    return 0;
}

static int parse_setting(struct parser *p, struct cfg_setting *s, bool *add)
{
    const char *begin = p->at;

    s->line = p->line;
    s->column = column(p);
    if (!is_letter(peek(p)))
        return fail(p, peek(p) == '\0' ? "a NUL character: this is not a text file"
                                       : "a setting is: key = value");
    while (is_word(peek(p)))
        p->at++;
    s->key = strndup(begin, (size_t)(p->at - begin));
    if (s->key == NULL)
        return no_memory(p);
    skip_blank(p, false);
    *add = peek(p) == '+';
    if (*add)
        p->at++;
    if (peek(p) != '=')
        return fail(p, "behind the key a '=' is missing");
    p->at++;
    skip_blank(p, false);
    int rc = parse_value(p, &s->value);
    if (rc)
        return rc;
    skip_blank(p, false);
    if (peek(p) >= 0 && peek(p) != '\n' && peek(p) != ';')
        return fail(p, "behind the value something follows: a new line or ';' must end it");
    return 0;
}

static int parse_file(struct parser *p, struct cfg_file *file)
{
    for (;;) {
        struct cfg_setting s = {.key = NULL};
        bool add = false;

        skip_blank(p, true);
        while (peek(p) == ';') {
            next(p);
            skip_blank(p, true);
        }
        if (peek(p) < 0)
            return 0;
        int rc = parse_setting(p, &s, &add);
        if (rc == 0)
            rc = put_setting(p, file, &s, add);
        if (rc) {
            value_free(&s.value);
            free(s.key);
            return rc;
        }
    }
}

int cfg_parse(const char *name, const char *text, size_t size, struct cfg_file *file,
              struct message *why)
{
    struct parser p = {
        .at = text, .end = text + size, .line_begin = text, .line = 1, .name = name, .why = why};

    *file = (struct cfg_file){.setting = NULL};
    if (size > CFG_SIZE_MAX) {
        p.end = text;
        return fail_at(&p, 0, 0, "more than 1 MiB: this is not a guest's configuration");
    }
    int rc = parse_file(&p, file);
    if (rc)
        cfg_free(file);
    return rc;
}

void cfg_free(struct cfg_file *file)
{
    for (size_t i = 0; i < file->nr_settings; i++) {
        value_free(&file->setting[i].value);
        free(file->setting[i].key);
    }
    free(file->setting);
    *file = (struct cfg_file){.setting = NULL};
}
