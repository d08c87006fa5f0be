/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verbs about disks and network cards. What is attached or detached is noted in the guest's kept
 * configuration, so that it is there after a restart, too.
 */
#include "pvctl/pvctl.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xen/io/xenbus.h>

#include "common/paths.h"
#include "devices/devices.h"
#include "guest/lock.h"

/* ---- The kept configuration --------------------------------------------------------------- */

/* Both take over what the device owns, if they can, and then clear it. */
static bool add_disk(struct guest_config *c, void *device)
{
    struct device_disk *list = realloc(c->disk, (c->nr_disks + 1) * sizeof(*list));

    if (list == NULL)
        return false;
    c->disk = list;
    c->disk[c->nr_disks++] = *(struct device_disk *)device;
    *(struct device_disk *)device = (struct device_disk){.target = NULL};
    return true;
}

static bool add_nic(struct guest_config *c, void *device)
{
    struct device_nic *list = realloc(c->nic, (c->nr_nics + 1) * sizeof(*list));

    if (list == NULL)
        return false;
    c->nic = list;
    c->nic[c->nr_nics++] = *(struct device_nic *)device;
    *(struct device_nic *)device = (struct device_nic){.bridge = NULL};
    return true;
}

static bool remove_disk(struct guest_config *c, void *id)
{
    for (unsigned i = 0; i < c->nr_disks; i++)
        if (c->disk[i].id == *(unsigned *)id) {
            disk_free(&c->disk[i]);
            c->disk[i] = c->disk[--c->nr_disks];
            return true;
        }
    return false;
}

static bool remove_nic(struct guest_config *c, void *id)
{
    for (unsigned i = 0; i < c->nr_nics; i++)
        if (c->nic[i].id == *(int *)id) {
            nic_free(&c->nic[i]);
            c->nic[i] = c->nic[--c->nr_nics];
            return true;
        }
    return false;
}

/* A guest without a kept configuration has nothing to be noted. */
static int note(struct pvctl *p, uint32_t domid, bool (*change)(struct guest_config *, void *),
                void *device)
{
    struct message why = {.file = NULL};
    struct guest_config config;
    xc_domaininfo_t info;
    int status = 0;

    int lock = file_lock(PATH_GUESTS_LOCK, &why);
    if (lock < 0)
        return failed_with(p, &why);
    if (domain_info(p, domid, &info) && guest_config_load(info.handle, &config, NULL) == 0) {
        if (change(&config, device) && guest_config_save(&config, &why))
            status = failed_with(p, &why);
        guest_config_free(&config);
    }
    close(lock);
    return status;
}

/* ---- What is common ----------------------------------------------------------------------- */

static bool find_guest(struct pvctl *p, const char *text, uint32_t *domid)
{
    if (!need_store(p) || !find_domain(p, text, domid))
        return false;
    if (*domid == 0)
        failed(p, "the control domain has no virtual devices");
    return *domid != 0;
}

/* The arguments from `first` on, with ',' between them: as one item of a configuration's list. */
static char *join_arguments(int argc, char **argv, int first)
{
    size_t size = 1;

    for (int i = first; i < argc; i++)
        size += strlen(argv[i]) + 1;
    char *text = calloc(1, size), *at = text;
    for (int i = first; text != NULL && i < argc; i++)
        at += sprintf(at, "%s%s", i > first ? "," : "", argv[i]);
    return text;
}

static const char *state_name(int state)
{
    static const char *const names[] = {
        [XenbusStateUnknown] = "unknown",
        [XenbusStateInitialising] = "initialising",
        [XenbusStateInitWait] = "waiting",
        [XenbusStateInitialised] = "initialised",
        [XenbusStateConnected] = "connected",
        [XenbusStateClosing] = "closing",
        [XenbusStateClosed] = "closed",
        [XenbusStateReconfiguring] = "reconfiguring",
        [XenbusStateReconfigured] = "reconfigured",
    };

    return state >= 0 && (size_t)state < sizeof(names) / sizeof(names[0]) ? names[state]
                                                                          : "unknown";
}

