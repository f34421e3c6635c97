"""A PyTorch module as a network: its parameters as one flat vector, its buffers beside it."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from tunelab.backends.pytorch.alike import DROPOUTS, difference, likeness
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.recorded import Recordings
from tunelab.contracts import Array, Backend, Inputs, Loss, Network, Outputs, Passes, Seats, Start, Targets, Tensor
from tunelab.errors import ExperimentError

Criterion = Callable[[Any, torch.Tensor], torch.Tensor]
"""A loss: a function of output and target of a batch, that returns one number, the mean over its rows."""


@dataclass(frozen=True)
class Task:
    """What a module is for.

    Attributes:
        inputs, outputs, targets: what a row is, and what is to be told of it.
        loss: one that tunelab brings; None for the person's own.
        criterion: the same loss, or the person's own, as PyTorch has it.
        metrics: functions of output and target of all rows of a part, by name; each returns one number.
        reconstructs: the target is the input.
        flat: rows come flat, and take their shape here; if not, they come as the module takes them.
        at_least: there may be more classes than `outputs` counts.
    """

    inputs: Inputs
    outputs: Outputs
    targets: Targets
    loss: Loss | None
    criterion: Criterion
    metrics: Mapping[str, Criterion]
    reconstructs: bool = False
    flat: bool = True
    at_least: bool = False

    @property
    def classifies(self) -> bool:
        """Whether accuracy means something."""
        return self.targets == "classes" and not self.reconstructs

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        """Return rows `(..., D)` as the module takes them."""
        if not self.flat:
            return x
        shaped = x.reshape(*x.shape[:-1], *self.inputs.shape)
        return shaped.long() if self.inputs.symbols else shaped

    def tells_classes(self, out: Any) -> bool:
        """Return whether outputs `(P, B, ...)` are those of classes, so that accuracy can be measured."""
        return self.classifies and isinstance(out, torch.Tensor) and self._fit(tuple(out.shape[2:]))

    def check(self, out: Any, y: torch.Tensor) -> None:
        """Raise `ExperimentError` unless outputs `(B, ...)` fit the loss that goes with the targets."""
        if self.loss is None:
            return
        shape = tuple(out.shape) if isinstance(out, torch.Tensor) else ()
        if shape[:1] != (len(y),) or not self._fit(shape[1:]):
            was = f"a tensor of shape {shape}" if isinstance(out, torch.Tensor) else type(out).__name__
            *places, count = self.outputs.shape
            kind = "classes" if self.classifies else "values a row"
            expected = ", ".join(map(str, (len(y), *places, count or "classes")))
            what = f"{count} or more {kind}" if self.at_least and count else f"{count or 'some'} {kind}"
            raise ExperimentError(
                f"the module must return a tensor of shape ({expected}) for {len(y)} rows and {what}; it returned {was}"
            )

    def _fit(self, shape: tuple[int, ...]) -> bool:
        """Return whether outputs of this shape a row are those of the classes or values to tell."""
        *places, count = self.outputs.shape
        if list(shape[:-1]) != places or not shape:
            return False
        return shape[-1] >= count if self.at_least else shape[-1] == count


class ModuleNetwork(Network):
    """A module that somebody else wrote.

    Members are alike, and may train together, if their modules are (`alike.likeness`): whatever arguments the
    modules were made with.

    Args:
        build: makes the module anew, its initial values from torch's global generator.
        task: what it is for.
        dtype: of parameters and floating buffers.

    Attributes:
        alone: why its members cannot train together, if so.
        shares: they can: whoever trains alone all the same gets the random numbers that it would have in company.
        recordings: what passes of members together were seen to do.
    """

    def __init__(self, build: Callable[[], nn.Module], task: Task, dtype: torch.dtype) -> None:
        self.build, self.task, self.dtype = build, task, dtype
        module = self.module(0)
        self._likeness = likeness(module)
        self._hash = hash(self._likeness)
        self._rates = tuple(float(part.p) for part in module.modules() if isinstance(part, DROPOUTS))
        self._tensors = tuple(_tensors(module))
        self._passing = frozenset(_not_persistent(module))
        self.base = _emptied(module)
        self.alone: str | None = None
        self.shares = False
        self.recordings = Recordings()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModuleNetwork) or self._hash != other._hash:
            return False
        return self is other or (self.task, self._likeness) == (other.task, other._likeness)

    def __hash__(self) -> int:
        return self._hash

    def module(self, seed: int) -> nn.Module:
        """Return a new module with the initial values of a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = self.build()
        if not isinstance(module, nn.Module):
            raise ExperimentError(f"the model must make a torch.nn.Module, made {module!r}")
        for name, parameter in module.named_parameters():
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise ExperimentError(
                    f"{name} has no shape yet: lazy modules get theirs from a first batch; give sizes instead"
                )
            if parameter.requires_grad and not parameter.is_floating_point():
                raise ExperimentError(f"the parameter {name} must be real, was {parameter.dtype}")
        return module.to(self.dtype)

    def tensors(self) -> Iterator[Tensor]:
        """Yield each parameter that requires a gradient, by its name in the module; a shared one once."""
        return iter(self._tensors)

    def start(self, seed: int) -> Start:
        """Return a member's initial parameters and buffers; parameters that are frozen lie among the buffers."""
        module = self.module(seed)
        trained = dict(_trained(module))
        theta = torch.cat([trained[tensor.name].detach().reshape(-1) for tensor in self._tensors]).numpy()
        return Start(theta, {name: value.detach().numpy() for name, value in _kept(module)})

    def passing(self) -> frozenset[str]:
        """Return the buffers that `state_dict` leaves out."""
        return self._passing

    def trained(self, state: Start) -> nn.Module:
        """Return the module with a member's parameters and buffers, in evaluation mode."""
        module = self.module(0)  # what is neither is that of seed 0 in training, too
        named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        with torch.no_grad():
            for tensor in self._tensors:
                named[tensor.name].copy_(torch.tensor(state.theta[tensor.where]).view(tensor.shape))
            for name, values in state.buffers.items():
                named[name].copy_(torch.tensor(values))
        return module.eval()

    def rates(self) -> tuple[float, ...]:
        """Return the rate of each dropout module."""
        return self._rates

    @property
    def metrics(self) -> tuple[str, ...]:
        """The loss, the accuracy of classes, and the person's own."""
        return ("loss", *(("accuracy",) if self.task.classifies else ()), *self.task.metrics)

    @cached_property
    def unlike_itself(self) -> str | None:
        """Where two modules made the same way are not alike, if they are not."""
        one, other = self.module(0), self.module(1)
        return None if likeness(one) == likeness(other) else difference(one, other)

    def fit(self, backend: Backend, x: Array, y: Array, wanted: int | None, largest: int) -> int:
        """Return how many members may train together, tried on the rows of a step."""
        from tunelab.backends.pytorch.fit import fit

        assert isinstance(backend, TorchBackend)
        return fit(self, backend, x, y, wanted, largest)

    def passes(self, backend: Backend, seats: Seats) -> Passes:
        """Return forward and backward of all members at once, or of one alone."""
        from tunelab.backends.pytorch.alone import AlonePasses
        from tunelab.backends.pytorch.together import TogetherPasses

        assert isinstance(backend, TorchBackend)
        return (AlonePasses if self.alone or len(seats.theta) == 1 else TogetherPasses)(self, backend, seats)


