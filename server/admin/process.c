#include "admin/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void look_at_memory(struct process_facts *facts)
{
    uint64_t size = 0;
    uint64_t resident = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL)
        return;
    if (fscanf(statm, "%" SCNu64 " %" SCNu64, &size, &resident) == 2) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        facts->virtual_bytes = size * page;
        facts->resident_bytes = resident * page;
    }
    fclose(statm);
}

static uint64_t count_fds(void)
{
    uint64_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* without the one that was opened to count */
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void process_look(struct process_facts *facts)
{
    *facts = (struct process_facts){0};
    look_at_memory(facts);
    facts->open_fds = count_fds();
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        facts->max_fds = limit.rlim_cur;
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        facts->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/* Field 22 of /proc/self/stat: clock ticks between the system's start and ours. The second field
 * may hold spaces and parentheses, so counting starts behind the last one. */
static double started_after_boot(void)
{
    char line[1024] = "";
    unsigned long long ticks = 0;
    FILE *stat = fopen("/proc/self/stat", "re");
    if (stat == NULL)
        return -1;
    size_t n = fread(line, 1, sizeof line - 1, stat);
    fclose(stat);
    line[n] = '\0';
    const char *at = strrchr(line, ')');
    if (at == NULL)
        return -1;
    int found = sscanf(at + 1,
                       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                       "%*d %*d %llu",
                       &ticks);
    return found == 1 ? (double)ticks / (double)sysconf(_SC_CLK_TCK) : -1;
}

static double clock_seconds(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double process_started(void)
{
    double after_boot = started_after_boot();
    double now = clock_seconds(CLOCK_REALTIME);
    return after_boot < 0 ? now : now - clock_seconds(CLOCK_BOOTTIME) + after_boot;
}
