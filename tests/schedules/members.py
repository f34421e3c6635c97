"""Members of every schedule, with different fields."""

from collections.abc import Sequence

from tunelab.contracts import Schedule
from tunelab.schedules import Constant, Cosine, Exponential, InverseTime, Linear, Polynomial, Step

MEMBERS: dict[str, Sequence[Schedule]] = {
    "constant": [Constant(), Constant(), Constant()],
    "step": [Step(), Step(gamma=0.1, every=0.1), Step(gamma=1.0, every=1.0)],
    "exponential": [Exponential(), Exponential(final=1e-4), Exponential(final=1.0)],
    "inverse-time": [InverseTime(), InverseTime(rate=300.0), InverseTime(rate=0.0)],
    "linear": [Linear(), Linear(final=0.1), Linear(final=1.0)],
    "polynomial": [Polynomial(), Polynomial(power=0.5, final=0.3), Polynomial(power=4.0)],
    "cosine": [Cosine(), Cosine(final=0.1), Cosine(final=1.0)],
}
