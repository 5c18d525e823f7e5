#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "bench.h"

int socket_listen(bool on_unix, struct socket_address *address)
{
    const struct sockaddr_in tcp = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    const void *any = on_unix ? (const void *)&local : (const void *)&tcp;
    socklen_t length = on_unix ? sizeof local.sun_family : sizeof tcp;
    int fd = socket(on_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address->length = sizeof address->storage;
    if (fd < 0 || bind(fd, any, length) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&address->storage, &address->length) != 0)
        bench_fail("listen", strerror(errno));
    return fd;
}

static bool read_unix(const char *path, struct socket_address *address)
{
    struct sockaddr_un *local = (struct sockaddr_un *)&address->storage;
    local->sun_family = AF_UNIX;
    address->length = sizeof *local;
    int n = snprintf(local->sun_path, sizeof local->sun_path, "%s", path);
    return n > 0 && (size_t)n < sizeof local->sun_path;
}

static bool read_tcp(const char *text, struct socket_address *address)
{
    struct sockaddr_in *tcp = (struct sockaddr_in *)&address->storage;
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return false;
    int n = snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    char *end;
    long port = strtol(colon + 1, &end, 10);
    tcp->sin_family = AF_INET;
    tcp->sin_port = htons((uint16_t)port);
    address->length = sizeof *tcp;
    return n > 0 && (size_t)n < sizeof host && *end == '\0' && port > 0 && port <= UINT16_MAX &&
           inet_pton(AF_INET, host, &tcp->sin_addr) == 1;
}

struct socket_address socket_address_of(const char *text)
{
    const char prefix[] = "unix:";
    size_t n = sizeof prefix - 1;
    struct socket_address address = {0};
    bool on_unix = strncmp(text, prefix, n) == 0;
    if (!(on_unix ? read_unix(text + n, &address) : read_tcp(text, &address)))
        bench_fail(text, "neither 1.2.3.4:PORT nor unix:PATH");
    return address;
}

/* A Unix socket never delays, and knows no such option. */
static void no_delay(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

int socket_connect(const struct socket_address *address)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address->storage, address->length) != 0)
        bench_fail("connect", strerror(errno));
    no_delay(fd);
    return fd;
}

int socket_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        bench_fail("accept", strerror(errno));
    no_delay(fd);
    return fd;
}
