"""Layers over one flat buffer, as a population lays them out, and the checks that every layer and loss must pass."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tunelab.backends.tape import PopulationTape
from tunelab.contracts import Layer, Loss
from tunelab.training.network import LayerNetwork

F64 = np.dtype("float64")
MEMBERS = 16


def numbers(*shape: int, seed: int = 0, dtype: Any = F64) -> np.ndarray:
    """Return standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def backend(like: Any) -> Any:
    """Return the part of a backend that a tape needs, for arrays like this one."""
    if isinstance(like, torch.Tensor):
        return SimpleNamespace(xp=torch, empty=lambda shape: torch.full(tuple(shape), torch.nan, dtype=like.dtype))
    return SimpleNamespace(
        xp=np,
        empty=lambda shape: np.full(shape, np.nan, like.dtype),
        fill_uniform=lambda out, generator: generator.random(out=out, dtype=out.dtype),
    )


class Rig:
    """Layers with parameters `theta` `(P, n)`; member p draws its noise from `seeds[p]`."""

    def __init__(
        self, layers: Sequence[Layer], theta: Any, rates: Any = None, seeds: Sequence[int] | None = None
    ) -> None:
        network = LayerNetwork(tuple(layers), None)
        made = backend(theta)
        self.xp, self.layers, self.theta = made.xp, network.layers, theta
        self.grad = made.empty(theta.shape)
        self.params, self.grads = network.views(theta), network.views(self.grad)
        members = len(theta)
        generators = [np.random.Generator(np.random.Philox(seed)) for seed in seeds or range(members)]
        self.tapes = []
        for layer in network.layers:
            rate = made.empty((members, 1, 1))
            rate[...] = layer.rate()
            self.tapes.append(PopulationTape(made, rate if rates is None else rates, lambda: generators))

    def forward(self, x: Any, *, training: bool = True) -> Any:
        for layer, params, tape in zip(self.layers, self.params, self.tapes, strict=True):
            tape.training = training
            x = layer.forward(self.xp, x, params, tape)
        return x

    def backward(self, dy: Any, *, wanted: bool = True) -> Any:
        for index in reversed(range(len(self.layers))):
            dy = self.layers[index].backward(
                self.xp, dy, self.params[index], self.grads[index], self.tapes[index], wanted or index > 0
            )
        return dy


def size(layers: Sequence[Layer]) -> int:
    """Return how many parameters the layers have."""
    return LayerNetwork(tuple(layers), None).size


def check_layers(layers: Sequence[Layer], x: np.ndarray) -> None:
    """Compare backward with central differences at inputs `x` `(B, D)`, relative 1e-6.

    Every nudged copy of parameters and inputs is one member, so all differences take one forward pass.
    """
    n = size(layers)
    at = np.concatenate([numbers(n, seed=1), x.ravel()])
    weights: list[np.ndarray] = []

    def height(points: np.ndarray) -> np.ndarray:
        rig = Rig(layers, points[:, :n].copy(), seeds=[0] * len(points))
        out = rig.forward(points[:, n:].reshape(-1, *x.shape))
        weights[:] = weights or [numbers(*out.shape[1:], seed=2)]
        return (out * weights[0]).sum((1, 2))

    numeric = central_differences(height, at)
    rig = Rig(layers, at[None, :n].copy(), seeds=[0])
    rig.forward(x[None].copy())
    dx = rig.backward(weights[0][None].copy())
    close(np.concatenate([rig.grad[0], dx.ravel()]), numeric)


def check_loss(loss: Loss, out: np.ndarray, target: np.ndarray) -> None:
    """Compare a loss's gradient with central differences at outputs `out` `(B, K)`, relative 1e-6."""

    def height(points: np.ndarray) -> np.ndarray:
        many = points.reshape(-1, *out.shape)
        return loss.gradient(np, many, np.stack([target] * len(many)), PopulationTape(backend(many)))[0].sum(1)

    numeric = central_differences(height, out.ravel())
    _, analytic = loss.gradient(np, out[None].copy(), target[None], PopulationTape(backend(out)))
    close(analytic.ravel(), numeric)


def central_differences(height: Any, at: np.ndarray) -> np.ndarray:
    """Return the gradient `(n,)` of a function of many points `(m, n)` -> `(m,)`."""
    steps = np.diag(1e-5 * np.maximum(1.0, np.abs(at)))
    above, below = np.split(height(np.concatenate([at + steps, at - steps])), 2)
    return (above - below) / (2 * steps.diagonal())


def close(analytic: np.ndarray, numeric: np.ndarray) -> None:
    assert np.abs(numeric).max() > 1e-3, "nothing to compare"
    np.testing.assert_allclose(analytic, numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())


def same_bits(one: Any, other: Any) -> None:
    """Require equal bits: -0.0 is not 0.0, and NaN is itself."""
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    assert one.tobytes() == other.tobytes()


def crews() -> list[list[int]]:
    """Return which members of 16 train together: alone, in pairs, in threes, and all in another order."""
    return [[0], [7], [15], [3, 4], [15, 0], [1, 8, 14], list(reversed(range(MEMBERS)))]


def check_member_law(
    layers: Sequence[Layer], rows: int, inputs: int, dtype: Any, loss: Loss | None = None, target: Any = None
) -> None:
    """Require that each member's outputs and gradients have the same bits whoever trains beside it."""
    theta, x = numbers(MEMBERS, size(layers), dtype=dtype), numbers(MEMBERS, rows, inputs, seed=1, dtype=dtype)
    rates = np.linspace(0.0, 0.5, MEMBERS, dtype=dtype)[:, None, None]

    def trained(crew: list[int]) -> list[np.ndarray]:
        rig = Rig(layers, theta[crew], rates[crew], seeds=crew)
        out = rig.forward(x[crew])
        found = [out.copy()]
        if loss is None:
            dy = (
                numbers(*out.shape[1:], seed=2, dtype=dtype)[None]
                * np.arange(1, MEMBERS + 1, dtype=dtype)[crew, None, None]
            )
        else:
            losses, dy = loss.gradient(np, out, target[crew], PopulationTape(backend(theta)))
            found.append(losses)
        found += [rig.backward(dy), rig.grad]
        if loss is not None:
            evaluated = rig.forward(x[:1], training=False)
            found += [evaluated, *loss.evaluate(np, evaluated, target[:1]).values()]
        return found

    together = trained(list(range(MEMBERS)))
    for crew in crews():
        for apart, whole in zip(trained(crew), together, strict=True):
            same_bits(apart, whole[crew])
