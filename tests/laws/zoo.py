"""Modules of every kind that people write, small."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))


def without_biases() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 12, bias=False), nn.Tanh(), nn.Linear(12, 10, bias=False))


def images(*layers: nn.Module, into: int) -> nn.Module:
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(into, 10))


def convolution_and_max_pool() -> nn.Module:
    return images(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 2, bias=False), into=24)


def convolution_same_and_mean_pool() -> nn.Module:
    return images(nn.Conv2d(1, 4, 3, padding="same"), nn.GELU(), nn.AvgPool2d(2, stride=2), into=64)


def convolution_strided_padded_dilated() -> nn.Module:
    return images(
        nn.Conv2d(1, 4, 3, stride=2, padding=2, dilation=2), nn.Tanh(), nn.MaxPool2d(2, 1, padding=1), into=100
    )


def convolution_in_groups() -> nn.Module:
    depthwise = nn.Conv2d(4, 4, 3, groups=4, padding=1)
    return images(nn.Conv2d(1, 4, 1), depthwise, nn.ReLU(), nn.Conv2d(4, 6, 3, groups=2), into=216)


def convolution_around_the_edges() -> nn.Module:
    circular = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular")
    return images(circular, nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), into=192)


def adaptive_pools() -> nn.Module:
    return images(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.AdaptiveMaxPool2d(1), into=5)


def convolution_1d() -> nn.Module:
    return images(nn.Conv1d(8, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), into=18)


def convolution_3d() -> nn.Module:
    return images(nn.Conv3d(1, 3, 2), nn.ReLU(), nn.AvgPool3d(3), into=3)


def transposed() -> nn.Module:
    return images(nn.ConvTranspose2d(1, 2, 2, stride=2), nn.ReLU(), nn.MaxPool2d(4), into=32)


def batch_norm_1d() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 12), nn.BatchNorm1d(12, momentum=0.3), nn.ReLU(), nn.Linear(12, 10))


def batch_norm_first() -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(64, eps=0.1), nn.Linear(64, 10))


def batch_norm_2d() -> nn.Module:
    return images(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), into=36)


def batch_norm_3d() -> nn.Module:
    return images(nn.Conv3d(1, 3, 2), nn.BatchNorm3d(3), nn.ReLU(), into=81)


def batch_norm_bare() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 12), nn.BatchNorm1d(12, affine=False), nn.ReLU(), nn.Linear(12, 10))


def batch_norm_without_statistics() -> nn.Module:
    norm = nn.BatchNorm2d(3, track_running_stats=False)
    return images(nn.Conv2d(1, 3, 3), norm, nn.ReLU(), into=108)


def other_norms() -> nn.Module:
    norms = (nn.GroupNorm(2, 4), nn.ReLU(), nn.InstanceNorm2d(4, affine=True), nn.LayerNorm([4, 6, 6]))
    return images(nn.Conv2d(1, 4, 3), *norms, into=144)


def instance_norm_with_statistics() -> nn.Module:
    return images(nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True), nn.ReLU(), into=144)


class Attending(nn.Module):
    """Symbols embedded, attention, and a mean over the places."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.symbols = nn.Embedding(17, 8, padding_idx=0)
        self.places = nn.Parameter(torch.randn(16, 8) / 4)
        self.norm, self.attention, self.out = nn.LayerNorm(8), attention, nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.symbols(x) + self.places)
        return self.out((h + self.attention(h)).mean(1))


class Multihead(nn.Module):
    def __init__(self, dropout: float, weights: bool) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, dropout=dropout, batch_first=True)
        self.weights = weights

    def forward(self, h: Tensor) -> Tensor:
        return self.inner(h, h, h, need_weights=self.weights)[0]


