/* A server's address as a user writes it. */
#pragma once

#include "gradfold/types.h"

struct address {
    char host[256];
    char port[6];
    char path[108]; /* of a Unix socket: then there is no host; "": none */
};

/* "host:port", "1.2.3.4:port", "[::1]:port", "unix:/path". GF_INVALID_ARGUMENT says what is
 * missing. */
gf_code address_parse(const char *text, struct address *address, gf_error *error);
