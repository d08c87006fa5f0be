/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual disks: a block device is handed to blkback as it is, an image by a loop device (raw) or a
 * network block device (qcow2) that is made for it.
 */
#include "devices/devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <xen/io/xenbus.h>

#include "devices/host.h"
#include "devices/life.h"

/* Others take numbers, too; each try takes another one. */
#define MAX_TRIES 32

/* --- images ---------------------------------------------------------------------------------- */

static int image_make(struct devices *devices, const struct device_place *place,
                      const struct device_disk *disk, dev_t *device, struct message *why)
{
    char tag[TAG_SIZE], made[32];
    bool loop = disk->format == DISK_RAW;
    struct host_image image = {.path = disk->target,
                               .tag = tag,
                               .read_only = disk->read_only,
                               .direct_io = disk->direct_io,
                               .discard = !disk->no_discard,
                               .patience_ms = device_host_patience(devices)};
    device_tag(place, tag);
    int rc = -EBUSY;
    for (unsigned try = 0; rc == -EBUSY && try < MAX_TRIES; try++) {
        unsigned number = 0;
        rc = loop ? loop_choose(&number, why) : nbd_choose(&number, why);
        if (rc != 0)
            return rc;
        snprintf(made, sizeof(made), "%s %u", loop ? "loop" : "nbd", number);
        rc = node_write(devices, place->record, "made", made, why);
        if (rc == 0)
            rc = loop ? loop_make(number, &image, device, why)
                      : nbd_make(number, &image, device, why);
    }
    return rc;
}

int image_free(struct devices *devices, const struct device_place *place, struct message *why)
{
    char tag[TAG_SIZE], kind[8] = "";
    unsigned number = 0;
    errno = 0;
    char *made = node_read(devices, place->record, "made");
    if (made == NULL && errno != ENOENT)
        return message_errno(why, errno ? -errno : -EIO, "the store does not tell what was made");
    int parts = made != NULL ? sscanf(made, "%7s %u", kind, &number) : 0;
    free(made);
    device_tag(place, tag);
    if (parts != 2)
        return 0;
    if (strcmp(kind, "loop") == 0)
        return loop_free(number, tag, why);
    return nbd_free(number, tag, device_host_patience(devices), why);
}

/* --- nodes ----------------------------------------------------------------------------------- */

/* Names and values are those of blkif.h and of xl, for stock drivers and for people's habits. */
static void write_back(struct batch *batch, const struct device_place *place,
                       const struct device_disk *disk, dev_t device)
{
    const char *back = place->back;
    batch_directory(batch, back, 0, place->domid);
    batch_write(batch, back, "frontend", "%s", place->front);
    batch_write(batch, back, "frontend-id", "%u", place->domid);
    batch_write(batch, back, "online", "1");
    batch_write(batch, back, "removable", "%d", disk->cdrom);
    batch_write(batch, back, "bootable", "1");
    batch_write(batch, back, "state", "%d", XenbusStateInitialising);
    batch_write(batch, back, "dev", "%s", disk->vdev);
    batch_write(batch, back, "type", "phy");
    batch_write(batch, back, "mode", "%s", disk->read_only ? "r" : "w");
    batch_write(batch, back, "device-type", "%s", disk->cdrom ? "cdrom" : "disk");
    batch_write(batch, back, "discard-enable", "%d", !disk->no_discard);
    batch_write(batch, back, "direct-io-safe", "%d", disk->direct_io);
    batch_write(batch, back, "params", "%s", disk->target);
    batch_write(batch, back, "physical-device", "%x:%x", major(device), minor(device));
    batch_write(batch, back, "hotplug-status", "connected");
}

static void write_front(struct batch *batch, const struct device_place *place,
                        const struct device_disk *disk)
{
    const char *front = place->front;
    batch_directory(batch, front, place->domid, 0);
    batch_write(batch, front, "backend", "%s", place->back);
    batch_write(batch, front, "backend-id", "0");
    batch_write(batch, front, "state", "%d", XenbusStateInitialising);
    batch_write(batch, front, "virtual-device", "%u", place->id);
    batch_write(batch, front, "device-type", "%s", disk->cdrom ? "cdrom" : "disk");
    batch_write(batch, front, "trusted", "%d", !disk->untrusted);
}

