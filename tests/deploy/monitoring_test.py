"""A real Prometheus watches a real training with the files of deploy/: every query of the dashboard
must have an answer, every alert must be understood, and the alerts must fire when they should."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.parse
import urllib.request

import server
from files_test import DEPLOY, HERE, TOP, metric_names, run, text_of
from server import Server, wait_until

WORKERS = 4


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """One that scrapes every second, with deploy/prometheus.yml but for the server's address."""

    def __init__(self, folder, target):
        with open(os.path.join(folder, "prometheus.yml"), "w", encoding="utf-8") as file:
            text = text_of("prometheus.yml").replace("gradfoldd:7434", target)
            file.write(text.replace("_interval: 5s", "_interval: 1s"))
        shutil.copy(os.path.join(DEPLOY, "alerts.yml"), folder)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log_path = os.path.join(folder, "prometheus.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder}/prometheus.yml",
                    f"--storage.tsdb.path={folder}/data",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def ask(self, expression):
        return self.get("query", query=expression)["result"]

    def answers(self):
        if self.process.poll() is not None:
            with open(self.log_path, encoding="utf-8") as log:
                raise AssertionError(f"prometheus ended:\n{log.read()[-2000:]}")
        try:
            return self.ask("gradfoldd_rounds_closed_total")
        except (urllib.error.URLError, ConnectionError):
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


def start_workers(folder, address):
    for worker in range(WORKERS):
        yield subprocess.Popen(
            [
                os.path.join(server.BIN[0], "digits_worker"),
                f"--server={address[0]}:{address[1]}",
                "--job=digits",
                f"--worker={worker}",
                f"--workers={WORKERS}",
                "--rounds=100000",
                "--delay-ms=20",
                f"--data={TOP}/tests/data/digits.csv",
                f"--checkpoint={folder}/{worker}.checkpoint",
                f"--weights={folder}/{worker}.weights",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def expressions():
    """Title and query of everything that the dashboard draws, as Grafana would ask."""
    for panel in json.loads(text_of("grafana", "dashboard.json"))["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            yield panel["title"], query


@unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
class Monitoring(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="gradfold-monitoring-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.server = Server().start()
        cls.addClassCleanup(cls.server.kill)
        for worker in start_workers(cls.folder.name, cls.server.address):
            cls.addClassCleanup(worker.wait)
            cls.addClassCleanup(worker.kill)
        address = f"{cls.server.admin[0]}:{cls.server.admin[1]}"
        cls.prometheus = Prometheus(cls.folder.name, address)
        cls.addClassCleanup(cls.prometheus.stop)
        wait_until(cls.prometheus.answers, "a scrape")
        several = "min(count_over_time(gradfoldd_job_open_round[1m])) >= 3"
        wait_until(lambda: cls.prometheus.ask(several), "three scrapes", pause=0.2)

    def test_every_panel_has_something_to_draw(self):
        asked = list(expressions())
        self.assertGreater(len(asked), 20)
        for title, query in asked:
            with self.subTest(title, query=query):
                self.assertTrue(self.prometheus.ask(query), "no data")

    def test_the_panels_show_that_the_training_goes_on(self):
        titles = dict(expressions())
        rounds = self.prometheus.ask(titles["Rounds a second"])
        self.assertEqual(rounds[0]["metric"]["exported_job"], "digits")
        self.assertGreater(float(rounds[0]["value"][1]), 0)
        connected = self.prometheus.ask(titles["Workers connected"])
        self.assertGreaterEqual(float(connected[0]["value"][1]), WORKERS)

    def test_every_metric_that_is_named_is_served(self):
        served = metric_names(self.server.http("/metrics"))
        for path in (("grafana", "dashboard.json"), ("alerts.yml",)):
            named = metric_names(text_of(*path))
            self.assertEqual(sorted(named - served), [], path)

    def test_every_alert_is_evaluated_and_none_fires(self):
        def evaluated():
            groups = self.prometheus.get("rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            return rules if rules and all(r["health"] != "unknown" for r in rules) else False

        rules = wait_until(evaluated, "alerts are evaluated", pause=0.2)
        self.assertEqual(len(rules), len(re.findall(r"- alert:", text_of("alerts.yml"))))
        for rule in rules:
            self.assertEqual((rule["health"], rule["state"]), ("ok", "inactive"), rule)


@unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
class Alerts(unittest.TestCase):
    def test_they_fire_when_they_should(self):
        """alerts_test.yml: series that somebody should be woken for, and what he reads."""
        done = run("promtool", "test", "rules", os.path.join(HERE, "alerts_test.yml"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_of_them_is_tested(self):
        with open(os.path.join(HERE, "alerts_test.yml"), encoding="utf-8") as file:
            tested = set(re.findall(r"alertname: (\w+)", file.read()))
        self.assertEqual(tested, set(re.findall(r"- alert: (\w+)", text_of("alerts.yml"))))
