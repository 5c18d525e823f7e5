"""Jobs, pushes and pulls, and what is refused."""

import math
import signal
import threading

import numpy as np
import pytest

import gradfold
from gradfold import Node

W = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture
def job(client, name):
    return client.create_job(name, {"weight": W, "bias": np.array(1.0)}, world_size=2)


def test_a_job_is_created_once_and_described(client, name):
    nodes = [Node("a", (2, 3)), Node("", (), "f64"), Node("c", (0, 4), np.int32),
             Node("d", [7], "bf16", requires_grad=False), Node("e", (1,), np.uint16, expected=3)]
    rules = {"grace": 0.25, "reduction": "mean", "accumulation": "in_order",
             "non_finite": "propagate", "retain_rounds": 5}
    created = client.create_job(name, nodes, 3, **rules)
    assert created.created and not client.create_job(name, nodes, 3, **rules).created
    found = client.describe(name)
    assert found.nodes == tuple(nodes) == created.nodes
    assert [n.dtype for n in found.nodes] == ["f32", "f64", "i32", "bf16", "bf16"]
    assert {k: getattr(found, k) for k in rules} == rules
    assert (found.world_size, found.quorum, found.open_round) == (3, 3, 0)
    assert found.rounds[0].state == "open" and found.rounds[0].final_workers == ()
    assert name in client.jobs()
    with pytest.raises(gradfold.AlreadyExists, match="retain_rounds"):
        client.create_job(name, nodes, 3, **{**rules, "retain_rounds": 4})
    client.delete_job(name)
    assert name not in client.jobs()
    with pytest.raises(gradfold.NotFound):
        client.describe(name)
    with pytest.raises(gradfold.NotFound):
        client.delete_job(name)


def test_names_and_ids_say_the_same(client, job):
    client.push(job.name, 0, 0, 0, {"weight": W, 1: np.array(3.0)}, final=True)
    into = {"bias": np.empty(()), 0: np.empty_like(W)}
    pushed, pulled = client.push_pull(job, 0, 1, 0, {0: W, "bias": np.array(4.0)}, into)
    assert not pushed.duplicate and pulled.state == "closed"
    assert np.array_equal(pulled[0], 2 * W) and pulled["bias"] == 7
    assert pulled.contributions == {"bias": 2, 0: 2}


def test_a_push_counts_once(client, job):
    first = client.push(job, 0, 1, 9, {"weight": W}, final=True, checksum=True)
    again = client.push(job, 0, 1, 9, {"weight": W}, final=True, checksum=True)
    assert (first.duplicate, again.duplicate) == (False, True)
    with pytest.raises(gradfold.Conflict):
        client.push(job, 0, 1, 9, {"bias": np.array(1.0)}, final=True)
    assert client.describe(job).rounds[0].final_workers == (1,)


def test_all_or_nothing_and_a_node_twice(client, name):
    job = client.create_job(name, {"a": W, "b": W}, 1)
    with pytest.raises(gradfold.ShapeMismatch):
        client.push(job, 0, 0, 0, [("a", W), ("b", W.T.copy())])
    client.push(job, 0, 0, 1, [("a", W), ("a", W)], final=True)
    sums = client.pull(job, 0)
    assert np.array_equal(sums["a"], 2 * W) and not sums["b"].any()
    assert sums.contributions == {"a": 2, "b": 0}


def test_each_dtype_and_those_that_widen(client, name):
    values = {"f32": np.float32([1.5, -2]), "f64": np.float64([1e300, 3]),
              "f16": np.float16([0.5, 2]), "bf16": np.uint16([0x3f80, 0x4000]),
              "i32": np.int32([-5, 7]), "i64": np.int64([2**40, 1])}
    job = client.create_job(name, values, 1)
    client.push(job, 0, 0, 0, values)
    client.push(job, 0, 0, 1, {"f32": values["bf16"], "f64": values["f32"],
                               "i64": values["i32"]}, final=True)
    sums = client.pull(job, 0)
    assert sums["f32"].tolist() == [2.5, 0] and sums["f64"].tolist() == [1e300, 1]
    assert sums["i64"].tolist() == [2**40 - 5, 8]
    assert np.array_equal(sums["bf16"], values["bf16"]) and sums["bf16"].dtype == np.uint16
    assert np.array_equal(sums["f16"], values["f16"])
    with pytest.raises(gradfold.DtypeMismatch):
        client.push(job, 1, 0, 0, {"f32": values["f64"]})


def test_arrays_are_used_as_they_lie_or_refused(client, job):
    into = np.zeros((2, 2, 3), np.float32)
    client.push(job, 0, 0, 0, {"weight": W[::1]}, final=True)
    client.push(job, 0, 1, 0, {"weight": np.broadcast_to(W, (1, 2, 3))[0]}, final=True)
    client.pull(job, 0, {"weight": into[1]})
    assert np.array_equal(into, [0 * W, 2 * W])
    with pytest.raises(ValueError, match="'weight': the array is not C-contiguous"):
        client.push(job, 1, 0, 0, {"weight": np.asfortranarray(W)})
    with pytest.raises(ValueError, match="not C-contiguous"):
        client.pull(job, 0, {"weight": np.empty((3, 2), np.float32).T})
    into.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        client.pull(job, 0, {"weight": into[0]})
    with pytest.raises(TypeError, match="ndarray is needed, not list"):
        client.push(job, 1, 0, 0, {"weight": [[1, 2, 3], [4, 5, 6]]})
    for other in ("c8", ">f4", "u4", "S3"):
        with pytest.raises(TypeError, match="no dtype of gradfold's"):
            client.push(job, 1, 0, 0, {"weight": np.zeros((2, 3), other)})


