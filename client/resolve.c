#include "client/resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/report.h"

/* Shared by the thread and who asked; the last of them frees it. */
struct resolve {
    pthread_mutex_t lock;
    unsigned refs;
    int fd;
    struct address address;
    struct addrinfo *list;
    int failure; /* EAI_… */
};

static int look_up(struct resolve *resolve, int flags)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
    return getaddrinfo(resolve->address.host, resolve->address.port, &hints, &resolve->list);
}

static void unref(struct resolve *resolve)
{
    pthread_mutex_lock(&resolve->lock);
    unsigned left = --resolve->refs;
    pthread_mutex_unlock(&resolve->lock);
    if (left > 0)
        return;
    if (resolve->list != NULL)
        freeaddrinfo(resolve->list);
    if (resolve->fd >= 0)
        close(resolve->fd);
    pthread_mutex_destroy(&resolve->lock);
    free(resolve);
}

static void *run(void *data)
{
    struct resolve *resolve = data;
    resolve->failure = look_up(resolve, 0);
    uint64_t one = 1;
    ssize_t written = write(resolve->fd, &one, sizeof one);
    (void)written; /* of an eventfd that nobody has written before, it cannot fail */
    unref(resolve);
    return NULL;
}

/* The thread takes no signals: they are the program's. */
static bool start_thread(struct resolve *resolve)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    resolve->refs++;
    bool started = pthread_create(&thread, NULL, run, resolve) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        pthread_detach(thread);
    else
        resolve->refs--;
    return started;
}

struct resolve *resolve_start(const struct address *address)
{
    struct resolve *resolve = calloc(1, sizeof *resolve);
    if (resolve == NULL)
        return NULL;
    pthread_mutex_init(&resolve->lock, NULL);
    resolve->refs = 1;
    resolve->fd = -1;
    resolve->address = *address;
    if (look_up(resolve, AI_NUMERICHOST) == 0)
        return resolve;
    resolve->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolve->fd >= 0 && start_thread(resolve))
        return resolve;
    unref(resolve);
    return NULL;
}

int resolve_fd(const struct resolve *resolve)
{
    return resolve->fd;
}

struct addrinfo *resolve_finish(struct resolve *resolve, gf_error *error)
{
    uint64_t count;
    if (resolve->fd >= 0 && read(resolve->fd, &count, sizeof count) < 0)
        report(error, GF_CLIENT_SYSTEM, "the look-up of '%s' broke", resolve->address.host);
    struct addrinfo *list = resolve->list;
    resolve->list = NULL;
    if (list == NULL)
        report(error, GF_CLIENT_UNREACHABLE, "%s: %s", resolve->address.host,
               gai_strerror(resolve->failure));
    unref(resolve);
    return list;
}

void resolve_abandon(struct resolve *resolve)
{
    if (resolve != NULL)
        unref(resolve);
}
