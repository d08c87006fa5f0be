/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parsing of the command line by the table in core/cmdline.def. The line comes from the boot
 * loader, so a mistake in it is reported and survived: an option with a bad value keeps its former
 * one.
 */
#include "core/cmdline.h"

#include "core/lib.h"
#include "core/log.h"
#include "core/sched.h"

struct options options;

#define WORD_MAX 256u

/* What a row's kind and member say: reads `value` (NULL: the name stood alone), false: it is bad.
 */
typedef bool parse_fn(struct options *o, size_t field, size_t size, const char *value);

struct option {
    const char *name;
    parse_fn *parse;
    size_t field, size;
    const char *initial, *syntax;
};

static bool parse_STRING(struct options *o, size_t field, size_t size, const char *value)
{
    if (value == NULL || strlen(value) >= size)
        return false;
    str_copy((char *)o + field, value, size);
    return true;
}

static bool one_of(const char *s, const char *const *set)
{
    for (; *set != NULL; set++)
        if (strcmp(s, *set) == 0)
            return true;
    return false;
}

static bool parse_BOOL(struct options *o, size_t field, size_t size, const char *value)
{
    static const char *const yes[] = {"", "yes", "on", "true", "enable", "1", NULL};
    static const char *const no[] = {"no", "off", "false", "disable", "0", NULL};
    bool *to = (bool *)((char *)o + field);

    (void)size;
    if (value == NULL || one_of(value, yes))
        *to = true;
    else if (one_of(value, no))
        *to = false;
    else
        return false;
    return true;
}

static bool read_count(const char *value, unsigned *count)
{
    const char *end;
    unsigned long long n;

    if (value == NULL || *value == '\0')
        return false;
    n = str_to_ull(value, &end);
    if (*end != '\0' || n > UINT32_MAX)
        return false;
    *count = (unsigned)n;
    return true;
}

static bool parse_COUNT(struct options *o, size_t field, size_t size, const char *value)
{
    (void)size;
    return read_count(value, (unsigned *)((char *)o + field));
}

static bool parse_RATELIMIT(struct options *o, size_t field, size_t size, const char *value)
{
    unsigned us;

    (void)field;
    (void)size;
    if (!read_count(value, &us) || !sched_ratelimit_valid(us))
        return false;
    o->sched_ratelimit_us = us;
    return true;
}

