/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record's file: a header, then records of a size, a type, and values.
 */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/memory.h"
#include "store/store.h"

#define FILE_NAME     "state"
#define NEW_FILE_NAME "state.new"
#define LOCK_NAME     "lock"

#define FIRST_SIZE     (1u << 20)
#define REPLACE_FACTOR 4u

struct file_header {
    char magic[16]; /* with the format's version */
    char boot[48];
    uint64_t committed; /* bytes of records */
};

struct record_header {
    uint32_t size, type; /* size: of the values */
};

static const char magic[16] = "pvstored 1";

struct file {
    int fd;
    struct file_header *header; /* NULL: not open */
    size_t room;                /* of the whole file */
};

struct journal {
    int directory, lock;
    struct file file, old; /* old: while it is being replaced */
    size_t used;           /* bytes of records, those not committed included */
    size_t record;         /* where the one that was begun is */
    size_t replace_at;
};

static char *records(const struct journal *journal)
{
    return (char *)(journal->file.header + 1);
}

static void file_close(struct file *file)
{
    if (file->header != NULL)
        munmap(file->header, file->room);
    if (file->fd >= 0)
        close(file->fd);
    *file = (struct file){.fd = -1};
}

/* Space is allocated before it is mapped, or a full disk would be a SIGBUS. */
static int file_map(struct file *file, size_t room)
{
    int rc = posix_fallocate(file->fd, 0, (off_t)room);

    if (rc)
        return -rc;
    void *memory = file->header == NULL
                       ? mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0)
                       : mremap(file->header, file->room, room, MREMAP_MAYMOVE);
    if (memory == MAP_FAILED)
        return -errno;
    file->header = memory;
    file->room = room;
    return 0;
}

static int file_create(const struct journal *journal, const char *name, const char *boot,
                       struct file *file)
{
    *file = (struct file){
        .fd = openat(journal->directory, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    int rc = file->fd < 0 ? -errno : file_map(file, FIRST_SIZE);
    if (rc) {
        file_close(file);
        return rc;
    }
    memcpy(file->header->boot, boot, strnlen(boot, sizeof(file->header->boot) - 1));
    memcpy(file->header->magic, magic, sizeof(magic));
    return 0;
}

/* A file of this boot; -ENOENT: there is none that is of use. */
static int file_take_up(const struct journal *journal, const char *boot, struct file *file)
{
    struct stat status;

    *file = (struct file){.fd = openat(journal->directory, FILE_NAME, O_RDWR | O_CLOEXEC)};
    if (file->fd < 0 || fstat(file->fd, &status))
        return -errno;
    if ((size_t)status.st_size < sizeof(struct file_header))
        return -ENOENT;
    int rc = file_map(file, (size_t)status.st_size);
    if (rc)
        return rc;
    const struct file_header *header = file->header;
    if (strncmp(header->boot, boot, sizeof(header->boot) - 1) != 0)
        return -ENOENT;
    if (memcmp(header->magic, magic, sizeof(magic)) != 0 ||
        header->committed > file->room - sizeof(*header))
        return -EINVAL;
    return 0;
}

static int lock_directory(struct journal *journal, const char *directory, struct message *why)
{
    if (mkdir(directory, 0700) && errno != EEXIST)
        return message_errno(why, -errno, "cannot make the directory %s", directory);
    journal->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory < 0)
        return message_errno(why, -errno, "cannot open the directory %s", directory);
    journal->lock = openat(journal->directory, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal->lock < 0)
        return message_errno(why, -errno, "cannot write in the directory %s", directory);
    if (flock(journal->lock, LOCK_EX | LOCK_NB))
        return message_set(why, -EBUSY, "another pvstored uses %s; stop that one first", directory);
    return 0;
}

int journal_open(const char *directory, const char *boot, bool fresh, struct journal **out,
                 struct message *why)
{
    struct journal *journal = store_alloc(sizeof(*journal));

