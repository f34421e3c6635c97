"""How torch functions act on many members at once, where `vmap` alone is slow or would mix up their random numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Site:
    """One place in a forward pass that draws random numbers.

    Attributes:
        kind: uniform in [0, 1), or standard normal.
        shape: of one member's numbers.
    """

    kind: Literal["uniform", "normal"]
    shape: tuple[int, ...]


@dataclass
class Members(TorchFunctionMode):
    """Stands around a module's forward inside `vmap`.

    Convolutions, poolings, batch and group norms of all members become one call on `(B, P channels, H, W)` with the
    channels innermost: on a CPU a pooling is then 20 times faster than on `vmap`'s layout, a convolution twice.

    Random numbers are given, not drawn: `noise` holds one tensor a site, each member's from its own stream. Without
    it, the sites are found (`sites`) and zeros stand in.
    """

    noise: Iterator[Tensor] | None = None
    sites: list[Site] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call what stands in for the function, or the function."""
        stand_in = _RANDOM.get(func)
        if stand_in is not None:
            return stand_in(self, *args, **(kwargs or {}))
        return _TOGETHER.get(func, func)(*args, **(kwargs or {}))

    def draw(self, kind: Literal["uniform", "normal"], shape: Sequence[int], like: Tensor) -> Tensor:
        """Return the numbers of the next site."""
        if self.noise is not None:
            return next(self.noise)
        self.sites.append(Site(kind, tuple(shape)))
        return torch.zeros(tuple(shape), dtype=like.dtype, device=like.device)


def _dropout(
    mode: Members, input: Tensor, p: Any = 0.5, training: bool = True, inplace: bool = False, *, axes: int = 0
) -> Tensor:
    """Inverted dropout, as in `tunelab.models.layers.Dropout`; p may differ between members."""
    if not training or (isinstance(p, float | int) and p == 0):
        return input
    shape = input.shape[: len(input.shape) - axes] + (1,) * axes if axes else input.shape
    keep = mode.draw("uniform", shape, input) >= p
    return input * (keep.to(input.dtype) / (1 - p))


def _like(mode: Members, input: Tensor, *, kind: Literal["uniform", "normal"], **_: Any) -> Tensor:
    return mode.draw(kind, input.shape, input)


def _of_shape(
    mode: Members, *size: Any, kind: Literal["uniform", "normal"], dtype: torch.dtype | None = None, **_: Any
) -> Tensor:
    shape = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
    return mode.draw(kind, shape, torch.empty(0, dtype=dtype))


def _normal(mode: Members, mean: Any, std: Any = 1.0, size: Any = None, **_: Any) -> Tensor:
    like = mean if isinstance(mean, Tensor) else std if isinstance(std, Tensor) else torch.empty(0)
    shape = size if size is not None else torch.broadcast_shapes(getattr(mean, "shape", ()), getattr(std, "shape", ()))
    return mean + std * mode.draw("normal", shape, like)


def _bernoulli(mode: Members, input: Tensor, **_: Any) -> Tensor:
    return (mode.draw("uniform", input.shape, input) < input).to(input.dtype)


_RANDOM: dict[Any, Callable[..., Tensor]] = {
    functional.dropout: _dropout,
    functional.dropout1d: partial(_dropout, axes=1),
    functional.dropout2d: partial(_dropout, axes=2),
    functional.dropout3d: partial(_dropout, axes=3),
    torch.rand_like: partial(_like, kind="uniform"),
    torch.randn_like: partial(_like, kind="normal"),
    torch.rand: partial(_of_shape, kind="uniform"),
    torch.randn: partial(_of_shape, kind="normal"),
    torch.normal: _normal,
    torch.bernoulli: _bernoulli,
}


