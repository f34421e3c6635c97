"""What is done again is what was done: bit for bit, or the function is called."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from laws import zoo
from torch import Tensor, nn

from backends.pytorch.seats import batch, network, together
from tunelab.backends.pytorch import recorded
from tunelab.backends.pytorch.recorded import PATIENCE, Recordings, record
from tunelab.contracts import Passes, Seats
from tunelab.errors import DataError

CALLS = PATIENCE + 4


class Counted:
    """A function of one group of tensors, and how often it was called."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, group: Any) -> Any:
        self.calls += 1
        return self.function(group)


def runs(function: Counted, *written: Tensor) -> list[tuple[Any, Any]]:
    """Run a function many times on other numbers each; return what it gave and should have given."""
    recordings, generator = Recordings(), torch.Generator().manual_seed(0)
    found = []
    for _ in range(CALLS):
        group = [torch.randn(3, 4, generator=generator), *written]
        expected = function.function([tensor.clone() for tensor in group])
        found.append((recordings.run("key", function, [group], written), expected))
    return found


def test_a_function_is_called_until_it_is_known_and_no_more() -> None:
    function = Counted(lambda group: {"sum": (group[0] * 2).relu().sum(1), "mean": (group[0].mean(), 3)})
    for result, expected in runs(function):
        assert torch.equal(result["sum"], expected["sum"])
        assert torch.equal(result["mean"][0], expected["mean"][0])
        assert result["mean"][1] == 3
    assert function.calls == PATIENCE + 1


def test_what_it_writes_to_is_written_to_once_a_call() -> None:
    total = torch.zeros(3, 4)
    function = Counted(lambda group: group[1].add_(group[0].abs()).sum())
    sums = [float(result) for result, _ in runs(function, total)]
    assert function.calls == PATIENCE + 1
    assert sums == sorted(sums)
    expected = torch.zeros(3, 4)
    generator = torch.Generator().manual_seed(0)
    for _ in range(CALLS):
        expected += torch.randn(3, 4, generator=generator).abs()
    assert torch.equal(total, expected)


DEPENDS: dict[str, Callable[[Any], Any]] = {
    "a number taken out": lambda group: group[0] * float(group[0].sum()),
    "a branch": lambda group: group[0] if group[0].sum() > 0 else -group[0],
    "as many rows as are positive": lambda group: group[0][group[0][:, 0] > 0].sum(0),
    "where it is not zero": lambda group: torch.nonzero(group[0] > 0).float().mean(),
    "torch's generator": lambda group: group[0] + torch.rand(3, 4),
    "Python's generator": lambda group: group[0] * (2 if random.random() < 0.9 else 3),
    "NumPy's generator": lambda group: group[0] * (2 if np.random.rand() < 0.9 else 3),
}


@pytest.mark.parametrize("why", DEPENDS)
def test_a_function_that_may_go_another_way_goes_on_being_called(why: str) -> None:
    function = Counted(DEPENDS[why])
    recordings = Recordings()
    for _ in range(CALLS):
        recordings.run("key", function, [[torch.randn(3, 4)]], [])
    assert function.calls == CALLS


def test_a_function_that_did_something_else_the_next_time_goes_on_being_called() -> None:
    calls = 0

    def scaled(group: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return group[0] * calls

    recordings = Recordings()
    for call in range(CALLS):
        assert torch.equal(recordings.run("key", scaled, [[torch.ones(2)]], []), torch.ones(2) * (call + 1))


def test_a_program_that_fails_is_forgotten_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(function: Any, given: Any) -> tuple[Any, Any]:
        def fails(*tensors: Tensor) -> None:
            tensors[1].fill_(9.0)
            raise RuntimeError("no")

        return function(*given), fails

    monkeypatch.setattr(recorded, "record", wrong)
    total = torch.zeros(3, 4)
    function = Counted(lambda group: group[1].add_(1.0).sum())
    runs(function, total)
    assert function.calls == CALLS
    assert torch.equal(total, torch.full((3, 4), float(CALLS)))


def test_numbers_that_are_none_agree() -> None:
    function = Counted(lambda group: group[0] / 0 - group[0] / 0)
    assert all(bool(result.isnan().all()) for result, _ in runs(function))
    assert function.calls == PATIENCE + 1


def test_a_tensor_that_nothing_made_is_the_same_each_time() -> None:
    table = torch.arange(4.0)
    function = Counted(lambda group: group[0] + table)
    assert all(torch.equal(result, expected) for result, expected in runs(function))
    assert function.calls == PATIENCE + 1


def test_keys_tell_functions_apart() -> None:
    recordings, one = Recordings(), [[torch.ones(2)]]
    for _ in range(CALLS):
        assert torch.equal(recordings.run("double", lambda group: group[0] * 2, one, []), torch.full((2,), 2.0))
        assert torch.equal(recordings.run("triple", lambda group: group[0] * 3, one, []), torch.full((2,), 3.0))


def test_no_more_are_kept_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "MOST", 2)
    recordings = Recordings()
    counted = [Counted(lambda group: group[0] * 2) for _ in range(3)]
    for key, function in enumerate(counted):
        for _ in range(CALLS):
            recordings.run(key, function, [[torch.ones(2)]], [])
    recordings.run(2, counted[2], [[torch.ones(2)]], [])
    recordings.run(0, counted[0], [[torch.ones(2)]], [])
    assert [function.calls for function in counted] == [PATIENCE + 2, PATIENCE + 1, PATIENCE + 1]