static bool read_force(struct pvctl *p, int argc, char **argv)
{
    static const struct option longs[] = {{"force", no_argument, NULL, 'F'}, COMMON_OPTIONS};
    bool force = false;

    while (next_option(p, argc, argv, "F", longs) != -1)
        force = true;
    return force;
}

/* ---- Disks -------------------------------------------------------------------------------- */

int verb_block_attach(struct pvctl *p, int argc, char **argv)
{
    struct message why = {.file = NULL};
    struct device_disk disk;
    uint32_t domid;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 2, 100))
        return STATUS_USAGE;
    char *text = join_arguments(argc, argv, optind + 1);
    if (text == NULL || disk_parse(text, &disk, &why)) {
        int status = misused(p, "%s: %s", text != NULL ? text : "", why.text);
        free(text);
        return status;
    }
    free(text);
    int status = STATUS_FAILED;
    if (find_guest(p, argv[optind], &domid)) {
        struct devices devices = device_host(p);

        status = disk_attach(&devices, domid, &disk, &why) ? failed_with(p, &why)
                                                           : note(p, domid, add_disk, &disk);
    }
    disk_free(&disk);
    return status;
}

int verb_block_detach(struct pvctl *p, int argc, char **argv)
{
    struct message why = {.file = NULL};
    bool force = read_force(p, argc, argv);
    uint64_t number = 0;
    uint32_t domid;

    if (!arguments_good(p, argc, 2, 2))
        return STATUS_USAGE;
    const char *name = argv[optind + 1];
    if (!parse_number(name, 1, UINT32_MAX, &number))
        number = disk_number(name);
    if (number == 0)
        return misused(p, "%s: no disk has such a name: xvda, sda1, hdc or a number", name);
    if (!find_guest(p, argv[optind], &domid))
        return STATUS_FAILED;
    struct devices devices = device_host(p);
    unsigned id = (unsigned)number;
    if (disk_detach(&devices, domid, id, force, &why))
        return failed_with(p, &why);
    return note(p, domid, remove_disk, &id);
}

static struct json_object *disk_object(const struct disk_status *d)
{
    struct json_object *o = json_object_new_object();

    json_add_number(o, "id", d->id);
    json_add_text(o, "vdev", d->vdev);
    json_add_text(o, "state", state_name(d->state));
    json_object_object_add(o, "read_only", json_object_new_boolean(d->read_only));
    json_add_text(o, "target", d->target);
    json_add_text(o, "backend", d->backend_path);
    return o;
}

int verb_block_list(struct pvctl *p, int argc, char **argv)
{
    struct message why = {.file = NULL};
    struct disk_status *list;
    unsigned count;
    uint32_t domid;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 1, 1))
        return STATUS_USAGE;
    if (!find_guest(p, argv[optind], &domid))
        return STATUS_FAILED;
    struct devices devices = device_host(p);
    if (disk_list(&devices, domid, &list, &count, &why))
        return failed_with(p, &why);
    struct json_object *all = p->json ? json_object_new_array() : NULL;
    if (all == NULL)
        printf("%-6s %-8s %-13s %-4s %s\n", "Vdev", "Number", "State", "Mode", "Target");
    for (unsigned i = 0; i < count; i++) {
        if (all != NULL)
            json_object_array_add(all, disk_object(&list[i]));
        else
            printf("%-6s %-8u %-13s %-4s %s\n", list[i].vdev, list[i].id, state_name(list[i].state),
                   list[i].read_only ? "r" : "w", list[i].target != NULL ? list[i].target : "");
    }
    disk_list_free(list, count);
    return all != NULL ? print_json(p, all) : 0;
}

/* ---- Network cards ------------------------------------------------------------------------ */

