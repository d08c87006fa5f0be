/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * links: toolstack/builder/kernel_file.c toolstack/common/message.c toolstack/unpack/unpack.c
 * links: toolstack/unpack/codec.c toolstack/unpack/codec_lz4.c toolstack/unpack/trim.c
 * links: hypervisor/core/elf.c tests/unit/host.c
 * libs: -lz -llzma -lzstd -llz4 -lbz2
 *
 * Kernels that the builder opens: notes in a segment, in a section, or none; and files that
 * somebody truncates at each step of reading them.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xen/elfnote.h>

#include "builder/kernel_file.h"
#include "tap.h"

#define IMAGE_BYTES  0x100000u
#define SEGMENT_AT   0x1000u
#define NOTES_AT     0x2000u
#define SECTIONS_AT  0x3000u
#define BASE         0xffffffff80000000ull
#define SEGMENT_ADDR 0x1000000u

/* ---- The file's fate ------------------------------------------------------------------------ */

static char path[] = "/tmp/test_kernel_file.XXXXXX";
static unsigned calls,
    truncate_at; /* before which call the file becomes `left` bytes long; 0: never */
static off_t left;

static void step(void)
{
    if (++calls == truncate_at && truncate(path, left))
        bail_out("%s cannot be truncated", path);
}

/* In the place of libc's: the system calls by which a file can be looked at. */
ssize_t pread(int fd, void *to, size_t size, off_t at)
{
    step();
    return syscall(SYS_pread64, fd, to, size, at);
}

int fstat(int fd, struct stat *st)
{
    step();
    return (int)syscall(SYS_fstat, fd, st);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *made = (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);

    step();
    return made;
}

/* ---- Images --------------------------------------------------------------------------------- */

static uint8_t image[IMAGE_BYTES];

static size_t add_note(uint8_t *at, uint32_t type, const void *desc, uint32_t size)
{
    const Elf64_Nhdr n = {.n_namesz = 4, .n_descsz = size, .n_type = type};

    memcpy(at, &n, sizeof(n));
    memcpy(at + sizeof(n), "Xen", 4);
    memcpy(at + sizeof(n) + 4, desc, size);
    return sizeof(n) + 4 + (size + 3) / 4 * 4;
}

/* One segment; the notes are found by a segment, or by a section. */
static void make(bool by_segment)
{
    const uint64_t base = BASE, entry = BASE + SEGMENT_ADDR;
    Elf64_Ehdr *h = (Elf64_Ehdr *)image;
    Elf64_Phdr *p = (Elf64_Phdr *)(image + sizeof(*h));
    size_t notes = NOTES_AT;

    memset(image, 0, sizeof(image));
    notes += add_note(image + notes, XEN_ELFNOTE_GUEST_OS, "linux", 6);
    notes += add_note(image + notes, XEN_ELFNOTE_XEN_VERSION, "xen-3.0", 8);
    notes += add_note(image + notes, XEN_ELFNOTE_VIRT_BASE, &base, 8);
    notes += add_note(image + notes, XEN_ELFNOTE_ENTRY, &entry, 8);
    notes -= NOTES_AT;
    *h = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                      .e_type = ET_EXEC,
                      .e_machine = EM_X86_64,
                      .e_version = EV_CURRENT,
                      .e_entry = entry,
                      .e_phoff = sizeof(*h),
                      .e_shoff = SECTIONS_AT,
                      .e_ehsize = sizeof(*h),
                      .e_phentsize = sizeof(*p),
                      .e_phnum = 2,
                      .e_shentsize = sizeof(Elf64_Shdr),
                      .e_shnum = by_segment ? 0 : 1};
    p[0] = (Elf64_Phdr){.p_type = PT_LOAD,
                        .p_offset = SEGMENT_AT,
                        .p_vaddr = BASE + SEGMENT_ADDR,
                        .p_paddr = SEGMENT_ADDR,
                        .p_filesz = 0x1000,
                        .p_memsz = 0x1000};
    p[1] = (Elf64_Phdr){
        .p_type = by_segment ? PT_NOTE : PT_NULL, .p_offset = NOTES_AT, .p_filesz = notes};
    *(Elf64_Shdr *)(image + SECTIONS_AT) =
        (Elf64_Shdr){.sh_type = SHT_NOTE, .sh_offset = NOTES_AT, .sh_size = notes};
}

static void write_image(size_t size)
{
    int fd = open(path, O_WRONLY | O_TRUNC);

    if (fd < 0 || write(fd, image, size) != (ssize_t)size)
        bail_out("%s cannot be written", path);
    close(fd);
}

static struct message why;

static int open_image(unsigned at, off_t size)
{
    struct kernel_file k = {.fd = -1};

    why.text[0] = '\0';
    calls = 0;
    truncate_at = at;
    left = size;
    int rc = kernel_file_open(&k, path, &why);
    if (rc == 0 && (k.kernel.virt_entry != BASE + SEGMENT_ADDR || k.kernel.nr_segments != 1 ||
                    k.kernel.segment[0].offset != SEGMENT_AT))
        rc = 1;
    if (rc >= 0 && k.fd < 0)
        rc = 2;
    kernel_file_close(&k);
    return rc;
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_notes(void)
{
    make(true);
    write_image(IMAGE_BYTES);
    is(open_image(0, 0), 0, "notes in a segment");
    make(false);
    write_image(IMAGE_BYTES);
    is(open_image(0, 0), 0, "notes in a section alone");
    ((Elf64_Ehdr *)image)->e_shnum = 0;
    write_image(IMAGE_BYTES);
    is(open_image(0, 0), -EINVAL, "no notes");
    ok(strstr(why.text, "no Xen notes") != NULL, "is said: %s", why.text);
    make(true);
    write_image(SEGMENT_AT + 0x800);
    is(open_image(0, 0), -EINVAL, "a file that lacks its end");
    ok(strstr(why.text, "beyond the end") != NULL, "is told so: %s", why.text);
    write_image(5);
    is(open_image(0, 0), -EINVAL, "a file of five bytes: %s", why.text);
}

/* It is as it was, or an error is told: the process does not end by SIGBUS. */
static void test_truncated(bool by_segment, off_t size)
{
    unsigned last = 0, shorter = 0, good = 0;

    for (unsigned at = 1; at == 1 || calls >= at - 1; at++) {
        make(by_segment);
        write_image(IMAGE_BYTES);
        int rc = open_image(at, size);

        good += rc == 0;
        shorter += rc < 0 && strstr(why.text, "shorter") != NULL;
        if (rc > 0 || (rc < 0 && why.text[0] == '\0'))
            last = at;
        if (calls < at)
            break;
    }
    is(last, 0, "truncated to %jd bytes: read as it was, or refused with a reason", (intmax_t)size);
    ok(good > 0, "as it was, when all had been read");
    ok(shorter > 0 || size > (off_t)NOTES_AT, "it became shorter while it was read, at %u places",
       shorter);
}

int main(void)
{
    int fd = mkstemp(path);

    if (fd < 0)
        bail_out("no temporary file");
    close(fd);
    test_notes();
    test_truncated(true, 0);
    test_truncated(true, 40);
    test_truncated(true, NOTES_AT + 8);
    test_truncated(false, 0);
    test_truncated(false, SECTIONS_AT + 0x1000);
    unlink(path);
    return done();
}
