"""A gradfoldd process under test: started on free ports, watched, stopped, its last words read."""

import os
import signal
import subprocess
import tempfile
import time
import urllib.request

from wire import SCALE, Connection

BIN = [os.environ.get("GRADFOLD_BIN", "")]  # set by the runner
SANITIZER_WORDS = ("AddressSanitizer", "LeakSanitizer", "ThreadSanitizer", "runtime error:")
EXIT_SECONDS = 15 * SCALE


def binary():
    return os.path.join(BIN[0], "gradfoldd")


def wait_until(condition, what, seconds=15 * SCALE, pause=0.01):
    """Polls a condition until it is true; its value is returned, or AssertionError names it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)


def parse_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Server:
    """`with Server("--threads", "2") as server:` starts one; leaving stops and checks it."""

    def __init__(self, *options, listen=("127.0.0.1:0",), unix=False, preexec=None,
                 environment=None):
        self.folder = tempfile.TemporaryDirectory(prefix="gradfold-")
        self.port_file = os.path.join(self.folder.name, "ports")
        self.log_path = os.path.join(self.folder.name, "log")
        self.command = [binary(), "--admin", "127.0.0.1:0", "--port-file", self.port_file]
        for address in listen:
            self.command += ["--listen", address]
        if unix:
            self.command += ["--unix", os.path.join(self.folder.name, "socket")]
        self.command += options
        self.preexec, self.environment = preexec, environment
        self.process, self.stopping, self.finished = None, False, False
        self.listeners, self.admin, self.unix = [], None, None

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self.preexec,
                env={**os.environ, **(self.environment or {})},
            )
        try:
            wait_until(self._ready, "the server's port file")
        except BaseException:
            self.kill()
            raise
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"gradfoldd ended with {self.process.returncode}:\n{self.log()}")
        try:
            with open(self.port_file, encoding="ascii") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return False
        found = [line.split() for line in lines]
        self.listeners = [parse_address(a) for kind, a in found if kind == "listen"]
        self.unix = next((a for kind, a in found if kind == "unix"), None)
        self.admin = next((parse_address(a) for kind, a in found if kind == "admin"), None)
        return self.listeners and self.admin

    @property
    def address(self):
        return self.listeners[0]

    def connect(self, listener=0):
        return Connection(self.listeners[listener])

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def http(self, path, timeout=10 * SCALE):
        """Body of an admin page; urllib's HTTPError for a refusal."""
        url = f"http://{self.admin[0]}:{self.admin[1]}{path}"
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read().decode()

    def held(self):
        """What may leak: how many descriptors and shared mappings the process has."""
        with open(f"/proc/{self.process.pid}/maps", encoding="ascii") as file:
            mappings = sum("/memfd:" in line for line in file)
        return len(os.listdir(f"/proc/{self.process.pid}/fd")), mappings

    def memory_bytes(self):
        """Resident memory of the process."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def terminate(self):
        self.stopping = True
        self.process.send_signal(signal.SIGTERM)

    def finish(self):
        """Waits for the exit; it must be 0 and no sanitizer may have spoken."""
        if self.finished:
            return
        self.finished = True
        try:
            code = self.process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"no exit within {EXIT_SECONDS:g} s:\n{self.log()[-3000:]}"
            ) from None
        log = self.log()
        self.folder.cleanup()
        if code != 0 or any(word in log for word in SANITIZER_WORDS):
            raise AssertionError(f"gradfoldd ended with {code}:\n{log[-6000:]}")

    def stop(self):
        if self.process.poll() is None and not self.stopping:
            self.terminate()
        self.finish()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()
