"""Reading a tape, and its backward pass in this process, against the oracle."""

import itertools
import random
import unittest
from fractions import Fraction

from oracle import Tape
from programs import difference, run_local, scaled, slots_of
from tapes import any_parents, network, random_tape

DTYPES = ("i64", "f64", "f32")


def dot(a, b):
    return sum((Fraction(x) * y for x, y in zip(a, b)), Fraction(0))


class Local(unittest.TestCase):
    def expect_oracle(self, tapes):
        for tape, found in zip(tapes, run_local([tape.text() for tape in tapes])):
            self.assertIsInstance(found, list, tape.text())
            self.assertIsNone(difference(tape, found, slots_of(tape)))

    def test_random_tapes_of_each_dtype_as_the_oracle_has_them(self):
        for dtype in DTYPES:
            self.expect_oracle([random_tape(seed, dtype) for seed in range(scaled(200))])

    def test_a_network_on_digits(self):
        self.expect_oracle([network()])

    def test_gradients_are_adjoint_to_derivatives(self):
        """The oracle's backward functions are right, too: see oracle.py."""
        generator = random.Random(1)
        for dtype, seed in itertools.product(DTYPES, range(scaled(100))):
            tape = Tape.read(random_tape(seed, dtype).text(), rational=True)
            leaves = {id: [generator.randint(-5, 5) for _ in node.value]
                      for id, node in enumerate(tape.nodes) if node.op == "leaf"}
            tangents, slots = tape.tangents(leaves), tape.backward_dense_from()
            into = sum(dot(seed, tangents[id]) for id, seed in tape.seeds)
            out = sum(dot(slots[id][1], leaves[id]) for id in leaves if not tape.nodes[id].frozen)
            self.assertEqual(into, out, tape.text())

    def test_each_op_is_among_the_random_tapes(self):
        ops, frozen, twice = set(), set(), 0
        for dtype, seed in itertools.product(DTYPES, range(40)):
            for node in random_tape(seed, dtype).nodes:
                ops.add(node.op)
                frozen.update([node.op] if node.frozen else [])
                twice += len(set(node.parents)) < len(node.parents)
        self.assertEqual(ops, {"leaf", "add", "sub", "mul", "matmul", "relu", "sum", "mse"})
        self.assertTrue(twice and len(frozen) >= 4, frozen)

    def test_a_frozen_node_in_the_middle_stops_its_gradient(self):
        tape = Tape.read("tape i64\nleaf [2] = 1 2\nmul 0 0 frozen\nadd 1 0\nsum 2\nseed 3 = 1\n")
        self.expect_oracle([tape])
        self.assertEqual([values for _, values in tape.backward_dense_from()],
                         [[1, 1], [0, 0], [1, 1], [1]])

    def test_contributions_of_the_source_s_errors(self):
        head = "tape i64\nleaf [2] = 1 2\nleaf [2] frozen = 1 2\n"
        for given, wanted in {
            "; 0 [2] = 5 6 ; 0 [2] = 1 1": [(2, (6, 7))],
            "; 7 [2] = 5 6": "UNKNOWN_NODE node 7",
            "; 0 [2] = 5 6 ; 0 [1,2] = 5 6": "SHAPE_MISMATCH node 0: shape [1,2], expected [2]",
            "; 2 [] = 1 ; 7 [2] = 5 6": "UNKNOWN_NODE node 7",
            "; 1 [3,3] = 1 2 3 4 5 6 7 8 9": [(0, (0, 0))],  # frozen before shape
        }.items():
            text = f"{head}given [] = 4 {given}\n"
            [found] = run_local([text])
            if isinstance(wanted, str):
                self.assertIn(wanted, found)
                with self.assertRaisesRegex(ValueError, wanted.split()[0]):
                    Tape.read(text).backward_dense_from()
            else:
                self.assertEqual(found, slots_of(Tape.read(text)))
                self.assertEqual(found[0][0], wanted[0][0])

    def test_a_contribution_to_the_node_itself_is_in_its_slot_after_its_step(self):
        """The source forbids none. The step at node 1 sees 3, and so node 0 gets 3 from it."""
        tape = Tape.read("tape i64\nleaf [] = 1\nsum 0\ngiven [] = 4 ; 2 [] = 5 ; 1 [] = 3\n"
                         "given [] = 4 ; 3 [] = 7 ; 4 [] = 9\nsum 0\ngiven [] = 4 ; 5 [] = 1\n")
        self.expect_oracle([tape])
        self.assertEqual([values for _, values in tape.backward_dense_from()],
                         [[3], [3], [5], [7], [9], [1]])

    def test_random_contributions_to_any_node(self):
        """Before the node, the node itself, after it; none of the passed steps is made again."""
        tapes = [any_parents(seed, dtype) for dtype in DTYPES for seed in range(scaled(50))]
        self.expect_oracle(tapes)
        given = [(parent, id) for tape in tapes for id, node in enumerate(tape.nodes)
                 for parent, *_ in node.given if not node.frozen]
        self.assertTrue(any(parent > id for parent, id in given))
        self.assertTrue(any(parent == id for parent, id in given))

    def test_integers_out_of_range_name_their_node(self):
        big = str(2**62)
        for text, wanted in (
            (f"leaf [] = {big}\nadd 0 0", "node 1: the value of add"),
            (f"leaf [] = {big}\nleaf [] = 3\nsum 0\nmul 2 1", "node 3: the value of mul"),
            (f"leaf [] = 4\nleaf [] = 3\nmul 0 1\nseed 2 = {big}",
             "node 2: the gradient of mul"),
            (f"leaf [] = 4\nsub 0 0\nseed 1 = {-2**63}", "node 1: the gradient of sub"),
            (f"leaf [] = 4\nseed 0 = {big}\nseed 0 = {big}", "node 0: the sum does not fit i64"),
        ):
            [found] = run_local([f"tape i64\n{text}\n"])
            self.assertTrue(found.startswith(f"error OUT_OF_RANGE {wanted}"), found)


