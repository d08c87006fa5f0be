/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paths: what is valid, and to what a relative one leads.
 */
#include "store/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static const char *const specials[SPECIAL_COUNT] = {"@introduceDomain", "@releaseDomain"};

const char *special_name(enum special special)
{
    return specials[special];
}

enum special path_special(const char *text)
{
    for (unsigned i = 0; i < SPECIAL_COUNT; i++)
        if (strcmp(text, specials[i]) == 0)
            return (enum special)i;
    return SPECIAL_NONE;
}

size_t path_home(char *text, size_t size, uint16_t domid)
{
    return (size_t)snprintf(text, size, "/local/domain/%u", domid);
}

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '@';
}

/* Of an absolute path. */
static bool well_formed(const char *text, size_t length)
{
    if (length == 1)
        return true;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '/' ? text[i + 1] == '/' || i + 1 == length : !name_character(text[i]))
            return false;
    }
    return true;
}

int path_make(struct path *path, uint16_t domid, const char *text)
{
    size_t length = strlen(text), home = 0;

    path->relative = text[0] != '/';
    if (length == 0 || length > (path->relative ? XENSTORE_REL_PATH_MAX : XENSTORE_ABS_PATH_MAX))
        return -EINVAL;
    if (path->relative) {
        home = path_home(path->text, sizeof(path->text), domid);
        path->text[home++] = '/';
    }
    memcpy(path->text + home, text, length + 1);
    path->length = home + length;
    /* The name '@releaseDomain' is an event's, not a relative path. */
    return text[0] != '@' && well_formed(path->text, path->length) ? 0 : -EINVAL;
}

int path_make_watch(struct path *path, uint16_t domid, const char *text)
{
    if (path_special(text) == SPECIAL_NONE)
        return path_make(path, domid, text);
    path->length = strlen(text);
    path->relative = false;
    memcpy(path->text, text, path->length + 1);
    return 0;
}

size_t path_parent(const char *path, size_t length)
{
    if (length <= 1)
        return 0;
    while (path[length - 1] != '/')
        length--;
    return length == 1 ? 1 : length - 1;
}

static uint64_t hash_key(void)
{
    static uint64_t key;

    while (key == 0) {
        if (getrandom(&key, sizeof(key), GRND_NONBLOCK) != sizeof(key))
            key = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u;
    }
    return key;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * (b | 1);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t path_hash(const char *path, size_t length)
{
    uint64_t key = hash_key(), hash = key ^ length, word;

    for (; length >= sizeof(word); length -= sizeof(word), path += sizeof(word)) {
        memcpy(&word, path, sizeof(word));
        hash = mix(hash ^ word, key);
    }
    word = 0;
    memcpy(&word, path, length);
    return mix(hash ^ word, key ^ 0x9e3779b97f4a7c15u);
}
