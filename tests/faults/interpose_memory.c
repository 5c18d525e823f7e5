/* The allocator as everybody in this program has it, the libraries included: definitions in the
 * program come before those of libc. Failing is the plan's to decide; what is outstanding is
 * counted.
 *
 * Exempt: reallocations by libuv. Its table of watched descriptors has no error path: it aborts. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plan.h"

#if defined(OVER_ADDRESS_SANITIZER)
#define REAL(name) __interceptor_##name
int __interceptor_posix_memalign(void **out, size_t alignment, size_t n);
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t n);
void *REAL(memalign)(size_t alignment, size_t n);
void REAL(free)(void *p);

static bool refuse(void)
{
    if (plan_take(CALL_MEMORY) == FAULT_NONE)
        return false;
    errno = ENOMEM;
    return true;
}

/* Of the function that it stands in. */
#define CALLER __builtin_return_address(0)

static void *counted(void *p, const void *caller)
{
    if (p != NULL)
        plan_allocated(p, caller);
    return p;
}

void *malloc(size_t n)
{
    return refuse() ? NULL : counted(REAL(malloc)(n), CALLER);
}

void *calloc(size_t n, size_t size)
{
    return refuse() ? NULL : counted(REAL(calloc)(n, size), CALLER);
}

void free(void *p)
{
    if (p != NULL)
        plan_freed(p);
    REAL(free)(p);
}

void *realloc(void *p, size_t n)
{
    if (p != NULL && n == 0) {
        free(p);
        return NULL;
    }
    if (!plan_in_libuv(CALLER) && refuse())
        return NULL;
    void *fresh = REAL(realloc)(p, n);
    if (fresh == NULL)
        return NULL;
    if (p != NULL)
        plan_freed(p);
    return counted(fresh, CALLER);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return refuse() ? NULL : counted(REAL(memalign)(alignment, n), CALLER);
}

void *memalign(size_t alignment, size_t n)
{
    return aligned_alloc(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    void *p = aligned_alloc(alignment, n);
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

/* Large buffers of the server's pools; libc's own mappings do not come this way. */
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    bool ours = fd == -1 && (flags & MAP_ANONYMOUS) != 0;
    if (ours && refuse())
        return MAP_FAILED;
    long got = syscall(SYS_mmap, at, n, protection, flags, fd, offset);
    if (got == -1)
        return MAP_FAILED;
    if (ours)
        plan_mapped((long)n);
    return (void *)(uintptr_t)got;
}

int munmap(void *at, size_t n)
{
    int result = (int)syscall(SYS_munmap, at, n);
    if (result == 0)
        plan_mapped(-(long)n);
    return result;
}
