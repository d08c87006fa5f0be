/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/devices/disk_parse.c toolstack/devices/nic_parse.c toolstack/devices/spec.c
 * links: toolstack/common/message.c tests/unit/host.c
 *
 * Descriptions of disks and network cards: each key, the old forms, and every kind of broken input
 * with the column that the error names. Random strings at the end: nothing crashes or leaks.
 */
#include <errno.h>
#include <unistd.h>

#include "devices/devices.h"
#include "tap.h"

static struct message why;

/* --- disks ----------------------------------------------------------------------------------- */

static void check_numbers(void)
{
    static const struct {
        const char *name;
        unsigned number;
    } cases[] = {
        {"xvda", 51712},
        {"xvda1", 51713},
        {"xvdb", 51728},
        {"xvdp15", 202 << 8 | 15 << 4 | 15},
        {"xvda16", 1 << 28 | 16},
        {"xvdq", 1 << 28 | 16 << 8},
        {"xvdz", 1 << 28 | 25 << 8},
        {"xvdaa", 1 << 28 | 26 << 8},
        {"xvdzz255", 1 << 28 | 701 << 8 | 255},
        {"sda", 2048},
        {"sdp15", 8 << 8 | 255},
        {"hda", 768},
        {"hdb1", 3 << 8 | 64 | 1},
        {"hdc", 22 << 8},
        {"hdd63", 22 << 8 | 64 | 63},
        {"d0", 51712},
        {"d0p1", 51713},
        {"d26p3", 1 << 28 | 26 << 8 | 3},
        /* None of these is a disk's name. */
        {"", 0},
        {"x", 0},
        {"d", 0},
        {"xvd", 0},
        {"xvda0", 0},
        {"xvda01", 0},
        {"xvda256", 0},
        {"xvda1x", 0},
        {"xvda-1", 0},
        {"xvda99999999999", 0},
        {"xvdA", 0},
        {"XVDA", 0},
        {"xvdzzzzzzzzz", 0},
        {"hde", 0},
        {"hda64", 0},
        {"sdq", 0},
        {"sda16", 0},
        {"d0p", 0},
        {"d01", 0},
        {"d0p256", 0},
        {"d1048576", 0},
        {"d9999999999", 0},
        {"vda", 0},
        {"/dev/xvda", 0},
        {"51712", 0},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        is(disk_number(cases[i].name), cases[i].number, "number of \"%s\"", cases[i].name);
}

static void check_disk(const char *text, const struct device_disk *want)
{
    struct device_disk disk;
    if (!is(disk_parse(text, &disk, &why), 0, "\"%s\" is a disk", text)) {
        diag("%s", why.text);
        return;
    }
    is_str(disk.target, want->target, "its target");
    is_str(disk.vdev, want->vdev, "its name");
    is(disk.id, disk_number(want->vdev), "its number");
    ok(disk.format == want->format && disk.read_only == want->read_only &&
           disk.cdrom == want->cdrom && disk.direct_io == want->direct_io &&
           disk.no_discard == want->no_discard && disk.untrusted == want->untrusted,
       "all else of \"%s\"", text);
    disk_free(&disk);
    ok(disk.target == NULL, "nothing is left of it");
}

#define DISK(text, ...)                                                                            \
    do {                                                                                           \
        char path[] = "/d", raw_path[] = "/d,e=f", dev[] = "/dev/vg/d";                            \
        (void)path, (void)raw_path, (void)dev;                                                     \
        check_disk(text, &(struct device_disk){__VA_ARGS__});                                      \
    } while (0)

static void check_disks(void)
{
    DISK("/d,raw,xvda,rw", .target = path, .vdev = "xvda");
    DISK("/d,raw,xvda,w", .target = path, .vdev = "xvda");
    DISK("/d,raw,xvda,ro", .target = path, .vdev = "xvda", .read_only = true);
    DISK("/d,,xvdb", .target = path, .vdev = "xvdb");
    DISK(" /d , qcow2 , xvdb , r ", .target = path, .vdev = "xvdb", .format = DISK_QCOW2,
         .read_only = true);
    DISK("/d,qcow2,xvdb,r,cdrom", .target = path, .vdev = "xvdb", .format = DISK_QCOW2,
         .read_only = true, .cdrom = true);
    DISK("vdev=xvda,target=/d", .target = path, .vdev = "xvda");
    DISK("format=qcow2, vdev = sda1, access=ro, target=/d", .target = path, .vdev = "sda1",
         .format = DISK_QCOW2, .read_only = true);
    DISK("vdev=xvda,target=/d,e=f", .target = raw_path, .vdev = "xvda");
    DISK("/d,vdev=xvda", .target = path, .vdev = "xvda");
    DISK("/d,,,r,vdev=hda", .target = path, .vdev = "hda", .read_only = true);
    DISK("vdev=xvda,devtype=cdrom,target=/d", .target = path, .vdev = "xvda", .cdrom = true,
         .read_only = true);
    DISK("vdev=xvda,devtype=disk,target=/d", .target = path, .vdev = "xvda");
    DISK("vdev=xvda,backendtype=phy,backend=0,specification=xen,target=/d", .target = path,
         .vdev = "xvda");
    DISK("vdev=xvda,backend=Domain-0,target=/d", .target = path, .vdev = "xvda");
    DISK("/d,raw,xvda,w,no-discard,direct-io-safe,untrusted", .target = path, .vdev = "xvda",
         .no_discard = true, .direct_io = true, .untrusted = true);
    DISK("/d,raw,xvda,w,no-discard,discard,untrusted,trusted", .target = path, .vdev = "xvda");

    /* As configurations were written before the items had names. */
    DISK("phy:/dev/vg/d,xvda,w", .target = dev, .vdev = "xvda");
    DISK("phy:vg/d,xvda,w", .target = dev, .vdev = "xvda");
    DISK("file:/d,xvda1,r", .target = path, .vdev = "xvda1", .read_only = true);
    DISK("tap:qcow2:/d,xvda,w", .target = path, .vdev = "xvda", .format = DISK_QCOW2);
    DISK("tap2:aio:/d,xvda,w", .target = path, .vdev = "xvda");
    DISK("file:/d,hdc:cdrom,r", .target = path, .vdev = "hdc", .read_only = true, .cdrom = true);

    char *here = getcwd(NULL, 0), *want;
    if (here == NULL || asprintf(&want, "%s/images/d", here) < 0)
        bail_out("no current directory");
    check_disk("images/d,raw,xvda,w", &(struct device_disk){.target = want, .vdev = "xvda"});
    free(want);
    free(here);
}

static void bad_disk(const char *text, unsigned column, const char *part)
{
    struct device_disk disk;
    why = (struct message){.text = ""};
    is(disk_parse(text, &disk, &why), -EINVAL, "\"%s\" is refused", text);
    is(why.column, column, "at its column");
    ok(strstr(why.text, part) != NULL, "with a text about \"%s\": %s", part, why.text);
    ok(disk.target == NULL, "nothing is kept");
    is(disk_parse(text, &disk, NULL), -EINVAL, "without a message, too");
}

static void check_bad_disks(void)
{
    bad_disk("", 1, "no vdev");
    bad_disk("/d", 1, "no vdev");
    bad_disk(",,,", 1, "no vdev");
    bad_disk("vdev=xvda", 1, "no target");
    bad_disk(",raw,hdc,r,cdrom", 1, "no target");
    bad_disk("vdev=xvda,target=", 18, "empty");
    bad_disk("file:,xvda,w", 6, "empty");
    bad_disk("/d,vmdk,xvda", 4, "vmdk");
    bad_disk("/d,vhd,xvda", 4, "vhd");
    bad_disk("/d,format=,xvda", 11, "format");
    bad_disk("/d,raw,vda", 8, "vda");
    bad_disk("/d,raw,xvdaxvdaxvdaxvdaxvda", 8, "xvdaxvdaxvda");
    bad_disk("/d,raw,xvda:floppy,w", 13, "floppy");
    bad_disk("/d,raw,xvda,rx", 13, "rx");
    bad_disk("/d,raw,xvda,w!", 13, "w!");
    bad_disk("/d,raw,xvda,w,more", 15, "one item too many");
    bad_disk("/d,raw,xvda,vdev=xvdb", 18, "twice");
    bad_disk("/d,raw,vdev=xvda,target=/e", 25, "twice");
    bad_disk("/d,raw,vdev=xvda,format=raw", 25, "twice");
    bad_disk("/d,raw,xvda,w,access=r", 22, "twice");
    bad_disk("/d,vdev=xvda,colour=red", 14, "colour");
    bad_disk("/d,vdev=xvda,devtype=tape", 22, "tape");
    bad_disk("/d,vdev=xvda,backendtype=qdisk", 26, "qdisk");
    bad_disk("/d,vdev=xvda,backendtype=tap", 26, "tap");
    bad_disk("/d,vdev=xvda,backend=storage", 22, "storage");
    bad_disk("/d,vdev=xvda,script=block-drbd", 21, "script");
    bad_disk("/d,vdev=xvda,specification=virtio", 28, "virtio");
    bad_disk("iscsi:iqn.x,xvda,w", 1, "iscsi:");
    bad_disk("tap:vhd:/d,xvda,w", 5, "vhd:");
    bad_disk("vdev=xvda,target=/d\x01", 18, "control character");
}

/* --- cards ----------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_nic(const char *text, const struct device_nic *want)
{
    struct device_nic nic;
    if (!is(nic_parse(text, &nic, &why), 0, "\"%s\" is a card", text)) {
        diag("%s", why.text);
        return;
    }
    ok(nic.id == want->id && nic.has_mac == want->has_mac && memcmp(nic.mac, want->mac, 6) == 0 &&
           nic.mtu == want->mtu && nic.untrusted == want->untrusted,
       "numbers of \"%s\"", text);
    ok(same(nic.bridge, want->bridge) && same(nic.ip, want->ip) && same(nic.script, want->script) &&
           same(nic.vifname, want->vifname) && same(nic.model, want->model),
       "names of \"%s\"", text);
    is(nic.rate_bytes, want->rate_bytes, "bytes of its rate");
    is(nic.rate_interval_us, want->rate_interval_us, "interval of its rate");
    nic_free(&nic);
    ok(nic.bridge == NULL && nic.ip == NULL && nic.id == -1, "nothing is left of it");
}

#define NIC(text, ...)                                                                             \
    do {                                                                                           \
        char br[] = "xenbr1", addr[] = "10.0.0.2 10.0.0.3", run[] = "vif-mine", card[] = "e1000",  \
             face[] = "web0";                                                                      \
        (void)br, (void)addr, (void)run, (void)card, (void)face;                                   \
        check_nic(text, &(struct device_nic){__VA_ARGS__});                                        \
    } while (0)

static void check_nics(void)
{
    NIC("", .id = -1);
    NIC(" , ,", .id = -1);
    NIC("mac=00:16:3E:ab:Cd:0f", .id = -1, .has_mac = true,
        .mac = {0x00, 0x16, 0x3e, 0xab, 0xcd, 0x0f});
    NIC("bridge=xenbr1, ip = 10.0.0.2 10.0.0.3", .id = -1, .bridge = br, .ip = addr);
    NIC("script=vif-mine,model=e1000,vifname=web0,type=vif", .id = -1, .script = run, .model = card,
        .vifname = face);
    NIC("backend=0,devid=3", .id = 3);
    NIC("devid=65535,mtu=9000,trusted=0", .id = 65535, .mtu = 9000, .untrusted = true);
    NIC("backend=Domain-0,trusted=yes,mtu=68", .id = -1, .mtu = 68);
    NIC("rate=10Mb/s", .id = -1, .rate_bytes = 62500, .rate_interval_us = 50000);
    NIC("rate=250KB/s", .id = -1, .rate_bytes = 12500, .rate_interval_us = 50000);
    NIC("rate=1MB/s@20ms", .id = -1, .rate_bytes = 20000, .rate_interval_us = 20000);
    NIC("rate=2GB/s@1s", .id = -1, .rate_bytes = 2000000000, .rate_interval_us = 1000000);
    NIC("rate=8000b/s@1000us", .id = -1, .rate_bytes = 1, .rate_interval_us = 1000);
    NIC("rate=100B/s@60s", .id = -1, .rate_bytes = 6000, .rate_interval_us = 60000000);
}

static void bad_nic(const char *text, unsigned column, const char *part)
{
    struct device_nic nic;
    why = (struct message){.text = ""};
    is(nic_parse(text, &nic, &why), -EINVAL, "\"%s\" is refused", text);
    is(why.column, column, "at its column");
    ok(strstr(why.text, part) != NULL, "with a text about \"%s\": %s", part, why.text);
    ok(nic.bridge == NULL && nic.ip == NULL, "nothing is kept");
    is(nic_parse(text, &nic, NULL), -EINVAL, "without a message, too");
}

static void check_bad_nics(void)
{
    static const char *const rates[] = {
        "rate=x",
        "rate=10",
        "rate=10Mb",
        "rate=10mb/s",
        "rate=-1Mb/s",
        "rate=10Tb/s",
        "rate=10Mb/s@",
        "rate=10Mb/s@5",
        "rate=10Mb/s@0ms",
        "rate=10Mb/s@61s",
        "rate=10Mb/s 50ms",
        "rate=0b/s",
        "rate=1b/s",
        "rate=1B/s@1us",
        "rate=1000GB/s@1s",
        "rate=999999999999999999GB/s",
        "rate=1MB/s@99999999999999999999s",
    };
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        bad_nic(rates[i], 6, "rate");
    bad_nic("mac=", 5, "needs a value");
    bad_nic("mac=00:16:3e:00:00", 5, "no MAC");
    bad_nic("mac=00:16:3e:00:00:0g", 5, "no MAC");
    bad_nic("mac=00-16-3e-00-00-01", 5, "no MAC");
    bad_nic("mac=00:16:3e:00:00:001", 5, "no MAC");
    bad_nic("mac=01:16:3e:00:00:01", 5, "multicast");
    bad_nic("bridge=", 8, "needs a value");
    bad_nic("bridge=a,bridge=b", 17, "twice");
    bad_nic("bridge=sixteencharacters", 8, "no name of an interface");
    bad_nic("bridge=../../x", 8, "no name of an interface");
    bad_nic("vifname=..", 9, "no name of an interface");
    bad_nic("vifname=a b", 9, "no name of an interface");
    bad_nic("vifname=v%d", 9, "no name of an interface");
    bad_nic("type=ioemu", 6, "ioemu");
    bad_nic("backend=net", 9, "net");
    bad_nic("ip=10.0.0.2,devid=-1", 19, "-1");
    bad_nic("ip=10.0.0.2,devid=65536", 19, "65536");
    bad_nic("devid=99999999999999999999", 7, "999");
    bad_nic("mtu=67", 5, "68");
    bad_nic("mtu=65536", 5, "65536");
    bad_nic("mtu=1e3", 5, "1e3");
    bad_nic("trusted=perhaps", 9, "perhaps");
    bad_nic("gatewaydev=eth0", 12, "gatewaydev");
    bad_nic("bridge=a, wings=2", 11, "wings");
    bad_nic("bridge=a, eth0", 11, "eth0");
    bad_nic("ip=10.0.0.2\x7f", 4, "control character");
}

/* --- anything -------------------------------------------------------------------------------- */

/* Words of the languages in any order, and now and then a byte of any kind. */
static void random_text(char *text, size_t size)
{
    static const char *const words[] = {
        ",",     "=",     "target=", "vdev=",  "xvda",   "raw",  "qcow2", "access=", "/d",
        "phy:",  "file:", "rate=",   "10Mb/s", "@",      "mac=", "00:",   "bridge=", "cdrom",
        "devid", "mtu=",  "999",     " ",      "script", "ip=",  ":",     "tap:",    "-",
    };
    size_t used = 0;
    text[0] = '\0';
    while (used + 16 < size && random() % 12 != 0) {
        if (random() % 8 == 0)
            used += (size_t)snprintf(text + used, size - used, "%c", (int)(1 + random() % 255));
        else
            used += (size_t)snprintf(text + used, size - used, "%s",
                                     words[(size_t)random() % (sizeof(words) / sizeof(*words))]);
    }
}

static void check_random(void)
{
    unsigned disks = 0, cards = 0, wrong = 0;
    srandom(1);
    for (unsigned i = 0; i < 50000; i++) {
        char text[256];
        struct device_disk disk;
        struct device_nic nic;
        random_text(text, sizeof(text));
        why = (struct message){.text = ""};
        int rc = disk_parse(text, &disk, &why);
        disks += rc == 0;
        wrong += rc != 0 && (rc != -EINVAL || why.text[0] == '\0' || why.column == 0 ||
                             why.column > strlen(text) + 1);
        disk_free(&disk);
        why = (struct message){.text = ""};
        rc = nic_parse(text, &nic, &why);
        cards += rc == 0;
        wrong += rc != 0 && (rc != -EINVAL || why.text[0] == '\0' || why.column == 0 ||
                             why.column > strlen(text) + 1);
        nic_free(&nic);
    }
    is(wrong, 0, "random texts are read or refused with a place and a reason");
    diag("%u were disks, %u cards", disks, cards);
}

int main(void)
{
    check_numbers();
    check_disks();
    check_bad_disks();
    check_nics();
    check_bad_nics();
    check_random();
    return done();
}
