"""Which code a record may name that somebody else could have written: a name is imported, and what it names is called.

Within `vouched_only`, `found_at` imports nothing but

- what the caller lists: the announced plugins, and what the person's own experiment names;
- `TorchOptimizer` and `TorchModel`, which are made of somebody's class;
- classes of torch.optim that are optimizers, classes of torch.nn that are modules, and torch.nn.functional's losses.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tunelab.errors import ExperimentError

_MAKERS = frozenset({"tunelab.optimizers.torch_optimizer:TorchOptimizer", "tunelab.models.torch_model:TorchModel"})

_CLASSES = {
    re.compile(r"torch\.optim(\.[a-z0-9_]+)*:[A-Za-z0-9]+"): ("torch.optim.optimizer", "Optimizer"),
    re.compile(r"torch\.nn(\.[a-z0-9_]+)*:[A-Za-z0-9]+"): ("torch.nn.modules.module", "Module"),
}
"""Where classes are vouched for, if they are subclasses of this one."""

_LOSSES = re.compile(r"torch\.nn\.functional:[a-z0-9_]*(_loss|cross_entropy)(_with_logits)?")

_LISTED: ContextVar[Collection[str] | None] = ContextVar("listed", default=None)
"""What the caller vouches for; None where the names are the person's own, and any may be imported."""


@contextmanager
def vouched_only(places: Collection[str] | None) -> Iterator[None]:
    """Import nothing by a name meanwhile that is neither among these places nor vouched for by tunelab.

    None lets anything be imported, for names that stand in the code of an installed plugin.
    """
    before = _LISTED.set(places)
    try:
        yield
    finally:
        _LISTED.reset(before)


def require_vouched(place: str) -> None:
    """Raise ExperimentError for a place that may not be imported here; nothing is imported to find out."""
    if not (_is_listed(place) or _LOSSES.fullmatch(place) or any(each.fullmatch(place) for each in _CLASSES)):
        raise _refused(place, "anybody who may write to the store could have named it")


def require_kind(place: str, found: Any) -> None:
    """Raise ExperimentError for what is no optimizer or module, though it stands where they do."""
    wanted = next((base for each, base in _CLASSES.items() if each.fullmatch(place)), None)
    if wanted is None or _is_listed(place):
        return
    bases = {(base.__module__, base.__qualname__) for base in found.__mro__} if isinstance(found, type) else set()
    if wanted not in bases:
        raise _refused(place, f"it is no {wanted[1]} of PyTorch's")


def _is_listed(place: str) -> bool:
    listed = _LISTED.get()
    return listed is None or place in listed or place in _MAKERS


def _refused(place: str, why: str) -> ExperimentError:
    return ExperimentError(
        f"the record names the code {place!r}, which is not imported: {why}. Give an experiment of your own that names "
        "it (reproduce: --file FILE, experiment=; join: its file), or install the plugin that announces it"
    )
