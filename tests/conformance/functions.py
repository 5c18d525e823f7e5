"""Cases through the C functions: text for driver.c, and what it must print."""

import itertools
import re
import subprocess

import graphs
import model
import wire
from arithmetic import ADDITION, OUT, read_out
from job import Push, as_tensor
from model import Error
from wire import OK, OUT_OF_RANGE


SECONDS = min(wire.DEADLINE, 60)  # for all cases of one process; less than tests/run waits


def shape_words(shape):
    return " ".join(map(str, (len(shape), *shape)))


def array_lines(spec, lists, broken=None):
    """One array: its nodes, the lists that it is given, and that it be read."""
    yield f"array {spec.accumulation} {spec.reduction} {spec.non_finite}"
    for n in spec.nodes:
        yield f"node {n.dtype} {int(n.requires_grad)} {shape_words(n.shape)}"
    if broken:
        yield f"break {broken[0]} {broken[1]}"
    for contributions in lists:
        yield f"list {len(contributions)}"
        for c in contributions:
            yield f"add {c.node} {c.dtype} {shape_words(c.shape)} {c.data.hex() or '-'}"
    yield "read"


def slot_line(data, contributions):
    if data is OUT:
        return f"slot {OUT_OF_RANGE}"
    return f"slot {contributions} {data.hex() or '-'}"


def slot_lines(grads, reduction):
    return [slot_line(read_out(slot, reduction), slot.contributions) for slot in grads] + ["done"]


def list_pattern(answer):
    """The line of a list: code, count, and of an error the node and the shapes."""
    line = f"list {answer.code} {answer.ignored or 0} "
    if answer.code == OK:
        return line
    pattern = re.escape(line) + rf".*\bnode {answer.node}\b"
    for shape in answer.shapes:
        pattern += ".*" + re.escape("[" + ",".join(map(str, shape)) + "]")
    return re.compile(pattern + ".*")


# -- A spoilt array: step 4 ---------------------------------------------------------------------


def spoilt(case):
    """(lists, lines) of an array that lacks a slot, or has one of another shape."""
    how, id = case.broken
    tape, add = case.job.tape, ADDITION[case.spec.accumulation]
    grads = model.zeros(tape)
    grads = grads[:id] if how == "missing" else tuple(
        slot._replace(shape="another") if i == id else slot for i, slot in enumerate(grads)
    )
    lists, lines = [], []
    for push, _ in case.asked:
        if not isinstance(push, Push):
            continue
        tensors = [(c.node, as_tensor(c)) for c in push.contributions]
        try:
            grads = model.fold_contributions(tape, grads, tensors, add)
            lines.append(f"list 0 {sum(not tape[id].requires_grad for id, _ in tensors)} ")
        except Error as error:
            lines.append(re.compile(rf"list {error.code} 0 .*\bnode {error.node}\b.*"))
        lists.append(push.contributions)
    for i, slot in enumerate(grads):
        ok = slot.shape == tape[i].shape
        lines += slot_lines([slot], case.spec.reduction)[:1] if ok else [f"slot {wire.INTERNAL}"]
    lines += [f"slot {wire.INTERNAL}"] * (len(tape) - len(grads))
    return lists, lines + ["done"]


# -- Tapes ----------------------------------------------------------------------------------------


def tape_lines(graph, add):
    try:
        return ["tape 0 "] + slot_lines(graphs.dense(graph, add), wire.SUM)
    except Error as error:
        return [re.compile(rf"tape {error.code} .*\bnode {error.node}\b.*"), "done"]


# -- All of a case --------------------------------------------------------------------------------


def script(case):
    """(text for the driver, lines that it must print, strings or patterns)"""
    text, lines = f"case {case.number}\n", []
    if case.broken:
        lists, lines = spoilt(case)
        return text + "\n".join(array_lines(case.spec, lists, case.broken)) + "\n", lines
    for current in case.job.rounds:
        text += "\n".join(array_lines(case.spec, [c for c, _ in current.lists])) + "\n"
        lines += [list_pattern(answer) for _, answer in current.lists]
        lines += slot_lines(current.grads, case.spec.reduction)
    if case.graph:
        for accumulation, add in ADDITION.items():
            text += f"tape {accumulation}\n{case.graph.text}end\n"
            lines += tape_lines(case.graph, add)
    return text, lines


def difference(lines, expected):
    """The first line that is not as it must be, or None."""
    for i, (got, want) in enumerate(itertools.zip_longest(lines, expected)):
        pattern = isinstance(want, re.Pattern) and got is not None
        if not (want.fullmatch(got) if pattern else got == want):
            return f"line {i + 1} of the driver: {got!r}, not {getattr(want, 'pattern', want)!r}"
    return None


def run_driver(driver, text):
    """(how it ended, "" when well; {case number: lines printed}). One that hangs is killed."""
    with subprocess.Popen(
        [driver],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        try:
            output, said = process.communicate(text, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, said = process.communicate()
    printed, lines = {}, []
    for line in output.splitlines():
        begins = re.fullmatch(r"case (\d+)", line)
        if begins:
            lines = printed.setdefault(int(begins[1]), [])
        else:
            lines.append(line)
    status = process.returncode
    return (f"; the driver ended with {status}: {said[-2000:]}" if status else ""), printed


def compare(driver, cases):
    """{case number: what differs}, of all cases in one process."""
    scripts, failed = [(case.number, *script(case)) for case in cases], {}
    end, printed = run_driver(driver, "".join(text for _, text, _ in scripts))
    for number, _, expected in scripts:
        problem = difference(printed.get(number, []), expected)
        if problem:
            failed[number] = problem + end
    if end and not failed:
        failed[cases[-1].number] = end
    return failed
