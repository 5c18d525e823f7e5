/* Looking up a host's addresses without blocking: numbers at once, names on a thread of their own,
 * because getaddrinfo() knows no deadline. */
#pragma once

#include <netdb.h>

#include "client/address.h"
#include "gradfold/types.h"

struct resolve;

/* NULL when there is no memory, descriptor or thread. */
struct resolve *resolve_start(const struct address *address);

/* Readable once the result is there; -1: it is there already. */
int resolve_fd(const struct resolve *resolve);

/* Takes the result and ends the look-up: a list for freeaddrinfo(), or NULL and the reason. Only
 * when resolve_fd() is readable or -1. */
struct addrinfo *resolve_finish(struct resolve *resolve, gf_error *error);

/* Gives up a look-up that may still run. NULL is allowed. */
void resolve_abandon(struct resolve *resolve);
