#include "fixture.h"

#include <string.h>

static const char *look_up(void *context, const char *name)
{
    const struct fixture *f = context;
    size_t n = strlen(name);
    for (const char *const *v = f->variables; v != NULL && *v != NULL; v++) {
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return *v + n + 1;
    }
    return NULL;
}

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->machine.memory_bytes = UINT64_C(8) << 30;
    f->machine.cpus = 6;
}

enum options_outcome fixture_read(struct fixture *f, const char *const *words)
{
    char *argv[64] = {(char *)(uintptr_t) "gradfoldd"};
    int argc = 1;
    for (; *words != NULL; words++)
        argv[argc++] = (char *)(uintptr_t)*words;
    struct options_source source = {
        .argc = argc, .argv = argv, .environment = look_up, .context = f, .machine = f->machine};
    return options_read(&source, &f->options, f->text);
}
