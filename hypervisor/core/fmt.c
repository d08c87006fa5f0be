/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted output and number parsing: what is of our own making, so that it is compiled for the
 * host too and compared there with the C library.
 */
#include "core/lib.h"

/* Where text goes: `len` counts what was wanted, also beyond the end of the buffer. */
struct out {
    char *buf;
    size_t size, len;
};

/* One conversion, as it was parsed. */
struct spec {
    bool left, zero, alt, plus, space;
    int width;
    int precision; /* -1: none given */
    char length;   /* 'H' hh, 'h', 'l', 'L' ll, 'z', 'j', or 0 */
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void pad(struct out *o, char c, int n)
{
    for (; n > 0; n--)
        put(o, c);
}

static void put_string(struct out *o, const struct spec *s, const char *str)
{
    size_t n;

    if (str == NULL)
        str = "(null)";
    n = s->precision >= 0 ? strnlen(str, (size_t)s->precision) : strlen(str);
    if (!s->left)
        pad(o, ' ', s->width - (int)n);
    for (size_t i = 0; i < n; i++)
        put(o, str[i]);
    if (s->left)
        pad(o, ' ', s->width - (int)n);
}

/* The digits of v, last one first; returns how many. Zero has none. */
static int digits_reversed(char *to, unsigned long long v, unsigned base, bool upper)
{
    const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    int n = 0;

    for (; v != 0; v /= base)
        to[n++] = set[v % base];
    return n;
}

static void put_number(struct out *o, const struct spec *s, unsigned long long v, const char *sign,
                       unsigned base, bool upper)
{
    char digits[24]; /* 2^64 has 22 octal digits */
    int n = digits_reversed(digits, v, base, upper);
    int wanted = s->precision >= 0 ? s->precision : 1;
    const char *prefix = "";
    int prefix_len, zeros, blanks;

    if (s->alt && base == 16 && v != 0)
        prefix = upper ? "0X" : "0x";
    if (s->alt && base == 8 && wanted <= n)
        wanted = n + 1;
    prefix_len = (int)(strlen(prefix) + strlen(sign));
    zeros = wanted > n ? wanted - n : 0;
    if (s->zero && !s->left && s->precision < 0 && s->width > prefix_len + zeros + n)
        zeros = s->width - prefix_len - n;
    blanks = s->width - prefix_len - zeros - n;

    if (!s->left)
        pad(o, ' ', blanks);
    while (*sign != '\0')
        put(o, *sign++);
    while (*prefix != '\0')
        put(o, *prefix++);
    pad(o, '0', zeros);
    while (n > 0)
        put(o, digits[--n]);
    if (s->left)
        pad(o, ' ', blanks);
}

/* The caller's va_list travels in a structure: passing a va_list by address is not portable. */
struct args {
    va_list ap;
};

static unsigned long long next_unsigned(struct args *a, char length)
{
    switch (length) {
    case 'H':
        return (unsigned char)va_arg(a->ap, unsigned);
    case 'h':
        return (unsigned short)va_arg(a->ap, unsigned);
    case 'l':
        return va_arg(a->ap, unsigned long);
    case 'L':
        return va_arg(a->ap, unsigned long long);
    /* NOLINTNEXTLINE(bugprone-branch-clone): types that are one here need not be */
    case 'z':
        return va_arg(a->ap, size_t);
    case 'j':
        return va_arg(a->ap, uintmax_t);
    default:
        return va_arg(a->ap, unsigned);
    }
}

static long long next_signed(struct args *a, char length)
{
    switch (length) {
    case 'H':
        return (signed char)va_arg(a->ap, int);
    case 'h':
        return (short)va_arg(a->ap, int);
    case 'l':
        return va_arg(a->ap, long);
    case 'L':
        return va_arg(a->ap, long long);
    case 'z':
        return (long long)va_arg(a->ap, size_t);
    /* NOLINTNEXTLINE(bugprone-branch-clone): types that are one here need not be */
    case 'j':
        return va_arg(a->ap, intmax_t);
    default:
        return va_arg(a->ap, int);
    }
}

static void put_signed(struct out *o, const struct spec *s, long long v)
{
    const char *sign = v < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";

    put_number(o, s, v < 0 ? 0ull - (unsigned long long)v : (unsigned long long)v, sign, 10, false);
}

/* A number in the format, or `*` from the arguments. */
static const char *parse_number(const char *f, struct args *a, int *number)
{
    if (*f == '*') {
        *number = va_arg(a->ap, int);
        return f + 1;
    }
    *number = 0;
    while (*f >= '0' && *f <= '9' && *number < 10000)
        *number = *number * 10 + (*f++ - '0');
    return f;
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == '-')
            s->left = true;
        else if (*f == '0')
            s->zero = true;
        else if (*f == '#')
            s->alt = true;
        else if (*f == '+')
            s->plus = true;
        else if (*f == ' ')
            s->space = true;
        else
            return f;
    }
}

