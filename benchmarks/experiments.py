"""What the benchmarks search: the study of `benchmarks.handwritten` and two more, as tunelab experiments.

tunelab run benchmarks/experiments.py:digits
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tunelab import Choice, Experiment, Float, Int, Trial, experiment
from tunelab.models import MLP, Quadratic, TorchModel
from tunelab.optimizers import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from tunelab.schedules import Constant, Cosine, Exponential, Step

if TYPE_CHECKING:
    from torch import nn

LR = Float(1e-4, 1.0, log=True)

# Beside the learning rate everything stands where torch.optim has it, as it does in the hand-written loops.
OPTIMIZER = Choice(
    SGD.search(lr=LR),
    Momentum.search(lr=LR, momentum=0.9),
    Nesterov.search(lr=LR, momentum=0.9),
    AdaGrad.search(lr=LR),
    RMSprop.search(lr=LR, rho=0.99, eps=1e-8),
    Adam.search(lr=LR, beta1=0.9, beta2=0.999, eps=1e-8),
)
SCHEDULE = Choice(Constant(), Step(gamma=0.3, every=1 / 3), Exponential(final=0.9**20), Cosine(final=0.0))

digits = Experiment(
    name="digits",
    data="digits",
    model=MLP(width=64, depth=1),
    optimizer=OPTIMIZER,
    schedule=SCHEDULE,
    batch_size=Choice(16, 32, 64, 128),
    epochs=20,
    maximize="val_accuracy",
)


def net(in_features: int, out_features: int) -> "nn.Module":
    """The same network as PyTorch's users write it."""
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(in_features, 64), nn.ReLU(), nn.Linear(64, out_features))


module = Experiment(**dict(digits) | {"name": "module", "model": TorchModel(net), "backend": "torch"})
"""The same study with a module of the person's own."""

structure = Experiment(
    name="structure",
    data="digits",
    model=MLP.search(width=Choice(16, 32, 64, 128, 256), depth=Int(1, 3)),
    optimizer=OPTIMIZER,
    schedule=SCHEDULE,
    batch_size=Choice(16, 32, 64, 128),
    epochs=20,
    maximize="val_accuracy",
)

coarse = Experiment(**dict(structure) | {"name": "coarse", "model": "mlp"})
"""The plugin's own, coarse ranges: width 32, 64 or 128, depth 1 or 2."""

tiny = Experiment(
    name="tiny",
    model=Quadratic(start=(1.0, 1.0), curvature=(1.0, 50.0)),
    optimizer=OPTIMIZER,
    schedule=SCHEDULE,
    epochs=20,
    steps_per_epoch=1,
    minimize="loss",
)
"""Twenty epochs of one step on two numbers: nothing to train, so that what is left is the engine."""


@experiment(lr=LR, reports=50, minimize="loss")
def few_reports(trial: Trial) -> Iterator[dict[str, float]]:
    """Reports and nothing else."""
    for number in range(trial.params["reports"]):
        yield {"loss": trial.params["lr"] + number, "accuracy": 0.5}


many_reports = few_reports.with_nodes(few_reports.nodes | {"reports": 550})
