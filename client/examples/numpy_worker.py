#!/usr/bin/python3
"""A worker without any framework: softmax regression on the digits, gradients through gradfold.

    gradfoldd &
    for worker in 0 1 2; do client/examples/numpy_worker.py --worker $worker --workers 3 & done

All workers start with zeros, get the same mean gradients, to the bit, and so keep equal weights
although nobody ever sends weights.
"""

import argparse

import digits
import numpy as np

import gradfold


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="127.0.0.1:7433")
    parser.add_argument("--job", default="numpy-digits", help="a new run takes a new name")
    parser.add_argument("--worker", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--weights", help="file for the trained weights (.npz)")
    return parser.parse_args(arguments)


def gradients(weights, images, labels):
    """Of the mean cross-entropy: {"weight": [64, 10], "bias": [10]}, float32."""
    scores = images @ weights["weight"] + weights["bias"]
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    chances[np.arange(len(labels)), labels] -= 1
    chances /= len(labels)
    return {"weight": images.T @ chances, "bias": chances.sum(axis=0)}


def accuracy(weights, images, labels):
    scores = images @ weights["weight"] + weights["bias"]
    return (scores.argmax(axis=1) == labels).mean()


def train(client, options, weights):
    training, test = digits.load()
    job = client.create_job(options.job, weights, options.workers, reduction="mean")
    mean = {name: np.empty_like(array) for name, array in weights.items()}
    for step in range(options.steps):
        mine = gradients(weights, *digits.batch(*training, options.worker, options.workers, step))
        # One push a round: it is this worker's first (sequence 0) and last (final).
        client.push_pull(job, step, options.worker, 0, mine, mean)
        for name, array in weights.items():
            array -= 0.5 * mean[name]
        if options.worker == 0 and (step + 1) % 50 == 0:
            print(f"step {step + 1}: test accuracy {100 * accuracy(weights, *test):.1f} %",
                  flush=True)


def main(arguments=None):
    options = options_of(arguments)
    weights = {"weight": np.zeros((64, 10), np.float32), "bias": np.zeros(10, np.float32)}
    with gradfold.connect(options.server, name=f"numpy-{options.worker}") as client:
        train(client, options, weights)
    if options.weights:
        np.savez(options.weights, **weights)


if __name__ == "__main__":
    main()
