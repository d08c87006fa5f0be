/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network card's description in the syntax of xl-network-configuration(5). All keys may be left
 * out; what is then chosen, is chosen when the card is attached.
 */
#include "devices/devices.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "devices/spec.h"

#define MAX_NIC_ID          65535
#define DEFAULT_INTERVAL_US 50000 /* xl's */
#define MAX_INTERVAL_US     60000000u
#define MIN_MTU             68 /* IPv4's, RFC 791 */
#define MAX_MTU             65535

typedef int setter(struct device_nic *nic, const struct spec_item *item, struct message *why);

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int set_mac(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    bool good = item->value_size == 17;
    for (unsigned i = 0; good && i < 6; i++) {
        const char *at = item->value + 3 * i;
        int high = hex_digit(at[0]), low = hex_digit(at[1]);
        good = high >= 0 && low >= 0 && (i == 5 || at[2] == ':');
        nic->mac[i] = (uint8_t)(16 * high + low);
    }
    if (!good)
        return spec_error(item, why, "\"%.*s\" is no MAC address such as 00:16:3e:01:02:03",
                          (int)item->value_size, item->value);
    if (nic->mac[0] & 1)
        return spec_error(item, why, "%.*s is a multicast address: a card needs one of its own",
                          (int)item->value_size, item->value);
    nic->has_mac = true;
    return 0;
}

/* What the kernel takes as an interface's name (dev_valid_name's rule). */
static int set_interface(char **to, const struct spec_item *item, struct message *why)
{
    bool good =
        item->value_size < IFNAMSIZ && !spec_value_is(item, ".") && !spec_value_is(item, "..");
    for (size_t i = 0; good && i < item->value_size; i++)
        good = isgraph((unsigned char)item->value[i]) && strchr("/:%", item->value[i]) == NULL;
    if (!good)
        return spec_error(item, why, "\"%.*s\" is no name of an interface (1 to %u characters)",
                          (int)item->value_size, item->value, IFNAMSIZ - 1);
    return spec_string(item, to, why);
}

static int set_bridge(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    return set_interface(&nic->bridge, item, why);
}

static int set_vifname(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    return set_interface(&nic->vifname, item, why);
}

static int set_ip(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    return spec_string(item, &nic->ip, why);
}

static int set_script(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    return spec_string(item, &nic->script, why);
}

static int set_model(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    return spec_string(item, &nic->model, why);
}

static int set_type(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    (void)nic;
    if (spec_value_is(item, "vif"))
        return 0;
    return spec_error(item, why, "cards are of type vif only, not \"%.*s\"", (int)item->value_size,
                      item->value);
}

static int set_backend(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    (void)nic;
    return spec_backend(item, why);
}

static int set_devid(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    unsigned id = 0;
    int rc = spec_number(item, MAX_NIC_ID, &id, why);
    nic->id = (int)id;
    return rc;
}

static int set_mtu(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    int rc = spec_number(item, MAX_MTU, &nic->mtu, why);
    if (rc == 0 && nic->mtu < MIN_MTU)
        rc = spec_error(item, why, "an MTU is at least %u", MIN_MTU);
    return rc;
}

static int set_trusted(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    bool trusted = true;
    int rc = spec_bool(item, &trusted, why);
    nic->untrusted = !trusted;
    return rc;
}

static int refuse_gateway(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    (void)nic;
    return spec_error(item, why,
                      "gatewaydev is not offered: put the card on a bridge, or route in "
                      "a script of your own (script=)");
}

/* --- rate ------------------------------------------------------------------------------------ */

/* Leading digits of text; UINT64_MAX: none, or too many. */
static uint64_t leading_number(const char **text)
{
    uint64_t n = 0;
    const char *at = *text;
    for (; isdigit((unsigned char)*at); at++) {
        n = 10 * n + (uint64_t)(*at - '0');
        if (at - *text >= 15)
            return UINT64_MAX;
    }
    if (at == *text)
        return UINT64_MAX;
    *text = at;
    return n;
}

