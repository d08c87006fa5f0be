/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command line: every option's good and bad values, and that a bad one changes nothing and is
 * named in a warning.
 *
 * links: tests/unit/host.c hypervisor/core/cmdline.c hypervisor/core/fmt.c
 */
#include "core/cmdline.h"
#include "core/log.h"
#include "host.h"

static struct options o;

static unsigned parse(const char *line)
{
    cmdline_defaults(&o);
    host_log_reset();
    return cmdline_parse(&o, line);
}

/* A line that must be refused word by word: `warnings` of them, and no value may change. */
static void refused(const char *line, unsigned warnings)
{
    struct options before;

    cmdline_defaults(&before);
    is(parse(line), warnings, "\"%s\" is warned about", line);
    ok(memcmp(&o, &before, sizeof(o)) == 0, "\"%s\" changes nothing", line);
}

static void test_defaults(void)
{
    is(parse(""), 0, "an empty line");
    is_str(o.console, "com1,vga");
    is_str(o.com1, "115200,8n1");
    is(o.loglvl, LOG_INFO);
    is(o.guest_loglvl, -1);
    is(o.guest_loglvl_limited, LOG_WARNING);
    is(o.dom0_mem_pages, 0);
    ok(o.smap && o.smep && o.pcid && o.x2apic && o.spec_ctrl, "CPU features are used");
    ok(!o.sync_console && !o.noreboot && !o.audit && !o.vga_keep, "others are off");
    is(parse("   \t  "), 0, "blanks only");
}

static void test_strings(void)
{
    is(parse("console=vga  com1=auto,8e2,0x3e8,5\tclocksource=hpet"), 0);
    is_str(o.console, "vga");
    is_str(o.com1, "auto,8e2,0x3e8,5");
    is_str(o.clocksource, "hpet");
    is(parse("console="), 0, "an empty string is a value");
    is_str(o.console, "");
    is(parse("clocksource=123456789012345"), 0, "the longest that fits");
    is_str(o.clocksource, "123456789012345");
    refused("clocksource=1234567890123456", 1);
    refused("console", 1);
}