def test_what_autograd_does_is_written_down_too() -> None:
    def learned(group: Any) -> Tensor:
        (gradient,) = torch.autograd.grad((group[0] ** 3).sum(), group[:1])
        return gradient

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    result, program = record(learned, [[x]])
    assert program is not None
    assert torch.equal(result, 3 * x.detach() ** 2)
    assert torch.equal(program(torch.tensor([3.0, 4.0])), torch.tensor([27.0, 48.0]))


def steps(passes: Passes, seats: Seats, x: Tensor, y: Tensor) -> list[Tensor]:
    """Train and measure on other rows at each step; return everything that comes out."""
    found = []
    for step in range(CALLS):
        rows = x.roll(step, 1)
        losses = passes.gradient(rows, y)
        seats.theta.sub_(0.05 * seats.grad)
        told = passes.measure([(rows[0], y[0])])
        found += [losses, seats.grad.clone(), *map(torch.from_numpy, told.values())]
        found += [values.clone() for values in seats.buffers.values()]
    return found


@pytest.mark.parametrize("build", zoo.TOGETHER | zoo.RANDOM)
def test_members_train_as_if_nothing_was_written_down(
    build: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, seeds = (zoo.TOGETHER | zoo.RANDOM)[build], [0, 1, 2]
    x, y = (values.expand(3, *values.shape[1:]).contiguous() for values in batch(kind))
    net = network(build, kind)
    done_again = steps(*together(net, seeds), x, y)
    programs = [seen._program is not None for seen in net.recordings._seen.values()]
    assert programs == [True, True] or build is zoo.sampling, "a step and an evaluation"
    monkeypatch.setattr(recorded, "PATIENCE", 10**9)
    called = steps(*together(network(build, kind), seeds), x, y)
    for one, other in zip(done_again, called, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_other_rows_members_and_settings_are_other_programs() -> None:
    def found(net: Any, rows: int, seeds: list[int], **settings: Any) -> Tensor:
        passes, seats = together(net, seeds, **settings)
        x, y = batch()
        passes.gradient(x[:, :rows].expand(len(seeds), -1, -1), y[:, :rows].expand(len(seeds), -1))
        losses = passes.measure([(x[0, :rows], y[0, :rows])])["loss"]
        return torch.cat([seats.grad.flatten().double(), torch.from_numpy(losses)])

    known = network(zoo.mlp)
    for _ in range(CALLS):
        found(known, 10, [0, 1, 2])
    others: list[dict[str, Any]] = [
        {"rows": 7, "seeds": [0, 1, 2]}, {"rows": 10, "seeds": [0, 1]}, {"rows": 10, "seeds": [2, 1, 0]},
        {"rows": 10, "seeds": [0, 1, 2], "accumulate": 3}, {"rows": 10, "seeds": [0, 1, 2], "precision": "bfloat16"},
    ]  # fmt: skip
    for other in others:
        assert torch.equal(found(known, **other), found(network(zoo.mlp), **other)), other


def test_a_loss_that_does_not_find_its_class_says_the_same_when_it_is_done_again() -> None:
    def told(calls: int) -> str:
        passes, _ = together(network(zoo.mlp, loss=nn.functional.cross_entropy), [0, 1])
        x, y = (values.expand(2, *values.shape[1:]).contiguous() for values in batch())
        for _ in range(calls):
            passes.gradient(x, y)
        with pytest.raises(DataError, match="targets of this batch are from") as error:
            passes.gradient(x, y + 20)
        return str(error.value)

    assert told(CALLS) == told(0)
