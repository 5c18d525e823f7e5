"""What is measured: each row is one situation and all contestants in it."""

import os
import statistics
import sys
from dataclasses import dataclass, field

from process import Failed

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# key of a report, heading, digits
ROUND = (("round_ms", "round ms", 3), ("push_gbps", "push GB/s", 2), ("pull_gbps", "pull GB/s", 2))
PIPELINED = (("pushes_per_s", "pushes/s", 0),)
ONE = (("p50_us", "p50 µs", 1), ("p99_us", "p99 µs", 1))
MEMORY = (("peak_models", "peak, models", 2), ("peak_mib", "peak MiB", 0),
          ("private_mib", "private MiB", 0), ("shared_mib", "shared MiB", 0))
SMALL_ROUND = 10000     # pushes of a round


def bytes_text(n):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if n % unit == 0:
            return f"{n // unit} {name}"
    return f"{n} bytes"


@dataclass
class Row:
    kind: str
    title: str
    settings: dict
    figures: tuple
    contestants: list
    results: dict = field(default_factory=dict)     # name: reports, one a run
    failures: dict = field(default_factory=dict)    # name: what happened
    load_after: float = 0

    def take_turns(self, runs):
        """All run once, then all again: whatever else the machine does meets all alike."""
        self.results = {c.name: [] for c in self.contestants}
        for run in range(runs):
            for c in self.contestants:
                if c.name in self.failures:
                    continue
                try:
                    self.results[c.name].append(c.once())
                except Failed as problem:
                    self.failures[c.name] = str(problem)
                    print(f"bench: {problem}", file=sys.stderr)
            print(f"bench: {self.title}: run {run + 1} of {runs}", file=sys.stderr)
        self.load_after = os.getloadavg()[0]

    def spread(self, name, key):
        """(min, median, max) of the runs; None if it has no such figure."""
        values = [r[key] for r in self.results.get(name, []) if key in r]
        return (min(values), statistics.median(values), max(values)) if values else None

    def ratio(self, name, peer, key):
        """The same of name's figure by peer's, run by run."""
        pairs = zip(self.results.get(name, []), self.results.get(peer, []))
        values = [a[key] / b[key] for a, b in pairs if key in a and key in b]
        return (min(values), statistics.median(values), max(values)) if values else None


def words(workers, size, rounds, **more):
    return [f"workers={workers}", f"bytes={size}", f"rounds={rounds}",
            *(f"{key.replace('_', '-')}={value}" for key, value in more.items())]