static int write_nodes(struct devices *devices, const struct device_place *place,
                       const struct device_disk *disk, dev_t device, struct message *why)
{
    char pid[2 * NODE_PATH_SIZE];
    snprintf(pid, sizeof(pid), "%s/pid", place->record);
    struct batch batch = {.tries = 0};
    do {
        batch_begin(&batch, devices->xs);
        write_front(&batch, place, disk);
        write_back(&batch, place, disk, device);
        batch_remove(&batch, pid, 0); /* no longer under way */
    } while (batch_again(&batch));
    return batch_result(&batch, why);
}

/* --- attach, detach, list -------------------------------------------------------------------- */

static int check_disk(const struct device_disk *disk, struct message *why)
{
    if (disk->target == NULL)
        return message_set(why, -EINVAL,
                           "the disk has no target: drives without medium are not "
                           "offered; name a file or block device");
    if (disk->id == 0)
        return message_set(why, -EINVAL, "\"%s\" is no name of a virtual disk", disk->vdev);
    return 0;
}

static int attach(struct devices *devices, const struct device_place *place,
                  const struct device_disk *disk, const struct host_target *target,
                  struct message *why)
{
    dev_t device = target->device;
    int rc = 0;
    if (!target->is_device || disk->format != DISK_RAW)
        rc = image_make(devices, place, disk, &device, why);
    if (rc == 0)
        rc = write_nodes(devices, place, disk, device, why);
    return rc == 0 ? device_wait_backend(devices, place, why) : rc;
}

int disk_attach(struct devices *devices, uint32_t domid, struct device_disk *disk,
                struct message *why)
{
    struct device_place place;
    struct host_target target;
    if (disk->id == 0)
        disk->id = disk_number(disk->vdev);
    bool write = !disk->read_only && !disk->cdrom;
    disk->read_only = !write;
    int rc = check_disk(disk, why);
    if (rc == 0)
        rc = host_target(disk->target, write, &target, why);
    if (rc == 0) {
        place_set(&place, KIND_VBD, domid, disk->id);
        rc = device_claim(devices, &place, target.identity, write, why);
        if (rc == 0) {
            rc = attach(devices, &place, disk, &target, why);
            if (rc != 0)
                device_remove(devices, &place, NULL);
        }
    }
    if (rc != 0)
        message_prefix(why, "disk %s", disk->vdev);
    return rc;
}

int disk_detach(struct devices *devices, uint32_t domid, unsigned id, bool force,
                struct message *why)
{
    return device_detach(devices, KIND_VBD, domid, id, force, why);
}

static void read_status(struct devices *devices, const struct device_place *place,
                        struct disk_status *status)
{
    char *name = node_read(devices, place->back, "dev");
    char *mode = node_read(devices, place->back, "mode");
    *status = (struct disk_status){.id = place->id,
                                   .state = node_state(devices, place->back),
                                   .read_only = mode == NULL || mode[0] != 'w',
                                   .target = node_read(devices, place->back, "params"),
                                   .backend_path = strdup(place->back)};
    snprintf(status->vdev, sizeof(status->vdev), "%s", name != NULL ? name : "");
    free(name);
    free(mode);
}

int disk_list(struct devices *devices, uint32_t domid, struct disk_status **list, unsigned *count,
              struct message *why)
{
    char directory[NODE_PATH_SIZE];
    unsigned *ids;
    *list = NULL;
    *count = 0;
    snprintf(directory, sizeof(directory), "/local/domain/0/backend/vbd/%u", domid);
    int found = node_numbers(devices, directory, &ids);
    if (found < 0)
        return message_errno(why, found, "cannot list the disks of domain %u", domid);
    *list = calloc((size_t)found + 1, sizeof(**list));
    for (int i = 0; *list != NULL && i < found; i++) {
        struct device_place place;
        place_set(&place, KIND_VBD, domid, ids[i]);
        read_status(devices, &place, &(*list)[i]);
    }
    free(ids);
    if (*list == NULL)
        return message_errno(why, -ENOMEM, "cannot list the disks of domain %u", domid);
    *count = (unsigned)found;
    return 0;
}

void disk_list_free(struct disk_status *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(list[i].target);
        free(list[i].backend_path);
    }
    free(list);
}
