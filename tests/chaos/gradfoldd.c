#include "gradfoldd.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    START_MS = 10000,
    STOP_MS = 15000,
    ARGUMENTS_MAX = 32,
    METRICS_BYTES = 1 << 20
};

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* splitmix64 */
uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *state, uint64_t n)
{
    return random_next(state) % n;
}

/* -- The process -- */

static void become(const char *program, const char *const *options, const char *port_file)
{
    const char *arguments[ARGUMENTS_MAX] = {program,       "--listen",    "127.0.0.1:0", "--admin",
                                            "127.0.0.1:0", "--port-file", port_file};
    size_t n = 7;
    for (; *options != NULL && n < ARGUMENTS_MAX - 1; options++)
        arguments[n++] = *options;
    execv(program, (char *const *)arguments);
    perror(program);
    _exit(127);
}

static bool read_ports(struct gradfoldd *d, const char *port_file)
{
    FILE *file = fopen(port_file, "re");
    if (file == NULL)
        return false;
    char kind[16], address[64];
    while (fscanf(file, "%15s %63s", kind, address) == 2)
        snprintf(strcmp(kind, "admin") == 0 ? d->admin : d->address, sizeof d->address, "%s",
                 address);
    fclose(file);
    return d->admin[0] != '\0' && d->address[0] != '\0';
}

bool gradfoldd_start(struct gradfoldd *d, const char *program, const char *const *options)
{
    char port_file[96];
    *d = (struct gradfoldd){.folder = "/tmp/gradfold-chaos-XXXXXX"};
    if (mkdtemp(d->folder) == NULL) {
        perror(d->folder);
        return false;
    }
    snprintf(port_file, sizeof port_file, "%s/ports", d->folder);
    d->pid = fork();
    if (d->pid == 0)
        become(program, options, port_file);
    int64_t deadline = now_ms() + START_MS;
    while (d->pid > 0 && now_ms() < deadline && !gradfoldd_died(d)) {
        if (read_ports(d, port_file))
            return true;
        poll(NULL, 0, 10);
    }
    fprintf(stderr, "%s does not start\n", program);
    return false;
}

bool gradfoldd_died(struct gradfoldd *d)
{
    int status;
    if (d->pid > 0 && waitpid(d->pid, &status, WNOHANG) == d->pid) {
        fprintf(stderr, "gradfoldd ended by itself, status %#x\n", (unsigned)status);
        d->pid = -1;
    }
    return d->pid <= 0;
}

int gradfoldd_stop(struct gradfoldd *d)
{
    char port_file[96];
    int status = -1;
    if (d->pid > 0) {
        kill(d->pid, SIGTERM);
        int64_t deadline = now_ms() + STOP_MS;
        pid_t got;
        while ((got = waitpid(d->pid, &status, WNOHANG)) == 0 && now_ms() < deadline)
            poll(NULL, 0, 10);
        if (got == 0) {
            fprintf(stderr, "gradfoldd does not stop\n");
            kill(d->pid, SIGKILL);
            waitpid(d->pid, &status, 0);
        }
        d->pid = -1;
    }
    snprintf(port_file, sizeof port_file, "%s/ports", d->folder);
    unlink(port_file);
    rmdir(d->folder);
    return status;
}

bool gradfoldd_look(const struct gradfoldd *d, uint64_t *resident_bytes, unsigned *descriptors)
{
    char path[64];
    unsigned long total, resident;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)d->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool ok = fscanf(file, "%lu %lu", &total, &resident) == 2;
    fclose(file);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)d->pid);
    DIR *folder = opendir(path);
    if (!ok || folder == NULL)
        return false;
    *resident_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
    *descriptors = 0;
    while (readdir(folder) != NULL)
        ++*descriptors;
    *descriptors -= 2; /* "." and ".." */
    closedir(folder);
    return true;
}

/* -- Talking to it -- */

int connect_to(const char *address)
{
    const struct timeval patience = {.tv_sec = 5};
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    snprintf(host, sizeof host, "%s", address);
    char *port = strrchr(host, ':');
    if (port == NULL)
        return -1;
    *port++ = '\0';
    to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static size_t get(const struct gradfoldd *d, const char *path, char *text, size_t room)
{
    char request[256];
    size_t n = 0;
    int fd = connect_to(d->admin);
    if (fd < 0)
        return 0;
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: chaos\r\nConnection: close\r\n\r\n", path);
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) == length) {
        ssize_t got;
        while (n < room - 1 && (got = recv(fd, text + n, room - 1 - n, 0)) > 0)
            n += (size_t)got;
    }
    text[n] = '\0';
    close(fd);
    return n;
}

double gradfoldd_metric(const struct gradfoldd *d, const char *name)
{
    char line[128];
    double value = -1;
    char *text = malloc(METRICS_BYTES);
    if (text == NULL)
        return -1;
    snprintf(line, sizeof line, "\n%s ", name);
    if (get(d, "/metrics", text, METRICS_BYTES) > 0) {
        const char *at = strstr(text, line);
        if (at != NULL)
            value = strtod(at + strlen(line), NULL);
    }
    free(text);
    return value;
}
