#include "client/address.h"

#include <string.h>

#include "client/report.h"

static bool port_valid(const char *port)
{
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits > 5 || port[digits] != '\0')
        return false;
    unsigned value = 0;
    for (const char *c = port; *c != '\0'; c++)
        value = value * 10 + (unsigned)(*c - '0');
    return value >= 1 && value <= 65535;
}

static gf_code set(struct address *address, const char *host, size_t n, const char *port,
                   const char *text, gf_error *error)
{
    if (n == 0 || n >= sizeof address->host)
        return report(error, GF_INVALID_ARGUMENT, "address '%.300s': no host", text);
    if (!port_valid(port))
        return report(error, GF_INVALID_ARGUMENT, "address '%.300s': no port 1 - 65535", text);
    *address = (struct address){0};
    memcpy(address->host, host, n);
    memcpy(address->port, port, strlen(port) + 1);
    return report_ok(error);
}

static gf_code set_path(struct address *address, const char *path, gf_error *error)
{
    size_t n = strlen(path);
    if (n >= sizeof address->path)
        return report(error, GF_INVALID_ARGUMENT, "address 'unix:%.300s': longer than %zu bytes",
                      path, sizeof address->path - 1);
    *address = (struct address){0};
    memcpy(address->path, path, n);
    return report_ok(error);
}

gf_code address_parse(const char *text, struct address *address, gf_error *error)
{
    if (text == NULL)
        return report(error, GF_INVALID_ARGUMENT, "no address");
    if (strncmp(text, "unix:/", 6) == 0)
        return set_path(address, text + 5, error);
    const char *colon = strrchr(text, ':');
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || end[1] != ':')
            return report(error, GF_INVALID_ARGUMENT, "address '%.300s': expected [host]:port",
                          text);
        return set(address, text + 1, (size_t)(end - text) - 1, end + 2, text, error);
    }
    if (colon == NULL)
        return report(error, GF_INVALID_ARGUMENT, "address '%.300s': expected host:port", text);
    if (strchr(text, ':') != colon)
        return report(error, GF_INVALID_ARGUMENT,
                      "address '%.300s': IPv6 addresses are written [host]:port", text);
    return set(address, text, (size_t)(colon - text), colon + 1, text, error);
}
