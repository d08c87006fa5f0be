/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How devices end. The front-end is asked by the back-end's state, and answers by its own, which
 * the back-end's driver follows: only what that driver says counts here, so a guest that writes
 * rubbish into its nodes, or nothing, costs the bounded wait and no more.
 */
#include "devices/life.h"

#include <errno.h>
#include <stdlib.h>
#include <xen/io/xenbus.h>

#include "common/domains.h"
#include "devices/host.h"

static void error_path(const struct device_place *place, char path[NODE_PATH_SIZE])
{
    snprintf(path, NODE_PATH_SIZE, "/local/domain/0/error/backend/%s/%u/%u",
             kind_names[place->kind], place->domid, place->id);
}

int device_wait_backend(struct devices *devices, const struct device_place *place,
                        struct message *why)
{
    uint64_t end = host_now_ms() + device_host_patience(devices);
    for (unsigned step = 0;; host_pause(&step)) {
        int state = node_state(devices, place->back);
        if (state >= XenbusStateInitWait && state <= XenbusStateConnected)
            return 0;
        if (state > XenbusStateConnected || !node_exists(devices, place->back)) {
            char path[NODE_PATH_SIZE];
            error_path(place, path);
            char *text = node_read(devices, path, "error");
            message_set(why, -EIO, "the back-end refuses the device%s%s", text ? ": " : "",
                        text ? text : "");
            free(text);
            return -EIO;
        }
        if (host_now_ms() >= end)
            return message_set(why, -ETIMEDOUT,
                               "no back-end takes the device up (is the kernel module %s loaded "
                               "in the control domain?)",
                               place->kind == KIND_VBD ? "xen-blkback" : "xen-netback");
    }
}

bool device_guest_ended(struct devices *devices, uint32_t domid)
{
    xc_domaininfo_t info;
    int rc = domains_look(devices->xch, domid, &info);

    return rc == 0 || (rc == 1 && (info.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown)));
}

/* A back-end in one of these holds nothing of the guest's. */
static bool is_idle(int state)
{
    return state <= XenbusStateInitWait || state == XenbusStateClosed;
}

int device_close(struct devices *devices, const struct device_place *place, struct message *why)
{
    if (is_idle(node_state(devices, place->back)) || device_guest_ended(devices, place->domid))
        return 0;
    struct batch batch = {.tries = 0};
    do {
        batch_begin(&batch, devices->xs);
        if (batch_exists(&batch, place->back)) {
            batch_write(&batch, place->back, "online", "0");
            batch_write(&batch, place->back, "state", "%d", XenbusStateClosing);
        }
    } while (batch_again(&batch));
    if (batch.error != 0)
        return batch_result(&batch, why);

    uint64_t end = host_now_ms() + device_patience(devices);
    for (unsigned step = 0; !is_idle(node_state(devices, place->back)); host_pause(&step))
        if (host_now_ms() >= end)
            return message_set(why, -EBUSY,
                               "the guest does not let %s %u go: it is in use there (unmount it, "
                               "or set the interface down), or its driver does not answer; detach "
                               "it again later, or by force",
                               kind_names[place->kind], place->id);
    return 0;
}

static int remove_nodes(struct devices *devices, const struct device_place *place,
                        struct message *why)
{
    struct batch batch = {.tries = 0};

    /* The guest writes there: as part of a transaction it could keep that from ever ending. */
    xs_rm(devices->xs, XBT_NULL, place->front);
    do {
        batch_begin(&batch, devices->xs);
        batch_remove(&batch, place->back, 3);
        batch_remove(&batch, place->front, 1);
    } while (batch_again(&batch));
    return batch_result(&batch, why);
}

/*
 * The driver drops a device whose nodes are gone, by and by. One that was about to connect may have
 * written its features meanwhile, and so made the nodes anew: then it keeps the device.
 */
static int wait_gone(struct devices *devices, const struct device_place *place, struct message *why)
{
    char name[NODE_PATH_SIZE];
    snprintf(name, sizeof(name), "%s-%u-%u", kind_names[place->kind], place->domid, place->id);
    uint64_t end = host_now_ms() + device_host_patience(devices);
    for (unsigned step = 0;; host_pause(&step)) {
        bool driven = host_backend_exists(name);
        int rc = node_exists(devices, place->back) ? remove_nodes(devices, place, why) : 0;

        if (rc != 0 || !driven)
            return rc;
        if (host_now_ms() >= end)
            return message_set(why, -ETIMEDOUT, "the back-end does not let its device %s go", name);
    }
}

