"""A PyTorch module of one's own."""

import inspect
from collections.abc import Collection
from math import prod
from typing import Any

from tunelab.contracts import Foreign, Inputs, ModuleModel, Outputs

SIZES = ("in_features", "out_features")
"""Parameters that the data decides, spelt as PyTorch's own layers spell them."""


class TorchModel(Foreign, ModuleModel):
    """A function or class that makes a `torch.nn.Module`; its arguments are fixed or searched.

        TorchModel(net, width=64)
        TorchModel.search(net, width=Int(32, 256, log=True), dropout=Float(0.0, 0.5))

    Members of a population train through one module at once (`torch.vmap`), as long as their modules differ in nothing
    but parameters, buffers and the rates of dropout modules; dropout, and what `torch.rand`, `torch.randn` and their
    like draw, is each member's own. A module that does not allow this (control flow that depends on data, recurrent
    layers of cuDNN, attributes that change) trains alone, and the study says why.

    Parameters called `in_features` and `out_features` are no hyperparameters: they are the numbers of a row and the
    classes, or values, to tell. Inputs are batches `(B, *shape of a row)`; outputs `(B, classes)` or `(B, values)` for
    the losses that tunelab brings, anything for a loss of one's own.

    Raises:
        PluginError: what is no function or class, or an argument that it does not have.

    >>> def net(width: int, dropout: float = 0.1): ...
    >>> TorchModel(net, width=64)
    net(width=64, dropout=0.1)
    """

    @classmethod
    def supplied(cls, names: tuple[str, ...]) -> Collection[str]:
        """Return the parameters that the data decides."""
        return tuple(name for name in names if name in SIZES)

    def asks_outputs(self) -> bool:
        """Return whether the function or class has a parameter for them."""
        return SIZES[1] in self._takes()

    def module(self, inputs: Inputs, outputs: Outputs) -> Any:
        """Return what the function or class makes."""
        sizes = dict(zip(SIZES, (prod(inputs.shape), outputs.count), strict=True))
        return self.call(**{name: size for name, size in sizes.items() if name in self._takes()})

    def _takes(self) -> Collection[str]:
        return inspect.signature(type(self).callable()).parameters
