"""The targets, and how far they were met in this run. Ratios are taken run by run; their median
counts. Targets of rounds are stated for 64 MiB, most for 4 workers: for anything else, and for
memory that is written and read besides, nothing is decided."""

from rows import MIB, bytes_text

STEADY_PUSHES = 5000    # fewer measure how it begins

class Target:
    """what is wanted, as text, and whether `measured` (min, median, max) is enough; decided only
    when the row is what the target is stated for."""

    def __init__(self, what, wanted, enough, measured, stated, digits=2):
        self.what, self.measured, self.digits = what, measured, digits
        self.wanted = wanted if stated else "-"
        self.met = enough(measured[1]) if measured and stated else None

    def verdict(self):
        if self.measured is None:
            return "not measured"
        return {True: "met", False: "NOT MET", None: "no target"}[self.met]


def at_least(limit):
    return lambda value: value >= limit


def at_most(limit):
    return lambda value: value <= limit


def inverse(spread):
    """Of times a by b, how many times faster a is."""
    return spread and tuple(1 / value for value in reversed(spread))


def _rounds(rows):
    """The round rows of the largest size."""
    found = [r for r in rows if r.kind == "round"]
    size = max((r.settings["bytes"] for r in found), default=0)
    return [r for r in found if r.settings["bytes"] == size]


def _where(row):
    touched = ", written and read" if row.settings["touch"] else ""
    return f"W={row.settings['workers']}, {bytes_text(row.settings['bytes'])}{touched}"


def _is_full(row):
    return row.settings["workers"] == 4 and row.settings["bytes"] == 64 * MIB


def _of_most_workers(row):
    where, stated = _where(row), _is_full(row) and not row.settings["touch"]
    yield Target(f"shm round, {where}: times faster than MPI shm", ">= 2.5", at_least(2.5),
                 inverse(row.ratio("gradfold shm", "MPI_Accumulate shm", "round_ms")), stated)
    yield Target(f"shm round, {where}: times faster than gloo", ">= 7", at_least(7),
                 inverse(row.ratio("gradfold shm", "gloo all_reduce", "round_ms")), stated)
    yield Target(f"TCP round, {where}: gloo's time", "<= 1.2", at_most(1.2),
                 row.ratio("gradfold tcp", "gloo all_reduce", "round_ms"), stated)


def _of_each(row):
    where, stated = _where(row), row.settings["bytes"] == 64 * MIB and not row.settings["touch"]
    for figure in ("push", "pull"):
        yield Target(f"TCP {figure}, {where}: raw sockets' GB/s", ">= 0.9", at_least(0.9),
                     row.ratio("gradfold tcp", "raw sockets tcp", f"{figure}_gbps"), stated)
    yield Target(f"TCP push, {where}: MPI_Accumulate's GB/s over TCP", ">= 2", at_least(2),
                 row.ratio("gradfold tcp", "MPI_Accumulate tcp", "push_gbps"), stated)


def _of_small(row):
    stated = row.settings["pushes"] >= STEADY_PUSHES
    for by in ("frames", "library"):
        ours = f"gradfold tcp, {by}"
        if row.settings["mode"] == "pipelined":
            yield Target(f"64-byte pushes pipelined, TCP, {by}: a second", ">= 500,000",
                         at_least(500000), row.spread(ours, "pushes_per_s"), stated, digits=0)
        else:
            yield Target(f"64-byte push, one at a time, TCP, {by}: echo's p50", "<= 1.5",
                         at_most(1.5), row.ratio(ours, "echo tcp, frames", "p50_us"), stated)


def _of_accumulation(row):
    for over in ("tcp", "unix", "shm"):
        ratio = row.ratio(f"gradfold exact {over}", f"gradfold in-order {over}", "round_ms")
        if ratio:
            yield Target(f"EXACT round, {over}: IN_ORDER's time", "<= 1.1", at_most(1.1), ratio,
                         _is_full(row))


def _of_memory(row):
    for name in row.results:
        if name.startswith("gradfold"):
            yield Target(f"peak memory of the server, EXACT, {name}: models", "<= 8", at_most(8),
                         row.spread(name, "peak_models"), _is_full(row))


OF_KIND = {"small": _of_small, "accumulation": _of_accumulation, "memory": _of_memory}


def targets(rows):
    rounds = _rounds(rows)
    most = max((r.settings["workers"] for r in rounds), default=0)
    for row in rounds:
        if row.settings["workers"] == most:
            yield from _of_most_workers(row)
    for row in rounds:
        yield from _of_each(row)
    for row in rows:
        if row.kind in OF_KIND:
            yield from OF_KIND[row.kind](row)
