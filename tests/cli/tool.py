"""gradfold under test: run in a folder of its own, against a server of the test's class."""

import itertools
import json
import os
import subprocess
import tempfile
import unittest

import server
from wire import SCALE

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS = 30 * SCALE
DONE, FAILED, USAGE, FILE, UNREACHABLE, TIMEOUT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
NOBODY = "127.0.0.1:1"  # a port that nothing listens on

numbers = itertools.count(1)


def binary():
    return os.path.join(server.BIN[0], "gradfold")


class Case(unittest.TestCase):
    """One server a class; each test has its own folder, in which gradfold runs."""

    server_options = ()

    @classmethod
    def setUpClass(cls):
        cls.server = server.Server(*cls.server_options).start()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gradfold-cli-")
        self.addCleanup(subprocess.run, ["rm", "-rf", self.folder], check=True)

    def environment(self, **more):
        host, port = self.server.address
        admin = "%s:%d" % self.server.admin
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GRADFOLD")}
        return {**clean, "GRADFOLD_SERVER": f"{host}:{port}", "GRADFOLD_ADMIN": admin,
                "GRADFOLD_TIMEOUT": f"{int(SECONDS)}s", "TMPDIR": self.folder, **more}

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return name

    def run_tool(self, *arguments, stdin="", status=DONE, **environment):
        """The finished process; its exit status must be the expected one."""
        done = subprocess.run([binary(), *map(str, arguments)], input=stdin, capture_output=True,
                              text=True, timeout=SECONDS, cwd=self.folder, check=False,
                              env=self.environment(**environment))
        said = f"gradfold {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, status, said)
        for word in server.SANITIZER_WORDS:
            self.assertNotIn(word, done.stderr, said)
        if status == DONE:
            self.assertEqual(done.stderr, "", said)
        else:
            self.assertNotEqual(done.stderr, "", said)
        return done

    def output(self, *arguments, **more):
        return self.run_tool(*arguments, **more).stdout

    def json(self, *arguments, **more):
        return json.loads(self.output(*arguments, "--json", **more))

    def error(self, *arguments, status=FAILED, **more):
        """What it said on standard error; nothing may have gone to standard output."""
        done = self.run_tool(*arguments, status=status, **more)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def create(self, nodes, world_size=1, **spec):
        """A job of such nodes, under a new name, which is returned."""
        name = f"job-{next(numbers)}"
        spec = {"name": name, "world_size": world_size, "nodes": nodes, **spec}
        self.run_tool("create", "--quiet", "-", stdin=json.dumps(spec))
        return name


def node(name, dtype, shape, **more):
    return {"name": name, "dtype": dtype, "shape": list(shape), **more}
