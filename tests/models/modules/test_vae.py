import math
from typing import Any

import pytest
import torch
from torch import distributions

from tunelab.contracts import Inputs, Outputs
from tunelab.data import Digits
from tunelab.errors import DataError, PluginError
from tunelab.models import VAE
from tunelab.space import Choice

from .laws import DIGITS, built, check_members_do_not_meet, check_seed_decides, learned, rows, size

VARIANTS = [
    VAE(width=5, latent=2),
    VAE(width=4, latent=3, beta=0.0),
    VAE(width=4, latent=3, beta=4.0, likelihood="gaussian"),
]
OUTPUTS = Outputs(10)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("model", [VARIANTS[0], VARIANTS[2]], ids=repr)
def test_members_do_not_meet(model: VAE, training: bool) -> None:
    check_members_do_not_meet(model, DIGITS, OUTPUTS, training=training)


def test_members_differ_in_beta() -> None:
    """It is a buffer: members whose modules differ in nothing else train together."""
    one, other = (built(VAE(beta=beta), DIGITS, OUTPUTS).eval() for beta in (0.5, 2.0))
    assert {name for name, _ in one.named_buffers()} == {"beta"}
    torch.testing.assert_close(4 * one(rows(DIGITS))[1], other(rows(DIGITS))[1])


def test_its_loss_is_one_function_whatever_its_numbers() -> None:
    """Members train together only under one and the same."""
    assert VAE(beta=0.5).criterion() is VAE(latent=3).criterion()
    assert VAE().criterion() is not VAE(likelihood="gaussian").criterion()


def test_the_seed_decides() -> None:
    check_seed_decides(VAE(), DIGITS, OUTPUTS)


@pytest.mark.parametrize("model", [*VARIANTS, VAE()], ids=repr)
@pytest.mark.parametrize("shape", [(1, 8, 8), (13,), (3, 4, 5)], ids=str)
def test_parameters_are_those_of_its_formula(model: VAE, shape: tuple[int, ...]) -> None:
    inputs, n = Inputs(shape, unit=True), math.prod(shape)
    w, k = model.width, model.latent
    assert size(model, inputs, OUTPUTS) == w * (n + 1) + 2 * k * (w + 1) + w * (k + 1) + n * (w + 1)
    reconstruction, penalty = built(model, inputs, OUTPUTS)(rows(inputs))
    assert (reconstruction.shape, penalty.shape) == ((5, *shape), (5,))


@pytest.mark.parametrize("model", VARIANTS, ids=repr)
def test_its_loss_is_minus_the_bound(model: VAE) -> None:
    """As `torch.distributions` has it, for the z that was drawn."""
    module, x = built(model, DIGITS, OUTPUTS), rows(DIGITS)
    torch.manual_seed(7)
    out = module(x)
    mean, log_variance = module.encoder(x).chunk(2, -1)
    code = distributions.Normal(mean, torch.exp(log_variance / 2))
    torch.manual_seed(7)
    drawn = module.decoder(mean + torch.exp(log_variance / 2) * torch.randn_like(mean))
    pixels: Any = (
        distributions.Bernoulli(logits=drawn, validate_args=False)
        if model.likelihood == "bernoulli"
        else distributions.Normal(drawn, torch.ones_like(drawn))
    )
    divergence = distributions.kl_divergence(code, distributions.Normal(0.0, 1.0)).sum(-1)
    bound = pixels.log_prob(x).sum((1, 2, 3)) - model.beta * divergence
    criterion = model.criterion()
    torch.testing.assert_close(criterion(out, x), -bound.mean(), rtol=1e-12, atol=1e-12)


def test_the_code_is_drawn_in_training_and_is_its_mean_in_evaluation() -> None:
    module, x = built(VAE(), DIGITS, OUTPUTS), rows(DIGITS)
    assert (module(x)[0] != module(x)[0]).all()
    module.eval()
    mean, _ = module.encoder(x).chunk(2, -1)
    assert torch.equal(module(x)[0], module(x)[0])
    assert torch.equal(module(x)[0], module.decoder(mean))


def test_it_tells_digits_better_than_their_mean() -> None:
    x = torch.tensor(Digits().load().x, dtype=torch.float32).reshape(-1, 1, 8, 8)
    torch.manual_seed(0)
    module = VAE(width=64, latent=8).module(DIGITS, OUTPUTS)
    mean = x.mean(0).clamp(1e-3, 1 - 1e-3).expand_as(x)
    of_the_mean = torch.nn.functional.binary_cross_entropy(mean, x, reduction="none").sum((1, 2, 3)).mean().item()
    assert learned(module, VAE().criterion(), x, x, steps=400, lr=0.005) < of_the_mean - 1.5


def test_a_name_opens_width_and_latent_and_nothing_that_changes_what_a_loss_means() -> None:
    assert VAE.ranges() == {"width": Choice(128, 256, 512), "latent": Choice(4, 8, 16, 32)}
    assert VAE.from_trials() == {"width": 25, "latent": 10}


def test_numbers_that_are_no_pixels_need_another_likelihood() -> None:
    with pytest.raises(DataError, match=r"needs features from 0 to 1, .* scale='minmax' .* likelihood='gaussian'"):
        VAE().module(Inputs((13,)), OUTPUTS)
    VAE(likelihood="gaussian").fits(Inputs((13,)), OUTPUTS)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"latent": 0}, {"beta": -1.0}, {"likelihood": "poisson"}])
def test_fields_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=next(iter(wrong))):
        VAE(**wrong)
