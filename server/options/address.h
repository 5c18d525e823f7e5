/* Addresses to listen on, as an administrator writes them: 127.0.0.1:7433, [::1]:7433, localhost:0.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

enum {
    ADDRESS_TEXT_MAX = 64
};

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t length;            /* of the socket address */
    char text[ADDRESS_TEXT_MAX]; /* ADDR:PORT, the numeric form */
};

/* Reads ADDR:PORT: a numeric IPv4 address, an IPv6 address in brackets, or localhost (127.0.0.1); a
 * port in 0 … 65535, 0 being one of the system's choice. Names are not looked up. False: it is
 * none. */
bool address_parse(const char *text, struct address *address);

/* Fills text from the socket address, after bind() has chosen a port. */
void address_name(struct address *address);

unsigned address_port(const struct address *address);

/* 127.0.0.0/8, ::1, or the former mapped into IPv6: reachable from this machine only. */
bool address_is_loopback(const struct address *address);

/* Same family, address and port. */
bool address_equal(const struct address *a, const struct address *b);
