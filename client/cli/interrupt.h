/* SIGINT, SIGTERM and SIGHUP, as something that a wait ends with. */
#pragma once

#include <poll.h>
#include <stdbool.h>

/* From now on they do nothing but end waits. */
void interrupt_catch(void);

/* In a child: they end it, as ever. */
void interrupt_uncatch(void);

bool interrupt_came(void);

/* poll(), but -1 also for a signal that came before it, at any time since interrupt_catch(). */
int interrupt_poll(struct pollfd *fds, nfds_t n, int ms);
