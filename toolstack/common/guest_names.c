/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of a guest's configuration: what a guest may be called, UUIDs and what is done when a guest
 * stops, as text.
 */
#include "common/guest_config.h"

#include <errno.h>
#include <string.h>

bool guest_name_good(const char *name, struct message *why)
{
    const char *what = NULL;

    if (name[0] == '\0')
        what = "must not be empty";
    else if (strlen(name) > GUEST_NAME_MAX)
        what = "must have at most 128 characters";
    else if (strspn(name, "0123456789") == strlen(name))
        what = "must not be a number: that would be taken for a domain's";
    else if (strcmp(name, "Domain-0") == 0)
        what = "must not be the control domain's";
    else if (name[0] == '.' || name[0] == '-')
        what = "must not begin with '.' or '-'";
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == '/' || *c == 0x7f)
            what = "must not contain blanks, '/' or control characters";
    if (what != NULL)
        message_set(why, -EINVAL, "%s", what);
    return what == NULL;
}

static const char *const actions[] = {
    [ACTION_DESTROY] = "destroy",
    [ACTION_RESTART] = "restart",
    [ACTION_RENAME_RESTART] = "rename-restart",
    [ACTION_PRESERVE] = "preserve",
    [ACTION_COREDUMP_DESTROY] = "coredump-destroy",
    [ACTION_COREDUMP_RESTART] = "coredump-restart",
};

const char *stop_action_name(enum stop_action action)
{
    return actions[action];
}

bool stop_action_from_name(const char *name, enum stop_action *action)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i], name) == 0) {
            *action = (enum stop_action)i;
            return true;
        }
    return false;
}

void uuid_to_text(const uint8_t uuid[16], char text[37])
{
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = "0123456789abcdef"[uuid[i] >> 4];
        *text++ = "0123456789abcdef"[uuid[i] & 15];
    }
    *text = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_from_text(const char *text, uint8_t uuid[16])
{
    uint8_t made[16];

    for (unsigned i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return false;
        int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0)
            return false;
        made[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    if (*text != '\0')
        return false;
    memcpy(uuid, made, sizeof(made));
    return true;
}
