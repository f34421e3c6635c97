"""What is measured in evaluation: means over all rows, whatever the blocks, and metrics of one's own."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from laws import zoo
from laws.modules import experiment, trained
from laws.runs import drawn
from torch import nn
from torch.nn import functional

from backends.pytorch.seats import alone, network, together
from tunelab.contracts import Inputs, ModuleModel, Outputs
from tunelab.contracts import network as contract

ROWS = torch.rand(23, 64, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(23) % 10


@pytest.mark.parametrize("loss", ["auto", nn.CrossEntropyLoss()], ids=["tunelab's", "own"])
@pytest.mark.parametrize("rows", [1, 5, 23, 100])
def test_means_do_not_depend_on_the_blocks(rows: int, loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "ROWS_A_BLOCK", rows)
    net = network(zoo.mlp, loss=loss, metrics={"largest": lambda out, y: out.max()})
    passes, _ = together(net, [0, 1])
    found, out = passes.evaluate(ROWS, LABELS), passes.outputs(ROWS)
    assert set(found) == {"loss", "accuracy", "largest"}
    for member in range(2):
        expected = functional.cross_entropy(out[member], LABELS)
        assert found["loss"][member] == pytest.approx(float(expected), rel=1e-6)
        assert found["accuracy"][member] == float((out[member].argmax(1) == LABELS).double().mean())
        assert found["largest"][member] == pytest.approx(float(out[member].max()), rel=1e-6)
    assert {values.dtype for values in found.values()} == {np.dtype(np.float64)}
    one, _ = alone(net, 1)
    for name, values in one.evaluate(ROWS, LABELS).items():
        assert values.shape == (1,)
        assert values[0] == pytest.approx(found[name][1], rel=1e-6)


class Counting:
    """A metric that keeps a state, as torchmetrics' objects do."""

    def __init__(self) -> None:
        self.seen = 0

    def reset(self) -> None:
        self.seen = 0

    def __call__(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        raise AssertionError("it is shown its blocks, one by one")

    def update(self, out: torch.Tensor, y: torch.Tensor) -> None:
        self.seen += len(y)

    def compute(self) -> torch.Tensor:
        return torch.tensor(self.seen)


def test_a_metric_with_a_state_starts_afresh_for_each_member_and_part() -> None:
    passes, _ = together(network(zoo.mlp, metrics={"seen": Counting()}), [0, 1])
    for _ in range(2):
        assert passes.evaluate(ROWS, LABELS)["seen"].tolist() == [23.0, 23.0]


def test_a_metric_that_is_no_number_fails_its_trials_with_its_name() -> None:
    made = experiment(zoo.mlp, metrics={"each": lambda out, y: out.mean(0)})
    left = trained(made, drawn(made, 2))
    for number in (0, 1):
        reason = str(left.run[number].end[3])
        assert re.search(r"the metric 'each' must return one number, returned one of shape \(10,\)", reason), reason


class Reconstructing(ModuleModel):
    """Returns two things, and its target is its input."""

    reconstructs = True

    def module(self, inputs: Inputs, outputs: Outputs) -> Any:
        return Pair()

    def criterion(self) -> Any:
        return pair_loss


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> Any:
        out = self.inner(x)
        return out, out.square().mean(1)


def pair_loss(out: Any, x: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(out[0], x) + out[1].mean()


def distance(out: Any, x: torch.Tensor) -> torch.Tensor:
    return (out[0] - x).abs().mean()


def test_outputs_may_be_several_and_a_reconstruction_is_measured_against_its_input() -> None:
    made = experiment(Reconstructing(), metrics={"distance": distance}, dtype="float64")
    left = trained(made, drawn(made, 2), 2)
    one = trained(made, drawn(made, 1), 1)
    assert left.run.largest == 2
    assert "val_accuracy" not in left.run[0].reports[1].metrics
    assert left.run[0].metric("val_distance") == pytest.approx(one.run[0].metric("val_distance"))
    assert left.run[0].metric("val_distance")[-1] < left.run[0].metric("val_distance")[0]
