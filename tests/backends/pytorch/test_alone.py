"""One member in its own module: the population's memory, its own stream, and what Torch(...) asks for."""

from functools import partial
from typing import Any

import pytest
import torch
from laws import zoo
from laws.modules import by_hand, experiment, trained
from laws.runs import drawn
from torch import nn

from backends.pytorch.seats import alone, batch, network, together
from tunelab import Torch


@pytest.mark.parametrize("build", [zoo.mlp, zoo.gated, zoo.tied], ids=lambda build: build.__name__)
@pytest.mark.parametrize("parts", [3, 10])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(build: Any, parts: int) -> None:
    kind = (zoo.TOGETHER | zoo.ALONE)[build]
    x, y = batch(kind)
    whole, expected = alone(network(build, kind), 0)
    divided, found = alone(network(build, kind), 0, accumulate=parts)
    torch.testing.assert_close(divided.gradient(x, y), whole.gradient(x, y), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", [zoo.dropout, zoo.dropout_of_channels, zoo.functional_noise, zoo.sampling])
def test_its_noise_is_what_it_would_be_in_company(build: Any) -> None:
    kind = zoo.RANDOM[build]
    x, y = batch(kind)
    one, expected = alone(network(build, kind), 5)
    many, found = together(network(build, kind), [4, 5])
    for _ in range(2):
        torch.testing.assert_close(many.gradient(x, y)[1:], one.gradient(x, y))
        torch.testing.assert_close(found.grad[1:], expected.grad, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(many.outputs(x[0])[1:], one.outputs(x[0]))


@pytest.mark.parametrize("shares", [True, False])
def test_the_numbers_of_torchs_own_generator_are_left_as_they_were(shares: bool) -> None:
    passes, seats = alone(network(zoo.dropout), 0, shares=shares)
    x, y = batch()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    passes.gradient(x, y)
    first = seats.grad.clone()
    passes.gradient(x, y)
    assert not torch.equal(seats.grad, first), "each step has noise of its own"
    passes.evaluate(x[0], y[0])
    assert torch.equal(torch.rand(3), expected)


def test_a_seed_gives_the_same_noise_whatever_else_draws() -> None:
    gradients = []
    for n in (1, 2):
        passes, seats = alone(network(zoo.dropout), 0, shares=False)
        torch.manual_seed(n)
        passes.gradient(*batch())
        gradients.append(seats.grad)
    assert torch.equal(*gradients)


def test_parameters_and_buffers_lie_in_the_populations_memory() -> None:
    passes, seats = alone(network(zoo.buffers), 0)
    x, y = batch()
    passes.gradient(x, y)
    assert int(seats.buffers["steps"][0]) == 1
    assert seats.buffers["mean"].any()
    before = passes.outputs(x[0])
    seats.theta.zero_()
    assert not torch.equal(passes.outputs(x[0]), before)


def test_what_is_neither_parameter_nor_buffer_is_of_the_trials_own_seed() -> None:
    outputs = [alone(network(zoo.projecting), seed, shares=False)[0].outputs(batch()[0][0]) for seed in (1, 2, 1)]
    assert not torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


def test_a_parameter_that_a_step_does_not_reach_has_no_gradient() -> None:
    passes, seats = alone(network(zoo.branching), 0, shares=False)
    x, y = batch()
    seats.grad.fill_(7.0)
    passes.gradient(x, y)
    half = seats.grad.shape[1] // 2
    assert sorted((bool(seats.grad[0, :half].any()), bool(seats.grad[0, half:].any()))) == [False, True]
    assert float(seats.grad.abs().max()) < 7


def test_gradients_may_stay_where_they_arise() -> None:
    x, y = batch()
    moved, expected = alone(network(zoo.tied), 0)
    kept, seats = alone(network(zoo.tied), 0, accumulate=3)
    found = kept.own_gradients()
    assert found is not None
    for _ in range(2):
        moved.gradient(x, y)
        kept.gradient(x, y)
        torch.testing.assert_close(torch.cat(list(found()), 1), expected.grad, rtol=1e-5, atol=1e-6)
    assert not seats.grad.any(), "the buffer is never touched"


def digits() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def accuracy(**fields: Any) -> float:
    made = experiment(digits, count=1797, batch_size=64, epochs=6, optimizer="adam", **fields)
    params = drawn(made, 1)[0].params | {"optimizer.lr": 0.01, "optimizer.beta1": 0.9, "optimizer.beta2": 0.99}
    trial = type(drawn(made, 1)[0])(0, 0, params | {"optimizer.eps": 1e-8})
    left = trained(made, [trial, type(trial)(1, 1, trial.params)])
    return min(left.run[number].metric("val_accuracy")[-1] for number in (0, 1))


def test_half_precision_trains_digits() -> None:
    assert accuracy(backend=Torch(precision="bfloat16")) > 0.9


def test_double_precision_trains_digits() -> None:
    assert accuracy(dtype="float64") > 0.9


def test_batches_in_parts_train_digits() -> None:
    assert accuracy(backend=Torch(accumulate=3)) > 0.9


COMPILERS = [pytest.param("aot_eager"), pytest.param("inductor", marks=pytest.mark.soak)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's compiler uses what PyTorch deprecates
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_compiled_module_trains_as_in_a_loop_by_hand(compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=compiler))  # the default takes 20 s of gcc
    made = experiment(zoo.batch_norm_1d, backend=Torch(compile=True), count=50, batch_size=40)
    trials = drawn(made, 1)
    left = trained(made, trials)
    assert left.notes == ["trials train one at a time: torch.compile was asked for"]
    hand = by_hand(made, trials[0], zoo.batch_norm_1d)
    assert left.run[0].metric("val_loss") == pytest.approx(hand.val_losses, rel=1e-4)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_module_trains_digits() -> None:
    assert accuracy(backend=Torch(compile=True)) > 0.9


def test_threads_are_those_that_were_asked_for() -> None:
    made = experiment(zoo.mlp, backend=Torch(threads=2), epochs=1)
    try:
        trained(made, drawn(made, 1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
