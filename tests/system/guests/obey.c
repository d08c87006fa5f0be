/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that does what it is told: by the words of its command line first, then by lines typed on
 * its console:
 *   say TEXT     prints it          flood N   prints N numbered lines
 *   rubbish      indices of its console's ring out of range, for a while
 *   storm MS     rings the console's port for so long, with nothing to say
 *   poweroff, reboot, crash, watchdog    ends so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/console.h>

#include <pv/clock.h>
#include <pv/event.h>
#include <pv/memory.h>
#include <pv/start.h>

static struct xencons_interface *ring(void)
{
    return pfn_to_virt(machine_to_phys_mapping[start_info->console.domU.mfn]);
}

static void flood(unsigned lines)
{
    for (unsigned i = 1; i <= lines; i++)
        printf("line %06u of a flood that nobody needs to read, but that must not hurt anyone\n",
               i);
    printf("flood done\n");
}

static void storm(uint64_t milliseconds)
{
    uint64_t end = monotonic_ns() + milliseconds * 1000000;

    while (monotonic_ns() < end)
        event_send(start_info->console.domU.evtchn);
    printf("storm done\n");
}

/* Each pair too far apart, with every distance that ends a 32-bit number somewhere else. */
static void rubbish(void)
{
    static const uint32_t distances[] = {2049, 4096, 0x7fffffff, 0x80000000, 0xffffffff};
    struct xencons_interface *r = ring();
    uint32_t in_prod = r->in_prod;

    for (unsigned i = 0; i < sizeof(distances) / sizeof(distances[0]); i++) {
        r->out_prod = r->out_cons + distances[i];
        r->in_prod = r->in_cons + distances[i];
        event_send(start_info->console.domU.evtchn);
        sleep_ns(20000000);
    }
    r->in_prod = in_prod;
    r->out_prod = r->out_cons;
    printf("rubbish done\n");
}

static void obey(char *line)
{
    char *verb = strtok(line, " \r\n"), *rest = strtok(NULL, "\r\n");
    unsigned number = rest != NULL ? (unsigned)strtoul(rest, NULL, 10) : 0;

    if (verb == NULL)
        return;
    if (strcmp(verb, "say") == 0)
        printf("%s\n", rest != NULL ? rest : "");
    else if (strcmp(verb, "flood") == 0)
        flood(number);
    else if (strcmp(verb, "rubbish") == 0)
        rubbish();
    else if (strcmp(verb, "storm") == 0)
        storm(number);
    else if (strcmp(verb, "poweroff") == 0)
        shutdown(SHUTDOWN_poweroff);
    else if (strcmp(verb, "reboot") == 0)
        shutdown(SHUTDOWN_reboot);
    else if (strcmp(verb, "watchdog") == 0)
        shutdown(SHUTDOWN_watchdog);
    else if (strcmp(verb, "crash") == 0)
        shutdown(SHUTDOWN_crash);
    else
        printf("%s is no word that this guest knows\n", verb);
}

int main(int argc, char **argv)
{
    char line[256];

    printf("obedient\n");
    for (int i = 1; i < argc; i++)
        obey(argv[i]);
    while (fgets(line, sizeof(line), stdin) != NULL)
        obey(line);
    return 0;
}
