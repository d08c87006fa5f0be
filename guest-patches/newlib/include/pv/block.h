/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front-end of a block device (xen/io/blkif.h), synchronous: a call returns when the disk has
 * answered. One caller at a time a device. Functions return 0 or a positive errno of newlib. A
 * back-end that is not ready within 10 s is ETIMEDOUT; one that goes, or breaks the rules of the
 * ring, is EIO, and all later calls, too.
 */
#ifndef PV_BLOCK_H
#define PV_BLOCK_H

#include <pv/abi.h>

struct block;
struct block_info {
    uint64_t sectors;     /* of sector_size bytes */
    unsigned sector_size; /* bytes */
    bool read_only, removable;
};

/* Opens device/vbd/<id> (51712 is xvda) and waits until the back-end is connected. */
int block_open(struct block **block, unsigned id);
int block_info(struct block *block, struct block_info *info);
/* `buffer` anywhere, any alignment; sectors from `sector` on. ERANGE behind the end. */
int block_read(struct block *block, uint64_t sector, void *buffer, unsigned sectors);
int block_write(struct block *block, uint64_t sector, const void *buffer, unsigned sectors);
/* What was written is on the disk when it returns. */
int block_flush(struct block *block);
void block_close(struct block *block);

#endif
