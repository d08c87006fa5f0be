/* SPDX-License-Identifier: BSD-2-Clause */
/* links: hypervisor/core/elf.c tests/unit/host.c */
/*
 * PV kernel images: a good one is read, and each way of being bad is refused with its own sentence.
 * Images live in allocations of their exact size, so that ASan sees a read beyond the end.
 */
#include <elf.h>
#include <xen/elfnote.h>
#include <xen/errno.h>
#include <xen/features.h>

#include "core/elf.h"
#include "host.h"

/* ---- Building an image ---------------------------------------------------------------------- */

#define IMAGE_MAX 0x4000

struct image {
    uint8_t bytes[IMAGE_MAX];
    size_t size;
};

#define EHDR(im)    ((Elf64_Ehdr *)(im)->bytes)
#define PHDR(im, n) ((Elf64_Phdr *)((im)->bytes + sizeof(Elf64_Ehdr)) + (n))
#define SHDR(im, n) ((Elf64_Shdr *)((im)->bytes + 0x3000) + (n))
#define NOTES_AT    0x2000
#define BASE        0xffffffff80000000ull

static void add_note_named(struct image *im, const char *name, uint32_t type, const void *desc,
                           uint32_t size)
{
    Elf64_Phdr *notes = PHDR(im, 2);
    uint8_t *p = im->bytes + NOTES_AT + notes->p_filesz;
    const Elf64_Nhdr n = {.n_namesz = (uint32_t)strlen(name) + 1, .n_descsz = size, .n_type = type};

    memcpy(p, &n, sizeof(n));
    memcpy(p + sizeof(n), name, n.n_namesz);
    memcpy(p + sizeof(n) + ROUND_UP(n.n_namesz, 4), desc, size);
    notes->p_filesz += sizeof(n) + ROUND_UP(n.n_namesz, 4) + ROUND_UP(size, 4);
}

static void add_number(struct image *im, uint32_t type, uint64_t value)
{
    add_note_named(im, "Xen", type, &value, sizeof(value));
}

static void add_string(struct image *im, uint32_t type, const char *text)
{
    add_note_named(im, "Xen", type, text, (uint32_t)strlen(text) + 1);
}

/* Two segments, no notes. */
static void make_bare(struct image *im)
{
    memset(im, 0, sizeof(*im));
    im->size = IMAGE_MAX;
    *EHDR(im) = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                             .e_type = ET_EXEC,
                             .e_machine = EM_X86_64,
                             .e_version = EV_CURRENT,
                             .e_entry = 0x1000000,
                             .e_phoff = sizeof(Elf64_Ehdr),
                             .e_ehsize = sizeof(Elf64_Ehdr),
                             .e_phentsize = sizeof(Elf64_Phdr),
                             .e_phnum = 3};
    *PHDR(im, 0) = (Elf64_Phdr){.p_type = PT_LOAD,
                                .p_offset = 0x1800,
                                .p_vaddr = BASE + 0x1002000,
                                .p_paddr = 0x1002000,
                                .p_filesz = 0x800,
                                .p_memsz = 0x5000};
    *PHDR(im, 1) = (Elf64_Phdr){.p_type = PT_LOAD,
                                .p_offset = 0x1000,
                                .p_vaddr = BASE + 0x1000000,
                                .p_paddr = 0x1000000,
                                .p_filesz = 0x800,
                                .p_memsz = 0x2000};
    *PHDR(im, 2) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTES_AT};
}

