"""What is written about gradfold is what it does: pages, --help and completion are compared."""

import os
import re
import subprocess
import unittest

from tool import TOP, Case, binary, node

PAGES = os.path.join(TOP, "deploy", "man")
COMPLETION = os.path.join(TOP, "deploy", "completion", "gradfold")
COMMANDS = "create describe push pull close delete jobs ping status top bench".split()


def tool(*arguments):
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, check=True,
                          timeout=60).stdout


def options_of_help(command):
    """{name: (letter, value, default)}"""
    found = {}
    for item in re.split(r"\n(?=  (?:-\w, |    )--)", tool("help", command))[1:]:
        letter, name, value = re.match(r"  (?:-(\w), |    )--([a-z0-9-]+)(?: ([A-Z]+))?",
                                       item).groups()
        default = re.search(r"\[default: ([^],]*)", item)
        found[name] = letter, value, default and default.group(1)
    return found


def page(name):
    with open(os.path.join(PAGES, name), encoding="utf-8") as file:
        return file.read()


def options_of_page(name):
    """{name: (letter, value, what is said)}"""
    found = {}
    for item in re.split(r"\n(?=\.It Fl|\.El)", page(name)):
        match = re.match(r"\.It Fl (?:(\w) , Fl )?-([a-z0-9-]+)(?: Ar ([A-Z]+))?\n", item)
        if match:
            letter, option, value = match.groups()
            found[option] = letter, value, item[match.end():]
    return found


class Pages(unittest.TestCase):
    def test_options_are_those_of_help(self):
        for command in COMMANDS:
            helped, paged = options_of_help(command), options_of_page(f"gradfold-{command}.1")
            self.assertGreater(len(helped), 1)
            self.assertEqual({n: o[:2] for n, o in helped.items()},
                             {n: o[:2] for n, o in paged.items()}, command)
            for name, (_, _, default) in helped.items():
                if default and re.fullmatch(r"[\w.:]+", default):
                    self.assertIn(default, paged[name][2], f"{command} --{name}")

    def test_commands_are_those_of_help(self):
        listed = re.findall(r"^  (\w+) {2,}", tool("help").partition("Options:")[0], re.M)
        self.assertEqual(listed, COMMANDS + ["help"])
        self.assertEqual(re.findall(r"\.It Xr gradfold-(\w+) 1", page("gradfold.1")), COMMANDS)

    def test_exit_statuses_are_those_of_help(self):
        helped = re.findall(r"^  (\d+) +(.*)$", tool("help").partition("Exit status:")[2], re.M)
        paged = re.findall(r"\.It (\d+)\n(.*)\.\n", page("gradfold.1"))
        self.assertEqual([(n, t.lower()) for n, t in helped], [(n, t.lower()) for n, t in paged])

    def test_variables_are_those_of_help(self):
        helped = set(re.findall(r"GRADFOLD_\w+", "".join(tool("help", c) for c in COMMANDS)))
        self.assertEqual(set(re.findall(r"\.It Ev (\w+)", page("gradfold.1"))), helped)

    def test_functions_of_the_library_exist(self):
        declared = ""
        folder = os.path.join(TOP, "include", "gradfold")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                declared += file.read()
        named = set(re.findall(r"\b(gf_[a-z_]+|GF_[A-Z_]+)\b", page("libgradfold.3")))
        self.assertGreater(len(named), 20)
        for name in named:
            self.assertRegex(declared, rf"\b{name}\b")

    def test_fields_of_a_spec_are_those_that_are_read(self):
        text = page("gradfold-create.1")
        job, nodes = (re.findall(r"\.It Va (\w+)", part)
                      for part in text.partition(".Ss Fields of a node")[::2])
        with open(os.path.join(TOP, "client/cli/spec_file.c"), encoding="utf-8") as file:
            source = file.read()
        for table, named in (("job_fields", job), ("node_fields", nodes)):
            rows = source.partition(f"{table}[] = {{")[2].partition("};")[0]
            self.assertEqual(sorted(re.findall(r'\{"(\w+)"', rows)), sorted(named))

    def test_mandoc_and_man_find_nothing(self):
        for name in sorted(os.listdir(PAGES)):
            path = os.path.join(PAGES, name)
            lint = subprocess.run(["mandoc", "-T", "lint", "-W", "style", path], text=True,
                                  capture_output=True, check=False, timeout=60)
            # Whether a page is installed here is not the page's fault; the next test looks.
            said = [line for line in (lint.stdout + lint.stderr).splitlines()
                    if "referenced manual not found" not in line and "mandoc.db" not in line]
            self.assertEqual(said, [], name)
            man = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path],
                                 text=True, capture_output=True, check=False, timeout=60,
                                 env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
            self.assertEqual((man.returncode, man.stderr), (0, ""), name)

    def test_references_lead_to_our_pages(self):
        for name in os.listdir(PAGES):
            for title, section in re.findall(r"^\.(?:It )?Xr (gradfold\S*|lib\S*) (\d)", page(name),
                                             re.M):
                self.assertIn(f"{title}.{section}", os.listdir(PAGES), name)


