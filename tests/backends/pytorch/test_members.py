"""What stands in for torch functions gives each member what the function gives it alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from tunelab.backends.pytorch.members import Members, Site

P = 3


def rand(*shape: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=GENERATOR) - 0.5


GENERATOR = torch.Generator().manual_seed(0)
IMAGES, SHARED = (P, 4, 6, 8, 8), (4, 6, 8, 8)
attend = F.scaled_dot_product_attention
MASK = torch.ones(5, 5, dtype=torch.bool).tril()

FUNCTIONS: dict[str, tuple[Callable[..., Tensor], list[Any]]] = {
    "conv2d": (F.conv2d, [rand(*IMAGES), rand(P, 4, 6, 3, 3), rand(P, 4)]),
    "conv2d of shared rows": (F.conv2d, [rand(*SHARED), rand(P, 4, 6, 3, 3), rand(P, 4)]),
    "conv2d of shared rows in groups": (partial(F.conv2d, groups=2), [rand(*SHARED), rand(P, 4, 3, 3, 3)]),
    "conv2d with shared weights": (F.conv2d, [rand(*IMAGES), rand(4, 6, 3, 3)]),
    "conv2d with a shared bias": (F.conv2d, [rand(*IMAGES), rand(P, 4, 6, 3, 3), rand(4)]),
    "conv2d in groups": (
        lambda x, w: F.conv2d(x, w, stride=(2, 1), padding=1, dilation=2, groups=3),
        [rand(*IMAGES), rand(P, 6, 2, 3, 3)],
    ),
    "conv2d that keeps the size": (partial(F.conv2d, padding="same"), [rand(*IMAGES), rand(P, 2, 6, 3, 3)]),
    "conv2d of one image": (F.conv2d, [rand(P, 6, 8, 8), rand(P, 4, 6, 3, 3)]),
    "max pool": (lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), [rand(*IMAGES)]),
    "max pool with its places": (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], [rand(*IMAGES)]),
    "average pool": (lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), [rand(*IMAGES)]),
    "adaptive pool": (lambda x: F.adaptive_avg_pool2d(x, (3, 5)), [rand(*IMAGES)]),
    "pool of one image": (lambda x: F.max_pool2d(x, 2), [rand(P, 6, 8, 8)]),
    "batch norm": (partial(F.batch_norm, training=True), [rand(*IMAGES), None, None, rand(P, 6), rand(P, 6)]),
    "batch norm of vectors": (partial(F.batch_norm, training=True), [rand(P, 4, 6), None, None, rand(P, 6), None]),
    "batch norm of shared rows": (partial(F.batch_norm, training=True), [rand(*SHARED), None, None, rand(P, 6), None]),
    "batch norm in evaluation": (
        lambda x, mean, variance, w: F.batch_norm(x, mean.detach(), variance.detach(), w),
        [rand(*IMAGES), rand(P, 6), rand(P, 6).abs() + 1, rand(6)],
    ),
    "group norm": (lambda x, w, b: F.group_norm(x, 3, w, b), [rand(*IMAGES), rand(P, 6), rand(P, 6)]),
    "group norm of vectors": (lambda x: F.group_norm(x, 2), [rand(P, 4, 6)]),
    "group norm of shared rows": (lambda x, w: F.group_norm(x, 2, w), [rand(*SHARED), rand(P, 6)]),
    "embedding": (lambda i, w: F.embedding(i, w), [torch.arange(24).view(P, 8) % 7, rand(P, 7, 2)]),
    "embedding with padding": (lambda i, w: F.embedding(i, w, 2), [torch.arange(24).view(P, 8) % 7, rand(P, 7, 2)]),
    "embedding with padding at the end": (lambda i, w: F.embedding(i, w, -1), [torch.arange(8) % 7, rand(P, 7, 2)]),
    "attention": (attend, [rand(P, 2, 3, 5, 4) for _ in range(3)]),
    "attention of shared keys": (attend, [rand(P, 2, 5, 4), rand(2, 5, 4), rand(P, 2, 5, 4)]),
    "attention of one row": (attend, [rand(P, 5, 4) for _ in range(3)]),
    "causal attention": (partial(attend, is_causal=True, scale=0.3), [rand(P, 2, 5, 4)] * 3),
    "attention with a mask": (attend, [*[rand(P, 2, 3, 5, 4)] * 3, MASK]),
    "attention with a bias for each head": (attend, [*[rand(P, 2, 3, 5, 4)] * 3, rand(P, 3, 5, 5)]),
    "attention with a bias for each row": (attend, [*[rand(P, 2, 3, 5, 4)] * 3, rand(P, 2, 1, 5, 5)]),
    "attention with a bias for one row": (attend, [*[rand(P, 5, 4)] * 3, rand(P, 5, 5)]),
    "attention of grouped heads": (
        partial(attend, enable_gqa=True),
        [rand(P, 2, 4, 5, 4), rand(P, 2, 2, 5, 4), rand(P, 2, 2, 5, 4)],
    ),
}  # fmt: skip


def batched(values: Any) -> int | None:
    """Return 0 where an argument has one for each member."""
    if not isinstance(values, Tensor):
        return None
    return 0 if values.shape[0] == P else None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_all_members_is_that_of_each(name: str) -> None:
    function, given = FUNCTIONS[name]
    axes = tuple(map(batched, given))
    assert 0 in axes
    leaves = [v.detach().clone().requires_grad_() if _floats(v) else v for v in given]

    def one(*args: Any) -> Tensor:
        with Members(nothing_drawn):
            return function(*args)

    together = torch.vmap(one, axes)(*leaves)
    alone = torch.stack(
        [
            function(*(v[member] if axis == 0 else v for v, axis in zip(leaves, axes, strict=True)))
            for member in range(P)
        ]
    )
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=1e-10)
    wanted = [leaf for leaf in leaves if _floats(leaf)]
    weight = torch.linspace(-1, 1, together.numel(), dtype=torch.float64).view_as(together)
    found, expected = (
        torch.autograd.grad((out * weight).sum(), wanted, allow_unused=True) for out in (together, alone)
    )
    for one_found, one_expected in zip(found, expected, strict=True):
        assert (one_found is None) == (one_expected is None)
        if one_found is not None:
            torch.testing.assert_close(one_found, one_expected, rtol=1e-10, atol=1e-10)


def _floats(values: Any) -> bool:
    return isinstance(values, Tensor) and values.is_floating_point()


def nothing_drawn(site: Site) -> Tensor:
    raise AssertionError(f"{site} was drawn")


def test_running_statistics_are_renewed_for_each_member() -> None:
    x, means, variances = rand(*IMAGES), rand(P, 6), rand(P, 6).abs()
    expected = [(means[p].clone(), variances[p].clone()) for p in range(P)]
    for p in range(P):
        F.batch_norm(x[p], *expected[p], training=True, momentum=0.3)

    def one(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        with Members(nothing_drawn):
            return F.batch_norm(x, mean, variance, training=True, momentum=0.3)

    torch.vmap(one)(x, means, variances)
    for p in range(P):
        torch.testing.assert_close((means[p], variances[p]), expected[p])


def under(function: Callable[..., Tensor], *args: Any) -> tuple[Tensor, list[Site]]:
    """Call a function with uniform and normal numbers from a stream."""
    generator, sites = np.random.default_rng(0), []

    def source(site: Site) -> Tensor:
        sites.append(site)
        return site.drawn([generator], torch.float64)[0]

    with Members(source):
        return function(*args), sites


ONES = torch.ones(50, 8, 4, 4, dtype=torch.float64)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("function", [F.dropout, F.dropout1d, F.dropout2d, F.dropout3d])
@pytest.mark.parametrize("in_place", [False, True])
def test_dropout_drops_the_expected_share_and_keeps_the_mean(function: Any, rate: float, in_place: bool) -> None:
    shape = {F.dropout: (50, 64), F.dropout1d: (50, 64, 3), F.dropout2d: (50, 64, 2, 2), F.dropout3d: (50, 64, 2, 1, 2)}
    x = torch.ones(shape[function], dtype=torch.float64)
    out, (site,) = under(lambda: function(x, rate, True, in_place))
    assert site == Site("uniform", tuple(size if axis < 2 else 1 for axis, size in enumerate(x.shape)))
    dropped = (out == 0).double().mean()
    assert abs(float(dropped) - rate) < 4 * np.sqrt(rate * (1 - rate) / 3200)
    assert torch.allclose(out[out != 0], torch.tensor(1 / (1 - rate), dtype=torch.float64))
    assert (out is x) == in_place
    channels = (out != 0).flatten(2).double().mean(2) if x.dim() > 2 else torch.zeros(1)
    assert set(channels.unique().tolist()) <= {0.0, 1.0}, "a channel is dropped as a whole"


def test_nothing_is_drawn_where_nothing_is_dropped() -> None:
    assert under(F.dropout, ONES, 0.0)[1] == []
    assert under(F.dropout, ONES, 0.5, False)[1] == []
    assert torch.equal(under(F.dropout, ONES, 0.5, False)[0], ONES)


@pytest.mark.parametrize("rate", [1.0, torch.tensor(1.0)])
def test_everything_may_be_dropped(rate: Any) -> None:
    assert not under(F.dropout, ONES, rate)[0].any()


RANDOM: dict[str, tuple[Callable[[], Tensor], tuple[int, ...], float, float]] = {
    "rand": (lambda: torch.rand(400, 5), (400, 5), 0.5, 1 / 12),
    "rand of a size": (lambda: torch.rand(size=(2000,)), (2000,), 0.5, 1 / 12),
    "rand like": (lambda: torch.rand_like(torch.zeros(2000)), (2000,), 0.5, 1 / 12),
    "randn": (lambda: torch.randn((400, 5), dtype=torch.float64), (400, 5), 0.0, 1.0),
    "randn like": (lambda: torch.randn_like(torch.zeros(2000)), (2000,), 0.0, 1.0),
    "normal": (lambda: torch.normal(torch.full((2000,), 3.0), 2.0), (2000,), 3.0, 4.0),
    "normal of a size": (lambda: torch.normal(3.0, 2.0, (2000,)), (2000,), 3.0, 4.0),
    "normal with a spread each": (lambda: torch.normal(0.0, torch.full((2000,), 2.0)), (2000,), 0.0, 4.0),
    "bernoulli": (lambda: torch.bernoulli(torch.full((2000,), 0.3)), (2000,), 0.3, 0.21),
    "bernoulli with one share": (lambda: torch.bernoulli(torch.zeros(2000), 0.3), (2000,), 0.3, 0.21),
    "normal in place": (lambda: torch.empty(2000).normal_(1.0, 2.0), (2000,), 1.0, 4.0),
    "uniform in place": (lambda: torch.empty(2000).uniform_(2.0, 4.0), (2000,), 3.0, 4 / 12),
    "bernoulli in place": (lambda: torch.empty(2000).bernoulli_(0.3), (2000,), 0.3, 0.21),
    "one number": (lambda: torch.randn(()).expand(2000), (2000,), 0.0, 0.0),
    "a distribution": (
        lambda: torch.distributions.Normal(torch.zeros(2000), torch.ones(2000)).rsample(),
        (2000,),
        0.0,
        1.0,
    ),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_numbers_come_from_the_stream_and_have_their_distribution(name: str) -> None:
    function, shape, mean, variance = RANDOM[name]
    out, sites = under(function)
    assert len(sites) == 1
    assert tuple(out.shape) == shape
    if name != "one number":
        assert abs(float(out.mean()) - mean) < 5 * np.sqrt(variance / 2000)
        assert abs(float(out.var()) - variance) < 0.2 * variance
    assert torch.equal(out, under(function)[0]), "the same stream gives the same numbers"


def test_numbers_in_place_stand_in_their_tensor() -> None:
    x = torch.zeros(5)
    assert under(x.normal_)[0] is x
    assert x.all()


def test_who_brings_a_generator_gets_its_numbers() -> None:
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))
    out, sites = under(lambda: torch.rand(3, generator=torch.Generator().manual_seed(5)))
    assert torch.equal(out, expected)
    assert sites == []


def test_attention_that_drops_weights_is_attention_over_those_it_keeps() -> None:
    q, k, v = (rand(2, 3, 5, 4) for _ in range(3))
    for options in ({}, {"is_causal": True}, {"attn_mask": MASK}, {"attn_mask": rand(5, 5)}, {"scale": 0.3}):
        exact = F.scaled_dot_product_attention(q, k, v, **options)
        nearly, sites = under(lambda given=options: F.scaled_dot_product_attention(q, k, v, dropout_p=1e-12, **given))
        torch.testing.assert_close(nearly, exact)
        assert sites == [Site("uniform", (2, 3, 5, 5))]


def test_each_members_numbers_are_its_streams() -> None:
    site = Site("normal", (2, 3))
    drawn = site.drawn([np.random.default_rng(n) for n in (4, 5)], torch.float32)
    for row, seed in zip(drawn, (4, 5), strict=True):
        expected = np.random.default_rng(seed).standard_normal((2, 3), dtype=np.float32)
        assert np.array_equal(row.numpy(), expected)