int verb_network_attach(struct pvctl *p, int argc, char **argv)
{
    struct message why = {.file = NULL};
    struct device_nic nic;
    uint32_t domid;

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 1, 100))
        return STATUS_USAGE;
    char *text = join_arguments(argc, argv, optind + 1);
    if (text == NULL || nic_parse(text, &nic, &why)) {
        int status = misused(p, "%s: %s", text != NULL ? text : "", why.text);
        free(text);
        return status;
    }
    free(text);
    int status = STATUS_FAILED;
    if (find_guest(p, argv[optind], &domid)) {
        struct devices devices = device_host(p);

        status = nic_attach(&devices, domid, &nic, &why) ? failed_with(p, &why)
                                                         : note(p, domid, add_nic, &nic);
    }
    nic_free(&nic);
    return status;
}

static void mac_text(const uint8_t mac[6], char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
             mac[5]);
}

/* The card's number from a number or an address; -1: there is none, a message was printed. */
static int find_nic(struct pvctl *p, struct devices *devices, uint32_t domid, const char *text)
{
    struct message why = {.file = NULL};
    struct nic_status *list;
    uint64_t number;
    unsigned count;
    int found = -1;

    if (parse_number(text, 0, UINT16_MAX, &number))
        return (int)number;
    if (nic_list(devices, domid, &list, &count, &why)) {
        failed_with(p, &why);
        return -1;
    }
    for (unsigned i = 0; i < count; i++) {
        char mac[18];

        mac_text(list[i].mac, mac);
        if (strcasecmp(mac, text) == 0)
            found = (int)list[i].id;
    }
    nic_list_free(list, count);
    if (found < 0)
        failed(p, "%s: domain %u has no card of this number or MAC address", text, domid);
    return found;
}

int verb_network_detach(struct pvctl *p, int argc, char **argv)
{
    struct message why = {.file = NULL};
    bool force = read_force(p, argc, argv);
    uint32_t domid;

    if (!arguments_good(p, argc, 2, 2))
        return STATUS_USAGE;
    if (!find_guest(p, argv[optind], &domid))
        return STATUS_FAILED;
    struct devices devices = device_host(p);
    int id = find_nic(p, &devices, domid, argv[optind + 1]);
    if (id < 0)
        return STATUS_FAILED;
    if (nic_detach(&devices, domid, (unsigned)id, force, &why))
        return failed_with(p, &why);
    return note(p, domid, remove_nic, &id);
}

static struct json_object *nic_object(const struct nic_status *n)
{
    struct json_object *o = json_object_new_object();
    char mac[18];

    mac_text(n->mac, mac);
    json_add_number(o, "id", n->id);
    json_add_text(o, "mac", mac);
    json_add_text(o, "state", state_name(n->state));
    json_add_text(o, "bridge", n->bridge);
    json_add_text(o, "vifname", n->vifname);
    json_add_text(o, "ip", n->ip);
    json_add_text(o, "backend", n->backend_path);
    return o;
}

int verb_network_list(struct pvctl *p, int argc, char **argv)
{
    struct message why = {.file = NULL};
    struct nic_status *list;
    unsigned count;
    uint32_t domid;
    char mac[18];

    while (next_option(p, argc, argv, "", common_options) != -1)
        ;
    if (!arguments_good(p, argc, 1, 1))
        return STATUS_USAGE;
    if (!find_guest(p, argv[optind], &domid))
        return STATUS_FAILED;
    struct devices devices = device_host(p);
    if (nic_list(&devices, domid, &list, &count, &why))
        return failed_with(p, &why);
    struct json_object *all = p->json ? json_object_new_array() : NULL;
    if (all == NULL)
        printf("%-3s %-17s %-13s %-15s %-15s %s\n", "Idx", "MAC", "State", "Interface", "Bridge",
               "IP");
    for (unsigned i = 0; i < count; i++) {
        const struct nic_status *n = &list[i];

        mac_text(n->mac, mac);
        if (all != NULL)
            json_object_array_add(all, nic_object(n));
        else
            printf("%-3u %-17s %-13s %-15s %-15s %s\n", n->id, mac, state_name(n->state),
                   n->vifname != NULL ? n->vifname : "", n->bridge != NULL ? n->bridge : "",
                   n->ip != NULL ? n->ip : "");
    }
    nic_list_free(list, count);
    return all != NULL ? print_json(p, all) : 0;
}
