"""Words that contracts share."""

from types import SimpleNamespace
from typing import Any, Literal

Array = Any
"""A NumPy array or a torch tensor."""

Hyper = SimpleNamespace
"""A plugin's float fields, one attribute each: float64 arrays `(P, 1)`; an optimizer's `lr` is scheduled, `(S, P, 1)`.

A field that holds a plugin is a `Hyper` of its own: `hyper.first.gamma`.
"""

Targets = Literal["classes", "values", "none"]
"""What a data set asks to predict: class labels, real values, or nothing (a function is minimised)."""
