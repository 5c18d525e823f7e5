"""The commands about jobs and the server, and what all commands have in common."""

import subprocess

from tool import (DONE, FAILED, FILE, NOBODY, UNREACHABLE, USAGE, Case, binary, node)

# Arguments that are complete for each command.
COMPLETE = (("create", "-"), ("describe", "j"), ("push", "-w0", "-f", "j"),
            ("pull", "-o", "x.npz", "j"), ("close", "j"), ("delete", "j"), ("jobs",), ("ping",))


class Jobs(Case):
    def test_list(self):
        names = {self.create([node("a", "f32", [1])]) for _ in range(3)}
        self.assertLessEqual(names, set(self.output("jobs").splitlines()))
        self.assertLessEqual(names, set(self.json("jobs")))

    def test_delete(self):
        one, two = (self.create([node("a", "f32", [1])]) for _ in range(2))
        self.assertEqual(self.output("delete", one), f"job {one} is deleted\n")
        said = self.run_tool("delete", "nowhere", two, status=FAILED)
        self.assertIn("nowhere: NOT_FOUND", said.stderr)
        self.assertEqual(said.stdout, f"job {two} is deleted\n")
        self.assertFalse({one, two} & set(self.json("jobs")))

    def test_describe(self):
        nodes = [node("w", "f32", [2, 3]), {"dtype": "i64", "shape": []},
                 node("e", "f16", [7], expected=3), node("f", "f64", [1], requires_grad=False)]
        job = self.create(nodes, world_size=3, quorum=3, reduction="mean")
        text = self.output("describe", job)
        for line in (rf"job {job}: 3 workers, mean, exact, ", r"0  w +f32 +at the close +\[2,3\]",
                     r"1 +i64 +at the close +\[\]", r"2  e +f16 +with 3 +\[7\]",
                     r"3  f +f64 +frozen +\[1\]", r"0 +open +0/3 +0 +0 B"):
            self.assertRegex(text, line)
        self.run_tool("push", "-w2", "-f", job)
        told = self.json("describe", job)
        self.assertEqual(told["spec"]["nodes"], [
            nodes[0], nodes[1], nodes[2], nodes[3]])
        self.assertEqual(told["rounds"][0]["final_workers"], [2])
        self.assertIn("NOT_FOUND", self.error("describe", "nowhere"))

    def test_describe_a_quorum(self):
        job = self.create([node("w", "f32", [1])], world_size=4, quorum=3, grace_ms=2500)
        self.assertIn("when 3 of them have been final for 2.5 s", self.output("describe", job))

    def test_close(self):
        job = self.create([node("a", "f32", [1])], world_size=2)
        self.assertRegex(self.output("close", job), rf"^round 0 of job {job} is (closing|closed)$")
        self.assertEqual(self.json("describe", job)["rounds"][-1]["round"], 1)
        self.output("close", "--round=0", job)
        self.assertEqual(self.json("describe", job)["rounds"][-1]["round"], 1)
        said = self.error("close", "-r", "5", job)
        self.assertIn("FUTURE_ROUND", said)
        self.assertIn("NOT_FOUND", self.error("close", "nowhere"))

    def test_ping(self):
        told = self.json("ping", "--count", "5")
        self.assertEqual((told["count"], told["protocol"]), (5, 1))
        self.assertTrue(0 < told["min_us"] <= told["mean_us"] <= told["max_us"])
        self.assertIn("5 requests", self.output("ping", "-c5"))

    def test_quiet_says_nothing(self):
        job = self.create([node("a", "f32", [1])])
        for arguments in (("push", "-w0", "-f", job), ("close", job), ("delete", job)):
            self.assertEqual(self.output(*arguments, "-q"), "")


