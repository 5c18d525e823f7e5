/* The fake server's side of shared memory: one connection's buffers, segments and views. */
#pragma once

#include "fake_answers.h"

struct fake_shared *fake_shared_new(void);

/* NULL is allowed. */
void fake_shared_free(struct fake_shared *shared);

void fake_on_add_buffer(struct fake_wire *wire, uint64_t id, const Gradfold__V1__AddBuffer *add,
                        const struct fake_faults *faults);
void fake_on_drop_buffer(struct fake_wire *wire, uint64_t id, const Gradfold__V1__DropBuffer *drop);
void fake_on_end_view(struct fake_wire *wire, uint64_t id, const Gradfold__V1__EndView *end);

/* Copies the tensors of a push from where they lie; false: not in a buffer. */
bool fake_gather(struct fake_wire *wire, const Gradfold__V1__Push *push, void *body);

/* Answers a pull with a segment that holds these bytes, the tensors back to back. */
void fake_show(struct fake_wire *wire, uint64_t id, Gradfold__V1__Response *response,
               const uint8_t *bytes, uint64_t n, enum fake_lie lie);
