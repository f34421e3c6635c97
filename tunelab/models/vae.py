"""The variational autoencoder."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from tunelab.contracts import Array, Inputs, ModuleModel, Outputs
from tunelab.errors import DataError
from tunelab.models.shapes import require_numbers
from tunelab.space import Choice, FromTrials

if TYPE_CHECKING:
    from tunelab.models.modules.vae import Autoencoder


class VAE(ModuleModel):
    """A variational autoencoder: rows become a few normal numbers, and rows again.

        mean, log_variance = encoder(x);  z = mean + exp(log_variance / 2) * noise
        loss = -log p(x | decoder(z)) + beta * sum over z of (mean^2 + variance - log_variance - 1) / 2

    Encoder and decoder have one hidden layer of relu. The loss is in nats a row; with beta = 1 it is minus the evidence
    lower bound, estimated by one sample. In evaluation z is its mean, so `val_loss` has no noise and is somewhat lower
    than that bound, and reconstructions are those of the mean: logits of the pixels where the likelihood is
    "bernoulli", else the numbers themselves. Whatever there is to predict is not looked at. Needs rows of real
    numbers, and `backend="torch"`.

    Neither `beta` nor `likelihood` is searched: losses under different ones do not compare.

    Source: Kingma & Welling (2014), arXiv:1312.6114, with tanh; beta is of Higgins et al. (2017).

    Attributes:
        width: units of the hidden layers.
        latent: how many normal numbers.
        beta: how much the latent numbers' distance from standard normal weighs.
        likelihood: "bernoulli" for pixels from 0 to 1; "gaussian", with variance 1, for other real numbers.

    Raises:
        DataError: on building, rows of symbols, or "bernoulli" for numbers that go beyond 0 and 1.

    >>> VAE(latent=2).reconstructs
    True
    """

    reconstructs: ClassVar[bool] = True

    width: Annotated[int, Field(ge=1), Choice(128, 256, 512), FromTrials(25)] = 256
    latent: Annotated[int, Field(ge=1), Choice(4, 8, 16, 32), FromTrials(10)] = 8
    beta: Annotated[float, Field(ge=0)] = 1.0
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"

    def fits(self, inputs: Inputs, outputs: Outputs) -> None:
        """Refuse symbols, and numbers that cannot be pixels where these are wanted."""
        require_numbers("vae", inputs)
        if self.likelihood == "bernoulli" and not inputs.unit:
            raise DataError(
                "VAE(likelihood='bernoulli') needs features from 0 to 1, and this data's go beyond; "
                "say scale='minmax' in the experiment, or likelihood='gaussian'"
            )

    def module(self, inputs: Inputs, outputs: Outputs) -> "Autoencoder":
        """Return `(B, *shape)` -> the reconstruction `(B, *shape)` and the latent numbers' share of the loss `(B,)`."""
        self.fits(inputs, outputs)
        from tunelab.models.modules.vae import Autoencoder

        return Autoencoder(inputs.shape, width=self.width, latent=self.latent, beta=self.beta)

    def criterion(self) -> Callable[[Any, Array], Array]:
        """Return minus the bound, the mean over rows."""
        from tunelab.models.modules.vae import bernoulli, gaussian

        return bernoulli if self.likelihood == "bernoulli" else gaussian
