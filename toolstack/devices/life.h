/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps that all devices' lives have in common. A device begins with its record in the store
 * and ends with the record's removal: whatever is made for a device is written there before it is
 * made, so a tool that dies between two steps leaves nothing that another would not find.
 */
#ifndef DEVICES_LIFE_H
#define DEVICES_LIFE_H

#include "devices/nodes.h"

/* Room for "paravane-<domid>-vbd-<id>". */
#define TAG_SIZE 48

void device_tag(const struct device_place *place, char tag[TAG_SIZE]);
/* How long a guest's driver is waited for, and what belongs to the control domain. */
unsigned device_patience(const struct devices *devices);
unsigned device_host_patience(const struct devices *devices);
/* The guest uses no device any more, even if it is kept for a look at it: known, not guessed. */
bool device_guest_ended(struct devices *devices, uint32_t domid);

/* Makes the record. identity: of a disk, else NULL; it may have one writer, or many readers.
 * -EEXIST, -EBUSY (another guest has the disk), -ENOENT (there is no such guest). */
int device_claim(struct devices *devices, const struct device_place *place, const char *identity,
                 bool write, struct message *why);
/* Waits until the back-end's driver has taken the device up. */
int device_wait_backend(struct devices *devices, const struct device_place *place,
                        struct message *why);
/* Asks the front-end to let go. -EBUSY: it did not, within the patience. */
int device_close(struct devices *devices, const struct device_place *place, struct message *why);
/* Takes everything of a device back, without asking anyone, the record last. Also what an attach
 * that failed half-way calls. */
int device_remove(struct devices *devices, const struct device_place *place, struct message *why);
/* detach, of either kind. */
int device_detach(struct devices *devices, enum device_kind kind, uint32_t domid, unsigned id,
                  bool force, struct message *why);

/* An image's loop or network block device: freed by what the record says. */
int image_free(struct devices *devices, const struct device_place *place, struct message *why);
/* A user's script of a card, if the record names one. action: "online", "offline". */
int nic_script(struct devices *devices, const struct device_place *place, const char *action,
               struct message *why);

#endif
