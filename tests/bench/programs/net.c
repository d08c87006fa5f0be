/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Usage: net server | net client ADDRESS
 * TCP between two systems, both ways, and answers to one byte and to a ping. In a section of the
 * client both sides' work is in. One operation of tcp_send and tcp_receive is one byte.
 */
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "batch.h"

#define PORT  7777
#define BULK  (4u << 20)
#define CHUNK (64u << 10)

/* The client's first word to the server: what it wants, and how many bytes of it. */
struct wish {
    uint32_t receive, bytes;
};

static char buffer[CHUNK];
static int peer, echo;
static struct sockaddr_in address = {.sin_family = AF_INET};

static void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        printf("bench: failed: %s\n", what);
        exit(1);
    }
}

/* False: the other side has closed. */
static bool take(int fd, void *to, size_t size)
{
    ssize_t got = recv(fd, to, size, MSG_WAITALL);

    return got == (ssize_t)size;
}

static bool give(int fd, const void *from, size_t size)
{
    return send(fd, from, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool take_all(int fd, uint32_t bytes)
{
    for (; bytes >= CHUNK; bytes -= CHUNK)
        if (!take(fd, buffer, CHUNK))
            return false;
    return true;
}

static bool give_all(int fd, uint32_t bytes)
{
    for (; bytes >= CHUNK; bytes -= CHUNK)
        if (!give(fd, buffer, CHUNK))
            return false;
    return true;
}

static void server(void)
{
    int listening = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct wish wish;

    address.sin_port = htons(PORT);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    check(bind(listening, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              listen(listening, 4) == 0,
          "listen");
    for (;;) {
        int client = accept(listening, NULL, NULL);

        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        while (take(client, &wish, sizeof(wish))) {
            bool ok = wish.receive ? give_all(client, wish.bytes) : take_all(client, wish.bytes);
            if (!ok || (!wish.receive && !give(client, buffer, 1)))
                break;
        }
        close(client);
    }
}

OPERATION(tcp_send)
{
    struct wish wish = {.bytes = n};

    check(give(peer, &wish, sizeof(wish)) && give_all(peer, n) && take(peer, buffer, 1), "send");
}

OPERATION(tcp_receive)
{
    struct wish wish = {.receive = 1, .bytes = n};

    check(give(peer, &wish, sizeof(wish)) && take_all(peer, n), "receive");
}

/* Nothing is sent in bulk; one byte is the answer. */
OPERATION(tcp_round_trip)
{
    struct wish wish = {.bytes = 0};

    while (n--)
        check(give(peer, &wish, sizeof(wish)) && take(peer, buffer, 1), "round trip");
}

OPERATION(ping)
{
    struct icmphdr *request = (struct icmphdr *)buffer;
    static uint16_t sequence;

    while (n--) {
        *request = (struct icmphdr){.type = ICMP_ECHO};
        request->un.echo.sequence = htons(sequence++);
        check(send(echo, buffer, 64, 0) == 64 && recv(echo, buffer, sizeof(buffer), 0) >= 64,
              "ping");
    }
}

static const struct operation operations[] = {
    MEASURED(tcp_send, BULK),
    MEASURED(tcp_receive, BULK),
    MEASURED(tcp_round_trip, 50),
    MEASURED(ping, 50),
};

static void allow_ping(void)
{
    FILE *f = fopen("/proc/sys/net/ipv4/ping_group_range", "w");

    check(f && fputs("0 2147483647", f) >= 0 && fclose(f) == 0, "ping_group_range");
}

static void client(const char *server)
{
    int one = 1;

    check(inet_pton(AF_INET, server, &address.sin_addr) == 1, server);
    allow_ping();
    peer = socket(AF_INET, SOCK_STREAM, 0);
    echo = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    check(echo >= 0 && connect(echo, (struct sockaddr *)&address, sizeof(address)) == 0, "ping");
    address.sin_port = htons(PORT);
    for (unsigned tries = 0; connect(peer, (struct sockaddr *)&address, sizeof(address)); tries++) {
        check(tries < 50, "connect");
        sleep(1);
    }
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    batch_all(operations, sizeof(operations) / sizeof(operations[0]));
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "server") == 0)
        server();
    check(argc == 3 && strcmp(argv[1], "client") == 0, "net server | net client ADDRESS");
    client(argv[2]);
    return 0;
}