static const char *parse_length(const char *f, struct spec *s)
{
    if ((f[0] == 'h' || f[0] == 'l') && f[1] == f[0]) {
        s->length = f[0] == 'h' ? 'H' : 'L';
        return f + 2;
    }
    if (*f == 'h' || *f == 'l' || *f == 'z' || *f == 'j') {
        s->length = *f;
        return f + 1;
    }
    return f;
}

static const char *parse_spec(const char *f, struct spec *s, struct args *a)
{
    *s = (struct spec){.precision = -1};
    f = parse_flags(f, s);
    f = parse_number(f, a, &s->width);
    if (s->width < 0) {
        s->left = true;
        s->width = -s->width;
    }
    if (*f == '.') {
        f = parse_number(f + 1, a, &s->precision);
        if (s->precision < 0)
            s->precision = -1;
    }
    return parse_length(f, s);
}

static void put_char(struct out *o, struct spec *s, char c)
{
    if (!s->left)
        pad(o, ' ', s->width - 1);
    put(o, c);
    if (s->left)
        pad(o, ' ', s->width - 1);
}

static void convert(struct out *o, struct spec *s, char conversion, struct args *a)
{
    switch (conversion) {
    case 'd':
    case 'i':
        put_signed(o, s, next_signed(a, s->length));
        break;
    case 'u':
        put_number(o, s, next_unsigned(a, s->length), "", 10, false);
        break;
    case 'x':
    case 'X':
        put_number(o, s, next_unsigned(a, s->length), "", 16, conversion == 'X');
        break;
    case 'o':
        put_number(o, s, next_unsigned(a, s->length), "", 8, false);
        break;
    case 'p':
        s->alt = true;
        put_number(o, s, (uintptr_t)va_arg(a->ap, void *), "", 16, false);
        break;
    case 'c':
        put_char(o, s, (char)va_arg(a->ap, int));
        break;
    case 's':
        put_string(o, s, va_arg(a->ap, const char *));
        break;
    default: /* %% and what is not known print themselves */
        put(o, conversion);
        break;
    }
}

int fmt_vstring(char *buf, size_t size, const char *format, va_list args)
{
    struct out o = {.buf = buf, .size = size};
    struct args a;

    va_copy(a.ap, args);
    for (const char *f = format; *f != '\0'; f++) {
        struct spec s;

        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        f = parse_spec(f + 1, &s, &a);
        if (*f == '\0')
            break;
        convert(&o, &s, *f, &a);
    }
    va_end(a.ap);
    if (size > 0)
        buf[o.len < size ? o.len : size - 1] = '\0';
    return (int)o.len;
}

int fmt_string(char *buf, size_t size, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = fmt_vstring(buf, size, format, args);
    va_end(args);
    return n;
}

size_t str_copy(char *dst, const char *src, size_t size)
{
    size_t n = strlen(src);

    if (size > 0) {
        size_t kept = n < size ? n : size - 1;

        memcpy(dst, src, kept);
        dst[kept] = '\0';
    }
    return n;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

unsigned long long str_to_ull(const char *s, const char **end)
{
    unsigned base = 10;
    unsigned long long v = 0;
    bool overflow = false;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16) {
        base = 16;
        s += 2;
    } else if (s[0] == '0') {
        base = 8;
    }
    for (; (unsigned)digit_value(*s) < base; s++) {
        overflow |= __builtin_mul_overflow(v, base, &v);
        overflow |= __builtin_add_overflow(v, (unsigned)digit_value(*s), &v);
    }
    if (end != NULL)
        *end = s;
    return overflow ? ~0ull : v;
}
