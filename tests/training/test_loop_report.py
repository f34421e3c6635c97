"""What a loop may yield, and what it is told otherwise."""

from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from tunelab.errors import ExperimentError
from tunelab.training.loop_report import metrics_of

NUMBERS = {
    "a float": 0.5,
    "a whole number": 2,
    "a truth": True,
    "NumPy's": np.float32(0.5),
    "NumPy's whole": np.int64(3),
    "a 0-d array": np.array(0.5),
    "a 0-d tensor": torch.tensor(0.5),
    "a 0-d tensor of halves": torch.tensor(0.5, dtype=torch.bfloat16),
    "a fraction": Fraction(1, 2),
    "a decimal": Decimal("0.5"),
    "infinite": float("inf"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_whatever_float_takes(name: str) -> None:
    found = metrics_of({"loss": 1.0, "other": NUMBERS[name]}, "loss", 1)
    assert found == {"loss": 1.0, "other": float(NUMBERS[name])}
    assert type(found["other"]) is float


def test_any_mapping_will_do() -> None:
    assert metrics_of(OrderedDict(a=1, loss=2), "loss", 1) == {"a": 1.0, "loss": 2.0}


BAD: list[tuple[Any, str]] = [
    (0.5, r"as in yield {'loss': 0.5}; report 3 was 0.5 \(float\)"),
    (None, r"report 3 was None \(NoneType\)"),
    ([("loss", 1)], r"report 3 was \[\('loss', 1\)\] \(list\)"),
    ("loss", r"report 3 was 'loss' \(str\)"),
    ({"loss": "0.5"}, r"report 3: 'loss' must be a number, was '0.5' \(str\)$"),
    ({"loss": None}, r"'loss' must be a number, was None"),
    ({"loss": 1.0, "b": 1j}, r"'b' must be a number, was 1j \(complex\)"),
    ({"loss": np.ones(3)}, r"'loss' must be a number, was array.* of shape \(3,\): one number is needed"),
    ({"loss": torch.ones(1)}, r"'loss' must be a number, was tensor.* of shape \(1,\): one number is needed"),
    ({"loss": np.array("a")}, r"'loss' must be a number"),
    ({"loss": 10**400}, r"'loss' must be a number, was 1000.*\.\.\. \(int\)"),
    ({"loss": 1.0, 3: 2.0}, "has a metric 3, but a metric's name is text"),
    ({"loss": 1.0, " ": 2.0}, "has a metric ' '"),
    ({"loss": 1.0, "objective": 2.0}, "has a metric 'objective', but MLflow calls a trial's value so"),
    ({"losss": 1.0, "b": 2}, "report 3 has no 'loss', the objective.*did you mean 'losss'.*Known: b, losss"),
    ({}, "report 3 has no 'loss', .*Known: none"),
]


@pytest.mark.parametrize(("given", "says"), BAD, ids=lambda value: str(value)[:30])
def test_what_is_no_report_is_refused(given: Any, says: str) -> None:
    with pytest.raises(ExperimentError, match=says) as caught:
        metrics_of(given, "loss", 3)
    assert len(str(caught.value)) < 300, "one short message"
