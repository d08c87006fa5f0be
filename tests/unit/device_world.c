/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A store and a kernel for the tests of devices (device_world.h). The tree is a flat list of paths;
 * a transaction works on a copy that replaces it at its end.
 */
#include "device_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <xenstore.h>

#include "devices/host.h"
#include "tap.h"

#define MAX_NODES 256
#define FAKE_XS   ((struct xs_handle *)&world)

struct fake_node {
    char path[160], value[128], permissions[16];
};
struct tree {
    unsigned count;
    struct fake_node node[MAX_NODES];
};

struct world world;
static struct tree tree, copy;
static bool in_transaction;

/* --- the tree -------------------------------------------------------------------------------- */

static struct tree *tree_of(xs_transaction_t t)
{
    if (t != XBT_NULL && !in_transaction)
        bail_out("a transaction is used that is not open");
    return t == XBT_NULL ? &tree : &copy;
}

static struct fake_node *find(struct tree *t, const char *path)
{
    for (unsigned i = 0; i < t->count; i++)
        if (strcmp(t->node[i].path, path) == 0)
            return &t->node[i];
    return NULL;
}

/* With its parents, which give it their permissions. */
static struct fake_node *make(struct tree *t, const char *path)
{
    struct fake_node *node = find(t, path);
    if (node != NULL)
        return node;
    char parent[160];
    snprintf(parent, sizeof(parent), "%s", path);
    char *slash = strrchr(parent, '/');
    const char *permissions = "n0";
    if (slash != parent) {
        *slash = '\0';
        permissions = make(t, parent)->permissions;
    }
    if (t->count == MAX_NODES)
        bail_out("the tree is full");
    node = &t->node[t->count++];
    *node = (struct fake_node){0};
    snprintf(node->path, sizeof(node->path), "%s", path);
    snprintf(node->permissions, sizeof(node->permissions), "%s", permissions);
    return node;
}

