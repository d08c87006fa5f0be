/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tasks in files.
 */
#include "watch/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void task_path(const uint8_t uuid[16], char path[96])
{
    char text[37];

    uuid_to_text(uuid, text);
    snprintf(path, 96, "%s/%s.json", TASKS, text);
}

bool task_exists(const uint8_t uuid[16])
{
    char path[96];

    task_path(uuid, path);
    return access(path, F_OK) == 0;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static struct json_object *to_json(const struct task *task)
{
    char *config = guest_config_to_json(&task->config);
    struct json_object *o = json_object_new_object();

    json_object_object_add(o, "domid", json_object_new_int64(task->domid));
    json_object_object_add(o, "action", json_object_new_string(stop_action_name(task->action)));
    json_object_object_add(o, "reason", json_object_new_int64(task->reason));
    json_object_object_add(o, "quick", json_object_new_int64(task->quick));
    json_object_object_add(o, "config", config ? json_tokener_parse(config) : NULL);
    free(config);
    return o;
}

static unsigned number(struct json_object *o, const char *key)
{
    return (unsigned)json_object_get_int64(json_object_object_get(o, key));
}

static int from_json(struct json_object *o, struct task *task, struct message *why)
{
    const char *action = json_object_get_string(json_object_object_get(o, "action"));
    struct json_object *config = json_object_object_get(o, "config");

    *task = (struct task){
        .domid = number(o, "domid"), .reason = number(o, "reason"), .quick = number(o, "quick")};
    if (action == NULL || !stop_action_from_name(action, &task->action) || config == NULL)
        return message_set(why, -EINVAL, "it is no task of pvwatchd");
    return guest_config_from_json(json_object_to_json_string(config), &task->config, why);
}

/* ---- Files -------------------------------------------------------------------------------- */

int task_save(const struct task *task, struct message *why)
{
    char path[96], part[104];
    struct json_object *o = to_json(task);
    int rc = 0;

    mkdir(PATH_RUN, 0755);
    mkdir(TASKS, 0700);
    task_path(task->config.uuid, path);
    snprintf(part, sizeof(part), "%s.part", path);
    if (o == NULL || json_object_to_file_ext(part, o, JSON_C_TO_STRING_PLAIN) || rename(part, path))
        rc = message_errno(why, errno ? -errno : -ENOMEM, "%s cannot be written", path);
    json_object_put(o);
    return rc;
}

int task_take(const char *path, struct task *task, int *lock, struct message *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return message_errno(why, -errno, "%s cannot be opened", path);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        return message_set(why, -EBUSY, "%s is being worked on", path);
    }
    /* Who had the lock before may have finished. */
    struct json_object *o = access(path, F_OK) ? NULL : json_object_from_fd(fd);
    int rc = o == NULL ? message_set(why, -ENOENT, "%s is done, or cannot be read", path)
                       : from_json(o, task, why);
    json_object_put(o);
    if (rc)
        close(fd);
    else
        *lock = fd;
    return rc;
}

void task_free(struct task *task)
{
    guest_config_free(&task->config);
}

void each_uuid(const char *directory, void (*each)(void *data, const uint8_t uuid[16]), void *data)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;
    uint8_t uuid[16];
    char text[37];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strlen(entry->d_name) != 36 + strlen(".json") ||
            strcmp(entry->d_name + 36, ".json") != 0)
            continue;
        memcpy(text, entry->d_name, 36);
        text[36] = '\0';
        if (uuid_from_text(text, uuid))
            each(data, uuid);
    }
    if (dir != NULL)
        closedir(dir);
}
