/* Stream sockets on this host. All end the process when something fails. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct socket_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/* A port of the loopback interface, or a name outside of the file system, of the kernel's choice.
 */
int socket_listen(bool on_unix, struct socket_address *address);

/* text: "1.2.3.4:port" or "unix:/path". */
struct socket_address socket_address_of(const char *text);

/* Small packets do not wait for company. */
int socket_connect(const struct socket_address *address);
int socket_accept(int listener);