    *journal = (struct journal){.directory = -1, .lock = -1, .file.fd = -1, .old.fd = -1};
    int rc = lock_directory(journal, directory, why);
    if (rc == 0) {
        rc = fresh ? -ENOENT : file_take_up(journal, boot, &journal->file);
        if (rc == -ENOENT) {
            file_close(&journal->file);
            rc = file_create(journal, FILE_NAME, boot, &journal->file);
        }
        if (rc)
            message_errno(why, rc,
                          "cannot use %s/" FILE_NAME
                          " (--fresh begins a new one: guests lose their connections)",
                          directory);
    }
    if (rc) {
        journal_close(journal);
        return rc;
    }
    journal->used = journal->file.header->committed;
    journal->replace_at = FIRST_SIZE;
    if (journal->replace_at < journal->used * REPLACE_FACTOR)
        journal->replace_at = journal->used * REPLACE_FACTOR;
    *out = journal;
    return 0;
}

void journal_close(struct journal *journal)
{
    file_close(&journal->file);
    file_close(&journal->old);
    if (journal->lock >= 0)
        close(journal->lock);
    if (journal->directory >= 0)
        close(journal->directory);
    free(journal);
}

/* Without space for the record the daemon cannot keep its promise, and says so; what was committed
 * stays, and the request at hand was not answered. */
static void *append(struct journal *journal, size_t size)
{
    size_t need = sizeof(struct file_header) + journal->used + size;

    if (need > journal->file.room) {
        int rc = file_map(&journal->file, need * 2);
        if (rc) {
            store_log("cannot extend the record of changes: %s; make room on its disk and start "
                      "pvstored again",
                      strerror(-rc));
            exit(1);
        }
    }
    char *place = records(journal) + journal->used;
    journal->used += size;
    return place;
}

void journal_begin(struct journal *journal, uint32_t type)
{
    struct record_header header = {.type = type};

    journal->record = journal->used;
    memcpy(append(journal, sizeof(header)), &header, sizeof(header));
}

void journal_number(struct journal *journal, uint64_t value)
{
    memcpy(append(journal, sizeof(value)), &value, sizeof(value));
}

void journal_bytes(struct journal *journal, const void *bytes, size_t size)
{
    uint32_t count = (uint32_t)size;

    memcpy(append(journal, sizeof(count)), &count, sizeof(count));
    if (size)
        memcpy(append(journal, size), bytes, size);
}

void journal_end(struct journal *journal)
{
    uint32_t size = (uint32_t)(journal->used - journal->record - sizeof(struct record_header));

    memcpy(records(journal) + journal->record, &size, sizeof(size));
}

/* One store of eight bytes, behind all others: a process that is killed leaves it done or not. */
void journal_commit(struct journal *journal)
{
    __atomic_store_n(&journal->file.header->committed, journal->used, __ATOMIC_RELEASE);
}

bool journal_wants_replacement(const struct journal *journal)
{
    return journal->used > journal->replace_at;
}

int journal_replace_begin(struct journal *journal)
{
    struct file file;
    int rc = file_create(journal, NEW_FILE_NAME, journal->file.header->boot, &file);

    if (rc) {
        journal->replace_at *= 2;
        return rc;
    }
    journal->old = journal->file;
    journal->file = file;
    journal->used = 0;
    return 0;
}

void journal_replace_end(struct journal *journal)
{
    journal_commit(journal);
    if (renameat(journal->directory, NEW_FILE_NAME, journal->directory, FILE_NAME)) {
        store_log("cannot replace the record of changes: %s", strerror(errno));
        exit(1);
    }
    file_close(&journal->old);
    journal->replace_at = journal->used * REPLACE_FACTOR;
    if (journal->replace_at < FIRST_SIZE)
        journal->replace_at = FIRST_SIZE;
}

bool journal_next(const struct journal *journal, size_t *offset, struct record *record)
{
    struct record_header header;
    size_t left = journal->file.header->committed - *offset;
    const char *at = records(journal) + *offset;

    if (left == 0)
        return false;
    *record = (struct record){.at = at, .end = at};
    *offset += left;
    if (left < sizeof(header))
        return true;
    memcpy(&header, at, sizeof(header));
    if (header.size > left - sizeof(header))
        return true;
    record->type = header.type;
    record->at = at + sizeof(header);
    record->end = record->at + header.size;
    record->good = true;
    *offset += sizeof(header) + header.size - left;
    return true;
}

static const char *take(struct record *record, size_t size)
{
    const char *at = record->at;

    if (!record->good || size > (size_t)(record->end - at)) {
        record->good = false;
        return NULL;
    }
    record->at += size;
    return at;
}

uint64_t record_number(struct record *record)
{
    uint64_t value = 0;
    const char *at = take(record, sizeof(value));

    if (at != NULL)
        memcpy(&value, at, sizeof(value));
    return value;
}

const char *record_bytes(struct record *record, size_t *size)
{
    uint32_t count = 0;
    const char *at = take(record, sizeof(count));

    if (at != NULL)
        memcpy(&count, at, sizeof(count));
    at = take(record, count);
    *size = at != NULL ? count : 0;
    return at != NULL ? at : "";
}
