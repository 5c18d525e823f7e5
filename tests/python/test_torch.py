"""gradfold.torch.DistributedOptimizer, its workers as threads of one process."""

import threading

import pytest

torch = pytest.importorskip("torch")

import gradfold  # noqa: E402
import gradfold.torch as gt  # noqa: E402

torch.set_num_threads(1)


seeding = threading.Lock()  # threads share the generator


def linear(seed=0):
    with seeding:
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


def wrap(address, name, model, rank=0, world_size=1, lr=0.5, **options):
    inner = torch.optim.SGD(model.parameters(), lr=lr)
    options = {"timeout": 20, **options}
    return gt.DistributedOptimizer(inner, model, address, rank=rank, world_size=world_size,
                                   job=name, **options)


def run_workers(world_size, work):
    """work(rank) in a thread each; what they returned. The first exception is raised."""
    results, failures = [None] * world_size, []

    def body(rank):
        try:
            results[rank] = work(rank)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=body, args=(rank,)) for rank in range(world_size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def batch(rank, step=0, rows=5, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1000 * step + rank)
    return torch.randn(rows, 3, generator=generator).to(dtype)


def loss_of(model, x):
    return model(x).square().sum()


def local_gradients(model, x):
    """What plain PyTorch computes, on a model of its own."""
    parameters = list(model.parameters())
    return torch.autograd.grad(loss_of(model, x), parameters)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b))


@pytest.mark.parametrize("bucket_bytes", [1, 1 << 20])
def test_gradients_are_the_exact_mean_over_workers(address, name, client, bucket_bytes):
    def work(rank):
        model = linear()
        with wrap(address, name, model, rank, 2, bucket_bytes=bucket_bytes):
            loss_of(model, batch(rank)).backward()
            return [p.grad.clone() for p in model.parameters()]

    first, second = run_workers(2, work)
    assert same(first, second)
    locals_ = [local_gradients(linear(), batch(rank)) for rank in range(2)]
    for mean, a, b in zip(first, *locals_):
        assert torch.equal(mean, ((a.double() + b.double()) / 2).float())
    pushes = 4 if bucket_bytes == 1 else 1
    assert [r.pushes for r in client.describe(name).rounds][1] == 2 * (pushes + 1)


def test_training_goes_on_as_with_the_mean_loss_of_all_workers(address, name):
    def work(rank):
        model = linear(seed=rank)  # worker 0's weights are what counts
        opt = wrap(address, name, model, rank, 2, lr=0.01)
        scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=2)
        for step in range(6):
            opt.zero_grad(set_to_none=step % 2 == 0)
            loss_of(model, batch(rank, step)).backward()
            opt.step()
            scheduler.step()
        assert opt.round == 7 and isinstance(opt, torch.optim.Optimizer)
        assert scheduler.get_last_lr() == [pytest.approx(1e-5)]
        opt.close()
        return [p.detach().clone() for p in model.parameters()]

    first, second = run_workers(2, work)
    assert same(first, second)
    model = linear()
    opt = torch.optim.SGD(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=2)
    for step in range(6):
        opt.zero_grad()
        (sum(loss_of(model, batch(rank, step)) for rank in range(2)) / 2).backward()
        opt.step()
        scheduler.step()
    for a, b in zip(first, model.parameters()):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_frozen_parameters_are_nodes_without_gradient(address, name, client):
    model = linear()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    with wrap(address, name, model) as opt:
        loss_of(model, batch(0)).backward()
        opt.step()
    job = client.describe(name)
    assert [(n.name, n.shape, n.requires_grad) for n in job.nodes] == [
        ("0.weight", (4, 3), False), ("0.bias", (4,), True),
        ("2.weight", (2, 4), True), ("2.bias", (2,), True), ("gradfold.round", (0,), True)]
    assert torch.equal(model[0].weight, before)
    with wrap(address, name, model) as opt:
        model[0].weight.requires_grad_(True)
        with pytest.raises(RuntimeError, match="frozen when the job was made is trained now"):
            loss_of(model, batch(0)).backward()
    assert (job.reduction, job.accumulation, job.world_size) == ("mean", "exact", 1)


def test_only_the_last_of_accumulated_passes_pushes(address, name, client):
    model, alone = linear(), linear()
    with wrap(address, name, model, accumulate=3) as opt:
        for step in range(3):
            assert client.describe(name).rounds[-1].pushes == 0
            loss_of(model, batch(0, step)).backward()
            loss_of(alone, batch(0, step)).backward()
        assert same([p.grad for p in model.parameters()], [p.grad for p in alone.parameters()])
        opt.step()
        # The last batch of an epoch may have fewer passes: step() pushes what there is.
        opt.zero_grad()
        alone.zero_grad()
        loss_of(model, batch(0, 7)).backward()
        opt.step()
        assert client.describe(name).open_round == 3


