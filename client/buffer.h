/* Buffers: memory of the client's that the server can read, and what the connection at hand knows
 * of it.
 *
 *     UNKNOWN ──► ADDING ──► KNOWN        AddBuffer is sent ahead of the first push that needs it,
 *        ▲           │                    which waits for the answer: a refused buffer is no
 *        └───────────┴──► REFUSED         refused push, its tensors travel as a body then
 *
 * A new connection knows none. */
#pragma once

#include "client/client.h"

enum buffer_standing {
    BUFFER_UNKNOWN,
    BUFFER_ADDING,
    BUFFER_KNOWN,
    BUFFER_REFUSED
};

/* The buffer in which these bytes lie, and how far from its beginning; NULL: in none. hint, which
 * may be NULL, is looked at first, and the one behind it. Under the lock. */
gf_buffer *buffer_of(gf_client *client, gf_buffer *hint, const void *data, uint64_t bytes,
                     uint64_t *offset);

uint64_t buffer_id(const gf_buffer *buffer);
enum buffer_standing buffer_standing(const gf_buffer *buffer);

/* Under the lock. Unknown to the connection: sends AddBuffer ahead of the request, which is in the
 * queue and has not begun. */
enum buffer_standing buffer_introduce(gf_buffer *buffer, struct request *request);

/* The connection is gone. */
void buffers_disconnected(gf_client *client);

/* The handle is closed: its buffers stay. */
void buffers_closed(gf_client *client);
