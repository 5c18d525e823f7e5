/* The stories, each a function; what it prints is compared with the text of its name beside this
 * file. */
#pragma once

#include "stage.h"

struct story {
    const char *file; /* without .txt */
    const char *title;
    void (*play)(struct stage *stage);
};

extern const struct story stories[];
extern const size_t n_stories;