static void test_booleans(void)
{
    static const char *const yes[] = {"audit",        "audit=yes", "audit=on", "audit=true",
                                      "audit=enable", "audit=1",   "audit="};
    static const char *const no[] = {"smap=no",      "smap=off", "smap=false",
                                     "smap=disable", "smap=0",   "no-smap"};

    for (unsigned i = 0; i < ARRAY_SIZE(yes); i++)
        ok(parse(yes[i]) == 0 && o.audit, "%s", yes[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(no); i++)
        ok(parse(no[i]) == 0 && !o.smap, "%s", no[i]);
    ok(parse("spec_ctrl=no") == 0 && !o.spec_ctrl, "'_' for '-'");
    ok(parse("sync-console") == 0 && o.sync_console, "'-' for '_'");
    ok(parse("audit no-audit") == 0 && !o.audit, "the last word counts");
    refused("smap=maybe", 1);
    refused("smap=2", 1);
    refused("no-", 1);
    refused("no-maxcpus", 1);
    refused("no-smap=yes", 1);
}

static void test_counts(void)
{
    ok(parse("maxcpus=0") == 0 && o.maxcpus == 0, "0");
    ok(parse("maxcpus=8") == 0 && o.maxcpus == 8, "8");
    ok(parse("dom0_max_vcpus=0x10") == 0 && o.dom0_max_vcpus == 16, "hexadecimal");
    ok(parse("maxcpus=4294967295") == 0 && o.maxcpus == UINT32_MAX, "the largest");
    refused("maxcpus=4294967296", 1);
    refused("maxcpus=99999999999999999999999", 1);
    refused("maxcpus=-1", 1);
    refused("maxcpus=1x", 1);
    refused("maxcpus=", 1);
    refused("maxcpus", 1);
}

static void test_levels(void)
{
    ok(parse("loglvl=all") == 0 && o.loglvl == LOG_DEBUG && o.loglvl_limited == LOG_DEBUG, "all");
    ok(parse("loglvl=none") == 0 && o.loglvl == -1 && o.loglvl_limited == -1, "none");
    ok(parse("loglvl=error/debug") == 0 && o.loglvl == LOG_ERROR && o.loglvl_limited == LOG_DEBUG,
       "error, and up to debug limited");
    ok(parse("guest_loglvl=info") == 0 && o.guest_loglvl == LOG_INFO && o.loglvl == LOG_INFO &&
           o.guest_loglvl_limited == LOG_INFO,
       "guest_loglvl");
    ok(parse("guest_loglvl=all loglvl=error") == 0 && o.guest_loglvl == LOG_DEBUG &&
           o.loglvl == LOG_ERROR,
       "each its own");
    ok(parse("loglvl=info/none") == 0 && o.loglvl_limited == LOG_INFO,
       "a limited level below the other means nothing");
    refused("loglvl", 1);
    refused("loglvl=", 1);
    refused("loglvl=loud", 1);
    refused("loglvl=infox", 1);
    refused("loglvl=info/", 1);
    refused("loglvl=info/debug/all", 1);
    refused("loglvl=/info", 1);
}

static void test_dom0_mem(void)
{
    ok(parse("dom0_mem=512M") == 0 && o.dom0_mem_pages == 512 * 256 && o.dom0_mem_max_pages == 0,
       "512M");
    ok(parse("dom0_mem=2G,max:4g") == 0 && o.dom0_mem_pages == 2 << 18 &&
           o.dom0_mem_max_pages == 4 << 18,
       "2G,max:4g");
    ok(parse("dom0_mem=max:1T") == 0 && o.dom0_mem_pages == 0 && o.dom0_mem_max_pages == 1 << 28,
       "a maximum alone");
    ok(parse("dom0_mem=8") == 0 && o.dom0_mem_pages == 2, "a bare number is KiB");
    ok(parse("dom0_mem=8191b") == 0 && o.dom0_mem_pages == 1, "bytes, rounded down");
    ok(parse("dom0_mem=max:1G,1G") == 0 && o.dom0_mem_pages == o.dom0_mem_max_pages, "any order");
    ok(parse("dom0_mem=512M dom0_mem=") == 0 && o.dom0_mem_pages == 0, "none again");
    ok(parse("dom0_mem=0xfffffffffffffffb") == 1, "KiB beyond 64 bits of bytes");
    refused("dom0_mem=17179869184G", 1); /* 2^64 bytes */
    refused("dom0_mem=16777216T", 1);
    refused("dom0_mem=4095b", 1);
    refused("dom0_mem=0", 1);
    refused("dom0_mem=-512M", 1);
    refused("dom0_mem=1G,", 1);
    refused("dom0_mem=,1G", 1);
    refused("dom0_mem=1G,max:", 1);
    refused("dom0_mem=1Gx", 1);
    refused("dom0_mem=1X", 1);
    refused("dom0_mem=2G,max:1G", 1);
    refused("dom0_mem=min:1G", 1);
    refused("dom0_mem", 1);
}

static void test_words(void)
{
    char line[700];

    ok(parse("vga=keep") == 0 && o.vga_keep, "vga=keep");
    refused("vga=text", 1);
    refused("bogus foo=1 ,,, =", 4);
    ok(host_logged("\"bogus\"") && host_logged("\"foo=1\""), "each unknown option is named");
    parse("maxcpus=many");
    ok(host_logged("maxcpus=many") && host_logged("maxcpus=<count>"),
       "a bad value is named, and what was expected");
    is(parse("build/paravane maxcpus=2"), 0, "the image's name comes first");
    is(o.maxcpus, 2);
    is(parse("maxcpus=2 build/paravane"), 1, "but only first");
    is(parse("maxcpus=2 -- maxcpus=3 bogus"), 0, "what is behind -- is not ours");
    is(o.maxcpus, 2);
    is(parse("maxcpus2=1"), 1, "a longer name");
    is(parse("maxcpu=1"), 1, "a shorter name");
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    is(parse(line), 1, "a very long word");
}

int main(void)
{
    test_defaults();
    test_strings();
    test_booleans();
    test_counts();
    test_levels();
    test_dom0_mem();
    test_words();
    return done();
}
