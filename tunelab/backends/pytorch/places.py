"""Where a module keeps its tensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn


class Places:
    """The places of a module's parameters and buffers, to be filled with others for one call.

    `torch.func.functional_call` does the same and finds the places anew each time, which takes as long as a small
    network's arithmetic.

    Args:
        module: whose tensors are replaced.
    """

    def __init__(self, module: nn.Module) -> None:
        first: dict[int, str] = {}
        self._places: list[tuple[dict[str, Tensor | None], str, str, Tensor]] = []
        for prefix, part in module.named_modules(remove_duplicate=False):
            for group in (part._parameters, part._buffers):
                for key, tensor in group.items():
                    if tensor is not None:
                        name = first.setdefault(id(tensor), f"{prefix}.{key}" if prefix else key)
                        self._places.append((group, key, name, tensor))

    @contextmanager
    def filled(self, tensors: Mapping[str, Tensor]) -> Iterator[None]:
        """Put tensors, by the names of `named_parameters` and `named_buffers`, in the places of the module's own.

        What the module puts in their places meanwhile is copied into them.
        """
        for group, key, name, _ in self._places:
            group[key] = tensors[name]
        try:
            yield
            for group, key, name, _ in self._places:
                found = group[key]
                if found is not None and found is not tensors[name]:
                    tensors[name].copy_(found.detach())
        finally:
            for group, key, _, own in self._places:
                group[key] = own
