#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "root.h"

static bool write_lines(const struct server *s, FILE *file)
{
    struct address address;
    for (unsigned i = 0; i < s->options->n_listen; i++) {
        if (!server_address(s, i, &address))
            return false;
        fprintf(file, "listen %s\n", address.text);
    }
    if (s->options->has_admin) {
        if (!server_admin_address(s, &address))
            return false;
        fprintf(file, "admin %s\n", address.text);
    }
    if (s->unix_path[0])
        fprintf(file, "unix %s\n", s->unix_path);
    return fflush(file) == 0 && !ferror(file);
}

static enum code refuse(struct error *error, const char *path)
{
    return error_set(error, CODE_UNAVAILABLE, "port file %s: %s", path, strerror(errno));
}

enum code port_file_write(const struct server *s, const char *path, struct error *error)
{
    char temporary[OPTIONS_PATH_MAX + 32];
    snprintf(temporary, sizeof temporary, "%s.%ld.new", path, (long)getpid());
    FILE *file = fopen(temporary, "we");
    if (!file)
        return refuse(error, path);
    bool written = write_lines(s, file);
    written = fclose(file) == 0 && written;
    if (written && rename(temporary, path) == 0)
        return CODE_OK;
    enum code code = refuse(error, path);
    unlink(temporary);
    return code;
}
