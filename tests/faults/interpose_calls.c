/* The system calls that can fail, as everybody in this program has them, libuv, libmicrohttpd and
 * libgradfold included.
 *
 * Exempt, because libuv knows no answer to them but abort(): epoll_ctl() within its poll (the
 * probe of uv_poll_init() is not exempt), and its threads: it creates its pool whole or aborts. And
 * its eventfd(): a loop that cannot be made without it forgets its epoll descriptor (1.44). */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "plan.h"

/* The next definition of the function that is being interposed. */
#define NEXT(function) \
    ((__typeof__(&function))next(&(static_##function), #function)) /* found once, then kept */
#define INTERPOSED(function) static void *static_##function

static void *next(void **kept, const char *name)
{
    void *found = __atomic_load_n(kept, __ATOMIC_RELAXED);
    if (found == NULL) {
        enum plan_side side = plan_enter(SIDE_TEST);
        found = dlsym(RTLD_NEXT, name);
        plan_enter(side);
        __atomic_store_n(kept, found, __ATOMIC_RELAXED);
    }
    return found;
}

/* True when the call must return -1 instead of being made. */
static bool fails(enum plan_call call)
{
    int how = plan_take(call);
    if (how == FAULT_NONE)
        return false;
    errno = how;
    return true;
}

/* -- Bytes in and out: 0 go on, -1 fail, 1 one byte, 2 nothing -- */

enum moving {
    MOVE_ALL,
    MOVE_FAILS,
    MOVE_ONE,
    MOVE_NONE
};

static enum moving moving(enum plan_call call, int fd)
{
    int how = plan_is_socket(fd) ? plan_take(call) : FAULT_NONE;
    if (how == FAULT_NONE)
        return MOVE_ALL;
    if (how == FAULT_SHORT)
        return MOVE_ONE;
    if (how == FAULT_EOF) {
        shutdown(fd, SHUT_RDWR);
        return MOVE_NONE;
    }
    errno = how;
    /* A connection that was reset is gone, for the peer as well. */
    if (how == ECONNRESET || how == EPIPE)
        shutdown(fd, SHUT_RDWR);
    return MOVE_FAILS;
}

#define MOVE(call, fd, all, one) \
    switch (moving(call, fd)) {  \
    case MOVE_FAILS:             \
        return -1;               \
    case MOVE_NONE:              \
        return 0;                \
    case MOVE_ONE:               \
        return one;              \
    default:                     \
        return all;              \
    }

/* The first byte that the vectors hold room for, as a vector of its own. */
static struct iovec first_byte(const struct iovec *vectors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (vectors[i].iov_len > 0)
            return (struct iovec){vectors[i].iov_base, 1};
    return (struct iovec){NULL, 0};
}

static struct msghdr short_message(const struct msghdr *message, struct iovec *vector)
{
    struct msghdr copy = *message;
    *vector = first_byte(message->msg_iov, message->msg_iovlen);
    copy.msg_iov = vector;
    copy.msg_iovlen = 1;
    return copy;
}

INTERPOSED(read);
ssize_t read(int fd, void *buffer, size_t n){
    MOVE(CALL_RECV, fd, NEXT(read)(fd, buffer, n), NEXT(read)(fd, buffer, n > 0))}

ssize_t __read_chk(int fd, void *buffer, size_t n, size_t room);
ssize_t __read_chk(int fd, void *buffer, size_t n, size_t room)
{
    (void)room;
    return read(fd, buffer, n);
}

INTERPOSED(write);
ssize_t write(int fd, const void *buffer, size_t n){
    MOVE(CALL_SEND, fd, NEXT(write)(fd, buffer, n), NEXT(write)(fd, buffer, n > 0))}

INTERPOSED(readv);
ssize_t readv(int fd, const struct iovec *vectors, int n)
{
    struct iovec one = first_byte(vectors, (size_t)n);
    MOVE(CALL_RECV, fd, NEXT(readv)(fd, vectors, n), NEXT(readv)(fd, &one, 1))
}

INTERPOSED(writev);
ssize_t writev(int fd, const struct iovec *vectors, int n)
{
    struct iovec one = first_byte(vectors, (size_t)n);
    MOVE(CALL_SEND, fd, NEXT(writev)(fd, vectors, n), NEXT(writev)(fd, &one, 1))
}

INTERPOSED(recv);
ssize_t recv(int fd, void *buffer, size_t n, int flags){
    MOVE(CALL_RECV, fd, NEXT(recv)(fd, buffer, n, flags), NEXT(recv)(fd, buffer, n > 0, flags))}

ssize_t __recv_chk(int fd, void *buffer, size_t n, size_t room, int flags);
ssize_t __recv_chk(int fd, void *buffer, size_t n, size_t room, int flags)
{
    (void)room;
    return recv(fd, buffer, n, flags);
}

INTERPOSED(send);
ssize_t send(int fd, const void *buffer, size_t n, int flags){
    MOVE(CALL_SEND, fd, NEXT(send)(fd, buffer, n, flags), NEXT(send)(fd, buffer, n > 0, flags))}

INTERPOSED(recvmsg);
static ssize_t receive_one(int fd, struct msghdr *message, int flags)
{
    struct iovec one;
    struct msghdr copy = short_message(message, &one);
    ssize_t n = NEXT(recvmsg)(fd, &copy, flags);
    message->msg_controllen = copy.msg_controllen;
    message->msg_flags = copy.msg_flags;
    return n;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags){
    MOVE(CALL_RECV, fd, NEXT(recvmsg)(fd, message, flags), receive_one(fd, message, flags))}

INTERPOSED(sendmsg);
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct iovec one;
    struct msghdr copy = short_message(message, &one);
    MOVE(CALL_SEND, fd, NEXT(sendmsg)(fd, message, flags), NEXT(sendmsg)(fd, &copy, flags))
}

/* -- Sockets -- */

INTERPOSED(socket);
int socket(int family, int type, int protocol)
{
    if (fails(CALL_SOCKET))
        return -1;
    int fd = NEXT(socket)(family, type, protocol);
    plan_note_socket(fd);
    return fd;
}

INTERPOSED(accept4);
int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    if (fails(CALL_ACCEPT))
        return -1;
    return NEXT(accept4)(listener, address, size, flags);
}

INTERPOSED(connect);
int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return fails(CALL_CONNECT) ? -1 : NEXT(connect)(fd, address, size);
}

