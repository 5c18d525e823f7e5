"""gradfold status and top, and what a terminal shows that a pipe does not."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import time

import numpy

from server import Server
from tool import (DONE, INTERRUPTED, NOBODY, SECONDS, TIMEOUT, UNREACHABLE, USAGE, Case,
                  binary, node)


class Terminal:
    """gradfold with a terminal of its own; all that it wrote is in `text`."""

    def __init__(self, case, *arguments, rows=24, columns=100, environment=None):
        self.case, self.text = case, ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.chdir(case.folder)
            os.execve(binary(), [binary(), *arguments], environment or case.environment())
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes = termios.tcgetattr(self.master)[:4]
        case.addCleanup(self.close)

    def close(self):
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def read(self):
        """More of its output; False at its end."""
        if not select.select([self.master], [], [], SECONDS)[0]:
            self.case.fail(f"silent for {SECONDS} s after: {self.text!r}")
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            data = b""
        self.text += data.decode()
        return bool(data)

    def expect(self, word):
        """Reads until the word has come, which is then taken away with all before it."""
        end = time.monotonic() + SECONDS
        while word not in self.text:
            if time.monotonic() > end or not self.read():
                self.case.fail(f"no {word!r} in {self.text!r}")
        before, _, self.text = self.text.partition(word)
        return before

    def type(self, keys):
        os.write(self.master, keys)

    def finish(self):
        """Its exit status, when it has ended by itself."""
        while self.read():
            pass
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status)


@contextlib.contextmanager
def silent_server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener, "127.0.0.1:%d" % listener.getsockname()[1]


class Status(Case):
    def test_missing_workers(self):
        job = self.create([node("a", "f32", [1])], world_size=12)
        for worker in (0, 3, 7):
            self.run_tool("push", "-q", f"-w{worker}", "-f", job)
        self.assertRegex(self.output("status"), rf"{job} +1 +4 B +0 +3/12 .* 1-2,4-6,8-11\n")
        told = self.json("status", job)
        self.assertEqual([j["name"] for j in told["jobs"]], [job])
        self.assertEqual(told["jobs"][0]["rounds"][-1]["missing_workers"],
                         [1, 2, 4, 5, 6, 8, 9, 10, 11])

    def test_a_long_list_of_missing_workers_is_cut(self):
        job = self.create([node("a", "f32", [1])], world_size=101)
        for worker in range(0, 101, 2):
            self.run_tool("push", "-q", f"-w{worker}", "-f", job)
        self.assertRegex(self.output("status", job), r" 51/101 .* 1,3,5,7,[\d,]*,\.\.\.\n")

    def test_rounds_of_a_job(self):
        job = self.create([node("a", "f32", [1])], world_size=2, retain_rounds=3)
        for _ in range(2):
            self.run_tool("close", "-q", job)
        text = self.output("status", job)
        for line in (rf"{job} +1 +4 B +2 +0/2 ",
                     r"0  closed +0/2", r"1  (closing|closed) +0/2", r"2  open +0/2"):
            self.assertRegex(text, line)

    def test_the_server(self):
        told = self.json("status")["server"]
        self.assertEqual((told["metrics"]["ready"], told["address"]),
                         (1, "%s:%d" % self.server.admin))
        self.assertGreater(told["metrics"]["staging_limit_bytes"], 1 << 20)
        text = self.output("status")
        self.assertRegex(text, rf"gradfoldd {told['version']} at .*: ready, .* {told['kernels']} ")

    def test_refusals_are_counted(self):
        before = self.json("status")["server"]["replies"].get("NOT_FOUND", 0)
        self.error("describe", "nowhere")
        self.assertEqual(self.json("status")["server"]["replies"]["NOT_FOUND"], before + 1)

    def test_what_fails(self):
        said = self.error("status", "nowhere")
        self.assertIn("NOT_FOUND", said)
        said = self.error("status", "a/../b c%?")
        self.assertIn("NOT_FOUND", said)
        said = self.error("status", "--admin", NOBODY, status=UNREACHABLE)
        self.assertIn("--admin or GRADFOLD_ADMIN", said)
        # A server for workers answers no HTTP.
        said = self.error("status", "-a", "%s:%d" % self.server.address, "--timeout=2s")
        self.assertIn("--admin address", said)
        self.error("status", "-a", "http://[", status=USAGE)

    def test_a_proxy_is_not_asked(self):
        self.run_tool("status", http_proxy=f"http://{NOBODY}", status=DONE)

    def test_a_server_that_is_silent(self):
        with silent_server() as (_, address):
            self.error("status", "-a", address, "--timeout=200ms", status=TIMEOUT)


class Top(Case):
    def test_looks_once_in_a_pipe(self):
        job = self.create([node("a", "f32", [1])])
        text = self.output("top", "--interval=50ms")
        self.assertEqual(text.count("gradfoldd "), 1)
        self.assertRegex(text, r"rates: pushed \d+\.\d+ GB/s, sent \d+\.\d+ GB/s")
        self.assertIn(job, text)
        self.assertNotIn("\033", text)

    def test_rates_are_those_of_what_happened(self):
        job = self.create([node("a", "f32", [100_000])])
        numpy.save(self.path("a.npy"), numpy.ones(100_000, "f4"))
        process = Terminal(self, "top", "--json", "--interval=50ms", "--count=1000000")
        process.expect("\n")
        for _ in range(3):
            self.run_tool("push", "-q", "-w0", "-f", job, "a.npy")
        pushed = rounds = 0.0
        lines = 0
        while lines < 1000 and (rounds < 2.9 or pushed < 1.1e6):
            line = process.expect("\n")
            rates = json.loads(line)["rates"]
            pushed += rates["pushed_gb_per_s"] * rates["seconds"] * 1e9
            rounds += rates["jobs"].get(job, 0) * rates["seconds"]
            lines += 1
        self.assertAlmostEqual(pushed, 1.2e6, delta=1e5)
        self.assertAlmostEqual(rounds, 3, delta=0.1)
        process.type(b"\x03")
        self.assertEqual(process.finish(), DONE)

    def test_ends_when_nobody_reads_its_output(self):
        process = subprocess.Popen(
            [binary(), "top", "--json", "--interval=50ms", "--count=1000000"], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment())
        self.addCleanup(process.kill)
        self.assertIn("rates", process.stdout.readline())
        process.stdout.close()
        process.stdout = None
        self.assertEqual(process.communicate(timeout=SECONDS)[1], "")
        self.assertEqual(process.returncode, -signal.SIGPIPE)

    def test_on_a_terminal_until_q(self):
        job = self.create([node("a", "f32", [1])], world_size=3)
        process = Terminal(self, "top", "--interval=50ms")
        process.expect("\033[?1049h")
        process.expect(job)
        self.run_tool("push", "-q", "-w0", "-f", job)
        process.expect("1/3")
        process.type(b"xq")
        self.assertEqual(process.finish(), DONE)
        self.assertTrue(process.text.endswith("\033[?25h\033[?1049l"), process.text[-80:])
        self.assertNotIn("xq", process.text)

    def test_ctrl_c_gives_the_terminal_back(self):
        process = Terminal(self, "top", "--interval=60s")
        process.expect("gradfoldd ")
        process.type(b"\x03")
        self.assertEqual(process.finish(), DONE)
        self.assertIn("\033[?1049l", process.text)

    def test_ctrl_c_while_the_server_is_silent(self):
        with silent_server() as (listener, address):
            process = Terminal(self, "top", "--timeout=1h", "--admin", address)
            with listener.accept()[0]:
                process.type(b"\x03")
                self.assertEqual(process.finish(), INTERRUPTED)

    def test_modes_of_the_terminal_are_given_back(self):
        process = Terminal(self, "top", "--interval=50ms")
        process.expect("gradfoldd ")
        taken = termios.tcgetattr(process.master)[:4]
        self.assertNotEqual(taken, process.modes)
        copy = os.open(os.readlink(f"/proc/{process.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(os.close, copy)  # keeps the terminal when gradfold is gone
        process.type(b"q")
        _, status = os.waitpid(process.pid, 0)
        process.pid = None
        self.assertEqual(os.waitstatus_to_exitcode(status), DONE)
        self.assertEqual(termios.tcgetattr(copy)[:4], process.modes)

    def test_a_small_screen_has_no_more_than_fits(self):
        for _ in range(12):
            self.create([node("a", "f32", [1])])
        for rows in (12, 3):
            process = Terminal(self, "top", "--interval=50ms", rows=rows, columns=40)
            process.expect("\033[J")
            frame = process.expect("\033[J").replace("\033[H", "").replace("\033[K", "")
            lines = frame.split("\r\n")
            self.assertLessEqual(len(lines), rows)
            self.assertLess(max(map(len, lines)), 40)
            self.assertEqual("more jobs" in frame, rows == 12)
            process.type(b"q")
            self.assertEqual(process.finish(), DONE)

    def test_a_server_that_goes_and_comes(self):
        with Server() as other:
            admin = "%s:%d" % other.admin
            process = Terminal(self, "top", "--interval=50ms", "--admin", admin)
            process.expect("connections")
            other.terminate()
            other.finish()
            process.expect("NO ANSWER")
            process.type(b"q")
            self.assertEqual(process.finish(), DONE)

    def test_a_server_that_is_away_is_no_screen(self):
        process = Terminal(self, "top", "--admin", NOBODY)
        self.assertEqual(process.finish(), UNREACHABLE)
        self.assertNotIn("\033", process.text)
        self.assertIn("--admin or GRADFOLD_ADMIN", process.text)
        self.error("top", "--admin", NOBODY, status=UNREACHABLE)


class Progress(Case):
    def setUp(self):
        super().setUp()
        self.job = self.create([node("a", "f32", [1])])

    def test_on_a_terminal(self):
        process = Terminal(self, "pull", "-o", "x.npz", self.job)
        process.expect(f"pulling the sums of job {self.job}: ")
        self.run_tool("close", "-q", self.job)
        self.assertEqual(process.finish(), DONE)
        self.assertRegex(process.text, r"\r\033\[Kx.npz: 1 node of round 0 \(closed\)")

    def test_not_when_quiet_and_not_in_a_pipe(self):
        process = Terminal(self, "pull", "-q", "--timeout=1s", "-o", "x.npz", self.job)
        self.assertEqual(process.finish(), TIMEOUT)
        self.assertNotIn("\033", process.text)
        said = self.error("pull", "--timeout=1s", "-o", "x.npz", self.job, status=TIMEOUT)
        self.assertNotIn("\033", said)
        self.assertNotIn("pulling", said.replace("pulling: ", ""))

    def test_of_a_bench(self):
        process = Terminal(self, "bench", "--bytes=1MiB", "--rounds=1000000")
        process.expect("1.0 MiB: round ")
        process.type(b"\x03")
        self.assertEqual(process.finish(), INTERRUPTED)
        self.assertNotIn("bench", self.output("jobs"))
