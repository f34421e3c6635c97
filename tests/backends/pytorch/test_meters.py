"""Metrics of a person's own: each member's, over all rows of a part, once."""

from typing import Any

import numpy as np
import pytest
import torch

from tunelab.backends.pytorch.meters import Meters
from tunelab.errors import ExperimentError

OUT = torch.arange(2 * 10 * 3.0).reshape(2, 10, 3)
Y = torch.arange(10) % 3
BLOCKS = [slice(0, 4), slice(4, 8), slice(8, 10)]


class Running:
    """Keeps a state, as torchmetrics' objects do."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.reset()

    def reset(self) -> None:
        self.total, self.rows = 0.0, 0

    def update(self, out: Any, y: torch.Tensor) -> None:
        self.calls.append("update")
        self.total, self.rows = self.total + float(out.sum()), self.rows + len(y)

    def compute(self) -> torch.Tensor:
        self.calls.append("compute")
        return torch.tensor(self.total / self.rows)

    def __call__(self, out: Any, y: torch.Tensor) -> torch.Tensor:
        raise AssertionError("that would compute a value of each block")


def computed(meters: Meters, out: Any = OUT, y: torch.Tensor = Y) -> dict[str, Any]:
    meters.reset()
    for block in BLOCKS:
        part = tuple(each[:, block] for each in out) if isinstance(out, tuple) else out[:, block]
        meters.update(part, y[block])
    return {name: values.tolist() for name, values in meters.compute().items()}


def test_a_function_sees_all_outputs_and_targets_of_one_member_at_once() -> None:
    seen: list[Any] = []

    def metric(out: torch.Tensor, y: torch.Tensor) -> float:
        seen.append((out, y))
        return float(out[0, 0])

    assert computed(Meters({"first": metric})) == {"first": [0.0, 30.0]}
    for member, (out, y) in enumerate(seen):
        assert torch.equal(out, OUT[member])
        assert torch.equal(y, Y)


def test_outputs_may_be_several() -> None:
    found = computed(Meters({"both": lambda out, y: out[0].sum() + out[1].max()}), out=(OUT, -OUT))
    assert found == {"both": [float(OUT[member].sum() - OUT[member].min()) for member in range(2)]}


def test_an_object_is_shown_each_block_once_and_asked_once_a_copy_for_each_member() -> None:
    mine = Running()
    meters = Meters({"mean": mine})
    expected = {"mean": [float(OUT[member].sum() / 10) for member in range(2)]}
    for _ in range(3):
        assert computed(meters) == expected
    assert mine.calls == [], "the person's own object is left alone"
    copies: list[Any] = [each["mean"] for each in meters._members]
    assert [copy.calls for copy in copies] == [(["update"] * 3 + ["compute"]) * 3] * 2


def test_a_state_that_an_object_has_already_does_not_count() -> None:
    mine = Running()
    mine.update(OUT[0] + 100, Y)
    assert computed(Meters({"mean": mine}))["mean"] == [float(OUT[member].sum() / 10) for member in range(2)]


def test_what_was_left_by_a_part_that_was_not_finished_is_forgotten() -> None:
    meters = Meters({"rows": lambda out, y: len(y), "mean": Running()})
    meters.update(OUT[:, :4], Y[:4])
    assert computed(meters)["rows"] == [10, 10]


GOOD = [3, 2.5, np.float32(2.5), torch.tensor(2.5), torch.tensor([2.5]), np.array([[2.5]]), True]


@pytest.mark.parametrize("value", GOOD, ids=repr)
def test_a_metric_is_a_number_of_any_kind(value: Any) -> None:
    assert computed(Meters({"it": lambda out, y: value}))["it"] == [float(np.asarray(value).reshape(()))] * 2


BAD = {
    "several": (lambda out, y: out.mean(0), r"the metric 'it' must return one number, returned one of shape \(3,\)"),
    "none": (lambda out, y: None, "the metric 'it' must return one number, returned None"),
    "a dict": (lambda out, y: {"f1": 1.0}, "the metric 'it' must return one number, returned {'f1': 1.0}"),
    "raises": (lambda out, y: 1 // 0, "the metric 'it' raised ZeroDivisionError: integer division or modulo by zero"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_number_is_said_with_the_metrics_name(name: str) -> None:
    metric, said = BAD[name]
    with pytest.raises(ExperimentError, match=said):
        computed(Meters({"it": metric}))


@pytest.mark.parametrize(
    "name", ["MulticlassF1Score", "MulticlassAccuracy", "MulticlassAUROC", "MulticlassConfusionMatrix"]
)
def test_objects_of_torchmetrics(name: str) -> None:
    classification = pytest.importorskip("torchmetrics.classification")
    metric = getattr(classification, name)(3)
    out = torch.rand(2, 10, 3, generator=torch.Generator().manual_seed(0))
    if name.endswith("Matrix"):
        with pytest.raises(ExperimentError, match=r"must return one number, returned one of shape \(3, 3\)"):
            computed(Meters({"it": metric}), out)
        return
    meters = Meters({"it": metric})
    for _ in range(2):
        assert computed(meters, out)["it"] == pytest.approx([float(metric(out[member], Y)) for member in range(2)])
