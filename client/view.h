/* What a pull with `view` shows: places in the server's memory, or memory of our own that the
 * answer was received into. A view of the server's memory owes it an EndView, which is made along
 * with the view, so that it can always be sent. */
#pragma once

#include "client/client.h"

/* An OK answer came. If it lies in a segment, connection.shown has it mapped, and its EndView is
 * owed. GF_CLIENT_PROTOCOL; GF_CLIENT_SYSTEM: the connection is to be given up. */
gf_code view_received(gf_client *client, const Gradfold__V1__Response *response, gf_error *error);

/* The answer has been dealt with: nobody took what it showed. */
void view_dismiss(gf_client *client);

/* bytes of memory, aligned for tensors, that the view owns; NULL without memory. */
gf_view *view_of_memory(uint64_t bytes, uint8_t **data);

/* Where a gradient of the segment lies; NULL: beyond its end, or not aligned for its elements. */
const void *view_at(const gf_view *view, uint64_t offset, uint64_t bytes, size_t alignment);

/* At least that many bytes of zeros, valid as long as the view; NULL without memory. */
const void *view_zeros(gf_client *client, gf_view *view, uint64_t bytes);

/* The connection is gone: nothing is owed any more. */
void views_disconnected(gf_client *client);

/* The handle is closed: its views stay. */
void views_closed(gf_client *client);
