"""Jobs: created once, described, listed, deleted; and every spec that is refused."""

import unittest

import wire
from case import ServerCase, tensor
from wire import (
    ALREADY_EXISTS,
    F32,
    F64,
    FUTURE_ROUND,
    I32,
    INVALID_ARGUMENT,
    NOT_FOUND,
    OK,
    OPEN,
    RESOURCE_EXHAUSTED,
    new,
    node,
)


class Jobs(ServerCase):
    def create_spec(self, spec, code=OK, *words):
        return self.expect(self.conn.call("create_job", spec=spec), code, *words)

    def test_defaults_are_filled_in_and_echoed(self):
        reply = self.create_spec(self.spec([node(F32, [2])], 3))
        spec = reply.result.job.spec
        self.assertTrue(reply.result.created)
        self.assertEqual((spec.world_size, spec.quorum, spec.grace_ms), (3, 3, 0))
        self.assertEqual(
            (spec.reduction, spec.accumulation, spec.non_finite, spec.retain_rounds),
            (wire.SUM, wire.EXACT, wire.REJECT, 2),
        )

    def test_create_leaves_out_the_nodes_and_describe_has_them(self):
        nodes = [
            node(F32, [2, 3], name="w"),
            node(I32, name="b", requires_grad=False),
            node(F64, [0, 7], expected=3),
        ]
        spec = self.spec(nodes, 2)
        self.assertEqual(self.create_spec(spec).result.job.spec.nodes, [])
        status = self.expect(self.conn.call("describe_job", job=spec.name), OK).result.job
        self.assertEqual(status.spec.name, spec.name)
        seen = [(n.name, n.dtype, n.shape, n.requires_grad, n.expected) for n in status.spec.nodes]
        self.assertEqual(
            seen,
            [("w", F32, [2, 3], True, 0), ("b", I32, [], False, 0), ("", F64, [0, 7], True, 3)],
        )

    def test_a_new_job_has_round_zero_open(self):
        spec = self.spec([node()])
        created = self.create_spec(spec).result.job.rounds
        self.assertEqual([(r.round, r.state, r.pushes) for r in created], [(0, OPEN, 0)])
        self.assertEqual(list(self.rounds(spec.name)), [0])

    def test_create_is_idempotent(self):
        spec = self.spec([node(F32, [4], name="w")], 2)
        self.assertTrue(self.create_spec(spec).result.created)
        self.assertFalse(self.create_spec(spec).result.created)
        explicit = spec.copy(
            quorum=2,
            reduction=wire.SUM,
            accumulation=wire.EXACT,
            grace_ms=0,
            non_finite=wire.REJECT,
            retain_rounds=2,
            nodes=[node(F32, [4], name="w", requires_grad=True, expected=0)],
        )
        self.assertFalse(self.create_spec(explicit).result.created)

    def test_another_spec_names_the_first_difference(self):
        nodes = [node(F32, [2], name="w"), node(F64, [3], name="b")]
        spec = self.spec(nodes, 4, quorum=3, grace_ms=5)
        self.create_spec(spec)
        for word, changes in (
            ("world_size", {"world_size": 5}),
            ("quorum", {"quorum": 2}),
            ("grace", {"grace_ms": 6}),
            ("reduction", {"reduction": wire.MEAN}),
            ("accumulation", {"accumulation": wire.IN_ORDER}),
            ("non_finite", {"non_finite": wire.PROPAGATE}),
            ("retain", {"retain_rounds": 3}),
            ("node", {"nodes": nodes[:1]}),
            (r"node 1\b.*dtype", {"nodes": [nodes[0], nodes[1].copy(dtype=I32)]}),
            (r"node 1\b.*shape", {"nodes": [nodes[0], nodes[1].copy(shape=[4])]}),
            (r"node 0\b.*name", {"nodes": [nodes[0].copy(name="v"), nodes[1]]}),
            (r"node 1\b.*requires_grad", {"nodes": [nodes[0], nodes[1].copy(requires_grad=False)]}),
        ):
            with self.subTest(word):
                self.create_spec(spec.copy(**changes), ALREADY_EXISTS, word)
        self.create_spec(spec.copy(quorum=4), ALREADY_EXISTS)
        self.assertFalse(self.create_spec(spec).result.created)

    def test_expected_is_part_of_the_comparison(self):
        spec = self.spec([node(F32, [2], expected=2)])
        self.create_spec(spec)
        self.create_spec(
            spec.copy(nodes=[node(F32, [2], expected=3)]), ALREADY_EXISTS, r"node 0\b.*expected"
        )

    def test_names_are_1_to_255_of_the_allowed_characters(self):
        for name in ("a", "A-Z_0.9", "x" * 255, ".", "-"):
            self.create_spec(self.spec([], name=name))
            self.expect(self.conn.call("delete_job", job=name), OK)
        for name in ("", "x" * 256, "a b", "a/b", "a\n", "é", "a\0b"):
            self.create_spec(self.spec([], name=name), INVALID_ARGUMENT)
        self.create_spec(self.spec([]).copy(name=None), INVALID_ARGUMENT)

    def test_node_names_may_be_empty_and_are_unique_otherwise(self):
        self.create([node(), node(), node(name="a"), node(name="b")])
        duplicate = [node(name="a"), node(name="b"), node(name="a")]
        self.create_spec(self.spec(duplicate), INVALID_ARGUMENT, "a")

    def test_node_names_are_of_the_allowed_characters(self):
        for name in ("x" * 256, "a b", "a\n"):
            self.create_spec(self.spec([node(name=name)]), INVALID_ARGUMENT)
        self.create([node(name="x" * 255)])

    def test_specs_that_make_no_sense_are_refused(self):
        self.expect(self.conn.call("create_job"), INVALID_ARGUMENT)
        one = [node(F32, [2])]
        for what, nodes, fields in (
            ("no workers", one, {"world_size": 0}),
            ("absent workers", one, {"world_size": None}),
            ("quorum beyond the world", one, {"world_size": 2, "quorum": 3}),
            ("nothing retained", one, {"retain_rounds": 0}),
            ("no dtype", [new("Node", shape=[2])], {}),
            ("dtype 0", [node(0, [2])], {}),
            ("dtype 7", [node(7, [2])], {}),
            ("reduction 0", one, {"reduction": 0}),
            ("reduction 3", one, {"reduction": 3}),
            ("accumulation 3", one, {"accumulation": 3}),
            ("non_finite 9", one, {"non_finite": 9}),
            (
                "expected with a partial quorum",
                [node(F32, [2], expected=1)],
                {"world_size": 2, "quorum": 1},
            ),
        ):
            with self.subTest(what):
                fields = {"world_size": 1, **fields}
                self.create_spec(self.spec(nodes, **fields), INVALID_ARGUMENT)
        self.expect_alive(self.conn)

    def test_shapes_that_overflow_are_refused(self):
        for dtype, shape in (
            (F32, [1 << 63]),
            (F32, [1 << 32, 1 << 32]),
            (F32, [(1 << 64) - 1]),
            (F64, [1 << 61]),
            (F64, [1 << 20] * 4),
            (F32, [3] * 50),
            (F32, [1 << 63, 2]),
        ):
            with self.subTest(shape=shape):
                self.create_spec(self.spec([node(dtype, shape)]), INVALID_ARGUMENT)

    def test_shapes_that_do_not_overflow_but_fit_no_server_are_refused(self):
        self.create_spec(self.spec([node(F32, [1 << 55])]), RESOURCE_EXHAUSTED)
        self.create_spec(self.spec([node(F32, [1 << 53]) for _ in range(1000)]), RESOURCE_EXHAUSTED)

    def test_odd_shapes_never_hurt(self):
        for shape in ([0, 1 << 63], [1 << 63, 0], [0] * 9, [1] * 1000, [1] * 100000):
            reply = self.conn.call("create_job", spec=self.spec([node(F32, shape)]))
            self.assertIn(reply.code, (OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED), shape[:3])
        self.expect_alive(self.conn)

    def test_expected_means_nothing_on_a_frozen_node(self):
        self.create([node(F32, [2], requires_grad=False, expected=1)], 2, quorum=1)

    def test_zero_nodes_are_allowed(self):
        job = self.create([])
        self.accept(job, final=True)
        gradients, _ = self.pull_closed(job)
        self.assertEqual(gradients, [])

    def test_huge_worlds_and_retention_are_bounded(self):
        for fields in ({"world_size": 0xFFFFFFFF}, {"retain_rounds": 0xFFFFFFFF}):
            reply = self.conn.call("create_job", spec=self.spec([node()], **fields))
            self.assertIn(reply.code, (OK, RESOURCE_EXHAUSTED), reply)
        self.expect_alive(self.conn)

    def test_grace_is_clamped_to_a_day(self):
        spec = self.spec([node()], 2, quorum=1, grace_ms=(1 << 64) - 1)
        reply = self.create_spec(spec)
        self.assertIn(reply.result.job.spec.grace_ms, (86_400_000, (1 << 64) - 1))
        self.assertFalse(self.create_spec(spec).result.created)

    def test_list_names_all_jobs(self):
        names = {self.create([node()]) for _ in range(3)}
        self.assertLessEqual(names, set(self.expect(self.conn.call("list_jobs"), OK).result.jobs))

    def test_delete_forgets_the_job(self):
        job = self.vector_job()
        self.accept(job, [tensor(0, [1, 2, 3, 4])])
        self.expect(self.conn.call("delete_job", job=job), OK)
        for op, fields in (
            ("delete_job", {}),
            ("describe_job", {}),
            ("pull", {"round": 0}),
            ("close_round", {"round": 0}),
            ("push", {"round": 0}),
        ):
            self.expect(self.conn.call(op, job=job, **fields), NOT_FOUND)
        self.assertNotIn(job, self.conn.call("list_jobs").result.jobs)

    def test_unknown_and_absent_job_names_are_not_found(self):
        for job in ("no-such-job", "", None, "x" * 1000):
            for op in ("describe_job", "delete_job", "pull", "push", "close_round"):
                fields = {} if op in ("describe_job", "delete_job") else {"round": 0}
                self.expect(self.conn.call(op, job=job, **fields), NOT_FOUND)

    def test_keys_and_sums_die_with_the_job(self):
        spec = self.spec([node(F32, [2])])
        for value in (1.0, 5.0):
            self.create_spec(spec)
            self.accept(spec.name, [tensor(0, [value, value])], sequence=1)
            self.assertEqual(self.close_and_pull(spec.name), [[value, value]])
            self.expect(self.conn.call("delete_job", job=spec.name), OK)

    def test_a_deleted_name_can_be_another_job(self):
        spec = self.spec([node(F32, [2])])
        self.create_spec(spec)
        self.expect(self.conn.call("delete_job", job=spec.name), OK)
        self.assertTrue(
            self.create_spec(spec.copy(nodes=[node(I32, [7])], world_size=9)).result.created
        )

    def test_close_round_rules(self):
        job = self.vector_job(retain_rounds=1)
        self.expect(self.conn.call("close_round", job=job), INVALID_ARGUMENT, "round")
        self.expect(self.conn.call("close_round", job=job, round=1), FUTURE_ROUND)
        status = self.close_round(job)
        self.assertEqual(status.round, 0)
        self.assertIn(status.state, (wire.CLOSING, wire.CLOSED))
        self.pull_closed(job, 0)
        self.assertEqual(self.close_round(job).state, wire.CLOSED)
        self.close_round(job, 1)
        self.pull_closed(job, 1)
        self.expect(self.conn.call("close_round", job=job, round=0), NOT_FOUND)
        self.expect(self.conn.call("close_round", job=job, round=(1 << 64) - 1), FUTURE_ROUND)


if __name__ == "__main__":
    unittest.main()
