/* What this process may use of the machine: the physical memory, unless a control group allows
 * less. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "options/options.h"

static uint64_t physical_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0)
        return UINT64_C(1) << 30;
    return (uint64_t)pages * (uint64_t)page;
}

/* The number in a control group's file; "max", nonsense or no file: no limit. */
static uint64_t group_limit(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return UINT64_MAX;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0 || text[0] < '1' || text[0] > '9')
        return UINT64_MAX;
    return strtoull(text, NULL, 10);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static unsigned usable_cpus(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

void machine_look(struct machine *machine)
{
    uint64_t memory = physical_memory();
    memory = smaller(memory, group_limit("/sys/fs/cgroup/memory.max"));
    memory = smaller(memory, group_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    machine->memory_bytes = memory;
    machine->cpus = usable_cpus();
}
