/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files in memory: names, and what is in them. A name is a path from / on, in one list; a directory
 * is a file without contents whose path begins those of others. Everything is under one lock.
 */
#include "files.h"
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <pv/start.h>

#define BLOCK 4096u

struct file {
    uint8_t *data;
    size_t size, capacity; /* capacity 0: the data is not this file's own, or there is none */
    unsigned long number;
    unsigned links, users;
    bool directory;
};

struct name {
    struct name *next;
    struct file *file;
    char path[]; /* "/a/b"; the root is "" */
};

static struct name *names;
static struct spinlock files_lock;
static unsigned long last_number;

/* ---- Names -------------------------------------------------------------------------------- */

/* Without empty parts and "."; ".." leads up. The working directory is /. */
static int path_normalize(const char *path, char out[PATH_MAX])
{
    size_t n = 0;

    if (*path == '\0')
        return ENOENT;
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            while (n > 0 && out[--n] != '/')
                continue;
        } else if (part != 0 && !(part == 1 && path[0] == '.')) {
            if (n + part + 2 > PATH_MAX)
                return ENAMETOOLONG;
            out[n++] = '/';
            memcpy(out + n, path, part);
            n += part;
        }
        path += part + (path[part] == '/');
    }
    out[n] = '\0';
    return 0;
}

/* Where the list has this name, or ends. */
static struct name **name_find(const char *path)
{
    struct name **at = &names;

