/* A server on this host. */
#pragma once

#include <stdbool.h>

/* Is the peer of this connected socket on this host? Addresses tell: a loopback one, or our own. A
 * wrong answer does no harm, since who changes over compares the server's instance. */
bool local_peer(int fd);

/* Connects to a Unix socket; it never blocks. 0, or errno; *fd is set on success. */
int local_connect(const char *path, int *fd);
