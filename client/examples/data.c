#include "data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WHITE = 16,     /* the brightest pixel in the file */
    TEST_EVERY = 5, /* every fifth image is kept for the test */
    IMAGES_MAX = 100000,
    LINE_MAX_BYTES = 1024,
};

static int images_add(struct images *images, const struct image *image)
{
    if ((images->count & (images->count + 1)) == 0) { /* 0, 1, 3, 7 …: room for twice as many */
        size_t room = 2 * (images->count + 1);
        struct image *grown = realloc(images->image, room * sizeof *grown);
        if (grown == NULL)
            return -1;
        images->image = grown;
    }
    images->image[images->count++] = *image;
    return 0;
}

/* One number in 0 … max; *text moves behind it and its comma. */
static int number_parse(char **text, long max, long *number)
{
    char *end;
    errno = 0;
    *number = strtol(*text, &end, 10);
    if (end == *text || errno != 0 || *number < 0 || *number > max)
        return -1;
    *text = *end == ',' ? end + 1 : end;
    return 0;
}

static int image_parse(char *line, struct image *image)
{
    long number;
    for (size_t i = 0; i < PIXELS; i++) {
        if (number_parse(&line, WHITE, &number) != 0)
            return -1;
        image->pixel[i] = (float)number / (float)WHITE;
    }
    if (number_parse(&line, CLASSES - 1, &number) != 0)
        return -1;
    image->label = (size_t)number;
    return strspn(line, "\r\n") == strlen(line) ? 0 : -1;
}

static int file_parse(FILE *file, struct digits *digits, size_t *line_number)
{
    char line[LINE_MAX_BYTES];
    struct image image;
    for (*line_number = 1; fgets(line, sizeof line, file) != NULL; ++*line_number) {
        if (*line_number > IMAGES_MAX || image_parse(line, &image) != 0)
            return -1;
        struct images *images = *line_number % TEST_EVERY == 0 ? &digits->test : &digits->train;
        if (images_add(images, &image) != 0)
            return -1;
    }
    return ferror(file) || digits->test.count == 0 ? -1 : 0;
}

int digits_load(struct digits *digits, const char *path)
{
    *digits = (struct digits){0};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    size_t line_number;
    int result = file_parse(file, digits, &line_number);
    if (result != 0) {
        fprintf(stderr, "%s:%zu: expected %d pixels 0 to %d and a class 0 to %d\n", path,
                line_number, PIXELS, WHITE, CLASSES - 1);
        digits_free(digits);
    }
    fclose(file);
    return result;
}

void digits_free(struct digits *digits)
{
    free(digits->train.image);
    free(digits->test.image);
    *digits = (struct digits){0};
}

const struct image *digits_pick(const struct images *train, size_t worker, size_t workers,
                                size_t step, size_t batch, size_t k)
{
    size_t mine = (train->count - worker + workers - 1) / workers;
    size_t turn = (step * batch + k) % mine;
    return &train->image[worker + turn * workers];
}
