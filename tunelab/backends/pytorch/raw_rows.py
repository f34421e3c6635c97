"""A module that takes rows as they come: the scaling of its data is inside."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from tunelab.contracts import Inputs, Outputs, Targets


class RawRows(nn.Module):
    """A trained module between the scaling of its inputs and that of its outputs.

        scaled = (x - shift) / spread;  out = module(scaled);  values = out * target_spread + target_shift

    Scaling is done in float64, as it was for training; whole numbers are left as they are where they were trained on as
    they are. Logits of classes, and outputs of another shape than the targets', are returned as the module returns
    them.

    Args:
        module: the person's own.
        inputs, outputs, targets: what a row is, and what is told of it.
        scaling: `shift`, `spread`, `target_shift` and `target_spread`; nothing where the data was trained on as it is.
        dtype: in which the module computes.
        whole: whether it takes whole numbers.
    """

    shift: torch.Tensor
    spread: torch.Tensor
    target_shift: torch.Tensor
    target_spread: torch.Tensor

    def __init__(
        self,
        module: nn.Module,
        inputs: Inputs,
        outputs: Outputs,
        targets: Targets,
        scaling: Mapping[str, np.ndarray],
        dtype: torch.dtype,
        *,
        whole: bool,
    ) -> None:
        super().__init__()
        self.module = module
        self.inputs, self.outputs, self.targets, self.dtype, self.whole = inputs, outputs, targets, dtype, whole
        self.is_scaled = bool(scaling)
        for name, values in scaling.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.float64))

    def forward(self, x: torch.Tensor) -> Any:
        """Return logits, or values in the data's own units, for rows `(B, *inputs.shape)`."""
        out = self.module(self._rows(x))
        told = isinstance(out, torch.Tensor) and out.shape[1:] == self.outputs.shape
        if self.is_scaled and self.targets == "values" and told:
            return out.double() * self.target_spread + self.target_shift
        return out

    def _rows(self, x: torch.Tensor) -> torch.Tensor:
        """Return rows as the module was trained on them."""
        if self.is_scaled and not self.whole:
            x = (x.flatten(1) - self.shift) / self.spread  # in float64, whatever x is
        if self.is_scaled:
            x = x.reshape(-1, *self.inputs.shape)
        if self.inputs.symbols:
            return x.long()
        return x if self.whole else x.to(self.dtype)
