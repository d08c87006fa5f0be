/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzers share. One is a file fuzz_NAME.c with libFuzzer's entry; lines of its head say
 * what it is linked with ("links:", "libs:"), how many inputs `make test` gives it ("runs:"), and
 * their greatest size ("max_len:"). tests/fuzz/corpus makes the inputs that it begins with.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold after any input; libFuzzer keeps one for which it does not. */
static inline void demand(bool good)
{
    if (!good)
        abort();
}

#endif