    while (*at != NULL && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    return at;
}

static int parent_check(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return EEXIST; /* the root */
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    const struct name *name = *name_find(parent);
    return name == NULL ? ENOENT : !name->file->directory ? ENOTDIR : 0;
}

static int name_add(const char *path, struct file *file)
{
    size_t size = strlen(path) + 1;
    struct name *name = malloc(sizeof(*name) + size);

    if (name == NULL)
        return ENOSPC;
    memcpy(name->path, path, size);
    name->file = file;
    name->next = names;
    names = name;
    file->links++;
    return 0;
}

static void file_drop(struct file *file)
{
    if (file->links != 0 || file->users != 0)
        return;
    if (file->capacity != 0)
        free(file->data);
    free(file);
}

static void name_remove(struct name **at)
{
    struct name *name = *at;

    *at = name->next;
    name->file->links--;
    file_drop(name->file);
    free(name);
}

static bool directory_is_empty(const char *path)
{
    size_t n = strlen(path);

    for (const struct name *name = names; name != NULL; name = name->next)
        if (strncmp(name->path, path, n) == 0 && name->path[n] == '/')
            return false;
    return true;
}

static int file_make(const char *path, bool directory, struct file **out)
{
    int error = parent_check(path);
    struct file *file;

    if (error)
        return error;
    file = calloc(1, sizeof(*file));
    if (file == NULL)
        return ENOSPC;
    file->directory = directory;
    file->number = ++last_number;
    error = name_add(path, file);
    if (error)
        free(file);
    else
        *out = file;
    return error;
}

/* ---- Opening ------------------------------------------------------------------------------ */

int file_get(const char *path, bool create, bool exclusive, struct file **file)
{
    char full[PATH_MAX];
    int error = path_normalize(path, full);

    if (error)
        return error;
    spin_lock(&files_lock);
    const struct name *name = *name_find(full);
    if (name != NULL && create && exclusive)
        error = EEXIST;
    else if (name != NULL)
        *file = name->file;
    else if (create)
        error = file_make(full, false, file);
    else
        error = ENOENT;
    if (!error)
        (*file)->users++;
    spin_unlock(&files_lock);
    return error;
}

void file_put(struct file *file)
{
    spin_lock(&files_lock);
    file->users--;
    file_drop(file);
    spin_unlock(&files_lock);
}

/* ---- Contents ----------------------------------------------------------------------------- */

size_t file_read(struct file *file, size_t at, void *data, size_t size)
{
    spin_lock(&files_lock);
    size_t left = at < file->size ? file->size - at : 0;
    size_t n = size < left ? size : left;
    if (n != 0)
        memcpy(data, file->data + at, n);
    spin_unlock(&files_lock);
    return n;
}

/* Room for `size` bytes, of the file's own; those behind its end are 0. */
static int file_grow(struct file *file, size_t size)
{
    size_t capacity = file->capacity * 2 > size ? file->capacity * 2 : size + BLOCK;

    if (size <= file->capacity)
        return 0;
    if (size > LONG_MAX - BLOCK)
        return EFBIG;
    uint8_t *data = file->capacity != 0 ? realloc(file->data, capacity) : malloc(capacity);
    if (data == NULL)
        return ENOSPC;
    if (file->capacity == 0 && file->size != 0)
        memcpy(data, file->data, file->size);
    memset(data + file->size, 0, capacity - file->size);
    file->data = data;
    file->capacity = capacity;
    return 0;
}

int file_write(struct file *file, size_t at, const void *data, size_t size)
{
    int error = EFBIG;

    spin_lock(&files_lock);
    if (at + size >= at)
        error = file_grow(file, at + size > file->size ? at + size : file->size);
    if (!error && size != 0)
        memcpy(file->data + at, data, size);
    if (!error && size != 0 && at + size > file->size)
        file->size = at + size;
    spin_unlock(&files_lock);
    return error;
}

int file_truncate(struct file *file, size_t size)
{
    spin_lock(&files_lock);
    int error = file->directory ? EISDIR : size != 0 ? file_grow(file, size) : 0;
    if (!error) {
        if (size < file->size && file->capacity != 0)
            memset(file->data + size, 0, file->size - size);
        file->size = size;
    }
    spin_unlock(&files_lock);
    return error;
}

size_t file_size(struct file *file)
{
    return __atomic_load_n(&file->size, __ATOMIC_RELAXED);
}

bool file_is_directory(const struct file *file)
{
    return file->directory;
}

void file_stat(struct file *file, struct stat *stat)
{
    memset(stat, 0, sizeof(*stat));
    stat->st_mode = file->directory ? S_IFDIR | 0755 : S_IFREG | 0644;
    stat->st_ino = (ino_t)file->number;
    stat->st_nlink = (nlink_t)file->links;
    stat->st_size = (off_t)file_size(file);
    stat->st_blksize = BLOCK;
    stat->st_blocks = (blkcnt_t)((file_size(file) + 511) / 512);
}

/* ---- Changing names ----------------------------------------------------------------------- */

int file_make_directory(const char *path)
{
    char full[PATH_MAX];
    struct file *file;
    int error = path_normalize(path, full);

    if (error)
        return error;
    spin_lock(&files_lock);
    error = *name_find(full) != NULL ? EEXIST : file_make(full, true, &file);
    spin_unlock(&files_lock);
    return error;
}

int file_remove(const char *path)
{
    char full[PATH_MAX];
    int error = path_normalize(path, full);

    if (error)
        return error;
    spin_lock(&files_lock);
    struct name **at = name_find(full);
    if (*at == NULL)
        error = ENOENT;
    else if (full[0] == '\0')
        error = EBUSY;
    else if ((*at)->file->directory && !directory_is_empty(full))
        error = ENOTEMPTY;
    else
        name_remove(at);
    spin_unlock(&files_lock);
    return error;
}

/* A second name for the file; in place of another file's if `replace`. */
static int link_locked(const char *from, const char *to, bool replace)
{
    const struct name *name = *name_find(from);
    struct name **there = name_find(to);

    if (name == NULL)
        return ENOENT;
    if (name->file->directory)
        return EPERM;
    if (*there != NULL && !replace)
        return EEXIST;
    if (*there != NULL && (*there)->file->directory)
        return EISDIR;
    int error = parent_check(to);
    if (!error)
        error = name_add(to, name->file);
    /* The new name is the list's first: the second that is found is the old one. */
    if (!error && *there != NULL && replace) {
        for (there = &names->next; strcmp((*there)->path, to) != 0;)
            there = &(*there)->next;
        name_remove(there);
    }
    return error;
}

static int link_paths(const char *from, const char *to, bool rename)
{
    char old[PATH_MAX], new[PATH_MAX];
    int error = path_normalize(from, old);

    if (!error)
        error = path_normalize(to, new);
    if (error || (rename && strcmp(old, new) == 0))
        return error;
    spin_lock(&files_lock);
    error = link_locked(old, new, rename);
    if (!error && rename)
        name_remove(name_find(old));
    spin_unlock(&files_lock);
    return error;
}

/* Of files; a directory cannot be renamed (EPERM). */
int file_rename(const char *from, const char *to)
{
    return link_paths(from, to, true);
}

int file_link(const char *from, const char *to)
{
    return link_paths(from, to, false);
}

/* ---- Start -------------------------------------------------------------------------------- */

int file_add(const char *path, const void *data, size_t size)
{
    struct file *file;
    int error = file_get(path, true, false, &file);

    if (error)
        return error;
    file->data = (uint8_t *)data;
    file->size = size;
    file_put(file);
    return 0;
}

void files_init(void)
{
    struct file *root = calloc(1, sizeof(*root));

    if (root == NULL || name_add("", root) != 0)
        fatal("no memory for files");
    root->directory = true;
    module_load();
}
