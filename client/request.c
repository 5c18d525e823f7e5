#include "client/request.h"

#include <stdlib.h>

#include "base/checked.h"
#include "client/report.h"
#include "proto/frame.h"

gf_code request_reserve(struct request *request, size_t n, gf_error *error)
{
    request->out = request->few;
    if (n + 1 > REQUEST_FEW)
        request->out = calloc(n + 1, sizeof *request->out);
    if (request->out == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for %zu tensors", n);
    request->n_out = 1;
    return GF_OK;
}

void request_add_piece(struct request *request, const void *data, uint64_t bytes)
{
    /* The cast is for iovec's sake; what is sent is only read. */
    request->out[request->n_out++] = (struct piece){(void *)(uintptr_t)data, bytes};
    request->body_bytes += bytes;
}

gf_code head_pack(Gradfold__V1__Request *message, uint64_t body_bytes, size_t room, uint8_t **head,
                  size_t *head_bytes, gf_error *error)
{
    size_t n = gradfold__v1__request__get_packed_size(message);
    if (n > UINT32_MAX)
        return report(error, GF_TOO_LARGE, "a header of %zu bytes", n);
    uint8_t *made = realloc(*head, FRAME_PREFIX_BYTES + n + room);
    if (made == NULL)
        return report(error, GF_CLIENT_NO_MEMORY, "no memory for a header of %zu bytes", n);
    frame_prefix_encode(made, (uint32_t)n, body_bytes);
    gradfold__v1__request__pack(message, made + FRAME_PREFIX_BYTES);
    *head = made;
    *head_bytes = FRAME_PREFIX_BYTES + n;
    return GF_OK;
}

gf_code request_pack(struct request *request, Gradfold__V1__Request *message, gf_error *error)
{
    message->has_id = true;
    message->id = request->id;
    gf_code code =
        head_pack(message, request->body_bytes, 0, &request->head, &request->head_bytes, error);
    if (code != GF_OK)
        return code;
    if (request->out == NULL) {
        request->out = request->few;
        request->n_out = 1;
    }
    request->out[0] = (struct piece){request->head, request->head_bytes};
    return GF_OK;
}

void request_rewind(struct request *request)
{
    request->state = REQUEST_QUEUED;
    request->sent = (struct cursor){0};
    request->sent_bytes = 0;
    request->answered = false;
    free(request->into);
    request->into = NULL;
    request->n_into = 0;
}

void request_release(struct request *request)
{
    if (request->kind->free != NULL)
        request->kind->free(request);
    free(request->head);
    if (request->out != request->few)
        free(request->out);
    free(request->into);
}

void request_free(struct request *request)
{
    if (request == NULL)
        return;
    request_release(request);
    free(request);
}

int pieces_vector(const struct piece *pieces, size_t n_pieces, struct cursor cursor,
                  struct iovec *vector, int n, uint64_t max)
{
    int used = 0;
    for (size_t i = cursor.piece; i < n_pieces && used < n && max > 0; i++) {
        uint64_t left = pieces[i].bytes - cursor.offset;
        uint64_t take = left < max ? left : max;
        if (take > 0)
            vector[used++] =
                (struct iovec){(uint8_t *)pieces[i].data + cursor.offset, (size_t)take};
        max -= take;
        cursor.offset = 0;
    }
    return used;
}

void pieces_advance(const struct piece *pieces, size_t n_pieces, struct cursor *cursor,
                    uint64_t bytes)
{
    while (cursor->piece < n_pieces && bytes >= pieces[cursor->piece].bytes - cursor->offset) {
        bytes -= pieces[cursor->piece].bytes - cursor->offset;
        *cursor = (struct cursor){cursor->piece + 1, 0};
    }
    cursor->offset += bytes;
}

uint64_t vector_bytes(const struct iovec *vector, int n)
{
    uint64_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += vector[i].iov_len;
    return bytes;
}
