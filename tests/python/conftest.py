"""What the tests share: one server a module, jobs with fresh names."""

import ctypes
import itertools
import os
import signal
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [os.path.join(HERE, "../../client/python"), os.path.join(HERE, "../integration")]

import server  # noqa: E402  (tests/integration's: starts, watches and stops a gradfoldd)

import gradfold  # noqa: E402

server.BIN[0] = os.environ["GRADFOLD_BIN"]
numbers = itertools.count(1)
PR_SET_PDEATHSIG = 1


def die_with_the_tests():
    """In a process that was just started: if the tests crash, it does not stay behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server on TCP and on a Unix socket; its clean exit is checked too."""
    path = tmp_path_factory.mktemp("socket") / "s"
    with server.Server("--unix", str(path), preexec=die_with_the_tests) as started:
        started.unix = f"unix:{path}"
        yield started


@pytest.fixture
def address(running):
    return "{}:{}".format(*running.address)


@pytest.fixture
def client(address):
    with gradfold.connect(address, call_timeout=20 * server.SCALE) as connected:
        yield connected


@pytest.fixture
def name():
    return f"job-{next(numbers)}"


def pytest_configure(config):
    config.addinivalue_line("markers", "training: takes longer than a few seconds")
