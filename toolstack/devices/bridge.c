/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces of guests' cards and the bridges that they are ports of, by the ioctls of netdevice(7)
 * and of the kernel's bridge. netback gives an interface its name, vif<domid>.<id>.
 */
#include "devices/host.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* In this order: what Paravane's packages make, then what guides for Xen make. */
static const char *const default_bridges[] = {"paravanebr0", "xenbr0"};

bool host_interface_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}

bool host_bridge_exists(const char *name)
{
    char path[64];
    if (strlen(name) >= IFNAMSIZ || strchr(name, '/') != NULL)
        return false;
    snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
    return access(path, F_OK) == 0;
}

const char *host_default_bridge(void)
{
    for (unsigned i = 0; i < sizeof(default_bridges) / sizeof(default_bridges[0]); i++)
        if (host_bridge_exists(default_bridges[i]))
            return default_bridges[i];
    return NULL;
}

/* One request on an interface; `ifr` holds its argument, and takes its answer. */
static int request(unsigned long what, const char *name, struct ifreq *ifr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    snprintf(ifr->ifr_name, IFNAMSIZ, "%s", name);
    int rc = ioctl(fd, what, ifr) == 0 ? 0 : -errno;
    close(fd);
    return rc;
}

static int set_up(const char *name, bool up)
{
    struct ifreq ifr = {0};
    int rc = request(SIOCGIFFLAGS, name, &ifr);
    if (rc != 0)
        return rc;
    ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
    return request(SIOCSIFFLAGS, name, &ifr);
}

/* The kernel renames only what is down. */
int host_interface_rename(const char *from, const char *to, struct message *why)
{
    struct ifreq ifr = {0};
    snprintf(ifr.ifr_newname, IFNAMSIZ, "%s", to);
    int rc = set_up(from, false);
    if (rc == 0)
        rc = request(SIOCSIFNAME, from, &ifr);
    return rc == 0 ? 0 : message_errno(why, rc, "cannot rename interface %s to %s", from, to);
}

int host_interface_mtu(const char *name, unsigned mtu, struct message *why)
{
    struct ifreq ifr = {.ifr_mtu = (int)mtu};
    int rc = request(SIOCSIFMTU, name, &ifr);
    return rc == 0 ? 0 : message_errno(why, rc, "cannot set the MTU of %s to %u", name, mtu);
}

int host_interface_join(const char *name, const char *bridge, unsigned mtu, struct message *why)
{
    struct ifreq of_bridge = {0}, port = {0};
    int rc = mtu != 0 ? host_interface_mtu(name, mtu, why) : 0;
    if (rc != 0)
        return rc;
    /* Frames above 1500 bytes need what the front-end has not agreed to yet: then it keeps those.
     */
    if (mtu == 0 && request(SIOCGIFMTU, bridge, &of_bridge) == 0)
        host_interface_mtu(name, (unsigned)of_bridge.ifr_mtu, NULL);
    port.ifr_ifindex = (int)if_nametoindex(name);
    rc = request(SIOCBRADDIF, bridge, &port);
    if (rc != 0)
        return message_errno(why, rc, "cannot make %s a port of bridge %s", name, bridge);
    rc = set_up(name, true);
    return rc == 0 ? 0 : message_errno(why, rc, "cannot set interface %s up", name);
}
