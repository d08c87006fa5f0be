/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk's description in the syntax of xl-disk-configuration(5), and the numbers of virtual
 * devices' names, which are part of the ABI (Linux and others derive major and minor from them).
 * What this toolstack cannot do is refused here, before a guest is made.
 */
#include "devices/devices.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/spec.h"

enum { POSITION_TARGET, POSITION_FORMAT, POSITION_VDEV, POSITION_ACCESS, POSITIONS };

struct parse {
    struct device_disk *disk;
    bool seen[POSITIONS];
    unsigned position; /* which an item without a key is for */
    bool discard_seen;
};

/* --- names ----------------------------------------------------------------------------------- */

#define MAX_EXTENDED_DISK (1u << 20)

/* "a" is 0, "z" 25, "aa" 26; false: no letters, or more than there are disks. */
static bool disk_letters(const char **text, unsigned *disk)
{
    unsigned n = 0;
    const char *at = *text;
    for (; islower((unsigned char)*at); at++) {
        n = 26 * n + (unsigned)(*at - 'a') + 1;
        if (n > MAX_EXTENDED_DISK)
            return false;
    }
    if (at == *text)
        return false;
    *text = at;
    *disk = n - 1;
    return true;
}

static bool decimal(const char **text, unsigned max, unsigned *number)
{
    const char *at = *text;
    unsigned n = 0;
    if (!isdigit((unsigned char)*at) || (at[0] == '0' && isdigit((unsigned char)at[1])))
        return false;
    for (; isdigit((unsigned char)*at); at++) {
        n = 10 * n + (unsigned)(*at - '0');
        if (n > max)
            return false;
    }
    *text = at;
    *number = n;
    return true;
}

static unsigned xvd_number(unsigned disk, unsigned partition)
{
    if (disk < 16 && partition < 16)
        return 202u << 8 | disk << 4 | partition;
    if (disk < MAX_EXTENDED_DISK && partition < 256)
        return 1u << 28 | disk << 8 | partition;
    return 0;
}

/* The majors are Linux's for IDE (two channels of two disks) and SCSI disks. */
static unsigned hd_number(unsigned disk, unsigned partition)
{
    if (disk >= 4 || partition >= 64)
        return 0;
    return (disk < 2 ? 3u : 22u) << 8 | disk % 2 << 6 | partition;
}

static unsigned sd_number(unsigned disk, unsigned partition)
{
    return disk < 16 && partition < 16 ? 8u << 8 | disk << 4 | partition : 0;
}

unsigned disk_number(const char *vdev)
{
    static const struct {
        const char *prefix;
        unsigned (*number)(unsigned disk, unsigned partition);
    } kinds[] = {{"xvd", xvd_number}, {"hd", hd_number}, {"sd", sd_number}};

    unsigned disk = 0, partition = 0;
    const char *at = vdev + 1;
    if (vdev[0] == 'd' && decimal(&at, MAX_EXTENDED_DISK - 1, &disk)) {
        if (*at == 'p' && (at++, !decimal(&at, 255, &partition)))
            return 0;
        return *at == '\0' ? xvd_number(disk, partition) : 0;
    }
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        size_t size = strlen(kinds[i].prefix);
        if (strncmp(vdev, kinds[i].prefix, size) != 0)
            continue;
        at = vdev + size;
        if (!disk_letters(&at, &disk))
            return 0;
        if (*at != '\0' && (!decimal(&at, 255, &partition) || partition == 0 || *at != '\0'))
            return 0;
        return kinds[i].number(disk, partition);
    }
    return 0;
}

/* --- values ---------------------------------------------------------------------------------- */

static int once(struct parse *parse, unsigned what, const struct spec_item *item,
                struct message *why)
{
    static const char *const names[POSITIONS] = {"the target", "the format", "the vdev",
                                                 "the access"};
    if (parse->seen[what])
        return spec_error(item, why, "%s is given twice", names[what]);
    parse->seen[what] = true;
    return 0;
}

/* A path that is not absolute is seen from here, now: the disk is attached by others, later. */
static int make_absolute(struct device_disk *disk, const char *directory, struct message *why)
{
    if (disk->target[0] == '/')
        return 0;
    char *here = directory == NULL ? getcwd(NULL, 0) : strdup(directory), *joined;
    if (here == NULL)
        return message_errno(why, -errno, "cannot tell the current directory");
    int size = asprintf(&joined, "%s/%s", here, disk->target);
    free(here);
    if (size < 0)
        return message_errno(why, -ENOMEM, "cannot keep a disk's target");
    free(disk->target);
    disk->target = joined;
    return 0;
}

/*
 * Old configurations write the kind before the target: "phy:/dev/vg/disk", "file:/images/disk",
 * "tap:qcow2:/images/disk". The item for the format is then left out.
 */
