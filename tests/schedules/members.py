"""Members of every schedule, with different fields."""

from collections.abc import Sequence

from tunelab.contracts import Schedule
from tunelab.schedules import (
    REX,
    SGDR,
    WSD,
    Constant,
    Cosine,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    MultiStep,
    OneCycle,
    Piecewise,
    Polynomial,
    ReduceOnPlateau,
    Step,
    Then,
    Triangular,
    Triangular2,
)

MEMBERS: dict[str, Sequence[Schedule]] = {
    "constant": [Constant(), Constant(), Constant()],
    "step": [Step(), Step(gamma=0.1, every=0.1), Step(gamma=1.0, every=1.0)],
    "exponential": [Exponential(), Exponential(final=1e-4), Exponential(final=1.0)],
    "inverse-time": [InverseTime(), InverseTime(rate=300.0), InverseTime(rate=0.0)],
    "linear": [Linear(), Linear(final=0.1), Linear(final=1.0)],
    "polynomial": [Polynomial(), Polynomial(power=0.5, final=0.3), Polynomial(power=4.0)],
    "cosine": [Cosine(), Cosine(final=0.1), Cosine(final=1.0)],
    "multi-step": [MultiStep(), MultiStep(gamma=0.5), MultiStep(gamma=1.0)],
    "multi-step, three": [MultiStep(gamma=gamma, milestones=(0.07, 0.5, 0.9)) for gamma in (0.1, 0.3, 0.9)],
    "sgdr": [SGDR(), SGDR(first=0.07, mult=1.0, final=0.1), SGDR(first=0.3, mult=3.0)],
    "one-cycle": [OneCycle(), OneCycle(rise=0.5, start=0.0, final=0.0), OneCycle(rise=0.9, start=1.0, final=0.1)],
    "triangular": [Triangular(), Triangular(period=1.0, low=0.0), Triangular(period=0.07, low=1.0)],
    "triangular2": [Triangular2(), Triangular2(period=1.0, low=0.0), Triangular2(period=0.07, low=0.1)],
    "wsd": [WSD(), WSD(decay=0.07, final=0.1), WSD(decay=1.0)],
    "wsd, linear": [WSD(shape="linear", decay=decay) for decay in (0.2, 0.07, 1.0)],
    "inverse-sqrt": [InverseSqrt(), InverseSqrt(warmup=0.07), InverseSqrt(warmup=1.0)],
    "rex": [REX(), REX(), REX()],
    "piecewise": [Piecewise(), Piecewise(), Piecewise()],
    "piecewise, linear": [Piecewise(at=(0.07, 0.5, 1.0), values=(0.1, 1.0, 0.0), shape="linear")] * 3,
    "reduce-on-plateau": [ReduceOnPlateau(), ReduceOnPlateau(gamma=0.5), ReduceOnPlateau(threshold=0.1)],
    "then": [
        Then(first=Step(gamma=gamma, every=0.3), second=Cosine(final=final), at=at, scale=scale)
        for gamma, final, at, scale in [(0.1, 0.0, 0.07, 1.0), (0.7, 0.2, 0.5, 0.5), (1.0, 1.0, 0.9, 0.0)]
    ],
    "then, then": [
        Then(first=Linear(final=final), second=Then(first=InverseTime(rate=rate), second=SGDR(mult=1.5)), at=at)
        for final, rate, at in [(0.1, 3.0, 0.3), (0.2, 1.0, 0.5), (0.9, 0.0, 0.01)]
    ],
}
