"""Try a module on one batch: does it work at all, may its members train together, and how many?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from tunelab.backends.pytorch.alike import likeness
from tunelab.backends.pytorch.alone import AlonePasses
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.network import ModuleNetwork, Task
from tunelab.backends.pytorch.together import TogetherPasses
from tunelab.contracts import Array, Passes, Seats
from tunelab.errors import ExperimentError, TunelabError

CACHE = 16 * 2**20
"""Bytes that the parameters and activations of a population may take on a CPU: about what a shared cache holds."""

LARGE = 1_000_000
"""From so many parameters on, a module keeps a processor busy by itself; more at once would only take more memory."""

CLOSE = {"full": 1e-3, "bfloat16": 0.1}
"""How far apart, relative to the largest, gradients computed together and alone may be: rounding in float32 is 1e-6."""

TINY = 1e-6
"""Numbers below this are all equal to zero: what rounding leaves of a gradient that is zero."""

PLAINLY = {
    "data-dependent control flow": "what its forward does depends on the data (`if` on a tensor, or a loop)",
    ".item()": "what its forward does depends on the data (`.item()`, `float` or `int` of a tensor)",
    "randomness": "its forward draws random numbers in a way that cannot be each member's own",
    "inplace": "its forward changes in place what all members share",
    "broadcast shape": "its forward changes in place what all members share",
}
"""What messages of `torch.vmap` say, by words that they hold."""


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
    network.alone = _why_alone(network, backend, x, y)
    network.shares = network.alone is None
    return 1 if network.alone else wanted or _room(backend, each, largest)


def _why_alone(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array) -> str | None:
    if backend.settings.compile:
        return "torch.compile was asked for"
    if backend.device.type == "cpu" and network.size >= LARGE:
        return f"a module of {LARGE:,} parameters or more keeps a processor busy by itself"
    if network.unlike_itself:
        return f"two modules made alike differ in {network.unlike_itself}"
    return _why_not_together(network, backend, x, y)


def _why_not_together(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array) -> str | None:
    """Compare a step of two members that train together with the same two alone."""
    before = likeness(network.base)
    together, xs, ys = _seats(network, backend, [0, 1]), torch.stack([x, x]), torch.stack([y, y])
    try:
        found = _step(TogetherPasses(network, backend, together), xs, ys)
    except Exception as error:
        return _told_plainly(error)
    if likeness(network.base) != before:
        return "its forward changes attributes of the module"
    network.shares = True
    for member in range(2):
        alone, row = _seats(network, backend, [member]), slice(member, member + 1)
        expected = _step(AlonePasses(network, backend, alone), xs[row], ys[row])
        pairs = [(together.grad[row], alone.grad)]
        pairs += [(together.buffers[name][row], values) for name, values in alone.buffers.items()]
        pairs += zip((values[row] for values in found), expected, strict=True)
        near = all(_near(one, other, CLOSE[backend.settings.precision]) for one, other in pairs)
        if not (near or _is_rounding(network, backend, x, y)):
            return "its outputs for a member depend on who trains beside it, or on what it saw before"
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


def _step(passes: Passes, x: Array, y: Array) -> list[Array]:
    """Train and evaluate on the rows of a step; return losses and metrics, `(P,)` each."""
    losses = passes.gradient(x, y)
    measured = passes.evaluate(x[0, :2], y[0, :2])
    return [losses, *(torch.from_numpy(values) for values in measured.values())]


def _seats(network: ModuleNetwork, backend: TorchBackend, seeds: Sequence[int]) -> Seats:
    starts = [network.start(seed) for seed in seeds]
    theta = backend.asarray(np.stack([start.theta for start in starts]))
    names = starts[0].buffers
    buffers = {name: backend.asarray(np.stack([start.buffers[name] for start in starts])) for name in names}
    rates = [backend.asarray(np.full((len(seeds), 1, 1), rate)) for rate in network.rates()]
    streams = [np.random.default_rng(seed) for seed in seeds]
    return Seats(theta, torch.zeros_like(theta), buffers, rates, lambda: streams, seeds)


def _near(one: Array, other: Array, close: float) -> bool:
    if not other.is_floating_point():
        return bool(torch.equal(one, other))
    largest = max(float(other.abs().max()), TINY) if other.numel() else 0.0
    return bool(torch.allclose(one, other, rtol=0, atol=close * largest, equal_nan=True))


def _bytes_of_one(network: ModuleNetwork, backend: TorchBackend, x: Array, y: Array) -> int:
    """Return what one member takes in a step: parameters, gradient, three more of their size, and activations."""
    module = network.module(0).to(backend.device).train()
    with torch.random.fork_rng(devices=[]), _counted() as saved:
        loss = _loss(module, network.task, backend, x, y)
        if not (isinstance(loss, torch.Tensor) and loss.requires_grad):
            raise ExperimentError(f"the loss must depend on the module's parameters; it returned {loss!r}")
    parameters = {parameter.data_ptr() for parameter in module.parameters()}
    activations = sum(size for place, size in saved.items() if place not in parameters)
    return 5 * network.size * network.dtype.itemsize + activations


@contextmanager
def _counted() -> Iterator[dict[int, int]]:
    """Count the bytes that autograd keeps for the backward pass, by where they lie."""
    kept: dict[int, int] = {}
    held = []

    def keep(tensor: Array) -> None:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        held.append(tensor.detach())  # an output itself would hold the graph that holds it: nobody would free either

    def never(_: None) -> Array:
        raise AssertionError("no backward follows")

    with torch.autograd.graph.saved_tensors_hooks(keep, never):
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
        whole = not (value.is_floating_point() or value.is_complex()) and value.numel() > 0
        within = " from {} to {}".format(*(each.item() for each in value.aminmax())) if whole else ""
        return f"of shape {tuple(value.shape)} and type {value.dtype}{within}"
    return f"of type {type(value).__name__}"


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _told_plainly(error: Exception) -> str:
    """Return why `torch.vmap` refuses a module, as its author would say it."""
    return next((told for words, told in PLAINLY.items() if words in str(error)), _first_line(error))


def _room(backend: TorchBackend, each: int, largest: int) -> int:
    """Return how many members, each of so many bytes, fill a GPU's free memory by half, or a CPU's cache."""
    if backend.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(backend.device)
        return max(1, int(free // (2 * each)))
    return max(1, min(largest, CACHE // each))
