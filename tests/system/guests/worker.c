/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that works on its disk (xvda) and notices what goes wrong: blocks get numbers that follow
 * from place and generation, and are read again at random. How far it is, it says in the store:
 * data/rounds and data/errors; asked to shut down it reads all blocks, and leaves data/result.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <pv/block.h>
#include <pv/clock.h>
#include <pv/memory.h>
#include <pv/xenstore.h>

#define DISK         51712u /* xvda */
#define BLOCK        4096u
#define BLOCKS       128u
#define REPORT_EVERY 32u

static struct block *disk;
static unsigned sectors; /* a block */
static uint32_t generations[BLOCKS];
static uint64_t buffer[BLOCK / 8];
static unsigned errors;

static uint32_t any_number(void)
{
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static uint64_t word(unsigned block, unsigned i)
{
    return ((uint64_t)generations[block] << 32 ^ block << 10 ^ i) * 0x9e3779b97f4a7c15ull;
}

static void write_block(unsigned block)
{
    generations[block]++;
    for (unsigned i = 0; i < BLOCK / 8; i++)
        buffer[i] = word(block, i);
    errors += block_write(disk, (uint64_t)block * sectors, buffer, sectors) != 0;
}

static void check_block(unsigned block)
{
    unsigned wrong = 0;
    if (generations[block] == 0)
        return;
    wrong = block_read(disk, (uint64_t)block * sectors, buffer, sectors) != 0;
    for (unsigned i = 0; i < BLOCK / 8; i++)
        wrong += buffer[i] != word(block, i);
    errors += wrong != 0;
    if (wrong)
        printf("block %u, generation %u: %u words are wrong\n", block, (unsigned)generations[block],
               wrong);
}

static void report(uint64_t rounds)
{
    xenstore_printf(0, "data/errors", "%u", errors);
    xenstore_printf(0, "data/rounds", "%llu", (unsigned long long)rounds);
}

static bool asked_to_end(void)
{
    char *path, *wish, token[64];
    bool end = false;
    if (xenstore_wait(&path, token, monotonic_ns() + 1))
        return false;
    free(path);
    if (xenstore_read(0, "control/shutdown", &wish, NULL) == 0) {
        end = wish[0] != '\0';
        free(wish);
    }
    return end;
}

int main(void)
{
    struct block_info info;
    if (block_open(&disk, DISK) || block_info(disk, &info)) {
        xenstore_write(0, "data/result", "no disk");
        return 1;
    }
    sectors = BLOCK / info.sector_size;
    xenstore_watch("control/shutdown", "wish");
    for (uint64_t rounds = 1; !asked_to_end(); rounds++) {
        write_block(any_number() % BLOCKS);
        check_block(any_number() % BLOCKS);
        if (rounds % REPORT_EVERY == 0)
            report(rounds);
    }
    errors += block_flush(disk) != 0;
    for (unsigned block = 0; block < BLOCKS; block++)
        check_block(block);
    xenstore_printf(0, "data/errors", "%u", errors);
    xenstore_write(0, "data/result", errors ? "bad" : "good");
    xenstore_write(0, "control/shutdown", "");
    block_close(disk);
    return errors != 0;
}
