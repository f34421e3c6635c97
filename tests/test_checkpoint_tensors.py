"""PyTorch's tensors and state dicts in a checkpoint: they come back bit for bit, and training goes on from them."""

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_checkpoint import forged

from tunelab.checkpoint import Checkpoint
from tunelab.errors import CheckpointError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "trial-17")


def same(one: Any, other: Any) -> bool:
    """Return whether two states are equal in types, order and every bit."""
    if isinstance(one, torch.Tensor):
        raw = [each.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() for each in (one, other)]
        return one.dtype == other.dtype and one.shape == other.shape and raw[0] == raw[1]
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return len(one) == len(other) and all(a == c and type(a) is type(c) and same(b, d) for (a, b), (c, d) in pairs)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


DTYPES = [
    torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int8, torch.int64, torch.uint8, torch.bool,
    torch.complex64, torch.float8_e4m3fn,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0, 4)], ids=str)
def test_a_tensor_comes_back_bit_for_bit(dtype: torch.dtype, shape: tuple[int, ...], checkpoint: Checkpoint) -> None:
    tensor = (torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 4 - 2).to(dtype)
    turned = tensor.T if len(shape) == 2 else tensor
    checkpoint.save(tensor=tensor, turned=turned)
    back = checkpoint.load()
    assert back is not None
    assert same(back["tensor"], tensor)
    assert same(back["turned"], turned.contiguous())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_training_goes_on_bit_for_bit(dtype: torch.dtype, checkpoint: Checkpoint) -> None:
    """A module, an optimizer's state with its whole-number keys, a schedule and three random number generators."""

    def build() -> tuple[Any, Any, Any]:
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1)).to(dtype)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1, amsgrad=True)
        return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)

    def step(model: Any, optimizer: Any, schedule: Any) -> None:
        optimizer.zero_grad()
        model(torch.randn(8, 3, dtype=dtype)).square().mean().backward()
        optimizer.step()
        schedule.step()

    torch.manual_seed(0)
    model, optimizer, schedule = build()
    for _ in range(3):
        step(model, optimizer, schedule)
    generator = np.random.default_rng(3)
    checkpoint.save(
        model=model.state_dict(),
        optimizer=optimizer.state_dict(),
        schedule=schedule.state_dict(),
        torch=torch.get_rng_state(),
        numpy=generator.bit_generator.state,
        python=random.Random(5).getstate(),
    )
    step(model, optimizer, schedule)

    back = checkpoint.load()
    assert back is not None
    again = build()
    for part, name in zip(again, ("model", "optimizer", "schedule"), strict=True):
        part.load_state_dict(back[name])
    torch.set_rng_state(back["torch"])
    step(*again)
    assert same(dict(again[0].state_dict()), dict(model.state_dict()))
    assert same(again[1].state_dict(), optimizer.state_dict())
    other, python = np.random.default_rng(), random.Random()
    other.bit_generator.state = back["numpy"]
    python.setstate(back["python"])
    assert other.random() == generator.random()
    assert python.random() == random.Random(5).random()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (torch.nn.Linear(1, 1), r"state\['it'\] is of type torch.nn.modules.linear.Linear: give its state_dict\(\)"),
        (torch.zeros(2).to_sparse(), r"state\['it'\] is of type torch.Tensor: give what of it is plain"),
        (torch.zeros(2, device="meta"), r"state\['it'\] is of type torch.Tensor"),
    ],
    ids=["a module", "a sparse tensor", "a tensor without numbers"],
)
def test_what_is_no_dense_tensor_is_named(value: Any, says: str, checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match=says):
        checkpoint.save(it=value)


def test_a_tensor_that_comes_back_can_be_written_to(checkpoint: Checkpoint) -> None:
    checkpoint.save(tensor=torch.zeros(2))
    (checkpoint.load() or {})["tensor"][0] = 1.0


def test_a_damaged_tensor_is_noticed(checkpoint: Checkpoint) -> None:
    for epoch in (1, 2):
        checkpoint.save(epoch=epoch, tensor=torch.full((3,), float(epoch)))
    newest = checkpoint.folder / "newest.checkpoint"
    content = bytearray(newest.read_bytes())
    content[-40] ^= 1
    newest.write_bytes(content)
    assert (checkpoint.load() or {})["epoch"] == 1


@pytest.mark.parametrize("dtype", ["load", "__name__", "float33"])
def test_a_forged_dtype_is_refused(dtype: str, checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="is damaged"):
        forged(checkpoint.folder, {"state": ["array", 0], "arrays": [["torch", dtype, [1]]]}, b"12345678").load()


def test_without_torch_it_says_what_is_missing(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tensor=torch.zeros(2))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CheckpointError, match=r"holds PyTorch tensors, and .*torch.*; pip install torch"):
        checkpoint.load()
