"""The backward pass is autograd's, bit for bit."""

import subprocess
import sys
from pathlib import Path

import torch

from tunelab.backends.pytorch.backward import accumulate, gradients


def made() -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, w, unused = (torch.randn(3, 3, generator=generator, requires_grad=True) for _ in range(3))
    return [x, w, unused], (x @ w).tanh(), torch.randn(3, 3, generator=generator)


def test_gradients_are_autograds() -> None:
    leaves, out, delta = made()
    others, again, _ = made()
    expected = torch.autograd.grad(again, others, delta, allow_unused=True)
    found = gradients(out, delta, leaves)
    assert found[2] is None
    assert expected[2] is None
    assert all(torch.equal(*pair) for pair in zip(found[:2], expected[:2], strict=True))  # type: ignore[arg-type]


def test_gradients_are_added_to_those_that_are_there() -> None:
    (x, w, unused), out, delta = made()
    expected = torch.autograd.grad(out, [x, w], delta, retain_graph=True)
    accumulate(out, delta)
    accumulate((x @ w).tanh(), delta)
    for leaf, gradient in zip((x, w), expected, strict=True):
        assert leaf.grad is not None
        assert torch.equal(leaf.grad, 2 * gradient)
    assert unused.grad is None


def test_a_step_imports_neither_sympy_nor_a_compiler() -> None:
    code = """
import sys
from laws import zoo
from backends.pytorch.seats import alone, batch, network, together
from tunelab.backends.pytorch.recorded import PATIENCE
passes, _ = together(network(zoo.mlp), [0, 1])
for _ in range(PATIENCE + 3):
    passes.gradient(*batch())
alone(network(zoo.mlp), 0)[0].gradient(*batch())
print([name for name in ("sympy", "torch._dynamo", "torch._inductor") if name in sys.modules])
"""
    tests = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"