def _emptied(module: nn.Module) -> nn.Module:
    """Take the numbers out of a module; tensors that are tied stay so, which `module.to("meta")` would undo."""
    made: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for part in module.modules():
        groups: tuple[dict[str, Any], ...] = (part._parameters, part._buffers)
        for group in groups:
            for key, tensor in group.items():
                if tensor is None:
                    continue
                if id(tensor) not in made:
                    bare = tensor.detach().to("meta")
                    made[id(tensor)] = tensor, _as_parameter(tensor, bare)
                group[key] = made[id(tensor)][1]
    return module


def _as_parameter(tensor: torch.Tensor, bare: torch.Tensor) -> torch.Tensor:
    return nn.Parameter(bare, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else bare


def _trained(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)


def _kept(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_buffers()
    yield from ((name, parameter) for name, parameter in module.named_parameters() if not parameter.requires_grad)


def _not_persistent(module: nn.Module) -> Iterator[str]:
    for prefix, part in module.named_modules():
        yield from (f"{prefix}.{name}".lstrip(".") for name in part._non_persistent_buffers_set)


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    start = 0
    for name, parameter in _trained(module):
        stop = start + math.prod(parameter.shape)
        yield Tensor(name, tuple(parameter.shape), slice(start, stop))
        start = stop
    if not start:
        raise ExperimentError("the module has no parameters to train")
