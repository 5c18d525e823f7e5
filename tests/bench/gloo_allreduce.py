#!/usr/bin/python3
"""The peer without a server: torch's gloo all_reduce over loopback TCP, one process a worker.

usage: gloo_allreduce.py workers=N bytes=N rounds=N [warm-up=N] [touch=1]

The same moments as bench.h has: workers meet at a barrier of the C library in shared memory, before
the round and after it. It adds in place, so the gradient is written anew before each round, outside
of all times. Nothing is pushed or pulled: only rounds have a time."""

import ctypes
import json
import mmap
import os
import signal
import statistics
import sys
import tempfile
import time

os.environ.update(GLOO_SOCKET_IFNAME="lo", OMP_NUM_THREADS="1")
import torch                        # noqa: E402: it reads its variables when it is imported
import torch.distributed as dist    # noqa: E402

BARRIER_BYTES = 64      # more than pthread_barrier_t has
FACTORS = 7             # a worker's elements are its number times 1 ... FACTORS, by round
PR_SET_PDEATHSIG = 1
C = ctypes.CDLL(None, use_errno=True)


def shared_barrier(workers):
    memory = mmap.mmap(-1, BARRIER_BYTES)
    barrier = ctypes.c_char.from_buffer(memory)
    attributes = ctypes.create_string_buffer(BARRIER_BYTES)
    C.pthread_barrierattr_init(attributes)
    C.pthread_barrierattr_setpshared(attributes, 1)
    if C.pthread_barrier_init(ctypes.byref(barrier), attributes, workers) != 0:
        sys.exit("gloo_allreduce: no barrier")
    return ctypes.byref(barrier)


def rank(number, bench, barrier, arrival, store):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=number,
                            world_size=bench["workers"])
    gradient = torch.empty(bench["bytes"] // 4)
    words = gradient.view(torch.int64)
    for r in range(bench["warm-up"] + bench["rounds"]):
        factor = 1 + r % FACTORS
        gradient.fill_((number + 1) * factor)
        arrival[2 * r][number] = time.monotonic()
        C.pthread_barrier_wait(barrier)
        dist.all_reduce(gradient)
        if bench["touch"]:
            words.sum()
        arrival[2 * r + 1][number] = time.monotonic()
        C.pthread_barrier_wait(barrier)
        if not bool((gradient == bench["workers"] * (bench["workers"] + 1) // 2 * factor).all()):
            sys.exit("gloo_allreduce: a wrong sum")


def fork_rank(number, *rest):
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    C.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    status = 1
    try:
        rank(number, *rest)
        status = 0
    except SystemExit as problem:
        print(problem, file=sys.stderr)
    finally:
        os._exit(status)


def main():
    bench = {"warm-up": 4, "touch": 0}
    try:
        bench.update((key, int(value)) for key, value in (w.split("=") for w in sys.argv[1:]))
    except ValueError:
        sys.exit(__doc__)
    if bench.keys() != {"warm-up", "touch", "workers", "bytes", "rounds"}:
        sys.exit(__doc__)
    meetings = 2 * (bench["warm-up"] + bench["rounds"])
    barrier = shared_barrier(bench["workers"])
    memory = mmap.mmap(-1, meetings * bench["workers"] * 8)
    arrival = (ctypes.c_double * bench["workers"] * meetings).from_buffer(memory)
    with tempfile.TemporaryDirectory(prefix="gradfold-bench-") as folder:
        pids = {fork_rank(n, bench, barrier, arrival, os.path.join(folder, "store"))
                for n in range(bench["workers"])}
        while pids:
            pid, status = os.wait()
            pids.discard(pid)
            if status != 0:     # the others wait at the barrier: they end with this process
                sys.exit("gloo_allreduce: a worker failed")
    last = [max(workers) for workers in arrival]
    rounds = [end - start for start, end in zip(last[::2], last[1::2])][bench["warm-up"]:]
    print(json.dumps({"round_ms": statistics.median(rounds) * 1e3, "sum": "right"}))


if __name__ == "__main__":
    main()
