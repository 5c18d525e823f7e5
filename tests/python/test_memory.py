"""Memory shared with the server: buffers and views, over TCP and over the Unix socket."""

import gc

import numpy as np
import pytest
from server import SCALE

import gradfold

BIG = 1 << 18  # elements: small rounds are not worth a segment


@pytest.fixture(params=["unix", "tcp", "tcp, no shared memory"])
def sharing(request, running, address):
    where = running.unix if request.param == "unix" else address
    with gradfold.connect(where, call_timeout=20 * SCALE,
                          shared_memory=request.param != "tcp, no shared memory") as client:
        # Over TCP to this host, the library finds the Unix socket by itself.
        assert client.ping().shared_memory == (request.param != "tcp, no shared memory")
        yield client


@pytest.fixture
def job(sharing, name):
    return sharing.create_job(name, {"a": np.zeros(BIG, np.float32), "b": np.zeros((2, 2))}, 1)


def test_buffers_are_arrays_that_are_pushed_in_place(sharing, job):
    a, b = sharing.buffer(BIG), sharing.buffer((2, 2), "f64")
    assert a.dtype == np.float32 and b.shape == (2, 2) and not a.any()
    for number in range(5):
        a[:] = number
        a[-1] = 1.5
        b[1] = number
        into = {"a": sharing.buffer(BIG), "b": np.empty((2, 2))}
        _, sums = sharing.push_pull(job, number, 0, 0, {"a": a, "b": b}, into)
        assert np.array_equal(sums["a"], a) and np.array_equal(sums["b"], b)
    assert sharing.buffer((3, 0)).size == 0 and sharing.buffer((), "bf16").dtype == np.uint16


def test_a_buffers_memory_lives_as_long_as_any_part_of_it(sharing, job):
    part = sharing.buffer((4, BIG))[2]
    gc.collect()
    part[:] = 3
    operation = sharing.push_async(job, 0, 0, 0, {"a": part}, final=True)
    del part
    gc.collect()
    operation.wait()
    left = sharing.buffer(BIG)
    assert (sharing.pull(job, 0, ["a"])["a"] == 3).all()
    sharing.close()
    left[:] = 1
    assert left.sum() == BIG


def test_views_show_sums_read_only(sharing, job):
    for number in range(5):
        sharing.push(job, number, 0, 0, {"a": np.full(BIG, number, np.float32),
                                         "b": np.ones((2, 2))}, final=True)
        with sharing.pull_view(job, number) as sums:
            assert sums.contributions == {"a": 1, "b": 1} and sums.round == number
            assert (sums["a"] == number).all() and (sums["b"] == 1).all()
            with pytest.raises(ValueError):
                sums["a"][0] = 1
            with pytest.raises(ValueError):
                sums["a"].flags.writeable = True
        assert sums.arrays == {}
    with pytest.raises(gradfold.FutureRound):
        with sharing.pull_view(job, 17):
            pass


def test_a_view_stays_while_an_array_of_it_is_in_use(sharing, job):
    sharing.push(job, 0, 0, 0, {"a": np.full(BIG, 7, np.float32)}, final=True)
    with sharing.pull_view(job, 0, ["a", 1]) as sums:
        half = sums["a"][BIG // 2:]
    for number in range(1, 5):
        sharing.push(job, number, 0, 0, {"a": np.full(BIG, number, np.float32)}, final=True)
    sharing.delete_job(job)
    assert (half == 7).all()
    sharing.close()
    assert (half == 7).all()


def test_views_go_back_and_can_be_had_without_end(sharing, job):
    """A connection holds 64 at a time."""
    sharing.push(job, 0, 0, 0, {"a": np.ones(BIG, np.float32)}, final=True)
    for _ in range(200):
        with sharing.pull_view(job, 0, ["a"]) as sums:
            assert sums["a"][-1] == 1


def mapping_of(array):
    """What lies where the array does: the last column of /proc/self/maps."""
    address = array.ctypes.data
    with open("/proc/self/maps", encoding="ascii") as maps:
        for line in maps:
            first, last = (int(n, 16) for n in line.split(" ", 1)[0].split("-"))
            if first <= address < last:
                return line.split(None, 5)[5].strip() if len(line.split(None, 5)) > 5 else ""
    return ""


def test_on_one_host_it_is_the_very_memory_of_the_server(running, name):
    with gradfold.connect(running.unix) as client:
        job = client.create_job(name, {"a": np.zeros(BIG, np.float32)}, 1)
        array = client.buffer(BIG)
        assert "memfd:" in mapping_of(array)
        client.push(job, 0, 0, 0, {"a": array}, final=True)
        with client.pull_view(job, 0) as sums:
            assert "memfd:" in mapping_of(sums["a"])
        assert "memfd:" not in mapping_of(client.pull(job, 0)["a"])
