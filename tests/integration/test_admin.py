"""The admin pages: health, metrics, and the jobs as JSON."""

import json
import shutil
import subprocess
import unittest
import urllib.error

import wire
from case import ServerCase, tensor
from wire import F32, node


class Admin(ServerCase):
    def status(self, path):
        try:
            self.server.http(path)
            return 200
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def prepared(self):
        job = self.create(
            [node(F32, [2], name="w"), node(F32, [3], requires_grad=False)], 3, quorum=2
        )
        self.accept(job, [tensor(0, [1, 2])], worker=2, final=True)
        self.accept(job, [tensor(0, [1, 2])], worker=0)
        return job

    def test_health_and_readiness(self):
        self.assertEqual((self.status("/healthz"), self.status("/readyz")), (200, 200))

    def test_unknown_pages_are_404(self):
        for path in ("/", "/nothing", "/v1", "/v1/jobs/no-such-job", "/v1/jobs/a/b"):
            self.assertEqual(self.status(path), 404, path)

    def test_metrics_are_there(self):
        self.prepared()
        text = self.server.http("/metrics")
        for word in ("gradfold", "# TYPE", "# HELP"):
            self.assertIn(word, text)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_metrics_please_promtool(self):
        self.prepared()
        done = subprocess.run(
            ["promtool", "check", "metrics"],
            input=self.server.http("/metrics").encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (0, b""))

    def test_counters_grow(self):
        def samples():
            lines = [l for l in self.server.http("/metrics").splitlines() if l and l[0] != "#"]
            return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

        before = samples()
        self.prepared()
        after = samples()
        grown = [name for name in after if after[name] > before.get(name, 0) and "push" in name]
        self.assertTrue(grown, after)

    def test_all_jobs(self):
        job = self.prepared()
        listing = json.loads(self.server.http("/v1/jobs"))
        self.assertIn(job, json.dumps(listing))

    def test_one_job(self):
        job = self.prepared()
        page = json.loads(self.server.http(f"/v1/jobs/{job}"))
        spec = page["spec"]
        self.assertEqual((page["name"], spec["world_size"], spec["quorum"]), (job, 3, 2))
        self.assertEqual([n["name"] for n in spec["nodes"]], ["w", ""])
        self.assertEqual([n["shape"] for n in spec["nodes"]], [[2], [3]])
        round = page["rounds"][0]
        self.assertEqual((round["round"], round["pushes"], round["bytes"]), (0, 2, 16))
        self.assertEqual((round["final_workers"], round["missing_workers"]), ([2], [0, 1]))
        self.assertIn("age_ms", round)

    def test_pages_of_a_huge_job_do_not_stall_the_wire(self):
        job = self.create([node(F32, [1])] * int(50_000 / wire.SCALE))
        page = json.loads(self.server.http(f"/v1/jobs/{job}"))
        self.assertEqual(page["name"], job)
        self.expect(self.conn.call("delete_job", job=job), wire.OK)


if __name__ == "__main__":
    unittest.main()
