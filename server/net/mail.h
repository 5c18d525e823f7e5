/* What a loop has for a connection of another loop: frames to send, news of its intake, or the
 * connection itself, fresh from the listener.
 *
 * Whoever posts holds the core's mutex, and so does net_collect(). So a connection that is told
 * anything exists, and hears of it before it says anything more to the core. Nothing can fail but
 * the packing of a frame: frames lie in their parcels, all else in the connection. */
#pragma once

#include "net/connection.h"

/* A frame to be sent, as sender_add() queues it. */
MUST_USE bool mail_frame(struct connection *connection, const Gradfold__V1__Response *response,
                         struct pull *pull, uint64_t body_bytes, int fd, bool *too_large);

/* The intake is worth a look. */
void mail_news(struct connection *connection);

/* There was no memory for what had to be said: the connection cannot go on. */
void mail_broken(struct connection *connection);

/* The connection is to be opened in its loop. */
void mail_connection(struct connection *connection);
