/* The server's address as users of the library write it.
 *
 * What is accepted names a host and a port from 1 to 65535, or the path of a Unix socket, and can
 * be put together again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/address.h"
#include "fuzz.h"

static void check_path(const struct address *address, const char *text)
{
    must(address->host[0] == '\0' && address->path[0] == '/');
    must(strncmp(text, "unix:", 5) == 0 && strcmp(text + 5, address->path) == 0);
}

static void check_host(const struct address *address)
{
    struct address again;
    gf_error error;
    char whole[sizeof *address + 4];
    size_t host = strlen(address->host);
    long port = strtol(address->port, NULL, 10);
    must(host > 0 && host < sizeof address->host && port >= 1 && port <= 65535);
    snprintf(whole, sizeof whole, "[%s]:%s", address->host, address->port);
    must(strchr(address->host, ']') != NULL || address_parse(whole, &again, &error) == GF_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct address address;
    gf_error error;
    char *text = input_text((struct span){data, n});
    memset(&address, 0xA5, sizeof address);
    gf_code code = address_parse(text, &address, &error);
    must((code == GF_OK) == (error.message[0] == '\0') && error.code == code);
    must(memchr(error.message, '\0', sizeof error.message) != NULL);
    if (code == GF_OK && address.path[0] != '\0')
        check_path(&address, text);
    else if (code == GF_OK)
        check_host(&address);
    free(text);
    return 0;
}
