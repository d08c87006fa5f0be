/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest as its configuration describes it: read from a file of xl.cfg syntax, kept as JSON while
 * the guest exists. Strings are owned by the structure.
 */
#ifndef COMMON_GUEST_CONFIG_H
#define COMMON_GUEST_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/message.h"
#include "devices/devices.h"

/* What happens when a guest has stopped; for each reason one (xl.cfg: on_poweroff ...). */
enum stop_action {
    ACTION_DESTROY,
    ACTION_RESTART,
    ACTION_RENAME_RESTART, /* the old one is kept under another name */
    ACTION_PRESERVE,
    ACTION_COREDUMP_DESTROY,
    ACTION_COREDUMP_RESTART,
};

struct guest_config {
    char *name;
    uint8_t uuid[16];
    bool has_uuid; /* else one is made at random when it is created */

    char *kernel, *ramdisk; /* ramdisk NULL: none */
    char *cmdline;          /* of `cmdline`, or made of root and extra; never NULL */

    uint64_t memory_kib, max_memory_kib;
    unsigned vcpus, max_vcpus;
    char *cpus;      /* affinity as written, for all vCPUs, or a list's items joined by ';'; NULL:
                        all CPUs */
    unsigned weight; /* 0: the scheduler's default (256) */
    unsigned cap;    /* hundredths of a CPU; 0: none */

    struct device_disk *disk;
    unsigned nr_disks;
    struct device_nic *nic;
    unsigned nr_nics;

    enum stop_action on_poweroff, on_reboot, on_watchdog, on_crash, on_soft_reset;
    char *console_log; /* where the guest's console is logged too; NULL: as the daemon says */

    /* 0: what guest_create() takes. */
    unsigned max_event_channels, max_grant_frames, max_maptrack_frames;
    int rtc_timeoffset; /* seconds that the guest's clock is ahead of UTC */
};

#define GUEST_MAX_VCPUS 128u
#define GUEST_NAME_MAX  128u /* bytes */

/* Warnings (an unknown key, with its line) go to `warn`. */
typedef void config_warning(void *data, const struct message *what);

/* -EINVAL with place and text, or the error of reading the file. */
int guest_config_read(const char *path, struct guest_config *config, config_warning *warn,
                      void *data, struct message *why);
/* The same from memory; `name` stands for the file in messages. */
int guest_config_parse(const char *name, const char *text, size_t size, struct guest_config *config,
                       config_warning *warn, void *data, struct message *why);
/* JSON, for PATH_GUESTS. to_json: free() the result; NULL: no memory. */
char *guest_config_to_json(const struct guest_config *config);
int guest_config_from_json(const char *text, struct guest_config *config, struct message *why);
void guest_config_free(struct guest_config *config);

/* What a name may be: the store's and files' paths contain it. */
bool guest_name_good(const char *name, struct message *why);
const char *stop_action_name(enum stop_action action);
bool stop_action_from_name(const char *name, enum stop_action *action);
/* "32-hex with dashes"; text has 37 bytes. */
void uuid_to_text(const uint8_t uuid[16], char text[37]);
bool uuid_from_text(const char *text, uint8_t uuid[16]);

#endif
