#include "client/local.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union endpoint {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
};

static bool same_host(const union endpoint *own, const union endpoint *peer)
{
    if (own->any.sa_family != peer->any.sa_family)
        return false;
    if (peer->any.sa_family == AF_INET)
        return own->v4.sin_addr.s_addr == peer->v4.sin_addr.s_addr ||
               ntohl(peer->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (peer->any.sa_family == AF_INET6)
        return memcmp(&own->v6.sin6_addr, &peer->v6.sin6_addr, sizeof own->v6.sin6_addr) == 0 ||
               IN6_IS_ADDR_LOOPBACK(&peer->v6.sin6_addr);
    return false;
}

bool local_peer(int fd)
{
    union endpoint own;
    union endpoint peer;
    socklen_t own_bytes = sizeof own;
    socklen_t peer_bytes = sizeof peer;
    return getsockname(fd, &own.any, &own_bytes) == 0 &&
           getpeername(fd, &peer.any, &peer_bytes) == 0 && same_host(&own, &peer);
}

int local_connect(const char *path, int *fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0)
        return errno;
    if (connect(made, (const struct sockaddr *)&address, sizeof address) != 0) {
        int failure = errno;
        close(made);
        return failure;
    }
    *fd = made;
    return 0;
}
