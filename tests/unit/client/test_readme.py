"""The programs in client/README.md, run as it says there: two workers, one server. Of the first one
worker is linked with the shared library, the other with the static one; of the second one comes by
the Unix socket, the other by TCP.

usage: test_readme.py GRADFOLDD PROGRAM PROGRAM_STATIC LOCAL_PROGRAM"""

import os
import subprocess
import sys
import tempfile
import time

SECONDS = 30
EXPECTED = "2 workers: weight[5] = 12, bias[2] = 0.25\n"
EXPECTED_LOCAL = "2 workers: weight[65535] = 5\n"


def address(port_file, server):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and server.poll() is None:
        if os.path.exists(port_file):
            with open(port_file, encoding="ascii") as f:
                for line in f:
                    if line.startswith("listen "):
                        return line.split()[1]
        time.sleep(0.02)
    sys.exit("gradfoldd did not start")


def run(job, *commands):
    """What the workers of a job print."""
    workers = [subprocess.Popen([program, address, job, str(i)], stdout=subprocess.PIPE, text=True)
               for i, (program, address) in enumerate(commands)]
    return [worker.communicate(timeout=SECONDS)[0] for worker in workers]


def main():
    gradfoldd, shared, static, local = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        port_file = os.path.join(folder, "ports")
        unix = os.path.join(folder, "socket")
        server = subprocess.Popen([gradfoldd, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                                   "--unix", unix, "--port-file", port_file],
                                  stderr=subprocess.DEVNULL)
        try:
            at = address(port_file, server)
            printed = [*run("readme", (shared, at), (static, at)),
                       *run("local", (local, f"unix:{unix}"), (local, at))]
        finally:
            server.terminate()
            server.wait(SECONDS)
    expected = [EXPECTED, EXPECTED, EXPECTED_LOCAL, EXPECTED_LOCAL]
    if printed != expected:
        sys.exit(f"printed {printed!r}, expected {expected!r}")


if __name__ == "__main__":
    main()