static int strip_prefixes(struct parse *parse, struct spec_item *item, const char **directory,
                          struct message *why)
{
    static const struct {
        const char *name, *directory;
        enum disk_format format;
        bool served;
    } prefixes[] = {
        {"phy:", "/dev", DISK_RAW, true},   {"file:", NULL, DISK_RAW, true},
        {"raw:", NULL, DISK_RAW, true},     {"aio:", NULL, DISK_RAW, true},
        {"tap:", NULL, DISK_RAW, true},     {"tap2:", NULL, DISK_RAW, true},
        {"ioemu:", NULL, DISK_RAW, true},   {"qcow2:", NULL, DISK_QCOW2, true},
        {"qcow:", NULL, DISK_RAW, false},   {"vhd:", NULL, DISK_RAW, false},
        {"iscsi:", NULL, DISK_RAW, false},  {"drbd:", NULL, DISK_RAW, false},
        {"nbd:", NULL, DISK_RAW, false},    {"enbd:", NULL, DISK_RAW, false},
        {"script:", NULL, DISK_RAW, false},
    };
    for (unsigned i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t size = strlen(prefixes[i].name);
        if (item->value_size < size || memcmp(item->value, prefixes[i].name, size) != 0)
            continue;
        if (!prefixes[i].served)
            return spec_error(item, why,
                              "targets of \"%s\" are not served: give a block device, or an image "
                              "of format raw or qcow2",
                              prefixes[i].name);
        item->value += size;
        item->value_size -= size;
        item->value_column += (unsigned)size;
        *directory = prefixes[i].directory;
        parse->disk->format = prefixes[i].format;
        parse->seen[POSITION_FORMAT] = true;
        i = (unsigned)-1; /* there may be another */
    }
    return 0;
}

static int set_target(struct parse *parse, struct spec_item *item, struct message *why)
{
    const char *directory = NULL;
    int rc = once(parse, POSITION_TARGET, item, why);
    if (rc == 0 && item->key_size == 0)
        rc = strip_prefixes(parse, item, &directory, why);
    if (rc == 0 && item->value_size == 0)
        return spec_error(item, why, "the disk's target is empty: name a file or block device");
    if (rc == 0)
        rc = spec_string(item, &parse->disk->target, why);
    return rc == 0 ? make_absolute(parse->disk, directory, why) : rc;
}

static int set_format(struct parse *parse, struct spec_item *item, struct message *why)
{
    int rc = once(parse, POSITION_FORMAT, item, why);
    if (rc != 0)
        return rc;
    if (spec_value_is(item, "raw"))
        parse->disk->format = DISK_RAW;
    else if (spec_value_is(item, "qcow2"))
        parse->disk->format = DISK_QCOW2;
    else
        return spec_error(item, why, "\"%.*s\" is no format that is served: raw or qcow2",
                          (int)item->value_size, item->value);
    return 0;
}

static int set_devtype(struct parse *parse, const struct spec_item *item, struct message *why)
{
    if (spec_value_is(item, "cdrom"))
        parse->disk->cdrom = true;
    else if (!spec_value_is(item, "disk"))
        return spec_error(item, why, "\"%.*s\" is no type of a disk: disk or cdrom",
                          (int)item->value_size, item->value);
    return 0;
}

static int set_vdev(struct parse *parse, struct spec_item *item, struct message *why)
{
    struct device_disk *disk = parse->disk;
    int rc = once(parse, POSITION_VDEV, item, why);
    if (rc != 0)
        return rc;

    struct spec_item name = *item;
    const char *colon = memchr(item->value, ':', item->value_size);
    if (colon != NULL) { /* "hdc:cdrom", of old */
        struct spec_item type = *item;
        name.value_size = (size_t)(colon - item->value);
        type.value = colon + 1;
        type.value_size = item->value_size - name.value_size - 1;
        type.value_column += (unsigned)name.value_size + 1;
        rc = set_devtype(parse, &type, why);
        if (rc != 0)
            return rc;
    }
    if (name.value_size < sizeof(disk->vdev)) {
        memcpy(disk->vdev, name.value, name.value_size);
        disk->vdev[name.value_size] = '\0';
        disk->id = disk_number(disk->vdev);
    }
    if (disk->id == 0)
        return spec_error(item, why,
                          "\"%.*s\" is no name of a virtual disk: xvda, xvda1, sda, hda, d0p1 ...",
                          (int)name.value_size, name.value);
    return 0;
}

static int set_access(struct parse *parse, struct spec_item *item, struct message *why)
{
    int rc = once(parse, POSITION_ACCESS, item, why);
    if (rc != 0)
        return rc;
    if (spec_value_is(item, "r") || spec_value_is(item, "ro"))
        parse->disk->read_only = true;
    else if (!spec_value_is(item, "w") && !spec_value_is(item, "rw"))
        return spec_error(item, why, "\"%.*s\" is no access: rw (w) or ro (r)",
                          (int)item->value_size, item->value);
    return 0;
}

