/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol's header, which has its table of errors only where errno.h was included before it.
 */
#ifndef STORE_WIRE_H
#define STORE_WIRE_H

#include <errno.h>
#include <xen/io/xs_wire.h>

#endif
