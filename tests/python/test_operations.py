"""Operations under way: waiting, giving up, closing, forks and interrupts."""

import gc
import os
import signal
import threading
import time
import weakref

import numpy as np
import pytest
from server import SCALE, wait_until

import gradfold

W = np.arange(6, dtype=np.float32).reshape(2, 3)


class Interrupted(Exception):
    pass


@pytest.fixture
def job(client, name):
    return client.create_job(name, {"weight": W}, world_size=2)


def finish_round(client, job, number=0, workers=(0, 1)):
    for worker in workers:
        client.push(job, number, worker, 99, final=True)


def test_an_operation_goes_on_while_nobody_waits(client, job):
    push = client.push_async(job, 0, 0, 0, {"weight": W}, final=True)
    pull = client.pull_async(job, 0, {"weight": np.zeros_like(W)})
    wait_until(lambda: push.done, "the push")
    assert not pull.done
    assert client.push_pull_async(job, 0, 1, 0, {"weight": W}).wait()[0].round == 0
    sums = pull.wait()
    assert pull.done and pull.wait() is sums and push.wait().duplicate is False
    assert np.array_equal(sums["weight"], 2 * W)


def test_wait_any_returns_the_one_that_is_complete(client, job):
    pull = client.pull_async(job, 0)
    pushes = [client.push_async(job, 0, 0, i, {"weight": W}) for i in range(5)]
    seen = set()
    while pushes:
        found = gradfold.wait_any([pull, *pushes], timeout=20 * SCALE)
        assert found is not pull and found.done
        seen.add(found.wait().round)
        pushes.remove(found)
    with pytest.raises(TimeoutError):
        gradfold.wait_any([pull], timeout=0.02)
    with pytest.raises(TimeoutError):
        pull.wait(timeout=0)
    finish_round(client, job)
    assert gradfold.wait_any([pull]).wait().contributions == {"weight": 5} and seen == {0}
    with pytest.raises(ValueError, match="no operation"):
        gradfold.wait_any([])


def test_operations_of_different_clients_are_not_waited_for_together(client, address, job):
    with gradfold.connect(address) as other:
        operations = [c.pull_async(job, 0) for c in (client, other)]
        with pytest.raises(ValueError, match="different clients"):
            gradfold.wait_any(operations)
        for operation in operations:
            operation.cancel()


def test_errors_come_from_wait_however_often(client, job):
    push = client.push_async(job, 0, 0, 0, {"weight": W * np.nan})
    for _ in range(3):
        with pytest.raises(gradfold.NonFinite):
            push.wait()
    both = client.push_pull_async(job, 5, 0, 0, {"weight": W})
    with pytest.raises(gradfold.FutureRound):
        both.wait()


def test_giving_up(client, job):
    pull = client.pull_async(job, 0)
    pull.cancel()
    pull.cancel()
    assert pull.done
    with pytest.raises(gradfold.Cancelled, match="given up"):
        pull.wait()
    push = client.push_async(job, 0, 0, 0, {"weight": W})
    push.wait()
    push.cancel()
    assert push.wait().round == 0


def test_arrays_live_as_long_as_the_operation(client, job):
    array, into = W.copy(), np.empty_like(W)
    kept = [weakref.ref(array), weakref.ref(into)]
    operation = client.push_pull_async(job, 0, 0, 0, {"weight": array}, {"weight": into})
    del array, into
    gc.collect()
    assert all(ref() is not None for ref in kept)
    finish_round(client, job, workers=(1,))
    _, result = operation.wait()
    gc.collect()
    assert kept[0]() is None and kept[1]() is result["weight"]


def test_a_forgotten_operation_is_given_up_with_a_warning(client, job):
    array = np.empty_like(W)
    kept = weakref.ref(array)
    with pytest.warns(ResourceWarning, match="nobody waited"):
        client.pull_async(job, 0, {"weight": array})
        del array
        gc.collect()
    assert kept() is None
    finish_round(client, job)
    assert client.pull(job, 0)["weight"].sum() == 0


def test_closing_ends_what_other_threads_wait_for(address, name):
    client = gradfold.connect(address)
    job = client.create_job(name, {"weight": W}, 2)
    operation = client.pull_async(job, 0)
    failures = []

    def work():
        try:
            operation.wait()
        except gradfold.Cancelled as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: operation._waiting == 3, "three threads that wait")
    with pytest.raises(RuntimeError, match="another thread is waiting"):
        operation.cancel()
    client.close()
    for thread in threads:
        thread.join(20 * SCALE)
    assert len(failures) == 3 and operation.done


def test_many_threads_may_wait_for_one_operation(client, job):
    for number in range(20):
        operation = client.pull_async(job, number)
        threads = [threading.Thread(target=operation.wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        finish_round(client, job, number)
        for thread in threads:
            thread.join(20 * SCALE)
        assert operation.wait().round == number


@pytest.mark.parametrize("what", ["wait", "pull", "wait_any"])
def test_an_interrupt_gets_through(client, job, what):
    """A signal handler that raises, as Python's own for Ctrl-C does."""
    def handler(*_):
        raise Interrupted

    previous = signal.signal(signal.SIGALRM, handler)
    operation = client.pull_async(job, 0)
    calls = {"wait": operation.wait, "pull": lambda: client.pull(job, 0),
             "wait_any": lambda: gradfold.wait_any([operation])}
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Interrupted):
            calls[what]()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - started < 15 * SCALE  # the call's own time-out is 20
    finish_round(client, job)
    assert operation.wait().round == 0  # it went on


def child_of_fork(body):
    """Runs body in a forked child; its exit status: 0 when body returned true."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if body() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_is_told_and_harms_nobody(client, job, address):
    operation = client.pull_async(job, 0)

    def body():
        for call in (client.ping, lambda: operation.done, operation.wait, operation.cancel,
                     lambda: client.pull_async(job, 0)):
            try:
                call()
                return False
            except RuntimeError as refusal:
                if "fork" not in str(refusal):
                    return False
        operation.__del__()
        client.close()
        with gradfold.connect(address) as own:
            return own.describe(job).name == job.name

    assert child_of_fork(body) == 0
    finish_round(client, job)
    assert operation.wait().round == 0 and client.ping()
