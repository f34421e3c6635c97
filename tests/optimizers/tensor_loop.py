"""Rules that see tensors, run by `RuleGroup` on a network of fixed tensors and gradients that are fixed beforehand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Array, Backend, Layer, Optimizer, Parameter
from tunelab.experiments import Configuration, Training
from tunelab.models import Quadratic
from tunelab.models.losses import MeanSquaredError
from tunelab.schedules import Constant
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.rules import RuleGroup
from tunelab.trial import Trial

from .open_loop import CONSTANT, gradients, scalars

SHAPES = ((5, 3), (3,), (3, 7), (7,), (1,), (1, 4))
STARTS_AT_ZERO = (3,)


@dataclass(frozen=True)
class Tensors(Layer):
    """Tensors that no data passes through."""

    shapes: tuple[tuple[int, ...], ...] = SHAPES

    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(f"t{i}", shape, 0.0 if shape == STARTS_AT_ZERO else 1.0) for i, shape in enumerate(self.shapes)
        )

    def forward(self, xp: Any, x: Array, params: Any, tape: Any) -> Array:
        raise NotImplementedError

    def backward(self, xp: Any, dy: Array, params: Any, grads: Any, tape: Any, wanted: bool) -> Array:
        raise NotImplementedError


class TorchBackend(NumpyBackend):
    """The same arrays, as torch sees them."""

    xp: Any = torch

    def asarray(self, values: Array) -> Array:
        return torch.from_numpy(super().asarray(values).copy())

    def zeros(self, shape: Sequence[int]) -> Array:
        return torch.from_numpy(super().zeros(shape))

    def empty(self, shape: Sequence[int]) -> Array:
        return torch.from_numpy(super().empty(shape))

    def to_numpy(self, values: Array) -> np.ndarray:
        found: np.ndarray = values.numpy().copy()
        return found


NETWORK = LayerNetwork((Tensors(),), MeanSquaredError())
SIZE = NETWORK.size


def tensor_gradients(members: int, *, steps: int = len(CONSTANT), network: LayerNetwork = NETWORK) -> np.ndarray:
    """Return heavy-tailed gradients `(steps, P, n)` over 7 decades, with runs of zeros."""
    return gradients(members, steps=steps, elements=network.size)


def mild(grads: np.ndarray) -> np.ndarray:
    """Return the gradients over two decades: of L = G G^T, what is 1e-14 of the largest is rounding."""
    return np.sign(grads) * np.abs(grads) ** 0.3


def starts(count: int, network: LayerNetwork = NETWORK) -> np.ndarray:
    """Return the initial parameters of members 0, 1, ..., `(P, n)`."""
    return np.stack([network.initial(seed) for seed in range(count)])


def of(members: Sequence[Optimizer], backend: Backend, seeds: Sequence[int], network: LayerNetwork) -> list[Member]:
    """Return a member for each rule."""
    model = Quadratic()
    return [
        Member.new(Trial(n, seed, {}), Configuration(model, rule, Constant(), Training()), network, 1, backend)
        for n, (rule, seed) in enumerate(zip(members, seeds, strict=True))
    ]


def tensor_path(
    rules: Sequence[Optimizer],
    grads: np.ndarray,
    factors: np.ndarray = CONSTANT,
    *,
    dtype: str = "float64",
    xp: Any = np,
    seeds: Sequence[int] | None = None,
    network: LayerNetwork = NETWORK,
    packed_at: Sequence[int] = (),
    evaluated: bool = False,
) -> np.ndarray:
    """Return the parameters after every step, `(S, P, n)`: those trained at, or those to evaluate.

    At the steps of `packed_at`, the state goes back to the members and is packed anew, as when a member comes or goes.
    """
    backend = (TorchBackend if xp is torch else NumpyBackend)(dtype)
    seeds = range(len(rules)) if seeds is None else seeds
    members = of(rules, backend, seeds, network)
    numbers = scalars(rules, factors)
    thetas = np.empty((len(factors), len(rules), network.size), dtype)
    cuts = [0, *packed_at, len(factors)]
    for begin, end in pairwise(cuts):
        theta, grad = (backend.empty((len(rules), network.size)) for _ in range(2))
        for row, member in enumerate(members):
            theta[row] = member.theta
        group = RuleGroup(members, theta, grad, backend)
        group.prepare([{name: backend.asarray(v[begin:end]) for name, v in numbers.items()}], end - begin)
        for step in range(begin, end):
            grad[...] = backend.asarray(grads[step])
            group.update(step - begin)
            if evaluated:
                trained = group.to_evaluation()
                thetas[step] = backend.to_numpy(theta)
                group.to_training(trained)
            else:
                thetas[step] = backend.to_numpy(theta)
        if end < len(factors):
            for row, member in enumerate(members):
                member.theta = backend.asarray(backend.to_numpy(theta[row]))
            group.give_back(members)
    return thetas


def reference_path(
    step_of: Callable[[Any, list[np.ndarray]], Callable[[list[np.ndarray], float], Sequence[np.ndarray]]],
    rules: Sequence[Any],
    grads: np.ndarray,
    factors: np.ndarray = CONSTANT,
    *,
    network: LayerNetwork = NETWORK,
) -> np.ndarray:
    """Return what an independent reference does for each member alone, `(S, P, n)`.

    `step_of(rule, tensors)` makes a function of a step's gradients and learning rate that returns the tensors after it.
    """
    wheres = [(where, parameter.shape) for _, parameter, where in network.parameters()]
    cut = lambda flat: [flat[where].reshape(shape).copy() for where, shape in wheres]  # noqa: E731
    thetas = np.empty((len(factors), len(rules), network.size))
    for index, (rule, start) in enumerate(zip(rules, starts(len(rules), network), strict=True)):
        step = step_of(rule, cut(start))
        for t, factor in enumerate(factors):
            after = step(cut(grads[t, index]), factor * rule.lr)
            thetas[t, index] = np.concatenate([np.ravel(tensor) for tensor in after])
    return thetas


def torch_reference(make: Callable[[Any, list[torch.Tensor]], Sequence[torch.optim.Optimizer]]) -> Any:
    """Return a `step_of` around torch's optimizers of a member, each of which has one group.

    They see matrices as torch lays them out, `(outputs, inputs)`.
    """

    def step_of(rule: Any, tensors: list[np.ndarray]) -> Any:
        params = [torch.from_numpy(tensor.T) for tensor in tensors]
        optimizers = make(rule, params)

        def step(grads: list[np.ndarray], lr: float) -> Sequence[np.ndarray]:
            for param, grad in zip(params, grads, strict=True):
                param.grad = torch.from_numpy(grad.T)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = lr * group.get("times", 1.0)
                optimizer.step()
            return tensors

        return step

    return step_of


def tensor_error(ours: np.ndarray, reference: np.ndarray, network: LayerNetwork = NETWORK) -> float:
    """Return the largest difference, relative to the largest value that its tensor has had so far.

    Matrices mix their elements: one that stays near zero is known as well as its tensor is, not as well as itself.
    """
    found = 0.0
    for _, _, where in network.parameters():
        scale = np.maximum.accumulate(np.abs(reference[..., where]).max(-1), axis=0)
        difference = np.abs(ours[..., where].astype(np.float64) - reference[..., where]).max(-1)
        assert np.isfinite(difference).all()
        assert not difference[scale == 0].any()
        found = max(found, float((difference[scale > 0] / scale[scale > 0]).max(initial=0.0)))
    return found
