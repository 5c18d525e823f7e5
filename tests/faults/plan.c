#include "plan.h"

#include <errno.h>
#include <link.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

const struct fault faults[] = {
    {"memory", CALL_MEMORY, ENOMEM, true},
    {"recv:EINTR", CALL_RECV, EINTR, false},
    {"recv:EAGAIN", CALL_RECV, EAGAIN, false},
    {"recv:ECONNRESET", CALL_RECV, ECONNRESET, true},
    {"recv:ENOMEM", CALL_RECV, ENOMEM, false},
    {"recv:short", CALL_RECV, FAULT_SHORT, true},
    {"recv:eof", CALL_RECV, FAULT_EOF, false},
    {"send:EINTR", CALL_SEND, EINTR, false},
    {"send:EAGAIN", CALL_SEND, EAGAIN, false},
    {"send:EPIPE", CALL_SEND, EPIPE, true},
    {"send:ECONNRESET", CALL_SEND, ECONNRESET, false},
    {"send:ENOBUFS", CALL_SEND, ENOBUFS, false},
    {"send:short", CALL_SEND, FAULT_SHORT, true},
    {"accept:EINTR", CALL_ACCEPT, EINTR, false},
    {"accept:EAGAIN", CALL_ACCEPT, EAGAIN, false},
    {"accept:ECONNABORTED", CALL_ACCEPT, ECONNABORTED, false},
    {"accept:EMFILE", CALL_ACCEPT, EMFILE, true},
    {"socket:EMFILE", CALL_SOCKET, EMFILE, true},
    {"connect:ECONNREFUSED", CALL_CONNECT, ECONNREFUSED, true},
    {"connect:EINTR", CALL_CONNECT, EINTR, false},
    {"bind:EADDRINUSE", CALL_BIND, EADDRINUSE, true},
    {"listen:EADDRINUSE", CALL_LISTEN, EADDRINUSE, true},
    {"sockopt:ENOBUFS", CALL_SOCKOPT, ENOBUFS, true},
    {"sockname:ENOBUFS", CALL_SOCKNAME, ENOBUFS, true},
    {"epoll_ctl:ENOSPC", CALL_EPOLL_CTL, ENOSPC, true},
    {"epoll_create:EMFILE", CALL_EPOLL_CREATE, EMFILE, true},
    {"epoll_wait:EINTR", CALL_EPOLL_WAIT, EINTR, false},
    {"poll:EINTR", CALL_POLL, EINTR, false},
    {"poll:ENOMEM", CALL_POLL, ENOMEM, true},
    {"eventfd:EMFILE", CALL_EVENTFD, EMFILE, true},
    {"getaddrinfo:EAI_AGAIN", CALL_GETADDRINFO, EAI_AGAIN, true},
    {"getaddrinfo:EAI_MEMORY", CALL_GETADDRINFO, EAI_MEMORY, true},
    {"file:EMFILE", CALL_FILE, EMFILE, true},
    {"descriptor:EMFILE", CALL_DESCRIPTOR, EMFILE, true},
    {"thread:EAGAIN", CALL_THREAD, EAGAIN, true},
    {"work:ENOMEM", CALL_WORK, ENOMEM, true},
};
const size_t n_faults = sizeof faults / sizeof *faults;

/* The code of a library. */
struct text {
    uintptr_t begin;
    uintptr_t end;
};

static struct {
    atomic_bool armed;
    const struct fault *fault;
    enum plan_side side;
    unsigned n;
    enum plan_mode mode;
    atomic_uint counts[SIDE_COUNT][CALL_COUNT];
    atomic_uint strikes;
    atomic_int client_socket;
    struct text libuv;
    struct text loader;
} plan = {.client_socket = -1};

static __thread enum plan_side my_side;

const char *plan_side_name(enum plan_side side)
{
    static const char *const names[] = {"test", "client", "server"};
    return names[side];
}

const char *plan_mode_name(enum plan_mode mode)
{
    static const char *const names[] = {"once", "twice", "forever"};
    return names[mode];
}

void plan_arm(const struct fault *fault, enum plan_side side, unsigned n, enum plan_mode mode)
{
    plan.fault = fault;
    plan.side = side;
    plan.n = n;
    plan.mode = mode;
    for (int s = 0; s < SIDE_COUNT; s++)
        for (int c = 0; c < CALL_COUNT; c++)
            atomic_store(&plan.counts[s][c], 0);
    atomic_store(&plan.strikes, 0);
    atomic_store(&plan.armed, true);
}

void plan_disarm(void)
{
    atomic_store(&plan.armed, false);
}

unsigned plan_strikes(void)
{
    return atomic_load(&plan.strikes);
}

unsigned plan_count(enum plan_call call, enum plan_side side)
{
    return atomic_load(&plan.counts[side][call]);
}

enum plan_side plan_enter(enum plan_side side)
{
    enum plan_side before = my_side;
    my_side = side;
    return before;
}

int plan_take(enum plan_call call)
{
    enum plan_side side = my_side;
    if (side == SIDE_TEST || !atomic_load(&plan.armed))
        return FAULT_NONE;
    unsigned i = atomic_fetch_add(&plan.counts[side][call], 1) + 1;
    const struct fault *fault = plan.fault;
    if (fault == NULL || fault->call != call || plan.side != side)
        return FAULT_NONE;
    bool struck = i == plan.n || (plan.mode == MODE_TWICE && i == plan.n + 1) ||
                  (plan.mode == MODE_FOREVER && i > plan.n);
    if (!struck)
        return FAULT_NONE;
    atomic_fetch_add(&plan.strikes, 1);
    return fault->how;
}

/* -- Whose code is it? -- */

static struct text text_of(const struct dl_phdr_info *info)
{
    struct text text = {0, 0};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X)) {
            text.begin = info->dlpi_addr + segment->p_vaddr;
            text.end = text.begin + segment->p_memsz;
        }
    }
    return text;
}

static int look_at_object(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    if (strstr(info->dlpi_name, "libuv.so") != NULL)
        plan.libuv = text_of(info);
    if (strstr(info->dlpi_name, "/ld-") != NULL)
        plan.loader = text_of(info);
    return 0;
}

__attribute__((constructor)) static void look_at_objects(void)
{
    dl_iterate_phdr(look_at_object, NULL);
}

static bool is_in(const struct text *text, const void *address)
{
    uintptr_t at = (uintptr_t)address;
    return at >= text->begin && at < text->end;
}

bool plan_in_libuv(const void *address)
{
    return is_in(&plan.libuv, address);
}

bool plan_in_loader(const void *address)
{
    return is_in(&plan.loader, address);
}

/* -- Descriptors -- */

/* Asked anew each time: libuv closes by system calls that nobody sees. */
bool plan_is_socket(int fd)
{
    struct stat facts;
    return my_side != SIDE_TEST && atomic_load(&plan.armed) && fstat(fd, &facts) == 0 &&
           S_ISSOCK(facts.st_mode);
}

void plan_note_socket(int fd)
{
    if (my_side == SIDE_CLIENT)
        atomic_store(&plan.client_socket, fd);
}

int plan_client_socket(void)
{
    return atomic_load(&plan.client_socket);
}
