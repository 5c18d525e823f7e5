/* The file of a listening Unix socket: it must be there while somebody listens, and only then.
 *
 * A server that was killed leaves its file. Nobody can connect to it, so it is replaced. Where
 * somebody can, another server lives: an error. */
#include "net/unix_file.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(UNIX_PATH_MAX == sizeof(((struct sockaddr_un *)0)->sun_path),
               "what fits an address");

static enum code refuse(const char *path, const char *why, struct error *error)
{
    return error_set(error, CODE_UNAVAILABLE, "listen unix %s: %s", path, why);
}

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Does nobody listen there? False: with an error. */
static bool is_dead(const struct sockaddr_un *address, struct error *error)
{
    struct stat file;
    const char *path = address->sun_path;
    if (lstat(path, &file) == 0 && !S_ISSOCK(file.st_mode)) {
        refuse(path, "there is a file that is no socket", error);
        return false;
    }
    int fd = open_socket();
    if (fd < 0) {
        refuse(path, strerror(errno), error);
        return false;
    }
    int reason = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
    close(fd);
    if (reason == 0 || reason == EAGAIN) /* a full backlog is a live one */
        refuse(path, "another server listens there", error);
    else if (reason != ECONNREFUSED && reason != ENOENT)
        refuse(path, strerror(reason), error);
    return reason == ECONNREFUSED || reason == ENOENT;
}

static int bind_to(int fd, const struct sockaddr_un *address)
{
    return bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : errno;
}

/* fd is bound: what remains. 0, or errno. */
static int finish(int fd, const char *path, mode_t mode, int backlog, struct unix_file *file)
{
    struct stat now;
    if (chmod(path, mode) != 0 || listen(fd, backlog) != 0 || stat(path, &now) != 0)
        return errno;
    file->device = now.st_dev;
    file->inode = now.st_ino;
    memcpy(file->path, path, strlen(path) + 1);
    return 0;
}

enum code unix_file_listen(struct unix_file *file, const char *path, mode_t mode, int backlog,
                           int *fd, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n >= sizeof address.sun_path)
        return error_set(error, CODE_INVALID_ARGUMENT,
                         "listen unix %s: the path has %zu bytes, and %zu at most fit an address",
                         path, n, sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, n + 1);
    int s = open_socket();
    if (s < 0)
        return refuse(path, strerror(errno), error);
    fchmod(s, mode); /* so that the file never has more than this, whatever the umask */
    int reason = bind_to(s, &address);
    if (reason == EADDRINUSE) {
        if (!is_dead(&address, error)) {
            close(s);
            return error->code;
        }
        unlink(path);
        reason = bind_to(s, &address);
    }
    if (reason == 0) {
        reason = finish(s, path, mode, backlog, file);
        if (reason != 0)
            unlink(path);
    }
    if (reason != 0) {
        close(s);
        return refuse(path, strerror(reason), error);
    }
    *fd = s;
    return CODE_OK;
}

void unix_file_remove(struct unix_file *file)
{
    struct stat now;
    bool ours = file->path[0] && stat(file->path, &now) == 0 && now.st_dev == file->device &&
                now.st_ino == file->inode;
    if (ours)
        unlink(file->path);
    file->path[0] = '\0';
}
