"""What every PyTorch model of tunelab keeps."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.nn import functional

from tunelab.contracts import Inputs, ModuleModel, Outputs

MEMBERS, ROWS = 3, 5
DIGITS, TEXT = Inputs((1, 8, 8), unit=True), Inputs((6,), symbols=7)

Loss = Callable[[Any, Tensor], Tensor]


def cross_entropy(out: Tensor, target: Tensor) -> Tensor:
    """Return the mean over rows, and over the places of each."""
    return functional.cross_entropy(out.flatten(0, -2), target.flatten())


def built(model: ModuleModel, inputs: Inputs, outputs: Outputs, seed: int = 0) -> nn.Module:
    """Return the module of a seed, in float64."""
    torch.manual_seed(seed)
    module: nn.Module = model.module(inputs, outputs).double()
    return module


def rows(inputs: Inputs, count: int = ROWS, seed: int = 0) -> Tensor:
    """Return rows of numbers from 0 to 1, or of symbols."""
    generator = torch.Generator().manual_seed(seed)
    if inputs.symbols:
        return torch.randint(inputs.symbols, (count, *inputs.shape), generator=generator)
    return torch.rand((count, *inputs.shape), generator=generator, dtype=torch.float64)


def labels(outputs: Outputs, count: int = ROWS) -> Tensor:
    """Return a class for each row, or each place of it."""
    shape = (count, *outputs.shape[:-1])
    return torch.arange(count * max(outputs.places, 1)).reshape(shape) % outputs.count


def check_members_do_not_meet(model: ModuleModel, inputs: Inputs, outputs: Outputs, *, training: bool = True) -> None:
    """Require of members under `vmap` the loss, gradients and buffers of each module alone, in float64 to 1e-10.

    All draw the same random numbers, so that noise does not hide a difference.
    """
    modules = [built(model, inputs, outputs, seed).train(training) for seed in range(MEMBERS)]
    x = torch.stack([rows(inputs, seed=seed) for seed in range(MEMBERS)])
    y = x if model.reconstructs else torch.stack([labels(outputs)] * MEMBERS)
    loss: Loss = model.criterion() or cross_entropy
    params, buffers = stack_module_state(modules)
    base = copy.deepcopy(modules[0])

    def one(params: Any, buffers: Any, x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(base, (params, buffers), (x,)), y)

    torch.manual_seed(1)
    losses = torch.vmap(one, randomness="same")(params, buffers, x, y)
    losses.sum().backward()
    for member, module in enumerate(modules):
        torch.manual_seed(1)
        alone = loss(module(x[member]), y[member])
        alone.backward()
        close(losses[member], alone)
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, f"{name} takes no part"
            close(params[name].grad[member], parameter.grad)
        for name, buffer in module.named_buffers():
            close(buffers[name][member], buffer)


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def size(model: ModuleModel, inputs: Inputs, outputs: Outputs) -> int:
    """Return how many parameters the module has."""
    return sum(parameter.numel() for parameter in built(model, inputs, outputs).parameters())


def check_seed_decides(model: ModuleModel, inputs: Inputs, outputs: Outputs) -> None:
    """Require equal parameters of equal seeds, and others of another."""
    one, same, other = (built(model, inputs, outputs, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def losses(module: nn.Module, loss: Loss, x: Tensor, y: Tensor, *, steps: int, lr: float) -> Iterator[float]:
    """Train with Adam on batches of 32 rows; yield the loss of each step."""
    torch.manual_seed(0)
    optimizer = torch.optim.Adam(module.parameters(), lr)
    for _ in range(steps):
        batch = torch.randint(len(x), (32,))
        step = loss(module(x[batch]), y[batch])
        optimizer.zero_grad()
        step.backward()
        optimizer.step()
        yield step.item()


def learned(module: nn.Module, loss: Loss, x: Tensor, y: Tensor, *, steps: int, lr: float) -> float:
    """Return the mean loss of the last ten steps."""
    return sum(list(losses(module, loss, x, y, steps=steps, lr=lr))[-10:]) / 10
