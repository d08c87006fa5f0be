/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fuzzer of guests' configurations, bounded: good files with bytes and words changed at random.
 *
 * links: tests/unit/host.c tests/fuzz/fuzz_config.c toolstack/common/cfg_parse.c
 * links: toolstack/common/cpus.c toolstack/common/guest_config.c
 * links: toolstack/common/guest_config_json.c toolstack/common/guest_names.c
 * links: toolstack/common/message.c toolstack/devices/disk_parse.c toolstack/devices/nic_parse.c
 * links: toolstack/devices/spec.c
 * libs: -ljson-c
 */
#include "tap.h"

#define ROUNDS         40000u
#define SIZE_MAX_BYTES 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const seeds[] = {
    "name = \"web\"\nkernel = \"/k\"\nmemory = 128\nvcpus=2; maxvcpus = 4\ncpus = [\"0\", "
    "'1-3,^2']\n"
    "disk = [ \"/x.img,raw,xvda,w\", 'format=qcow2,vdev=xvdb,target=/y.qcow2' ]\n"
    "vif = [ 'mac=00:16:3e:01:02:03,bridge=br0,rate=1MB/s@20ms', ]\nextra = \"a\" # b\n",
    "name='n'\nkernel='k'\nuuid='1b4e28ba-2fa1-11d2-883f-0016d3cca427'\non_crash='preserve'\n"
    "extra += \" x\\n\\x41\"\nroot='/dev/xvda'\ncap=50\ncpu_weight=0x100\n",
    "name='n';kernel='k';disk=['/a,,xvda1,r','vdev=hdc:cdrom,target=/"
    "i.iso'];vif=['','ip=10.0.0.1']",
};

static const char *const words[] = {"[",  "]",  "'",      "\"",   "\\",  ",",   ";",
                                    "\n", "=",  "+=",     "#",    "0",   "-",   "x",
                                    "\0", "[[", "memory", "disk", "vif", "cpus"};

static uint64_t state = 0x9e3779b97f4a7c15ull;

/* xorshift64*: the same numbers in each run. */
static uint32_t random_below(uint32_t bound)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545f4914f6cdd1dull) >> 32) % bound;
}

static size_t insert(uint8_t *data, size_t size, const char *word)
{
    size_t length = word[0] != '\0' ? strlen(word) : 1, at = random_below((uint32_t)size + 1);

    if (size + length > SIZE_MAX_BYTES)
        return size;
    memmove(data + at + length, data + at, size - at);
    memcpy(data + at, word, length);
    return size + length;
}

static size_t remove_some(uint8_t *data, size_t size)
{
    size_t at = random_below((uint32_t)size), length = 1 + random_below(16);

    if (length > size - at)
        length = size - at;
    memmove(data + at, data + at + length, size - at - length);
    return size - length;
}

static size_t mutate(uint8_t *data, size_t size)
{
    for (uint32_t n = random_below(6); n > 0; n--) {
        uint32_t what = random_below(4);

        if (what == 0 && size > 0)
            data[random_below((uint32_t)size)] = (uint8_t)random_below(256);
        else if (what == 1 && size > 0)
            size = remove_some(data, size);
        else
            size = insert(data, size, words[random_below(sizeof(words) / sizeof(words[0]))]);
    }
    return size;
}

int main(void)
{
    uint8_t data[SIZE_MAX_BYTES];

    for (unsigned i = 0; i < ROUNDS; i++) {
        const char *seed = seeds[random_below(sizeof(seeds) / sizeof(seeds[0]))];
        size_t size = strlen(seed);

        memcpy(data, seed, size);
        size = mutate(data, size);
        uint8_t *exact = malloc(size ? size : 1); /* ASan sees a read beyond the end */
        memcpy(exact, data, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    pass("%u files", ROUNDS);
    return done();
}
