"""A model: the layers and the loss that are trained."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tunelab.contracts.arrays import Array, Targets
from tunelab.contracts.dataset import Inputs, Outputs
from tunelab.contracts.plugin import Plugin


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tensor of a layer.

    Attributes:
        name: unique in its layer.
        shape: without the member axis.
        bound: initial values are uniform in [-bound, bound].
        center: or, with a bound of zero, this constant (a number, or values of that shape).
    """

    name: str
    shape: tuple[int, ...]
    bound: float = 0.0
    center: float | tuple[float, ...] = 0.0


class Layer(ABC):
    """A step of a network: a frozen record with a hand-written backward, for all members at once.

    `xp` is the array namespace; layers rely on what NumPy 2 and torch spell alike, with `out=`, `axis=` and `dtype=`.

    Layers that compare equal may share a population. A field that may differ between members says `compare=False`
    and is read through `tape.rates`.

    Attributes:
        shares_rows: as the first layer, it takes rows that all members share as `(1, B, ...)`, without a copy for each.
    """

    shares_rows: ClassVar[bool] = False

    def parameters(self) -> tuple[Parameter, ...]:
        """Return the layer's tensors, in the order in which they lie in memory."""
        return ()

    def rate(self) -> float:
        """Return the number that may differ between members (a dropout rate), if there is one."""
        return 0.0

    @abstractmethod
    def forward(self, xp: Any, x: Array, params: Mapping[str, Array], tape: "Tape") -> Array:
        """Return the outputs `(P, B, ...)` for inputs `(P, B, ...)`, and leave on the tape what backward needs.

        `x` must stay as it is: the layer below may need it.
        """

    @abstractmethod
    def backward(
        self,
        xp: Any,
        dy: Array,
        params: Mapping[str, Array],
        grads: Mapping[str, Array],
        tape: "Tape",
        wanted: bool,
    ) -> Array:
        """Write the gradients of the parameters into `grads`; return that of the inputs if it is `wanted`, else None.

        `dy` may be overwritten.
        """


class Tape(ABC):
    """What one layer, or the loss, remembers from forward to backward; its arrays are reused from step to step."""

    training: bool
    saved: tuple[Array, ...]

    @abstractmethod
    def empty(self, name: str, shape: Sequence[int]) -> Array:
        """Return an array of no particular content, the same one each time for a name and shape."""

    @abstractmethod
    def uniform(self, name: str, shape: Sequence[int]) -> Array:
        """Return fresh numbers in [0, 1) from each member's own stream."""

    @property
    @abstractmethod
    def rates(self) -> Array:
        """The layer's `rate` for each member, `(P, 1, 1)`."""


class Loss(ABC):
    """What training lowers: a frozen record, for all members at once."""

    targets: ClassVar[Targets]
    metrics: ClassVar[tuple[str, ...]] = ("loss",)

    @abstractmethod
    def gradient(self, xp: Any, out: Array, target: Array, tape: Tape) -> tuple[Array, Array]:
        """Return the losses `(P, B)` and their gradients with respect to `out` `(P, B, ...)`, which stays as it is."""

    @abstractmethod
    def evaluate(self, xp: Any, out: Array, target: Array) -> dict[str, Array]:
        """Return each of `metrics` as a sum over rows, `(P,)`; the caller divides by the rows."""


class Model(Plugin):
    """What is trained: a `LayerModel`, on either backend, or a `ModuleModel`, on PyTorch."""

    def loss(self, targets: Targets) -> Loss | None:
        """Return the loss that belongs to the model, if it brings one (a function to minimise does)."""
        return None


class LayerModel(Model):
    """A network of `Layer`s, each with a hand-written backward, for either backend."""

    @abstractmethod
    def layers(self, inputs: int, outputs: int) -> tuple[Layer, ...]:
        """Return the network for rows of `inputs` numbers and `outputs` classes or values."""


class ModuleModel(Model):
    """A PyTorch module; the file that defines one imports torch inside its functions only.

    Attributes:
        reconstructs: its target is its input, whatever there is to predict.
    """

    reconstructs: ClassVar[bool] = False

    @abstractmethod
    def module(self, inputs: Inputs, outputs: Outputs) -> Any:
        """Return a new `torch.nn.Module` that takes batches `(B, *inputs.shape)` and returns `(B, *outputs.shape)`.

        A model that brings its own criterion returns what that takes. Its initial parameters come from torch's global
        generator, which is seeded by the trial's seed when this is called. Batches are of the training's dtype, or
        int64 where `inputs.symbols` says that they are symbols.

        Raises:
            DataError: inputs or outputs that it is not for (a row of numbers, where it takes images).
        """

    def asks_outputs(self) -> bool:
        """Return whether `module` needs the number of classes or values, which not all data say."""
        return not self.reconstructs

    def fits(self, inputs: Inputs, outputs: Outputs) -> None:
        """Refuse what `module` would refuse: asked before anything trains, in a process without torch.

        Raises:
            DataError: inputs or outputs that it is not for.
        """
        return

    def criterion(self) -> Callable[[Any, Array], Array] | None:
        """Return the loss that belongs to the model, if it brings one: a function of output and target of a batch.

        It returns one number, the mean over the rows.
        """
        return None
