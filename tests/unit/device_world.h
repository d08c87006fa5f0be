/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world in which the tests of devices run: a store in memory behind libxenstore's functions, a
 * kernel with loop devices, interfaces and back-end drivers that do what the test says, and faults
 * at any call.
 */
#ifndef DEVICE_WORLD_H
#define DEVICE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/devices.h"

#define WORLD_IMAGES 8
#define WORLD_FIRST  3 /* the first number that is free */

/* What the guest does when it is asked to close. */
enum guest_habit { GUEST_POLITE, GUEST_DEAF, GUEST_RUBBISH, GUEST_VANISHES };

struct world {
    /* The calls into the store and the kernel are counted; at `fault_at` one fails with
     * `fault_error`, and with `dead` so does each that follows: as if the tool had been killed. */
    unsigned calls, fault_at;
    int fault_error;
    bool dead;
    unsigned conflicts; /* so many transactions find that another came first */

    uint64_t now_ms;
    enum guest_habit guest;
    bool no_drivers;    /* nothing takes devices up */
    bool driver_fails;  /* the back-end's driver closes at once and says why */
    bool driver_sticks; /* and never lets a device go */
    /* So many times it makes nodes anew that were removed; it keeps their device while they are
     * there, or lets it go all the same. */
    unsigned driver_late;
    bool driver_late_lets_go;
    bool domain_dead;   /* of id 7; 8 is never */
    uint8_t handle[16]; /* of id 7 */
    int list_error;     /* domains cannot be listed */

    char image_tag[2][WORLD_IMAGES][64]; /* loop devices, network block devices; "": free */
    unsigned busy_images;                /* so many tries find the number taken */
    bool target_is_device;
    char interface[32], port_of[32];
    unsigned mtu;
    bool bridge_there;
    char script_log[256];
    int script_result;
};

extern struct world world;

/* Everything as at the beginning: two guests, 7 and 8, without devices. */
void world_reset(struct devices *devices);
/* For other calls of the test's: counts this one; what it fails with (errno is set), or 0. */
int world_fault(void);
unsigned world_nodes(void);
/* "" when there is no such node. */
const char *world_value(const char *path);
/* "n0r7": the permissions that xenstore-ls would show. */
const char *world_permissions(const char *path);
void world_write(const char *path, const char *value);
void world_remove(const char *path);
unsigned world_images(void);

#endif
