/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One input of the store's fuzzer; does not come back if the store is out of order afterwards.
 */
#ifndef FUZZ_STORE_H
#define FUZZ_STORE_H

#include <stddef.h>
#include <stdint.h>

int fuzz_store(const uint8_t *data, size_t size);

#endif
