/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests' configurations: every key's good values, and every kind of mistake refused with its line
 * and column; JSON there and back.
 *
 * links: tests/unit/host.c toolstack/common/cfg_parse.c toolstack/common/cpus.c
 * links: toolstack/common/guest_config.c toolstack/common/guest_config_json.c
 * links: toolstack/common/guest_names.c toolstack/common/message.c
 * links: toolstack/devices/disk_parse.c toolstack/devices/nic_parse.c toolstack/devices/spec.c
 * libs: -ljson-c
 */
#include "common/guest_config.h"

#include <errno.h>
#include <unistd.h>

#include "common/cpus.h"
#include "tap.h"

static struct message why;
static unsigned warnings;
static struct message last_warning;

static void count_warning(void *data, const struct message *what)
{
    (void)data;
    warnings++;
    last_warning = *what;
}

/* In memory of its exact size, so that ASan sees a read beyond the end. */
static int parse(const char *text, size_t size, struct guest_config *config)
{
    char *copy = malloc(size ? size : 1);

    memcpy(copy, text, size);
    warnings = 0;
    int rc = guest_config_parse("test.cfg", copy, size, config, count_warning, NULL, &why);
    free(copy);
    return rc;
}

/* A guest with what every guest needs, and `more`. */
static bool accept(const char *more, struct guest_config *config)
{
    char text[4096];

    snprintf(text, sizeof(text), "name='n'\nkernel='k'\n%s", more);
    int rc = parse(text, strlen(text), config);
    return ok(rc == 0, "accepted: %s%s%s", more, rc ? ": " : "", rc ? why.text : "");
}

/* `more` begins on line 3. */
static void refuse(const char *more, unsigned line, unsigned column, const char *text_part)
{
    char text[4096];
    struct guest_config config;

    snprintf(text, sizeof(text), "name='n'\nkernel='k'\n%s", more);
    int rc = parse(text, strlen(text), &config);
    ok(rc == -EINVAL && why.file != NULL && why.line == line && why.column == column &&
           strstr(why.text, text_part) != NULL,
       "refused: %s (%u:%u: %s)", more, why.line, why.column, why.text);
    ok(config.name == NULL && config.kernel == NULL, "nothing is left");
}

/* ---- Keys --------------------------------------------------------------------------------- */

static void test_defaults(void)
{
    struct guest_config c;

    if (!accept("", &c))
        return;
    is_str(c.name, "n");
    is_str(c.kernel, "k");
    ok(c.ramdisk == NULL && c.cpus == NULL && c.console_log == NULL);
    is_str(c.cmdline, "");
    is(c.memory_kib, 32 << 10);
    is(c.max_memory_kib, 32 << 10);
    is(c.vcpus, 1);
    is(c.max_vcpus, 1);
    is(c.on_poweroff, ACTION_DESTROY);
    is(c.on_reboot, ACTION_RESTART);
    is(c.on_crash, ACTION_DESTROY);
    ok(!c.has_uuid && c.nr_disks == 0 && c.nr_nics == 0);
    is(warnings, 0);
    guest_config_free(&c);
}

static void test_texts(void)
{
    struct guest_config c;

    accept("ramdisk = \"/r\"; console_log='/l'; root='/dev/xvda ro'; extra=\"a=b\"", &c);
    is_str(c.ramdisk, "/r");
    is_str(c.console_log, "/l");
    is_str(c.cmdline, "root=/dev/xvda ro a=b");
    guest_config_free(&c);
    accept("cmdline='whole'\nextra='x'", &c);
    is_str(c.cmdline, "whole");
    is(warnings, 1, "extra beside cmdline");
    guest_config_free(&c);
    accept("type='pv'\nbuilder='generic'\npool='Pool-0'", &c);
    guest_config_free(&c);
    accept("extra = 'a'\nextra += ' b'\nextra += \" c\"", &c);
    is_str(c.cmdline, "a b c");
    guest_config_free(&c);
    accept("extra = 'a\\x41\\t\\\\\\''", &c);
    is_str(c.cmdline, "aA\t\\'");
    guest_config_free(&c);
    accept("name = 'first'\nname='second'", &c);
    is_str(c.name, "second", "the last one counts");
    guest_config_free(&c);
    accept("uuid = '1b4e28ba-2fa1-11d2-883f-0016d3cca427'", &c);
    ok(c.has_uuid && c.uuid[0] == 0x1b && c.uuid[15] == 0x27);
    guest_config_free(&c);
}

