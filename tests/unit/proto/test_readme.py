"""The conversation in proto/README.md, byte for byte, with a server.

usage: test_readme.py GRADFOLDD README.md"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time

SECONDS = 30


def conversation(readme):
    """The lines of the hex block: ('>', bytes), ('<', bytes), ('<', None) for any answer."""
    with open(readme, encoding="utf-8") as f:
        block = re.search(r"^```hex\n(.*?)^```$", f.read(), re.DOTALL | re.MULTILINE).group(1)
    for line in block.splitlines():
        if line[0] in "<>":
            yield line[0], None if "*" in line else bytes.fromhex(line[1:])


def start(gradfoldd, folder):
    port_file = os.path.join(folder, "ports")
    server = subprocess.Popen([gradfoldd, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                               "--port-file", port_file], stderr=subprocess.DEVNULL)
    end = time.monotonic() + SECONDS
    while not os.path.exists(port_file):
        if time.monotonic() > end or server.poll() is not None:
            sys.exit("gradfoldd did not start")
        time.sleep(0.02)
    with open(port_file, encoding="ascii") as f:
        listen = next(line.split()[1] for line in f if line.startswith("listen "))
    return server, int(listen.rpartition(":")[2])


def receive_frame(connection):
    prefix = connection.recv(16, socket.MSG_WAITALL)
    size = int.from_bytes(prefix[4:8], "little") + int.from_bytes(prefix[8:16], "little")
    return prefix + connection.recv(size, socket.MSG_WAITALL)


def talk(connection, lines):
    answers = 0
    for direction, expected in lines:
        if direction == ">":
            connection.sendall(expected)
            continue
        got = receive_frame(connection)
        if expected is not None:
            answers += 1
            if got != expected:
                sys.exit(f"answered   {got.hex()}\ndocumented {expected.hex()}")
    return answers


def main():
    gradfoldd, readme = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        server, port = start(gradfoldd, folder)
        try:
            with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
                answers = talk(connection, conversation(readme))
        finally:
            server.terminate()
            server.wait(SECONDS)
    if answers != 2:
        sys.exit(f"{answers} answers compared instead of 2")


if __name__ == "__main__":
    main()
