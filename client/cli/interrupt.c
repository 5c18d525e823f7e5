#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

enum {
    COUNT = sizeof numbers / sizeof *numbers
};

static volatile sig_atomic_t came;

static void note(int number)
{
    (void)number;
    came = 1;
}

static void set_all(void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler};
    for (int i = 0; i < COUNT; i++)
        sigaction(numbers[i], &action, NULL);
}

void interrupt_catch(void)
{
    set_all(note);
}

void interrupt_uncatch(void)
{
    set_all(SIG_DFL);
}

bool interrupt_came(void)
{
    return came != 0;
}

/* They are held back from the look at the flag until ppoll() waits: none can come in between. */
int interrupt_poll(struct pollfd *fds, nfds_t n, int ms)
{
    sigset_t held;
    sigset_t before;
    const struct timespec patience = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    sigemptyset(&held);
    for (int i = 0; i < COUNT; i++)
        sigaddset(&held, numbers[i]);
    sigprocmask(SIG_BLOCK, &held, &before);
    errno = EINTR;
    int ready = came ? -1 : ppoll(fds, n, ms < 0 ? NULL : &patience, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return came ? -1 : ready;
}