static void test_numbers(void)
{
    struct guest_config c;

    accept("memory = 128\nmaxmem=0x200\nvcpus='2'\nmaxvcpus=010", &c);
    is(c.memory_kib, 128 << 10);
    is(c.max_memory_kib, 512 << 10);
    is(c.vcpus, 2);
    is(c.max_vcpus, 8);
    guest_config_free(&c);
    accept("cpu_weight=65535\ncap=150\nmax_event_channels=2047\nmax_grant_frames=32\n"
           "max_maptrack_frames=16\nrtc_timeoffset=-3600",
           &c);
    is(c.weight, 65535);
    is(c.cap, 150);
    is(c.max_event_channels, 2047);
    is(c.max_grant_frames, 32);
    is(c.max_maptrack_frames, 16);
    is(c.rtc_timeoffset, -3600);
    guest_config_free(&c);
    accept("maxmem = 64", &c);
    is(c.memory_kib, 64 << 10, "memory is maxmem where it is not said");
    guest_config_free(&c);
}

static void test_actions(void)
{
    static const char *const names[] = {"destroy",  "restart",          "rename-restart",
                                        "preserve", "coredump-destroy", "coredump-restart"};
    char text[256];
    struct guest_config c;

    for (unsigned i = 0; i < 6; i++) {
        snprintf(text, sizeof(text),
                 "on_poweroff='%s'\non_reboot='%s'\non_watchdog='%s'\non_crash='%s'\n"
                 "on_soft_reset='%s'",
                 names[i], names[i], names[i], names[i], names[i]);
        accept(text, &c);
        ok(c.on_poweroff == i && c.on_reboot == i && c.on_watchdog == i && c.on_crash == i &&
           c.on_soft_reset == i);
        is_str(stop_action_name(c.on_crash), names[i]);
        guest_config_free(&c);
    }
    refuse("on_crash = 'explode'", 3, 12, "must be destroy");
    refuse("on_crash = 1", 3, 12, "string");
    refuse("on_soft_reset = 'soft-reset'", 3, 17, "not available");
}

static void test_cpus(void)
{
    struct guest_config c;

    accept("cpus = '0-3,^1'", &c);
    is_str(c.cpus, "0-3,^1");
    guest_config_free(&c);
    accept("cpus = ['0', \"1-2\", 3]", &c);
    is_str(c.cpus, "0;1-2;3");
    guest_config_free(&c);
    accept("cpus = 2", &c);
    is_str(c.cpus, "2");
    guest_config_free(&c);
    refuse("cpus = '0-x'", 3, 11, "missing");
    refuse("cpus = '3-1'", 3, 9, "lower");
    refuse("cpus = ''", 3, 9, "CPUs");
    refuse("cpus = '1,^1'", 3, 9, "without CPUs");
    refuse("cpus = '1 2'", 3, 11, "','");
    refuse("cpus = '99999999999999999999'", 3, 9, "no such CPU");
    refuse("cpus = 'nodes:0'", 3, 9, "not available");
    refuse("cpus = []", 3, 8, "empty");
    refuse("cpus = [['0']]", 3, 9, "string");
    refuse("cpus = -1", 3, 8, "no such CPU");
}

static void test_cpu_sets(void)
{
    uint8_t map[2];
    char text[32];

    is(cpus_parse("all", map, 12, NULL), 0);
    ok(map[0] == 0xff && map[1] == 0x0f);
    cpus_format(map, 12, text, sizeof(text));
    is_str(text, "all");
    is(cpus_parse("^3", map, 12, NULL), 0);
    cpus_format(map, 12, text, sizeof(text));
    is_str(text, "0-2,4-11");
    is(cpus_parse("1, 3-4 ,11", map, 12, NULL), 0);
    cpus_format(map, 12, text, sizeof(text));
    is_str(text, "1,3-4,11");
    is(cpus_parse("12", map, 12, NULL), -EINVAL);
    is(cpus_parse("none", map, 12, NULL), -EINVAL);
    is(cpus_parse("1,", map, 12, NULL), -EINVAL);
    is(cpus_parse(",", map, 12, NULL), -EINVAL);
}

