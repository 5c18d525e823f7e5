"""The program in client/README.md, run as it says there: two workers, one server. One worker is
linked with the shared library, the other with the static one.

usage: test_readme.py GRADFOLDD PROGRAM PROGRAM_STATIC"""

import os
import subprocess
import sys
import tempfile
import time

SECONDS = 30
EXPECTED = "2 workers: weight[5] = 12, bias[2] = 0.25\n"


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


def main():
    gradfoldd, *programs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        port_file = os.path.join(folder, "ports")
        server = subprocess.Popen([gradfoldd, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                                   "--port-file", port_file], stderr=subprocess.DEVNULL)
        try:
            at = address(port_file, server)
            workers = [subprocess.Popen([program, at, "readme", str(i)], stdout=subprocess.PIPE,
                                        text=True)
                       for i, program in enumerate(programs)]
            outputs = [worker.communicate(timeout=SECONDS)[0] for worker in workers]
        finally:
            server.terminate()
            server.wait(SECONDS)
    for output in outputs:
        if output != EXPECTED:
            sys.exit(f"printed {output!r}, expected {EXPECTED!r}")


if __name__ == "__main__":
    main()
