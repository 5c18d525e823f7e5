"""The formulas of deploy/README.md, "Size", against what a running server says it uses."""

import re

from case import ServerCase, tensor
from files_test import text_of
from server import Server
from wire import F32, OK, RESOURCE_EXHAUSTED, node

STAGING_BYTES = 16 << 20
SIZES = (1000, 40_000, 300_000)  # elements of the nodes
MODEL = 4 * sum(SIZES)


def cost(n):
    """What a buffer of n bytes takes: the next of four sizes to each power of two, and a page."""
    if n <= 64:
        return 64
    step = (1 << ((n - 1).bit_length() - 1)) // 4
    rounded = -(-n // step) * step
    return rounded + (4096 if rounded >= 64 << 10 else 0)


def results(model, retain_rounds=2, counted=False):
    return (retain_rounds + 1 + counted) * cost(model)


def staging(pushes, workers):
    return workers * sum(cost(n) for n in pushes)


class Size(ServerCase):
    OPTIONS = ("--staging-bytes", str(STAGING_BYTES))

    def nodes(self, **fields):
        return [node(F32, [n], **fields) for n in SIZES]

    def create(self, nodes, world_size=1, **fields):
        """Until the end of the test, so that the next one finds nothing in use."""
        name = super().create(nodes, world_size, **fields)
        self.addCleanup(lambda: self.conn.call("delete_job", job=name))
        return name

    def setUp(self):
        super().setUp()
        for name in ("staging", "results", "accumulators"):
            self.until_metric(f"{name}_used_bytes", 0)

    def push_all(self, job, **fields):
        data = [tensor(i, data=b"\0\0\x80\x3f" * n) for i, n in enumerate(SIZES)]
        self.accept(job, data, **fields)

    def test_staging_holds_the_pushes_of_all_workers_until_the_round_closes(self):
        job = self.create(self.nodes(), world_size=3)
        for worker in range(2):
            self.push_all(job, worker=worker, final=True)
        needed = staging([MODEL], workers=2)
        used = self.metric("staging_used_bytes")
        self.assertGreaterEqual(used, needed)
        self.assertLessEqual(used, needed + 2 * (1024 + 128 * len(SIZES)))
        self.push_all(job, worker=2, final=True)
        self.until_metric("staging_used_bytes", 0)

    def test_results_hold_the_sums_of_retained_rounds(self):
        retained = 3
        job = self.create(self.nodes(), retain_rounds=retained)
        for number in range(retained + 2):
            self.push_all(job, round=number, final=True)
            self.pull_closed(job, number, [0])
        self.until_metric("results_used_bytes", retained * cost(MODEL))

    def test_a_job_reserves_its_results_when_it_is_created(self):
        """It fits exactly what the formula says, and not a byte less."""
        for fields in ({}, {"expected": 1}):
            needed = results(MODEL, counted=bool(fields))
            for bytes_max, code in ((needed, OK), (needed - 1, RESOURCE_EXHAUSTED)):
                with Server("--result-bytes", str(bytes_max)) as one:
                    conn = one.connect()
                    reply = conn.call("create_job", spec=self.spec(self.nodes(**fields)))
                    conn.close()
                    self.expect(reply, code, *([str(needed)] if code else []))

    def test_accumulators_take_8_to_16_bytes_an_element_that_is_folded_early(self):
        job = self.create(self.nodes(), world_size=64)
        worker = 0
        while self.metric("folds_early_total") == 0:
            self.push_all(job, worker=worker)
            worker += 1
        self.push_all(job, worker=worker)
        used = self.metric("accumulators_used_bytes")
        self.assertGreater(used, 0)
        self.assertLessEqual(used, 4.2 * MODEL)
        self.assertGreaterEqual(used, 2 * 4 * min(SIZES))

    def test_the_examples_of_the_readme_are_computed_with_these_formulas(self):
        pattern = r"^\| ([\d,]+) f32 \| (\d+) \| (\d+) \| ([\d,]+) MiB \| ([\d,]+) MiB \|$"
        rows = re.findall(pattern, text_of("README.md"), re.M)
        self.assertGreaterEqual(len(rows), 3)
        for row in rows:
            elements, workers, retained, staged, kept = (int(w.replace(",", "")) for w in row)
            mebibyte = 1 << 20
            self.assertEqual(staged, round(staging([4 * elements], workers) / mebibyte), row)
            self.assertEqual(kept, round(results(4 * elements, retained) / mebibyte), row)