static void test_devices(void)
{
    struct guest_config c;

    accept("disk = [ '/a,raw,xvda,w',\n # one more\n \"format=qcow2,vdev=xvdb,access=ro,"
           "target=/b\",\n]\nvif=['mac=00:16:3e:00:00:01,bridge=br0', '']",
           &c);
    is(c.nr_disks, 2);
    is(c.nr_nics, 2);
    is_str(c.disk[0].target, "/a");
    is(c.disk[0].id, 51712);
    is_str(c.disk[1].target, "/b");
    ok(c.disk[1].read_only && c.disk[1].format == DISK_QCOW2);
    ok(c.nic[0].has_mac && c.nic[0].mac[5] == 1 && !c.nic[1].has_mac);
    is_str(c.nic[0].bridge, "br0");
    guest_config_free(&c);
    accept("disk=[]\nvif=[]", &c);
    guest_config_free(&c);
    accept("disk=['/a,raw,xvda,w']\ndisk+=['/b,raw,xvdb,r']", &c);
    is(c.nr_disks, 2, "+= lengthens the list");
    guest_config_free(&c);
    refuse("disk = '/a,raw,xvda,w'", 3, 8, "list");
    refuse("disk = ['/a,raw,xvda,w', 3]", 3, 26, "list of strings");
    refuse("disk = ['/a,raw,xvda,w',\n '/b,raw,xvda,w']", 4, 2, "same virtual device");
    refuse("vif = ['mac=00:16:3e:00:00:01','mac=00:16:3e:00:00:01']", 3, 32, "same MAC");
}

static void test_bad_values(void)
{
    refuse("memory = 0", 3, 10, "from 1");
    refuse("memory = -5", 3, 10, "from 1");
    refuse("memory = 'lots'", 3, 10, "number");
    refuse("memory = []", 3, 10, "number");
    refuse("memory = 99999999999999999999", 3, 10, "too large");
    refuse("memory = 12abc", 3, 10, "no number");
    refuse("memory = 64\nmaxmem = 32", 4, 10, "less than memory");
    refuse("vcpus = 0", 3, 9, "from 1");
    refuse("vcpus = 129", 3, 9, "128");
    refuse("vcpus=4\nmaxvcpus=2", 4, 10, "less than vcpus");
    refuse("cpu_weight = 0", 3, 14, "from 1");
    refuse("cap = -1", 3, 7, "from 0");
    refuse("uuid = 'nonsense'", 3, 8, "must be like");
    refuse("uuid = '1b4e28ba-2fa1-11d2-883f-0016d3cca42'", 3, 8, "must be like");
    refuse("name = 'a/b'", 3, 8, "'/'");
    refuse("name = ''", 3, 8, "empty");
    refuse("name = '12'", 3, 8, "number");
    refuse("name = 'Domain-0'", 3, 8, "control domain");
    refuse("name = 'a\\nb'", 3, 8, "control characters");
    refuse("name = 'a\\x7fb'", 3, 8, "control characters");
    refuse("name = 'a b'", 3, 8, "blanks");
    refuse("name = '.a'", 3, 8, "begin with");
    refuse("name = '-a'", 3, 8, "begin with");
    refuse("name = 5", 3, 8, "string");
    refuse("memory = -9223372036854775808", 3, 10, "from 1");
    refuse("memory = 9223372036854775807", 3, 10, "from 1");
    refuse("memory = '18446744073709551616'", 3, 10, "number");
    refuse("memory = ''", 3, 10, "number");
    refuse("vcpus = 4294967297", 3, 9, "from 1");
    refuse("cap = 12801", 3, 7, "to 12800");
    refuse("cpu_weight = 65536", 3, 14, "to 65535");
    refuse("max_event_channels = 131072", 3, 22, "to 131071");
    refuse("max_grant_frames = 0", 3, 20, "from 1");
    refuse("max_maptrack_frames = 4097", 3, 23, "to 4096");
    refuse("rtc_timeoffset = -86401", 3, 18, "from -86400");
    refuse("kernel = ''", 3, 10, "empty");
    refuse("ramdisk = 3", 3, 11, "string");
    refuse("type = 'hvm'", 3, 8, "pv");
    refuse("builder = 'hvm'", 3, 11, "generic");
    refuse("pool = 'mine'", 3, 8, "Pool-0");
    refuse("bootloader = 'pygrub'", 3, 14, "not available");
    refuse("pci = ['00:01.0']", 3, 7, "not available");
    refuse("rtc_timeoffset = 100000", 3, 18, "to 86400");
}

