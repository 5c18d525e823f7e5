/* Each story is played, and what happened compared with what its text says. With --update the texts
 * are written anew: read the difference before you commit it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stories.h"

enum {
    PATH_MAX_HERE = 512,
    STORIES_MAX = 64
};

static void path_of(const struct story *story, char path[static PATH_MAX_HERE])
{
    snprintf(path, PATH_MAX_HERE, "%s/%s.txt", STORIES_FOLDER, story->file);
}

/* The story as it happens. To be freed. */
static char *play(const struct story *story)
{
    static struct stage stage;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fprintf(out, "%s\n\n", story->title);
    stage_open(&stage, out);
    story->play(&stage);
    stage_close(&stage);
    fclose(out);
    return text;
}

static char *read_text(const struct story *story)
{
    char path[PATH_MAX_HERE];
    path_of(story, path);
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t size = 0;
    if (file == NULL || getdelim(&text, &size, '\0', file) < 0)
        printf("%s: cannot be read; --update writes it\n", path);
    if (file != NULL)
        fclose(file);
    return text;
}

static void is_as_told(void **state)
{
    const struct story *story = *state;
    char *is = play(story);
    char *told = read_text(story);
    assert_non_null(told);
    size_t same = 0;
    while (is[same] != '\0' && is[same] == told[same])
        same++;
    if (is[same] != told[same]) {
        while (same > 0 && is[same - 1] != '\n')
            same--;
        printf("told:     %.*s\nhappened: %.*s\n-- all of it:\n%s", (int)strcspn(told + same, "\n"),
               told + same, (int)strcspn(is + same, "\n"), is + same, is);
        fail();
    }
    free(told);
    free(is);
}

static int update(void)
{
    for (size_t i = 0; i < n_stories; i++) {
        char path[PATH_MAX_HERE];
        path_of(&stories[i], path);
        char *text = play(&stories[i]);
        FILE *file = fopen(path, "w");
        if (file == NULL)
            return 1;
        fputs(text, file);
        fclose(file);
        free(text);
    }
    printf("%zu stories written to %s\n", n_stories, STORIES_FOLDER);
    return 0;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[STORIES_MAX];
    if (argc == 2 && strcmp(argv[1], "--update") == 0)
        return update();
    for (size_t i = 0; i < n_stories; i++)
        tests[i] = (struct CMUnitTest){.name = stories[i].title,
                                       .test_func = is_as_told,
                                       .initial_state = (void *)(uintptr_t)&stories[i]};
    return _cmocka_run_group_tests("stories", tests, n_stories, NULL, NULL);
}
