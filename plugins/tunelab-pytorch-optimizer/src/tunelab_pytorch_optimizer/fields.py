"""The ranges that many of the optimizers share, and from how many trials on each is searched."""

from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

from tunelab.space import Float, FromTrials

Rate = Annotated[PositiveFloat, Float(1e-4, 3e-2, log=True)]
"""A learning rate about as long as Adam's."""

Decay = Annotated[float, Field(ge=0, lt=1)]
"""The part of a mean that is kept."""

Beta1 = Annotated[Decay, Float(0.5, 0.99, complement_log=True), FromTrials(10)]
"""The same, of gradients; searched as 1 - beta1 on a log axis."""

Beta2 = Annotated[Decay, Float(0.9, 0.9999, complement_log=True), FromTrials(100)]
"""The same, of their squares."""

Eps = Annotated[PositiveFloat, Float(1e-10, 1e-2, log=True), FromTrials(25)]
"""What keeps a division finite."""

Penalty = Annotated[NonNegativeFloat, Float(1e-3, 1.0, log=True), FromTrials(25)]
"""A weight decay that is not zero by default."""
