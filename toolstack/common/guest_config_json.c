/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's configuration as JSON: what PATH_GUESTS keeps. Every member is one key; a list of
 * members serves both directions, so that what is written is what is read.
 */
#include "common/guest_config.h"

#include <errno.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, CHARS, UNSIGNED, INT, UINT64, BOOL, ACTION };

struct member {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t size; /* CHARS */
};

#define GUEST(kind, member, name)                                                                  \
    {                                                                                              \
        name, kind, offsetof(struct guest_config, member), 0                                       \
    }
static const struct member guest_members[] = {
    GUEST(TEXT, name, "name"),
    GUEST(TEXT, kernel, "kernel"),
    GUEST(TEXT, ramdisk, "ramdisk"),
    GUEST(TEXT, cmdline, "cmdline"),
    GUEST(UINT64, memory_kib, "memory_kib"),
    GUEST(UINT64, max_memory_kib, "max_memory_kib"),
    GUEST(UNSIGNED, vcpus, "vcpus"),
    GUEST(UNSIGNED, max_vcpus, "max_vcpus"),
    GUEST(TEXT, cpus, "cpus"),
    GUEST(UNSIGNED, weight, "weight"),
    GUEST(UNSIGNED, cap, "cap"),
    GUEST(ACTION, on_poweroff, "on_poweroff"),
    GUEST(ACTION, on_reboot, "on_reboot"),
    GUEST(ACTION, on_watchdog, "on_watchdog"),
    GUEST(ACTION, on_crash, "on_crash"),
    GUEST(ACTION, on_soft_reset, "on_soft_reset"),
    GUEST(TEXT, console_log, "console_log"),
    GUEST(UNSIGNED, max_event_channels, "max_event_channels"),
    GUEST(UNSIGNED, max_grant_frames, "max_grant_frames"),
    GUEST(UNSIGNED, max_maptrack_frames, "max_maptrack_frames"),
    GUEST(INT, rtc_timeoffset, "rtc_timeoffset"),
};

#define DISK(kind, member)                                                                         \
    {                                                                                              \
#member, kind, offsetof(struct device_disk, member),                                       \
            sizeof(((struct device_disk *)0)->member)                                              \
    }
static const struct member disk_members[] = {
    DISK(TEXT, target), DISK(CHARS, vdev),     DISK(UNSIGNED, id),     DISK(BOOL, read_only),
    DISK(BOOL, cdrom),  DISK(BOOL, direct_io), DISK(BOOL, no_discard), DISK(BOOL, untrusted),
};

#define NIC(kind, member)                                                                          \
    {                                                                                              \
#member, kind, offsetof(struct device_nic, member), 0                                      \
    }
static const struct member nic_members[] = {
    NIC(INT, id),
    NIC(TEXT, bridge),
    NIC(TEXT, ip),
    NIC(TEXT, script),
    NIC(TEXT, vifname),
    NIC(TEXT, model),
    NIC(UINT64, rate_bytes),
    NIC(UINT64, rate_interval_us),
    NIC(UNSIGNED, mtu),
    NIC(BOOL, untrusted),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Writing ------------------------------------------------------------------------------ */

static struct json_object *text_object(const char *text)
{
    return text != NULL ? json_object_new_string(text) : NULL;
}

static struct json_object *member_value(const struct member *m, const void *at)
{
    switch (m->kind) {
    case TEXT:
        return text_object(*(char *const *)at);
    case CHARS:
        return text_object(at);
    case UNSIGNED:
        return json_object_new_int64(*(const unsigned *)at);
    case INT:
        return json_object_new_int(*(const int *)at);
    case UINT64:
        return json_object_new_int64((int64_t) * (const uint64_t *)at);
    case BOOL:
        return json_object_new_boolean(*(const bool *)at);
    case ACTION:
        return text_object(stop_action_name(*(const enum stop_action *)at));
    }
    return NULL;
}

/* Absent texts are left out. */
static void put_members(struct json_object *o, const struct member *m, size_t count,
                        const void *from)
{
    for (size_t i = 0; i < count; i++) {
        struct json_object *v = member_value(&m[i], (const char *)from + m[i].offset);

        if (v != NULL)
            json_object_object_add(o, m[i].name, v);
    }
}

static struct json_object *disk_object(const struct device_disk *d)
{
    struct json_object *o = json_object_new_object();

    put_members(o, disk_members, COUNT(disk_members), d);
    json_object_object_add(o, "format", text_object(d->format == DISK_QCOW2 ? "qcow2" : "raw"));
    return o;
}

static struct json_object *nic_object(const struct device_nic *n)
{
    struct json_object *o = json_object_new_object();
    char mac[18];

    put_members(o, nic_members, COUNT(nic_members), n);
    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2],
             n->mac[3], n->mac[4], n->mac[5]);
    if (n->has_mac)
        json_object_object_add(o, "mac", text_object(mac));
    return o;
}

