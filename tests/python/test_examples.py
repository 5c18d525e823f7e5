"""The workers in client/examples, as programs of their own."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import HERE
from server import SCALE

EXAMPLES = os.path.join(HERE, "../../client/examples")
sys.path.insert(0, EXAMPLES)

import digits  # noqa: E402
import numpy_worker  # noqa: E402


def run_all(commands):
    """The programs side by side; what they printed."""
    environment = {**os.environ, "PYTHONPATH": os.path.join(HERE, "../../client/python")}
    started = [subprocess.Popen([sys.executable, *command], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
               for command in commands]
    try:
        said = [process.communicate(timeout=60 * SCALE)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for process, text in zip(started, said):
        assert process.returncode == 0, text
    return said


def test_numpy_workers_end_with_the_weights_of_the_exact_mean(address, tmp_path):
    workers, steps = 3, 100
    files = [str(tmp_path / f"{worker}.npz") for worker in range(workers)]
    said = run_all([[f"{EXAMPLES}/numpy_worker.py", "--server", address, "--job", "numpy-example",
                     "--worker", str(worker), "--workers", str(workers), "--steps", str(steps),
                     "--weights", files[worker]] for worker in range(workers)])
    assert "step 100: test accuracy" in said[0]
    weights = {"weight": np.zeros((64, 10), np.float32), "bias": np.zeros(10, np.float32)}
    training, test = digits.load()
    for step in range(steps):
        mine = [numpy_worker.gradients(weights, *digits.batch(*training, worker, workers, step))
                for worker in range(workers)]
        for name, array in weights.items():
            total = sum(m[name].astype(np.float64) for m in mine)
            array -= 0.5 * (total / workers).astype(np.float32)
    for file in files:
        with np.load(file) as found:
            for name, array in weights.items():
                assert np.array_equal(found[name], array)
    assert numpy_worker.accuracy(weights, *test) > 0.9


@pytest.mark.training
def test_a_torch_worker_goes_on_from_its_checkpoint(address, tmp_path):
    """Four of them, one of which is killed: test_digits.py."""
    torch = pytest.importorskip("torch")

    def command(rank, steps):
        return [f"{EXAMPLES}/torch_worker.py", "--server", address, "--job", "torch-example",
                "--rank", str(rank), "--world-size", "2", "--steps", str(steps),
                "--checkpoint", str(tmp_path / f"checkpoint-{rank}"),
                "--weights", str(tmp_path / f"weights-{rank}")]

    run_all([command(rank, 20) for rank in range(2)])
    said = run_all([command(rank, 60) for rank in range(2)])
    for rank in range(2):
        assert f"worker {rank} is back, and goes on with step 20" in said[rank]
    assert "step 60: loss" in said[0]
    first, second = (torch.load(tmp_path / f"weights-{rank}") for rank in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