class Examples(Case):
    """Sessions: a line that begins with $ is run, the lines below it are what it prints."""

    def run_session(self, text):
        commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M)
        self.assertGreater(len(commands), 5)
        for command, expected in commands:
            if command == "gradfoldd &":  # runs already
                continue
            if command == "cat spec.json":  # what the reader is to write
                self.write("spec.json", expected)
            command = command.replace(
                "gradfold bench", "env -u GRADFOLD_SERVER gradfold bench --rounds 1 --bytes 64")
            done = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False,
                cwd=self.folder,
                env=self.environment(PATH=f"{os.path.dirname(binary())}:/usr/bin:/bin"))
            self.assertEqual((done.returncode, done.stderr), (0, ""), command)
            if expected:
                self.assertEqual(done.stdout, expected, command)
        self.run_tool("delete", "-q", "try")

    def test_of_the_page(self):
        text = page("gradfold.1").partition("\n.Sh EXAMPLES")[2]
        self.run_session(text.partition(".Bd -literal -offset indent\n")[2].partition(".Ed")[0])

    def test_of_the_readme(self):
        with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
            self.run_session(file.read().partition("```console\n")[2].partition("```")[0])


class Completion(Case):
    def complete(self, *words):
        """What bash offers behind these words, the last of which is being written."""
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _gradfold; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "--norc", "-uc", script, "bash", COMPLETION, binary(),
                               *words], capture_output=True, text=True, cwd=self.folder,
                              timeout=60, env=self.environment(), check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [line for line in done.stdout.splitlines() if line]

    def test_commands(self):
        self.assertEqual(sorted(self.complete("")), sorted(COMMANDS + ["help", "--help",
                                                                       "--version"]))
        self.assertEqual(self.complete("de"), ["describe", "delete"])
        self.assertEqual(sorted(self.complete("help", "")), sorted(COMMANDS + ["help"]))

    def test_options_are_those_of_help(self):
        for command in COMMANDS:
            self.assertEqual(sorted(self.complete(command, "-")),
                             sorted(f"--{name}" for name in options_of_help(command)), command)

    def test_an_option_with_a_value_is_not_followed_by_an_operand(self):
        self.create([node("a", "f32", [1])])
        for command in COMMANDS:
            for name, (_, value, _) in options_of_help(command).items():
                offered = self.complete(command, f"--{name}", "job")
                if value is not None:
                    self.assertEqual(offered, [], f"{command} --{name}")

    def test_words_are_those_that_are_accepted(self):
        for option, name in (("--transport", "NAME"), ("--dtype", "TYPE")):
            refused = subprocess.run([binary(), "bench", option, "?"], text=True, check=False,
                                     capture_output=True, timeout=60).stderr
            expected = re.split(r", | or ", re.search(r"expected (.*)", refused).group(1))
            self.assertEqual(self.complete("bench", option, ""), expected, name)

    def test_jobs_and_files(self):
        job = self.create([node("a", "f32", [1])])
        self.write("spec.json", "")
        for command in ("describe", "pull", "close", "delete", "status", "push"):
            self.assertIn(job, self.complete(command, "job"), command)
        self.assertEqual(self.complete("create", "sp"), ["spec.json"])
        self.assertEqual(self.complete("push", "sp"), ["spec.json"])
        self.assertEqual(self.complete("pull", "-o", "sp"), ["spec.json"])

    def test_is_loaded_by_bash(self):
        script = 'source "$1"; complete -p gradfold'
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", COMPLETION],
                              capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual(done.stdout, "complete -F _gradfold gradfold\n")
