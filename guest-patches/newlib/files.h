/* SPDX-License-Identifier: BSD-2-Clause */
/* Files in memory, beneath the C library's calls (syscalls.c). Functions give a positive errno. */
#ifndef PV_FILES_H
#define PV_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct file; /* with what is in it; exists while it has a name or is open */

/* The file or directory of this name; with `create`, made when it is not there. Held: put it. */
int file_get(const char *path, bool create, bool exclusive, struct file **file);
void file_put(struct file *file);

/* What fits: fewer bytes than `size` at the end of the file. */
size_t file_read(struct file *file, size_t at, void *data, size_t size);
int file_write(struct file *file, size_t at, const void *data, size_t size);
int file_truncate(struct file *file, size_t size);
size_t file_size(struct file *file);
bool file_is_directory(const struct file *file);
void file_stat(struct file *file, struct stat *stat);

int file_make_directory(const char *path);
/* A directory only when it is empty. */
int file_remove(const char *path);
int file_rename(const char *from, const char *to);
int file_link(const char *from, const char *to);

/* Files whose contents lie in the boot module, which stays as it is: a write copies. */
int file_add(const char *path, const void *data, size_t size);
/* module.c: the boot module as /module, and what is in it when it is an archive. */
void module_load(void);

#endif
