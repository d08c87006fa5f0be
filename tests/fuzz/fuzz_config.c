/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a guest's configuration: they are refused with a message, or give a guest whose JSON
 * reads as the same guest.
 *
 * links: toolstack/common/cfg_parse.c toolstack/common/cpus.c toolstack/common/guest_config.c
 * links: toolstack/common/guest_config_json.c toolstack/common/guest_names.c
 * links: toolstack/common/message.c toolstack/devices/disk_parse.c toolstack/devices/nic_parse.c
 * links: toolstack/devices/spec.c
 * libs: -ljson-c
 * runs: 60000
 * max_len: 1024
 */
#include "common/guest_config.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static void ignore(void *data, const struct message *what)
{
    (void)data;
    (void)what;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guest_config c, again;
    struct message why = {.file = NULL};

    if (guest_config_parse("fuzz", (const char *)data, size, &c, ignore, NULL, &why)) {
        demand(why.text[0] != '\0');
        return 0;
    }
    char *text = guest_config_to_json(&c);
    demand(text != NULL);
    demand(c.vcpus >= 1 && c.vcpus <= c.max_vcpus && c.max_vcpus <= GUEST_MAX_VCPUS);
    demand(c.memory_kib >= 1 && c.memory_kib <= c.max_memory_kib);
    if (guest_config_from_json(text, &again, &why) == 0) {
        char *second = guest_config_to_json(&again);

        demand(second != NULL && strcmp(text, second) == 0);
        free(second);
        guest_config_free(&again);
    } else {
        demand(false);
    }
    free(text);
    guest_config_free(&c);
    return 0;
}
