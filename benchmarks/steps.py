"""CPU microseconds of a member's step: a module in a population, and the same module in a bare torch loop.

    python -m benchmarks.steps cnn --batch 16 --members 8
    python -m benchmarks.steps large --members 1
    python -m benchmarks.steps large --members 1 --memory tunelab

All sides train the same rows with Adam, on one thread, without evaluation, and take turns. With `--memory` one side
trains alone, and what it adds to the memory of the process that has imported everything and holds the rows is told.
Prints one JSON object.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tunelab.backends import backend_of
from tunelab.backends.pytorch.fit import fit  # noqa: F401 - loads what a backend loads when it is asked
from tunelab.backends.pytorch.losses import CRITERIA
from tunelab.backends.pytorch.network import ModuleNetwork, Task
from tunelab.contracts import Inputs, Outputs
from tunelab.experiments import Configuration, Training
from tunelab.models import TorchModel
from tunelab.models.losses import CrossEntropy
from tunelab.optimizers import Adam
from tunelab.schedules import Constant
from tunelab.training.feed import Arrays
from tunelab.training.member import Member
from tunelab.training.population import Cohort, Population
from tunelab.trial import Trial

LR = 1e-3


def cnn() -> nn.Module:
    """1 -> 8 -> 16 channels, 3 x 3, relu, max-pool: MNIST."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 10),
    )  # fmt: skip


def large() -> nn.Module:
    """10.5 million parameters in linear layers of 2,048 units."""
    layers = [layer for _ in range(2) for layer in (nn.Linear(2048, 2048), nn.ReLU())]
    return nn.Sequential(nn.Linear(1024, 2048), nn.ReLU(), *layers, nn.Linear(2048, 10))


@dataclass(frozen=True)
class Work:
    """What is trained, on rows of which shape, and how many of them an epoch has."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    rows: int


WORKS = {"cnn": Work(cnn, (1, 28, 28), 4_000), "large": Work(large, (1024,), 1_024)}


def mnist(rows: int) -> tuple[np.ndarray, np.ndarray]:
    from tunelab_data import MNIST5k

    table = MNIST5k().load()
    order = np.random.default_rng(0).permutation(len(table.x))[:rows]
    return table.x[order], table.y[order]


def random_rows(work: Work) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.standard_normal((work.rows, math.prod(work.shape))), random.integers(0, 10, work.rows)


def rows_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    return mnist(WORKS[name].rows) if name == "cnn" else random_rows(WORKS[name])


def in_population(work: Work, x: np.ndarray, y: np.ndarray, batch: int, members: int) -> Callable[[], int]:
    """Return what trains one epoch of a population, and how many member-steps that is."""
    backend = backend_of("torch", "float32")
    arrays = Arrays({"train_": (backend.asarray(x), backend.asarray(y))})
    steps = -(-len(x) // batch)
    task = Task(Inputs(work.shape), Outputs(10), "classes", CrossEntropy(), CRITERIA[CrossEntropy()], {})
    network = ModuleNetwork(work.build, task, torch.float32)
    network.fit(backend, *arrays.sample(batch), members, members)
    cohort = Cohort(network, batch, steps)
    population = Population(cohort, arrays, backend, math.inf)
    configuration = Configuration(TorchModel(work.build), Adam(lr=LR), Constant(), Training(epochs=10_000))
    population.admit([Member.new(Trial(n, n, {}), configuration, network, steps, backend) for n in range(members)])

    def epoch() -> int:
        for _ in population._train():
            pass
        return steps * members

    return epoch


def by_hand(work: Work, x: np.ndarray, y: np.ndarray, batch: int, _: int, *, fused: bool) -> Callable[[], int]:
    """Return what trains one epoch of one module with torch.optim, and how many steps that is."""
    torch.manual_seed(0)
    module, rows, labels = work.build(), torch.tensor(x, dtype=torch.float32).view(-1, *work.shape), torch.tensor(y)
    optimizer = torch.optim.Adam(module.parameters(), lr=LR, fused=fused or None)

    def epoch() -> int:
        module.train()
        for index in torch.randperm(len(rows)).split(batch):
            optimizer.zero_grad()
            functional.cross_entropy(module(rows[index]), labels[index]).backward()
            optimizer.step()
        return -(-len(rows) // batch)

    return epoch


SIDES: dict[str, Callable[..., Callable[[], int]]] = {
    "tunelab": in_population,
    "torch": partial(by_hand, fused=False),
    "torch_fused": partial(by_hand, fused=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rows", type=int, help="of an epoch")
    parser.add_argument("--memory", choices=SIDES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    work, (x, y) = WORKS[args.work], rows_of(args.work)
    x, y = x[: args.rows], y[: args.rows]
    if args.memory:
        warm = nn.Linear(2, 2)
        torch.optim.Adam(warm.parameters()).zero_grad()  # imports what it needs late
        before = memory_mb("VmRSS")
        SIDES[args.memory](work, x, y, args.batch, args.members)()
        print(json.dumps({"before_mb": before, "peak_mb": memory_mb("VmHWM")}))
        return
    sides = {name: make(work, x, y, args.batch, args.members) for name, make in SIDES.items()}
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(args.epochs + 1):
        for name, epoch in sides.items():
            began = time.process_time()
            steps = epoch()
            if turn:  # the first warms up
                taken[name].append((time.process_time() - began) / steps * 1e6)
    print(json.dumps(taken))


def memory_mb(field: str) -> float:
    """Return this process's memory: `VmRSS` now, `VmHWM` at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    main()
