#include "bench_server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interrupt.h"

enum {
    PATIENCE_MS = 10000,
    PAUSE_MS = 10,
    FILE_PATH_MAX = 96,
    PROGRAM_MAX = 4096
};

/* gradfoldd beside ourselves, or the name alone, for PATH. */
static void find_program(char program[static PROGRAM_MAX])
{
    static const char name[] = "gradfoldd";
    ssize_t n = readlink("/proc/self/exe", program, PROGRAM_MAX - sizeof name);
    char *slash = n <= 0 ? NULL : memrchr(program, '/', (size_t)n);
    if (slash != NULL) {
        memcpy(slash + 1, name, sizeof name);
        if (access(program, X_OK) == 0)
            return;
    }
    memcpy(program, name, sizeof name);
}

static void path_of(const struct bench_server *server, const char *name,
                    char path[static FILE_PATH_MAX])
{
    snprintf(path, FILE_PATH_MAX, "%s/%s", server->folder, name);
}

static _Noreturn void become_server(const char *program, const char *port_file, const char *socket,
                                    pid_t parent)
{
    const char *arguments[] = {
        "gradfoldd",   "--listen", "127.0.0.1:0", "--admin", "off",
        "--log-level", "warn",     "--port-file", port_file, socket == NULL ? NULL : "--unix",
        socket,        NULL};
    interrupt_uncatch();
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent)
        execvp(program, (char *const *)(uintptr_t)arguments);
    complain("%s: %s", program, strerror(errno));
    advise("put gradfoldd into PATH, or say with --server which one to use");
    _exit(STATUS_FAILED);
}

static bool make_folder(struct bench_server *server)
{
    const char *parent = getenv("TMPDIR");
    int n = snprintf(server->folder, sizeof server->folder, "%s/gradfold-bench.XXXXXX",
                     parent == NULL ? "/tmp" : parent);
    if (n > 0 && (size_t)n < sizeof server->folder && mkdtemp(server->folder) != NULL)
        return true;
    complain("no folder for the server in %s: %s", parent == NULL ? "/tmp" : parent,
             strerror((size_t)n < sizeof server->folder ? errno : ENAMETOOLONG));
    server->folder[0] = '\0';
    return false;
}

/* The address behind `kind` in the port file; false: not there yet. */
static bool read_address(const char *port_file, const char *kind, char *address)
{
    char line[BENCH_ADDRESS_MAX];
    size_t n = strlen(kind);
    FILE *file = fopen(port_file, "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        found = strncmp(line, kind, n) == 0 && line[n] == ' ';
        if (found) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(address, BENCH_ADDRESS_MAX, "%s", line + n + 1);
        }
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static enum exit_status await_address(struct bench_server *server, const char *port_file,
                                      char *address)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += PAUSE_MS) {
        if (read_address(port_file, "listen", address))
            return STATUS_DONE;
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            complain("the server did not start");
            return STATUS_FAILED;
        }
        if (interrupt_poll(NULL, 0, PAUSE_MS) < 0)
            return STATUS_INTERRUPTED;
    }
    complain("the server was not ready after %d s", PATIENCE_MS / 1000);
    return STATUS_TIMEOUT;
}

void bench_server_init(struct bench_server *server)
{
    *server = (struct bench_server){.ended = -1};
}

enum exit_status bench_server_start(struct bench_server *server, struct bench *bench)
{
    char program[PROGRAM_MAX];
    char port_file[FILE_PATH_MAX];
    char socket[FILE_PATH_MAX];
    if (!make_folder(server))
        return STATUS_FAILED;
    find_program(program);
    path_of(server, "ports", port_file);
    path_of(server, "socket", socket);
    pid_t parent = getpid();
    fflush(NULL);
    server->pid = fork();
    if (server->pid == 0)
        become_server(program, port_file, bench->transport == BENCH_TCP ? NULL : socket, parent);
    if (server->pid < 0) {
        complain("the server could not be started: %s", strerror(errno));
        return STATUS_FAILED;
    }
    server->ended = (int)syscall(SYS_pidfd_open, server->pid, 0);
    enum exit_status status = await_address(server, port_file, bench->address);
    if (bench->transport != BENCH_TCP)
        snprintf(bench->address, sizeof bench->address, "unix:%s", socket);
    return status;
}

void bench_server_stop(struct bench_server *server)
{
    char path[FILE_PATH_MAX];
    if (server->pid > 0)
        kill(server->pid, SIGTERM);
    while (server->pid > 0 && waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (server->ended >= 0)
        close(server->ended);
    if (server->folder[0] == '\0')
        return;
    path_of(server, "ports", path);
    unlink(path);
    path_of(server, "socket", path);
    unlink(path); /* the server does so itself */
    rmdir(server->folder);
}
