/* The answers of the fake server that have no tensors. */
#include "fake_answers.h"

#include <string.h>

void fake_answer_code(struct fake_wire *wire, uint64_t id, int code, const char *message)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__Status status = GRADFOLD__V1__STATUS__INIT;
    response.has_id = status.has_code = true;
    response.id = id;
    status.code = (Gradfold__V1__Code)code;
    status.message = (char *)(uintptr_t)message;
    response.status = &status;
    fake_send(wire, &response, 0);
}

bool fake_answer(struct fake_wire *wire, uint64_t id, Gradfold__V1__Response *response,
                 uint64_t body)
{
    Gradfold__V1__Status status = GRADFOLD__V1__STATUS__INIT;
    status.has_code = true;
    status.code = GRADFOLD__V1__CODE__CODE_OK;
    response->has_id = true;
    response->id = id;
    response->status = &status;
    return fake_send(wire, response, body);
}

void fake_on_hello(struct fake_wire *wire, uint64_t id, const struct fake_faults *faults)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__HelloResult hello = GRADFOLD__V1__HELLO_RESULT__INIT;
    if (faults->refuse_hello != 0) {
        fake_answer_code(wire, id, faults->refuse_hello, "not you");
        return;
    }
    hello.has_protocol = hello.has_max_header_bytes = hello.has_max_body_bytes = true;
    hello.protocol = 1;
    hello.server_version = (char[]){"fake"};
    hello.max_header_bytes = 4u << 20;
    hello.max_body_bytes = faults->max_body_bytes;
    if (wire->server->folder[0] != '\0') {
        hello.unix_path = wire->server->path;
        hello.has_instance = true;
        hello.instance = wire->shared != NULL && faults->other_instance ? 2 : 1;
    }
    if (wire->shared != NULL && faults->mute_unix)
        return;
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_HELLO;
    response.hello = &hello;
    fake_answer(wire, id, &response, 0);
}

static Gradfold__V1__RoundStatus open_round(void)
{
    Gradfold__V1__RoundStatus round = GRADFOLD__V1__ROUND_STATUS__INIT;
    round.has_round = round.has_state = true;
    round.round = 7;
    round.state = GRADFOLD__V1__ROUND_STATE__ROUND_STATE_OPEN;
    return round;
}

void fake_on_describe(struct fake_wire *wire, uint64_t id, const char *name)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__DescribeJobResult result = GRADFOLD__V1__DESCRIBE_JOB_RESULT__INIT;
    Gradfold__V1__JobStatus job = GRADFOLD__V1__JOB_STATUS__INIT;
    Gradfold__V1__JobSpec spec = GRADFOLD__V1__JOB_SPEC__INIT;
    Gradfold__V1__Node node = GRADFOLD__V1__NODE__INIT;
    Gradfold__V1__RoundStatus round = open_round();
    uint64_t shape[] = {2, 3};
    uint32_t final[] = {1, 4};
    node.name = (char[]){"weight"};
    node.has_dtype = true;
    node.dtype = GRADFOLD__V1__DTYPE__DTYPE_F64;
    node.shape = shape;
    node.n_shape = 2;
    round.final_workers = final;
    round.n_final_workers = 2;
    spec.name = (char *)(uintptr_t)name;
    spec.has_world_size = true;
    spec.world_size = 5;
    spec.nodes = (Gradfold__V1__Node *[]){&node};
    spec.n_nodes = 1;
    job.spec = &spec;
    job.rounds = (Gradfold__V1__RoundStatus *[]){&round};
    job.n_rounds = 1;
    result.job = &job;
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_DESCRIBE_JOB;
    response.describe_job = &result;
    fake_answer(wire, id, &response, 0);
}

void fake_on_delete(struct fake_wire *wire, uint64_t id, const char *name)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__DeleteJobResult result = GRADFOLD__V1__DELETE_JOB_RESULT__INIT;
    if (strcmp(name, "gone") == 0) {
        fake_answer_code(wire, id, GRADFOLD__V1__CODE__CODE_NOT_FOUND, "no job 'gone'");
        return;
    }
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_DELETE_JOB;
    response.delete_job = &result;
    fake_answer(wire, id, &response, 0);
}

void fake_on_close(struct fake_wire *wire, uint64_t id)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__CloseRoundResult result = GRADFOLD__V1__CLOSE_ROUND_RESULT__INIT;
    Gradfold__V1__RoundStatus round = open_round();
    round.state = GRADFOLD__V1__ROUND_STATE__ROUND_STATE_CLOSING;
    result.round = &round;
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_CLOSE_ROUND;
    response.close_round = &result;
    fake_answer(wire, id, &response, 0);
}

void fake_on_list(struct fake_wire *wire, uint64_t id)
{
    Gradfold__V1__Response response = GRADFOLD__V1__RESPONSE__INIT;
    Gradfold__V1__ListJobsResult result = GRADFOLD__V1__LIST_JOBS_RESULT__INIT;
    result.jobs = (char *[]){(char[]){"a"}, (char[]){"b"}};
    result.n_jobs = 2;
    response.result_case = GRADFOLD__V1__RESPONSE__RESULT_LIST_JOBS;
    response.list_jobs = &result;
    fake_answer(wire, id, &response, 0);
}
