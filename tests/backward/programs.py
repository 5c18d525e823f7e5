"""The programs of this folder, run, and what they print, read."""

import functools
import os
import signal
import struct
import subprocess
import tempfile

import server
from server import wait_until
from wire import F32, F64, I64, SCALE

PACK = {I64: "q", F64: "d", F32: "f"}
# However slow everything is: less than tests/run waits for the suite, which can then say what hung.
SECONDS = 60  # for a pass
CALL_SECONDS = min(20 * SCALE, 40)
WAIT_MS = int(CALL_SECONDS * 1000 / 2)  # for a pull


def program(name):
    return os.path.join(server.BIN[0], "tests", name)


def scaled(count, least=2):
    """So many random cases, fewer where everything is slow."""
    return max(least, int(count / SCALE))


def bits(dtype, values):
    return struct.pack(f"<{len(values)}{PACK[dtype]}", *values)


def read_elements(dtype, words):
    return bits(dtype, [int(w) if dtype == I64 else float.fromhex(w) for w in words])


@functools.cache
def slots_of(tape):
    """The oracle's dense array of a tape to which nothing is added any more, in the form in which
    the programs' output is read: [(contributions, bytes)]."""
    return [(count, bits(tape.dtype, values)) for count, values in tape.backward_dense_from()]


def difference(tape, found, wanted):
    """None, or the first node whose slot is not as it should be, in words."""
    if len(found) != len(wanted):
        return f"{len(found)} nodes instead of {len(wanted)}"
    for id, (have, want) in enumerate(zip(found, wanted)):
        if have != want:
            return (f"node {id}, {tape.lines[1]}: {have[0]} contributions instead of {want[0]}, "
                    f"bytes {have[1][:64].hex()} instead of {want[1][:64].hex()}")
    return None


def run_local(texts):
    """backward_local: for each text "error …" or [(contributions, bytes)]."""
    with tempfile.TemporaryDirectory(prefix="gradfold-") as folder:
        paths = [os.path.join(folder, str(i)) for i in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        done = subprocess.run([program("backward_local"), *paths], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise AssertionError(f"backward_local: {done.returncode}\n{done.stderr[-3000:]}")
    results, slots = [], []
    for line in done.stdout.splitlines():
        kind, *words = line.split()
        if kind == "node":
            dtype = {"i64": I64, "f64": F64, "f32": F32}[texts[len(results)].split()[1]]
            assert int(words[0]) == len(slots)
            slots.append((int(words[1]), read_elements(dtype, words[2:])))
        elif kind == "error":
            slots = line
        else:
            results.append(slots)
            slots = []
    return results


class Worker:
    """One backward_worker; what it says goes to files, so that it survives its death."""

    def __init__(self, folder, name, arguments):
        self.out, self.err = (os.path.join(folder, f"{name}.{end}") for end in ("out", "err"))
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen([program("backward_worker"), *map(str, arguments)],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def ended(self):
        """None, or the exit status."""
        return self.process.poll()

    def killed(self):
        return self.ended() == -signal.SIGKILL

    def errors(self):
        with open(self.err, encoding="utf-8", errors="replace") as file:
            return file.read()

    def lines(self, kind):
        with open(self.out, encoding="ascii") as file:
            # of one that was killed, the last line may lack its end
            lines = [line.split() for line in file if line.endswith("\n")]
        return [words[1:] for words in lines if words[0] == kind]

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Crew:
    """The workers of one tape. victim: (worker, moment, push): dies there, and is started again."""

    def __init__(self, address, job, tape, owners, world_size, victim=None, twice=False):
        self.folder = tempfile.TemporaryDirectory(prefix="gradfold-")
        self.path = os.path.join(self.folder.name, "tape")
        with open(self.path, "w", encoding="ascii") as file:
            file.write(tape.text())
        self.common = [address, job, self.path, ",".join(map(str, owners)), world_size]
        self.victim, self.restarted, self.workers = victim, None, []
        for rank in range(world_size):
            more = ["twice"] if twice else []
            if victim and victim[0] == rank:
                more = victim[1:]
            self.workers.append(self._start(rank, str(rank), more))

    def _start(self, rank, name, more):
        return Worker(self.folder.name, name, [*self.common, rank, *more])

    def _finished(self):
        if self.victim and not self.restarted and self.workers[self.victim[0]].killed():
            self.restarted = self._start(self.victim[0], "again", [])
        expected_to_die = self.workers[self.victim[0]] if self.victim else None
        running = 0
        for worker in self.workers + ([self.restarted] if self.restarted else []):
            status = worker.ended()
            running += status is None
            if status not in (None, 0) and not (worker is expected_to_die and worker.killed()):
                raise AssertionError(f"a worker ended with {status}: {worker.errors()[-3000:]}")
        return not running

    def finish(self):
        wait_until(self._finished, "the end of all workers", SECONDS, 0.004)
        if self.victim and not self.restarted:
            raise AssertionError(f"{self.victim} did not die")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self.workers + ([self.restarted] if self.restarted else []):
            worker.stop()
        self.folder.cleanup()
