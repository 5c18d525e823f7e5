/* What the fake server answers to each request. */
#pragma once

#include "fake_wire.h"

void fake_answer_code(struct fake_wire *wire, uint64_t id, int code, const char *message);

/* OK, with the result that response has. */
bool fake_answer(struct fake_wire *wire, uint64_t id, Gradfold__V1__Response *response,
                 uint64_t body);

void fake_on_hello(struct fake_wire *wire, uint64_t id, const struct fake_faults *faults);
void fake_on_describe(struct fake_wire *wire, uint64_t id, const char *name);
void fake_on_delete(struct fake_wire *wire, uint64_t id, const char *name);
void fake_on_list(struct fake_wire *wire, uint64_t id);
void fake_on_close(struct fake_wire *wire, uint64_t id);
void fake_on_push(struct fake_wire *wire, uint64_t id, const Gradfold__V1__Push *push,
                  const struct fake_faults *faults);
void fake_on_pull(struct fake_wire *wire, uint64_t id, const Gradfold__V1__Pull *pull,
                  const struct fake_faults *faults);
