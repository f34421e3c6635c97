"""What may vary: `Float`, `Int` and `Choice`, frozen records that say nothing of how they are searched.

`FromTrials` stands beside a plugin's own range and says from how many trials on that range is worth searching.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from tunelab.errors import SpaceError


@dataclass(frozen=True, repr=False)
class Float:
    """Real numbers from `low` to `high`, both included.

    Args:
        low: the lower end.
        high: the upper end.
        log: search uniformly in log(x): right for what varies over orders of magnitude, such as a learning rate.
        complement_log: search uniformly in log(1 - x): right for what matters by its distance to 1, such as a momentum.

    Raises:
        SpaceError: low > high, an end that is not finite, `log` with low <= 0, `complement_log` with high >= 1, or
            both of these.

    >>> Float(1e-4, 1.0, log=True)
    Float(0.0001, 1.0, log=True)
    >>> Float(0.0, 0.99, complement_log=True).at(0.5)
    0.9
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    complement_log: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        _take_ends(self, Real, float, "a number")
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise SpaceError(f"{self!r}: both ends must be finite numbers")
        if self.low > self.high:
            raise SpaceError(f"{self!r}: low must not be above high; did you swap them?")
        if self.log and self.complement_log:
            raise SpaceError(f"{self!r}: choose log=True or complement_log=True, not both")
        if self.log and self.low <= 0:
            raise SpaceError(f"{self!r}: log=True needs low > 0; raise low, or drop log=True")
        if self.complement_log and self.high >= 1:
            raise SpaceError(f"{self!r}: complement_log=True needs high < 1; lower high, or drop complement_log=True")

    def at(self, unit: float) -> float:
        """Return the value at `unit` (0 to 1) of the way from low to high on the searched axis."""
        a, b = self._axis(self.low), self._axis(self.high)
        return self.clip(self._from_axis((1 - unit) * a + unit * b))

    def unit(self, value: float) -> float:
        """Return how far the value lies from low (0) to high (1) on the searched axis; the inverse of `at`.

        >>> Float(1e-4, 1.0, log=True).unit(0.01)
        0.5
        """
        a, b, x = (self._axis(point) / 2 for point in (self.low, self.high, self.clip(value)))  # halves: b - a may be
        return (x - a) / (b - a) if a < b else 0.5  # twice as large as the largest float

    def clip(self, value: float) -> float:
        """Return the number in the range that is nearest to `value`."""
        return min(max(float(value), float(self.low)), float(self.high))

    def _axis(self, value: float) -> float:
        if self.log:
            return math.log(value)
        return -math.log(1 - value) if self.complement_log else value

    def _from_axis(self, point: float) -> float:
        if self.log:
            return math.exp(point)
        return 1 - math.exp(-point) if self.complement_log else point

    def __repr__(self) -> str:
        flags = "".join(f", {flag}=True" for flag in ("log", "complement_log") if getattr(self, flag))
        return f"Float({self.low!r}, {self.high!r}{flags})"


@dataclass(frozen=True, repr=False)
class Int:
    """Whole numbers from `low` to `high`, both included.

    Args:
        low: the lower end.
        high: the upper end.
        step: the distance between neighbours, counted from low.
        log: search uniformly in log(x); not together with a step.

    Raises:
        SpaceError: low > high, step < 1, `log` with low < 1, or `log` with a step.

    >>> list(Int(2, 8, step=3).grid())
    [2, 5, 8]
    """

    low: int
    high: int
    step: int = field(default=1, kw_only=True)
    log: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        _take_ends(self, Integral, int, "a whole number")
        if self.low > self.high:
            raise SpaceError(f"{self!r}: low must not be above high; did you swap them?")
        if not isinstance(self.step, int) or self.step < 1:
            raise SpaceError(f"{self!r}: step must be a whole number of 1 or more")
        if self.log and self.low < 1:
            raise SpaceError(f"{self!r}: log=True needs low >= 1; raise low, or drop log=True")
        if self.log and self.step != 1:
            raise SpaceError(f"{self!r}: log=True goes with step=1 only; use Choice for other spacings")

    def grid(self) -> range:
        """Return every value."""
        return range(self.low, self.high + 1, self.step)

    def clip(self, value: int) -> int:
        """Return the number in the range that is nearest to `value`."""
        values = self.grid()
        steps = math.ceil((value - self.low) / self.step - 0.5)
        return values[min(max(steps, 0), len(values) - 1)]

    def __repr__(self) -> str:
        flags = (f", step={self.step}" if self.step != 1 else "") + (", log=True" if self.log else "")
        return f"Int({self.low!r}, {self.high!r}{flags})"


@dataclass(frozen=True, repr=False, init=False)
class Choice:
    """One of several options: plain values, or plugins by name, class, `.search(...)` or instance.

    Raises:
        SpaceError: no option, or one option twice (1, 1.0 and True are one: a sampler cannot tell them apart).

    >>> Choice(16, 32, 64).options
    (16, 32, 64)
    """

    options: tuple[Any, ...]

    def __init__(self, *options: Any) -> None:
        object.__setattr__(self, "options", options)
        if not options:
            raise SpaceError("Choice(): needs at least one option")
        for index, option in enumerate(options):
            if isinstance(option, (Float, Int, Choice)):
                raise SpaceError(f"{self!r}: option {index} is itself a range; give values or plugins")
            if any(option == other for other in options[:index]):
                raise SpaceError(f"{self!r}: option {option!r} is there twice")

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.options))})"


Range = Float | Int | Choice
"""Any of the three."""


@dataclass(frozen=True)
class FromTrials:
    """How many trials a study must have before it searches the range that a plugin gives a field of its own.

    It stands beside the range in the field's annotation; a range without it is always searched. With few trials, a
    search of the learning rate alone finds more than one of everything. tunelab's own plugins say 10 for what matters
    next (a momentum, a width), 25 for what fine-tunes (an epsilon, a decay) and 100 for beta2.

    Source: the deep learning tuning playbook (Godbole et al. 2023): below 10 trials the learning rate; from 10 beta1
    too; from 25 epsilon too; well above 25 beta2 too.

    Args:
        trials: so many, or more.

    Raises:
        SpaceError: trials that are no whole number of 1 or more.

    >>> FromTrials(10)
    FromTrials(trials=10)
    """

    trials: int

    def __post_init__(self) -> None:
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise SpaceError(f"{self!r}: trials must be a whole number of 1 or more")


def _take_ends(given: Float | Int, kind: type, plain: Callable[[Any], float], wanted: str) -> None:
    """Make both ends plain numbers, so that ranges that are equal have one text: Float(1, 2) and Float(1.0, 2.0)."""
    for end in ("low", "high"):
        value = getattr(given, end)
        if isinstance(value, bool) or not isinstance(value, kind):
            raise SpaceError(f"{given!r}: {end} must be {wanted}, not {type(value).__name__}")
        try:
            object.__setattr__(given, end, plain(value))
        except OverflowError:
            raise SpaceError(f"{given!r}: both ends must be finite numbers") from None
