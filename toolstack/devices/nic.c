/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual network cards: netback makes the interface, this makes it a port of a bridge, or lets a
 * user's script do what he wants with it.
 */
#include "devices/devices.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <xen/io/xenbus.h>

#include "devices/host.h"
#include "devices/life.h"

#define MAX_NICS 65536
/* Where xl looks for scripts that are named without a directory. */
#define SCRIPTS  "/etc/xen/scripts"

/* The prefix is the Xen project's (IEEE's registry: 00-16-3E); the rest is random. */
static int make_mac(struct device_nic *nic, struct message *why)
{
    static const uint8_t prefix[3] = {0x00, 0x16, 0x3e};
    if (nic->has_mac)
        return 0;
    memcpy(nic->mac, prefix, sizeof(prefix));
    if (getrandom(nic->mac + 3, 3, 0) != 3)
        return message_errno(why, -errno, "cannot make a MAC address");
    nic->mac[3] &= 0x7f; /* those above are other tools' of old */
    nic->has_mac = true;
    return 0;
}

/* A card without bridge and script gets the default bridge. */
static int check_bridge(struct device_nic *nic, struct message *why)
{
    if (nic->bridge == NULL) {
        const char *name = host_default_bridge();
        if (name == NULL && nic->script != NULL)
            return 0;
        if (name == NULL)
            return message_set(why, -ENODEV,
                               "there is no bridge paravanebr0 or xenbr0: make one (ip link add "
                               "paravanebr0 type bridge; ip link set paravanebr0 up), or name "
                               "another with bridge=");
        nic->bridge = strdup(name);
        return nic->bridge != NULL ? 0 : message_errno(why, -ENOMEM, "cannot keep a bridge");
    }
    if (nic->script == NULL && !host_bridge_exists(nic->bridge))
        return message_set(why, -ENODEV, "there is no bridge %s in the control domain",
                           nic->bridge);
    return 0;
}

static int check_script(const struct device_nic *nic, char path[256], struct message *why)
{
    path[0] = '\0';
    if (nic->script == NULL)
        return 0;
    int size = snprintf(path, 256, "%s%s", nic->script[0] == '/' ? "" : SCRIPTS "/", nic->script);
    if (size >= 256 || access(path, X_OK) != 0)
        return message_set(why, -ENOENT,
                           "there is no script %s that can be run; without script= the card is "
                           "put on its bridge",
                           path);
    return 0;
}

/* --- nodes ----------------------------------------------------------------------------------- */