/* As Linux describes itself. */
static void make(struct image *im)
{
    static const char features[] = "!writable_page_tables|unheard_of|pae_pgdir_above_4gb";
    const uint64_t mfn_valid_pair[2] = {1, 0};

    make_bare(im);
    add_string(im, XEN_ELFNOTE_GUEST_OS, "linux");
    add_string(im, XEN_ELFNOTE_GUEST_VERSION, "2.6");
    add_string(im, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_string(im, XEN_ELFNOTE_LOADER, "generic");
    add_note_named(im, "GNU", 3, "abcdefgh", 8);
    add_number(im, XEN_ELFNOTE_VIRT_BASE, BASE);
    add_number(im, XEN_ELFNOTE_PADDR_OFFSET, 0);
    add_number(im, XEN_ELFNOTE_ENTRY, BASE + 0x1001000);
    add_number(im, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1003000);
    add_number(im, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    /* Without its terminator, as Linux writes it. */
    add_note_named(im, "Xen", XEN_ELFNOTE_FEATURES, features, sizeof(features) - 1);
    add_note_named(im, "Xen", XEN_ELFNOTE_L1_MFN_VALID, mfn_valid_pair, 16);
    add_note_named(im, "Xen", XEN_ELFNOTE_MOD_START_PFN, "\1", 1);
    add_note_named(im, "Xen", XEN_ELFNOTE_SUPPORTED_FEATURES, "\0\10\0", 4);
    add_string(im, XEN_ELFNOTE_PAE_MODE, "yes");
    add_note_named(im, "Xen", 99, "?", 1);
}

static int read_image(const struct image *im, struct pv_kernel *k, const char **why)
{
    uint8_t *exact = malloc(im->size ? im->size : 1);
    memcpy(exact, im->bytes, im->size);
    int rc = elf_read_kernel(k, exact, im->size, why);
    free(exact);
    return rc;
}

/* Is it refused, with this in the sentence? */
static void refused(const struct image *im, int error, const char *text)
{
    struct pv_kernel k;
    const char *why = NULL;
    int rc = read_image(im, &k, &why);
    if (!ok(rc == error && why && strstr(why, text), "refused: %s", text))
        diag("returned %d: %s", rc, why ? why : "(no reason)");
}

#define REFUSED(error, text, ...)                                                                  \
    do {                                                                                           \
        make(&im);                                                                                 \
        __VA_ARGS__;                                                                               \
        refused(&im, (error), (text));                                                             \
    } while (0)
#define EINVAL_  (-XEN_EINVAL)
#define ENOEXEC_ (-XEN_ENOEXEC)

static struct image im;

/* ---- Tests ---------------------------------------------------------------------------------- */

static void test_good(void)
{
    struct pv_kernel k;
    const char *why = "unset";

    make(&im);
    is(read_image(&im, &k, &why), 0, "a kernel as Linux is");
    ok(why == NULL);
    is(k.nr_segments, 2);
    is(k.segment[0].paddr, 0x1000000, "segments by rising address");
    is(k.segment[0].offset, 0x1000);
    is(k.segment[0].file_size, 0x800);
    is(k.segment[0].mem_size, 0x2000);
    is(k.segment[1].paddr, 0x1002000);
    ok(k.has_notes);
    is(k.elf_entry, 0x1000000);
    is(k.virt_base, BASE);
    is(k.virt_entry, BASE + 0x1001000);
    is(k.virt_start, BASE + 0x1000000);
    is(k.virt_end, BASE + 0x1007000);
    is(k.hypercall_page, BASE + 0x1003000);
    is(k.init_p2m, 0x8000000000);
    is(k.l1_mfn_mask, 1);
    is(k.l1_mfn_value, 0);
    ok(k.mod_start_pfn);
    is(k.features_required[0], 1u << XENFEAT_writable_page_tables);
    is(k.features_supported[0],
       1u << XENFEAT_writable_page_tables | 1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_dom0);
    is_str(k.guest_os, "linux");
    is_str(k.guest_version, "2.6");
    is_str(k.xen_version, "xen-3.0");
    is_str(k.loader, "generic");
}

/* The least that is accepted, with the defaults of what is not said. */
static void test_least(void)
{
    struct pv_kernel k;
    const char *why;

    make_bare(&im);
    add_string(&im, XEN_ELFNOTE_XEN_VERSION, "xen-3.0-x86_64");
    add_string(&im, XEN_ELFNOTE_LOADER, "generic");
    EHDR(&im)->e_type = ET_DYN;
    is(read_image(&im, &k, &why), 0, "the least");
    is(k.virt_base, 0);
    is(k.virt_entry, 0x1000000, "the ELF entry is the default");
    is(k.virt_start, 0x1000000);
    is(k.hypercall_page, ~0ull, "no hypercall page");
    is(k.init_p2m, ~0ull, "no place for the p2m");
    ok(!k.mod_start_pfn);

    make(&im);
    add_number(&im, XEN_ELFNOTE_PADDR_OFFSET, 0x800000);
    add_number(&im, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x806000);
    add_number(&im, XEN_ELFNOTE_ENTRY, BASE + 0x806fff);
    is(read_image(&im, &k, &why), 0, "an offset; the last page; the last byte");
    is(k.virt_start, BASE + 0x800000);

    make(&im);
    add_string(&im, XEN_ELFNOTE_GUEST_OS, "linux with a name of more than thirty-two characters");
    is(read_image(&im, &k, &why), 0);
    is_str(k.guest_os, "linux with a name of more than ", "long names are cut");
}

static void test_packed(void)
{
    static const struct {
        const char *magic;
        size_t n;
        const char *text;
    } kinds[] = {{"\x1f\x8b\x08", 3, "gzip"},
                 {"\xfd"
                  "7zXZ\0",
                  6, "xz"},
                 {"\x28\xb5\x2f\xfd", 4, "zstd"},
                 {"\x02\x21\x4c\x18", 4, "lz4"},
                 {"\x04\x22\x4d\x18", 4, "lz4"},
                 {"BZh9", 4, "bzip2"},
                 {"\x5d\0\0\x80", 4, "lzma"}};

    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        memset(&im, 0, sizeof(im));
        memcpy(im.bytes, kinds[i].magic, kinds[i].n);
        im.size = kinds[i].n;
        refused(&im, ENOEXEC_, kinds[i].text);
        refused(&im, ENOEXEC_, "pvunpack");
    }
    memset(&im, 0, sizeof(im));
    memcpy(im.bytes, "MZ", 2);
    memcpy(im.bytes + 0x202, "HdrS", 4);
    im.size = 0x206;
    refused(&im, ENOEXEC_, "bzImage");
    refused(&im, ENOEXEC_, "pvunpack");
    im.size = 0x205;
    refused(&im, ENOEXEC_, "no ELF file");
    im.size = 0;
    refused(&im, ENOEXEC_, "no ELF file");
}

static void test_header(void)
{
    REFUSED(ENOEXEC_, "no ELF", im.size = 63);
    REFUSED(ENOEXEC_, "no ELF", im.bytes[3] = 'f');
    REFUSED(ENOEXEC_, "32-bit", EHDR(&im)->e_ident[EI_CLASS] = ELFCLASS32);
    REFUSED(ENOEXEC_, "another machine", EHDR(&im)->e_machine = EM_AARCH64);
    REFUSED(ENOEXEC_, "another machine", EHDR(&im)->e_ident[EI_DATA] = ELFDATA2MSB);
    REFUSED(ENOEXEC_, "version", EHDR(&im)->e_version = 2);
    REFUSED(ENOEXEC_, "no program", EHDR(&im)->e_type = ET_REL);
    REFUSED(EINVAL_, "no program headers", EHDR(&im)->e_phnum = 0);
    REFUSED(EINVAL_, "beyond the end", EHDR(&im)->e_phnum = 0xffff);
    REFUSED(EINVAL_, "unknown size", EHDR(&im)->e_phentsize = 32);
    REFUSED(EINVAL_, "beyond the end", EHDR(&im)->e_phoff = IMAGE_MAX);
    REFUSED(EINVAL_, "beyond the end", EHDR(&im)->e_phoff = ~0ull - 8);
}

static void test_segments(void)
{
    REFUSED(EINVAL_, "no segment", PHDR(&im, 0)->p_type = PHDR(&im, 1)->p_type = PT_NULL);
    REFUSED(EINVAL_, "larger in the file", PHDR(&im, 0)->p_memsz = 0x7ff);
    REFUSED(EINVAL_, "is it complete", PHDR(&im, 0)->p_offset = IMAGE_MAX - 0x7ff);
    REFUSED(EINVAL_, "is it complete", PHDR(&im, 0)->p_offset = ~0ull - 0x10);
    REFUSED(EINVAL_, "is it complete", PHDR(&im, 0)->p_filesz = PHDR(&im, 0)->p_memsz = ~0ull);
    REFUSED(EINVAL_, "wraps", PHDR(&im, 0)->p_paddr = ~0ull - 0x4ffe);
    REFUSED(EINVAL_, "wraps", PHDR(&im, 0)->p_memsz = ~0ull);
    REFUSED(EINVAL_, "overlap", PHDR(&im, 0)->p_paddr = 0x1001fff);
    REFUSED(EINVAL_, "overlap", PHDR(&im, 1)->p_memsz = 0x2001);
    REFUSED(EINVAL_, "more than 16", {
        make_bare(&im);
        EHDR(&im)->e_phnum = 20;
        for (unsigned i = 2; i < 20; i++)
            *PHDR(&im, i) = (Elf64_Phdr){
                .p_type = PT_LOAD, .p_paddr = 0x2000000 + i * 0x1000, .p_memsz = 0x1000};
    });
    REFUSED(EINVAL_, "CONFIG_XEN_PV", {
        make_bare(&im);
        EHDR(&im)->e_phnum = 16;
        for (unsigned i = 2; i < 16; i++)
            *PHDR(&im, i) = (Elf64_Phdr){
                .p_type = PT_LOAD, .p_paddr = 0x2000000 + i * 0x1000, .p_memsz = 0x1000};
    });
}

static void test_notes(void)
{
    Elf64_Nhdr *first = (Elf64_Nhdr *)(im.bytes + NOTES_AT);

    REFUSED(EINVAL_, "without CONFIG_XEN_PV", make_bare(&im));
    REFUSED(EINVAL_, "PVH alone", {
        make_bare(&im);
        add_note_named(&im, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, "\0\0\0\1", 4);
    });
    REFUSED(EINVAL_, "lie beyond the end", PHDR(&im, 2)->p_offset = IMAGE_MAX - 4);
    REFUSED(EINVAL_, "lie beyond the end", PHDR(&im, 2)->p_filesz = ~0ull);
    REFUSED(EINVAL_, "runs past", first->n_descsz = 0x10000);
    REFUSED(EINVAL_, "runs past", first->n_descsz = ~0u);
    REFUSED(EINVAL_, "runs past", first->n_namesz = ~0u);
    REFUSED(EINVAL_, "runs past", PHDR(&im, 2)->p_filesz = 17);
    REFUSED(EINVAL_, "no end", first->n_descsz = 5);
    REFUSED(EINVAL_, "no end", first->n_descsz = 0);
    REFUSED(EINVAL_, "1, 2, 4 or 8", add_note_named(&im, "Xen", XEN_ELFNOTE_ENTRY, "abc", 3));
    REFUSED(EINVAL_, "1, 2, 4 or 8", add_note_named(&im, "Xen", XEN_ELFNOTE_INIT_P2M, "", 0));
    REFUSED(EINVAL_, "1, 2, 4 or 8",
            add_note_named(&im, "Xen", XEN_ELFNOTE_VIRT_BASE, "0123456789abcdef", 16));
    REFUSED(EINVAL_, "L1_MFN_VALID",
            add_note_named(&im, "Xen", XEN_ELFNOTE_L1_MFN_VALID, "01234567", 8));
    REFUSED(EINVAL_, "L1_MFN_VALID", add_note_named(&im, "Xen", XEN_ELFNOTE_L1_MFN_VALID, "", 0));
    REFUSED(EINVAL_, "unknown here", add_string(&im, XEN_ELFNOTE_FEATURES, "dom0|!time_travel"));
    REFUSED(EINVAL_, "unknown here", add_string(&im, XEN_ELFNOTE_FEATURES, "!"));
    REFUSED(EINVAL_, "xen-3.0", add_string(&im, XEN_ELFNOTE_XEN_VERSION, "xen-2.0"));
    REFUSED(EINVAL_, "neither Linux", {
        add_string(&im, XEN_ELFNOTE_GUEST_OS, "plan9");
        add_string(&im, XEN_ELFNOTE_LOADER, "");
    });
}

static void test_layout(void)
{
    REFUSED(EINVAL_, "entry point", add_number(&im, XEN_ELFNOTE_ENTRY, BASE + 0xffffff));
    REFUSED(EINVAL_, "entry point", add_number(&im, XEN_ELFNOTE_ENTRY, BASE + 0x1007000));
    REFUSED(EINVAL_, "hypercall page",
            add_number(&im, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1003001));
    REFUSED(EINVAL_, "hypercall page",
            add_number(&im, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1007000));
    REFUSED(EINVAL_, "hypercall page", {
        add_number(&im, XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x1006000);
        PHDR(&im, 0)->p_memsz = 0x4fff;
    });
    REFUSED(EINVAL_, "hypercall page", add_number(&im, XEN_ELFNOTE_HYPERCALL_PAGE, 0));
    REFUSED(EINVAL_, "INIT_P2M", add_number(&im, XEN_ELFNOTE_INIT_P2M, 0x8000000001));
    REFUSED(EINVAL_, "INIT_P2M", add_number(&im, XEN_ELFNOTE_INIT_P2M, BASE + 0x1000000));
    REFUSED(EINVAL_, "PADDR_OFFSET", add_number(&im, XEN_ELFNOTE_PADDR_OFFSET, 0x1000001));
    REFUSED(EINVAL_, "wraps", add_number(&im, XEN_ELFNOTE_VIRT_BASE, ~0ull - 0x1003000));
    REFUSED(EINVAL_, "wraps", add_number(&im, XEN_ELFNOTE_VIRT_BASE, ~0ull - 0x1000));
}

/* ---- The older section ---------------------------------------------------------------------- */

static void make_legacy(const char *text, bool as_notes)
{
    make_bare(&im);
    EHDR(&im)->e_phnum = 2;
    EHDR(&im)->e_shoff = 0x3000;
    EHDR(&im)->e_shnum = 3;
    EHDR(&im)->e_shentsize = sizeof(Elf64_Shdr);
    EHDR(&im)->e_shstrndx = 1;
    memcpy(im.bytes + 0x3800, "\0.strtab\0__xen_guest", 21);
    *SHDR(&im, 1) =
        (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_STRTAB, .sh_offset = 0x3800, .sh_size = 21};
    *SHDR(&im, 2) = (Elf64_Shdr){.sh_name = as_notes ? 1 : 9,
                                 .sh_type = as_notes ? SHT_NOTE : SHT_PROGBITS,
                                 .sh_offset = 0x3900,
                                 .sh_size = strlen(text) + 1};
    memcpy(im.bytes + 0x3900, text, strlen(text) + 1);
}

#define LEGACY                                                                                     \
    "GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,"                   \
    "ELF_PADDR_OFFSET=0,VIRT_ENTRY=0xFFFFFFFF81001000,HYPERCALL_PAGE=0x1003,PAE=yes,BSD_SYMTAB,"   \
    "FEATURES=writable_page_tables|!dom0"

static void test_legacy(void)
{
    struct pv_kernel k;
    const char *why;

    make_legacy(LEGACY, false);
    is(read_image(&im, &k, &why), 0, "the __xen_guest section");
    ok(!k.has_notes);
    is_str(k.guest_os, "linux");
    is(k.virt_base, BASE);
    is(k.virt_entry, BASE + 0x1001000);
    is(k.virt_start, BASE + 0x1000000);
    is(k.hypercall_page, BASE + 0x1003000, "a page number, made an address");
    is(k.features_required[0], 1u << XENFEAT_dom0);

    make_legacy("GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=16777216", false);
    is(read_image(&im, &k, &why), 0);
    is(k.paddr_offset, 0x1000000, "VIRT_BASE is the offset where none is given");

    make_legacy(LEGACY, false);
    SHDR(&im, 2)->sh_size--;
    refused(&im, EINVAL_, "no end");
    make_legacy(LEGACY, false);
    SHDR(&im, 2)->sh_offset = ~0ull;
    refused(&im, EINVAL_, "lies beyond the end");
    make_legacy(LEGACY, false);
    EHDR(&im)->e_shoff = IMAGE_MAX - 100;
    refused(&im, EINVAL_, "section headers");
    make_legacy(LEGACY, false);
    EHDR(&im)->e_shnum = 0xffff;
    refused(&im, EINVAL_, "section headers");
    make_legacy(LEGACY, false);
    EHDR(&im)->e_shstrndx = 0xfff0;
    refused(&im, EINVAL_, "CONFIG_XEN_PV");
    make_legacy(LEGACY, false);
    SHDR(&im, 1)->sh_offset = ~0ull - 5;
    refused(&im, EINVAL_, "CONFIG_XEN_PV");
    make_legacy(LEGACY, false);
    SHDR(&im, 2)->sh_name = ~0u;
    refused(&im, EINVAL_, "CONFIG_XEN_PV");
    make_legacy("GUEST_OS=linux,XEN_VER=xen-3.0,FEATURES=!nonsense", false);
    refused(&im, EINVAL_, "unknown here");
    make_legacy(",,=,==,GUEST_OS,XEN_VER=", false);
    refused(&im, EINVAL_, "PVH alone");
}

/* Notes that a section header alone leads to. */
static void test_note_section(void)
{
    struct pv_kernel k;
    const char *why;

    make(&im);
    uint8_t notes[0x800];
    size_t n = PHDR(&im, 2)->p_filesz;
    memcpy(notes, im.bytes + NOTES_AT, n);
    make_legacy("", true);
    memcpy(im.bytes + NOTES_AT, notes, n);
    SHDR(&im, 2)->sh_offset = NOTES_AT;
    SHDR(&im, 2)->sh_size = n;
    is(read_image(&im, &k, &why), 0, "notes in a section, none in a segment");
    is_str(k.guest_os, "linux");
}

/* ---- Damage --------------------------------------------------------------------------------- */

/* What is accepted, however damaged, keeps the promises of elf.h. */
static bool sound(const struct pv_kernel *k, size_t size)
{
    bool good = k->nr_segments >= 1 && k->nr_segments <= ELF_MAX_SEGMENTS;
    for (unsigned i = 0; good && i < k->nr_segments; i++) {
        const struct elf_segment *s = &k->segment[i];
        good = s->file_size <= s->mem_size && s->offset <= size &&
               s->file_size <= size - s->offset && s->paddr + s->mem_size >= s->paddr &&
               (i == 0 || k->segment[i - 1].paddr + k->segment[i - 1].mem_size <= s->paddr);
    }
    return good && k->virt_start < k->virt_end && k->virt_entry >= k->virt_start &&
           k->virt_entry < k->virt_end;
}

static void test_damage(void)
{
    struct pv_kernel k;
    const char *why;
    unsigned unsound = 0, silent = 0, taken = 0;

    srand(1234);
    for (unsigned round = 0; round < 30000; round++) {
        if (round % 2)
            make(&im);
        else
            make_legacy(LEGACY, false);
        for (unsigned n = 1 + (unsigned)rand() % 3; n; n--) {
            static const unsigned region[][2] = {
                {0, 64}, {64, 168}, {NOTES_AT, 0x200}, {0x3000, 192}, {0x3800, 0x200}};
            const unsigned *r = region[rand() % 5];
            im.bytes[r[0] + (unsigned)rand() % r[1]] = (uint8_t)(rand() % 3 ? rand() : 0xff);
        }
        int rc = read_image(&im, &k, &why);
        taken += rc == 0;
        unsound += rc == 0 && !sound(&k, im.size);
        silent += (rc == 0) != (why == NULL);
    }
    is(unsound, 0, "30000 damaged images, %u of them accepted, none unsound", taken);
    is(silent, 0, "each refusal has its sentence");
    ok(taken > 1000 && taken < 29000, "the damage makes a difference");

    make(&im);
    size_t full = im.size;
    unsigned accepted = 0;
    for (im.size = 0; im.size < full; im.size++)
        accepted += read_image(&im, &k, &why) == 0 && !sound(&k, im.size);
    is(accepted, 0, "cut off at every byte");
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        /* By hand: print what a kernel says of itself. */
        struct pv_kernel k;
        const char *why;
        FILE *f = fopen(argv[1], "rb");
        uint8_t *image = malloc(256u << 20);
        size_t size = f ? fread(image, 1, 256u << 20, f) : 0;
        int rc = elf_read_kernel(&k, image, size, &why);
        diag("%d %s: %s %s %s, %u segments, %#" PRIx64 "..%#" PRIx64 ", entry %#" PRIx64
             ", hypercalls %#" PRIx64 ", features %#x required %#x",
             rc, why ? why : "", k.guest_os, k.guest_version, k.xen_version, k.nr_segments,
             k.virt_start, k.virt_end, k.virt_entry, k.hypercall_page, k.features_supported[0],
             k.features_required[0]);
        if (f)
            fclose(f);
        free(image);
        return rc != 0;
    }
    test_good();
    test_least();
    test_packed();
    test_header();
    test_segments();
    test_notes();
    test_layout();
    test_legacy();
    test_note_section();
    test_damage();
    return done();
}
