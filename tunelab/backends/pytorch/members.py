"""How torch functions act on many members at once, where `vmap` alone is slow or would mix up their random numbers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch._C._functorch import (
    _add_batch_dim,
    get_unwrapped,
    is_batchedtensor,
    maybe_get_bdim,
    maybe_get_level,
)
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

    def drawn(self, streams: Sequence[np.random.Generator], dtype: torch.dtype) -> Tensor:
        """Return numbers `(P, *shape)`, each member's from its own stream."""
        numbers = torch.empty((len(streams), math.prod(self.shape)), dtype=dtype)
        for row, stream in zip(numbers.numpy(), streams, strict=True):
            draw = stream.random if self.kind == "uniform" else stream.standard_normal
            draw(out=row, dtype=row.dtype)
        return numbers.view(-1, *self.shape)


@dataclass
class Members(TorchFunctionMode):
    """Stands around a module's forward, inside `vmap` or alone.

    Convolutions, poolings and batch norms of all members become one call on `(B, P channels, H, W)` with the channels
    innermost: on a CPU a pooling is then 20 times faster than on `vmap`'s layout, a convolution twice.

    Random numbers are given, not drawn, so that each member's come from its own stream.

    Args:
        source: returns the numbers of the next site.
    """

    source: Callable[[Site], Tensor]

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call what stands in for the function, or the function."""
        kwargs = kwargs or {}
        stand_in = _RANDOM.get(func)
        if stand_in is not None and not _NOT_OURS & kwargs.keys():
            return stand_in(self, *args, **kwargs)
        return _TOGETHER.get(func, func)(*args, **kwargs)

    def draw(self, kind: Literal["uniform", "normal"], shape: Sequence[int], like: Tensor) -> Tensor:
        """Return the numbers of the next site, of the type and on the device of another tensor."""
        return self.source(Site(kind, tuple(shape))).to(like)


_NOT_OURS = {"generator", "out"}
"""Who gives one of these wants PyTorch's own numbers."""

TINY = 1e-30
"""Where everything is dropped, nothing is divided by zero."""


def _dropout(
    mode: Members, input: Tensor, p: Any = 0.5, training: bool = True, inplace: bool = False, *, axes: int = 0
) -> Tensor:
    """Inverted dropout, as in `tunelab.models.layers.Dropout`; p may differ between members."""
    if not training or (isinstance(p, float | int) and p == 0):
        return input
    shape = input.shape[: len(input.shape) - axes] + (1,) * axes if axes else input.shape
    keep = mode.draw("uniform", shape, input) >= p
    left = (1 - p).clamp_min(TINY) if isinstance(p, Tensor) else max(1 - p, TINY)
    scale = (keep / left).to(input.dtype)
    return input.mul_(scale) if inplace else input * scale


def _like(
    mode: Members, input: Tensor, *, kind: Literal["uniform", "normal"], dtype: torch.dtype | None = None, **_: Any
) -> Tensor:
    return mode.draw(kind, input.shape, input if dtype is None else torch.empty(0, dtype=dtype, device=input.device))


def _of_shape(
    mode: Members,
    *sizes: Any,
    kind: Literal["uniform", "normal"],
    size: Any = None,
    dtype: torch.dtype | None = None,
    device: Any = None,
    **_: Any,
) -> Tensor:
    wanted = sizes if size is None else (size,)
    shape = wanted[0] if len(wanted) == 1 and not isinstance(wanted[0], int) else wanted
    return mode.draw(kind, shape, torch.empty(0, dtype=dtype, device=device))


def _normal(mode: Members, mean: Any, std: Any = 1.0, size: Any = None, **_: Any) -> Tensor:
    like = mean if isinstance(mean, Tensor) else std if isinstance(std, Tensor) else torch.empty(0)
    shape = size if size is not None else torch.broadcast_shapes(getattr(mean, "shape", ()), getattr(std, "shape", ()))
    return mean + std * mode.draw("normal", shape, like)


def _bernoulli(mode: Members, input: Tensor, p: float | None = None, **_: Any) -> Tensor:
    return (mode.draw("uniform", input.shape, input) < (input if p is None else p)).to(input.dtype)


def _in_place(mode: Members, input: Tensor, numbers: Callable[[Tensor], Tensor]) -> Tensor:
    """Return a tensor filled with numbers: itself, unless its members share it and it cannot hold those of each.

    Who then goes on with the tensor and not with what is returned is found out before anything trains (`fit`).
    """
    found = numbers(input)
    if is_batchedtensor(found) and not is_batchedtensor(input):
        return found
    return input.copy_(found)


def _normal_(mode: Members, input: Tensor, mean: float = 0.0, std: float = 1.0) -> Tensor:
    return _in_place(mode, input, lambda like: mean + std * mode.draw("normal", like.shape, like))