class _Physical(torch.autograd.Function):
    """A function of its own under `vmap`, made of functions that autograd knows; never called outside of it."""

    @staticmethod
    def forward(*_: Any) -> Any:
        """Stand for a call outside `vmap`, of which there is none."""
        raise AssertionError("only called with members in front")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing: autograd follows what `vmap` calls."""


def _channels(x: Tensor, dim: int | None, members: int) -> Tensor:
    """Return `(B, P channels, *space)` of `(P, B, channels, *space)`, channels innermost."""
    x = x.unsqueeze(0).expand(members, *x.shape) if dim is None else x.movedim(dim, 0)
    flat = x.movedim(0, 1).reshape(x.shape[1], -1, *x.shape[3:])
    return flat.contiguous(memory_format=torch.channels_last) if flat.dim() == 4 else flat


def _split(out: Tensor, members: int) -> tuple[Tensor, int]:
    """Undo `_channels`; the member axis is 1."""
    return out.unflatten(1, (members, -1)), 1


def _flat(values: Tensor | None, dim: int | None, members: int) -> Tensor | None:
    """Return one vector `(P channels,)`."""
    if values is None:
        return None
    return (values.expand(members, -1) if dim is None else values.movedim(dim, 0)).reshape(-1)


class _Convolution(_Physical):
    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, rest: Any) -> Any:
        """One convolution with a group for each member; where all see the same rows, just more output channels."""
        members = info.batch_size
        kernels = weight.expand(members, *weight.shape) if in_dims[1] is None else weight.movedim(in_dims[1], 0)
        shared = in_dims[0] is None and groups == 1
        if not shared:
            x, groups = _channels(x, in_dims[0], members), groups * members
        out = functional.conv2d(x, kernels.flatten(0, 1), _flat(bias, in_dims[2], members), groups=groups, **dict(rest))
        return _split(out, members)


class _Pooling(_Physical):
    @staticmethod
    def vmap(info: Any, in_dims: Any, pool: Callable[..., Tensor], x: Tensor, args: Any, kwargs: Any) -> Any:
        """One pooling of everybody's channels."""
        return _split(pool(_channels(x, in_dims[1], info.batch_size), *args, **dict(kwargs)), info.batch_size)


class _BatchNorm(_Physical):
    @staticmethod
    def vmap(
        info: Any, in_dims: Any, x: Tensor, mean: Any, var: Any, weight: Any, bias: Any, training: bool, *rest: Any
    ) -> Any:
        """One batch norm of everybody's channels; the running statistics are renewed in place."""
        members = info.batch_size
        given = zip((mean, var, weight, bias), in_dims[1:5], strict=True)
        vectors: Any = [_flat(values, dim, members) for values, dim in given]
        return _split(_norm(_channels(x, in_dims[0], members), *vectors, training, *rest), members)


_norm: Callable[..., Tensor] = functional.batch_norm
_norm_of_groups: Callable[..., Tensor] = functional.group_norm


class _GroupNorm(_Physical):
    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, groups: int, weight: Any, bias: Any, eps: float) -> Any:
        """One group norm of everybody's channels; torch's own asks for a layout that `vmap` cannot tell."""
        members = info.batch_size
        vectors = (_flat(values, dim, members) for values, dim in zip((weight, bias), in_dims[2:4], strict=True))
        normed = _norm_of_groups(_channels(x, in_dims[0], members), groups * members, *vectors, eps)
        return _split(normed, members)


def _has_members(*tensors: Any) -> bool:
    return any(isinstance(tensor, Tensor) and is_batchedtensor(tensor) for tensor in tensors)


def _conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    rest = {"stride": stride, "padding": padding, "dilation": dilation}
    if input.dim() != 4 or not _has_members(weight):
        return functional.conv2d(input, weight, bias, groups=groups, **rest)
    return _Convolution.apply(input, weight, bias, groups, tuple(rest.items()))


def _pooling(pool: Callable[..., Tensor], input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if input.dim() != 4 or not _has_members(input) or kwargs.get("return_indices"):
        return pool(input, *args, **kwargs)
    return _Pooling.apply(pool, input, args, tuple(kwargs.items()))


def _batch_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    if not _has_members(input):
        return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    return _BatchNorm.apply(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _group_norm(input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    if not _has_members(input):
        return functional.group_norm(input, num_groups, weight, bias, eps)
    return _GroupNorm.apply(input, num_groups, weight, bias, eps)


_TOGETHER: dict[Any, Callable[..., Any]] = {
    torch.conv2d: _conv2d,
    functional.max_pool2d: partial(_pooling, functional.max_pool2d),
    functional.avg_pool2d: partial(_pooling, functional.avg_pool2d),
    functional.adaptive_avg_pool2d: partial(_pooling, functional.adaptive_avg_pool2d),
    functional.batch_norm: _batch_norm,
    functional.group_norm: _group_norm,
}
