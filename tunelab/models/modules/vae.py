"""A variational autoencoder, and its loss."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tunelab.models.modules.initial import scaled


class Autoencoder(nn.Module):
    """An encoder to a normal distribution of latent numbers, a sample of it, and a decoder.

        mean, log_variance = encoder(x)
        z = mean + exp(log_variance / 2) * noise, noise standard normal; in evaluation z = mean
        penalty = beta * sum over z of (mean^2 + variance - log_variance - 1) / 2

    Args:
        shape: of a row.
        width, latent, beta: see `tunelab.models.VAE`.
    """

    beta: Tensor

    def __init__(self, shape: tuple[int, ...], *, width: int, latent: int, beta: float) -> None:
        super().__init__()
        numbers = math.prod(shape)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            scaled(nn.Linear(numbers, width), math.sqrt(2)),
            nn.ReLU(),
            scaled(nn.Linear(width, 2 * latent)),
        )
        self.decoder = nn.Sequential(
            scaled(nn.Linear(latent, width), math.sqrt(2)),
            nn.ReLU(),
            scaled(nn.Linear(width, numbers)),
            nn.Unflatten(1, shape),
        )
        self.register_buffer("beta", torch.tensor(beta))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the reconstruction `(B, *shape)` and the penalty `(B,)` for rows `(B, *shape)`."""
        mean, log_variance = self.encoder(x).chunk(2, -1)
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean) if self.training else mean
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(-1) / 2
        return self.decoder(z), self.beta * divergence


def bernoulli(out: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    """Return the mean over rows of the negative bound, for pixels from 0 to 1; reconstructions are logits."""
    logits, penalty = out
    surprise = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (surprise.flatten(1).sum(-1) + penalty).mean()


def gaussian(out: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
    """Return the mean over rows of the negative bound, for real numbers of variance 1 around the reconstruction."""
    mean, penalty = out
    surprise = ((target - mean).square() + math.log(2 * math.pi)) / 2
    return (surprise.flatten(1).sum(-1) + penalty).mean()
