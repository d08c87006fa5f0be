/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may have a device: one record for each number of a guest's, and for each disk one writer or
 * many readers. /paravane/disk/<identity>/<domid>-<id> is "w" or "r" for each user of a disk, so
 * the check costs the same however many guests there are.
 */
#include "devices/life.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a guest's driver a person waits for, and of what is trusted to answer in the end: a busy
 * machine has been seen to take more than ten seconds. */
#define GUEST_PATIENCE_MS 10000
#define HOST_PATIENCE_MS  60000
#define PATIENCE_VARIABLE "PARAVANE_PATIENCE" /* seconds */
#define MAX_PATIENCE      3600

enum refusal { REFUSAL_NONE, NO_GUEST, DEVICE_EXISTS, RECORD_EXISTS, DISK_USED };

struct claim {
    struct devices *devices;
    const struct device_place *place;
    const char *identity;
    bool write;
    enum refusal refusal;
    char other[32]; /* DISK_USED: "<domid>-<id>" */
};

void device_tag(const struct device_place *place, char tag[TAG_SIZE])
{
    snprintf(tag, TAG_SIZE, "paravane-%u-%s-%u", place->domid, kind_names[place->kind], place->id);
}

unsigned device_patience(const struct devices *devices)
{
    if (devices->patience_ms != 0)
        return devices->patience_ms;
    const char *text = getenv(PATIENCE_VARIABLE);
    unsigned long seconds = text != NULL ? strtoul(text, NULL, 10) : 0;
    return seconds >= 1 && seconds <= MAX_PATIENCE ? (unsigned)seconds * 1000 : GUEST_PATIENCE_MS;
}

unsigned device_host_patience(const struct devices *devices)
{
    unsigned patience = device_patience(devices);
    return devices->patience_ms != 0 || patience > HOST_PATIENCE_MS ? patience : HOST_PATIENCE_MS;
}

static void look_for_users(struct claim *claim, struct batch *batch)
{
    char directory[NODE_PATH_SIZE], path[2 * NODE_PATH_SIZE];
    unsigned count = 0, size;
    snprintf(directory, sizeof(directory), "/paravane/disk/%s", claim->identity);
    char **users = xs_directory(batch->xs, batch->transaction, directory, &count);
    for (unsigned i = 0; users != NULL && i < count && claim->refusal == REFUSAL_NONE; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, users[i]);
        char *access = xs_read(batch->xs, batch->transaction, path, &size);
        bool writes = access != NULL && strcmp(access, "w") == 0;
        free(access);
        if ((writes || claim->write) &&
            !device_guest_ended(claim->devices, (uint32_t)strtoul(users[i], NULL, 10))) {
            claim->refusal = DISK_USED;
            snprintf(claim->other, sizeof(claim->other), "%s", users[i]);
        }
    }
    free(users);
}

static void try_claim(struct claim *claim, struct batch *batch)
{
    const struct device_place *place = claim->place;
    char guest[NODE_PATH_SIZE], user[32], uses[NODE_PATH_SIZE];
    snprintf(guest, sizeof(guest), "/local/domain/%u", place->domid);
    claim->refusal = REFUSAL_NONE;
    if (!batch_exists(batch, guest))
        claim->refusal = NO_GUEST;
    else if (batch_exists(batch, place->back))
        claim->refusal = DEVICE_EXISTS;
    else if (batch_exists(batch, place->record))
        claim->refusal = RECORD_EXISTS;
    else if (claim->identity != NULL)
        look_for_users(claim, batch);
    if (batch->error == 0 && claim->refusal != REFUSAL_NONE)
        batch->error = -ECANCELED; /* nothing was changed: end the transaction so */

    batch_directory(batch, place->record, 0, 0);
    batch_write(batch, place->record, "pid", "%d", (int)getpid());
    if (claim->identity != NULL) {
        snprintf(user, sizeof(user), "%u-%u", place->domid, place->id);
        snprintf(uses, sizeof(uses), "/paravane/disk/%s", claim->identity);
        batch_directory(batch, uses, 0, 0);
        batch_write(batch, uses, user, "%s", claim->write ? "w" : "r");
        batch_write(batch, place->record, "disk", "%s", claim->identity);
    }
}

static int refuse(const struct claim *claim, struct message *why)
{
    const struct device_place *place = claim->place;
    const char *name = kind_names[place->kind];
    switch (claim->refusal) {
    case NO_GUEST:
        return message_set(why, -ENOENT, "there is no guest of domain id %u", place->domid);
    case DISK_USED:
        return message_set(why, -EBUSY,
                           "the disk is in use already (domain and device %s): it can have one "
                           "writer, or readers alone",
                           claim->other);
    default:
        return message_set(why, -EEXIST, "the guest has a device %s %u already", name, place->id);
    }
}

/* Whether a record without a device was left by a process that is no more. */
static bool left_over(struct devices *devices, const struct device_place *place)
{
    char *text = node_read(devices, place->record, "pid");
    pid_t pid = text != NULL ? (pid_t)strtol(text, NULL, 10) : 0;
    free(text);
    return pid <= 0 || pid == getpid() || (kill(pid, 0) != 0 && errno == ESRCH);
}

int device_claim(struct devices *devices, const struct device_place *place, const char *identity,
                 bool write, struct message *why)
{
    struct claim claim = {devices, place, identity, write, REFUSAL_NONE, ""};
    for (bool cleaned = false;; cleaned = true) {
        struct batch batch = {.tries = 0};
        do {
            batch_begin(&batch, devices->xs);
            try_claim(&claim, &batch);
        } while (batch_again(&batch));
        if (batch.error != -ECANCELED)
            return batch_result(&batch, why);
        if (claim.refusal != RECORD_EXISTS || cleaned || !left_over(devices, place))
            return refuse(&claim, why);
        int rc = device_remove(devices, place, why);
        if (rc != 0)
            return rc;
    }
}
