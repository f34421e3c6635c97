"""What one layer remembers between forward and backward, with arrays that are reused from step to step."""

from collections.abc import Callable, Sequence

import numpy as np

from tunelab.contracts import Array, Backend, Tape


class PopulationTape(Tape):
    """The tape of one layer in one population.

    Args:
        backend: makes the arrays.
        rates: the layer's number for each member, `(P, 1, 1)`.
        streams: returns each member's stream of noise, in the order of the members.
    """

    def __init__(
        self, backend: Backend, rates: Array = None, streams: Callable[[], Sequence[np.random.Generator]] = tuple
    ) -> None:
        self.training = False
        self.saved: tuple[Array, ...] = ()
        self._backend = backend
        self._rates = rates
        self._streams = streams
        self._arrays: dict[tuple[str, tuple[int, ...]], Array] = {}

    @property
    def rates(self) -> Array:
        """The layer's number for each member, `(P, 1, 1)`."""
        return self._rates

    def empty(self, name: str, shape: Sequence[int]) -> Array:
        """Return the array of this name and shape, the same one each time."""
        key = (name, tuple(shape))
        array = self._arrays.get(key)
        if array is None:
            array = self._arrays[key] = self._backend.empty(shape)
        return array

    def uniform(self, name: str, shape: Sequence[int]) -> Array:
        """Return fresh numbers in [0, 1), each member's from its own stream."""
        noise = self.empty(name, shape)
        for row, generator in zip(noise, self._streams(), strict=True):
            self._backend.fill_uniform(row, generator)
        return noise
