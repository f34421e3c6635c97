"""Members of a population whose gradients are fixed beforehand, and a loop by hand over the same."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tunelab.backends import backend_of
from tunelab.contracts import Array, Layer, Parameter
from tunelab.experiments import Configuration, Training
from tunelab.models import Quadratic
from tunelab.models.losses import MeanSquaredError
from tunelab.plugins import announced
from tunelab.schedules import Constant
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.rules import RuleGroup
from tunelab.trial import Trial
from tunelab_pytorch_optimizer.adapter import PytorchOptimizer

NAMES = {
    name: claim.target.partition(":")[2]
    for name, (claim, *_) in announced()["optimizer"].items()
    if claim.distribution == "tunelab-pytorch-optimizer"
}
"""Each optimizer's class by the name under which it is announced."""


@dataclass(frozen=True)
class Tensors(Layer):
    """Matrices and vectors that no data passes through."""

    def parameters(self) -> tuple[Parameter, ...]:
        shapes = ((12, 8), (8,), (8, 6), (6,), (6, 1), (1, 4))
        return tuple(Parameter(f"t{index}", shape, 0.5) for index, shape in enumerate(shapes))

    def forward(self, xp: Any, x: Array, params: Any, tape: Any) -> Array:
        return x

    def backward(self, xp: Any, dy: Array, params: Any, grads: Any, tape: Any, wanted: bool) -> Array:
        return dy


NETWORK = LayerNetwork((Tensors(),), MeanSquaredError())
STEPS = 24
FACTORS = np.r_[np.ones(12), np.linspace(1, 0.2, 12)]
GRADIENTS = np.random.default_rng(0).standard_normal((STEPS, 2, NETWORK.size)) * 0.3


def path(
    rules: Sequence[PytorchOptimizer],
    *,
    dtype: str = "float64",
    factors: np.ndarray = FACTORS,
    saved_at: Sequence[int] = (),
    packed_at: Sequence[int] = (),
    evaluated: bool = False,
) -> np.ndarray:
    """Return the parameters after every step, `(S, P, n)`; now and then all is packed anew, or saved and read."""
    backend = backend_of("torch", dtype)
    members = [
        Member.new(Trial(n, n, {}), Configuration(Quadratic(), rule, Constant(), Training()), NETWORK, 1, backend)
        for n, rule in enumerate(rules)
    ]
    lr = factors[:, None, None] * np.array([[rule.lr] for rule in rules])
    step = np.broadcast_to(np.arange(1.0, STEPS + 1)[:, None, None], lr.shape)
    scalars = rules[0].scalars(SimpleNamespace(lr=lr), step)
    thetas = np.empty((STEPS, len(rules), NETWORK.size))
    for begin, end in pairwise([0, *sorted({*saved_at, *packed_at}), STEPS]):
        theta, grad = backend.empty((len(rules), NETWORK.size)), backend.empty((len(rules), NETWORK.size))
        for row, one in enumerate(members):
            theta[row] = one.theta
        group = RuleGroup(members, theta, grad, backend)
        group.prepare([{name: values[begin:end] for name, values in scalars.items()}], end - begin)
        for now in range(begin, end):
            grad[...] = backend.asarray(GRADIENTS[now, : len(rules)])
            group.update(now - begin)
            kept = group.to_evaluation() if evaluated else None
            thetas[now] = backend.to_numpy(theta)
            group.to_training(kept)
        for row, one in enumerate(members):
            one.theta = backend.copy(theta[row])
        group.give_back(members)
        if end in saved_at:
            members = pickle.loads(pickle.dumps(members))
    return thetas


def by_hand(rules: Sequence[PytorchOptimizer], *, dtype: str = "float64", evaluated: bool = False) -> np.ndarray:
    """Return what each class does in a loop as anybody writes it, `(S, P, n)`."""
    thetas = np.empty((STEPS, len(rules), NETWORK.size))
    for index, rule in enumerate(rules):
        start = torch.tensor(NETWORK.initial(index), dtype=getattr(torch, dtype))
        cut = [(tensor.where, tensor.shape) for tensor in NETWORK.tensors()]
        params = [start[where].reshape(shape).clone().requires_grad_() for where, shape in cut]
        optimizer = rule.call(params)
        first = [group["lr"] for group in optimizer.param_groups]
        for step, factor in enumerate(FACTORS):
            for param, (where, shape) in zip(params, cut, strict=True):
                param.grad = torch.tensor(GRADIENTS[step, index, where].reshape(shape), dtype=start.dtype)
            for group, rate in zip(optimizer.param_groups, first, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
            if evaluated:
                optimizer.eval()
            thetas[step, index] = np.concatenate([param.detach().numpy().ravel() for param in params])
            if evaluated:
                optimizer.train()
    return thetas