def _uniform_(mode: Members, input: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    return _in_place(mode, input, lambda like: low + (high - low) * mode.draw("uniform", like.shape, like))


def _bernoulli_(mode: Members, input: Tensor, p: Any = 0.5) -> Tensor:
    return _in_place(mode, input, lambda like: (mode.draw("uniform", like.shape, like) < p).to(like.dtype))


def _attention(
    mode: Members, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """PyTorch's own kernel where no weights are dropped, else attention as its documentation spells it."""
    if not dropout_p or enable_gqa:
        tensors, rest = (query, key, value, attn_mask), (is_causal, scale, enable_gqa)
        return _together(_attentions, *tensors, *rest) if _has_members(*tensors) else _kernel(*tensors, *rest)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).triu(1)
        scores = scores.masked_fill(ahead, -math.inf)
    if attn_mask is not None:
        forbids = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if forbids else scores + attn_mask
    return _dropout(mode, scores.softmax(-1), dropout_p) @ value


def _kernel(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, is_causal: bool, scale: float | None, gqa: bool
) -> Tensor:
    rest: dict[str, Any] = {"is_causal": is_causal, "scale": scale, "enable_gqa": gqa}
    return functional.scaled_dot_product_attention(query, key, value, mask, **rest)


def _heads(mode: Members, *args: Any, **kwargs: Any) -> Any:
    """Look inside a function that PyTorch hands over as a whole."""
    with mode:
        return _multi_head(*args, **kwargs)


_multi_head = FunctionType(
    functional.multi_head_attention_forward.__code__,
    {**functional.__dict__, "has_torch_function": lambda tensors: False},
    argdefs=functional.multi_head_attention_forward.__defaults__,
)

_RANDOM: dict[Any, Callable[..., Tensor]] = {
    functional.dropout: _dropout,
    functional.dropout1d: partial(_dropout, axes=1),
    functional.dropout2d: partial(_dropout, axes=2),
    functional.dropout3d: partial(_dropout, axes=3),
    functional.scaled_dot_product_attention: _attention,
    functional.multi_head_attention_forward: _heads,
    torch.rand_like: partial(_like, kind="uniform"),
    torch.randn_like: partial(_like, kind="normal"),
    torch.rand: partial(_of_shape, kind="uniform"),
    torch.randn: partial(_of_shape, kind="normal"),
    torch.normal: _normal,
    torch.bernoulli: _bernoulli,
    Tensor.normal_: _normal_,
    Tensor.uniform_: _uniform_,
    Tensor.bernoulli_: _bernoulli_,
}


_Rule = Callable[..., tuple[Tensor, int]]
"""Does for all members what a function does for one: of their number, the member axis of each argument (None where
all share it), and the arguments; returns a result and its member axis.
"""


def _together(rule: _Rule, *args: Any) -> Tensor:
    """Call a rule beneath `vmap`, on the tensors that hold all members.

    `torch.autograd.Function` can be given such a rule too, and takes 0.2 ms a call more.
    """
    level = max(maybe_get_level(arg) for arg in args if _has_members(arg))
    axes = [maybe_get_bdim(arg) if _has_members(arg) and maybe_get_level(arg) == level else None for arg in args]
    lower = [arg if axis is None else get_unwrapped(arg) for arg, axis in zip(args, axes, strict=True)]
    members = next(arg.shape[axis] for arg, axis in zip(lower, axes, strict=True) if axis is not None)
    out, axis = rule(members, axes, *lower)
    return _add_batch_dim(out, axis, level)


def _channels(x: Tensor, dim: int | None, members: int) -> Tensor:
    """Return `(B, P channels, *space)` of `(P, B, channels, *space)`, channels innermost."""
    x = _led(x, dim, members)
    flat = x.movedim(0, 1).reshape(x.shape[1], -1, *x.shape[3:])
    return flat.contiguous(memory_format=torch.channels_last) if flat.dim() == 4 else flat


def _led(tensor: Tensor, dim: int | None, members: int) -> Tensor:
    """Return a tensor with the members in front."""
    return tensor.expand(members, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


def _split(out: Tensor, members: int) -> tuple[Tensor, int]:
    """Undo `_channels`; the member axis is 1."""
    return out.unflatten(1, (members, -1)), 1


def _flat(values: Tensor | None, dim: int | None, members: int) -> Tensor | None:
    """Return one vector `(P channels,)`."""
    if values is None:
        return None
    return _led(values, dim, members).reshape(-1)


def _linears(members: int, dims: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, int]:
    """One product of everybody's rows, the bias added in the same call."""
    turned = _led(weight, dims[1], members).transpose(1, 2)
    x = _led(x, dims[0], members)
    rows = x.reshape(members, -1, x.shape[-1])
    if bias is None:
        out = torch.bmm(rows, turned)
    else:
        out = torch.baddbmm(_led(bias, dims[2], members).unsqueeze(1), rows, turned)
    return out.view(*x.shape[:-1], -1), 0


def _convolutions(
    members: int, dims: Any, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, rest: Any
) -> tuple[Tensor, int]:
    """One convolution with a group for each member; where all see the same rows, just more output channels."""
    kernels = _led(weight, dims[1], members)
    shared = dims[0] is None and groups == 1
    if not shared:
        x, groups = _channels(x, dims[0], members), groups * members
    out = functional.conv2d(x, kernels.flatten(0, 1), _flat(bias, dims[2], members), groups=groups, **dict(rest))
    return _split(out, members)


def _poolings(
    members: int, dims: Any, pool: Callable[..., Tensor], x: Tensor, args: Any, kwargs: Any
) -> tuple[Tensor, int]:
    """One pooling of everybody's channels."""
    return _split(pool(_channels(x, dims[1], members), *args, **dict(kwargs)), members)


def _batch_norms(
    members: int, dims: Any, x: Tensor, mean: Any, var: Any, weight: Any, bias: Any, training: bool, *rest: Any
) -> tuple[Tensor, int]:
    """One batch norm of everybody's channels; the running statistics are renewed in place."""
    given = zip((mean, var, weight, bias), dims[1:5], strict=True)
    vectors: Any = [_flat(values, dim, members) for values, dim in given]
    return _split(_norm(_channels(x, dims[0], members), *vectors, training, *rest), members)


_norm: Callable[..., Tensor] = functional.batch_norm


def _group_norms(
    members: int, dims: Any, x: Tensor, groups: int, weight: Any, bias: Any, eps: float
) -> tuple[Tensor, int]:
    """One group norm of everybody's groups."""
    weight, bias = _flat(weight, dims[2], members), _flat(bias, dims[3], members)
    x = _channels(x, dims[0], members)
    return _split(functional.group_norm(x, groups * members, weight, bias, eps), members)


def _attentions(
    members: int, dims: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, *rest: Any
) -> tuple[Tensor, int]:
    """One attention over everybody's rows."""
    given = zip((query, key, value), dims[:3], strict=True)
    query, key, value = (_led(tensor, dim, members) for tensor, dim in given)
    rows = query.shape[:-2]
    if mask is not None:
        mask = _led(mask, dims[3], members)
        mask = mask.reshape(len(mask), *[1] * (query.dim() - mask.dim()), *mask.shape[1:])
        mask = mask.expand(*rows[:2], *mask.shape[2:]) if len(rows) > 1 else mask
        mask = mask.flatten(0, max(len(rows[:2]) - 1, 0))
    if len(rows) > 1:
        query, key, value = query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1)
    out = _kernel(query, key, value, mask, *rest)
    return (out.unflatten(0, rows[:2]) if len(rows) > 1 else out), 0


def _has_members(*tensors: Any) -> bool:
    return any(isinstance(tensor, Tensor) and is_batchedtensor(tensor) for tensor in tensors)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if not _has_members(weight):
        return functional.linear(input, weight, bias)
    return _together(_linears, input, weight, bias)


def _conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    rest = {"stride": stride, "padding": padding, "dilation": dilation}
    if input.dim() != 4 or not _has_members(weight):
        return functional.conv2d(input, weight, bias, groups=groups, **rest)
    return _together(_convolutions, input, weight, bias, groups, tuple(rest.items()))


def _pooling(pool: Callable[..., Tensor], input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if input.dim() != 4 or not _has_members(input) or kwargs.get("return_indices"):
        return pool(input, *args, **kwargs)
    return _together(_poolings, pool, input, args, tuple(kwargs.items()))


def _batch_norm(
    input: Tensor, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    if not _has_members(input, running_mean, running_var, weight, bias):
        return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    return _together(_batch_norms, input, running_mean, running_var, weight, bias, training, momentum, eps)


def _group_norm(
    input: Tensor, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:  # fmt: skip
    if not _has_members(input, weight, bias):
        return functional.group_norm(input, num_groups, weight, bias, eps)
    return _together(_group_norms, input, num_groups, weight, bias, eps)


def _embedding(input: Tensor, weight: Tensor, padding_idx: int | None = None, *args: Any, **kwargs: Any) -> Tensor:
    """Pass no gradient to the padding; under `vmap` PyTorch 2.13 does so for the first member alone."""
    if padding_idx is None or not _has_members(input, weight):
        return functional.embedding(input, weight, padding_idx, *args, **kwargs)
    out = functional.embedding(input, weight, None, *args, **kwargs)
    return torch.where((input == padding_idx % len(weight)).unsqueeze(-1), out.detach(), out)


_TOGETHER: dict[Any, Callable[..., Any]] = {
    functional.linear: _linear,
    torch.conv2d: _conv2d,
    functional.max_pool2d: partial(_pooling, functional.max_pool2d),
    functional.avg_pool2d: partial(_pooling, functional.avg_pool2d),
    functional.adaptive_avg_pool2d: partial(_pooling, functional.adaptive_avg_pool2d),
    functional.batch_norm: _batch_norm,
    functional.group_norm: _group_norm,
    functional.embedding: _embedding,
}