static int remove_record(struct devices *devices, const struct device_place *place,
                         struct message *why)
{
    char errors[NODE_PATH_SIZE], use[2 * NODE_PATH_SIZE];
    errno = 0;
    char *disk = node_read(devices, place->record, "disk");
    if (disk == NULL && errno != ENOENT)
        return message_errno(why, errno ? -errno : -EIO,
                             "the store does not tell which disk it is");
    error_path(place, errors);
    snprintf(use, sizeof(use), "/paravane/disk/%.64s/%u-%u", disk != NULL ? disk : "", place->domid,
             place->id);
    struct batch batch = {.tries = 0};
    do {
        batch_begin(&batch, devices->xs);
        batch_remove(&batch, errors, 4);
        if (disk != NULL)
            batch_remove(&batch, use, 3);
        batch_remove(&batch, place->record, 4);
    } while (batch_again(&batch));
    free(disk);
    return batch_result(&batch, why);
}

int device_remove(struct devices *devices, const struct device_place *place, struct message *why)
{
    /* A script that fails now cannot keep what it would have cleaned up after. */
    if (place->kind == KIND_VIF && node_exists(devices, place->back))
        nic_script(devices, place, "offline", NULL);
    int rc = remove_nodes(devices, place, why);
    if (rc != 0)
        return rc;
    rc = wait_gone(devices, place, why);
    if (place->kind == KIND_VBD) {
        /* A loop device goes with its last user, so it is let go even if that one lingers. */
        int freed = image_free(devices, place, rc == 0 ? why : NULL);
        rc = rc != 0 ? rc : freed;
    }
    /* Else the record stays, for the next who tries. */
    return rc == 0 ? remove_record(devices, place, why) : rc;
}

int device_detach(struct devices *devices, enum device_kind kind, uint32_t domid, unsigned id,
                  bool force, struct message *why)
{
    struct device_place place;
    place_set(&place, kind, domid, id);
    if (!node_exists(devices, place.back) && !node_exists(devices, place.record))
        return message_set(why, -ENOENT, "the guest has no device %s %u", kind_names[kind], id);
    /* Linux that is not asked, but finds its disk gone, waits for ever for what it sent there. */
    int rc = device_close(devices, &place, force ? NULL : why);
    return rc == 0 || force ? device_remove(devices, &place, why) : rc;
}

static int destroy_in(struct devices *devices, enum device_kind kind, uint32_t domid,
                      const char *directory, struct message *why)
{
    unsigned *ids;
    int count = node_numbers(devices, directory, &ids), first = 0;
    if (count < 0)
        return message_errno(why, count, "cannot list %s", directory);
    for (int i = 0; i < count; i++) {
        struct device_place place;
        place_set(&place, kind, domid, ids[i]);
        int rc = device_remove(devices, &place, first == 0 ? why : NULL);
        first = first != 0 ? first : rc;
    }
    free(ids);
    return first;
}

int devices_destroy(struct devices *devices, uint32_t domid, struct message *why)
{
    char path[NODE_PATH_SIZE];
    int first = 0;
    for (enum device_kind kind = 0; kind < NR_KINDS; kind++) {
        snprintf(path, sizeof(path), "/local/domain/0/backend/%s/%u", kind_names[kind], domid);
        int rc = destroy_in(devices, kind, domid, path, first == 0 ? why : NULL);
        first = first != 0 ? first : rc;
        snprintf(path, sizeof(path), "/paravane/device/%u/%s", domid, kind_names[kind]);
        rc = destroy_in(devices, kind, domid, path, first == 0 ? why : NULL);
        first = first != 0 ? first : rc;
    }
    return first;
}

int devices_clear(struct devices *devices, uint32_t domid, struct message *why)
{
    char records[NODE_PATH_SIZE];

    snprintf(records, sizeof(records), "/paravane/device/%u", domid);
    return node_exists(devices, records) ? devices_destroy(devices, domid, why) : 0;
}