static int set_backendtype(struct parse *parse, struct spec_item *item, struct message *why)
{
    (void)parse;
    if (spec_value_is(item, "phy"))
        return 0;
    return spec_error(item, why,
                      "back-end \"%.*s\" is not offered: disks are served by the control domain's "
                      "kernel; leave backendtype out, or say phy",
                      (int)item->value_size, item->value);
}

static int refuse_script(struct parse *parse, struct spec_item *item, struct message *why)
{
    (void)parse;
    return spec_error(item, why,
                      "scripts of disks are not run: make the block device before, and name it "
                      "as the target");
}

static int set_specification(struct parse *parse, struct spec_item *item, struct message *why)
{
    (void)parse;
    if (spec_value_is(item, "xen"))
        return 0;
    return spec_error(item, why, "disks are of specification xen only, not \"%.*s\"",
                      (int)item->value_size, item->value);
}

static int set_backend(struct parse *parse, struct spec_item *item, struct message *why)
{
    (void)parse;
    return spec_backend(item, why);
}

static int set_disk_type(struct parse *parse, struct spec_item *item, struct message *why)
{
    return set_devtype(parse, item, why);
}

/* --- the whole ------------------------------------------------------------------------------- */

typedef int setter(struct parse *parse, struct spec_item *item, struct message *why);

static const struct {
    const char *key;
    setter *set;
} keys[] = {
    {"format", set_format},    {"vdev", set_vdev},
    {"access", set_access},    {"devtype", set_disk_type},
    {"backend", set_backend},  {"backendtype", set_backendtype},
    {"script", refuse_script}, {"specification", set_specification},
};

/* A word alone that is a switch; false: it is none. */
static bool set_flag(struct parse *parse, const struct spec_item *item)
{
    struct device_disk *disk = parse->disk;
    if (spec_value_is(item, "cdrom"))
        disk->cdrom = true;
    else if (spec_value_is(item, "discard"))
        disk->no_discard = false;
    else if (spec_value_is(item, "no-discard"))
        disk->no_discard = true;
    else if (spec_value_is(item, "direct-io-safe"))
        disk->direct_io = true;
    else if (spec_value_is(item, "trusted"))
        disk->untrusted = false;
    else if (spec_value_is(item, "untrusted"))
        disk->untrusted = true;
    else
        return false;
    return true;
}

static int set_positional(struct parse *parse, struct spec_item *item, struct message *why)
{
    static setter *const by_position[POSITIONS] = {set_target, set_format, set_vdev, set_access};
    unsigned position = parse->position++;
    /* The format's place is not kept behind a target with a prefix. */
    if (position == POSITION_FORMAT && parse->seen[POSITION_FORMAT])
        position = parse->position++;
    if (position >= POSITIONS)
        return spec_error(item, why,
                          "\"%.*s\" is one item too many: target, format, vdev, access, then "
                          "key=value",
                          (int)item->value_size, item->value);
    return item->value_size > 0 ? by_position[position](parse, item, why) : 0;
}

static int set_item(struct parse *parse, const char **rest, struct spec_item *item,
                    struct message *why)
{
    if (item->key_size == 0)
        return set_flag(parse, item) ? 0 : set_positional(parse, item, why);
    if (spec_key_is(item, "target")) {
        spec_take_rest(rest, item);
        return set_target(parse, item, why);
    }
    for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (spec_key_is(item, keys[i].key))
            return keys[i].set(parse, item, why);
    struct spec_item at_key = *item;
    at_key.value_column = item->column;
    return spec_error(&at_key, why, "a disk has no key \"%.*s\"", (int)item->key_size, item->key);
}

/* What only the whole shows. */
static int check_disk(const struct device_disk *disk, struct message *why)
{
    static const struct spec_item whole = {.column = 1, .value_column = 1};
    if (disk->vdev[0] == '\0')
        return spec_error(&whole, why, "the disk has no vdev: add vdev=xvda or the like");
    if (disk->target == NULL)
        return spec_error(&whole, why,
                          "the disk has no target: drives without medium are not offered; name a "
                          "file or block device");
    return 0;
}

int disk_parse(const char *text, struct device_disk *disk, struct message *why)
{
    *disk = (struct device_disk){.format = DISK_RAW};
    struct parse parse = {.disk = disk};
    struct spec_item item;
    int rc = 0;
    for (const char *rest = text; rc == 0 && spec_next(text, &rest, &item);)
        rc = set_item(&parse, &rest, &item, why);
    if (rc == 0)
        rc = check_disk(disk, why);
    disk->read_only = disk->read_only || disk->cdrom;
    if (rc != 0)
        disk_free(disk);
    return rc;
}

void disk_free(struct device_disk *disk)
{
    free(disk->target);
    *disk = (struct device_disk){.format = DISK_RAW};
}