static void format_mac(const uint8_t mac[6], char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

static void interface_name(const struct device_place *place, char name[IFNAMSIZ])
{
    snprintf(name, IFNAMSIZ, "vif%u.%u", place->domid, place->id);
}

/* Names and values are those of netif.h and of xl, for stock drivers and for people's habits. */
static void write_back(struct batch *batch, const struct device_place *place,
                       const struct device_nic *nic, const char *script)
{
    const char *back = place->back;
    char mac[18];
    format_mac(nic->mac, mac);
    batch_directory(batch, back, 0, place->domid);
    batch_write(batch, back, "frontend", "%s", place->front);
    batch_write(batch, back, "frontend-id", "%u", place->domid);
    batch_write(batch, back, "online", "1");
    batch_write(batch, back, "state", "%d", XenbusStateInitialising);
    batch_write(batch, back, "handle", "%u", place->id);
    batch_write(batch, back, "mac", "%s", mac);
    batch_write(batch, back, "type", "vif");
    if (nic->bridge != NULL)
        batch_write(batch, back, "bridge", "%s", nic->bridge);
    if (nic->ip != NULL)
        batch_write(batch, back, "ip", "%s", nic->ip);
    if (nic->vifname != NULL)
        batch_write(batch, back, "vifname", "%s", nic->vifname);
    if (nic->mtu != 0)
        batch_write(batch, back, "mtu", "%u", nic->mtu);
    if (nic->rate_bytes != 0)
        batch_write(batch, back, "rate", "%llu,%llu", (unsigned long long)nic->rate_bytes,
                    (unsigned long long)nic->rate_interval_us);
    /* Empty for none: netback gives a device up that lacks the node. */
    batch_write(batch, back, "script", "%s", script);
}

static void write_front(struct batch *batch, const struct device_place *place,
                        const struct device_nic *nic)
{
    const char *front = place->front;
    char mac[18];
    format_mac(nic->mac, mac);
    batch_directory(batch, front, place->domid, 0);
    batch_write(batch, front, "backend", "%s", place->back);
    batch_write(batch, front, "backend-id", "0");
    batch_write(batch, front, "state", "%d", XenbusStateInitialising);
    batch_write(batch, front, "handle", "%u", place->id);
    batch_write(batch, front, "trusted", "%d", !nic->untrusted);
    batch_write(batch, front, "mac", "%s", mac);
    if (nic->ip != NULL)
        batch_write(batch, front, "ip", "%s", nic->ip);
    if (nic->mtu != 0)
        batch_write(batch, front, "mtu", "%u", nic->mtu);
}

static int write_nodes(struct devices *devices, const struct device_place *place,
                       const struct device_nic *nic, const char *script, struct message *why)
{
    char pid[2 * NODE_PATH_SIZE];
    snprintf(pid, sizeof(pid), "%s/pid", place->record);
    struct batch batch = {.tries = 0};
    do {
        batch_begin(&batch, devices->xs);
        write_front(&batch, place, nic);
        write_back(&batch, place, nic, script);
        batch_remove(&batch, pid, 0); /* no longer under way */
    } while (batch_again(&batch));
    return batch_result(&batch, why);
}

/* --- the interface --------------------------------------------------------------------------- */

static int wait_interface(struct devices *devices, const char *name, struct message *why)
{
    uint64_t end = host_now_ms() + device_host_patience(devices);
    for (unsigned step = 0; !host_interface_exists(name); host_pause(&step))
        if (host_now_ms() >= end)
            return message_set(why, -ETIMEDOUT, "netback does not make the interface %s", name);
    return 0;
}

int nic_script(struct devices *devices, const struct device_place *place, const char *action,
               struct message *why)
{
    char name[IFNAMSIZ], vif[64], path[NODE_PATH_SIZE + 32], variable[300];
    char *script = node_read(devices, place->back, "script");
    if (script == NULL || script[0] == '\0') {
        free(script);
        return 0;
    }
    interface_name(place, name);
    snprintf(vif, sizeof(vif), "vif=%s", name);
    snprintf(path, sizeof(path), "XENBUS_PATH=%s", place->back);
    snprintf(variable, sizeof(variable), "script=%s", script);
    const char *const args[] = {action, "type_if=vif", NULL};
    const char *const variables[] = {
        "XENBUS_TYPE=vif", "XENBUS_BASE_PATH=backend", path, variable, vif, NULL};
    int rc = host_script(script, args, variables, 2 * device_patience(devices), why);
    free(script);
    char *error = node_read(devices, place->back, "hotplug-error");
    if (rc == 0 && error != NULL && error[0] != '\0')
        rc = message_set(why, -EIO, "the card's script failed: %s", error);
    free(error);
    return rc;
}

static int set_interface_up(struct devices *devices, const struct device_place *place,
                            const struct device_nic *nic, struct message *why)
{
    char name[IFNAMSIZ];
    interface_name(place, name);
    int rc = wait_interface(devices, name, why);
    if (rc == 0 && nic->script != NULL) {
        rc = nic->mtu != 0 ? host_interface_mtu(name, nic->mtu, why) : 0;
        return rc == 0 ? nic_script(devices, place, "online", why) : rc;
    }
    if (rc == 0 && nic->vifname != NULL) {
        rc = host_interface_rename(name, nic->vifname, why);
        snprintf(name, sizeof(name), "%s", nic->vifname);
    }
    return rc == 0 ? host_interface_join(name, nic->bridge, nic->mtu, why) : rc;
}

/* --- attach, detach, list -------------------------------------------------------------------- */

/* The lowest number that neither a device nor a record has. */
static int free_id(struct devices *devices, uint32_t domid, struct message *why)
{
    struct device_place place;
    for (unsigned id = 0; id < MAX_NICS; id++) {
        place_set(&place, KIND_VIF, domid, id);
        if (!node_exists(devices, place.back) && !node_exists(devices, place.record))
            return (int)id;
    }
    return message_set(why, -ENOSPC, "the guest has %u cards", MAX_NICS);
}

static int claim(struct devices *devices, uint32_t domid, struct device_nic *nic,
                 struct device_place *place, struct message *why)
{
    bool any = nic->id < 0;
    int rc;
    do { /* -EEXIST: another took the number that was free */
        int id = any ? free_id(devices, domid, why) : nic->id;
        if (id < 0)
            return id;
        place_set(place, KIND_VIF, domid, (unsigned)id);
        rc = device_claim(devices, place, NULL, false, why);
    } while (any && rc == -EEXIST);
    if (rc == 0)
        nic->id = (int)place->id;
    return rc;
}

static int attach(struct devices *devices, const struct device_place *place,
                  const struct device_nic *nic, const char *script, struct message *why)
{
    int rc = write_nodes(devices, place, nic, script, why);
    if (rc == 0)
        rc = device_wait_backend(devices, place, why);
    if (rc == 0)
        rc = set_interface_up(devices, place, nic, why);
    if (rc == 0)
        rc = node_write(devices, place->back, "hotplug-status", "connected", why);
    return rc;
}

int nic_attach(struct devices *devices, uint32_t domid, struct device_nic *nic, struct message *why)
{
    struct device_place place;
    char script[256];
    bool any = nic->id < 0;
    int rc = check_script(nic, script, why);
    if (rc == 0)
        rc = check_bridge(nic, why);
    if (rc == 0 && nic->vifname != NULL && host_interface_exists(nic->vifname))
        rc = message_set(why, -EEXIST, "there is an interface %s already", nic->vifname);
    if (rc == 0)
        rc = make_mac(nic, why);
    if (rc == 0)
        rc = claim(devices, domid, nic, &place, why);
    if (rc == 0) {
        rc = attach(devices, &place, nic, script, why);
        if (rc != 0) {
            device_remove(devices, &place, NULL);
            nic->id = any ? -1 : nic->id;
        }
    }
    if (rc != 0)
        message_prefix(why, "network card");
    return rc;
}

int nic_detach(struct devices *devices, uint32_t domid, unsigned id, bool force,
               struct message *why)
{
    return device_detach(devices, KIND_VIF, domid, id, force, why);
}

static void read_status(struct devices *devices, const struct device_place *place,
                        struct nic_status *status)
{
    char name[IFNAMSIZ];
    char *mac = node_read(devices, place->back, "mac");
    *status = (struct nic_status){.id = place->id,
                                  .state = node_state(devices, place->back),
                                  .bridge = node_read(devices, place->back, "bridge"),
                                  .vifname = node_read(devices, place->back, "vifname"),
                                  .ip = node_read(devices, place->back, "ip"),
                                  .backend_path = strdup(place->back)};
    interface_name(place, name);
    if (status->vifname == NULL)
        status->vifname = strdup(name);
    if (mac != NULL)
        sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &status->mac[0], &status->mac[1],
               &status->mac[2], &status->mac[3], &status->mac[4], &status->mac[5]);
    free(mac);
}

int nic_list(struct devices *devices, uint32_t domid, struct nic_status **list, unsigned *count,
             struct message *why)
{
    char directory[NODE_PATH_SIZE];
    unsigned *ids;
    *list = NULL;
    *count = 0;
    snprintf(directory, sizeof(directory), "/local/domain/0/backend/vif/%u", domid);
    int found = node_numbers(devices, directory, &ids);
    if (found < 0)
        return message_errno(why, found, "cannot list the network cards of domain %u", domid);
    *list = calloc((size_t)found + 1, sizeof(**list));
    for (int i = 0; *list != NULL && i < found; i++) {
        struct device_place place;
        place_set(&place, KIND_VIF, domid, ids[i]);
        read_status(devices, &place, &(*list)[i]);
    }
    free(ids);
    if (*list == NULL)
        return message_errno(why, -ENOMEM, "cannot list the network cards of domain %u", domid);
    *count = (unsigned)found;
    return 0;
}

void nic_list_free(struct nic_status *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(list[i].bridge);
        free(list[i].vifname);
        free(list[i].ip);
        free(list[i].backend_path);
    }
    free(list);
}
