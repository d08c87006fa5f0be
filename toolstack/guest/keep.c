/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations of guests that exist: PATH_GUESTS/<uuid>.json, replaced as a whole or not at all.
 */
#include "guest/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/paths.h"
#include "guest/lock.h"

#define FILE_MAX (4u << 20)

static void file_path(const uint8_t uuid[16], char path[128])
{
    char text[37];

    uuid_to_text(uuid, text);
    snprintf(path, 128, "%s/%s.json", PATH_GUESTS, text);
}

int guest_config_load(const uint8_t uuid[16], struct guest_config *config, struct message *why)
{
    char path[128];
    struct stat st;
    int rc = -EIO;

    *config = (struct guest_config){.name = NULL};
    file_path(uuid, path);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return message_errno(why, -errno, "%s: the kept configuration cannot be opened", path);
    char *text =
        fstat(fileno(f), &st) || st.st_size > FILE_MAX ? NULL : calloc(1, (size_t)st.st_size + 1);
    if (text != NULL && fread(text, 1, (size_t)st.st_size, f) == (size_t)st.st_size) {
        rc = guest_config_from_json(text, config, why);
        if (rc)
            message_prefix(why, "%s", path);
    } else {
        message_set(why, rc, "%s: the kept configuration cannot be read", path);
    }
    fclose(f);
    free(text);
    return rc;
}

static int write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    if (f == NULL)
        return -errno;
    bool good = fputs(text, f) >= 0 && fputc('\n', f) >= 0;
    if (fclose(f) || !good)
        return errno ? -errno : -EIO;
    return 0;
}

int guest_config_save(const struct guest_config *config, struct message *why)
{
    char path[128], part[136];
    char *text = guest_config_to_json(config);

    if (text == NULL)
        return message_set(why, -ENOMEM, "no memory for the configuration");
    mkdir("/var", 0755);
    mkdir("/var/lib", 0755);
    mkdir(PATH_STATE, 0755);
    mkdir(PATH_GUESTS, 0700);
    file_path(config->uuid, path);
    snprintf(part, sizeof(part), "%s.part", path);
    int rc = write_file(part, text);
    if (rc == 0 && rename(part, path))
        rc = -errno;
    free(text);
    if (rc) {
        remove(part);
        return message_errno(why, rc, "%s: the configuration cannot be kept", path);
    }
    return 0;
}

void guest_config_forget(const uint8_t uuid[16])
{
    char path[128], part[136];
    int lock = file_lock(PATH_GUESTS_LOCK, NULL);

    file_path(uuid, path);
    remove(path);
    snprintf(part, sizeof(part), "%s.part", path); /* of one who was killed while writing */
    remove(part);
    if (lock >= 0)
        close(lock);
}