char *guest_config_to_json(const struct guest_config *c)
{
    struct json_object *o = json_object_new_object(), *list;
    char uuid[37];

    if (o == NULL)
        return NULL;
    put_members(o, guest_members, COUNT(guest_members), c);
    uuid_to_text(c->uuid, uuid);
    if (c->has_uuid)
        json_object_object_add(o, "uuid", text_object(uuid));
    json_object_object_add(o, "disks", list = json_object_new_array());
    for (unsigned i = 0; i < c->nr_disks; i++)
        json_object_array_add(list, disk_object(&c->disk[i]));
    json_object_object_add(o, "nics", list = json_object_new_array());
    for (unsigned i = 0; i < c->nr_nics; i++)
        json_object_array_add(list, nic_object(&c->nic[i]));
    const char *text = json_object_to_json_string_ext(
        o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
    char *copy = text != NULL ? strdup(text) : NULL;
    json_object_put(o);
    return copy;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static bool get_text(struct json_object *v, char **to)
{
    if (!json_object_is_type(v, json_type_string))
        return false;
    free(*to);
    *to = strdup(json_object_get_string(v));
    return *to != NULL;
}

static bool get_integer(struct json_object *v, int64_t min, int64_t max, int64_t *number)
{
    if (!json_object_is_type(v, json_type_int))
        return false;
    *number = json_object_get_int64(v);
    return *number >= min && *number <= max;
}

static bool get_member(const struct member *m, struct json_object *v, void *to)
{
    int64_t n = 0;

    switch (m->kind) {
    case TEXT:
        return get_text(v, to);
    case CHARS:
        if (!json_object_is_type(v, json_type_string) ||
            (size_t)json_object_get_string_len(v) >= m->size)
            return false;
        memcpy(to, json_object_get_string(v), (size_t)json_object_get_string_len(v) + 1);
        return true;
    case UNSIGNED:
        if (!get_integer(v, 0, UINT32_MAX, &n))
            return false;
        *(unsigned *)to = (unsigned)n;
        return true;
    case INT:
        if (!get_integer(v, INT32_MIN, INT32_MAX, &n))
            return false;
        *(int *)to = (int)n;
        return true;
    case UINT64:
        if (!get_integer(v, 0, INT64_MAX, &n))
            return false;
        *(uint64_t *)to = (uint64_t)n;
        return true;
    case BOOL:
        *(bool *)to = json_object_get_boolean(v);
        return json_object_is_type(v, json_type_boolean);
    case ACTION:
        return json_object_is_type(v, json_type_string) &&
               stop_action_from_name(json_object_get_string(v), to);
    }
    return false;
}

static int get_members(struct json_object *o, const struct member *m, size_t count, void *to,
                       struct message *why)
{
    struct json_object *v;

    if (!json_object_is_type(o, json_type_object))
        return message_set(why, -EINVAL, "a guest, a disk or a card must be an object");
    for (size_t i = 0; i < count; i++)
        if (json_object_object_get_ex(o, m[i].name, &v) &&
            !get_member(&m[i], v, (char *)to + m[i].offset))
            return message_set(why, -EINVAL, "%s: its value is not one", m[i].name);
    return 0;
}

static int get_disk(struct json_object *o, struct device_disk *d, struct message *why)
{
    struct json_object *v;
    int rc = get_members(o, disk_members, COUNT(disk_members), d, why);

    if (rc == 0 && json_object_object_get_ex(o, "format", &v)) {
        const char *format = json_object_get_string(v);

        d->format = format != NULL && strcmp(format, "qcow2") == 0 ? DISK_QCOW2 : DISK_RAW;
        if (format == NULL || (d->format == DISK_RAW && strcmp(format, "raw") != 0))
            rc = message_set(why, -EINVAL, "format: its value is not one");
    }
    if (rc == 0 && (d->id = disk_number(d->vdev)) == 0)
        rc = message_set(why, -EINVAL, "vdev: it must be there, and like xvda, sda1 or hdc");
    if (rc == 0 && d->target == NULL && !d->cdrom)
        rc = message_set(why, -EINVAL, "target: it must be there");
    return rc;
}

static int get_nic(struct json_object *o, struct device_nic *n, struct message *why)
{
    struct json_object *v;
    int rc = get_members(o, nic_members, COUNT(nic_members), n, why), used = 0;

    if (rc == 0 && json_object_object_get_ex(o, "mac", &v)) {
        const char *mac = json_object_get_string(v);
        uint8_t *m = n->mac;

        if (mac == NULL ||
            sscanf(mac, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &m[0], &m[1], &m[2], &m[3], &m[4],
                   &m[5], &used) != 6 ||
            mac[used] != '\0')
            return message_set(why, -EINVAL, "mac: its value is not one");
        n->has_mac = true;
    }
    return rc;
}

static int get_devices(struct json_object *o, struct guest_config *c, struct message *why)
{
    struct json_object *disks = NULL, *nics = NULL;
    int rc = 0;

    json_object_object_get_ex(o, "disks", &disks);
    json_object_object_get_ex(o, "nics", &nics);
    if ((disks != NULL && !json_object_is_type(disks, json_type_array)) ||
        (nics != NULL && !json_object_is_type(nics, json_type_array)))
        return message_set(why, -EINVAL, "disks and nics must be arrays");
    size_t nr_disks = disks != NULL ? json_object_array_length(disks) : 0;
    size_t nr_nics = nics != NULL ? json_object_array_length(nics) : 0;
    c->disk = calloc(nr_disks + 1, sizeof(*c->disk));
    c->nic = calloc(nr_nics + 1, sizeof(*c->nic));
    if (c->disk == NULL || c->nic == NULL)
        return message_set(why, -ENOMEM, "no memory for the configuration");
    for (size_t i = 0; rc == 0 && i < nr_disks; i++, c->nr_disks++)
        rc = get_disk(json_object_array_get_idx(disks, i), &c->disk[i], why);
    for (size_t i = 0; rc == 0 && i < nr_nics; i++, c->nr_nics++) {
        c->nic[i].id = -1;
        rc = get_nic(json_object_array_get_idx(nics, i), &c->nic[i], why);
    }
    return rc;
}

static int get_guest(struct json_object *o, struct guest_config *c, struct message *why)
{
    struct json_object *v;
    int rc = get_members(o, guest_members, COUNT(guest_members), c, why);

    if (rc)
        return rc;
    if (json_object_object_get_ex(o, "uuid", &v)) {
        const char *uuid = json_object_get_string(v);

        if (uuid == NULL || !uuid_from_text(uuid, c->uuid))
            return message_set(why, -EINVAL, "uuid: its value is not one");
        c->has_uuid = true;
    }
    if (c->name == NULL || c->kernel == NULL || c->cmdline == NULL)
        return message_set(why, -EINVAL, "name, kernel and cmdline must be there");
    if (!guest_name_good(c->name, why))
        return -EINVAL;
    if (c->vcpus == 0 || c->max_vcpus < c->vcpus || c->max_vcpus > GUEST_MAX_VCPUS)
        return message_set(why, -EINVAL, "vcpus and max_vcpus do not fit together");
    if (c->memory_kib == 0 || c->max_memory_kib < c->memory_kib)
        return message_set(why, -EINVAL, "memory_kib and max_memory_kib do not fit together");
    if (c->weight > UINT16_MAX || c->cap > 100 * GUEST_MAX_VCPUS)
        return message_set(why, -EINVAL, "weight is up to 65535, cap up to %u",
                           100 * GUEST_MAX_VCPUS);
    return get_devices(o, c, why);
}

int guest_config_from_json(const char *text, struct guest_config *config, struct message *why)
{
    enum json_tokener_error error;
    struct json_object *o = json_tokener_parse_verbose(text, &error);

    *config = (struct guest_config){.on_reboot = ACTION_RESTART};
    if (o == NULL)
        return message_set(why, -EINVAL, "not JSON: %s", json_tokener_error_desc(error));
    int rc = get_guest(o, config, why);
    json_object_put(o);
    if (rc)
        guest_config_free(config);
    return rc;
}
