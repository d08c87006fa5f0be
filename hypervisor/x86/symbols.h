/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the hypervisor's functions, for stack traces: the table that x86/mksymbols makes. */
#ifndef X86_SYMBOLS_H
#define X86_SYMBOLS_H

#include "core/types.h"

/*
 * The function that holds a text address; *offset is how far into it. NULL outside the text, or
 * when the table is empty.
 */
const char *symbol_find(uintptr_t addr, size_t *offset);
/* By index, 0 up; false beyond the last. For XENPF_get_symbol. */
bool symbol_at(unsigned index, uintptr_t *addr, const char **name);
bool is_text_address(uintptr_t addr);

#endif