def rounds_of(chosen, size):
    """More of what is over sooner."""
    return max(chosen.rounds, min(200, chosen.rounds * 64 * MIB // size)) if chosen.rounds > 2 \
        else chosen.rounds


def round_row(bench, chosen, workers, size, touch):
    w = words(workers, size, rounds_of(chosen, size), **({"touch": 1} if touch else {}))
    contestants = [bench.gradfold_round(over, w) for over in chosen.transports]
    contestants += [bench.raw(over, w) for over in ("tcp", "unix") if over in chosen.transports]
    contestants += [bench.mpi(over, workers, w) for over in ("tcp", "shm")]
    contestants += [bench.gloo(w)] if workers > 1 else []
    title = f"round, {workers} worker{'s' * (workers > 1)}, {bytes_text(size)} each"
    return Row("round", title + (", all memory written and read" if touch else ""),
               {"workers": workers, "bytes": size, "touch": touch}, ROUND,
               bench.present(contestants))


def round_rows(bench, chosen, skipped):
    if 1 in chosen.workers:
        skipped.append("gloo all_reduce with 1 worker: it has nobody to exchange with")
    for size in chosen.sizes:
        for workers in chosen.workers:
            for touch in (False, True) if chosen.touch else (False,):
                yield round_row(bench, chosen, workers, size, touch)


def many_rows(bench, chosen, skipped):
    skipped.append("gloo all_reduce with many tensors: its users put them into one buffer before")
    for tensors in chosen.tensors:
        size = tensors * KIB
        w = words(1, size, rounds_of(chosen, size), tensors=tensors)
        one = [*w[:-1], "tensors=1"]
        contestants = [bench.gradfold_round(over, w) for over in chosen.transports]
        contestants += [bench.gradfold_round(over, one, "gradfold, as one tensor,")
                        for over in chosen.transports]
        contestants += [bench.raw("tcp", one)]
        contestants += [bench.mpi(over, 1, w) for over in ("tcp", "shm")]
        yield Row("many", f"{tensors:,} tensors of 1 KiB in one push, 1 worker",
                  {"workers": 1, "bytes": size, "tensors": tensors}, ROUND,
                  bench.present(contestants))


def small_row(bench, chosen, title, mode, pushes, figures):
    w = [f"pushes={pushes}", f"round={min(pushes, SMALL_ROUND)}", f"mode={mode}"]
    contestants = [bench.gradfold(f"gradfold {over}, {by}", program, over, w)
                   for over in ("tcp", "unix") if over in chosen.transports
                   for by, program in (("library", "small_library"), ("frames", "small_frames"))]
    contestants.append(bench.program("echo tcp, frames", "small_frames", ["address=echo", *w]))
    return Row("small", title, {"mode": mode, "pushes": pushes}, figures, contestants)


def small_rows(bench, chosen, _):
    yield small_row(bench, chosen, "64-byte pushes over one connection, 1,024 at once",
                    "pipelined", chosen.pushes, PIPELINED)
    yield small_row(bench, chosen, "64-byte pushes, one at a time", "one",
                    max(chosen.pushes // 20, 100), ONE)


def accumulation_rows(bench, chosen, _):
    workers, size = max(chosen.workers), max(chosen.sizes)
    contestants = []
    for over in chosen.transports:
        for how in ("exact", "in-order"):
            w = words(workers, size, rounds_of(chosen, size), accumulation=how)
            contestants.append(bench.gradfold_round(over, w, f"gradfold {how}"))
    yield Row("accumulation", f"EXACT and IN_ORDER, {workers} workers, {bytes_text(size)} each",
              {"workers": workers, "bytes": size}, ROUND, contestants)


class Weighed:
    """A contestant whose server's memory is what counts."""

    def __init__(self, contestant, model):
        self.contestant, self.name, self.model = contestant, contestant.name, model

    @property
    def command(self):
        return self.contestant.command

    def once(self):
        report = self.contestant.once()
        mib = {key.replace("bytes", "mib"): report[key] / MIB
               for key in ("peak_bytes", "private_bytes", "shared_bytes")}
        return {**report, **mib, "peak_models": report["peak_bytes"] / self.model}


def memory_rows(bench, chosen, skipped):
    skipped.append("peers in the memory row: MPI and gloo have no server that holds a round")
    workers, size = max(chosen.workers), max(chosen.sizes)
    w = words(workers, size, chosen.rounds)
    staging = max(2 * size, MIB)
    contestants = [bench.gradfold_round(over, w) for over in chosen.transports]
    contestants += [bench.gradfold_round(over, w, f"--staging-bytes {bytes_text(staging)},",
                                         ["--staging-bytes", str(staging)])
                    for over in chosen.transports]
    yield Row("memory", f"peak memory of the server, {workers} workers, {bytes_text(size)} each",
              {"workers": workers, "bytes": size, "staging": staging}, MEMORY,
              [Weighed(c, size) for c in contestants])


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("MemAvailable"))


def giant_rows(bench, chosen, skipped):
    """The worker holds the gradient and the sums, the server staging and two rounds of results."""
    size = chosen.giant
    need = 5 * size + size // 4
    if available_bytes() < need + 2 * GIB:
        skipped.append(f"giant: {bytes_text(size)} would need {bytes_text(need)} of free memory "
                       "and 2 GiB to spare")
        return
    room = str(size + size // 8)
    server = ["--max-body-bytes", room, "--staging-bytes", room,
              "--result-bytes", str(2 * size + size // 4)]
    w = words(1, size, 3)
    contestants = [bench.gradfold_round(over, [*w, "retain=1"], server=server)
                   for over in chosen.transports]
    yield Row("giant", f"one tensor of {bytes_text(size)}, 1 worker",
              {"workers": 1, "bytes": size}, ROUND, [*contestants, bench.raw("tcp", w)])


KINDS = {"round": round_rows, "many": many_rows, "small": small_rows,
         "accumulation": accumulation_rows, "memory": memory_rows, "giant": giant_rows}