static void test_warnings(void)
{
    struct guest_config c;

    accept("\n\n nonsense = 3", &c);
    is(warnings, 1);
    is(last_warning.line, 5);
    is(last_warning.column, 2);
    ok(strstr(last_warning.text, "nonsense") != NULL);
    guest_config_free(&c);
    accept("tsc_mode = 'native'\nnomigrate=1", &c);
    is(warnings, 2);
    guest_config_free(&c);
    accept("pci = []\nvfb = []\ne820_host = 0", &c);
    is(warnings, 0, "asking for nothing is fine");
    guest_config_free(&c);
}

/* ---- Syntax ------------------------------------------------------------------------------- */

static void test_syntax(void)
{
    struct guest_config c;
    char deep[64];

    accept(";;vcpus=2;;memory=64 # comment", &c);
    is(c.vcpus, 2);
    guest_config_free(&c);
    accept("vcpus=2\r\nmemory=64\r\n", &c);
    guest_config_free(&c);
    refuse("= 3", 3, 1, "key = value");
    refuse("memory", 3, 7, "'='");
    refuse("memory =", 3, 9, "missing");
    refuse("memory = \n5", 3, 10, "missing");
    refuse("memory = 5 6", 3, 12, "follows");
    refuse("memory = 'a", 3, 10, "not ended");
    refuse("memory = \"a\n\"", 3, 10, "not ended");
    refuse("extra = 'a\\q'", 3, 12, "escape");
    refuse("extra = 'a\\x4'", 3, 12, "escape");
    refuse("extra = 'a\\x00'", 3, 12, "escape");
    refuse("disk = ['a' 'b']", 3, 13, "','");
    refuse("disk = ['a',", 3, 8, "']'");
    refuse("disk = [", 3, 8, "']'");
    refuse("memory = {", 3, 10, "no value");
    refuse("1memory = 3", 3, 1, "key = value");
    refuse("extra = 'a'\nextra += 3", 4, 10, "+=");
    refuse("memory = 3\nmemory += 3", 4, 11, "+=");
    refuse("memory = 1111111111111111111111111111111111111", 3, 10, "too long");
    snprintf(deep, sizeof(deep), "x = %s", "[[[[[[[[[[[[[[[[");
    refuse(deep, 3, 13, "too deep");
}

static void test_rest(void)
{
    static const char nul[] = "name='n'\n\0";
    static const char nul_inside[] = "name='a\0b'";
    struct guest_config c;

    is(parse(nul, sizeof(nul), &c), -EINVAL);
    ok(strstr(why.text, "NUL") != NULL && why.line == 2);
    is(parse(nul_inside, sizeof(nul_inside) - 1, &c), -EINVAL);
    ok(strstr(why.text, "NUL") != NULL && why.column == 8);
    is(parse("", 0, &c), -EINVAL);
    ok(strstr(why.text, "name: is missing") != NULL);
    is(parse("name='n'", 8, &c), -EINVAL);
    ok(strstr(why.text, "kernel: is missing") != NULL);
    char *large = calloc(1, 2 << 20);
    memset(large, '\n', 2 << 20);
    is(parse(large, 2 << 20, &c), -EINVAL);
    ok(strstr(why.text, "1 MiB") != NULL);
    free(large);
}

