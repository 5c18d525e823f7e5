/* Whoever waits drives.
 *
 * There is no thread that does the work: of the threads that wait for an operation, one polls,
 * sends and receives for all of them, with the client's lock free while it sleeps in poll() or
 * moves bytes. When its own operation is complete, another waiting thread takes its place. The
 * background thread (background.h) drives only while operations are in flight and nobody waits. */
#pragma once

#include "client/client.h"

/* Returns true once ready(what) holds, false when until_ms has come before; called and returning
 * with the lock held. With NEVER, what it waits for must come, by a deadline if nothing else. */
bool drive_until(gf_client *client, bool (*ready)(const void *what), const void *what,
                 uint64_t until_ms);

/* One turn: sleeps until something happens, or until_ms, and deals with it. The caller drives
 * (client.driving) and holds the lock. */
void drive_once(gf_client *client, uint64_t until_ms);

/* Something was queued: the driver sends it, or whoever drives next. */
void drive_attend(gf_client *client);

/* The driver's place is free: somebody who waits takes it, or the background thread. */
void drive_hand_over(gf_client *client);

/* The driver may have to look again. */
void drive_wake(gf_client *client);

/* Something was queued that nobody is going to wait for: it is sent now if it can be without
 * blocking, otherwise by the next driver. */
void drive_nudge(gf_client *client);

/* Before and after a system call that touches the memory of requests without the lock. */
void drive_move_begin(gf_client *client);
void drive_move_end(gf_client *client);

/* Waits until nobody moves bytes. */
void drive_settle(gf_client *client);
