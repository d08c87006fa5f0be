/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual disks and network cards: their description (xl's syntax), their nodes in the store, and
 * the back-ends' side in the control domain (loop devices, qemu-nbd, bridges). Back-ends are stock
 * Linux's, blkback and netback.
 *
 * A device's life: attach writes the nodes and sets the back-end up; stock drivers do the rest.
 * detach asks the front-end to let go, waits a bounded time, and takes back what attach made; with
 * `force` also if it did not. A hostile or dead front-end can delay it by that time, no more.
 */
#ifndef DEVICES_DEVICES_H
#define DEVICES_DEVICES_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "common/message.h"

struct xs_handle;

enum disk_format { DISK_RAW, DISK_QCOW2 };

struct device_disk {
    char *target; /* a file or block device of the control domain: an absolute path */
    enum disk_format format;
    char vdev[16]; /* xvda, sda1, hdc ...: as the guest sees it */
    unsigned id;   /* its number in the store: 51712 is xvda */
    bool read_only, cdrom, direct_io;
    bool no_discard; /* the guest may not give blocks back */
    bool untrusted;  /* the guest is told not to trust the back-end (its "trusted" node is 0) */
};

struct device_nic {
    int id; /* in the store: 0, 1 ...; -1: the next that is free */
    uint8_t mac[6];
    bool has_mac;        /* else one is made, of Xen's prefix 00:16:3e */
    char *bridge;        /* NULL: the default one */
    char *ip;            /* told to the guest by the store, and to the script; NULL: none */
    char *script;        /* NULL: what the toolstack does by itself, a port of the bridge */
    char *vifname;       /* NULL: vif<domid>.<id> */
    char *model;         /* told to nobody: PV only; kept for listing */
    uint64_t rate_bytes; /* in each interval; 0: no limit */
    uint64_t rate_interval_us;
    unsigned mtu;   /* of the interface, and told to the guest; 0: what the bridge gives */
    bool untrusted; /* as a disk's */
};

/* "key=value,..." or positional, as xl's disk= and vif= items. -EINVAL; why->column counts within
 * the text. What was in *disk or *nic before is overwritten. */
int disk_parse(const char *text, struct device_disk *disk, struct message *why);
int nic_parse(const char *text, struct device_nic *nic, struct message *why);
void disk_free(struct device_disk *disk);
void nic_free(struct device_nic *nic);
/* The number of a vdev's name; 0: it is none. */
unsigned disk_number(const char *vdev);

struct devices {
    xc_interface *xch;
    struct xs_handle *xs;
    unsigned patience_ms; /* how long a back-end or front-end is waited for; 0: docs/devices.md */
};

/* Both fill in what was left to them (id, mac). -EEXIST: there is one of this number. */
int disk_attach(struct devices *devices, uint32_t domid, struct device_disk *disk,
                struct message *why);
int nic_attach(struct devices *devices, uint32_t domid, struct device_nic *nic,
               struct message *why);
/* -ENOENT: there is none; -EBUSY: the front-end holds it (not with force). */
int disk_detach(struct devices *devices, uint32_t domid, unsigned id, bool force,
                struct message *why);
int nic_detach(struct devices *devices, uint32_t domid, unsigned id, bool force,
               struct message *why);
/* Everything of a domain that is gone or going, and its nodes in the store. */
int devices_destroy(struct devices *devices, uint32_t domid, struct message *why);
/* The same of an earlier domain of this number: before a new one gets devices. */
int devices_clear(struct devices *devices, uint32_t domid, struct message *why);

/* As they are now. */
struct disk_status {
    unsigned id;
    char vdev[16];
    int state; /* XenbusState of the back-end */
    bool read_only;
    char *target;
    char *backend_path;
};
struct nic_status {
    unsigned id;
    uint8_t mac[6];
    int state;
    char *bridge, *vifname, *ip, *backend_path;
};
int disk_list(struct devices *devices, uint32_t domid, struct disk_status **list, unsigned *count,
              struct message *why);
int nic_list(struct devices *devices, uint32_t domid, struct nic_status **list, unsigned *count,
             struct message *why);
void disk_list_free(struct disk_status *list, unsigned count);
void nic_list_free(struct nic_status *list, unsigned count);

#endif
