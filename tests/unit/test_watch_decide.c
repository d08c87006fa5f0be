/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/watch/decide.c
 *
 * What is done with a guest that stopped: each reason with each action, and guests that stop too
 * soon too often.
 */
#include <xenctrl.h>

#include "tap.h"
#include "watch/decide.h"

static const struct quick_rules rules = {.seconds = 10, .limit = 3};

static enum stop_action *field(struct guest_config *c, unsigned reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        return &c->on_poweroff;
    case SHUTDOWN_reboot:
        return &c->on_reboot;
    case SHUTDOWN_crash:
        return &c->on_crash;
    case SHUTDOWN_watchdog:
        return &c->on_watchdog;
    default:
        return &c->on_soft_reset;
    }
}

static void test_reasons(void)
{
    static const unsigned reasons[] = {SHUTDOWN_poweroff, SHUTDOWN_reboot, SHUTDOWN_crash,
                                       SHUTDOWN_watchdog, SHUTDOWN_soft_reset};

    for (unsigned r = 0; r < sizeof(reasons) / sizeof(reasons[0]); r++)
        for (unsigned a = ACTION_DESTROY; a <= ACTION_COREDUMP_RESTART; a++) {
            struct guest_config config = {.on_poweroff = (a + 1) % 6,
                                          .on_reboot = (a + 1) % 6,
                                          .on_crash = (a + 1) % 6,
                                          .on_watchdog = (a + 1) % 6,
                                          .on_soft_reset = (a + 1) % 6};
            struct stop stop = {.reason = reasons[r], .seconds = 1000};
            *field(&config, reasons[r]) = a;
            struct decision d = decide(&config, &stop, &rules);
            ok(!d.leave && !d.refused && d.action == a, "reason %u, action %u", reasons[r], a);
        }
}

static void test_other_reasons(void)
{
    struct guest_config config = {.on_poweroff = ACTION_RESTART,
                                  .on_reboot = ACTION_RESTART,
                                  .on_crash = ACTION_RESTART,
                                  .on_watchdog = ACTION_RESTART,
                                  .on_soft_reset = ACTION_RESTART};
    struct stop stop = {.reason = SHUTDOWN_suspend, .seconds = 1000};

    ok(decide(&config, &stop, &rules).leave, "a guest that is suspended is left alone");
    for (stop.reason = SHUTDOWN_MAX + 1; stop.reason < 256; stop.reason++) {
        struct decision d = decide(&config, &stop, &rules);
        if (d.leave || d.action != ACTION_DESTROY)
            fail("reason %u", stop.reason);
        if (strlen(stop_reason_name(stop.reason)) == 0)
            fail("no name");
    }
    pass("reasons that nobody knows destroy");
}

/* Runs of so many seconds each; returns how many times the guest was restarted. */
static unsigned restarts(enum stop_action action, unsigned reason, const unsigned *seconds,
                         unsigned runs, const struct quick_rules *with, enum stop_action *last)
{
    struct guest_config config = {.on_reboot = action, .on_crash = action};
    unsigned quick = 0, count = 0;

    for (unsigned i = 0; i < runs; i++) {
        struct stop stop = {.reason = reason, .seconds = seconds[i], .quick = quick};
        struct decision d = decide(&config, &stop, with);
        *last = d.action;
        if (!action_restarts(d.action)) {
            ok(d.refused, "it says why");
            return count;
        }
        quick = d.quick;
        count++;
    }
    return count;
}

static void test_quick(void)
{
    static const unsigned quick[20] = {0}, slow[20] = {[0 ... 19] = 10},
                          mixed[20] = {1, 1, 100, 1, 1, 100, 9, 9, 10, 1, 1, 50, 0, 0, 0};
    struct quick_rules for_ever = {.seconds = 10, .limit = 0}, none = {.seconds = 0, .limit = 1};
    enum stop_action last;

    is(restarts(ACTION_RESTART, SHUTDOWN_crash, quick, 20, &rules, &last), 2,
       "two restarts of a guest that crashes at once");
    is(last, ACTION_DESTROY);
    is(restarts(ACTION_RESTART, SHUTDOWN_reboot, quick, 20, &rules, &last), 2, "reboots count too");
    is(restarts(ACTION_RENAME_RESTART, SHUTDOWN_crash, quick, 20, &rules, &last), 2);
    is(last, ACTION_PRESERVE, "what was to be kept is kept");
    is(restarts(ACTION_COREDUMP_RESTART, SHUTDOWN_crash, quick, 20, &rules, &last), 2);
    is(last, ACTION_COREDUMP_DESTROY, "what was to be dumped is dumped");
    is(restarts(ACTION_RESTART, SHUTDOWN_crash, slow, 20, &rules, &last), 20,
       "10 seconds are long enough");
    is(restarts(ACTION_RESTART, SHUTDOWN_crash, mixed, 20, &rules, &last), 14,
       "only quick stops in a row count");
    is(restarts(ACTION_RESTART, SHUTDOWN_crash, quick, 20, &for_ever, &last), 20, "no limit");
    is(restarts(ACTION_RESTART, SHUTDOWN_crash, quick, 20, &none, &last), 20, "nothing is quick");
    struct guest_config config = {.on_crash = ACTION_DESTROY};
    struct stop stop = {.reason = SHUTDOWN_crash, .quick = 50};
    ok(!decide(&config, &stop, &rules).refused, "what is not restarted is not refused");
}

int main(void)
{
    test_reasons();
    test_other_reasons();
    test_quick();
    return done();
}
