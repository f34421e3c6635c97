"""Try a module on one batch: does it work at all, may its members train together, and how many?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from tunelab.backends.pytorch.alike import DROPOUTS, likeness
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.network import ModuleNetwork, Task
from tunelab.backends.pytorch.together import TogetherPasses
from tunelab.contracts import Array, Seats
from tunelab.errors import ExperimentError, TunelabError

CACHE = 16 * 2**20
"""Bytes that the parameters and activations of a population may take on a CPU: about what a shared cache holds."""

LARGE = 1_000_000
"""From so many parameters on, a module keeps a processor busy by itself; more at once would only take more memory."""

CLOSE = 1e-3
"""How far apart, relative to the largest, gradients computed together and alone may be in float32: rounding is 1e-6."""


def fit(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array, wanted: int | None, largest: int) -> int:
    """Return how many members may train together; set `network.alone` to the reason where they cannot.

    Args:
        network: the module.
        backend: what computes.
        x, y: the rows of one step, `(B, D)` and `(B, ...)`.
        wanted: members that were asked for; None for as many as make sense.
        largest: no more than so many by default.

    Raises:
        ExperimentError: the module or its loss cannot train on these rows.
    """
    each = _bytes_of_one(network, backend, x, y)
    count = wanted or (_room(backend, each) if backend.device.type == "cuda" else max(1, min(largest, CACHE // each)))
    network.alone = _why_alone(network, backend, x, y, count)
    return 1 if network.alone else count


def _why_alone(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array, count: int) -> str | None:
    if backend.settings.compile:
        return "torch.compile was asked for"
    if network.unlike_itself:
        return f"two modules made alike differ in {network.unlike_itself}"
    if backend.device.type == "cpu" and (network.size >= LARGE or count == 1):
        return f"one with {network.size:,} parameters keeps a processor busy by itself"
    return _why_not_together(network, backend, x, y)


def _why_not_together(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array) -> str | None:
    """Compare two members that train together with the same two alone."""
    seats = _seats(network, backend)
    before = likeness(network.base)
    try:
        passes = TogetherPasses(network, backend, seats)
        losses = passes.gradient(torch.stack([x, x]), torch.stack([y, y]))
        passes.evaluate(x[:2], y[:2])
    except Exception as error:
        return _first_line(error)
    if likeness(network.base) != before:
        return "its forward changes its attributes"
    if any(site.kind == "normal" for sites in passes.sites.values() for site in sites):
        return None  # other random numbers than alone, so there is nothing to compare
    for member in range(2):
        loss, gradient, buffers = _alone(network, backend, member, x, y)
        same = _near(losses[member], loss) and _near(seats.grad[member], gradient)
        same = same and all(_near(seats.buffers[name][member], value) for name, value in buffers.items())
        if not (same or _is_rounding(network, backend, x, y)):
            return "what it computes for several members at once is not what it computes for each"
    return None


def _is_rounding(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array) -> bool:
    """Return whether members agree in float64: in float32 a rounding error may flip a relu, and move a gradient far."""
    if network.dtype == torch.float64 or backend.device.type == "mps":
        return False
    exact = TorchBackend("float64", backend.settings)
    try:
        twin = ModuleNetwork(network.build, network.task, torch.float64)
        return _why_not_together(twin, exact, x.double(), y.double() if y.is_floating_point() else y) is None
    except Exception:  # a module that insists on float32
        return False


def _seats(network: ModuleNetwork, backend: TorchBackend) -> Seats:
    """Return two members that drop nothing."""
    starts = [network.start(seed) for seed in range(2)]
    theta = backend.asarray(np.stack([start.theta for start in starts]))
    names = starts[0].buffers
    buffers = {name: backend.asarray(np.stack([start.buffers[name] for start in starts])) for name in names}
    rates = [backend.zeros((2, 1, 1)) for _ in network.rates()]
    generators = [np.random.default_rng(seed) for seed in range(2)]
    return Seats(theta, torch.zeros_like(theta), buffers, rates, lambda: generators)


def _alone(
    network: ModuleNetwork, backend: TorchBackend, seed: int, x: Array, y: Array
) -> tuple[Array, Array, dict[str, Array]]:
    module = _without_dropout(network.module(seed).to(backend.device))
    loss = _loss(module, network.task, backend, x, y)
    loss.backward()
    trained = dict(module.named_parameters())
    parts = [trained[tensor.name] for tensor in network.tensors()]
    gradient = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parts])
    return loss.detach(), gradient, dict(module.named_buffers())


def _without_dropout(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if isinstance(part, DROPOUTS):
            part.p = 0.0
    return module.train()


def _near(one: Array, other: Array) -> bool:
    if not other.is_floating_point():
        return bool(torch.equal(one, other))
    return bool(((one - other).abs() <= CLOSE * max(float(other.abs().max()), 1e-6)).all()) if other.numel() else True


def _bytes_of_one(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array) -> int:
    """Return what one member takes in a step: parameters, gradient, three more of their size, and activations."""
    module = network.module(0).to(backend.device).train()
    with torch.random.fork_rng(devices=[]), _counted() as saved:
        loss = _loss(module, network.task, backend, x, y)
        if not (isinstance(loss, torch.Tensor) and loss.requires_grad):
            raise ExperimentError(f"the loss must depend on the module's parameters; it returned {loss!r}")
    parameters = {parameter.data_ptr() for parameter in module.parameters()}
    activations = sum(size for place, size in saved.items() if place not in parameters)
    return 5 * network.size * x.element_size() + activations


@contextmanager
def _counted() -> Iterator[dict[int, int]]:
    """Count the bytes that autograd keeps for the backward pass, by where they lie."""
    kept: dict[int, int] = {}

    def keep(tensor: Array) -> Array:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept


def _loss(module: nn.Module, task: Task, backend: TorchBackend, x: Array, y: Array) -> Array:
    """Return the loss of one batch, every step of it checked."""
    rows = task.rows(x)
    given = f"rows of shape {tuple(rows.shape)} and type {rows.dtype}"
    with backend.precision():
        try:
            out = module(rows)
        except TunelabError:
            raise
        except Exception as error:
            raise ExperimentError(f"the module raised {_first_line(error)}; it was given {given}") from error
        task.check(out, y)
        try:
            loss = task.criterion(out, rows if task.reconstructs else y)
        except Exception as error:
            raise ExperimentError(
                f"the loss raised {_first_line(error)}; it was given outputs {_told(out)} and targets {_told(y)}"
            ) from error
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        what = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
        raise ExperimentError(f"the loss must be one number, the mean over the rows; it was {what}")
    return loss


def _told(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"of shape {tuple(value.shape)} and type {value.dtype}"
    return f"of type {type(value).__name__}"


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _room(backend: TorchBackend, each: int) -> int:
    """Return how many members fill the memory that a GPU has free, half of it left for what passes leave behind."""
    free, _ = torch.cuda.mem_get_info(backend.device)
    return max(1, int(free // (2 * each)))
