#!/usr/bin/python3
"""What deploy/ holds, against a running server: nothing in there may say what is not so.

usage: tests/deploy/files_test.py BUILD [test…]     BUILD has bin/gradfoldd and bin/digits_worker
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(TOP, "deploy")
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(TOP, "tests/integration")]

import server  # noqa: E402  (after the path is set)
from server import Server  # noqa: E402

EXPOSURE_MAX = 1.5


def text_of(*path):
    with open(os.path.join(DEPLOY, *path), encoding="utf-8") as file:
        return file.read()


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def metric_names(text):
    return set(re.findall(r"\b(?:gradfoldd|process)_\w+", text))


class Configuration(unittest.TestCase):
    """gradfoldd.conf has every variable of --help, with its default."""

    @classmethod
    def setUpClass(cls):
        cls.help = run(server.binary(), "--help").stdout
        cls.values = dict(re.findall(r"^#?(GRADFOLDD_\w+)=(.*)$", text_of("gradfoldd.conf"), re.M))

    def defaults(self):
        """Of each variable, the default that --help tells; None: it depends on the machine."""
        found = {}
        for part in re.split(r"^  --", self.help, flags=re.M)[1:]:
            variable = re.search(r"GRADFOLDD_\w+", part.split("\n", 1)[0])
            default = re.search(r"\[default: (\S+)\]", part)
            if variable:
                found[variable[0]] = default and default[1]
        return found

    def test_every_variable_is_there_and_no_other(self):
        self.assertEqual(sorted(self.values), sorted(self.defaults()))
        self.assertGreater(len(self.values), 10)

    def test_the_defaults_are_true(self):
        for variable, default in self.defaults().items():
            if default:
                self.assertEqual(self.values[variable], default, variable)

    def test_each_variable_has_a_comment_above_it(self):
        for variable in self.values:
            self.assertRegex(text_of("gradfoldd.conf"), rf"(?m)^# .*\n#?{variable}=", variable)

    def test_the_server_takes_all_of_its_values_together(self):
        with tempfile.TemporaryDirectory() as folder:
            here = {
                "GRADFOLDD_LISTEN": "127.0.0.1:0",
                "GRADFOLDD_ADMIN": "127.0.0.1:0",
                "GRADFOLDD_PORT_FILE": os.path.join(folder, "ports"),
                "GRADFOLDD_UNIX": os.path.join(folder, "socket"),
            }
            used = {k: here.get(k, v) for k, v in self.values.items()}
            with Server(environment=used) as running:
                self.assertIn("ok", running.http("/healthz"))

    def test_a_wrong_value_is_noticed(self):
        done = run(server.binary(), env={"GRADFOLDD_THREADS": "many"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("GRADFOLDD_THREADS", done.stderr)


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
class Service(unittest.TestCase):
    def test_it_is_hardened(self):
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager",
                   os.path.join(DEPLOY, "gradfoldd.service"))
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
        self.assertTrue(exposure, done.stdout + done.stderr)
        print(f"gradfoldd.service: exposure {exposure[1]} of 10")
        self.assertLessEqual(float(exposure[1]), EXPOSURE_MAX)

    def test_a_connection_has_its_descriptor(self):
        limit = re.search(r"^LimitNOFILE=(\d+)$", text_of("gradfoldd.service"), re.M)
        connections = re.search(r"GRADFOLDD_MAX_CONNECTIONS=(\d+)", text_of("gradfoldd.conf"))
        self.assertGreater(int(limit[1]), int(connections[1]) + 1000)


class Documentation(unittest.TestCase):
    def test_the_readme_tells_of_every_metric_and_of_no_other(self):
        with Server() as running:
            served = set(re.findall(r"^# TYPE (\w+) ", running.http("/metrics"), re.M))
        told = metric_names(text_of("README.md"))
        self.assertEqual(sorted(told - served), [], "the README names what there is not")
        self.assertEqual(sorted(served - told), [], "the README leaves out")

    def test_the_readme_tells_of_every_package_and_option(self):
        readme = text_of("README.md")
        packages = re.findall(r"^ *gradfold_package\(\w+ ([\w-]+)", text_of("package.cmake"), re.M)
        self.assertGreater(len(packages), 4)
        for package in packages:
            self.assertIn(f"`{package}`", readme)
        known = re.findall(r"^  (--[\w-]+)", run(server.binary(), "--help").stdout, re.M)
        for option in set(re.findall(r"`(--[a-z-]+)`", readme)) - {"--help", "--shm-size", "--ipc"}:
            self.assertIn(option, known)


@unittest.skipUnless(importlib.util.find_spec("yaml"), "python3-yaml is not installed")
class Containers(unittest.TestCase):
    """What can be seen without a container engine; tests/deploy/containers builds and runs it."""

    @classmethod
    def setUpClass(cls):
        import yaml

        cls.services = yaml.safe_load(text_of("compose.yaml"))["services"]
        cls.yaml = yaml

    def test_every_target_is_a_stage(self):
        stages = set(re.findall(r"^FROM \S+ AS (\w+)$", text_of("Dockerfile"), re.M))
        for name, service in self.services.items():
            if "build" in service:
                self.assertIn(service["build"]["target"], stages, name)
                path = os.path.join(DEPLOY, service["build"]["context"], "deploy/Dockerfile")
                self.assertTrue(os.path.isfile(path))

    def test_every_file_that_is_mounted_is_there(self):
        mounts = [m for s in self.services.values() for m in s.get("volumes", [])]
        self.assertGreater(len(mounts), 4)
        for mount in mounts:
            self.assertTrue(os.path.isfile(os.path.join(DEPLOY, mount.split(":")[0])), mount)

    def test_nothing_is_open_to_other_machines(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")

    def test_four_workers_and_the_rest(self):
        workers = [s for n, s in self.services.items() if n.startswith("worker-")]
        ranks = sorted(a for w in workers for a in w["command"] if a.startswith("--worker="))
        self.assertEqual(ranks, [f"--worker={n}" for n in range(4)])
        self.assertLessEqual({"gradfoldd", "prometheus", "grafana"}, set(self.services))

    def test_the_dashboard_asks_the_datasource_that_is_provisioned(self):
        uid = self.yaml.safe_load(text_of("grafana", "datasource.yaml"))["datasources"][0]["uid"]
        dashboard = json.loads(text_of("grafana", "dashboard.json"))
        asked = set(re.findall(r'"type": "prometheus",\s*"uid": "([^"]*)"', json.dumps(dashboard)))
        self.assertEqual(asked, {uid})
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_the_rules_that_prometheus_loads_are_mounted_beside_its_configuration(self):
        targets = [m.split(":")[1] for m in self.services["prometheus"]["volumes"]]
        for rules in self.yaml.safe_load(text_of("prometheus.yml"))["rule_files"]:
            self.assertIn(f"/etc/prometheus/{rules}", targets)


def main():
    if len(sys.argv) < 2 or not os.access(os.path.join(sys.argv[1], "bin/gradfoldd"), os.X_OK):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    server.BIN[0] = os.path.join(os.path.abspath(sys.argv.pop(1)), "bin")
    import monitoring_test
    import size_test

    loader = unittest.TestLoader()
    modules = (sys.modules[__name__], monitoring_test, size_test)
    if len(sys.argv) > 1:
        loader.testNamePatterns = [f"*{name}*" for name in sys.argv[1:]]
    suite = unittest.TestSuite(loader.loadTestsFromModule(module) for module in modules)
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    bad, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print(f"{result.testsRun - bad - skipped} passed, {bad} failed, {skipped} skipped")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
