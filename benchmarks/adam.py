"""Adam's step, ns per element, one thread, float32: tunelab's rule as a population calls it, and torch's fused one.

Torch's twice: the kernel alone, and `torch.optim.Adam(fused=True).step()`, as people call it.

    python -m benchmarks.adam

They take turns on the same gradients, each laid out afresh in front of every step, as a backward pass would.
Prints one JSON object.
"""

import argparse
import json
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch

from tunelab.backends.numpy_backend import NumpyBackend
from tunelab.contracts import Optimizer
from tunelab.experiments import Configuration, Training
from tunelab.models import Quadratic
from tunelab.optimizers import Adam
from tunelab.schedules import Constant
from tunelab.training.member import Member
from tunelab.training.network import LayerNetwork
from tunelab.training.plan import plan
from tunelab.training.rules import RuleGroup
from tunelab.trial import Trial


def tunelab_step(members: int, size: int, steps: int) -> tuple[np.ndarray, Callable[[int], None]]:
    """Return the buffer that takes gradients `(P, n)`, and what a population does with it in step s."""
    backend = NumpyBackend("float32")
    model = Quadratic(start=(1.0,) * size, curvature=(1.0,) * size)
    network = LayerNetwork(model.layers(0, 0), model.loss("none"))
    configurations = [Configuration(model, Adam(lr=1e-3 * (1 + i)), Constant(), Training()) for i in range(members)]
    population = [
        Member(Trial(i, i, {}), configuration, network, steps, theta, _slots(configuration.optimizer, size))
        for i, (configuration, theta) in enumerate(zip(configurations, _start(members, size), strict=True))
    ]
    theta, grad = _start(members, size), np.zeros((members, size), np.float32)
    group = RuleGroup(population, theta, grad, backend)
    group.prepare(plan(population, [slice(0, members)], steps, backend).scalars[0], steps)
    return grad, group.update


def torch_kernel(members: int, size: int) -> tuple[np.ndarray, Callable[[int], None]]:
    """Return the same for one tensor of as many elements and torch's fused kernel alone."""
    theta, grad, m, v = (torch.from_numpy(_start(members, size)) for _ in range(4))
    m.zero_(), v.zero_()
    done = torch.tensor(0.0)

    def step(_: int) -> None:
        done.add_(1)
        torch._fused_adam_(
            [theta], [grad], [m], [v], [], [done],
            lr=1e-3, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    return grad.numpy(), step


def torch_optimizer(members: int, size: int) -> tuple[np.ndarray, Callable[[int], None]]:
    """Return the same for one tensor of as many elements and `torch.optim.Adam(fused=True)`."""
    parameter = torch.nn.Parameter(torch.from_numpy(_start(members, size)))
    parameter.grad = torch.zeros_like(parameter)
    optimizer = torch.optim.Adam([parameter], lr=1e-3, fused=True)
    return parameter.grad.numpy(), lambda _: optimizer.step()


def _start(members: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((members, size)).astype(np.float32)


def _slots(optimizer: Optimizer, size: int) -> dict[str, np.ndarray]:
    return {name: np.zeros(size, np.float32) for name in optimizer.slots}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--size", type=int, default=9_000)
    parser.add_argument("--steps", type=int, default=2_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    sides = {
        "tunelab": tunelab_step(args.members, args.size, args.steps),
        "torch_kernel": torch_kernel(args.members, args.size),
        "torch_optimizer": torch_optimizer(args.members, args.size),
    }
    gradients = np.random.default_rng(1).standard_normal((8, args.members, args.size)).astype(np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for step in range(args.steps):
        for name, (grad, take) in sides.items():
            grad[...] = gradients[step % 8]
            began = time.perf_counter()
            take(step)
            seconds[name].append(time.perf_counter() - began)
    elements = args.members * args.size
    print(json.dumps({name: median(taken) / elements * 1e9 for name, taken in seconds.items()}))


if __name__ == "__main__":
    main()
