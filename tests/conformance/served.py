"""Cases over the wire: the raw client of tests/integration, many jobs pipelined on a connection."""

import itertools
import re

import wire
from job import Close, Pull, Push, body
from wire import DEADLINE_EXCEEDED, OK, new

CALL_SECONDS = min(wire.DEADLINE, 40)  # less than tests/run waits for the suite
PATIENCE_MS = int(CALL_SECONDS * 1000 / 2)
AT_ONCE = 40  # cases whose requests are sent before the answers are read
RETAIN = 8  # closed rounds: more than any case has
VERDICTS = {"ACCEPTED": wire.ACCEPTED, "DUPLICATE": wire.DUPLICATE}


def spec_message(name, spec):
    return new(
        "JobSpec",
        name=name,
        nodes=[
            wire.node(n.dtype, n.shape, requires_grad=n.requires_grad, expected=n.expected)
            for n in spec.nodes
        ],
        world_size=spec.world_size,
        quorum=spec.quorum,
        reduction=spec.reduction,
        accumulation=spec.accumulation,
        non_finite=spec.non_finite,
        retain_rounds=RETAIN,
    )


def send(conn, name, request, answer):
    """Sends a request of a case; returns its id."""
    if isinstance(request, Close):
        return conn.send("close_round", job=name, round=request.round)
    if isinstance(request, Pull):
        # The model closes rounds and completes nodes at once: the server is given time.
        wait_ms = 0 if answer.code == DEADLINE_EXCEEDED else PATIENCE_MS
        nodes = list(request.nodes)
        return conn.send("pull", job=name, round=request.round, nodes=nodes, wait_ms=wait_ms)
    contributions = [
        new("Contribution", node=c.node, dtype=c.dtype, shape=list(c.shape))
        for c in request.contributions
    ]
    return conn.send(
        "push",
        body=body(request),
        job=name,
        round=request.round,
        worker=request.worker,
        sequence=request.sequence,
        final=request.final,
        body_checksum=request.checksum,
        contributions=contributions,
    )


def wrong_message(reply, answer):
    """A refusal names the node, and for shapes both."""
    if answer.node is not None and not re.search(rf"\bnode {answer.node}\b", reply.message):
        return f"a message that does not name node {answer.node}: {reply.message!r}"
    for shape in answer.shapes:
        text = "[" + ",".join(map(str, shape)) + "]"
        if text not in reply.message:
            return f"a message that does not name the shape {text}: {reply.message!r}"
    return None


def wrong_push(result, answer):
    got = result.verdict, result.round, result.ignored
    want = VERDICTS[answer.kind], answer.round, answer.ignored
    return None if got == want else f"(verdict, round, ignored) {got}, not {want}"


def wrong_pull(reply, spec, answer):
    got = reply.result.round, reply.result.state
    if got[0] != answer.round or got[1] not in answer.states:
        return f"(round, state) {got}, not {answer.round} in {answer.states}"
    listed = [(g.node, g.dtype, tuple(g.shape), g.contributions) for g in reply.result.gradients]
    nodes = spec.nodes
    expected = [(id, nodes[id].dtype, nodes[id].shape, n) for id, n, _ in answer.gradients]
    if listed != expected:
        return f"(node, dtype, shape, contributions) {listed}, not {expected}"
    data = b"".join(data for _, _, data in answer.gradients)
    return None if reply.body == data else f"bits {reply.body.hex()}, not {data.hex()}"


def wrong(reply, spec, request, answer):
    """What differs from the model's answer, or None."""
    if reply.code != answer.code:
        got, want = wire.CODES[reply.code], wire.CODES[answer.code]
        return f"{got} ({reply.message}), not {want} ({answer.kind})"
    if reply.code != OK:
        return wrong_message(reply, answer)
    if isinstance(request, Push):
        return wrong_push(reply.result, answer)
    return wrong_pull(reply, spec, answer) if isinstance(request, Pull) else None


def waves(case):
    """The requests in parts: what is pulled in the open round is waited for, so that nobody can
    have closed it meanwhile."""
    part = []
    for request, answer in case.asked:
        part.append((request, answer))
        if answer.kind == "pulled early":
            yield part
            part = []
    yield part


class Late(Exception):
    """A round that should close did not: each further case might cost as much time."""


def compare_some(conn, prefix, cases, failed):
    name_of = {case.number: f"{prefix}.{case.number}" for case in cases}
    for case in cases:
        reply = conn.call("create_job", spec=spec_message(name_of[case.number], case.spec))
        if reply.code != OK or not reply.result.created:
            failed[case.number] = f"the job was not created: {reply}"
    for parts in itertools.zip_longest(*map(waves, cases), fillvalue=()):
        sent = [
            (case, request, answer, send(conn, name_of[case.number], request, answer))
            for case, part in zip(cases, parts)
            for request, answer in part
        ]
        late = False
        for case, request, answer, id in sent:
            reply = conn.wait(id)
            problem = wrong(reply, case.spec, request, answer)
            late |= problem is not None and reply.code == DEADLINE_EXCEEDED
            if problem and case.number not in failed:
                failed[case.number] = f"over the wire, {request}: {problem}"
        if late:
            raise Late
    for id in [conn.send("delete_job", job=name) for name in name_of.values()]:
        conn.wait(id)


def compare(server, prefix, cases, failed):
    """Fills failed: {case number: what differs}. Late, OSError, EOFError, DecodeError when the
    server does not do as it should: the rest of the cases was not looked at."""
    conn = wire.Connection(server.address, CALL_SECONDS)
    try:
        for at in range(0, len(cases), AT_ONCE):
            compare_some(conn, prefix, cases[at : at + AT_ONCE], failed)
    finally:
        conn.close()
