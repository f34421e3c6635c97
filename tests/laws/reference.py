"""One trial, trained as anybody would by hand: torch's autograd for gradients, torch.optim for steps, a loop.

Of tunelab it takes the initial weights and the order of rows, nothing else.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import cross_entropy, linear, mse_loss

from laws.runs import rows_of
from tunelab.experiments import Experiment
from tunelab.training.networks import network_of
from tunelab.training.streams import Purpose, stream
from tunelab.trial import Trial


def cosine(final: float) -> Callable[[int, int], float]:
    return lambda t, total: final + (1 - final) * (1 + math.cos(math.pi * t / total)) / 2


def stairs(gamma: float, every: float) -> Callable[[int, int], float]:
    return lambda t, total: gamma ** (t // math.ceil(every * total))


def constant(t: int, total: int) -> float:
    return 1.0


def curve(
    experiment: Experiment,
    trial: Trial,
    optimizer: Callable[[list[torch.Tensor]], torch.optim.Optimizer],
    factor: Callable[[int, int], float],
    activation: Callable[[torch.Tensor], torch.Tensor] = torch.tanh,
) -> list[dict[str, float]]:
    """Train an MLP (or a linear model) in float64; return what its epochs report."""
    training = experiment.configure(dict(trial.params)).training
    rows = rows_of(experiment)
    network = network_of(experiment, experiment.configure(dict(trial.params)), rows)
    tensors = [torch.tensor(value).requires_grad_() for value in network.named(network.start(trial.seed)).values()]
    lossf: Any = cross_entropy if rows.targets == "classes" else mse_loss
    data = {
        "train_": (torch.tensor(rows.x_train), torch.tensor(rows.y_train)),
        "val_": (torch.tensor(rows.x_validation), torch.tensor(rows.y_validation)),
    }
    x, y = data["train_"]
    size = len(x) if training.batch_size == "full" else training.batch_size
    steps = -(-len(x) // size)
    total = training.epochs * steps
    warmup = round(training.warmup * total)
    rule = optimizer(tensors)
    base = rule.param_groups[0]["lr"]
    done, found = 0, []
    for epoch in range(training.epochs):
        order = torch.tensor(stream(trial.seed, Purpose.ORDER, epoch).permutation(len(x)))
        starts = [*range(0, len(x), size), len(x)]
        for start, stop in pairwise(starts):
            batch = order[start:stop] if steps > 1 else torch.arange(len(x))
            rule.zero_grad()
            lossf(_outputs(tensors, x[batch], activation), y[batch]).backward()
            if training.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(tensors, training.clip_norm)
            for tensor in tensors:
                tensor.grad += training.weight_decay * tensor.detach()
            warm = (done + 1) / warmup if done < warmup else 1.0
            lr = base * warm * factor(max(done - warmup, 0), max(total - warmup, 1))
            for group in rule.param_groups:
                group["lr"] = lr
            rule.step()
            done += 1
        found.append({"lr": lr} | _measured(tensors, data, lossf, activation))
    return found


def _outputs(tensors: list[torch.Tensor], x: torch.Tensor, activation: Callable[..., torch.Tensor]) -> torch.Tensor:
    layers = list(zip(tensors[::2], tensors[1::2], strict=True))
    for weight, bias in layers[:-1]:
        x = activation(linear(x, weight.T, bias))
    return linear(x, layers[-1][0].T, layers[-1][1])


@torch.no_grad()
def _measured(tensors: list[torch.Tensor], data: dict[str, Any], lossf: Any, activation: Any) -> dict[str, float]:
    found = {}
    for prefix, (x, y) in data.items():
        out = _outputs(tensors, x, activation)
        found[f"{prefix}loss"] = lossf(out, y).item()
        if y.dtype == torch.int64:
            found[f"{prefix}accuracy"] = (out.argmax(1) == y).double().mean().item()
    return found
