#include "screen.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "interrupt.h"

static struct winsize size_now(void)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    struct winsize known;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &known) == 0 && known.ws_row > 0 && known.ws_col > 0)
        size = known;
    return size;
}

bool screen_take(struct screen *screen)
{
    *screen = (struct screen){.taken = false};
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &screen->before) != 0)
        return false;
    struct termios raw = screen->before; /* Ctrl-C still is a signal */
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
        return false;
    fputs("\033[?1049h\033[?25l", stdout); /* the other screen, without a cursor */
    fflush(stdout);
    screen->taken = true;
    return true;
}

void screen_give_back(struct screen *screen)
{
    if (!screen->taken)
        return;
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
    screen->taken = false;
}

size_t screen_rows(void)
{
    return size_now().ws_row;
}

void screen_draw(const char *lines)
{
    struct winsize size = size_now();
    fputs("\033[H", stdout);
    for (unsigned row = 0; row < size.ws_row && *lines != '\0'; row++) {
        int n = (int)strcspn(lines, "\n");
        if (row > 0)
            putchar('\n');
        printf("%.*s\033[K", n < size.ws_col ? n : size.ws_col - 1, lines);
        lines += n + (lines[n] == '\n');
    }
    fputs("\033[J", stdout);
    fflush(stdout);
}

bool screen_wait(int ms)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = interrupt_poll(&input, 1, ms);
    char key = 0;
    if (ready < 0)
        return true;
    if (ready > 0 && read(STDIN_FILENO, &key, 1) <= 0)
        return true; /* the terminal is gone */
    return key == 'q' || key == 'Q';
}
