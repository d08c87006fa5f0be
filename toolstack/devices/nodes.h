/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device's nodes in the store. There are three directories of each:
 *   front   /local/domain/<domid>/device/<kind>/<id>      the guest's own; never believed
 *   back    /local/domain/0/backend/<kind>/<domid>/<id>   the back-end's; the guest may read it
 *   record  /paravane/device/<domid>/<kind>/<id>          the toolstack's: what was made for it
 */
#ifndef DEVICES_NODES_H
#define DEVICES_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <xenstore.h>

#include "devices/devices.h"

enum device_kind { KIND_VBD, KIND_VIF, NR_KINDS };

#define NODE_PATH_SIZE 128

struct device_place {
    enum device_kind kind;
    uint32_t domid;
    unsigned id;
    char front[NODE_PATH_SIZE], back[NODE_PATH_SIZE], record[NODE_PATH_SIZE];
};

extern const char *const kind_names[NR_KINDS]; /* "vbd", "vif" */

void place_set(struct device_place *place, enum device_kind kind, uint32_t domid, unsigned id);

/* Several changes that happen at once, or not at all. After a failure the rest does nothing. */
struct batch {
    struct xs_handle *xs;
    xs_transaction_t transaction;
    int error;                     /* 0 or a negative errno */
    char path[2 * NODE_PATH_SIZE]; /* of what failed */
    unsigned tries;
};

void batch_begin(struct batch *batch, struct xs_handle *xs);
/* True: it was somebody else's turn; begin again with the same batch. Else batch->error is final.
 */
bool batch_again(struct batch *batch);
int batch_result(const struct batch *batch, struct message *why);
/* A directory that `owner` owns and `reader` may read; what is written into it inherits that. */
void batch_directory(struct batch *batch, const char *path, unsigned owner, unsigned reader);
void batch_write(struct batch *batch, const char *directory, const char *key, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
bool batch_exists(struct batch *batch, const char *path);
/* Absent is well. Then parents that are empty go, too, as many levels as said. */
void batch_remove(struct batch *batch, const char *path, unsigned parents);

/* NULL: no such node, or the store does not answer (errno tells). free() it. */
char *node_read(struct devices *devices, const char *directory, const char *key);
/* The device's state; XenbusStateUnknown: none, or rubbish. */
int node_state(struct devices *devices, const char *directory);
bool node_exists(struct devices *devices, const char *directory);
int node_write(struct devices *devices, const char *directory, const char *key, const char *value,
               struct message *why);
/* The numbers that are names in a directory, in order; free(). -errno or how many. */
int node_numbers(struct devices *devices, const char *directory, unsigned **numbers);

#endif
