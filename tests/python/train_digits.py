"""Trains on the digits with four worker processes, in all the ways that test_digits.py judges.

usage: train_digits.py GRADFOLDD-ADDRESS FOLDER

Prints one JSON object. A program of its own, because its workers are forks of it: PyTorch is
imported once, and no fork may come after a backward pass.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import random
import signal
import statistics
import sys
import time
from datetime import timedelta

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../../client/python"),
                os.path.join(HERE, "../../client/examples")]

import digits  # noqa: E402
import torch  # noqa: E402
import torch.distributed  # noqa: E402
import torch_worker  # noqa: E402

import gradfold  # noqa: E402
import gradfold.torch  # noqa: E402

WORKERS = 4
STEPS = 150
RUNS = 5
PR_SET_PDEATHSIG = 1
SCALE = float(os.environ.get("GRADFOLD_TEST_SCALE", "1"))
DDP_TIMEOUT = 20 * SCALE


def fork(body, log):
    """A process that runs body; what it prints goes to the file."""
    child = os.fork()
    if child:
        return child
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # if the parent is stopped
    status = 1
    try:
        with open(log, "a", encoding="utf-8") as file, contextlib.redirect_stdout(file), \
                contextlib.redirect_stderr(file):
            try:
                body()
                status = 0
            except BaseException:
                import traceback
                traceback.print_exc()
    finally:
        os._exit(status)


def wait_all(children, seconds=60 * SCALE):
    """{rank: exit status}; whoever is not done in time is ended (status -9)."""
    left, statuses = dict(children), {}
    end = time.monotonic() + seconds
    while left:
        for rank, child in list(left.items()):
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
            done, status = os.waitpid(child, os.WNOHANG if time.monotonic() <= end else 0)
            if done:
                statuses[rank] = os.waitstatus_to_exitcode(status)
                del left[rank]
        time.sleep(0.005)
    return statuses


def sha_of(model):
    state = b"".join(p.detach().numpy().tobytes() for p in model.parameters())
    return hashlib.sha256(state).hexdigest()[:16]


def sha_of_file(path):
    model = torch_worker.network()
    model.load_state_dict(torch.load(path))
    return sha_of(model)


# -- The example, with a worker that is killed and started again ----------------------------------

def kill_in_mid_training(address, job, child, rng):
    """SIGKILL once the job has come to some round in its middle."""
    target = rng.randrange(STEPS // 4, STEPS * 3 // 4)
    with gradfold.connect(address) as client:
        end = time.monotonic() + 60 * SCALE
        reached = 0
        while reached < target and time.monotonic() < end:
            with contextlib.suppress(gradfold.NotFound):
                reached = client.describe(job).open_round
            time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def accident(address, folder, run):
    """A whole training of which one worker is killed; random delays."""
    rng = random.Random(run)
    job, log, victim = f"accident-{run}", os.path.join(folder, f"accident-{run}.log"), run % WORKERS

    def start(rank):
        arguments = ["--server", address, "--job", job, "--rank", str(rank), "--world-size",
                     str(WORKERS), "--steps", str(STEPS), "--delay-ms", "3",
                     "--checkpoint", f"{folder}/{job}-{rank}.checkpoint",
                     "--weights", f"{folder}/{job}-{rank}.weights"]
        return fork(lambda: torch_worker.main(arguments), log)

    started = time.monotonic()
    children = {rank: start(rank) for rank in range(WORKERS)}
    kill_in_mid_training(address, job, children[victim], rng)
    children[victim] = start(victim)
    statuses = wait_all(children)
    with open(log, encoding="utf-8") as file:
        said = file.read()
    return {"statuses": sorted(statuses.values()), "log": said[-3000:],
            "back": f"worker {victim} is back, and goes on with step " in said,
            "seconds": time.monotonic() - started,
            "weights": [sha_of_file(f"{folder}/{job}-{rank}.weights") for rank in range(WORKERS)
                        if statuses[rank] == 0]}


def alone():
    """The same training in one process and without a server: the exact mean, in plain sight."""
    torch.manual_seed(1)
    model = torch_worker.network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    training, test = digits.load()
    for step in range(STEPS):
        totals = [torch.zeros_like(p, dtype=torch.float64) for p in model.parameters()]
        for rank in range(WORKERS):
            opt.zero_grad(set_to_none=True)
            images, labels = torch_worker.tensors(digits.batch(*training, rank, WORKERS, step))
            torch.nn.functional.cross_entropy(model(images), labels).backward()
            for total, p in zip(totals, model.parameters()):
                total += p.grad.double()
        for total, p in zip(totals, model.parameters()):
            p.grad = (total / WORKERS).float()
        opt.step()
    return {"weights": sha_of(model),
            "accuracy": torch_worker.accuracy(model, *torch_worker.tensors(test))}


# -- Side by side with DistributedDataParallel over gloo ------------------------------------------

def loop(model, opt, rank, result):
    """The plain loop; writes accuracy, times and weights."""
    training, test = digits.load()
    times = []
    for step in range(STEPS):
        images, labels = torch_worker.tensors(digits.batch(*training, rank, WORKERS, step))
        started = time.monotonic()
        opt.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        opt.step()
        times.append(time.monotonic() - started)
    with open(result, "w", encoding="utf-8") as file:
        json.dump({"accuracy": torch_worker.accuracy(model, *torch_worker.tensors(test)),
                   "step_ms": 1000 * statistics.median(times[10:]), "weights": sha_of(model)}, file)


def setting():
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = torch_worker.network()
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def with_gradfold(address, job, rank, result):
    model, opt = setting()
    with gradfold.torch.DistributedOptimizer(opt, model, address, rank=rank, world_size=WORKERS,
                                             job=job) as opt:
        loop(model, opt, rank, result)


def with_ddp(store, rank, result):
    model, opt = setting()
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank,
                                         world_size=WORKERS,
                                         timeout=timedelta(seconds=DDP_TIMEOUT))
    loop(torch.nn.parallel.DistributedDataParallel(model), opt, rank, result)


def undisturbed(name, folder, body):
    """body(rank, file for the result) in four processes: what worker 0 says."""
    results = [f"{folder}/{name}-{rank}.json" for rank in range(WORKERS)]
    log = f"{folder}/{name}.log"
    children = {rank: fork(lambda: body(rank, results[rank]), log) for rank in range(WORKERS)}
    statuses = wait_all(children)
    if any(statuses.values()):
        with open(log, encoding="utf-8") as file:
            raise RuntimeError(f"{name}: {statuses}\n{file.read()[-3000:]}")
    found = []
    for result in results:
        with open(result, encoding="utf-8") as file:
            found.append(json.load(file))
    return {**found[0], "same": len({f["weights"] for f in found}) == 1}


def ddp_loses_a_worker(folder):
    """What the three that are left come to when the fourth is killed."""
    log, store = f"{folder}/ddp-dies.log", f"{folder}/ddp-dies.store"

    def body(rank):
        if rank == WORKERS - 1:  # it kills itself in mid-training
            model, opt = setting()
            step = opt.step
            calls = iter(range(STEPS))
            opt.step = lambda: (os.kill(os.getpid(), signal.SIGKILL)
                                if next(calls) == STEPS // 2 else step())
            torch.distributed.init_process_group(
                "gloo", init_method=f"file://{store}", rank=rank, world_size=WORKERS)
            loop(torch.nn.parallel.DistributedDataParallel(model), opt, rank, os.devnull)
        with_ddp(store, rank, f"{folder}/ddp-dies-{rank}.json")

    children = {rank: fork(lambda: body(rank), log) for rank in range(WORKERS)}
    os.waitpid(children.pop(WORKERS - 1), 0)
    started = time.monotonic()
    statuses = wait_all(children, 3 * DDP_TIMEOUT)
    with open(log, encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if "Error" in line]
    return {"finished": sum(status == 0 for status in statuses.values()),
            "seconds": time.monotonic() - started, "error": lines[-1] if lines else ""}


def main():
    address, folder = sys.argv[1:]
    torch.set_num_threads(1)
    result = {"accidents": [accident(address, folder, run) for run in range(RUNS)]}
    pairs = []
    for turn in range(2):  # in turn, so that a busy machine is the same to both
        pairs.append((
            undisturbed(f"gradfold-{turn}", folder, lambda rank, file: with_gradfold(
                address, f"undisturbed-{turn}", rank, file)),
            undisturbed(f"ddp-{turn}", folder, lambda rank, file: with_ddp(
                f"{folder}/ddp-{turn}.store", rank, file))))
    result["gradfold"] = min((p[0] for p in pairs), key=lambda r: r["step_ms"])
    result["ddp"] = min((p[1] for p in pairs), key=lambda r: r["step_ms"])
    result["ddp_dies"] = ddp_loses_a_worker(folder)
    result["alone"] = alone()  # the last: no fork may come after it
    print(json.dumps(result))


if __name__ == "__main__":
    main()
