/* The file of a listening Unix socket. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/must.h"

enum {
    UNIX_PATH_MAX = 108 /* with its terminator: the kernel's limit */
};

struct unix_file {
    char path[UNIX_PATH_MAX]; /* "": there is none */
    dev_t device;
    ino_t inode;
};

/* Binds a new socket to the path, with this mode, and listens; *fd is non-blocking. What a server
 * that is gone has left there is replaced. CODE_INVALID_ARGUMENT: the path is too long;
 * CODE_UNAVAILABLE: another server listens there, it is another file, or the system refuses; the
 * message says which. */
MUST_USE enum code unix_file_listen(struct unix_file *file, const char *path, mode_t mode,
                                    int backlog, int *fd, struct error *error);

/* Unlinks it, unless something else is there by now. Harmless the second time. */
void unix_file_remove(struct unix_file *file);
