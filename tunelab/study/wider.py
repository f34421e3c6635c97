"""The next wider range: one end moved out, as far as its field allows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

from pydantic.errors import PydanticInvalidForJsonSchema

from tunelab.errors import PluginError, SpaceError
from tunelab.space import Float, Int
from tunelab.study.ranges import Where

Side = Literal["lower", "upper"]

FACTOR = 10
"""By how much an end moves on a logarithmic axis; on another it moves by the width of the range."""

DIGITS = 12
"""Significant digits of an end that moved: 0.998, not 0.9979999999999999."""


@dataclass(frozen=True)
class Limits:
    """Between which numbers a field's value must lie.

    Attributes:
        low, high: the ends.
        open_low, open_high: whether the end itself is excluded.
    """

    low: float = -inf
    high: float = inf
    open_low: bool = False
    open_high: bool = False


def limits(where: Where) -> Limits:
    """Return the bounds of the field in which a range stands, as its annotation declares them."""
    try:
        schema = where.plugin.adapter(where.field).json_schema()
    except PydanticInvalidForJsonSchema:  # bounds that only a validator knows; `wider` asks it
        return Limits()
    found = Limits()
    for part in _numbers(schema):
        found = Limits(
            low=part.get("minimum", part.get("exclusiveMinimum", -inf)),
            high=part.get("maximum", part.get("exclusiveMaximum", inf)),
            open_low="exclusiveMinimum" in part,
            open_high="exclusiveMaximum" in part,
        )
    return found


def _numbers(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of a JSON schema that speak of numbers: of `PositiveFloat | None`, the first."""
    yield from (part for part in (schema, *schema.get("anyOf", ())) if part.get("type") in ("number", "integer"))


def wider(within: Float | Int, side: Side, where: Where, bounds: Limits) -> Float | Int | None:
    """Return the range with one end moved out; None where the field goes no further.

    An end moves tenfold on a logarithmic axis (of 1 - x on that one), and by the width of the range on another. It
    stops at the field's bound, and goes half the way to a bound that is itself excluded.

    Args:
        within: the range.
        side: the end that moves.
        where: whose field it is.
        bounds: how far it may move.

    >>> from tunelab.optimizers import Adam
    >>> beta1 = Where(Adam, "beta1", "optimizer.beta1", "optimizer.beta1")
    >>> wider(Float(0.5, 0.98, complement_log=True), "upper", beta1, limits(beta1))
    Float(0.5, 0.998, complement_log=True)
    >>> wider(Float(0.5, 0.98, complement_log=True), "lower", beta1, limits(beta1))
    Float(0.0, 0.98, complement_log=True)
    """
    end = _whole(within, side, bounds) if isinstance(within, Int) else _real(within, side, bounds)
    try:
        moved = with_ends(within, within.low, end) if side == "upper" else with_ends(within, end, within.high)
        where.plugin.check(where.field, moved)
    except (SpaceError, PluginError):
        return None
    return None if moved == within else moved


def with_ends(range_: Float | Int, low: float, high: float) -> Float | Int:
    """Return the range between other ends, on the same axis."""
    ends: dict[str, Any] = {"low": low, "high": high}
    return replace(range_, **ends)


def _real(within: Float, side: Side, bounds: Limits) -> float:
    end, moved = (within.high, _up(within)) if side == "upper" else (within.low, _down(within))
    moved = float(f"{moved:.{DIGITS}g}")
    if side == "upper" and moved >= bounds.high:
        return (end + bounds.high) / 2 if bounds.open_high else bounds.high
    if side == "lower" and moved <= bounds.low:
        return (end + bounds.low) / 2 if bounds.open_low else bounds.low
    return moved


def _up(within: Float) -> float:
    if within.complement_log:
        return 1 - (1 - within.high) / FACTOR
    return within.high * FACTOR if within.log else within.high + (within.high - within.low)


def _down(within: Float) -> float:
    if within.complement_log:
        return 1 - (1 - within.low) * FACTOR
    return within.low / FACTOR if within.log else within.low - (within.high - within.low)


def _whole(within: Int, side: Side, bounds: Limits) -> int:
    """Return the new end: a whole number of steps away, so that the numbers between stay what they were."""
    last = within.grid()[-1]
    width = last - within.low
    if side == "upper":
        top = bounds.high - 1 if bounds.open_high else bounds.high
        moved = within.high * FACTOR if within.log else last + width
        return moved if moved <= top else last + (int(top) - last) // within.step * within.step
    bottom = bounds.low + 1 if bounds.open_low else bounds.low
    moved = max(1, within.low // FACTOR) if within.log else within.low - width
    return moved if moved >= bottom else within.low - (within.low - int(bottom)) // within.step * within.step
