/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where things lie in the control domain's file system. The store's socket is where Debian's
 * libxenstore looks for it.
 */
#ifndef COMMON_PATHS_H
#define COMMON_PATHS_H

#define PATH_RUN          "/run/paravane"
#define PATH_STATE        "/var/lib/paravane"
#define PATH_LOG          "/var/log/paravane"
#define PATH_LIBEXEC      "/usr/lib/paravane"
#define PATH_ETC          "/etc/paravane"
#define PATH_STORE_SOCKET "/run/xenstored/socket"
/* Held by who makes a guest, or gives it a name; by who reads and changes a kept configuration. */
#define PATH_LOCK         PATH_RUN "/create.lock"
#define PATH_GUESTS_LOCK  PATH_RUN "/guests.lock"

/* A guest's configuration and what is known of it, while it exists: <uuid>.json. */
#define PATH_GUESTS   PATH_STATE "/guests"
/* What the store daemon takes up again after a restart. */
#define PATH_STORE    PATH_STATE "/store"
/* Logs of guests' consoles: <name>.log. */
#define PATH_CONSOLES PATH_LOG "/console"

#endif
