"""Reference law of the loop itself: whole trainings equal a plain torch loop, to 1e-9 in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import gelu, relu, softplus

from laws import reference
from laws.checks import same
from laws.runs import alone, classes, train, values, varied
from tunelab.experiments import Experiment
from tunelab.models import MLP
from tunelab.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSprop
from tunelab.schedules import Cosine, Step
from tunelab.trial import Trial

Made = tuple[dict[str, Any], Callable[..., torch.optim.Optimizer], Callable[[int, int], float]]

RECIPES: dict[str, Made] = {
    "adam, cosine, warm-up": (
        {"optimizer": Adam(lr=0.02, beta2=0.95), "schedule": Cosine(final=0.1), "warmup": 0.2},
        lambda tensors: torch.optim.Adam(tensors, lr=0.02, betas=(0.9, 0.95)),
        reference.cosine(0.1),
    ),
    "momentum, step": (
        {"optimizer": Momentum(lr=0.05, momentum=0.8), "schedule": Step(gamma=0.3, every=0.3)},
        lambda tensors: torch.optim.SGD(tensors, lr=0.05, momentum=0.8),
        reference.stairs(0.3, 0.3),
    ),
    "sgd, weight decay, clip": (
        {"optimizer": SGD(lr=0.3), "weight_decay": 0.01, "clip_norm": 0.7},
        lambda tensors: torch.optim.SGD(tensors, lr=0.3),
        reference.constant,
    ),
    "adamw, both decays": (
        {"optimizer": AdamW(lr=0.01, weight_decay=0.3), "weight_decay": 0.02, "warmup": 0.5},
        lambda tensors: torch.optim.AdamW(tensors, lr=0.01, weight_decay=0.3),
        reference.constant,
    ),
    "nesterov, clip": (
        {"optimizer": Nesterov(lr=0.03), "clip_norm": 0.5, "schedule": Cosine()},
        lambda tensors: torch.optim.SGD(tensors, lr=0.03, momentum=0.9, nesterov=True),
        reference.cosine(0.0),
    ),
    "rmsprop": (
        {"optimizer": RMSprop(lr=0.003)},
        lambda tensors: torch.optim.RMSprop(tensors, lr=0.003),
        reference.constant,
    ),
    "adagrad": (
        {"optimizer": AdaGrad(lr=0.05)},
        lambda tensors: torch.optim.Adagrad(tensors, lr=0.05, eps=1e-10),
        reference.constant,
    ),
}


def experiment_of(recipe: str, **fields: Any) -> Experiment:
    plain = {"schedule": "constant", "warmup": 0.0, "weight_decay": 0.0, "clip_norm": None}
    shape = {"model": MLP(width=6, activation="tanh"), "epochs": 5, "dtype": "float64"}
    return varied(**(shape | plain | RECIPES[recipe][0] | fields))


def trial_of(experiment: Experiment, number: int = 0) -> Trial:
    return Trial(number, 100 + number, {name: getattr(experiment, name) for name in ("batch_size", "epochs")})


def reference_law(recipe: str, activation: Any = torch.tanh, **fields: Any) -> None:
    """Two trials trained together equal the plain loop, each."""
    experiment = experiment_of(recipe, **fields)
    trials = [trial_of(experiment, number) for number in range(2)]
    found = train(experiment, trials, population=2)
    for trial in trials:
        wanted = reference.curve(experiment, trial, *RECIPES[recipe][1:], activation)
        assert len(wanted) == len(found[trial.number].curve) == 5
        for name in wanted[0]:
            assert found[trial.number].metric(name) == pytest.approx([one[name] for one in wanted], rel=1e-9), name


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_whole_training_equals_a_plain_loop(recipe: str) -> None:
    reference_law(recipe)


@pytest.mark.parametrize("batch_size", [92, "full"])
def test_large_batches(batch_size: Any) -> None:
    reference_law("adam, cosine, warm-up", batch_size=batch_size)


def test_regression() -> None:
    reference_law("sgd, weight decay, clip", data=values())


@pytest.mark.parametrize(
    ("activation", "torch_s"),
    [("relu", relu), ("softplus", softplus), ("gelu", lambda x: gelu(x, approximate="tanh"))],
)
def test_activations_and_depth(activation: Any, torch_s: Any) -> None:
    reference_law("momentum, step", torch_s, model=MLP(width=5, depth=2, activation=activation))


def test_clipping_and_decay_have_an_effect_in_the_recipe_that_checks_them() -> None:
    full = experiment_of("sgd, weight decay, clip")
    for name, off in (("weight_decay", 0.0), ("clip_norm", None)):
        other = full.model_copy(update={name: off})
        with pytest.raises(AssertionError):
            same(alone(full, [trial_of(full)]), alone(other, [trial_of(other)]), [0])


def test_a_plain_loop_learns() -> None:
    experiment = experiment_of("adam, cosine, warm-up", data=classes())
    found = reference.curve(experiment, trial_of(experiment), *RECIPES["adam, cosine, warm-up"][1:])
    assert found[-1]["train_loss"] < 0.6 * found[0]["train_loss"]
