"""Rules run on gradients that are fixed beforehand, so that a rounding error cannot feed on itself."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tunelab.contracts import Optimizer

STEPS = 1_000
ELEMENTS = 24

CONSTANT = np.ones(STEPS)
COSINE = 0.5 * (1 + np.cos(np.pi * np.arange(STEPS) / STEPS))
MOVES = {"constant": CONSTANT, "cosine": COSINE}


def gradients(members: int, *, steps: int = STEPS, elements: int = ELEMENTS, seed: int = 0) -> np.ndarray:
    """Return heavy-tailed gradients `(steps, P, elements)` over 7 decades, with runs of zeros."""
    rng = np.random.default_rng(seed)
    shape = (steps, members, elements)
    grads = rng.standard_normal(shape) * 10 ** rng.uniform(-5, 2, shape)
    grads[:, :, 0] = 0  # never a gradient
    grads[: steps // 2, :, 1] = 0  # only late
    grads[steps // 4 :, :, 2] = 0  # only early
    grads[steps // 3 : steps // 3 + 50] = 0  # none at all for a while
    return grads


def scalars(members: Sequence[Optimizer], factors: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rule's scalars `(S, P, 1)` in float64."""
    hyper = {name: np.array([[getattr(m, name)] for m in members]) for name in members[0].numbers()}
    hyper |= {name: factors[:, None, None] * hyper[name] for name in members[0].scheduled}
    step = np.arange(1, len(factors) + 1).reshape(-1, 1, 1)
    found = members[0].scalars(SimpleNamespace(**hyper), step)
    return {name: np.broadcast_to(v, (len(factors), len(members), 1)) for name, v in found.items()}


def path(
    members: Sequence[Optimizer],
    grads: np.ndarray,
    factors: np.ndarray = CONSTANT,
    *,
    dtype: type[np.floating[Any]] = np.float64,
    xp: Any = np,
    blocks: Sequence[tuple[slice, slice]] = ((slice(None), slice(None)),),
) -> np.ndarray:
    """Return the parameters after every step, `(S, P, n)`, from zero; `blocks` says what one update sees at once."""
    convert = torch.from_numpy if xp is torch else np.asarray
    shape = grads.shape[1:]
    theta, grad, scratch = (np.zeros(shape, dtype) for _ in range(3))
    slots = {name: np.zeros(shape, dtype) for name in members[0].slots}
    numbers = {name: v.astype(dtype) for name, v in scalars(members, factors).items()}
    thetas = np.empty((len(factors), *shape), dtype)
    for step in range(len(factors)):
        grad[:] = grads[step]
        scratch.fill(np.nan)
        for rows, columns in blocks:
            part = (rows, columns)
            members[0].update(
                xp,
                convert(theta[part]),
                convert(grad[part]),
                {name: convert(slot[part]) for name, slot in slots.items()},
                SimpleNamespace(**{name: convert(v[step, rows]) for name, v in numbers.items()}),
                convert(scratch[part]),
            )
        thetas[step] = theta
    return thetas


def torch_path(
    reference: Callable[[list[torch.Tensor], Any], torch.optim.Optimizer],
    members: Sequence[Any],
    grads: np.ndarray,
    factors: np.ndarray = CONSTANT,
) -> np.ndarray:
    """Return what torch.optim does for each member alone, `(S, P, n)`; `reference` makes the optimizer of a member."""
    thetas = np.empty((len(factors), *grads.shape[1:]))
    for index, member in enumerate(members):
        theta = torch.zeros(grads.shape[2], dtype=torch.float64)
        optimizer = reference([theta], member)
        for step, factor in enumerate(factors):
            theta.grad = torch.from_numpy(grads[step, index].copy())
            optimizer.param_groups[0]["lr"] = factor * member.lr
            optimizer.step()
            thetas[step, index] = theta.numpy()
    return thetas


def error(ours: np.ndarray, reference: np.ndarray) -> float:
    """Return the largest difference, relative to the largest value that the element has had so far."""
    scale = np.maximum.accumulate(np.abs(reference), axis=0)
    difference = np.abs(ours.astype(np.float64) - reference)
    assert np.isfinite(difference).all()
    assert not difference[scale == 0].any()
    return float((difference[scale > 0] / scale[scale > 0]).max())


def wrong(member: Optimizer, **changed: Any) -> Optimizer:
    """Return the member with a deliberate mistake: other `scalars` or another `update`."""
    return type(f"Wrong{type(member).__name__}", (type(member),), changed)(**dict(member))
