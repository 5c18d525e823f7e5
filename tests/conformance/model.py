"""TorchLean's definitions, transcribed: what the C code and the server are compared with.

`Tape.addGradAll`, `foldlM` over contributions, and the reverse loop `backwardDenseFromStep`,
`backwardDenseFromLoop`, `backwardDenseFrom`, in their order of decisions, over an arithmetic that
the caller chooses: add(dtype) is the addition of its elements (Lean: `{α : Type} [Add α]`).
Lean's `throw` is an exception here, and nothing is changed in place, so that an error discards
whatever was computed before it: the array before is still there.

What gradfold adds is marked: a dtype beside each shape, and the number of contributions in a slot.
At the end, the theorems that TorchLean proves, as functions that check one instance.
"""

from collections import namedtuple

from wire import (
    BF16,
    DTYPE_MISMATCH,
    F16,
    F32,
    F64,
    I32,
    I64,
    INTERNAL,
    INVALID_ARGUMENT,
    ITEM_BYTES,
    SHAPE_MISMATCH,
    UNKNOWN_NODE,
)

DTYPES = tuple(ITEM_BYTES)
# gradfold: what a contribution's dtype may become, none of which rounds.
WIDENS = {(F16, F32), (F16, F64), (BF16, F32), (BF16, F64), (F32, F64), (I32, I64)}

# Lean's AnyTensor: a shape and its elements, row-major. A contribution counts as one.
Tensor = namedtuple("Tensor", "dtype shape elements contributions", defaults=[1])
# `backward`: from dLdy to a list of (parent id, Tensor).
Node = namedtuple("Node", "dtype shape requires_grad backward", defaults=[lambda dldy: []])


class Error(Exception):
    """`throw`: a code, and the node that the message must name."""

    def __init__(self, code, node=None, shapes=()):
        super().__init__(code, node, shapes)
        self.code, self.node, self.shapes = code, node, shapes


def size(shape):
    count = 1
    for dimension in shape:
        count *= dimension
    return count


def get_node(tape, id):
    return tape[id] if id < len(tape) else None


def zeros(tape):
    """The array that a round starts with: a slot of zeros for every node."""
    return tuple(Tensor(n.dtype, n.shape, (0,) * size(n.shape), 0) for n in tape)


def tensor_add(a, b, add):
    """AnyTensor.add: of one shape, elementwise; the dtype is that of the slot."""
    return Tensor(
        a.dtype,
        a.shape,
        tuple(map(add(a.dtype), a.elements, b.elements)),
        a.contributions + b.contributions,
    )


def add_grad_all(tape, grads, id, g, add):
    """Tape.addGradAll."""
    node = get_node(tape, id)
    if node is None:
        raise Error(UNKNOWN_NODE, id)
    if g.dtype not in DTYPES:  # gradfold: nobody knows how long its elements are
        raise Error(INVALID_ARGUMENT, id)
    if not node.requires_grad:
        return grads
    if g.shape != node.shape:
        raise Error(SHAPE_MISMATCH, id, (g.shape, node.shape))
    if g.dtype != node.dtype and (g.dtype, node.dtype) not in WIDENS:  # gradfold
        raise Error(DTYPE_MISMATCH, id)
    existing = grads[id] if id < len(grads) else None
    if existing is None or existing.shape != node.shape:
        raise Error(INTERNAL, id)
    return grads[:id] + (tensor_add(existing, g, add),) + grads[id + 1 :]


def foldlm(step, start, items):
    """List.foldlM: the first error is the result."""
    state = start
    for item in items:
        state = step(state, item)
    return state


def fold_contributions(tape, grads, contributions, add):
    """contributions.foldlM (fun acc (id, g) => addGradAll acc id g) grads"""
    return foldlm(lambda acc, c: add_grad_all(tape, acc, c[0], c[1], add), grads, contributions)


def backward_dense_from_step(tape, acc, id, add):
    node = get_node(tape, id)
    if node is None:
        raise Error(INTERNAL, id)
    if not node.requires_grad:
        return acc
    dldy = acc[id] if id < len(acc) else None
    if dldy is None or dldy.shape != node.shape:
        raise Error(INTERNAL, id)
    return fold_contributions(tape, acc, node.backward(dldy), add)


def backward_dense_from_loop(tape, n, acc, add):
    """Node n - 1 first, node 0 last."""
    while n > 0:
        n -= 1
        acc = backward_dense_from_step(tape, acc, n, add)
    return acc


def backward_dense_from(tape, grads0, add):
    if len(grads0) != len(tape):
        raise Error(INTERNAL)
    return backward_dense_from_loop(tape, len(tape), grads0, add)


# -- The theorems, for one instance each: AssertionError when it does not hold --------------------


def add_grad_all_size_preserved(tape, grads, id, g, add):
    """addGradAll_size_preserved, addGradAll_ok_size: success keeps the size; and as the definition
    says, no slot but `id` is another one."""
    after = add_grad_all(tape, grads, id, g, add)
    assert len(after) == len(grads), "addGradAll_size_preserved"
    assert after[:id] == grads[:id] and after[id + 1 :] == grads[id + 1 :], "only slot id changes"


def fold_is_pointwise_addition(tape, grads, start, contrib, add):
    """foldlM_addGradAll_toIndexedAnyList_eq_add: with ids from pref.size on, the array is
    pref ++ (seed + contrib) ++ suffix."""
    stop = start + len(contrib)
    pref, seed, suffix = grads[:start], grads[start:stop], grads[stop:]
    indexed = [(len(pref) + i, g) for i, g in enumerate(contrib)]
    after = fold_contributions(tape, pref + seed + suffix, indexed, add)
    middle = tuple(tensor_add(s, c, add) for s, c in zip(seed, contrib))
    assert after == pref + middle + suffix, "foldlM_addGradAll_toIndexedAnyList_eq_add"


def step_preserves_size(tape, acc, id, add):
    """backwardDenseFromStep_ok_size"""
    after = backward_dense_from_step(tape, acc, id, add)
    assert len(after) == len(acc), "backwardDenseFromStep_ok_size"