/* JSON is UTF-8, and has names and command lines. */
static void test_utf8(void)
{
    static const char *const bad[] = {"\xff",
                                      "\x80",
                                      "\xc3",
                                      "\xc3(",
                                      "\xc0\xaf",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\\xe9"};
    char text[64];
    struct guest_config c;

    accept("extra = 'gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x90\xa7'", &c);
    is_str(c.cmdline, "gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x90\xa7");
    guest_config_free(&c);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "extra = 'a%s'", bad[i]);
        refuse(text, 3, 9, "UTF-8");
    }
    refuse("name = 'a\xff'", 3, 8, "UTF-8");
    accept("# a comment may be Latin-1: \xe9", &c);
    guest_config_free(&c);
}

/* Sizes that no person writes: an answer, in the time that reading takes. */
static void test_large(void)
{
    struct guest_config c;
    size_t size = 1 << 20, used = 0;
    char *text = malloc(size + 1);

    used = (size_t)sprintf(text, "name='n'\nkernel='k'\n");
    for (unsigned i = 0; i < 100000; i++)
        used += (size_t)sprintf(text + used, "vcpus=%u\n", i % 8 + 1);
    is(parse(text, used, &c), 0, "100 000 lines of one key");
    is(c.vcpus, 8);
    guest_config_free(&c);
    used = (size_t)sprintf(text, "name='n'\nkernel='k'\n");
    for (unsigned i = 0; i < 100000; i++)
        used += (size_t)sprintf(text + used, "k%05x=1\n", i);
    is(parse(text, used, &c), -EINVAL, "100 000 keys");
    ok(strstr(why.text, "1000 keys") != NULL && why.line == 1001 && why.column == 1);
    used = (size_t)sprintf(text, "name='n'\nkernel='k'\nvif=[");
    for (unsigned i = 0; i < 100000; i++)
        used += (size_t)sprintf(text + used, "'',");
    text[used++] = ']';
    is(parse(text, used, &c), -EINVAL, "100 000 cards");
    ok(strstr(why.text, "1024 devices") != NULL && why.line == 3);
    memset(text, '[', size);
    is(parse(text, size, &c), -EINVAL);
    memset(text, '"', size);
    is(parse(text, size, &c), -EINVAL);
    used = (size_t)sprintf(text, "name='n'\nkernel='k'\nextra='");
    memset(text + used, 'x', size - used);
    is(parse(text, size, &c), -EINVAL);
    ok(strstr(why.text, "not ended") != NULL && why.line == 3 && why.column == 7);
    free(text);
}

/* Bytes without sense, from one seed: an error with a place, or a guest. */
static void test_rubbish(void)
{
    uint32_t seed = 1;
    unsigned refused = 0;

    for (unsigned i = 0; i < 2000; i++) {
        char text[64];
        struct guest_config c;

        for (size_t j = 0; j < sizeof(text); j++) {
            seed = seed * 1664525u + 1013904223u;
            text[j] = (char)(seed >> 24);
        }
        int rc = parse(text, sizeof(text), &c);
        refused += rc == -EINVAL && why.text[0] != '\0' && why.file != NULL;
        if (rc == 0)
            guest_config_free(&c);
    }
    is(refused, 2000);
}

