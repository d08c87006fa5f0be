/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's life as a whole: from a configuration to a domain with its nodes in the store and its
 * devices, and back to nothing. `pvctl create` and the restart of a guest that stopped are the same
 * call.
 *
 * While a guest exists its configuration lies in PATH_GUESTS/<uuid>.json: guest_create() makes the
 * file before the guest runs, guest_destroy() takes it away first of all, so that whoever sees the
 * domain disappear knows by it whether that was wanted.
 */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <xenctrl.h>

#include "common/guest_config.h"
#include "common/message.h"

struct xs_handle;

/* Beside a guest's memory, what the hypervisor may give it (KiB); xl's number. */
#define GUEST_MEMORY_SLACK 1024u

struct guest_host {
    xc_interface *xch;
    struct xs_handle *xs;
    void (*progress)(void *data, const char *what, uint64_t done, uint64_t all); /* NULL: none */
    void *progress_data;
};

/*
 * The guest exists afterwards, paused; xc_domain_unpause() lets it run. config->uuid is made if it
 * has none; devices get their numbers and addresses filled in. On failure nothing of it is left,
 * and `why` says which step failed, and of what.
 */
int guest_create(struct guest_host *host, struct guest_config *config, uint32_t *domid,
                 struct message *why);

/* Devices, nodes, kept configuration and the domain. Whatever can go, goes; the first error. */
int guest_destroy(struct guest_host *host, uint32_t domid, struct message *why);

/*
 * PATH_GUESTS/<uuid>.json of a domain; -ENOENT: it was not made from a configuration. Who loads
 * one, changes it and saves it holds PATH_GUESTS_LOCK meanwhile; forgetting it takes the lock
 * itself.
 */
int guest_config_load(const uint8_t uuid[16], struct guest_config *config, struct message *why);
int guest_config_save(const struct guest_config *config, struct message *why);
void guest_config_forget(const uint8_t uuid[16]);

#endif
