/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of records (journal.h), with their values. Paths and tokens are without their NUL.
 */
#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

enum record_type {
    RECORD_NODE = 1,    /* path, permissions, value */
    RECORD_VALUE,       /* path, value */
    RECORD_PERMS,       /* path or name of a special watch, permissions */
    RECORD_REMOVE,      /* path */
    RECORD_ENDED,       /* domid */
    RECORD_QUOTA,       /* struct quota */
    RECORD_GENERATION,  /* number to go on from */
    RECORD_DOMAIN,      /* domid, mfn, port, target, shut_down, broken */
    RECORD_DOMAIN_GONE, /* domid */
    RECORD_RESET,       /* domid, req_cons, out_end */
    RECORD_INPUT,       /* domid, req_cons, header, payload */
    RECORD_FORGET,      /* domid */
    RECORD_WATCH,       /* domid, relative, path, token */
    RECORD_UNWATCH,     /* the same */
    RECORD_TRANSACTION, /* domid, number, open */
    RECORD_OUTPUT,      /* domid, end, event, message */
    RECORD_TYPES
};

#endif