static void test_file(void)
{
    char path[] = "/tmp/test_guest_config.XXXXXX";
    int fd = mkstemp(path);
    struct guest_config c;

    ok(fd >= 0 && write(fd, "name='n'\nkernel='k'\n", 20) == 20);
    is(guest_config_read(path, &c, count_warning, NULL, &why), 0);
    guest_config_free(&c);
    close(fd);
    unlink(path);
    is(guest_config_read(path, &c, count_warning, NULL, &why), -ENOENT);
    is(guest_config_read("/", &c, count_warning, NULL, &why), -EISDIR);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void test_json(void)
{
    struct guest_config c, again;

    accept(
        "uuid='1b4e28ba-2fa1-11d2-883f-0016d3cca427'\nramdisk='/r'\nextra='\"q\" \\\\ z'\n"
        "memory=100\nmaxmem=200\nvcpus=2\nmaxvcpus=3\ncpus=['0','1']\ncpu_weight=5\ncap=6\n"
        "on_crash='preserve'\non_reboot='destroy'\nconsole_log='/l'\nrtc_timeoffset=-5\n"
        "disk=['/a,raw,xvda,w','format=qcow2,vdev=xvdb,access=ro,no-discard,untrusted,target=/b']\n"
        "vif=['mac=00:16:3e:00:00:01,bridge=b,rate=1MB/s,mtu=1400,trusted=0', 'ip=10.0.0.1']",
        &c);
    char *text = guest_config_to_json(&c);
    is(guest_config_from_json(text, &again, &why), 0);
    char *text_again = guest_config_to_json(&again);
    is_str(text_again, text);
    is_str(again.cmdline, "\"q\" \\ z");
    is(again.on_crash, ACTION_PRESERVE);
    is(again.on_reboot, ACTION_DESTROY);
    ok(again.nr_disks == 2 && again.disk[1].format == DISK_QCOW2 && again.disk[1].read_only);
    ok(again.nr_nics == 2 && again.nic[0].mac[5] == 1 && again.nic[0].has_mac);
    is(again.nic[0].rate_bytes, c.nic[0].rate_bytes);
    ok(again.disk[1].no_discard && again.disk[1].untrusted && !again.disk[0].untrusted);
    ok(again.nic[0].mtu == 1400 && again.nic[0].untrusted && !again.nic[1].untrusted);
    free(text);
    free(text_again);
    guest_config_free(&c);
    guest_config_free(&again);
}

static void test_bad_json(void)
{
    static const char head[] =
        "{\"name\":\"n\",\"kernel\":\"k\",\"cmdline\":\"\",\"memory_kib\":4,\"max_memory_kib\":4,"
        "\"vcpus\":1,\"max_vcpus\":1";
    static const char *const tail[] = {
        "",
        ",\"vcpus\":0}",
        ",\"vcpus\":\"1\"}",
        ",\"vcpus\":-1}",
        ",\"max_vcpus\":129}",
        ",\"memory_kib\":0}",
        ",\"memory_kib\":5}",
        ",\"name\":3}",
        ",\"name\":\"\"}",
        ",\"uuid\":\"x\"}",
        ",\"on_crash\":\"x\"}",
        ",\"on_crash\":3}",
        ",\"disks\":3}",
        ",\"disks\":[3]}",
        ",\"disks\":[{\"vdev\":\"aaaaaaaaaaaaaaaaaaaaaaaa\"}]}",
        ",\"disks\":[{\"vdev\":\"xvda\",\"target\":\"/a\",\"format\":\"x\"}]}",
        ",\"disks\":[{\"target\":\"/a\"}]}",
        ",\"disks\":[{\"vdev\":\"nonsense\",\"target\":\"/a\"}]}",
        ",\"disks\":[{\"vdev\":\"xvda\"}]}",
        ",\"weight\":65536}",
        ",\"cap\":12801}",
        ",\"disks\":[{\"read_only\":3}]}",
        ",\"nics\":[{\"mac\":\"x\"}]}",
        ",\"nics\":[{\"mac\":\"00:16:3e:00:00:01x\"}]}",
        ",\"nics\":[{\"id\":\"x\"}]}",
    };
    char text[512];
    struct guest_config c;

    snprintf(text, sizeof(text), "%s}", head);
    is(guest_config_from_json(text, &c, &why), 0);
    guest_config_free(&c);
    for (size_t i = 0; i < sizeof(tail) / sizeof(tail[0]); i++) {
        snprintf(text, sizeof(text), "%s%s", head, tail[i]);
        is(guest_config_from_json(text, &c, &why), -EINVAL, "%s", tail[i]);
        ok(c.name == NULL);
    }
    is(guest_config_from_json("[]", &c, &why), -EINVAL);
    is(guest_config_from_json("", &c, &why), -EINVAL);
}

int main(void)
{
    test_defaults();
    test_texts();
    test_numbers();
    test_actions();
    test_cpus();
    test_cpu_sets();
    test_devices();
    test_bad_values();
    test_warnings();
    test_syntax();
    test_rest();
    test_utf8();
    test_large();
    test_rubbish();
    test_file();
    test_json();
    test_bad_json();
    return done();
}