def test_a_parameter_that_some_do_not_use_counts_as_zero_there(address, name):
    def work(rank):
        model = torch.nn.ParameterDict(
            {k: torch.nn.Parameter(torch.ones(3)) for k in ("all", "one", "none")})
        with wrap(address, name, model, rank, 4) as opt:
            loss = model["all"].sum() * (rank + 1)
            if rank == 1:
                loss = loss + model["one"].sum() * 10
            loss.backward()
            opt.step()
            return {k: None if p.grad is None else p.grad.tolist() for k, p in model.items()}

    for gradients in run_workers(4, work):
        assert gradients == {"all": [2.5] * 3, "one": [2.5] * 3, "none": None}


def test_one_backward_pass_too_many_is_an_error(address, name):
    model = linear()
    with wrap(address, name, model) as opt:
        loss_of(model, batch(0)).backward()
        with pytest.raises(RuntimeError, match="say accumulate=N"):
            loss_of(model, batch(0)).backward()
        opt.zero_grad()  # drops the round's means
        loss_of(model, batch(0)).backward()
        opt.step()
        assert opt.round == 3


def test_clipping_sees_the_means(address, name):
    def work(rank):
        model = linear()
        with wrap(address, name, model, rank, 2) as opt:
            (loss_of(model, batch(0)) * (0 if rank else 2)).backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            opt.step()
            return norm

    alone = linear()
    loss_of(alone, batch(0)).backward()
    expected = torch.nn.utils.clip_grad_norm_(alone.parameters(), 0.1)
    assert run_workers(2, work) == [expected, expected]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_dtypes(address, name, dtype):
    def work(rank):
        model = torch.nn.ParameterDict({"a": torch.nn.Parameter(torch.ones(5, dtype=dtype)),
                                        "s": torch.nn.Parameter(torch.ones((), dtype=dtype))})
        with wrap(address, name, model, rank, 2) as opt:
            (model["a"].sum() * (rank + 1) + model["s"] * rank).backward()
            opt.step()
            assert model["a"].grad.dtype == dtype
            return model["a"].grad.tolist() + [model["s"].grad.item()]

    assert run_workers(2, work) == [[1.5] * 5 + [0.5]] * 2


def test_memory_that_is_not_in_order_or_shared_by_gradients(address, name):
    """Channels last is copied; a sum's two sides may get the very same memory as their gradients,
    which must not become the place of two means."""
    def work(rank):
        conv = torch.nn.Conv2d(2, 3, 2).to(memory_format=torch.channels_last)
        model = torch.nn.ParameterDict({
            "conv": conv.weight, "a": torch.nn.Parameter(torch.zeros(2, 3)),
            "b": torch.nn.Parameter(torch.zeros(3, 2))})
        with wrap(address, name, model, rank, 2, broadcast=False, bucket_bytes=1) as opt:
            for step in range(3):
                opt.zero_grad(set_to_none=True)
                weights = torch.arange(24.).view(3, 2, 2, 2)
                mixed = model["a"].view(-1) + model["b"].view(-1)
                ((model["conv"] * weights).sum() * (rank + 1)
                 + (mixed * torch.arange(6.)).sum() * (rank + step) + model["b"].sum()).backward()
                assert torch.equal(model["conv"].grad, weights * 1.5)
                assert model["a"].grad.view(-1).tolist() == [i * (step + 0.5) for i in range(6)]
                assert model["b"].grad.view(-1).tolist() == [
                    i * (step + 0.5) + 1 for i in range(6)]
                opt.step()

    run_workers(2, work)


def test_a_mean_is_never_pulled_to_where_its_push_may_still_be_read(client):
    """zero_grad() may keep the last mean's memory as .grad, and the next push reads from it."""
    parameters = [torch.nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape, dtype in (
        ((4,), torch.float16), ((), torch.float64), ((2, 0), torch.float32))]
    slots = [gt._exchange.Slot(i, str(i), p) for i, p in enumerate(parameters)]
    [bucket] = gt._exchange.buckets_of(client, slots, 1 << 20)
    places = set()
    for _ in range(4):
        for i, tensor in bucket.targets().items():
            assert tensor.shape == parameters[i].shape
            parameters[i].grad = tensor
        places.add(parameters[0].grad.data_ptr())
        after = bucket.targets()
        assert all(after[i].data_ptr() != parameters[i].grad.data_ptr() for i in (0, 1))
        assert after[1].data_ptr() % 64 == after[0].data_ptr() % 64 == 0
    assert len(places) == 2