def test_numbers_that_do_not_fit_are_not_cut_off(client, job, name):
    for arguments in ((-1, 0, 0), (2**64, 0, 0), (0, -1, 0), (0, 2**32, 0), (0, 0, -1)):
        with pytest.raises(ValueError, match="it must be 0 to 2"):
            client.push(job, *arguments, {"weight": W})
    with pytest.raises(ValueError):
        client.push(job, 0, 0, 0, {-1: W})
    for rules in ({"quorum": -1}, {"retain_rounds": 2**32}, {"grace": -1}, {"reduction": "max"}):
        with pytest.raises(ValueError):
            client.create_job(f"{name}-2", job.nodes, 2, **rules)
    with pytest.raises(ValueError):
        client.create_job(f"{name}-2", [Node("a", (1,), expected=2**32)], 2)
    with pytest.raises(ValueError, match="negative"):
        Node("a", (-1,))


def test_errors_have_classes_codes_and_the_servers_words(client, job):
    cases = [
        (gradfold.NonFinite, "node 0: element 4 is NaN", 0,
         {"weight": np.where(W == 4, np.nan, W)}),
        (gradfold.UnknownNode, "node 7", 0, {7: W}),
        (gradfold.UnknownNode, "no node named 'wieght'", 0, {"wieght": W}),
        (gradfold.FutureRound, "round 1 has not begun", 1, {"weight": W}),
    ]
    for kind, words, number, tensors in cases:
        with pytest.raises(kind, match=words) as caught:
            client.push(job, number, 0, 0, tensors)
        assert isinstance(caught.value, gradfold.Error)
    assert caught.value.code == 11 and caught.value.retryable
    with pytest.raises(gradfold.InvalidArgument) as caught:
        client.push(job, 0, 2, 0)
    assert isinstance(caught.value, ValueError) and not caught.value.retryable
    with pytest.raises(gradfold.BufferMismatch, match="24 bytes; the buffer has 28"):
        client.push(job, 0, 0, 0, final=True)
        client.push(job, 0, 1, 0, final=True)
        client.pull(job, 0, {"weight": np.empty(7, np.float32)})


def test_a_round_is_closed_by_hand_and_retired(client, job):
    with pytest.raises(gradfold.DeadlineExceeded) as caught:
        client.pull(job, 0, wait=False)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(gradfold.DeadlineExceeded):
        client.pull(job, 0, ["weight"], timeout=0.05)
    client.push(job, 0, 0, 0, {"weight": W})
    assert client.close_round(job, 0) in ("closing", "closed")
    assert client.pull(job).round == 0
    assert client.pull(job, None, ["weight"], timeout=math.inf).contributions == {"weight": 1}
    for number in (1, 2, 3):
        client.close_round(job, number)
    with pytest.raises(gradfold.NotFound, match="round 0"):
        client.pull(job, 0)
    with pytest.raises(gradfold.FutureRound):
        client.close_round(job, 9)
    with pytest.raises(ValueError, match="no node is asked for"):
        client.pull(job, 3, [])


def test_ping_and_representation(client, address):
    assert client.ping().version == gradfold.__version__
    assert client.ping().max_body_bytes == 2 << 30
    assert repr(client) == f"<gradfold.Client {address}>"
    client.close()
    client.close()
    assert "closed" in repr(client)
    with pytest.raises(RuntimeError, match="closed"):
        client.ping()


def test_connecting_to_nobody():
    with pytest.raises(gradfold.Unreachable) as caught:
        gradfold.connect("127.0.0.1:1", connect_timeout=0.05)
    assert isinstance(caught.value, ConnectionError)
    with pytest.raises(gradfold.InvalidArgument):
        gradfold.connect("nonsense")


def test_a_server_that_is_silent_for_longer_than_a_slice_is_waited_for(running, client, job):
    timer = threading.Timer(2.5, lambda: running.process.send_signal(signal.SIGCONT))
    running.process.send_signal(signal.SIGSTOP)
    timer.start()
    try:
        client.delete_job(job)  # sent in each slice; that the first one did it is no error
    finally:
        running.process.send_signal(signal.SIGCONT)
        timer.join()
    assert job.name not in client.jobs()


def test_threads_share_a_client(client, name):
    job = client.create_job(name, {"a": np.zeros(1000, np.float32)}, 4)

    def work(worker):
        array = np.full(1000, worker + 1, np.float32)
        for number in range(20):
            _, sums = client.push_pull(job, number, worker, 0, {"a": array})
            assert (sums["a"] == 10).all()
        done.append(worker)

    done = []
    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [0, 1, 2, 3]
