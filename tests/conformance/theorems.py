"""The theorems of model.py on what a case holds: its lists, its arrays, its tape."""

import graphs
import model
from arithmetic import ADDITION
from job import as_tensor
from model import Error
from wire import EXACT, IN_ORDER


def of_the_lists(case, current):
    """addGradAll on every contribution of a round, from the array as it was then."""
    tape, add, checked = case.job.tape, ADDITION[case.spec.accumulation], 0
    grads = model.zeros(tape)
    for contributions, answer in current.lists:
        acc = grads
        for c in contributions:
            try:
                model.add_grad_all_size_preserved(tape, acc, c.node, as_tensor(c), add)
                acc = model.add_grad_all(tape, acc, c.node, as_tensor(c), add)
            except Error:
                break
            checked += 1
        if answer.code == 0:
            grads = acc
    assert grads == current.grads, "an error left something in the array"
    return checked


def of_the_array(case, current):
    """The fold over consecutive ids: the longest run of nodes that take gradients, its sums added
    to itself."""
    tape, add, run = case.job.tape, ADDITION[case.spec.accumulation], (0, 0)
    for start in range(len(tape)):
        stop = start
        while stop < len(tape) and tape[stop].requires_grad:
            stop += 1
        run = max(run, (stop - start, start))
    length, start = run
    contrib = [slot._replace(contributions=1) for slot in current.grads[start : start + length]]
    model.fold_is_pointwise_addition(tape, current.grads, start, contrib, add)
    return 1


def of_the_tape(graph, served, add):
    """Every step of the reverse loop; and what the loop gives is what the job's model holds (None:
    is not looked at), to which the same contributions came one by one."""
    tape, acc = graphs.start(graph, add)
    for id in reversed(range(len(tape))):
        try:
            model.step_preserves_size(tape, acc, id, add)
            acc = model.backward_dense_from_step(tape, acc, id, add)
        except Error:
            return 0
    assert acc == graphs.dense(graph, add), "the loop, and step by step, differ"
    assert served is None or acc == served, "the loop, and what was served, differ"
    return len(tape)


def check(case):
    """How many instances were checked; AssertionError when one does not hold."""
    checked = 0
    if not case.broken:
        for current in case.job.rounds:
            checked += of_the_lists(case, current) + of_the_array(case, current)
    if case.graph:
        checked += of_the_tape(case.graph, case.job.rounds[0].grads, ADDITION[EXACT])
        checked += of_the_tape(case.graph, None, ADDITION[IN_ORDER])
    return checked