/* "10Mb/s", "250KB/s": into bytes a second. K, M and G are powers of a thousand. */
static bool parse_speed(const char **text, uint64_t *bytes)
{
    uint64_t n = leading_number(text), unit = 1;
    if (n > 1000000000000)
        return false;
    switch (**text) {
    case 'K':
        unit = 1000;
        break;
    case 'M':
        unit = 1000000;
        break;
    case 'G':
        unit = 1000000000;
        break;
    }
    *text += unit > 1;
    if (__builtin_mul_overflow(n, unit, &n))
        return false;
    if (**text == 'b')
        n /= 8;
    else if (**text != 'B')
        return false;
    if (strncmp(*text + 1, "/s", 2) != 0)
        return false;
    *text += 3;
    *bytes = n;
    return true;
}

/* "@20ms", or nothing. */
static bool parse_interval(const char *text, uint64_t *us)
{
    *us = DEFAULT_INTERVAL_US;
    if (*text == '\0')
        return true;
    if (*text++ != '@')
        return false;
    uint64_t n = leading_number(&text), unit = 0;
    if (strcmp(text, "us") == 0)
        unit = 1;
    else if (strcmp(text, "ms") == 0)
        unit = 1000;
    else if (strcmp(text, "s") == 0)
        unit = 1000000;
    if (unit == 0 || n == 0 || n > MAX_INTERVAL_US / unit)
        return false;
    *us = n * unit;
    return true;
}

static int set_rate(struct device_nic *nic, const struct spec_item *item, struct message *why)
{
    char text[64];
    const char *at = text;
    uint64_t bytes = 0, interval = 0, share = 0;
    snprintf(text, sizeof(text), "%.*s", (int)item->value_size, item->value);
    if (item->value_size >= sizeof(text) || !parse_speed(&at, &bytes) ||
        !parse_interval(at, &interval))
        return spec_error(item, why,
                          "\"%.*s\" is no rate such as 10Mb/s, 250KB/s or 1MB/s@20ms (at most one "
                          "minute)",
                          (int)item->value_size, item->value);
    share = (uint64_t)((unsigned __int128)bytes * interval / 1000000);
    if (share == 0 || share > UINT32_MAX) /* netback keeps 32 bits */
        return spec_error(
            item, why, "rate \"%.*s\" comes to %llu bytes in each interval: 1 to %u can be had",
            (int)item->value_size, item->value, (unsigned long long)share, UINT32_MAX);
    nic->rate_bytes = share;
    nic->rate_interval_us = interval;
    return 0;
}

/* --- the whole ------------------------------------------------------------------------------- */

static const struct {
    const char *key;
    setter *set;
} keys[] = {
    {"mac", set_mac},
    {"bridge", set_bridge},
    {"ip", set_ip},
    {"script", set_script},
    {"vifname", set_vifname},
    {"model", set_model},
    {"rate", set_rate},
    {"type", set_type},
    {"backend", set_backend},
    {"devid", set_devid},
    {"mtu", set_mtu},
    {"trusted", set_trusted},
    {"gatewaydev", refuse_gateway},
};
#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

static int set_item(struct device_nic *nic, const struct spec_item *item, bool seen[NR_KEYS],
                    struct message *why)
{
    if (item->key_size == 0 && item->value_size == 0)
        return 0;
    for (unsigned i = 0; i < NR_KEYS && item->key_size > 0; i++) {
        if (!spec_key_is(item, keys[i].key))
            continue;
        if (seen[i])
            return spec_error(item, why, "%s is given twice", keys[i].key);
        if (item->value_size == 0)
            return spec_error(item, why, "%s needs a value", keys[i].key);
        seen[i] = true;
        return keys[i].set(nic, item, why);
    }
    struct spec_item at_key = *item;
    at_key.value_column = item->column;
    if (item->key_size == 0)
        return spec_error(&at_key, why, "\"%.*s\" is not of the form key=value",
                          (int)item->value_size, item->value);
    return spec_error(&at_key, why, "a network card has no key \"%.*s\"", (int)item->key_size,
                      item->key);
}

int nic_parse(const char *text, struct device_nic *nic, struct message *why)
{
    *nic = (struct device_nic){.id = -1};
    struct spec_item item;
    bool seen[NR_KEYS] = {false};
    int rc = 0;
    for (const char *rest = text; rc == 0 && spec_next(text, &rest, &item);)
        rc = set_item(nic, &item, seen, why);
    if (rc != 0)
        nic_free(nic);
    return rc;
}

void nic_free(struct device_nic *nic)
{
    free(nic->bridge);
    free(nic->ip);
    free(nic->script);
    free(nic->vifname);
    free(nic->model);
    *nic = (struct device_nic){.id = -1};
}
