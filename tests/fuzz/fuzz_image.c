/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel files, as the domain builder opens them: bzImages of all six compressions around any
 * bytes as the kernel, with fields of the header and bytes of the packed data changed; and any
 * bytes as the file. A file without changes must give what its kernel alone would.
 *
 * The input: which compression (its high bit: what follows is the file itself), which change (see
 * change()), its place, its value in two bytes; the kernel.
 *
 * links: toolstack/builder/kernel_file.c toolstack/common/message.c toolstack/unpack/unpack.c
 * links: toolstack/unpack/codec.c toolstack/unpack/codec_lz4.c toolstack/unpack/trim.c
 * links: hypervisor/core/elf.c
 * libs: -lz -llzma -lzstd -llz4 -lbz2
 * runs: 2500
 * max_len: 3000
 */
#include "builder/kernel_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/kernel_packer.h"

#define HEAD 5u

/* 0: the file was opened; *kernel is what was found. */
static int open_bytes(const uint8_t *bytes, size_t size, struct pv_kernel *kernel)
{
    struct kernel_file file = {.fd = -1};
    struct message why = {.file = NULL};
    char name[32];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    demand(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    int rc = kernel_file_open(&file, name, &why);
    close(fd);
    if (rc) {
        demand(rc < 0 && why.text[0] != '\0' && file.fd == -1);
        return rc;
    }
    *kernel = file.kernel;
    for (unsigned i = 0; i < kernel->nr_segments; i++)
        demand(kernel->segment[i].offset <= file.size &&
               kernel->segment[i].file_size <= file.size - kernel->segment[i].offset);
    kernel_file_close(&file);
    return 0;
}

/* One field of the header, or one byte of the packed data. */
static void change(struct bytes *image, const uint8_t *head)
{
    static const uint16_t fields[] = {0x1f1, 0x1f4, 0x1fe, 0x202, 0x206, 0x248, 0x24c};
    size_t payload = image->data[0x24c] | (size_t)image->data[0x24d] << 8;
    unsigned which = head[1] % 16, value = head[3] | (unsigned)head[4] << 8;
    uint8_t *at;

    if (which < sizeof(fields) / sizeof(fields[0])) {
        at = image->data + fields[which];
        at[head[2] % 4] = (uint8_t)value;
    } else if (which == 15) { /* the size that comes out, or what the packed data end with */
        at = image->data + HEADER_BYTES + PAYLOAD_AT + payload - 1 - head[2] % 8;
        *at ^= (uint8_t)value;
    } else if (which == 14) {
        image->size = image->size * value / 65536;
    } else {
        at = image->data + HEADER_BYTES + PAYLOAD_AT + (head[2] * 16u + value) % payload;
        *at ^= (uint8_t)(1 + value % 255);
    }
}

/* Zeroes at the ends of the packed one's segments need not be read (unpack/trim.h). */
static void same_kernels(struct pv_kernel *packed, const struct pv_kernel *plain)
{
    demand(packed->nr_segments == plain->nr_segments);
    for (unsigned i = 0; i < plain->nr_segments; i++) {
        demand(packed->segment[i].file_size <= plain->segment[i].file_size);
        packed->segment[i].file_size = plain->segment[i].file_size;
    }
    demand(memcmp(packed, plain, sizeof(*plain)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pv_kernel packed, plain;
    const char *why;

    if (size < HEAD)
        return 0;
    if (data[0] & 0x80) {
        open_bytes(data + HEAD, size - HEAD, &packed);
        return 0;
    }
    struct bytes elf = {(uint8_t *)data + HEAD, size - HEAD};
    struct bytes image = make_kernel(&formats[data[0] % NR_FORMATS], elf);
    if (data[1] != 0)
        change(&image, data);
    int rc = open_bytes(image.data, image.size, &packed);
    if (data[1] == 0) {
        int alone = elf_read_kernel(&plain, elf.data, elf.size, &why);
        demand((rc == 0) == (alone == 0));
        if (rc == 0)
            same_kernels(&packed, &plain);
    }
    free(image.data);
    return 0;
}
