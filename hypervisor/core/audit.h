/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit of the whole machine: every page table is walked, every reference recounted. */
#ifndef CORE_AUDIT_H
#define CORE_AUDIT_H

/* Prints "memory audit: N frames, M tables: ok", or a line for each thing that is wrong. */
void audit_memory(void);

#endif
