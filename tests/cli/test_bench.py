"""gradfold bench: what it measures, and that whatever goes wrong ends it."""

import json
import os
import shutil
import signal
import subprocess

from server import SANITIZER_WORDS, wait_until
from tool import (DONE, FAILED, FILE, INTERRUPTED, NOBODY, SECONDS, UNREACHABLE, USAGE, Case,
                  binary)

SMALL = ("--rounds=3", "--bytes=64,4KiB")
OPS = ("push", "pull", "round")


def children(pid):
    """{pid: program} of a process's children."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid and state != "Z":
            found[int(entry)] = name
    return found


class Figures(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: self.assertEqual(os.listdir(self.folder), []))

    def check(self, told, sizes, rounds, nodes=1):
        self.assertEqual([r["bytes"] for r in told["results"]], sizes)
        for result in told["results"]:
            self.assertEqual((result["rounds"], result["nodes"]), (rounds, nodes))
            for op in OPS:
                f = result[op]
                self.assertTrue(0 < f["min_us"] <= f["p50_us"] <= f["p99_us"] <= f["max_us"], f)
                self.assertGreater(f["gb_per_s"], 0)

    def test_every_transport(self):
        for transport in ("tcp", "unix", "shm"):
            told = self.json("bench", *SMALL, "--transport", transport, GRADFOLD_SERVER="")
            self.check(told, [64, 4096], 3)
            self.assertEqual((told["transport"], told["workers"]), (transport, 2))

    def json(self, *arguments, **environment):
        """Without GRADFOLD_SERVER: a server of its own."""
        environment = {k: v for k, v in self.environment(**environment).items()
                       if (k, v) != ("GRADFOLD_SERVER", "")}
        done = subprocess.run([binary(), *arguments, "--json"], capture_output=True, text=True,
                              timeout=SECONDS, env=environment, cwd=self.folder, check=False)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""), done.stdout)
        return json.loads(done.stdout)

    def test_every_dtype(self):
        for dtype, size in (("f64", 8), ("f16", 2), ("bf16", 2), ("i32", 4), ("i64", 8)):
            told = self.json("bench", "-r2", "--elements=7,1000", "--dtype", dtype, "-w3", "-n7")
            self.check(told, [7 * size, 1000 * size], 2, nodes=7)

    def test_large_gradients_in_pieces(self):
        for transport in ("tcp", "shm"):
            told = self.json("bench", "-r2", "-b", "5MiB", "-n", "13", "--transport", transport,
                             GRADFOLD_SERVER="")
            self.check(told, [5 << 20], 2, nodes=13)

    def test_a_table_on_a_server_that_is_there(self):
        text = self.output("bench", *SMALL, "--workers=4")
        self.assertIn("4 workers, f32, tcp, gradfoldd ", text)
        self.assertIn("%s:%d" % self.server.address, text)
        for size in ("64", "4096"):
            for op in OPS:
                self.assertRegex(text, rf"\n +{size} +1 +3  {op} ( +\d+\.\d){{4}} +\d+\.\d{{3}}\n")
        self.assertEqual(self.output("jobs"), "")

    def test_sizes_that_make_no_sense(self):
        for arguments, expected in (
                (("-b", "10"), "no multiple"), (("-b", "4KiB,"), "expected numbers"),
                (("-b", "4KiB;8KiB"), "expected numbers"), (("-b", "0"), "less than an element"),
                (("-e", "10", "-n", "11"), "less than an element"), (("-e", "1KiB"), "expected"),
                (("-b", ",".join(["64"] * 65)), "more than 64"),
                (("--transport=unix",), "does not go with"),
                (("--server=unix:/x",), "does not go with")):
            self.assertIn(expected, self.error("bench", *arguments, status=USAGE))


class Trouble(Case):
    def start(self, *arguments, own=True):
        environment = self.environment()
        if own:
            del environment["GRADFOLD_SERVER"]
        process = subprocess.Popen(
            [binary(), "bench", "--bytes=1MiB", "--rounds=1000000", "--workers=3", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
            cwd=self.folder)
        self.addCleanup(process.kill)
        return process

    def under_way(self, process, server):
        """All its children, when they are at work."""
        def all_there():
            self.assertIsNone(process.poll())
            found = children(process.pid)
            jobs = len(found) == 3 + server
            return found if jobs and self.at_work(found) else None
        return wait_until(all_there, "server and workers")

    @staticmethod
    def at_work(found):
        """Each has been given more than a little to do."""
        def ticks(pid):
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        try:
            return all(ticks(pid) > 2 for pid in found)
        except OSError:
            return False

    def ends(self, process, status, found):
        out, err = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, status, f"{out}{err}")
        for word in SANITIZER_WORDS:
            self.assertNotIn(word, err)
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") and self.alive(pid)
                                   for pid in found), "the children to be gone")
        return err

    @staticmethod
    def alive(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    def test_a_worker_that_dies_ends_it(self):
        process = self.start()
        found = self.under_way(process, server=1)
        workers = sorted(pid for pid, name in found.items() if name == "gradfold")
        os.kill(workers[1], signal.SIGKILL)
        said = self.ends(process, FAILED, found)
        self.assertIn("worker 1 was ended by signal 9", said)
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_server_that_dies_ends_it(self):
        process = self.start()
        found = self.under_way(process, server=1)
        os.kill(next(pid for pid, name in found.items() if name == "gradfoldd"), signal.SIGKILL)
        self.assertIn("the server ended", self.ends(process, FAILED, found))
        self.assertEqual(os.listdir(self.folder), [])

    def test_sigterm_and_ctrl_c_tidy_up(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start()
            found = self.under_way(process, server=1)
            process.send_signal(number)
            self.assertEqual(self.ends(process, INTERRUPTED, found), "")
            self.assertEqual(os.listdir(self.folder), [])

    def test_sigkill_leaves_no_process(self):
        process = self.start()
        found = self.under_way(process, server=1)
        process.kill()
        self.ends(process, -signal.SIGKILL, found)

    def test_nobody_reads_its_output(self):
        process = self.start("--rounds=1", "--bytes=" + ",".join(["64"] * 64))
        process.stdout.close()
        found = children(process.pid)
        process.stdout = None
        self.assertIn("standard output", self.ends(process, FILE, found))
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_refusal_is_reported(self):
        process = self.start("-q", own=False)
        found = self.under_way(process, server=0)
        job = self.output("jobs").strip()
        self.run_tool("delete", "-q", job)
        said = self.ends(process, FAILED, found)
        self.assertRegex(said, r"gradfold bench: worker \d: (push|pull|round): NOT_FOUND: ")

    def test_no_server(self):
        said = self.error("bench", "--server", NOBODY, "-t", "100ms", status=UNREACHABLE)
        self.assertIn("CLIENT_UNREACHABLE", said)
        self.assertEqual(children(os.getpid()).keys() - {self.server.process.pid}, set())

    def test_no_memory_is_shared_with_it(self):
        said = self.error("bench", "--transport", "shm", "-r1")
        self.assertIn("shares no memory with us", said)
        self.assertIn("--unix", said)

    def test_no_program_to_start(self):
        alone = shutil.copy(binary(), self.path("gradfold"))
        environment = {**self.environment(), "PATH": self.folder}
        del environment["GRADFOLD_SERVER"]
        done = subprocess.run([alone, "bench"], capture_output=True, text=True, timeout=SECONDS,
                              env=environment, check=False)
        self.assertEqual(done.returncode, FAILED)
        self.assertIn("put gradfoldd into PATH", done.stderr)
        self.assertEqual(os.listdir(self.folder), ["gradfold"])
