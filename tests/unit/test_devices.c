/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/devices/disk.c toolstack/devices/nic.c toolstack/devices/nodes.c
 * links: toolstack/devices/claim.c toolstack/devices/teardown.c toolstack/devices/disk_parse.c
 * links: toolstack/devices/nic_parse.c toolstack/devices/spec.c toolstack/common/message.c
 * links: toolstack/common/domains.c tests/unit/device_world.c tests/unit/host.c
 *
 * Devices in the store: what stock drivers find there, and that nothing stays: after a failure at
 * each single step, after the tool's death at each, and whatever the guest does.
 */
#include <errno.h>
#include <stdlib.h>

#include "device_world.h"
#include "tap.h"

#define BACK   "/local/domain/0/backend/vbd/7/51712"
#define FRONT  "/local/domain/7/device/vbd/51712"
#define RECORD "/paravane/device/7/vbd/51712"
#define VIF    "/local/domain/0/backend/vif/7/0"
#define XVDA   51712

static struct devices devices;
static struct message why;

static int attach_disk(const char *spec, uint32_t domid)
{
    struct device_disk disk;
    if (disk_parse(spec, &disk, &why) != 0)
        bail_out("%s: %s", spec, why.text);
    int rc = disk_attach(&devices, domid, &disk, &why);
    disk_free(&disk);
    return rc;
}

static int attach_nic(const char *spec)
{
    struct device_nic nic;
    if (nic_parse(spec, &nic, &why) != 0)
        bail_out("%s: %s", spec, why.text);
    int rc = nic_attach(&devices, 7, &nic, &why);
    nic_free(&nic);
    return rc;
}

/* Set when a world is fresh: nothing may be there but its nodes. */
static unsigned fresh_nodes;

static void begin(void)
{
    world_reset(&devices);
    fresh_nodes = world_nodes();
}

static bool nothing_left(void)
{
    return world_nodes() == fresh_nodes && world_images() == 0;
}

/* The guest's driver has connected. */
static void connect_disk(void)
{
    world_write(BACK "/state", "4");
    world_write(FRONT "/state", "4");
}

/* --- disks ----------------------------------------------------------------------------------- */

