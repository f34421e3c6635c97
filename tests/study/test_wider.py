"""The next wider range: how far an end moves, and where it stops."""

from typing import Annotated

import pytest
from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt

from tunelab import Float, Int
from tunelab.contracts import Plugin
from tunelab.experiments import Training
from tunelab.study.ranges import Where
from tunelab.study.wider import Limits, Side, limits, wider


def _up_to_three(value: float) -> float:
    if value > 3:
        raise ValueError("no more than 3")
    return value


class Odd(Plugin):
    free: float = 0.0
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    part: Annotated[float, Field(ge=0, le=1)] = 0.5
    width: PositiveInt = 4
    rate: PositiveFloat | None = None
    picky: Annotated[float, AfterValidator(_up_to_three)] = 0.1
    number: int = 0


def at(field: str, plugin: type[Plugin] = Odd) -> Where:
    return Where(plugin, field, field, field)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (at("free"), Limits()),
        (at("share"), Limits(0, 1, open_low=True, open_high=True)),
        (at("part"), Limits(0, 1)),
        (at("width"), Limits(0, open_low=True)),
        (at("rate"), Limits(0, open_low=True)),
        (at("batch_size", Training), Limits(0, open_low=True)),
        (at("warmup", Training), Limits(0, 1, open_high=True)),
    ],
)
def test_a_fields_limits_are_those_that_it_declares(where: Where, found: Limits) -> None:
    assert limits(where) == found


@pytest.mark.parametrize(
    ("field", "within", "side", "found"),
    [
        ("rate", Float(1e-4, 0.03, log=True), "upper", Float(1e-4, 0.3, log=True)),
        ("rate", Float(1e-4, 0.03, log=True), "lower", Float(1e-5, 0.03, log=True)),
        ("free", Float(0.5, 0.98, complement_log=True), "upper", Float(0.5, 0.998, complement_log=True)),
        ("free", Float(0.5, 0.98, complement_log=True), "lower", Float(-4, 0.98, complement_log=True)),
        ("part", Float(0.5, 0.98, complement_log=True), "lower", Float(0, 0.98, complement_log=True)),
        ("free", Float(1, 3), "upper", Float(1, 5)),
        ("free", Float(0.1, 0.3), "lower", Float(-0.1, 0.3)),
        ("part", Float(0.1, 0.9), "upper", Float(0.1, 1)),
        ("part", Float(0.1, 0.5, log=True), "upper", Float(0.1, 1, log=True)),
        ("share", Float(0.2, 0.9), "upper", Float(0.2, 0.95)),
        ("share", Float(0.2, 0.9), "lower", Float(0.1, 0.9)),
        ("share", Float(0.2, 0.9, log=True), "lower", Float(0.02, 0.9, log=True)),
        ("part", Float(0, 0.5), "lower", None),
        ("part", Float(0.5, 1), "upper", None),
        ("free", Float(0, 1.7e308), "upper", None),
        ("free", Float(1e-323, 1, log=True), "lower", None),
        ("number", Int(1, 4), "upper", Int(1, 7)),
        ("number", Int(1, 4), "lower", Int(-2, 4)),
        ("width", Int(2, 8, step=3), "upper", Int(2, 14, step=3)),
        ("width", Int(8, 14, step=3), "lower", Int(2, 14, step=3)),
        ("width", Int(5, 14, step=3), "lower", Int(2, 14, step=3)),
        ("width", Int(2, 8), "lower", Int(1, 8)),
        ("width", Int(1, 8), "lower", None),
        ("width", Int(2, 8, step=3), "lower", None),
        ("width", Int(4, 64, log=True), "upper", Int(4, 640, log=True)),
        ("width", Int(40, 64, log=True), "lower", Int(4, 64, log=True)),
        ("width", Int(4, 64, log=True), "lower", Int(1, 64, log=True)),
        ("width", Int(1, 64, log=True), "lower", None),
    ],
)
def test_an_end_moves_out_and_stops_at_the_fields_bound(
    field: str, within: Float | Int, side: Side, found: Float | Int | None
) -> None:
    assert wider(within, side, at(field), limits(at(field))) == found


def test_a_bound_that_only_a_validator_knows_is_asked_for() -> None:
    assert wider(Float(0, 1), "upper", at("picky"), limits(at("picky"))) == Float(0, 2)
    assert wider(Float(0, 2), "upper", at("picky"), limits(at("picky"))) is None


def test_a_limit_that_is_given_stops_an_end() -> None:
    assert wider(Int(8, 16), "upper", at("width"), Limits(high=20)) == Int(8, 20)
    assert wider(Int(8, 16, step=8), "upper", at("width"), Limits(high=20)) is None