INTERPOSED(bind);
int bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return fails(CALL_BIND) ? -1 : NEXT(bind)(fd, address, size);
}

INTERPOSED(listen);
int listen(int fd, int backlog)
{
    return fails(CALL_LISTEN) ? -1 : NEXT(listen)(fd, backlog);
}

INTERPOSED(setsockopt);
int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    return fails(CALL_SOCKOPT) ? -1 : NEXT(setsockopt)(fd, level, option, value, size);
}

INTERPOSED(getsockopt);
int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict size)
{
    return fails(CALL_SOCKOPT) ? -1 : NEXT(getsockopt)(fd, level, option, value, size);
}

INTERPOSED(getsockname);
int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict size)
{
    return fails(CALL_SOCKNAME) ? -1 : NEXT(getsockname)(fd, address, size);
}

INTERPOSED(getaddrinfo);
int getaddrinfo(const char *restrict host, const char *restrict port,
                const struct addrinfo *restrict hints, struct addrinfo **restrict list)
{
    int how = plan_take(CALL_GETADDRINFO);
    return how != FAULT_NONE ? how : NEXT(getaddrinfo)(host, port, hints, list);
}

/* -- Waiting -- */

INTERPOSED(epoll_ctl);
int epoll_ctl(int fd, int operation, int watched, struct epoll_event *event)
{
    bool probe = operation == EPOLL_CTL_ADD && event->data.fd == -1;
    if ((probe || !plan_in_libuv(__builtin_return_address(0))) && operation != EPOLL_CTL_DEL &&
        fails(CALL_EPOLL_CTL))
        return -1;
    return NEXT(epoll_ctl)(fd, operation, watched, event);
}