class Common(Case):
    def test_a_server_that_is_away(self):
        spec = '{"name": "j", "world_size": 1, "nodes": []}'
        for arguments in COMPLETE:
            said = self.error(*arguments, "--server", NOBODY, "--timeout=100ms", stdin=spec,
                              status=UNREACHABLE)
            self.assertIn(f"gradfold {arguments[0]}: {NOBODY}: CLIENT_UNREACHABLE", said)
            self.assertIn("--server or GRADFOLD_SERVER", said)

    def test_help_of_every_command(self):
        for command in "create describe push pull close delete jobs ping status top bench".split():
            long = self.output(command, "--help", "--nonsense")
            self.assertEqual(long, self.output("help", command))
            self.assertEqual(long, self.output(command, "-h"))
            self.assertTrue(long.startswith(f"Usage: gradfold {command} "))
            self.assertIn(f"  {command} ", self.output("help"))
        self.assertEqual(self.output("help"), self.output("--help"))

    def test_version(self):
        self.assertRegex(self.output("--version"), r"^gradfold \d+\.\d+\.\d+\n$")

    def test_command_lines_that_make_no_sense(self):
        for arguments, expected in (
                ((), "a command is missing"), (("nonsense",), 'no command "nonsense"'),
                (("help", "nonsense"), 'no command "nonsense"'),
                (("jobs", "x"), 'unexpected argument "x"'), (("describe",), "the JOB is missing"),
                (("describe", "a", "b"), 'unexpected argument "b"'),
                (("jobs", "--nonsense"), "no option --nonsense"), (("jobs", "-x"), "no option -x"),
                (("jobs", "--jso"), "no option --jso"), (("jobs", "--json=1"), "takes no value"),
                (("ping", "--count"), "--count N: the value is missing"),
                (("ping", "-c", "0"), "from 1 to 1000000"), (("ping", "-c", "1k"), "whole number"),
                (("ping", "-c", ""), "whole number"), (("ping", "-c", "-1"), "whole number"),
                (("ping", "-c", "18446744073709551617"), "whole number"),
                (("ping", "--timeout", "10"), "with its unit"),
                (("ping", "--timeout", "0s"), "from 1ms to 24h"),
                (("ping", "--timeout", "25h"), "from 1ms to 24h"),
                (("ping", "--server", "nonsense"), "--server: "), (("ping", "-s", ""), "ADDRESS"),
                (("top", "--interval", "1ms"), "from 50ms"),
                (("bench", "--transport", "pigeon"), "expected tcp, unix or shm"),
                (("bench", "--dtype", "f8"), "expected f32, f64, f16, bf16, i32 or i64")):
            with self.subTest(arguments=arguments):
                said = self.error(*arguments, status=USAGE)
                self.assertIn(expected, said)
                if expected != "--server: ":  # the library says what an address is
                    self.assertIn("next: ", said)

    def test_options_anywhere_and_the_last_one_counts(self):
        self.assertEqual(self.json("ping", "--count=9", "-c", "3")["count"], 3)
        job = self.create([node("a", "f32", [1])])
        self.assertEqual(self.json("describe", "-t", "9s", job)["spec"]["name"], job)
        self.assertEqual(self.json("describe", job, "-t9s")["spec"]["name"], job)
        self.assertIn("NOT_FOUND", self.error("describe", "--", "--json"))

    def test_the_environment_stands_in(self):
        self.error("ping", GRADFOLD_SERVER=NOBODY, GRADFOLD_TIMEOUT="50ms", status=UNREACHABLE)
        said = self.error("ping", GRADFOLD_TIMEOUT="soon", status=USAGE)
        self.assertIn('GRADFOLD_TIMEOUT: "soon": expected a time', said)
        address = "%s:%d" % self.server.address
        self.run_tool("ping", "--server", address, GRADFOLD_SERVER=NOBODY, status=DONE)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([binary(), "help"], stdout=full, stderr=subprocess.PIPE,
                                  text=True, check=False, env=self.environment())
        self.assertEqual((done.returncode, "standard output" in done.stderr), (FILE, True))