static void check_disk_nodes(void)
{
    static const char *const nodes[][2] = {
        {BACK "/frontend", FRONT},
        {BACK "/frontend-id", "7"},
        {BACK "/online", "1"},
        {BACK "/state", "2"},
        {BACK "/dev", "xvda"},
        {BACK "/mode", "w"},
        {BACK "/type", "phy"},
        {BACK "/device-type", "disk"},
        {BACK "/removable", "0"},
        {BACK "/bootable", "1"},
        {BACK "/discard-enable", "1"},
        {BACK "/params", "/dev/vg/web"},
        {FRONT "/trusted", "1"},
        {BACK "/physical-device", "fe:3"},
        {BACK "/direct-io-safe", "0"},
        {BACK "/hotplug-status", "connected"},
        {FRONT "/backend", BACK},
        {FRONT "/backend-id", "0"},
        {FRONT "/state", "1"},
        {FRONT "/virtual-device", "51712"},
        {FRONT "/device-type", "disk"},
        {RECORD "/disk", "idweb"},
        {"/paravane/disk/idweb/7-51712", "w"},
    };
    begin();
    world.target_is_device = true;
    is(attach_disk("/dev/vg/web,raw,xvda,w", 7), 0, "a block device is attached");
    for (unsigned i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        is_str(world_value(nodes[i][0]), nodes[i][1], "%s", nodes[i][0]);
    is_str(world_value(RECORD "/pid"), "", "the attach is over");
    is_str(world_value(RECORD "/made"), "", "nothing was made for it");
    is_str(world_permissions(BACK), "n0r7", "the back-end's nodes are read by the guest");
    is_str(world_permissions(BACK "/params"), "n0r7", "each of them");
    is_str(world_permissions(FRONT), "n7r0", "the front-end's are the guest's");
    is_str(world_permissions(FRONT "/state"), "n7r0", "each of them");
    is_str(world_permissions(RECORD), "n0", "the record is no guest's");
    is(attach_disk("/dev/vg/other,raw,xvda,w", 7), -EEXIST, "there is one xvda");
    is(attach_disk("/dev/vg/other,raw,xvda,w", 9), -ENOENT, "there is no guest 9");
    is(disk_detach(&devices, 7, XVDA, false, &why), 0, "it is detached");
    ok(nothing_left(), "nothing is left");
    is(disk_detach(&devices, 7, XVDA, false, &why), -ENOENT, "once");
}

static void check_images(void)
{
    begin();
    is(attach_disk("/images/web,raw,xvda,r", 7), 0, "a raw image is attached");
    is_str(world_value(BACK "/physical-device"), "7:3", "by a loop device");
    is_str(world_value(BACK "/mode"), "r", "to read");
    is_str(world_value(RECORD "/made"), "loop 3", "which the record names");
    is_str(world.image_tag[0][3], "paravane-7-vbd-51712", "and which says whose it is");
    is(attach_disk("vdev=xvdb,format=qcow2,no-discard,untrusted,target=/images/data", 7), 0,
       "a qcow2 one");
    is_str(world_value("/local/domain/7/device/vbd/51728/trusted"), "0",
           "whose front-end is told not to trust");
    is_str(world_value("/local/domain/0/backend/vbd/7/51728/physical-device"), "2b:3",
           "by a network block device");
    is_str(world_value("/local/domain/0/backend/vbd/7/51728/discard-enable"), "0", "no discard");
    is(devices_destroy(&devices, 7, &why), 0, "all goes with the guest");
    ok(nothing_left(), "nothing is left");

    begin();
    world.busy_images = 2;
    is(attach_disk("/images/web,raw,xvda,w", 7), 0, "a number that another takes is no failure");
    is_str(world_value(RECORD "/made"), "loop 5", "the third was free");
    is(disk_detach(&devices, 7, XVDA, true, &why), 0, "detached by force");
    ok(world_nodes() == fresh_nodes && world_images() == 2, "the others' devices stay");

    begin();
    is(attach_disk("/images/web,raw,xvda,w", 7), 0, "attached");
    snprintf(world.image_tag[0][3], 64, "paravane-8-vbd-51712");
    is(disk_detach(&devices, 7, XVDA, false, &why), 0, "detached");
    is(world_images(), 1, "a loop device that is another's by now is left alone");
}

static void check_sharing(void)
{
    begin();
    is(attach_disk("/images/web,raw,xvda,w", 7), 0, "a writer");
    is(attach_disk("/images/web,raw,xvda,w", 8), -EBUSY, "no second one");
    ok(strstr(why.text, "7-51712") != NULL, "the first is named: %s", why.text);
    is(attach_disk("/images/web,raw,xvda,r", 8), -EBUSY, "no reader");
    is(attach_disk("/images/web,raw,xvdb,w", 7), -EBUSY, "nor in the same guest");
    world.list_error = -EINTR;
    is(attach_disk("/images/web,raw,xvda,w", 8), -EBUSY, "nobody tells whether the first runs");
    world.list_error = 0;
    world.domain_dead = true;
    is(attach_disk("/images/web,raw,xvda,w", 8), 0, "a guest that has stopped does not count");
    is(devices_destroy(&devices, 7, &why), 0, "one goes");
    is(devices_destroy(&devices, 8, &why), 0, "the other goes");
    ok(nothing_left(), "nothing is left");
    world.domain_dead = false;
    is(attach_disk("/images/web,raw,xvda,r", 7), 0, "a reader");
    is(attach_disk("/images/web,raw,xvda,r", 8), 0, "another");
    is(attach_disk("/images/web,raw,xvdb,w", 8), -EBUSY, "no writer");
    devices_destroy(&devices, 7, &why);
    devices_destroy(&devices, 8, &why);
    ok(nothing_left(), "nothing is left");
}

/* How long a driver is waited for that never comes, and a guest that never answers. */
static void check_patience(const char *variable, unsigned driver_ms, unsigned guest_ms)
{
    begin();
    devices.patience_ms = 0;
    if (variable != NULL)
        setenv("PARAVANE_PATIENCE", variable, 1);
    world.no_drivers = true;
    attach_disk("/images/web,raw,xvda,w", 7);
    ok(world.now_ms >= driver_ms && world.now_ms < driver_ms + 1000, "a driver has %u ms",
       driver_ms);
    begin();
    devices.patience_ms = 0;
    attach_disk("/images/web,raw,xvda,w", 7);
    connect_disk();
    world.guest = GUEST_DEAF;
    uint64_t start = world.now_ms;
    is(disk_detach(&devices, 7, XVDA, false, &why), -EBUSY, "a guest that is deaf");
    ok(world.now_ms - start >= guest_ms && world.now_ms - start < guest_ms + 1000, "has %u ms",
       guest_ms);
    unsetenv("PARAVANE_PATIENCE");
}

static void check_drivers(void)
{
    begin();
    world.no_drivers = true;
    is(attach_disk("/images/web,raw,xvda,w", 7), -ETIMEDOUT, "no driver takes it up");
    ok(strstr(why.text, "xen-blkback") != NULL, "what to look for is said: %s", why.text);
    ok(nothing_left(), "nothing is left");
    ok(world.now_ms < 2 * devices.patience_ms, "in bounded time");
    begin();
    world.driver_fails = true;
    is(attach_disk("/images/web,raw,xvda,w", 7), -EIO, "a driver that refuses");
    ok(strstr(why.text, "22 no such thing") != NULL, "is quoted: %s", why.text);
    ok(nothing_left(), "nothing is left, the driver's error neither");
    begin();
    attach_disk("/images/web,raw,xvda,w", 7);
    world.driver_sticks = true;
    is(disk_detach(&devices, 7, XVDA, true, &why), -ETIMEDOUT, "a driver that holds on");
    is(world_images(), 0, "the loop device goes with it");
    world.driver_sticks = false;
    is(devices_destroy(&devices, 7, &why), 0, "later it is found again");
    ok(nothing_left(), "nothing is left");
}

/* A domain that went without its device, whose number another one gets. */
static void check_reused(void)
{
    begin();
    is(devices_clear(&devices, 7, &why), 0, "a number that nobody had");
    attach_disk("/images/web,raw,xvda,w", 7);
    world.driver_sticks = true;
    is(devices_destroy(&devices, 7, &why), -ETIMEDOUT, "a device outlives its guest");
    is(devices_clear(&devices, 7, &why), -ETIMEDOUT, "and keeps its number from another");
    world.driver_sticks = false;
    is(devices_clear(&devices, 7, &why), 0, "until its driver lets it go");
    ok(nothing_left(), "nothing is left");
    is(attach_disk("/images/web,raw,xvda,w", 8), 0, "the disk is free");
    is(attach_disk("/images/other,raw,xvda,w", 7), 0, "the number, too");
}

/* --- guests ---------------------------------------------------------------------------------- */

static void check_guests(void)
{
    begin();
    attach_disk("/images/web,raw,xvda,w", 7);
    connect_disk();
    is(disk_detach(&devices, 7, XVDA, false, &why), 0, "a polite guest lets go");
    ok(nothing_left(), "nothing is left");

    static const enum guest_habit bad[] = {GUEST_DEAF, GUEST_RUBBISH};
    for (unsigned i = 0; i < 2; i++) {
        begin();
        attach_disk("/images/web,raw,xvda,w", 7);
        connect_disk();
        world.guest = bad[i];
        uint64_t start = world.now_ms;
        is(disk_detach(&devices, 7, XVDA, false, &why), -EBUSY, "a guest that does not let go");
        ok(world.now_ms - start < 2 * devices.patience_ms, "is waited for no longer than said");
        is_str(world_value(BACK "/online"), "0", "it stays asked");
        is(world_images(), 1, "what it uses stays");
        start = world.now_ms;
        is(disk_detach(&devices, 7, XVDA, true, &why), 0, "force goes on without it");
        ok(world.now_ms - start >= devices.patience_ms &&
               world.now_ms - start < 2 * devices.patience_ms,
           "after it was asked");
        ok(nothing_left(), "nothing is left");
    }

    begin();
    attach_disk("/images/web,raw,xvda,w", 7);
    connect_disk();
    world.guest = GUEST_VANISHES;
    is(disk_detach(&devices, 7, XVDA, false, &why), 0, "nodes that vanish meanwhile");
    ok(nothing_left(), "nothing is left");

    /* A driver that was just connecting makes nodes anew that have been removed. */
    for (unsigned i = 0; i < 2; i++) {
        begin();
        attach_disk("/images/web,raw,xvda,w", 7);
        world.driver_late = 1;
        world.driver_late_lets_go = i == 1;
        is(disk_detach(&devices, 7, XVDA, true, &why), 0, "a driver that writes late");
        ok(nothing_left(), "nothing is left");
        is(attach_disk("/images/web,raw,xvda,w", 7), 0, "the device's number is free");
    }

    begin();
    attach_disk("/images/web,raw,xvda,w", 7);
    connect_disk();
    world.guest = GUEST_DEAF;
    world.domain_dead = true;
    uint64_t start = world.now_ms;
    is(disk_detach(&devices, 7, XVDA, false, &why), 0, "a dead guest is not waited for");
    is(world.now_ms, start, "not at all");
    ok(nothing_left(), "nothing is left");

    begin();
    attach_disk("/images/web,raw,xvda,w", 7);
    world_remove(FRONT);
    world_write(FRONT, "rubbish");
    world_write(FRONT "/backend", "/local/domain/8");
    world_write(FRONT "/x/y/z", "deep");
    is(disk_detach(&devices, 7, XVDA, false, &why), 0, "a front-end that was never there");
    ok(nothing_left(), "nothing is left, the guest's rubbish neither");
}

/* --- cards ----------------------------------------------------------------------------------- */

static void check_nics(void)
{
    begin();
    is(attach_nic("mac=00:16:3e:00:00:09,ip=10.0.0.2,rate=10Mb/s,mtu=1400"), 0, "a card");
    is_str(world_value(VIF "/mac"), "00:16:3e:00:00:09", "its address");
    is_str(world_value("/local/domain/7/device/vif/0/mac"), "00:16:3e:00:00:09", "in the guest");
    is_str(world_value("/local/domain/7/device/vif/0/handle"), "0", "its number");
    is_str(world_value("/local/domain/7/device/vif/0/ip"), "10.0.0.2", "its IP");
    is_str(world_value(VIF "/handle"), "0", "in the back-end, too");
    is_str(world_value(VIF "/rate"), "62500,50000", "its rate");
    is_str(world_value(VIF "/bridge"), "paravanebr0", "the default bridge");
    is_str(world_value(VIF "/hotplug-status"), "connected", "netback may connect");
    is_str(world_permissions(VIF "/mac"), "n0r7", "read by the guest");
    is_str(world.port_of, "paravanebr0", "it is a port of it");
    is(world.mtu, 1400, "with this MTU");
    is(attach_nic("bridge=xenbr1,vifname=web1"), 0, "a second card");
    ok(strncmp(world_value("/local/domain/0/backend/vif/7/1/mac"), "00:16:3e:", 9) == 0,
       "its address is made: %s", world_value("/local/domain/0/backend/vif/7/1/mac"));
    is_str(world.interface, "web1", "it is renamed");
    is_str(world.port_of, "xenbr1", "and on its bridge");
    is(attach_nic("devid=1"), -EEXIST, "there is a card 1");
    is(attach_nic("vifname=web1"), -EEXIST, "and an interface web1");

    struct nic_status *list;
    unsigned count;
    is(nic_list(&devices, 7, &list, &count, &why), 0, "they are listed");
    is(count, 2, "both");
    is_str(list[0].ip, "10.0.0.2", "IP of the first");
    is_str(list[0].vifname, "vif7.0", "its interface");
    is(list[0].mac[5], 9, "its address");
    is_str(list[1].vifname, "web1", "interface of the second");
    is_str(list[1].bridge, "xenbr1", "its bridge");
    nic_list_free(list, count);
    is(nic_detach(&devices, 7, 0, false, &why), 0, "the first is detached");
    is(attach_nic("bridge=xenbr1"), 0, "its number is free again");
    is_str(world_value(VIF "/bridge"), "xenbr1", "and was taken");
    is(devices_destroy(&devices, 7, &why), 0, "all go");
    ok(nothing_left(), "nothing is left");
}

static void check_bad_nics(void)
{
    begin();
    world.bridge_there = false;
    is(attach_nic(""), -ENODEV, "no default bridge");
    ok(strstr(why.text, "paravanebr0") != NULL, "which is said: %s", why.text);
    is(attach_nic("bridge=nobridge"), -ENODEV, "no such bridge");
    is(attach_nic("script=/no/such/script"), -ENOENT, "no such script");
    world.bridge_there = true;
    world.no_drivers = true;
    is(attach_nic(""), -ETIMEDOUT, "no netback");
    ok(strstr(why.text, "xen-netback") != NULL, "what to look for is said: %s", why.text);
    ok(nothing_left(), "nothing is left");
}

static void check_scripts(void)
{
    begin();
    is(attach_nic("script=/bin/true,bridge=anything"), 0, "a script");
    is_str(world.script_log,
           "/bin/true online XENBUS_TYPE=vif XENBUS_BASE_PATH=backend XENBUS_PATH=" VIF
           " script=/bin/true vif=vif7.0",
           "is told what xl tells");
    is_str(world.port_of, "", "the bridge is the script's matter");
    world.script_log[0] = '\0';
    is(nic_detach(&devices, 7, 0, false, &why), 0, "detached");
    ok(strncmp(world.script_log, "/bin/true offline", 17) == 0, "the script is told");
    world.script_result = 1;
    is(attach_nic("script=/bin/true"), -EIO, "a script that fails");
    ok(nothing_left(), "nothing is left");
}

/* --- faults ---------------------------------------------------------------------------------- */

static int attach_kind(unsigned kind)
{
    switch (kind) {
    case 0:
        return attach_disk("/images/web,raw,xvda,w", 7);
    case 1:
        return attach_disk("/images/web,qcow2,xvda,w", 7);
    default:
        return attach_nic("vifname=web0,mtu=1400");
    }
}

static void check_faults(unsigned kind)
{
    static const int errors[] = {-EIO, -ENOSPC, -ENOMEM, -EACCES};
    unsigned steps, failed = 0, left = 0;
    for (steps = 1;; steps++) {
        begin();
        world.fault_at = steps;
        world.fault_error = errors[steps % 4];
        int rc = attach_kind(kind);
        if (world.calls < steps)
            break;
        failed += rc != 0;
        left += rc != 0 && !nothing_left();
        devices_destroy(&devices, 7, &why);
        left += !nothing_left();
    }
    ok(failed > 20, "of %u calls, the failure of %u undoes an attach (kind %u)", steps, failed,
       kind);
    is(left, 0, "nothing is left after any");
}

/* The tool dies at each call, in the attach or in the detach; another finds what it left. */
static void check_deaths(unsigned kind, bool in_detach)
{
    unsigned left = 0, again = 0;
    for (unsigned step = 1;; step++) {
        begin();
        if (in_detach)
            attach_kind(kind);
        world.fault_at = world.calls + step;
        world.fault_error = -EPIPE;
        world.dead = true;
        if (in_detach)
            devices_destroy(&devices, 7, NULL);
        else
            attach_kind(kind);
        bool over = world.calls < world.fault_at;
        world.fault_at = 0;
        world.interface[0] = '\0'; /* it goes with the nodes, by netback */
        if (!in_detach && !over && world_value(BACK)[0] == '\0' &&
            strcmp(world_value(BACK "/state"), "") == 0 &&
            strcmp(world_value(VIF "/state"), "") == 0)
            again += attach_kind(kind) != 0;
        devices_destroy(&devices, 7, &why);
        left += !nothing_left();
        if (over)
            break;
    }
    is(left, 0, "what a dead tool leaves is found (kind %u, %s)", kind,
       in_detach ? "detaching" : "attaching");
    is(again, 0, "and does not stand in the way of the next attach");
}

static void check_conflicts(void)
{
    begin();
    world.conflicts = 7;
    is(attach_disk("/images/web,raw,xvda,w", 7), 0, "others' changes come first: tried again");
    world.conflicts = 7;
    is(disk_detach(&devices, 7, XVDA, false, &why), 0, "also when it is detached");
    ok(nothing_left(), "nothing is left");
    world.conflicts = 1000000;
    is(attach_disk("/images/web,raw,xvda,w", 7), -EAGAIN, "but not for ever");
    world.conflicts = 0;
    ok(nothing_left(), "nothing is left");
}

static void check_lists(void)
{
    struct disk_status *list;
    unsigned count;
    begin();
    is(disk_list(&devices, 7, &list, &count, &why), 0, "no disks are listed");
    is(count, 0, "none");
    disk_list_free(list, count);
    attach_disk("/images/web,raw,xvda,r", 7);
    attach_disk("/images/data,raw,xvdb,w", 7);
    world_write("/local/domain/0/backend/vbd/7/rubbish/state", "4");
    world_write("/local/domain/0/backend/vbd/7/99999999999/state", "4");
    world_write("/local/domain/0/backend/vbd/7/3/state", "44");
    is(disk_list(&devices, 7, &list, &count, &why), 0, "they are listed");
    is(count, 3, "what is no number is no disk");
    ok(list[0].id == 3 && list[0].state == 0 && list[0].target == NULL, "one is rubbish");
    ok(list[1].id == XVDA && list[1].read_only && list[1].state == 2, "one is read only");
    is_str(list[2].vdev, "xvdb", "name");
    is_str(list[2].target, "/images/data", "target");
    is_str(list[1].backend_path, BACK, "path");
    disk_list_free(list, count);
    world.fault_at = world.calls + 1;
    world.fault_error = -EIO;
    is(disk_list(&devices, 7, &list, &count, &why), -EIO, "a store that does not answer");
}

int main(void)
{
    check_disk_nodes();
    check_images();
    check_sharing();
    check_reused();
    check_drivers();
    check_patience(NULL, 60000, 10000);
    check_patience("2", 60000, 2000);
    check_patience("90", 90000, 90000);
    check_patience("0", 60000, 10000);
    check_patience("4000", 60000, 10000);
    check_guests();
    check_nics();
    check_bad_nics();
    check_scripts();
    for (unsigned kind = 0; kind < 3; kind++) {
        check_faults(kind);
        check_deaths(kind, false);
        check_deaths(kind, true);
    }
    check_conflicts();
    check_lists();
    return done();
}
