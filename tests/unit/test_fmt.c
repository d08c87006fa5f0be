/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatting and number parsing, against the host's C library: every combination of flags, some
 * widths and precisions, each conversion, on boundary values.
 *
 * links: tests/unit/host.c hypervisor/core/fmt.c
 */
#include <limits.h>

#include "core/lib.h"
#include "host.h"

/* What the compiler finds wrong with a format is what this program is about. */
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"

static unsigned tried, bad;

/* The same call to both; counts and shows differences. */
#define COMPARE(format, ...)                                                                       \
    do {                                                                                           \
        char ours[256], theirs[256];                                                               \
        int n = fmt_string(ours, sizeof(ours), (format), __VA_ARGS__);                             \
        int m = snprintf(theirs, sizeof(theirs), (format), __VA_ARGS__);                           \
        tried++;                                                                                   \
        if (n != m || strcmp(ours, theirs) != 0) {                                                 \
            if (bad++ < 10)                                                                        \
                diag("\"%s\": ours \"%s\" (%d), the host's \"%s\" (%d)", (format), ours, n,        \
                     theirs, m);                                                                   \
        }                                                                                          \
    } while (0)

static const char *const widths[] = {"", "1", "2", "5", "17", "40"};
static const char *const precisions[] = {"", ".", ".0", ".1", ".5", ".30"};

/* Calls fn with every "%[flags][width][.precision]" that is defined for the conversion's kind. */
static void each_spec(const char *flags, void (*fn)(const char *prefix))
{
    size_t n = strlen(flags);

    for (unsigned set = 0; set < 1u << n; set++)
        for (unsigned w = 0; w < ARRAY_SIZE(widths); w++)
            for (unsigned p = 0; p < ARRAY_SIZE(precisions); p++) {
                char prefix[32] = "%";

                for (unsigned i = 0; i < n; i++)
                    if (set >> i & 1)
                        strncat(prefix, &flags[i], 1);
                strcat(prefix, widths[w]);
                strcat(prefix, precisions[p]);
                fn(prefix);
            }
}

static const char *with(const char *prefix, const char *conversion)
{
    static char format[64];

    snprintf(format, sizeof(format), "%s%s", prefix, conversion);
    return format;
}

static void signed_values(const char *prefix)
{
    static const long long values[] = {0, 1, -1, 9, 10, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN};

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        COMPARE(with(prefix, "d"), (int)values[i]);
        COMPARE(with(prefix, "i"), (int)values[i]);
        COMPARE(with(prefix, "hhd"), (int)values[i]);
        COMPARE(with(prefix, "hd"), (int)values[i]);
        COMPARE(with(prefix, "ld"), (long)values[i]);
        COMPARE(with(prefix, "lld"), values[i]);
        COMPARE(with(prefix, "zd"), (ssize_t)values[i]);
        COMPARE(with(prefix, "jd"), (intmax_t)values[i]);
    }
}

static void unsigned_values(const char *prefix)
{
    static const unsigned long long values[] = {0, 1, 7, 8, 255, 256, UINT_MAX, ULLONG_MAX};
    static const char *const conversions[] = {"u", "x", "X", "o"};

    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        for (unsigned c = 0; c < ARRAY_SIZE(conversions); c++) {
            char conversion[8];

            if (strchr(prefix, '#') && conversions[c][0] == 'u')
                continue; /* not defined */
            COMPARE(with(prefix, conversions[c]), (unsigned)values[i]);
            snprintf(conversion, sizeof(conversion), "hh%s", conversions[c]);
            COMPARE(with(prefix, conversion), (unsigned)values[i]);
            snprintf(conversion, sizeof(conversion), "h%s", conversions[c]);
            COMPARE(with(prefix, conversion), (unsigned)values[i]);
            snprintf(conversion, sizeof(conversion), "l%s", conversions[c]);
            COMPARE(with(prefix, conversion), (unsigned long)values[i]);
            snprintf(conversion, sizeof(conversion), "ll%s", conversions[c]);
            COMPARE(with(prefix, conversion), values[i]);
            snprintf(conversion, sizeof(conversion), "z%s", conversions[c]);
            COMPARE(with(prefix, conversion), (size_t)values[i]);
            snprintf(conversion, sizeof(conversion), "j%s", conversions[c]);
            COMPARE(with(prefix, conversion), (uintmax_t)values[i]);
        }
}