def test_a_worker_that_starts_again_repeats_its_round_and_counts_once(address, name, tmp_path):
    """Worker 1 is gone after its push of round 3, and comes back with the checkpoint before."""
    path = str(tmp_path / "checkpoint")

    def train(rank, steps, resume=False):
        model = linear()
        opt = wrap(address, name, model, rank, 2, lr=0.01)
        first = 0
        if resume:
            first = gt.load_checkpoint(path, model, opt)["step"]
            assert opt.round == first + 1
        for step in range(first, steps):
            opt.zero_grad()
            loss_of(model, batch(rank, step)).backward()
            opt.step()
            if rank == 1 and step == 1:
                gt.save_checkpoint(path, model, opt, step=step + 1)
        opt.close()
        return [p.detach().clone() for p in model.parameters()]

    results = {}
    other = threading.Thread(target=lambda: results.update(steady=train(0, 6)))
    other.start()
    train(1, 3)  # one step more than its checkpoint
    results["resumed"] = train(1, 6, resume=True)
    other.join()
    assert same(results["steady"], results["resumed"])
    undisturbed = run_workers(2, lambda rank: train_alone(address, name + "-again", rank))
    assert same(results["steady"], undisturbed[0])


def train_alone(address, name, rank):
    model = linear()
    with wrap(address, name, model, rank, 2, lr=0.01) as opt:
        for step in range(6):
            opt.zero_grad()
            loss_of(model, batch(rank, step)).backward()
            opt.step()
    return [p.detach().clone() for p in model.parameters()]


def test_a_missing_worker_is_named_and_the_step_can_be_repeated(address, name):
    model, late = linear(), linear()
    opt = wrap(address, name, model, 0, 2, broadcast=False, timeout=0.5)
    with pytest.raises(gradfold.DeadlineExceeded, match="waits for worker 1 of 2"):
        loss_of(model, batch(0)).backward()
    other = wrap(address, name, late, 1, 2, broadcast=False)
    loss_of(late, batch(1)).backward()
    opt.step()
    other.step()
    assert same(model.parameters(), late.parameters())
    opt.close()
    other.close()


def test_the_start_waits_for_all_and_says_for_whom(address, name):
    with pytest.raises(gradfold.DeadlineExceeded, match="Round 0 waits for worker 1, 2 of 3"):
        wrap(address, name, linear(), 0, 3, timeout=0.3)


def test_non_finite_gradients(address, name):
    for job, options in ((name, {}), (f"{name}-p", {"non_finite": "propagate"})):
        model = linear()
        opt = wrap(address, job, model, **options)
        if not options:
            with pytest.raises(gradfold.NonFinite, match="GradScaler"):
                (loss_of(model, batch(0)) * float("inf")).backward()
        else:
            (loss_of(model, batch(0)) * float("inf")).backward()
            assert not torch.isfinite(model[2].bias.grad).any()
        opt.close()


def test_errors_say_what_to_do(address, name, client):
    with wrap(address, name, linear()) as opt:
        for _ in range(4):
            opt.step()
    with pytest.raises(gradfold.AlreadyExists, match="a new run needs a new job name"):
        wrap(address, name, torch.nn.Linear(1, 1))
    model = linear()
    with wrap(address, name, model) as opt:  # without its checkpoint
        with pytest.raises(gradfold.Error, match="at round 5, this worker at 0. Load this"):
            loss_of(model, batch(0)).backward()
        client.delete_job(name)
        with pytest.raises(gradfold.NotFound, match="under a new job name"):
            opt.synchronize()
    stranger = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="would not be averaged"):
        gt.DistributedOptimizer(torch.optim.SGD(stranger.parameters(), lr=1), linear(), address,
                                rank=0, world_size=1, job=name)
    with pytest.raises(ValueError, match="rank is 2"):
        wrap(address, name, linear(), 2, 2)
    with pytest.raises(TypeError, match="complex64"):
        wrap(address, name, torch.nn.ParameterDict(
            {"c": torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))}))


def test_state_passes_through(address, name):
    model = linear()
    with wrap(address, name, model) as opt:
        loss_of(model, batch(0)).backward()
        opt.step()
        state = opt.state_dict()
        assert state["gradfold"] == {"job": name, "round": 2}
        assert state["param_groups"][0]["lr"] == 0.5
        torch.optim.SGD(linear().parameters(), lr=1).load_state_dict(state)
    with wrap(address, f"{name}-next", linear()) as opt:  # another job: only the inner one's
        opt.param_groups[0]["lr"] = 0.25
        opt.load_state_dict(state)
        assert opt.round == 1 and opt.param_groups[0]["lr"] == 0.5


def test_names_that_the_server_does_not_allow(address, name, client):
    model = torch.nn.ParameterDict({"größe 1": torch.nn.Parameter(torch.ones(1)),
                                    "gr__e 1": torch.nn.Parameter(torch.ones(1)),
                                    "gr__e_1": torch.nn.Parameter(torch.ones(1))})
    with wrap(address, name, model):
        names = [n.name for n in client.describe(name).nodes]
    assert len(set(names)) == 4 and all(n.isascii() and " " not in n for n in names)
