"""A person's own function."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, FiniteFloat, PlainSerializer

from tunelab.contracts import Array, Layer, LayerModel, Loss, Targets, found_at
from tunelab.errors import PluginError
from tunelab.models.layers import Point
from tunelab.models.losses import surface_for

Point1D = np.ndarray
"""A point `(n,)`, float64."""


def _found(given: Any) -> Any:
    """Return a function that can be found again by its name, given it or its name; None stays None."""
    if given is None:
        return None
    function = _imported(given) if isinstance(given, str) else given
    if not callable(function):
        raise PluginError(f"Function: needs a Python function or its name as 'module:name', was {given!r}")
    if not _refound(function):
        raise PluginError(
            f"Function: {_name(function)} cannot be found again by its name, as the record of an experiment must; "
            "define it with def at the top level of a module"
        )
    return function


def _refound(function: Any) -> bool:
    try:
        return _imported(_name(function)) is function
    except PluginError:
        return False


def _imported(name: str) -> Any:
    try:
        return found_at(name)
    except ValueError:
        raise PluginError(f"Function: a function's name must read 'module:name', was {name!r}") from None
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"Function: no function {name!r} ({error}); is its module installed, or in the folder that you run from?"
        ) from error


def _name(function: Any) -> str:
    module = getattr(function, "__module__", None)
    path = getattr(function, "__qualname__", None)
    return f"{module}:{path}" if path else repr(function)


def _name_or_none(function: Any) -> str | None:
    return None if function is None else _name(function)


Named = (BeforeValidator(_found), PlainSerializer(_name_or_none, return_type=str | None, when_used="json"))


class Function(LayerModel):
    """A Python function of one point, minimised; in records it is `module:name`.

    It is called member by member, in float64 whatever the training's dtype. Without a gradient, central differences
    stand in, at 2 n more calls a step and with a relative error of about 1e-10:

        gradient[i] = (f(theta + h e[i]) - f(theta - h e[i])) / (2 h),  h = 6e-6 max(1, |theta[i]|)

    Source of h, the cube root of float64's precision: Nocedal & Wright, Numerical Optimization (2006), section 8.1.

    Attributes:
        f: takes an array `(n,)` and returns one number; at the top level of a module, or its name as "module:name".
        gradient: takes an array `(n,)` and returns one.
        start: the initial theta.

    Raises:
        PluginError: a function that cannot be found by its name; in training, one that returns another shape.

    >>> import numpy as np
    >>> model = Function(f="numpy.linalg:norm", start=(3.0, 4.0))
    >>> model
    Function(f='numpy.linalg:norm', gradient=None, start=(3.0, 4.0))
    >>> value, gradient = model.value_and_gradient(np, np.array([[[3.0, 4.0]]]))
    >>> float(value[0, 0]), gradient.round(6).tolist()
    (5.0, [[[0.6, 0.8]]])
    >>> model.model_dump(mode="json")["f"]
    'numpy.linalg:norm'
    """

    f: Annotated[Callable[[Point1D], Any], *Named]
    gradient: Annotated[Callable[[Point1D], Any] | None, *Named] = None
    start: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Yield the fields as they can be written: a function by its name."""
        for field, value in super().__repr_args__():
            yield field, _name(value) if callable(value) else value

    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the point that moves."""
        return (Point(self.start),)

    def loss(self, targets: Targets) -> Loss:
        """Return this function's height; raise `DataError` if there is data."""
        return surface_for(self, targets)

    def value_and_gradient(self, xp: Any, z: Array) -> tuple[Array, Array]:
        """Return f `(P, B)` and its gradient `(P, B, n)` at z `(P, B, n)`."""
        points = np.asarray(z, dtype=np.float64)
        values, gradients = np.empty(points.shape[:-1]), np.empty(points.shape)
        for index in np.ndindex(values.shape):
            values[index] = self._value(points[index])
            gradients[index] = self._slope(points[index])
        return tuple(xp.asarray(array, dtype=z.dtype, device=z.device) for array in (values, gradients))

    def _value(self, point: Point1D) -> Any:
        value = np.asarray(self.f(point.copy()))
        if value.size != 1 or value.dtype.kind not in "fiub":
            raise PluginError(f"Function: {_name(self.f)} must return one number, returned {value!r}")
        return value.item()

    def _slope(self, point: Point1D) -> Any:
        if self.gradient is None:
            return self._central_differences(point)
        slope = np.asarray(self.gradient(point.copy()))
        if slope.shape != point.shape:
            raise PluginError(
                f"Function: {_name(self.gradient)} must return an array of shape {point.shape}, returned {slope.shape}"
            )
        return slope

    def _central_differences(self, point: Point1D) -> Point1D:
        slope = np.empty_like(point)
        steps = np.cbrt(np.finfo(np.float64).eps) * np.maximum(1.0, np.abs(point))
        for i, step in enumerate(steps):
            above, below = point.copy(), point.copy()
            above[i] += step
            below[i] -= step
            slope[i] = (self._value(above) - self._value(below)) / (above[i] - below[i])
        return slope
