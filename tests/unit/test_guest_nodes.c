/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/guest/nodes.c toolstack/common/guest_names.c toolstack/common/message.c
 * links: tests/unit/device_world.c tests/unit/host.c
 *
 * A guest's nodes in the store: all or none of them, and none of a domain that had its number
 * before.
 */
#include <errno.h>
#include <time.h>

#include "device_world.h"
#include "guest/age.h"
#include "guest/nodes.h"
#include "tap.h"

#define UUID "01020304-0506-4708-890a-0b0c0d0e0f10"
#define HOME "/local/domain/7"

static struct devices devices;
static struct guest_host host;
static struct message why;
static char web[] = "web", kernel[] = "/boot/vmlinuz", cmdline[] = "quiet";
static struct guest_config config = {.name = web,
                                     .kernel = kernel,
                                     .cmdline = cmdline,
                                     .memory_kib = 65536,
                                     .max_memory_kib = 131072,
                                     .vcpus = 1,
                                     .max_vcpus = 2};
static const struct guest_rings rings = {
    .store_mfn = 1000, .console_mfn = 1001, .store_port = 1, .console_port = 2};

static void begin(void)
{
    world_reset(&devices);
    world_remove(HOME);
    host = (struct guest_host){.xs = devices.xs};
    uuid_from_text(UUID, config.uuid);
}

static int make(void)
{
    return guest_nodes_make(&host, &config, 7, &rings, &why);
}

static void test_made(void)
{
    struct timespec now;

    begin();
    unsigned before = world_nodes();
    is(make(), 0, "a guest's nodes");
    unsigned all = world_nodes();
    is_str(world_value(HOME "/name"), "web", "its name");
    is_str(world_value(HOME "/cpu/0/availability"), "online", "one vCPU");
    is_str(world_value(HOME "/cpu/1/availability"), "offline", "and one for later");
    is_str(world_permissions(HOME "/name"), "n0r7", "it may read");
    is_str(world_permissions(HOME "/data"), "n7", "and has a place of its own");
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long began = atoll(world_value("/vm/" UUID "/" GUEST_STARTED_NODE));
    ok(began > now.tv_sec - 60 && began <= now.tv_sec, "when it began, by a clock that stands");
    is(guest_nodes_remove(&host, 7, config.uuid), 0, "they go");
    is(world_nodes(), before + 1, "all but the directory of machines");

    begin();
    world_write(HOME "/name", "dead");
    world_write(HOME "/data/secret", "of another");
    world_write(HOME "/device/vbd/51712/state", "4");
    world_write(HOME "/cpu/5/availability", "online");
    is(make(), 0, "with nodes that an earlier domain has left");
    is_str(world_value(HOME "/data/secret"), "", "nothing of it is there");
    is_str(world_value(HOME "/device/vbd/51712/state"), "", "no device either");
    is(world_nodes(), all, "but what is made each time");
    is_str(world_value(HOME "/name"), "web", "the name is the new one's");
}

static void test_faults(void)
{
    unsigned wrong = 0, calls;

    begin();
    make();
    calls = world.calls;
    for (unsigned at = 1; at <= calls; at++) {
        begin();
        world_write(HOME "/data", "of another");
        unsigned before = world_nodes();
        world.fault_at = at;
        world.fault_error = -EIO;
        wrong += make() == 0 || world_nodes() != before || why.text[0] == '\0';
    }
    is(wrong, 0, "failing at any of %u calls leaves the store as it was", calls);
    begin();
    world.conflicts = 3;
    is(make(), 0, "others' changes come first, three times");
}

int main(void)
{
    test_made();
    test_faults();
    return done();
}
