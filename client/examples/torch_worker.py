#!/usr/bin/python3
"""A PyTorch worker: an ordinary training loop, and one line that makes it distributed.

    gradfoldd &
    for rank in 0 1 2 3; do
        client/examples/torch_worker.py --rank $rank --world-size 4 --checkpoint /tmp/worker-$rank &
    done

Kill one of them (kill -9) while they run, and start it again with the same line: the others wait,
it goes on from its checkpoint, and the trained weights have the same bits as without the accident.
"""

import argparse
import random
import time

import digits
import torch

import gradfold.torch


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", default="127.0.0.1:7433")
    parser.add_argument("--job", default="torch-digits", help="a new run takes a new name")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--world-size", type=int, default=1)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--checkpoint", help="file to go on from, written every step")
    parser.add_argument("--weights", help="file for the trained weights")
    parser.add_argument("--delay-ms", type=float, default=0,
                        help="be late by up to so much in each step, at random")
    return parser.parse_args(arguments)


def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 48), torch.nn.ReLU(), torch.nn.Linear(48, 10))


def accuracy(model, images, labels):
    with torch.no_grad():
        return (model(images).argmax(dim=1) == labels).float().mean().item()


def tensors(pair):
    return tuple(torch.from_numpy(array) for array in pair)


def train(options, model, opt):
    training, test = digits.load()
    test = tensors(test)
    saved = options.checkpoint and gradfold.torch.load_checkpoint(options.checkpoint, model, opt)
    first = saved["step"] if saved else 0
    if saved:
        print(f"worker {options.rank} is back, and goes on with step {first}", flush=True)
    for step in range(first, options.steps):
        images, labels = tensors(
            digits.batch(*training, options.rank, options.world_size, step))
        opt.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        time.sleep(random.uniform(0, options.delay_ms / 1000))
        loss.backward()
        opt.step()
        if options.checkpoint:
            gradfold.torch.save_checkpoint(options.checkpoint, model, opt, step=step + 1)
        if options.rank == 0 and (step + 1) % 30 == 0:
            print(f"step {step + 1}: loss {loss.item():.4f}, test accuracy "
                  f"{100 * accuracy(model, *test):.1f} %", flush=True)


def main(arguments=None):
    options = options_of(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    # The one line:
    opt = gradfold.torch.DistributedOptimizer(opt, model, options.server, rank=options.rank,
                                              world_size=options.world_size, job=options.job)
    with opt:
        train(options, model, opt)
    if options.weights:
        torch.save(model.state_dict(), options.weights)


if __name__ == "__main__":
    main()
