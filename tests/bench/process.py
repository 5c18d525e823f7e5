"""Processes that are started, bounded in time and ended: a server, and one run of a contestant."""

import ctypes
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

START_SECONDS = 10
STOP_SECONDS = 10
RUN_SECONDS = 300

# What of /proc/PID/status a server's memory is: its peak, and how the last moment divides up.
MEMORY = {"peak_bytes": "VmHWM", "private_bytes": "RssAnon", "shared_bytes": "RssShmem"}


PR_SET_PDEATHSIG = 1
C = ctypes.CDLL(None)


def end_with_parent():
    """In a child: whatever becomes of the bench, it leaves nobody behind."""
    C.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Failed(Exception):
    """A process that did not do what it should; the text says which and what it said."""


class Server:
    """A gradfoldd on free ports, and maybe a Unix socket, for as long as the with statement lasts.
    tcp, unix: its addresses."""

    def __init__(self, program, arguments, serves_unix):
        self.program, self.arguments, self.serves_unix = program, arguments, serves_unix

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="gradfold-bench-")
        ports = os.path.join(self.folder, "ports")
        path = os.path.join(self.folder, "socket")
        self.command = [self.program, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                        "--port-file", ports, "--log-level", "warn",
                        *(["--unix", path] if self.serves_unix else []), *self.arguments]
        self.log = tempfile.TemporaryFile(mode="w+", prefix="gradfold-bench-")
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, preexec_fn=end_with_parent)
        self.unix = f"unix:{path}"
        self.tcp = self._address(ports)
        if self.tcp is None:
            said = self._said()
            self.__exit__()
            raise Failed(f"the server did not start: {shlex.join(self.command)}\n{said}")
        return self

    def _address(self, ports):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if os.path.exists(ports):
                with open(ports, encoding="utf-8") as f:
                    return dict(line.split(maxsplit=1) for line in f.read().splitlines())["listen"]
            time.sleep(0.005)
        return None

    def _said(self):
        self.log.seek(0)
        return self.log.read()

    def memory(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as f:
            status = dict(line.split(":", 1) for line in f)
        return {name: int(status[key].split()[0]) * 1024 for name, key in MEMORY.items()}

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        said = self._said()
        if said:
            print(f"bench: the server said: {said}", file=sys.stderr)
        self.log.close()
        shutil.rmtree(self.folder)


def end_group(process):
    """A contestant may have workers of its own: all are in its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def measure(command, environment=None):
    """The report of one run, a JSON object in a line of its own. What it leaves in TMPDIR goes."""
    with tempfile.TemporaryDirectory(prefix="gradfold-bench-", ignore_cleanup_errors=True) as tmp:
        variables = {**os.environ, **(environment or {}), "TMPDIR": tmp}
        process = subprocess.Popen(command, env=variables, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   start_new_session=True, preexec_fn=end_with_parent)
        try:
            out, err = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"{shlex.join(command)}: not finished after {RUN_SECONDS} s") from None
        finally:
            end_group(process)
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if process.returncode != 0 or len(lines) != 1:
        raise Failed(f"{shlex.join(command)}: status {process.returncode}\n{out}{err}")
    return json.loads(lines[0])
