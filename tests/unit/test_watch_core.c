/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: tests/unit/host.c toolstack/watch/core_file.c toolstack/common/message.c
 *
 * The file of a dumped guest, read as an ELF file by its headers alone.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/elfnote.h>

#include "tap.h"
#include "watch/core_file.h"

#define PAGES 700u

static char *file;
static size_t file_size;

static void read_pages(void *data, const struct core_frame *frames, unsigned count, char *pages)
{
    (void)data;
    for (unsigned i = 0; i < count; i++)
        memset(pages + i * XC_PAGE_SIZE, (int)(frames[i].mfn % 251), XC_PAGE_SIZE);
}

/* A section by its name; NULL. */
static const Elf64_Shdr *section(const char *name)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
    const Elf64_Shdr *table = (const Elf64_Shdr *)(file + header->e_shoff);
    const char *names = file + table[header->e_shstrndx].sh_offset;

    for (unsigned i = 0; i < header->e_shnum; i++)
        if (strcmp(names + table[i].sh_name, name) == 0)
            return table[i].sh_offset + table[i].sh_size <= file_size ? &table[i] : NULL;
    return NULL;
}

/* The bytes of a note. */
static const void *note(uint32_t type, size_t *size)
{
    const Elf64_Shdr *s = section(".note.Xen");

    for (size_t at = 0; s != NULL && at < s->sh_size;) {
        const Elf64_Nhdr *n = (const Elf64_Nhdr *)(file + s->sh_offset + at);
        const char *name = (const char *)(n + 1), *bytes = name + ((n->n_namesz + 3) & ~3u);

        *size = n->n_descsz;
        if (n->n_type == type && strcmp(name, "Xen") == 0)
            return bytes;
        at += (size_t)(bytes - (const char *)n) + ((n->n_descsz + 3) & ~3u);
    }
    return NULL;
}

static void test_file(void)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)file;
    const uint64_t *counts;
    size_t size;

    ok(memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_type == ET_CORE &&
           header->e_machine == EM_X86_64 && header->e_ident[EI_CLASS] == ELFCLASS64,
       "it is an ELF core file");
    counts = note(XEN_ELFNOTE_DUMPCORE_HEADER, &size);
    ok(counts != NULL && size == 32 && counts[0] == 0xf00febed && counts[1] == 2 &&
           counts[2] == PAGES && counts[3] == 4096,
       "a note counts vCPUs and pages");
    ok(note(XEN_ELFNOTE_DUMPCORE_NONE, &size) != NULL && size == 0, "a note says what it is");
    counts = note(XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, &size);
    ok(counts != NULL && size == 8 && counts[0] == 1, "and of what format");
    const struct core_version *version = note(XEN_ELFNOTE_DUMPCORE_XEN_VERSION, &size);
    ok(version != NULL && size == sizeof(*version) && version->major == 4 && version->minor == 17,
       "and of what hypervisor");
}

static void test_sections(const vcpu_guest_context_t *contexts, const struct core_frame *frames)
{
    const Elf64_Shdr *s = section(".xen_prstatus");

    ok(s != NULL && s->sh_entsize == sizeof(*contexts) && s->sh_size == 2 * sizeof(*contexts) &&
           memcmp(file + s->sh_offset, contexts, s->sh_size) == 0,
       "registers");
    s = section(".xen_shared_info");
    ok(s != NULL && s->sh_size == 4096 && file[s->sh_offset + 77] == 5, "the shared page");
    s = section(".xen_p2m");
    ok(s != NULL && s->sh_entsize == 16 && s->sh_size == PAGES * 16 &&
           memcmp(file + s->sh_offset, frames, s->sh_size) == 0,
       "which frame a page is");
    s = section(".xen_pages");
    ok(s != NULL && s->sh_offset % 4096 == 0 && s->sh_size == PAGES * 4096ul &&
           s->sh_offset + s->sh_size == file_size,
       "pages to the end of the file");
    bool same = true;
    for (unsigned i = 0; s != NULL && i < PAGES; i++)
        same &= (unsigned char)file[s->sh_offset + i * 4096 + 4095] == frames[i].mfn % 251;
    ok(same, "each of them its own");
}

int main(void)
{
    static vcpu_guest_context_t contexts[2];
    static char shared[4096];
    struct core_frame frames[PAGES];
    struct core_source source = {.version = {.major = 4, .minor = 17, .page_size = 4096},
                                 .contexts = contexts,
                                 .nr_vcpus = 2,
                                 .shared_info = shared,
                                 .frames = frames,
                                 .nr_frames = PAGES,
                                 .read_pages = read_pages};
    struct message why = {.file = NULL};
    char path[] = "/tmp/test_watch_core.XXXXXX";
    int fd = mkstemp(path);

    for (unsigned i = 0; i < PAGES; i++)
        frames[i] = (struct core_frame){.pfn = i, .mfn = 100000 - i * 7};
    contexts[0].user_regs.rip = 0x1234;
    contexts[1].user_regs.rsp = 0x5678;
    memset(shared, 5, sizeof(shared));
    is(core_write(fd, &source, &why), 0, "it is written");
    file_size = (size_t)lseek(fd, 0, SEEK_END);
    file = mmap(NULL, file_size, PROT_READ, MAP_SHARED, fd, 0);
    if (file == MAP_FAILED)
        bail_out("the file cannot be mapped");
    test_file();
    test_sections(contexts, frames);
    munmap(file, file_size);
    close(fd);
    unlink(path);
    fd = open("/dev/full", O_WRONLY);
    is(core_write(fd, &source, &why), -ENOSPC, "a disk that is full is an error");
    close(fd);
    return done();
}
