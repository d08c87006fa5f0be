/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of a dumped guest. Everything before the pages is put together in memory, so its places
 * are known when the headers, which come first, are written.
 */
#include "watch/core_file.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xen/elfnote.h>

#define NOTE_NAME      "Xen"
#define FORMAT_VERSION 1u
#define HEADER_MAGIC   0xf00febedu /* of PV guests (XC_CORE_MAGIC of Xen's xenctrl.h) */

enum {
    SECTION_NONE,
    SECTION_NAMES,
    SECTION_NOTES,
    SECTION_PRSTATUS,
    SECTION_SHARED_INFO,
    SECTION_P2M,
    SECTION_PAGES,
    SECTIONS,
};

static const char *const names[SECTIONS] = {
    "", ".shstrtab", ".note.Xen", ".xen_prstatus", ".xen_shared_info", ".xen_p2m", ".xen_pages"};

struct note_header {
    uint64_t magic, nr_vcpus, nr_pages, page_size;
};

/* What has been put together; `failed` once there was no memory for more. */
struct image {
    char *bytes;
    size_t size, room;
    bool failed;
};

static void add(struct image *image, const void *bytes, size_t size)
{
    if (!image->failed && image->size + size > image->room) {
        size_t room = 2 * (image->size + size);
        char *larger = realloc(image->bytes, room);

        image->failed = larger == NULL;
        if (larger != NULL) {
            image->bytes = larger;
            image->room = room;
        }
    }
    if (image->failed || size == 0)
        return;
    memcpy(image->bytes + image->size, bytes, size);
    image->size += size;
}

static void align(struct image *image, size_t to)
{
    static const char zeroes[XC_PAGE_SIZE];

    add(image, zeroes, (to - image->size % to) % to);
}

static void add_note(struct image *image, uint32_t type, const void *bytes, size_t size)
{
    Elf64_Nhdr note = {.n_namesz = sizeof(NOTE_NAME), .n_descsz = (Elf64_Word)size, .n_type = type};

    add(image, &note, sizeof(note));
    add(image, NOTE_NAME, sizeof(NOTE_NAME));
    add(image, bytes, size);
    align(image, 4);
}

static void add_notes(struct image *image, const struct core_source *source)
{
    struct note_header header = {.magic = HEADER_MAGIC,
                                 .nr_vcpus = source->nr_vcpus,
                                 .nr_pages = source->nr_frames,
                                 .page_size = XC_PAGE_SIZE};
    uint64_t format = FORMAT_VERSION;

    add_note(image, XEN_ELFNOTE_DUMPCORE_NONE, NULL, 0);
    add_note(image, XEN_ELFNOTE_DUMPCORE_HEADER, &header, sizeof(header));
    add_note(image, XEN_ELFNOTE_DUMPCORE_XEN_VERSION, &source->version, sizeof(source->version));
    add_note(image, XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, &format, sizeof(format));
}

/* A section begins where the image ends. */
static void begin_section(struct image *image, Elf64_Shdr *section, Elf64_Word type,
                          size_t alignment, size_t entry)
{
    align(image, alignment);
    section->sh_type = type;
    section->sh_offset = image->size;
    section->sh_addralign = alignment;
    section->sh_entsize = entry;
}

static void add_section(struct image *image, Elf64_Shdr *section, const void *bytes, size_t size,
                        size_t entry)
{
    begin_section(image, section, SHT_PROGBITS, sizeof(uint64_t), entry);
    add(image, bytes, size);
    section->sh_size = size;
}

/* All but the pages, and the table of sections. */
static void put_together(struct image *image, const struct core_source *source,
                         Elf64_Shdr table[SECTIONS])
{
    size_t context = sizeof(*source->contexts), frame = sizeof(*source->frames);

    begin_section(image, &table[SECTION_NAMES], SHT_STRTAB, 1, 0);
    for (unsigned i = 0; i < SECTIONS; i++) {
        table[i].sh_name = (Elf64_Word)(image->size - table[SECTION_NAMES].sh_offset);
        add(image, names[i], strlen(names[i]) + 1);
    }
    table[SECTION_NAMES].sh_size = image->size - table[SECTION_NAMES].sh_offset;
    begin_section(image, &table[SECTION_NOTES], SHT_NOTE, 4, 0);
    add_notes(image, source);
    table[SECTION_NOTES].sh_size = image->size - table[SECTION_NOTES].sh_offset;
    add_section(image, &table[SECTION_PRSTATUS], source->contexts, source->nr_vcpus * context,
                context);
    add_section(image, &table[SECTION_SHARED_INFO], source->shared_info, XC_PAGE_SIZE,
                XC_PAGE_SIZE);
    add_section(image, &table[SECTION_P2M], source->frames, source->nr_frames * frame, frame);
    begin_section(image, &table[SECTION_PAGES], SHT_PROGBITS, XC_PAGE_SIZE, XC_PAGE_SIZE);
    table[SECTION_PAGES].sh_size = source->nr_frames * XC_PAGE_SIZE;
}

static int put(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = write(fd, bytes, count);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            count -= (size_t)n;
        }
    }
    return 0;
}

static int put_pages(int fd, const struct core_source *source)
{
    char *pages = malloc(CORE_PAGES_AT_ONCE * XC_PAGE_SIZE);
    int rc = pages == NULL ? -ENOMEM : 0;

    for (uint64_t at = 0; rc == 0 && at < source->nr_frames;) {
        uint64_t left = source->nr_frames - at;
        unsigned count = left < CORE_PAGES_AT_ONCE ? (unsigned)left : CORE_PAGES_AT_ONCE;

        source->read_pages(source->data, source->frames + at, count, pages);
        rc = put(fd, pages, count * XC_PAGE_SIZE);
        at += count;
    }
    free(pages);
    return rc;
}

int core_write(int fd, const struct core_source *source, struct message *why)
{
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                     EV_CURRENT, ELFOSABI_SYSV},
                         .e_type = ET_CORE,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_shoff = sizeof(header),
                         .e_ehsize = sizeof(header),
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shnum = SECTIONS,
                         .e_shstrndx = SECTION_NAMES};
    Elf64_Shdr table[SECTIONS] = {{.sh_type = SHT_NULL}};
    struct image image = {.bytes = NULL};

    add(&image, &header, sizeof(header));
    add(&image, table, sizeof(table));
    put_together(&image, source, table);
    int rc = image.failed ? -ENOMEM : 0;
    if (rc == 0) {
        memcpy(image.bytes + sizeof(header), table, sizeof(table));
        rc = put(fd, image.bytes, image.size);
    }
    free(image.bytes);
    if (rc == 0)
        rc = put_pages(fd, source);
    return rc ? message_errno(why, rc, "the dump cannot be written") : 0;
}
