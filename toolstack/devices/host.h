/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What devices need of the control domain's kernel: loop devices, qemu-nbd, interfaces and their
 * bridge, a user's script. Each of these can be undone by its name alone, by another process than
 * the one that made it.
 */
#ifndef DEVICES_HOST_H
#define DEVICES_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/message.h"

/* Milliseconds of the monotonic clock, and a pause that grows from 1 to 50 ms. */
uint64_t host_now_ms(void);
void host_pause(unsigned *step);

/* --- disks --- */

struct host_target {
    bool is_device;    /* else a regular file */
    dev_t device;      /* its number, when it is a device */
    char identity[48]; /* the same for all names of one disk */
};

/* What a disk's target is: -errno if it is not there, or nothing that can be a disk. A writer gets
 * a block device only when the control domain does not use it itself. */
int host_target(const char *path, bool write, struct host_target *target, struct message *why);

/* A device that serves an image: a number of which the tag is known. `tag` says for whom it is. */
struct host_image {
    const char *path, *tag;
    bool read_only, direct_io, discard;
    unsigned patience_ms;
};

/* The number that is tried next: write it down, then make. make: -EBUSY, another took it. */
int loop_choose(unsigned *number, struct message *why);
int loop_make(unsigned number, const struct host_image *image, dev_t *device, struct message *why);
/* Only if it bears that tag; none is well. Who still uses it keeps it until he closes it. */
int loop_free(unsigned number, const char *tag, struct message *why);

int nbd_choose(unsigned *number, struct message *why);
int nbd_make(unsigned number, const struct host_image *image, dev_t *device, struct message *why);
int nbd_free(unsigned number, const char *tag, unsigned patience_ms, struct message *why);

/* Whether the control domain's kernel has a back-end's device of that name ("vbd-1-51712"). */
bool host_backend_exists(const char *name);

/* --- cards --- */

bool host_interface_exists(const char *name);
/* The bridge that a card without one gets; NULL: none is there. */
const char *host_default_bridge(void);
/* Whether there is such a bridge. */
bool host_bridge_exists(const char *name);
int host_interface_rename(const char *from, const char *to, struct message *why);
/* mtu 0: the bridge's, if that can be. The interface is a port of the bridge after that, and up. */
int host_interface_join(const char *name, const char *bridge, unsigned mtu, struct message *why);
int host_interface_mtu(const char *name, unsigned mtu, struct message *why);

/* Runs a user's script with these variables ("name=value", NULL at the end) beside the
 * environment, and kills it when it takes too long. 0: it came to its end with status 0. */
int host_script(const char *path, const char *const args[], const char *const variables[],
                unsigned patience_ms, struct message *why);

#endif
