"""tunelab's own models train in populations: what all members compute at once is what each computes alone."""

from typing import Any

import numpy as np
import pytest
import torch

from tunelab import Experiment
from tunelab.backends import backend_of
from tunelab.contracts import ModuleModel, Network, Seats
from tunelab.data import Arrays, Digits, Split, split
from tunelab.models import CNN, GRU, VAE, ResNet, Transformer
from tunelab.optimizers import SGD
from tunelab.study.suggest import FixedSuggest
from tunelab.training.networks import network_of

MEMBERS, ROWS = 4, 16
CODES = np.arange(40 * 7).reshape(40, 7) ** 2 % 11
EACH = Arrays(CODES[:, :-1], CODES[:, 1:], targets="classes", symbols=11)
LAST = Arrays(CODES[:, :-1], CODES[:, -1], targets="classes", symbols=11)

CASES: list[tuple[ModuleModel, Any]] = [
    (CNN(channels=4), Digits()),
    (CNN(channels=3, batch_norm=True, dropout=0.3), Digits()),
    (ResNet(channels=4), Digits()),
    (ResNet(channels=4, stages=2, norm="group"), Digits()),
    (Transformer(width=8, heads=2, depth=1), EACH),
    (Transformer(width=8, heads=2, depth=2, dropout=0.2), LAST),
    (GRU(width=8), EACH),
    (GRU(width=8, depth=2, dropout=0.2), LAST),
    (VAE(width=8, latent=2), Digits()),
]


def prepared(model: ModuleModel, data: Any, dtype: str) -> tuple[Network, Any, Split]:
    experiment = Experiment(name="one", data=data, model=model, optimizer=SGD(), backend="torch", dtype=dtype)
    rows = split(data.load(), scale="none")
    network = network_of(experiment, experiment.configure(experiment.draw(FixedSuggest({}))), rows)
    return network, backend_of(experiment.backend, dtype), rows


def passed(network: Network, backend: Any, rows: Split, seeds: list[int]) -> list[Any]:
    """Return losses, gradients, buffers and outputs of members that take a step together, each on rows of its own."""
    starts = [network.start(seed) for seed in seeds]
    theta = backend.asarray(np.stack([start.theta for start in starts]))
    names = starts[0].buffers
    buffers = {name: backend.asarray(np.stack([start.buffers[name] for start in starts])) for name in names}
    rates = [torch.full((len(seeds), 1, 1), rate, dtype=theta.dtype) for rate in network.rates()]
    generators = [np.random.default_rng(seed) for seed in seeds]
    seats = Seats(theta, torch.zeros_like(theta), buffers, rates, lambda: generators, seeds)
    passes: Any = network.passes(backend, seats)
    x, y = backend.asarray(rows.x_train), backend.asarray(rows.y_train)
    own = [slice(seed, seed + ROWS) for seed in seeds]
    losses = passes.gradient(torch.stack([x[part] for part in own]), torch.stack([y[part] for part in own]))
    outputs = passes.outputs(x[:5])
    return [losses, seats.grad, *buffers.values(), *(outputs if isinstance(outputs, tuple) else (outputs,))]


@pytest.mark.parametrize(("model", "data"), CASES, ids=lambda value: repr(value)[:60])
def test_a_member_among_others_is_that_member_alone(model: ModuleModel, data: Any) -> None:
    network, backend, rows = prepared(model, data, "float64")
    assert network.fit(backend, backend.asarray(rows.x_train[:ROWS]), backend.asarray(rows.y_train[:ROWS]), 4, 16) == 4
    together = passed(network, backend, rows, list(range(MEMBERS)))
    for seed in range(MEMBERS):
        for among, alone in zip(together, passed(network, backend, rows, [seed]), strict=True):
            torch.testing.assert_close(among[seed], alone[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("model", "data"), CASES, ids=lambda value: repr(value)[:60])
def test_no_trial_has_to_train_alone(model: ModuleModel, data: Any, dtype: str) -> None:
    network, backend, rows = prepared(model, data, dtype)
    x, y = backend.asarray(rows.x_train), backend.asarray(rows.y_train)
    for start in range(0, len(x) - ROWS, max(ROWS, len(x) // 8)):
        part = slice(start, start + ROWS)
        assert network.fit(backend, x[part], y[part], MEMBERS, 16) == MEMBERS, network.alone


def test_a_relu_that_rounding_flips_is_no_reason_to_train_alone() -> None:
    """Of the first 32 rows, where it happens to a member in float32 (with the BLAS of a common x86 machine)."""
    network, backend, rows = prepared(ResNet(channels=8), Digits(), "float32")
    x, y = backend.asarray(rows.x_train[:32]), backend.asarray(rows.y_train[:32])
    assert network.fit(backend, x, y, MEMBERS, 16) == MEMBERS, network.alone


def test_members_of_several_betas_and_dropout_rates_are_of_one_network() -> None:
    for one, other, data in (
        (VAE(beta=0.5), VAE(beta=2.0), Digits()),
        (CNN(dropout=0.0), CNN(dropout=0.5), Digits()),
        (Transformer(), Transformer(dropout=0.5), EACH),
        (GRU(), GRU(dropout=0.5), EACH),
    ):
        assert prepared(one, data, "float32")[0] == prepared(other, data, "float32")[0]
    assert prepared(VAE(), Digits(), "float32")[0] != prepared(VAE(likelihood="gaussian"), Digits(), "float32")[0]
    assert prepared(CNN(), Digits(), "float32")[0] != prepared(CNN(batch_norm=True), Digits(), "float32")[0]
