"""Passes bound to buffers made by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from laws.modules import experiment, rows_of
from laws.runs import drawn
from torch import nn

from tunelab import Torch
from tunelab.backends.pytorch.alone import AlonePasses
from tunelab.backends.pytorch.backend import TorchBackend
from tunelab.backends.pytorch.network import ModuleNetwork
from tunelab.backends.pytorch.together import TogetherPasses
from tunelab.contracts import Passes, Seats
from tunelab.training.networks import network_of


def network(build: Callable[..., nn.Module], kind: Any = "flat", **fields: Any) -> ModuleNetwork:
    made = experiment(build, kind, **fields)
    found = network_of(made, made.configure(dict(drawn(made, 1)[0].params)), rows_of(made))
    assert isinstance(found, ModuleNetwork)
    return found


def seats(
    net: ModuleNetwork, backend: TorchBackend, seeds: Sequence[int], rates: Sequence[float] | None = None
) -> Seats:
    """Return members of these seeds; a rate for each, where there is one dropout module."""
    starts = [net.start(seed) for seed in seeds]
    theta = backend.asarray(np.stack([start.theta for start in starts]))
    buffers = {name: backend.asarray(np.stack([start.buffers[name] for start in starts])) for name in starts[0].buffers}
    given = [rates] if rates else [[rate] * len(seeds) for rate in net.rates()]
    columns = [backend.asarray(np.array(rate, np.float64)[:, None, None]) for rate in given]
    streams = [np.random.default_rng(seed) for seed in seeds]
    return Seats(theta, torch.zeros_like(theta), buffers, columns, lambda: streams, seeds)


def together(net: ModuleNetwork, seeds: Sequence[int], rates: Any = None, **settings: Any) -> tuple[Passes, Seats]:
    backend = TorchBackend(str(net.dtype).removeprefix("torch."), Torch(**settings))
    made = seats(net, backend, seeds, rates)
    return TogetherPasses(net, backend, made), made


def alone(net: ModuleNetwork, seed: int, *, shares: bool = True, **settings: Any) -> tuple[Passes, Seats]:
    backend = TorchBackend(str(net.dtype).removeprefix("torch."), Torch(**settings))
    made = seats(net, backend, [seed])
    net.shares = shares
    return AlonePasses(net, backend, made), made


def batch(kind: Any = "flat", rows: int = 10, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows `(1, B, D)` that all members share, and their targets."""
    parts = rows_of(experiment(nn.Linear, kind, model="mlp"))
    x, y = torch.from_numpy(parts.x_train[:rows]), torch.from_numpy(parts.y_train[:rows])
    return x.to(dtype)[None], y[None]