static bool below(const char *path, const char *top)
{
    size_t size = strlen(top);
    return strncmp(path, top, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool remove_from(struct tree *t, const char *path)
{
    unsigned kept = 0, before = t->count;
    for (unsigned i = 0; i < before; i++)
        if (!below(t->node[i].path, path))
            t->node[kept++] = t->node[i];
    t->count = kept;
    return kept != before;
}

void world_write(const char *path, const char *value)
{
    snprintf(make(&tree, path)->value, sizeof(tree.node[0].value), "%s", value);
}

void world_remove(const char *path)
{
    remove_from(&tree, path);
}

const char *world_value(const char *path)
{
    struct fake_node *node = find(&tree, path);
    return node != NULL ? node->value : "";
}

const char *world_permissions(const char *path)
{
    struct fake_node *node = find(&tree, path);
    return node != NULL ? node->permissions : "";
}

unsigned world_nodes(void)
{
    return tree.count;
}

unsigned world_images(void)
{
    unsigned used = 0;
    for (unsigned i = 0; i < 2 * WORLD_IMAGES; i++)
        used += world.image_tag[i / WORLD_IMAGES][i % WORLD_IMAGES][0] != '\0';
    return used;
}

void world_reset(struct devices *devices)
{
    world = (struct world){.bridge_there = true};
    tree.count = 0;
    in_transaction = false;
    world_write("/local/domain/0/name", "Domain-0");
    world_write("/local/domain/7/device", "");
    world_write("/local/domain/8/device", "");
    *devices = (struct devices){.xs = FAKE_XS, .patience_ms = 3000};
}

/* --- faults ---------------------------------------------------------------------------------- */

int world_fault(void)
{
    world.calls++;
    if (world.fault_at == 0 || world.calls < world.fault_at)
        return 0;
    if (world.calls > world.fault_at && !world.dead)
        return 0;
    errno = -world.fault_error;
    return world.fault_error;
}

/* --- libxenstore ----------------------------------------------------------------------------- */

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
    (void)h;
    if (in_transaction)
        bail_out("a transaction is left open");
    if (world_fault())
        return XBT_NULL;
    copy = tree;
    in_transaction = true;
    return 1;
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
    (void)h;
    tree_of(t);
    in_transaction = false;
    if (world_fault())
        return false;
    if (!abort && world.conflicts > 0) {
        world.conflicts--;
        errno = EAGAIN;
        return false;
    }
    if (!abort)
        tree = copy;
    return true;
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *len)
{
    (void)h;
    if (world_fault())
        return NULL;
    struct fake_node *node = find(tree_of(t), path);
    if (node == NULL) {
        errno = ENOENT;
        return NULL;
    }
    if (len != NULL)
        *len = (unsigned)strlen(node->value);
    return strdup(node->value);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path, const void *data,
              unsigned int len)
{
    (void)h;
    if (world_fault())
        return false;
    struct fake_node *node = make(tree_of(t), path);
    snprintf(node->value, sizeof(node->value), "%.*s", (int)len, (const char *)data);
    return true;
}

bool xs_mkdir(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    (void)h;
    if (world_fault())
        return false;
    make(tree_of(t), path);
    return true;
}

bool xs_rm(struct xs_handle *h, xs_transaction_t t, const char *path)
{
    (void)h;
    if (world_fault())
        return false;
    if (remove_from(tree_of(t), path))
        return true;
    errno = ENOENT;
    return false;
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t, const char *path,
                        struct xs_permissions *perms, unsigned int num_perms)
{
    (void)h;
    if (world_fault())
        return false;
    struct fake_node *node = find(tree_of(t), path);
    if (node == NULL)
        bail_out("permissions of no node");
    node->permissions[0] = '\0';
    for (unsigned i = 0; i < num_perms; i++) {
        size_t used = strlen(node->permissions);
        snprintf(node->permissions + used, sizeof(node->permissions) - used, "%c%u",
                 perms[i].perms == XS_PERM_NONE ? 'n' : 'r', perms[i].id);
    }
    return true;
}

char **xs_directory(struct xs_handle *h, xs_transaction_t t, const char *path, unsigned int *num)
{
    (void)h;
    if (world_fault())
        return NULL;
    struct tree *from = tree_of(t);
    if (find(from, path) == NULL) {
        errno = ENOENT;
        return NULL;
    }
    size_t prefix = strlen(path), bytes = 0;
    *num = 0;
    char **names = calloc(1, MAX_NODES * (sizeof(char *) + 160));
    char *text = (char *)(names + MAX_NODES);
    for (unsigned i = 0; i < from->count; i++) {
        const char *node = from->node[i].path;
        if (below(node, path) && node[prefix] == '/' && strchr(node + prefix + 1, '/') == NULL) {
            names[(*num)++] = strcpy(text + bytes, node + prefix + 1);
            bytes += strlen(node + prefix + 1) + 1;
        }
    }
    return names;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max,
                          xc_domaininfo_t *info)
{
    (void)xch, (void)max;
    if (world.list_error != 0) {
        errno = -world.list_error;
        return -1;
    }
    if (first > 8)
        return 0;
    *info = (xc_domaininfo_t){.domain = (domid_t)first};
    if (first == 7)
        memcpy(info->handle, world.handle, sizeof(info->handle));
    if (first == 7 && world.domain_dead)
        info->flags = XEN_DOMINF_shutdown;
    return 1;
}

/* --- the drivers of both ends, a step at each pause ------------------------------------------ */

static void step_driver(const char *back)
{
    char state[200], online[200], error[200], script[200];
    snprintf(script, sizeof(script), "%s/script", back);
    snprintf(state, sizeof(state), "%s/state", back);
    snprintf(online, sizeof(online), "%s/online", back);
    bool closing = strcmp(world_value(online), "0") == 0;
    if (strcmp(world_value(state), "1") == 0 && !world.no_drivers) {
        world_write(state, world.driver_fails ? "5" : "2");
        if (world.driver_fails) {
            snprintf(error, sizeof(error), "/local/domain/0/error/%s/error",
                     back + strlen("/local/domain/0/"));
            world_write(error, "22 no such thing");
        } else if (strstr(back, "/vif/") != NULL && find(&tree, script) == NULL) {
            world_write(state, "5"); /* Linux's netback: "reading script" */
        } else if (strstr(back, "/vif/") != NULL) {
            snprintf(world.interface, sizeof(world.interface), "vif7.%s", strrchr(back, '/') + 1);
        }
    } else if (closing && world.guest == GUEST_POLITE) {
        world_write(state, "6");
    } else if (closing && world.guest == GUEST_VANISHES) {
        world_remove(back);
    } else if (closing && world.guest == GUEST_RUBBISH) {
        static const char *const states[] = {"4", "3", "8", "7"};
        world_write(state, states[world.now_ms % 4]);
        world_write("/local/domain/7/device/vbd/51712/state", world.now_ms % 2 ? "6" : "-1");
        world_write("/local/domain/7/device/vbd/51712/backend", "/local/domain/0");
    }
}

void host_pause(unsigned *step)
{
    *step = 50;
    world.now_ms += 51;
    if (world.now_ms > 1000000)
        bail_out("somebody waits for ever");
    for (unsigned i = 0; i < tree.count; i++) {
        const char *path = tree.node[i].path, *top = "/local/domain/0/backend/";
        if (strncmp(path, top, strlen(top)) == 0 && strstr(path, "/online") != NULL) {
            char back[160];
            snprintf(back, sizeof(back), "%s", path);
            *strrchr(back, '/') = '\0';
            step_driver(back);
        }
    }
}

uint64_t host_now_ms(void)
{
    return world.now_ms;
}

bool host_backend_exists(const char *name)
{
    char path[64];
    unsigned domid, id;

    if (sscanf(name, "vbd-%u-%u", &domid, &id) != 2)
        return world.driver_sticks;
    snprintf(path, sizeof(path), "/local/domain/0/backend/vbd/%u/%u", domid, id);
    if (world.driver_late > 0) {
        char node[96];

        world.driver_late--;
        snprintf(node, sizeof(node), "%s/feature-barrier", path);
        world_write(node, "1");
        return !world.driver_late_lets_go;
    }
    return world.driver_sticks || (find(&tree, path) != NULL && !world.driver_late_lets_go);
}

/* --- disks ----------------------------------------------------------------------------------- */

int host_target(const char *path, bool write, struct host_target *target, struct message *why)
{
    (void)write;
    if (world_fault())
        return message_set(why, world.fault_error, "no target");
    *target = (struct host_target){.is_device = world.target_is_device, .device = makedev(254, 3)};
    snprintf(target->identity, sizeof(target->identity), "id%s", strrchr(path, '/') + 1);
    return 0;
}

static int choose(unsigned kind, unsigned *number, struct message *why)
{
    if (world_fault())
        return message_set(why, world.fault_error, "no number");
    for (*number = WORLD_FIRST; world.image_tag[kind][*number][0] != '\0';)
        if (++*number == WORLD_IMAGES)
            return message_set(why, -EBUSY, "no number is free");
    return 0;
}

static int make_image(unsigned kind, unsigned number, const struct host_image *image, dev_t *device,
                      struct message *why)
{
    if (world_fault())
        return message_set(why, world.fault_error, "no image");
    if (world.busy_images > 0) {
        world.busy_images--;
        snprintf(world.image_tag[kind][number], 64, "of another");
        return message_set(why, -EBUSY, "taken");
    }
    snprintf(world.image_tag[kind][number], 64, "%s", image->tag);
    *device = makedev(kind == 0 ? 7 : 43, number);
    return 0;
}

static int free_image(unsigned kind, unsigned number, const char *tag, struct message *why)
{
    if (world_fault())
        return message_set(why, world.fault_error, "the image stays");
    if (strcmp(world.image_tag[kind][number], tag) == 0)
        world.image_tag[kind][number][0] = '\0';
    return 0;
}

int loop_choose(unsigned *number, struct message *why)
{
    return choose(0, number, why);
}

int loop_make(unsigned number, const struct host_image *image, dev_t *device, struct message *why)
{
    return make_image(0, number, image, device, why);
}

int loop_free(unsigned number, const char *tag, struct message *why)
{
    return free_image(0, number, tag, why);
}

int nbd_choose(unsigned *number, struct message *why)
{
    return choose(1, number, why);
}

int nbd_make(unsigned number, const struct host_image *image, dev_t *device, struct message *why)
{
    return make_image(1, number, image, device, why);
}

int nbd_free(unsigned number, const char *tag, unsigned patience_ms, struct message *why)
{
    (void)patience_ms;
    return free_image(1, number, tag, why);
}

/* --- cards ----------------------------------------------------------------------------------- */

bool host_interface_exists(const char *name)
{
    return strcmp(world.interface, name) == 0;
}

const char *host_default_bridge(void)
{
    return world.bridge_there ? "paravanebr0" : NULL;
}

bool host_bridge_exists(const char *name)
{
    return world.bridge_there && strcmp(name, "nobridge") != 0;
}

int host_interface_rename(const char *from, const char *to, struct message *why)
{
    if (world_fault() || strcmp(from, world.interface) != 0)
        return message_set(why, -EIO, "not renamed");
    snprintf(world.interface, sizeof(world.interface), "%s", to);
    return 0;
}

int host_interface_mtu(const char *name, unsigned mtu, struct message *why)
{
    if (world_fault() || strcmp(name, world.interface) != 0)
        return message_set(why, -EIO, "no such MTU");
    world.mtu = mtu;
    return 0;
}

int host_interface_join(const char *name, const char *bridge, unsigned mtu, struct message *why)
{
    if (world_fault() || strcmp(name, world.interface) != 0)
        return message_set(why, -EIO, "not joined");
    world.mtu = mtu;
    snprintf(world.port_of, sizeof(world.port_of), "%s", bridge);
    return 0;
}

int host_script(const char *path, const char *const args[], const char *const variables[],
                unsigned patience_ms, struct message *why)
{
    (void)patience_ms;
    size_t used = strlen(world.script_log);
    used += (size_t)snprintf(world.script_log + used, sizeof(world.script_log) - used, "%s %s",
                             path, args[0]);
    for (; *variables != NULL && used < sizeof(world.script_log); variables++)
        used += (size_t)snprintf(world.script_log + used, sizeof(world.script_log) - used, " %s",
                                 *variables);
    if (world_fault() || world.script_result != 0)
        return message_set(why, -EIO, "the script failed");
    return 0;
}
