#include "bench_crew.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interrupt.h"

/* -- Starting -- */

static _Noreturn void become_worker(const struct bench_crew *crew, const struct bench *bench,
                                    pid_t parent, int channel)
{
    interrupt_uncatch();
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when the parent is killed */
    if (getppid() == parent) {
        for (uint32_t i = 0; i < crew->n; i++)
            close(crew->channel[i]); /* of those before it */
        bench_worker_run(bench, crew->n, channel);
    }
    _exit(0);
}

static bool start_one(struct bench_crew *crew, const struct bench *bench)
{
    int pair[2];
    pid_t parent = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        become_worker(crew, bench, parent, pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return false;
    }
    crew->pid[crew->n] = pid;
    crew->channel[crew->n++] = pair[0];
    return true;
}

enum exit_status bench_crew_start(struct bench_crew *crew, const struct bench *bench, int server)
{
    *crew = (struct bench_crew){
        .server = server,
        .pid = calloc(bench->workers, sizeof *crew->pid),
        .channel = calloc(bench->workers, sizeof *crew->channel),
        .answer = calloc(bench->workers, sizeof *crew->answer),
    };
    if (crew->pid == NULL || crew->channel == NULL || crew->answer == NULL)
        return report_no_memory();
    fflush(NULL); /* or each worker has what is buffered, too */
    while (crew->n < bench->workers) {
        if (!start_one(crew, bench)) {
            complain("worker %" PRIu32 " could not be started: %s", crew->n, strerror(errno));
            return STATUS_FAILED;
        }
    }
    return STATUS_DONE;
}

/* -- Orders and answers -- */

/* It closed its channel without an answer. */
static enum exit_status explain_death(struct bench_crew *crew, uint32_t worker)
{
    int status = 0;
    while (waitpid(crew->pid[worker], &status, 0) < 0 && errno == EINTR)
        continue;
    crew->pid[worker] = 0;
    if (interrupt_came()) /* Ctrl-C reaches the workers, too */
        return STATUS_INTERRUPTED;
    if (WIFSIGNALED(status))
        complain("worker %" PRIu32 " was ended by signal %d (%s)", worker, WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        complain("worker %" PRIu32 " ended with exit status %d", worker, WEXITSTATUS(status));
    return STATUS_FAILED;
}

static enum exit_status take_answer(struct bench_crew *crew, uint32_t worker)
{
    struct bench_answer *answer = &crew->answer[worker];
    ssize_t n = recv(crew->channel[worker], answer, sizeof *answer, 0);
    if (n < 0 && errno == EINTR)
        return STATUS_INTERRUPTED;
    if (n != (ssize_t)sizeof *answer)
        return explain_death(crew, worker);
    if (answer->error.code == GF_OK)
        return STATUS_DONE;
    char what[64];
    snprintf(what, sizeof what, "worker %" PRIu32 ": %s", worker, answer->what);
    return report_error(&answer->error, what, NULL);
}

/* Looks at all at once, so that the failure of any ends the run. */
static enum exit_status await_answers(struct bench_crew *crew)
{
    struct pollfd fds[BENCH_WORKERS_MAX + 1];
    for (uint32_t i = 0; i < crew->n; i++)
        fds[i] = (struct pollfd){.fd = crew->channel[i], .events = POLLIN};
    struct pollfd *server = &fds[crew->n];
    *server = (struct pollfd){.fd = crew->server, .events = POLLIN};
    for (uint32_t left = crew->n; left > 0;) {
        if (interrupt_poll(fds, crew->n + 1, -1) < 0)
            return STATUS_INTERRUPTED;
        if (server->revents != 0) {
            complain("the server ended");
            return STATUS_FAILED;
        }
        for (uint32_t i = 0; i < crew->n; i++) {
            if (fds[i].revents == 0)
                continue;
            enum exit_status status = take_answer(crew, i);
            if (status != STATUS_DONE)
                return status;
            fds[i].fd = -1; /* poll() passes it over */
            left--;
        }
    }
    return STATUS_DONE;
}

enum exit_status bench_crew_do(struct bench_crew *crew, const struct bench_order *order)
{
    for (uint32_t i = 0; i < crew->n; i++) {
        if (send(crew->channel[i], order, sizeof *order, MSG_NOSIGNAL) < 0)
            return errno == EINTR ? STATUS_INTERRUPTED : explain_death(crew, i);
    }
    return await_answers(crew);
}

/* -- Ending -- */

void bench_crew_stop(struct bench_crew *crew)
{
    for (uint32_t i = 0; i < crew->n; i++) {
        close(crew->channel[i]);
        if (crew->pid[i] > 0)
            kill(crew->pid[i], SIGTERM);
    }
    for (uint32_t i = 0; i < crew->n; i++) {
        while (crew->pid[i] > 0 && waitpid(crew->pid[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    free(crew->pid);
    free(crew->channel);
    free(crew->answer);
    *crew = (struct bench_crew){0};
}
