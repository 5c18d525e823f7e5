"""The handwritten digits for numpy_worker.py and torch_worker.py: who trains on which."""

import os

import numpy as np

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/data/digits.csv")


def load(path=DATA):
    """(training images, their digits), (test images, their digits): images are float32 [n, 64]
    from 0 to 1. Every fifth image is kept for the test."""
    table = np.loadtxt(path, delimiter=",", dtype=np.int64)
    images, digits = (table[:, :64] / 16).astype(np.float32), table[:, 64]
    test = np.arange(len(table)) % 5 == 4
    return (images[~test], digits[~test]), (images[test], digits[test])


def batch(images, digits, worker, workers, step, size=32):
    """What this worker looks at in this step: image i belongs to worker i mod workers. It depends
    on nothing else, so that a step that is done again sees the same."""
    mine = np.arange(worker, len(images), workers)
    chosen = mine[(step * size + np.arange(size)) % len(mine)]
    return images[chosen], digits[chosen]
