"""Buffers and views with a real server: the same bits as over TCP, whoever dies or restarts.

usage: test_local.py GRADFOLDD WORKER"""

import os
import signal
import subprocess
import sys
import tempfile
import time

SECONDS = 60
ROUNDS = 4
SIZES = (4096, 256 << 10)    # below and above what a server keeps in segments


class Server:
    """gradfoldd in a folder, on the same port and socket however often it starts."""

    def __init__(self, gradfoldd, folder):
        self.ports = os.path.join(folder, "ports")
        self.socket = os.path.join(folder, "socket")
        self.gradfoldd = gradfoldd
        self.tcp = "127.0.0.1:0"
        self.start()

    def start(self):
        if os.path.exists(self.ports):
            os.unlink(self.ports)
        self.process = subprocess.Popen(
            [self.gradfoldd, "--listen", self.tcp, "--admin", "127.0.0.1:0", "--unix", self.socket,
             "--port-file", self.ports], stderr=subprocess.DEVNULL)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if os.path.exists(self.ports):
                with open(self.ports, encoding="ascii") as f:
                    for line in f:
                        if line.startswith("listen "):
                            self.tcp = line.split()[1]
                            return
            time.sleep(0.02)
        sys.exit("gradfoldd did not start")

    def stop(self):
        self.process.terminate()
        if self.process.wait(SECONDS) != 0:
            sys.exit("gradfoldd did not end well")


def worker(program, address, job, number, world_size, size, mode):
    command = [program, address, job, number, world_size, size, ROUNDS, mode]
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def output(process):
    text = process.communicate(timeout=SECONDS)[0]
    if process.returncode != 0:
        sys.exit(f"a worker ended with {process.returncode}")
    return text


def bits(processes):
    """What all of them print."""
    results = {output(p) for p in processes}
    if len(results) != 1:
        sys.exit(f"workers got different results: {results}")
    return results.pop()


def same_bits_on_every_way(program, server):
    """Over TCP, changed over from TCP, on the socket, and mixed."""
    expected = {}
    for size in SIZES:
        ways = {"tcp": [(server.tcp, "tcp")] * 3,
                "changed": [(server.tcp, "shared")] * 3,
                "socket": [(f"unix:{server.socket}", "shared")] * 3,
                "mixed": [(server.tcp, "tcp"), (server.tcp, "shared"),
                          (f"unix:{server.socket}", "shared")]}
        for way, workers in ways.items():
            got = bits([worker(program, address, f"{way}-{size}", i, len(workers), size, mode)
                        for i, (address, mode) in enumerate(workers)])
            if expected.setdefault(size, got) != got:
                sys.exit(f"{way}, {size} bytes: {got!r} instead of {expected[size]!r}")
    return expected


def a_killed_worker_harms_nobody(program, server, expected):
    for size in SIZES:
        job = f"killed-{size}"
        others = [worker(program, server.tcp, job, i, 3, size, "shared") for i in (0, 1)]
        victim = worker(program, server.tcp, job, 2, 3, size, "dies")
        victim.communicate(timeout=SECONDS)
        if victim.returncode != -signal.SIGKILL:
            sys.exit(f"the victim ended with {victim.returncode}")
        got = bits(others + [worker(program, server.tcp, job, 2, 3, size, "shared")])
        if got != expected[size]:
            sys.exit(f"after a kill, {size} bytes: {got!r} instead of {expected[size]!r}")


def a_restarted_server_finds_views_and_buffers(program, server):
    waiting = [worker(program, server.tcp, f"restart-{size}", 0, 1, size, "waits")
               for size in SIZES]
    for process in waiting:
        if process.stdout.readline() != "ready\n":
            sys.exit("a worker did not get through its first round")
    server.stop()
    server.start()
    for process in waiting:
        if process.communicate("go\n", timeout=SECONDS)[0] != "same\n":
            sys.exit("what a view showed has changed")


def main():
    gradfoldd, program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        server = Server(gradfoldd, folder)
        try:
            expected = same_bits_on_every_way(program, server)
            a_killed_worker_harms_nobody(program, server, expected)
            a_restarted_server_finds_views_and_buffers(program, server)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
