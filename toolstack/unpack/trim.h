/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels carry tens of MiB of zeroes at the ends of their segments. A loader need not read what it
 * can clear.
 */
#ifndef UNPACK_TRIM_H
#define UNPACK_TRIM_H

/*
 * Shortens, in the program headers of a 64-bit ELF file, what of each loaded segment is in the file
 * to its last page that is not zero: the ABI has the rest cleared (p_filesz below p_memsz). What is
 * left out becomes a hole, where the file system has holes; nothing moves. Any other file stays as
 * it is. 0, or a negative errno: the file could not be read or written.
 */
int trim_segments(int fd);

#endif
