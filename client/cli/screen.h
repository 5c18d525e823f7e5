/* A whole terminal: taken, drawn on, and given back as it was. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct screen {
    bool taken;
    struct termios before;
};

/* Standard input and output must be a terminal; false: they are not. */
bool screen_take(struct screen *screen);
void screen_give_back(struct screen *screen);

size_t screen_rows(void);

/* Shows as many lines, and of each as many characters, as there is room for. */
void screen_draw(const char *lines);

/* Waits for so long. True: 'q' was pressed, or a signal came. */
bool screen_wait(int ms);
