"""Modules of a person's own, found by name from another process too."""

from typing import Any

import torch
from torch import nn


class Patchwork(nn.Module):
    """All that a `state_dict` may hold: a frozen layer, batch norm's running state, tied weights, a passing buffer."""

    def __init__(self, channels: int = 3, dropout: float = 0.2, out_features: int = 10) -> None:
        super().__init__()
        self.frozen = nn.Conv2d(1, channels, 3, padding=1)
        self.frozen.requires_grad_(False)
        self.norm = nn.BatchNorm2d(channels)
        self.one = nn.Linear(channels * 16, 12)
        self.tied, self.other = nn.Linear(12, 12), nn.Linear(12, 12)
        self.other.weight = self.tied.weight
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(12, out_features)
        self.register_buffer("passing", torch.rand(12), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.frozen(x.reshape(-1, 1, 8, 8))))
        x = torch.relu(self.one(nn.functional.max_pool2d(x, 2).flatten(1))) * self.passing
        x = torch.relu(self.tied(x)) + torch.tanh(self.other(x))
        return self.head(self.dropout(x))


def patchwork(channels: int, dropout: float = 0.2) -> nn.Module:
    return Patchwork(channels, dropout)


class Tokens(nn.Module):
    """Symbols in, three classes out."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(7, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x).mean(1))


class Linear(nn.Linear):
    """One value of a row."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)


class Branching(nn.Module):
    """Control flow that depends on data, which no tracer follows."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(in_features, out_features), nn.Linear(in_features, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(x) if x.sum() > 0 else self.down(x)


class Pair(nn.Module):
    """Returns two things."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.inner = nn.Linear(in_features, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.inner(x)
        return out, out.sum(1)


def first_of_two(out: Any, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(out[0], y)