class Product(nn.Module):
    def __init__(self, dropout: float, causal: bool = False) -> None:
        super().__init__()
        self.three, self.dropout, self.causal = nn.Linear(8, 24), dropout, causal

    def forward(self, h: Tensor) -> Tensor:
        q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.three(h).chunk(3, -1))
        share = self.dropout if self.training else 0.0
        out = functional.scaled_dot_product_attention(q, k, v, dropout_p=share, is_causal=self.causal)
        return out.transpose(1, 2).flatten(2)


def multihead_attention() -> nn.Module:
    return Attending(Multihead(0.0, weights=False))


def multihead_attention_with_dropout() -> nn.Module:
    return Attending(Multihead(0.2, weights=True))


def multihead_attention_with_dropout_in_its_kernel() -> nn.Module:
    return Attending(Multihead(0.2, weights=False))


def product_attention() -> nn.Module:
    return Attending(Product(0.0, causal=True))


def product_attention_with_dropout() -> nn.Module:
    return Attending(Product(0.2, causal=True))


def transformer_layer() -> nn.Module:
    return Attending(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True))


def dropout(rate: float = 0.3) -> nn.Module:
    return nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Dropout(rate), nn.Linear(24, 10))


def dropout_in_place() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 24), nn.GELU(), nn.Dropout(0.3, inplace=True), nn.ReLU(inplace=True), nn.Linear(24, 10)
    )


def dropout_of_channels() -> nn.Module:
    return images(nn.Conv2d(1, 6, 3), nn.Dropout2d(0.3), nn.ReLU(), nn.Dropout(0.1), into=216)


def dropout_1d() -> nn.Module:
    return images(nn.Conv1d(8, 6, 3), nn.Dropout1d(0.3), nn.ReLU(), into=36)


def dropout_3d() -> nn.Module:
    return images(nn.Conv3d(1, 4, 2), nn.Dropout3d(0.3), nn.ReLU(), into=108)


class Functional(nn.Module):
    """Dropout and noise as functions, in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.dropout(functional.relu(self.a(x)), 0.2, self.training)
        h = h + 0.1 * torch.randn_like(h) + 0.1 * torch.randn(16) * torch.rand(size=(16,))
        return self.b(h * torch.bernoulli(torch.full_like(h, 0.9)))


def functional_noise() -> nn.Module:
    return Functional()


class Sampling(nn.Module):
    """A variational bottleneck."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = nn.Linear(64, 12), nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.encode(x).chunk(2, -1)
        return self.decode(torch.distributions.Normal(mean, functional.softplus(spread)).rsample())


def sampling() -> nn.Module:
    return Sampling()


class Counting(nn.Module):
    """Buffers of every type: one that counts, one that is set anew, and random ones."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 10)
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("seen", torch.zeros(10, dtype=torch.bool))
        self.register_buffer("mean", torch.zeros(10))
        self.register_buffer("features", torch.randn(64), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x: Tensor) -> Tensor:
        out = self.inner(x * self.features)
        if self.training:
            self.steps += 1
            self.seen |= (out > 0).any(0)
            self.mean = 0.9 * self.mean + 0.1 * out.detach().mean(0)
        return out - self.mean


def buffers() -> nn.Module:
    return Counting()


class Tied(nn.Module):
    """One matrix at both ends, a scale that is one number, a frozen layer, and a parameter that nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(64, 8, bias=False), nn.Linear(64, 8, bias=False)
        self.out.weight = self.into.weight
        self.scale, self.unused = nn.Parameter(torch.tensor(0.7)), nn.Parameter(torch.ones(3))
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.tell = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.scale * self.frozen(self.into(x)))
        return self.tell(h @ self.out.weight)


def tied() -> nn.Module:
    return Tied()


