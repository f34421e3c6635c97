"""Any `torch.optim.Optimizer` class as a rule: every member steps with an instance of its own."""

import inspect
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from pydantic import PositiveFloat

from tunelab.contracts import Array, Foreign, Hyper, Own, Rule
from tunelab.errors import PluginError


class TorchOptimizer(Foreign, Rule):
    """A class of torch.optim, of another package or your own; or a function of parameters that returns an instance.

        TorchOptimizer(torch.optim.AdamW, lr=1e-3, weight_decay=0.01)                            # fixed
        TorchOptimizer.search(torch.optim.AdamW, lr=Float(1e-4, 1e-1, log=True), betas=(0.9, 0.98))

    Its keyword arguments are the fields, with its own defaults; none is searched unless a range is given, or stands in
    an annotation of a function of your own, which is also how to search what is one of several numbers:

        def adamw(params, lr: float = 1e-3, beta1: Annotated[float, Float(0.5, 0.98, complement_log=True)] = 0.9):
            return torch.optim.AdamW(params, lr=lr, betas=(beta1, 0.999))

        TorchOptimizer.search(adamw, lr=Float(1e-4, 1e-1, log=True))

    It trains on the torch backend only. Every member has an instance of its own over its own weights, beside members
    of any other rule, and steps exactly as in a loop by hand. Before each step the learning rate of all its parameter
    groups is set to that of schedule and warm-up; where groups begin with different ones, their ratios stay. What it
    draws at random comes from torch's generator, seeded by the member's seed and step.

    A class with methods `eval()` and `train()`, as schedule-free ones have, is evaluated where `eval()` takes its
    parameters, and goes on from where it trained.

    A closure is not given: LBFGS, and whatever else evaluates the loss again within a step, is refused, and so is what
    wants sparse gradients. What a checkpoint holds is its `state_dict()`. Members take their steps one after another,
    which costs as much as it does by hand: tunelab's own rules, on all members at once, are several times faster.

    Attributes:
        lr: learning rate; the one field that every class must have.

    Raises:
        PluginError: what is no optimizer, or cannot step without a closure; a field that it does not have.
        RunError: in training, what the class itself raises on these parameters.

    >>> TorchOptimizer.sees, TorchOptimizer.backends
    ('members', ('torch',))

    Source: the contract of torch.optim.Optimizer, https://docs.pytorch.org/docs/stable/optim.html.
    """

    lr: PositiveFloat
    sees: ClassVar[Literal["members"]] = "members"
    backends: ClassVar[tuple[str, ...]] = ("torch",)

    @classmethod
    def require(cls, target: Any) -> None:
        """Raise `PluginError` for a class that is no optimizer, or that cannot step here."""
        if isinstance(target, type):  # what a function returns is seen when it is called
            _require_plain_steps(target)

    @classmethod
    def supplied(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the first parameter: what is to be optimised."""
        return names[:1]

    @classmethod
    def traits(cls, target: Any) -> Mapping[str, Any]:
        """Return whether it is evaluated at other parameters than it trains at."""
        return {"averages": hasattr(target, "eval") and hasattr(target, "train")}

    def scalars(self, hyper: Hyper, step: Array) -> Mapping[str, Array]:
        """Return the learning rate and the step's number; all else is in each member's instance."""
        return {"lr": hyper.lr, "step": step}

    def begin(self, theta: Sequence[Array], seed: int) -> "TorchInstance":
        """Return a member's own instance."""
        return TorchInstance(self, seed, theta)

    def update(self, xp: Any, theta: Any, grad: Any, slots: Mapping[str, Any], k: Hyper, scratch: Array) -> None:
        """Take one member's step."""
        slots["own"].step(k)

    def average(self, xp: Any, theta: Any, slots: Mapping[str, Any], scratch: Array) -> None:
        """Replace one member's parameters by those to evaluate."""
        slots["own"].evaluate()


class TorchInstance(Own):
    """One member's instance: its parameters are views of the member's row, and its state moves with it.

    Args:
        plugin: what it is made by.
        seed: the member's.
        theta: the tensors to optimise, `(*shape)` each.
    """

    def __init__(self, plugin: TorchOptimizer, seed: int, theta: Sequence[Array]) -> None:
        self._plugin, self._seed = plugin, seed
        self._saved: Mapping[str, Any] | None = None
        self._make(theta)

    def _make(self, theta: Sequence[Array]) -> None:
        from torch import as_tensor
        from torch.nn import Parameter

        self._leaves = [Parameter(as_tensor(values)) for values in theta]
        with _drawing_from(self._seed, 0):
            try:
                self._optimizer = self._plugin.call(self._leaves)
                rates = [group["lr"] for group in self._optimizer.param_groups]
            except Exception as error:
                raise PluginError(f"{self._plugin!r} cannot be made: {type(error).__name__}: {error}") from error
        self._ratios = [rate / self._plugin.lr for rate in rates]

    def bind(self, theta: Sequence[Array], grad: Sequence[Array]) -> None:
        """Step these tensors from now on; the state stays where it is."""
        from torch import as_tensor

        if self._saved is not None:
            self._make(theta)
            self._restore(self._saved)
            self._saved = None
        for leaf, values in zip(self._leaves, theta, strict=True):
            leaf.grad = None
            leaf.data = as_tensor(values)
        self._grads = [as_tensor(values) for values in grad]

    def step(self, k: Hyper) -> None:
        """Take one step at the learning rate `k.lr`."""
        for leaf, grad in zip(self._leaves, self._grads, strict=True):
            leaf.grad = grad
        for group, ratio in zip(self._optimizer.param_groups, self._ratios, strict=True):
            group["lr"] = k.lr * ratio
        with _drawing_from(self._seed, int(k.step)):
            self._optimizer.step()

    def evaluate(self) -> None:
        """Leave the parameters where `eval()` takes them, and the instance ready to go on from where it trained."""
        self._optimizer.eval()
        shown = [leaf.detach().clone() for leaf in self._leaves]
        self._optimizer.train()
        for leaf, values in zip(self._leaves, shown, strict=True):
            leaf.data.copy_(values)

    def __getstate__(self) -> dict[str, Any]:
        saved = self._optimizer.state_dict() if self._saved is None else self._saved
        return {"_plugin": self._plugin, "_seed": self._seed, "_saved": saved}

    def _restore(self, saved: Mapping[str, Any]) -> None:
        """Put a state back as it was: `load_state_dict` casts what it holds to the dtype of the parameters."""
        self._optimizer.load_state_dict(dict(saved))
        leaves = [leaf for group in self._optimizer.param_groups for leaf in group["params"]]
        for number, leaf in enumerate(leaves):
            if number in saved["state"]:
                self._optimizer.state[leaf].update(saved["state"][number])


@contextmanager
def _drawing_from(seed: int, step: int) -> Iterator[None]:
    """Let torch's generator stand where this seed and step put it, and give it back as it was: 2 microseconds."""
    from torch import default_generator

    before = default_generator.get_state()
    default_generator.manual_seed(zlib.crc32(f"{seed} {step}".encode()))
    try:
        yield
    finally:
        default_generator.set_state(before)


def _require_plain_steps(target: type[Any]) -> None:
    from torch.optim import Optimizer, SparseAdam

    name = target.__qualname__
    if not issubclass(target, Optimizer):
        raise PluginError(f"TorchOptimizer needs a subclass of torch.optim.Optimizer, was given the class {name}")
    closure = inspect.signature(target.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise PluginError(
            f"TorchOptimizer: {name} evaluates the loss again within a step (its step needs a closure), which a "
            "population does not offer; choose an optimizer that takes one gradient a step"
        )
    if issubclass(target, SparseAdam):
        raise PluginError(
            f"TorchOptimizer: {name} wants sparse gradients, and all gradients here are dense; "
            "choose torch.optim.Adam, whose steps are the same where no gradient is missing"
        )