INTERPOSED(epoll_create1);
int epoll_create1(int flags)
{
    return fails(CALL_EPOLL_CREATE) ? -1 : NEXT(epoll_create1)(flags);
}

INTERPOSED(epoll_wait);
int epoll_wait(int fd, struct epoll_event *events, int n, int timeout_ms)
{
    return fails(CALL_EPOLL_WAIT) ? -1 : NEXT(epoll_wait)(fd, events, n, timeout_ms);
}

INTERPOSED(epoll_pwait);
int epoll_pwait(int fd, struct epoll_event *events, int n, int timeout_ms, const sigset_t *mask)
{
    return fails(CALL_EPOLL_WAIT) ? -1 : NEXT(epoll_pwait)(fd, events, n, timeout_ms, mask);
}

INTERPOSED(poll);
int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
    return fails(CALL_POLL) ? -1 : NEXT(poll)(fds, n, timeout_ms);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t room)
{
    (void)room;
    return poll(fds, n, timeout_ms);
}

INTERPOSED(eventfd);
int eventfd(unsigned count, int flags)
{
    if (!plan_in_libuv(__builtin_return_address(0)) && fails(CALL_EVENTFD))
        return -1;
    return NEXT(eventfd)(count, flags);
}

/* -- Files -- */

INTERPOSED(fopen);
FILE *fopen(const char *restrict path, const char *restrict mode)
{
    return fails(CALL_FILE) ? NULL : NEXT(fopen)(path, mode);
}

INTERPOSED(opendir);
DIR *opendir(const char *path)
{
    return fails(CALL_FILE) ? NULL : NEXT(opendir)(path);
}

INTERPOSED(open);
int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return fails(CALL_FILE) ? -1 : NEXT(open)(path, flags, mode);
}

INTERPOSED(memfd_create);
int memfd_create(const char *name, unsigned flags)
{
    return fails(CALL_DESCRIPTOR) ? -1 : NEXT(memfd_create)(name, flags);
}

/* Its third argument, if there is one, is a number or a pointer. */
INTERPOSED(fcntl);
int fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    bool copies = command == F_DUPFD_CLOEXEC || command == F_DUPFD;
    return copies && fails(CALL_DESCRIPTOR) ? -1 : NEXT(fcntl)(fd, command, argument);
}

/* -- Threads -- */

void *__libc_malloc(size_t n);
void __libc_free(void *p);

struct beginning {
    void *(*run)(void *);
    void *data;
    enum plan_side side;
};

static void *begin(void *data)
{
    struct beginning b = *(struct beginning *)data;
    __libc_free(data);
    plan_enter(b.side);
    return b.run(b.data);
}

INTERPOSED(pthread_create);
int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict data)
{
    int how = plan_in_libuv(__builtin_return_address(0)) ? FAULT_NONE : plan_take(CALL_THREAD);
    if (how != FAULT_NONE)
        return how;
    struct beginning *b = __libc_malloc(sizeof *b);
    if (b == NULL)
        return EAGAIN;
    enum plan_side side = plan_enter(SIDE_TEST);
    *b = (struct beginning){run, data, side};
    int result = NEXT(pthread_create)(thread, attributes, begin, b);
    plan_enter(side);
    if (result != 0)
        __libc_free(b);
    return result;
}

INTERPOSED(uv_queue_work);
int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb run, uv_after_work_cb after)
{
    int how = plan_take(CALL_WORK);
    return how != FAULT_NONE ? -how : NEXT(uv_queue_work)(loop, work, run, after);
}
