/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/watch/rename.c toolstack/watch/past.c toolstack/guest/age.c
 * links: toolstack/common/daemon_log.c
 * links: toolstack/common/guest_names.c toolstack/common/domains.c toolstack/common/message.c
 * links: toolstack/devices/disk.c toolstack/devices/nic.c toolstack/devices/nodes.c
 * links: toolstack/devices/claim.c toolstack/devices/teardown.c toolstack/devices/disk_parse.c
 * links: toolstack/devices/nic_parse.c toolstack/devices/spec.c
 * links: tests/unit/device_world.c tests/unit/host.c
 *
 * What stopped is renamed once, whichever step fails and whoever is killed between two; and how
 * long a guest has run, whatever is done to the clock.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon_log.h"
#include "device_world.h"
#include "guest/age.h"
#include "tap.h"
#include "watch/past.h"
#include "watch/rename.h"

#define HOME    "/local/domain/7"
#define UUID    "01020304-0506-4708-890a-0b0c0d0e0f10"
#define MACHINE "/vm/" UUID
#define SPEC    "/images/web,raw,xvda,w"

static struct devices devices;
static struct guest_host host;
static struct message why;
static char web[] = "web";
static struct task task = {.domid = 7, .config.name = web};
static unsigned forgotten, handles;

/* ---- What the world lacks ------------------------------------------------------------------- */

int xc_domain_sethandle(xc_interface *xch, uint32_t domid, xen_domain_handle_t handle)
{
    (void)xch;
    if (world_fault())
        return -1;
    if (domid != 7 || forgotten == 0)
        bail_out("the handle is changed too soon");
    handles++;
    memcpy(world.handle, handle, sizeof(world.handle));
    return 0;
}

/* One that was killed forgets nothing. */
void guest_config_forget(const uint8_t uuid[16])
{
    if (memcmp(uuid, task.config.uuid, 16) != 0)
        bail_out("another's configuration is forgotten");
    if (world_fault() == 0 || !world.dead)
        forgotten++;
}

static struct timespec wall = {.tv_sec = 1700000000}, steady = {.tv_sec = 5000};

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock, now);
    *now = clock == CLOCK_REALTIME ? wall : steady;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    *now = (struct timeval){.tv_sec = wall.tv_sec};
    return 0;
}

/* ---- Renaming ------------------------------------------------------------------------------- */

static void begin(void)
{
    struct device_disk disk;

    world_reset(&devices);
    host = (struct guest_host){.xch = devices.xch, .xs = devices.xs};
    forgotten = handles = 0;
    uuid_from_text(UUID, task.config.uuid);
    memcpy(world.handle, task.config.uuid, 16);
    world_write(HOME "/vm", MACHINE);
    world_write(HOME "/name", "web");
    world_write(MACHINE "/name", "web");
    world_write(MACHINE "/" GUEST_STARTED_NODE, "4900");
    if (disk_parse(SPEC, &disk, &why) || disk_attach(&devices, 7, &disk, &why))
        bail_out("no disk: %s", why.text);
    disk_free(&disk);
    world.domain_dead = true;
    world.calls = 0;
}

/* Its one record says what the handle and its own nodes say, and no device is left. */
static bool is_renamed(unsigned nodes)
{
    char text[37], path[64], name[128];

    uuid_to_text(world.handle, text);
    snprintf(path, sizeof(path), "/vm/%s", text);
    if (strcmp(text, UUID) == 0 || strcmp(world_value(HOME "/vm"), path) != 0)
        return false;
    snprintf(path, sizeof(path), "/vm/%s/name", text);
    snprintf(name, sizeof(name), "%s", world_value(path));
    return strncmp(name, "web-20", 6) == 0 && strcmp(world_value(HOME "/name"), name) == 0 &&
           strcmp(world_value(MACHINE "/name"), "web") == 0 &&
           guest_age(host.xs, world.handle) == 100 && world_nodes() == nodes &&
           world_images() == 0 && handles == 1 && forgotten > 0;
}

/* Fails, or is killed, at each of its calls; then it is done again, as often as that takes. */
static void test_faults(unsigned nodes, unsigned calls, bool dead)
{
    unsigned wrong = 0, failed = 0;

    for (unsigned at = 1; at <= calls; at++) {
        begin();
        world.fault_at = at;
        world.fault_error = -EIO;
        world.dead = dead;
        int rc = rename_stopped(&host, &task, &why);
        failed += rc != 0;
        world.fault_at = 0;
        world.dead = false;
        if (rename_stopped(&host, &task, &why) == 0 && is_renamed(nodes))
            continue;
        if (wrong++ < 5)
            diag("call %u: %s, %u nodes", at, why.text, world_nodes());
    }
    ok(failed > 10, "%u of %u calls that fail are told", failed, calls);
    is(wrong, 0, "%s at any of %u calls, it is done by the next", dead ? "killed" : "failing",
       calls);
}

static void test_rename(void)
{
    begin();
    is(rename_stopped(&host, &task, &why), 0, "what stopped is renamed");
    unsigned nodes = world_nodes(), calls = world.calls;
    ok(is_renamed(nodes), "to %s", world_value(HOME "/name"));
    is(rename_stopped(&host, &task, &why), 0, "doing it again");
    ok(is_renamed(nodes), "changes nothing");
    test_faults(nodes, calls, false);
    test_faults(nodes, calls, true);

    begin();
    world.list_error = -EINTR;
    is(rename_stopped(&host, &task, &why), -EINTR, "while domains cannot be listed");
    is_str(world_value(HOME "/name"), "web", "nothing is done");
    is(task_domain(host.xch, &task), -EINTR, "as nobody can tell whether it is there");
    world.list_error = 0;
    is(task_domain(host.xch, &task), 1, "it is there");
    world.handle[0]++;
    is(task_domain(host.xch, &task), 0, "one of another UUID is not it");
}

/* ---- The past ------------------------------------------------------------------------------- */

static void test_past(void)
{
    static const uint8_t other[16] = {1};

    begin();
    world_write(MACHINE "/start_time", "1699999900.00");
    is(guest_age(host.xs, task.config.uuid), 100, "it has run 100 s");
    wall.tv_sec -= 86400;
    is(guest_age(host.xs, task.config.uuid), 100, "also when the clock was set back a day");
    wall.tv_sec += 2 * 86400;
    is(guest_age(host.xs, task.config.uuid), 100, "or ahead");
    world_write(MACHINE "/" GUEST_STARTED_NODE, "5001");
    is(guest_age(host.xs, task.config.uuid), -1, "it cannot have begun yet");
    world_write(MACHINE "/" GUEST_STARTED_NODE, "x");
    is(guest_age(host.xs, task.config.uuid), -1, "rubbish");
    is(guest_age(host.xs, other), -1, "nobody knows when another began");
    is(past_quick_stops(host.xs, task.config.uuid), 0, "no quick stop so far");
    past_keep_quick_stops(host.xs, task.config.uuid, 2);
    is(past_quick_stops(host.xs, task.config.uuid), 2, "two are remembered");
}

int main(void)
{
    daemon_log_open("test", false, LOG_WARNING);
    test_rename();
    test_past();
    return done();
}
