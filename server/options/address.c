#include "options/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Decimal digits only: no sign, no space, no 0x. */
static bool parse_port(const char *text, in_port_t *port)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (value > 65535)
        return false;
    *port = htons((uint16_t)value);
    return true;
}

/* Splits at the last colon; brackets are taken off. False: no ADDR:PORT of reasonable length. */
static bool split(const char *text, char host[static ADDRESS_TEXT_MAX], const char **port,
                  bool *brackets)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon - text >= ADDRESS_TEXT_MAX)
        return false;
    size_t n = (size_t)(colon - text);
    *brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    if (*brackets) {
        text++;
        n -= 2;
    }
    memcpy(host, text, n);
    host[n] = '\0';
    *port = colon + 1;
    return true;
}

bool address_parse(const char *text, struct address *address)
{
    char host[ADDRESS_TEXT_MAX];
    const char *port_text = NULL;
    bool brackets = false;
    in_port_t port = 0;
    if (!split(text, host, &port_text, &brackets) || !parse_port(port_text, &port))
        return false;
    struct address a;
    memset(&a, 0, sizeof a);
    if (brackets) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = port;
        a.length = sizeof a.v6;
        if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) != 1)
            return false;
    } else {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = port;
        a.length = sizeof a.v4;
        const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
        if (inet_pton(AF_INET, numeric, &a.v4.sin_addr) != 1)
            return false;
    }
    address_name(&a);
    *address = a;
    return true;
}

void address_name(struct address *address)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host);
        snprintf(address->text, sizeof address->text, "[%s]:%u", host, address_port(address));
        return;
    }
    inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host);
    snprintf(address->text, sizeof address->text, "%s:%u", host, address_port(address));
}

unsigned address_port(const struct address *address)
{
    if (address->any.sa_family == AF_INET6)
        return ntohs(address->v6.sin6_port);
    return ntohs(address->v4.sin_port);
}

bool address_is_loopback(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    const struct in6_addr *v6 = &address->v6.sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6))
        return v6->s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(v6);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->any.sa_family == b->any.sa_family && strcmp(a->text, b->text) == 0;
}
