/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decisions about guests that stopped.
 */
#include "watch/decide.h"

#include <xenctrl.h>

static const char *const reason_names[] = {
    [SHUTDOWN_poweroff] = "power-off", [SHUTDOWN_reboot] = "reboot",
    [SHUTDOWN_suspend] = "suspend",    [SHUTDOWN_crash] = "crash",
    [SHUTDOWN_watchdog] = "watchdog",  [SHUTDOWN_soft_reset] = "soft reset",
};

const char *stop_reason_name(unsigned reason)
{
    return reason < sizeof(reason_names) / sizeof(reason_names[0]) ? reason_names[reason]
                                                                   : "a reason that is unknown";
}

bool action_restarts(enum stop_action action)
{
    return action == ACTION_RESTART || action == ACTION_RENAME_RESTART ||
           action == ACTION_COREDUMP_RESTART;
}

static enum stop_action configured(const struct guest_config *config, unsigned reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        return config->on_poweroff;
    case SHUTDOWN_reboot:
        return config->on_reboot;
    case SHUTDOWN_crash:
        return config->on_crash;
    case SHUTDOWN_watchdog:
        return config->on_watchdog;
    case SHUTDOWN_soft_reset:
        return config->on_soft_reset;
    default: /* nobody could have said what to do; xl destroys, too */
        return ACTION_DESTROY;
    }
}

/* What is left of an action without the restart. Whoever asked for the stopped guest to be kept
 * still has it. */
static enum stop_action without_restart(enum stop_action action)
{
    switch (action) {
    case ACTION_RENAME_RESTART:
        return ACTION_PRESERVE;
    case ACTION_COREDUMP_RESTART:
        return ACTION_COREDUMP_DESTROY;
    default:
        return ACTION_DESTROY;
    }
}

struct decision decide(const struct guest_config *config, const struct stop *stop,
                       const struct quick_rules *rules)
{
    struct decision d = {.leave = stop->reason == SHUTDOWN_suspend};

    d.action = configured(config, stop->reason);
    d.quick = stop->seconds < rules->seconds ? stop->quick + 1 : 0;
    d.refused = action_restarts(d.action) && rules->limit != 0 && d.quick >= rules->limit;
    if (d.refused)
        d.action = without_restart(d.action);
    return d;
}