static void strings(const char *prefix)
{
    COMPARE(with(prefix, "s"), "");
    COMPARE(with(prefix, "s"), "a");
    COMPARE(with(prefix, "s"), "a string of text");
}

static void test_grid(void)
{
    each_spec("-+ 0", signed_values);
    ok(bad == 0 && tried > 40000, "signed conversions (%u tried)", tried);
    tried = bad = 0;
    each_spec("-#0", unsigned_values);
    ok(bad == 0 && tried > 40000, "unsigned conversions (%u tried)", tried);
    tried = bad = 0;
    each_spec("-", strings);
    ok(bad == 0 && tried > 100, "strings (%u tried)", tried);
}

static void test_rest(void)
{
    char text[] = {'n', 'o', ' ', 'e', 'n', 'd'};

    tried = bad = 0;
    COMPARE("%c%3c%-3c|", 'a', 'b', 'c');
    COMPARE("%*d|%-*d|%.*d|%*.*s|", 5, 1, 5, 2, 3, 3, 6, 2, "abc");
    COMPARE("%*d|%.*d|", -5, 1, -1, 2);
    COMPARE("100%% of %s", "it");
    COMPARE("%p", (void *)0x1234abcd);
    COMPARE("%.*s", (int)sizeof(text), text);
    is(bad, 0, "characters, stars, percent, pointers");
}

static void test_bounds(void)
{
    char buf[8];
    unsigned wrong = 0;

    for (size_t size = 0; size <= sizeof(buf); size++) {
        char theirs[8];

        memset(buf, 'x', sizeof(buf));
        memset(theirs, 'x', sizeof(theirs));
        wrong += fmt_string(buf, size, "%s", "12345678") != 8;
        snprintf(theirs, size, "%s", "12345678");
        wrong += memcmp(buf, theirs, sizeof(buf)) != 0;
    }
    is(wrong, 0, "short buffers are filled, ended, and not overrun");
    is(fmt_string(NULL, 0, "%d", 123), 3, "no buffer: the length");
    is(fmt_string(buf, sizeof(buf), "%s", (char *)NULL), 6, "a null string");
    is_str(buf, "(null)");
    is(fmt_string(buf, sizeof(buf), "ab%"), 2, "a percent sign at the end");
    is_str(buf, "ab");
    is(fmt_string(buf, sizeof(buf), "%5", 1), 0, "a conversion without its letter");
}

static void test_str_copy(void)
{
    char buf[4] = "xxx";

    is(str_copy(buf, "abcdef", 0), 6, "no room: the length");
    is_str(buf, "xxx");
    is(str_copy(buf, "abcdef", 4), 6);
    is_str(buf, "abc");
    is(str_copy(buf, "abc", 4), 3);
    is_str(buf, "abc");
    is(str_copy(buf, "", 1), 0);
    is_str(buf, "");
}

static void test_numbers(void)
{
    static const char *const texts[] = {
        "",
        "0",
        "1",
        "08",
        "017",
        "0x",
        "0xg",
        "0x1f",
        "0XF",
        "123k",
        "  1",
        "4294967295",
        "1 2",
        "18446744073709551615",
        "-1",
        "00",
        "0x0",
        "0xffffffffffffffff",
        "0777777777777777777777",
        "01777777777777777777777",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *end;
        char *their_end;
        unsigned long long theirs;

        if (texts[i][0] == ' ' || texts[i][0] == '-') {
            is(str_to_ull(texts[i], &end), 0, "\"%s\" is no number", texts[i]);
            is(end, texts[i], "\"%s\": nothing is read", texts[i]);
            continue;
        }
        theirs = strtoull(texts[i], &their_end, 0);
        is(str_to_ull(texts[i], &end), theirs, "\"%s\"", texts[i]);
        is(end, their_end, "\"%s\": where it ends", texts[i]);
    }
    is(str_to_ull("18446744073709551616", NULL), ULLONG_MAX, "overflow by one");
    is(str_to_ull("0x10000000000000000", NULL), ULLONG_MAX, "overflow, hexadecimal");
    is(str_to_ull("02000000000000000000000", NULL), ULLONG_MAX, "overflow, octal");
    is(str_to_ull("99999999999999999999999999", NULL), ULLONG_MAX, "overflow by far");
}

int main(void)
{
    test_grid();
    test_rest();
    test_bounds();
    test_str_copy();
    test_numbers();
    return done();
}