TOGETHER: dict[Callable[..., Any], str] = {
    mlp: "flat", without_biases: "flat",
    convolution_and_max_pool: "images", convolution_same_and_mean_pool: "images",
    convolution_strided_padded_dilated: "images", convolution_in_groups: "images",
    convolution_around_the_edges: "images", adaptive_pools: "images",
    convolution_1d: "line", convolution_3d: "volume", transposed: "images",
    batch_norm_1d: "flat", batch_norm_first: "flat", batch_norm_2d: "images", batch_norm_3d: "volume",
    batch_norm_bare: "flat", batch_norm_without_statistics: "images",
    other_norms: "images", instance_norm_with_statistics: "images",
    multihead_attention: "text", product_attention: "text",
    buffers: "flat", tied: "flat",
}  # fmt: skip
"""Modules whose members train together, without random numbers, by the kind of rows that they take."""

RANDOM: dict[Callable[..., Any], str] = {
    dropout: "flat", dropout_in_place: "flat", dropout_of_channels: "images", dropout_1d: "line",
    dropout_3d: "volume", functional_noise: "flat", sampling: "flat",
    multihead_attention_with_dropout: "text", multihead_attention_with_dropout_in_its_kernel: "text",
    product_attention_with_dropout: "text", transformer_layer: "text",
}  # fmt: skip
"""The same, with random numbers."""


class Branching(nn.Module):
    """Control flow that depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(64, 10), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if x.mean() + self.a.bias.sum() > 0.3 else self.b(x)


def branching() -> nn.Module:
    return Branching()


class Itemising(nn.Module):
    """A number taken out of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        out = self.inner(x)
        return out / max(1.0, out.detach().abs().max().item())


def itemising() -> nn.Module:
    return Itemising()


class Capturing(nn.Module):
    """A tensor that is neither parameter nor buffer, changed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.mean = nn.Linear(64, 10), torch.zeros(10, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        out = self.inner(x)
        if self.training:
            self.mean += 0.1 * out.detach().mean(0)
        return out - self.mean


def capturing() -> nn.Module:
    return Capturing()


class CountingCalls(nn.Module):
    """An attribute that changes with each call in training."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.calls = nn.Linear(64, 10), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.inner(x) * (1 + self.calls / 10)


def counting_calls() -> nn.Module:
    return CountingCalls()


class Projecting(nn.Module):
    """A random tensor that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.projection, self.inner = torch.randn(64, 12) / 8, nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(torch.tanh(x @ self.projection.to(x.dtype)))


def projecting() -> nn.Module:
    return Projecting()


class Recurrent(nn.Module):
    """A recurrent layer of PyTorch's own, over the rows of an image."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.inner, self.out = kind(8, 6, batch_first=True), nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.inner(x)[0][:, -1])


def gated() -> nn.Module:
    return Recurrent(nn.GRU)


def long_memory() -> nn.Module:
    return Recurrent(nn.LSTM)


def defined_inside() -> nn.Module:
    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(64, 10)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(self.inner(x))

    return Inside()


def parametrized() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(64, 8)), nn.ReLU(), nn.Linear(8, 10))


def spectral() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(64, 8)), nn.ReLU(), nn.Linear(8, 10))


def batch_norm_cumulative() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 12), nn.BatchNorm1d(12, momentum=None), nn.ReLU(), nn.Linear(12, 10))


class Mixing(nn.Module):
    """Looks at all that is there, which under `vmap` is more than one member's."""

    seen: ClassVar[list[float]] = []

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        whole = x
        while torch._C._functorch.is_batchedtensor(whole):
            whole = torch._C._functorch.get_unwrapped(whole)
        return self.inner(x) * (1 + whole.detach().mean(tuple(range(whole.dim() - 1)))).mean() * len(whole)


def mixing() -> nn.Module:
    return Mixing()


ALONE: dict[Callable[..., Any], str] = {
    branching: "flat", itemising: "flat", capturing: "flat", counting_calls: "flat", projecting: "flat",
    gated: "line", long_memory: "line", defined_inside: "flat", parametrized: "flat", spectral: "flat",
    batch_norm_cumulative: "flat", mixing: "flat",
}  # fmt: skip
"""Modules whose members cannot train together."""
