"""What is written down is done in the same memory where nothing reads it any more, and nowhere else."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tunelab.backends.pytorch import operations
from tunelab.backends.pytorch.recorded import record

GIVEN = [torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]]), torch.tensor([[0.5, 0.5, 2.0], [1.0, -1.0, 2.0]])]


def sources(function: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], Callable[..., Any]]:
    """Return the operations of a program by name, and the program."""
    names: list[str] = []
    real = operations.write_in_place

    def seen(found: Any, kept: Any) -> None:
        real(found, kept)
        names.extend(str(operation.call) for operation in found)

    monkeypatch.setattr(operations, "write_in_place", seen)
    _, program = record(function, [[tensor.clone() for tensor in GIVEN]])
    assert program is not None
    return names, program


def check(function: Callable[[Any], Any], program: Callable[..., Any]) -> None:
    """Check that both do the same with other numbers, twice, and leave what they are given alone."""
    for _ in range(2):
        given = [tensor * 3 + 1 for tensor in GIVEN]
        before = [tensor.clone() for tensor in given]
        found, expected = program(*given), function([tensor.clone() for tensor in given])
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
        assert all(map(torch.equal, given, before))


IN_PLACE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "after a product": (lambda g: (g[0] * g[1]).relu(), "aten.relu_.default"),
    "through a view": (lambda g: (g[0] * g[1]).view(-1).tanh(), "aten.tanh_.default"),
    "with itself": (lambda g: torch.square(g[0]).mul(2.0) + 1.0, "aten.mul_.Tensor"),
    "a sum": (lambda g: (g[0] - g[1]).exp() + g[1], "aten.add_.Tensor"),
}


@pytest.mark.parametrize("case", IN_PLACE)
def test_what_nothing_reads_any_more_is_written_over(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, name = IN_PLACE[case]
    names, program = sources(function, monkeypatch)
    assert name in names
    check(function, program)


def read_later(g: Any) -> Tensor:
    product = g[0] * g[1]
    return product.relu() + product


def a_view_is_read_later(g: Any) -> Tensor:
    product = g[0] * g[1]
    row = product[1]
    return product.relu().sum() + row.sum()


def returned_too(g: Any) -> tuple[Tensor, Tensor]:
    product = g[0] * g[1]
    return product, product.relu()


def returned_after_two(g: Any) -> tuple[Tensor, Tensor]:
    inner = g[0] * g[1]
    out = inner - g[0]
    return out, out - out.amax(1, keepdim=True)


def given_itself(g: Any) -> Tensor:
    return g[0].relu()


def a_view_of_what_is_given(g: Any) -> Tensor:
    return g[0].view(-1).relu()


def larger_than_its_first(g: Any) -> Tensor:
    return (g[0] * 2.0)[:1].exp() + g[1]


def of_another_layout(g: Any) -> Tensor:
    turned = (g[0] * 2.0).t().exp()
    return (turned + g[1].t().contiguous()).relu().view(-1) if turned.is_contiguous() else turned.reshape(-1)


def everybodys_one_number(g: Any) -> Tensor:
    return (g[0].sum() * 2.0).expand(2, 3) + g[1]


def both_lie_in_one(g: Any) -> Tensor:
    square = (g[0][:, :2] * 2.0).exp()
    return square + square.t()


@pytest.mark.parametrize(
    "function",
    [
        read_later, a_view_is_read_later, returned_too, returned_after_two, given_itself, a_view_of_what_is_given,
        larger_than_its_first, of_another_layout, everybodys_one_number, both_lie_in_one,
    ],
)  # fmt: skip
def test_what_is_still_read_is_not(function: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, program = sources(function, monkeypatch)
    check(function, program)


def test_what_nobody_needs_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(g: Any) -> Tensor:
        g[0].exp().sum()
        return g[1].detach().view(2, 3) * 2.0

    names, program = sources(function, monkeypatch)
    assert names == ["aten.mul.Tensor"], "neither the sum nor views that change nothing"
    check(function, program)


def test_results_that_are_several_and_numbers_that_have_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(g: Any) -> dict[str, Any]:
        values, places = g[0].max(1)
        low = g[0].clamp(min=-float("inf")).masked_fill(g[1] > 0, float("nan")).nan_to_num(0.0)
        return {"values": values, "places": (places, low), "double": g[1].to(torch.float64), "n": 3}

    _, program = sources(function, monkeypatch)
    check(function, program)
