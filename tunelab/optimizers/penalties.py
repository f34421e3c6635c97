"""Clipping and weight decay around each rule of an optimizer."""

from tunelab.contracts import Optimizer, Rule
from tunelab.optimizers.clip_norm import ClipNorm
from tunelab.optimizers.coupled_decay import CoupledDecay


def penalised(optimizer: Optimizer, clip_norm: float | None, weight_decay: float) -> Optimizer:
    """Return the optimizer with its gradients clipped, then decay added to them, before each of its rules.

    >>> from tunelab.optimizers import SGD
    >>> penalised(SGD(), None, 0.0) == SGD()
    True
    >>> [type(level).__name__ for level in penalised(SGD(), 1.0, 1e-4).levels()]
    ['ClipNorm', 'CoupledDecay', 'SGD']
    """

    def wrapped(rule: Rule) -> Optimizer:
        decayed = CoupledDecay(inner=rule, weight_decay=weight_decay) if weight_decay else rule
        return decayed if clip_norm is None else ClipNorm(inner=decayed, norm=clip_norm)

    return optimizer.map_rules(wrapped)