/* A level's name, ended by '/' or the string's end; returns what is behind it, NULL: no level. */
static const char *parse_level(const char *s, int *level)
{
    static const struct {
        const char *name;
        int level;
    } names[] = {
        {"none", -1},       {"error", LOG_ERROR}, {"warning", LOG_WARNING},
        {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {"all", LOG_DEBUG},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        size_t n = strlen(names[i].name);

        if (strncmp(s, names[i].name, n) == 0 && (s[n] == '\0' || s[n] == '/')) {
            *level = names[i].level;
            return s + n;
        }
    }
    return NULL;
}

static bool parse_LOGLVL(struct options *o, size_t field, size_t size, const char *value)
{
    bool guest = field == offsetof(struct options, guest_loglvl);
    int always, limited;

    (void)size;
    if (value == NULL || (value = parse_level(value, &always)) == NULL)
        return false;
    limited = always;
    if (*value == '/' && ((value = parse_level(value + 1, &limited)) == NULL || *value != '\0'))
        return false;
    *(guest ? &o->guest_loglvl : &o->loglvl) = always;
    *(guest ? &o->guest_loglvl_limited : &o->loglvl_limited) = MAX(always, limited);
    return true;
}

/* A size in pages, rounded down; returns what is behind it, NULL: no size or not representable. */
static const char *parse_size(const char *s, uint64_t *pages)
{
    static const char suffixes[] = "bkmgt";
    const char *end, *suffix;
    unsigned long long n = str_to_ull(s, &end);
    unsigned shift = 10;

    if (end == s)
        return NULL;
    suffix = *end != '\0' ? strchr(suffixes, *end | 0x20) : NULL;
    if (suffix != NULL && *suffix != '\0') {
        shift = (unsigned)(suffix - suffixes) * 10;
        end++;
    }
    if (n > (~0ull >> shift))
        return NULL;
    *pages = (n << shift) >> PAGE_SHIFT;
    return end;
}

static bool parse_DOM0MEM(struct options *o, size_t field, size_t size, const char *value)
{
    uint64_t mem = 0, max = 0;

    (void)field;
    (void)size;
    while (value != NULL && *value != '\0') {
        bool is_max = strncmp(value, "max:", 4) == 0;
        uint64_t pages;

        value = parse_size(is_max ? value + 4 : value, &pages);
        if (value == NULL || pages == 0 || (*value != '\0' && *value != ','))
            return false;
        *(is_max ? &max : &mem) = pages;
        if (*value == ',' && *++value == '\0')
            return false;
    }
    if (value == NULL || (max != 0 && max < mem))
        return false;
    o->dom0_mem_pages = mem;
    o->dom0_mem_max_pages = max;
    return true;
}

static bool parse_VGA(struct options *o, size_t field, size_t size, const char *value)
{
    (void)field;
    (void)size;
    if (value == NULL || (*value != '\0' && strcmp(value, "keep") != 0))
        return false;
    o->vga_keep = *value != '\0';
    return true;
}

static const struct option table[] = {
#define OPTION(name_, kind, field_, default_, syntax_, doc)                                        \
    {.name = (name_),                                                                              \
     .parse = parse_##kind,                                                                        \
     .field = offsetof(struct options, field_),                                                    \
     .size = sizeof(((struct options *)0)->field_),                                                \
     .initial = (default_),                                                                        \
     .syntax = (syntax_)},
#include "core/cmdline.def"
#undef OPTION
};

void cmdline_defaults(struct options *o)
{
    memset(o, 0, sizeof(*o));
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        BUG_ON(!table[i].parse(o, table[i].field, table[i].size, table[i].initial));
}

static bool name_is(const char *word, size_t n, const char *name)
{
    size_t i = 0;

    for (; i < n && name[i] != '\0'; i++)
        if ((word[i] == '-' ? '_' : word[i]) != (name[i] == '-' ? '_' : name[i]))
            return false;
    return i == n && name[i] == '\0';
}

static const struct option *find_option(const char *word, size_t n)
{
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
        if (name_is(word, n, table[i].name))
            return &table[i];
    return NULL;
}

/* One word of the line; false when it was warned about. */
static bool parse_word(struct options *o, const char *word)
{
    const char *value = strchr(word, '=');
    size_t n = value != NULL ? (size_t)(value - word) : strlen(word);
    const struct option *opt = find_option(word, n);

    if (value != NULL)
        value++;
    if (opt == NULL && value == NULL && strncmp(word, "no-", 3) == 0) {
        opt = find_option(word + 3, n - 3);
        value = "no";
        if (opt != NULL && opt->parse != parse_BOOL)
            opt = NULL;
    }
    if (opt == NULL) {
        log_warning("command line: unknown option \"%s\"", word);
        return false;
    }
    if (!opt->parse(o, opt->field, opt->size, value)) {
        log_warning("command line: bad value in \"%s\", expected %s=%s", word, opt->name,
                    opt->syntax);
        return false;
    }
    return true;
}

/* Is this first word the name of the image, which some loaders put there? */
static bool is_image_name(const char *word)
{
    while (*word != '\0' && *word != '=' && *word != '/')
        word++;
    return *word == '/';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

unsigned cmdline_parse(struct options *o, const char *line)
{
    char word[WORD_MAX];
    unsigned warnings = 0;
    bool first = true;

    for (;;) {
        size_t n = 0;

        while (is_blank(*line))
            line++;
        if (*line == '\0')
            return warnings;
        for (; *line != '\0' && !is_blank(*line); line++)
            if (n < sizeof(word) - 1)
                word[n++] = *line;
        word[n] = '\0';
        if (strcmp(word, "--") == 0)
            return warnings;
        if (!(first && is_image_name(word)) && !parse_word(o, word))
            warnings++;
        first = false;
    }
}
