"""Compares a trial's curves with those that it had before, point by point."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from sys import float_info

from tunelab.trial import Curve

_NONE = Curve((), ())


@dataclass(frozen=True, slots=True)
class Point:
    """One epoch of a metric: what was recorded and what was found; None where there is nothing."""

    epoch: int
    recorded: float | None
    found: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric over the epochs.

    Attributes:
        metric: its name.
        points: how many epochs were compared.
        last: the last of them.
        differing: the epochs where the two differ by more than is allowed, in order.
        largest: the largest difference of any epoch, relative to the larger of the two values; infinite where one is
            missing or not a number.
    """

    metric: str
    points: int
    last: Point
    differing: tuple[Point, ...]
    largest: float


def compare(recorded: Mapping[str, Curve], found: Mapping[str, Curve], tolerance: float) -> tuple[Comparison, ...]:
    """Return a comparison of each metric of either, those that were recorded first.

    Args:
        recorded: the curves as a tracker holds them.
        found: the curves now.
        tolerance: how far two values may be apart, relative to the larger; 0 for not a single bit.

    >>> before, now = Curve((1, 2), (0.5, 0.25)), Curve((1, 2), (0.5, 0.26))
    >>> compare({"loss": before}, {"loss": now}, 0.0)[0].differing
    (Point(epoch=2, recorded=0.25, found=0.26),)
    """
    names = dict.fromkeys((*recorded, *found))
    return tuple(_compared(name, recorded.get(name, _NONE), found.get(name, _NONE), tolerance) for name in names)


def _compared(metric: str, recorded: Curve, found: Curve, tolerance: float) -> Comparison:
    points = tuple(_points(recorded, found))
    distances = [_distance(point) for point in points]
    differing = tuple(point for point, far in zip(points, distances, strict=True) if far > tolerance)
    return Comparison(metric, len(points), points[-1], differing, max(distances))


def _points(recorded: Curve, found: Curve) -> Iterator[Point]:
    before = dict(zip(recorded.epochs, recorded.values, strict=True))
    now = {epoch: _kept(value) for epoch, value in zip(found.epochs, found.values, strict=True)}
    for epoch in sorted({*before, *now}):
        yield Point(epoch, before.get(epoch), now.get(epoch))


def _kept(value: float) -> float:
    """Return a value as MLflow's stores keep it: they have no infinity."""
    return max(-float_info.max, min(float_info.max, value)) if not isnan(value) else value


def _distance(point: Point) -> float:
    before, now = point.recorded, point.found
    if before is None or now is None:
        return float("inf")
    if before == now or (isnan(before) and isnan(now)):
        return 0.0
    if isnan(before) or isnan(now):
        return float("inf")
    return abs(before - now) / max(abs(before), abs(now))
