"""Whole optimizers, run by `RuleGroup` on gradients fixed beforehand, with the scalars that `plan` works out."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from training.rig import DOUBLE, member, network

from tunelab.contracts import Optimizer, Schedule
from tunelab.models import Quadratic
from tunelab.schedules import Constant, Cosine
from tunelab.training.handover import hand_over
from tunelab.training.member import Member
from tunelab.training.plan import STEPS_AT_ONCE, plan
from tunelab.training.rules import RuleGroup, groups_of, sorted_by_rule

from .open_loop import COSINE, ELEMENTS, STEPS

START = np.linspace(-1.0, 1.1, ELEMENTS)
NETWORK = network(Quadratic(start=tuple(START)))
TENSORS = (slice(0, 5), slice(5, 17), slice(17, ELEMENTS))

MOVES: dict[str, tuple[Schedule, np.ndarray]] = {"constant": (Constant(), np.ones(STEPS)), "cosine": (Cosine(), COSINE)}
"""A schedule, and what it multiplies the learning rate by in each step."""

Second = Callable[[int, list[int], np.ndarray], np.ndarray]
"""The gradients `(p, n)` in a step of the members of these numbers, at these parameters, when asked for again."""

Reference = Callable[[Any, torch.Tensor], Callable[[np.ndarray, float], torch.Tensor]]
"""Of a member and its parameters: a function of a gradient and the schedule's factor that returns what to compare."""


def wrapped_path(
    optimizers: Sequence[Optimizer],
    grads: np.ndarray,
    *,
    schedule: Schedule | None = None,
    second: Second = lambda step, rows, theta: np.zeros_like(theta),
    evaluated: bool = False,
) -> np.ndarray:
    """Return the parameters after every step, `(S, P, n)`: those trained at, or those to evaluate."""
    members = [
        member(n, optimizer, schedule, steps=len(grads), net=NETWORK, epochs=1)
        for n, optimizer in enumerate(optimizers)
    ]
    thetas = np.empty(grads.shape)
    while members[0].step < len(grads):
        for one in members:
            if one.step in one.changes:
                hand_over(one, DOUBLE)
        members = sorted_by_rule(members)
        _chunk(members, grads, second, evaluated, thetas)
    return thetas


def _chunk(members: list[Member], grads: np.ndarray, second: Second, evaluated: bool, thetas: np.ndarray) -> None:
    """Take all steps up to the next change of an optimizer."""
    begin, numbers = members[0].step, [one.trial.number for one in members]
    theta = np.stack([one.theta for one in members])
    grad = np.empty_like(theta)
    wheres = groups_of(members)
    now = [begin]

    def again(where: slice) -> None:
        grad[where] = second(now[0], numbers[where], theta[where])

    groups = [RuleGroup(members[w], theta[w], grad[w], DOUBLE, partial(again, w)) for w in wheres]
    changes = [one.next_change - begin for one in members if one.next_change is not None]
    ahead = min(STEPS_AT_ONCE, len(grads) - begin, *changes)
    for group, scalars in zip(groups, plan(members, wheres, ahead, DOUBLE).scalars, strict=True):
        group.prepare(scalars, ahead)
    for offset in range(ahead):
        now[0] = begin + offset
        grad[:] = grads[now[0], numbers]
        for group in groups:
            group.update(offset)
            kept = group.to_evaluation() if evaluated else None
            rows = [one.trial.number for one in group._members]
            thetas[now[0], rows] = group._theta
            group.to_training(kept)
    for where, group in zip(wheres, groups, strict=True):
        group.give_back(members[where])
    for row, one in enumerate(members):
        one.theta, one.step = theta[row].copy(), begin + ahead


def reference_path(
    step_of: Reference, members: Sequence[Any], grads: np.ndarray, factors: np.ndarray | None = None
) -> np.ndarray:
    """Return what an independent reference does for each member alone, `(S, P, n)`."""
    factors = np.ones(len(grads)) if factors is None else factors
    thetas = np.empty(grads.shape)
    for index, one in enumerate(members):
        theta = torch.from_numpy(START.copy())
        step = step_of(one, theta)
        for t, factor in enumerate(factors):
            thetas[t, index] = step(grads[t, index].copy(), factor).numpy()
    return thetas


def torch_step(
    optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor], lr: float, grad: np.ndarray | torch.Tensor
) -> None:
    """Take one step of torch's with this gradient; the parameters lie one behind the other in it."""
    start, grad = 0, torch.as_tensor(grad)
    for param in params:
        param.grad = grad[start : start + len(param)].clone()
        start += len(param)
    optimizer.param_groups[0]["lr"] = lr
    optimizer.step()


def all_wrong(members: Sequence[Optimizer], **changed: Any) -> list[Optimizer]:
    """Return the members with the same deliberate mistake, as one class, so that they share a group."""
    kind = type(f"Wrong{type(members[0]).__name__}", (type(members[0]),), changed)
    return [kind(**dict(member)) for member in members]