class Reader(unittest.TestCase):
    def test_what_is_no_tape_is_refused_with_its_line(self):
        texts = {
            "": "line 0: the end, before a tape",
            "leaf [] = 1": 'line 1: the first line says "tape"',
            "tape i32": "line 1: a tape is of i64, f64 or f32",
            "tape i64\nleaf [2 = 1 2": "line 2: [2 is no shape",
            "tape i64\nleaf [2,] = 1 2": "line 2: [2,] is no shape",
            "tape i64\nleaf [1,1,1,1,1] = 1": "line 2: [1,1,1,1,1] is no shape",
            "tape i64\nleaf [-1] = 1": "line 2: [-1] is no shape",
            "tape i64\nleaf [2]x = 1 2": "line 2: [2]x is no shape",
            "tape i64\nleaf [9999999,9999999,99999999999] = 1": "line 2: more than 4194304",
            "tape i64\nleaf [4194305] = 1": "line 2: more than 4194304 elements",
            "tape i64\nleaf [2] = 1": "line 2: 2 elements are needed, there are 1",
            "tape i64\nleaf [2] 1 2": 'line 2: "=" is missing',
            "tape i64\nleaf [2] = 1 2 3": "line 2: nothing belongs after this, but 3",
            "tape i64\nleaf [1] = 1.5": "line 2: 1.5 is no element of i64",
            "tape i64\nleaf [1] = 9223372036854775808": "is no element of i64",
            "tape f64\nleaf [1] = 1e999": "line 2: 1e999 is no element of f64",
            "tape f32\nleaf [1] = 1e39": "line 2: 1e39 is no element of f32",
            "tape f64\nleaf [1] = nan": "line 2: nan is no element of f64",
            "tape f64\n\n# so\nleaf [] = 1\nadd 0 1": "line 5: 1 is no node before this one",
            "tape f64\nleaf [] = 1\nadd 0": "line 3: a node id is missing",
            "tape f64\nleaf [] = 1\nadd 0 -0": "line 3: a node id is missing",
            "tape f64\nleaf [] = 1\nadd 0 0x": "line 3: 0x is no node id",
            "tape f64\nleaf [] = 1\nrelu 0 melted": 'line 3: melted is neither "frozen" nor',
            "tape f64\nleaf [] = 1\nneg 0": "line 3: there is no neg",
            "tape f64\nleaf [] = 1\nleaf [1] = 1\nadd 0 1": "line 4: add takes equal shapes",
            "tape f64\nleaf [] = 1\nmatmul 0 0": "line 3: matmul takes [m,k] and [k,n]",
            "tape f64\nleaf [2,1] = 1 2\nmatmul 0 0": "line 3: matmul takes [m,k] and [k,n]",
            "tape i64\nleaf [1] = 1\nmse 0 0": "line 3: mse takes floats",
            "tape f64\nleaf [0] =\nmse 0 0": "line 3: mse takes floats, and at least one",
            "tape f64\nleaf [] = 1\nseed 1 = 1": "line 3: 1 is no node before this line",
            "tape f64\nleaf [2] = 1 1\nseed 0 = 1": "line 3: 2 elements are needed",
            "tape f64\ngiven [] = 1 0 [] = 1": 'line 2: 0 stands where the end or a ";"',
            "tape f64\ngiven [] = 1 ; 0 [1] =": "line 2: 1 elements are needed, there are 0",
            "tape f64\n" + "leaf [] = 1\n" * 4097: "line 4098: more than 4096 nodes",
        }
        for (text, wanted), found in zip(texts.items(), run_local(list(texts))):
            self.assertTrue(isinstance(found, str) and wanted in found, (text[:60], found))
            self.assertTrue(found.startswith("error INVALID_ARGUMENT line "), found)

    def test_no_node_is_a_tape(self):
        self.assertEqual(run_local(["tape f32\n"]), [[]])
