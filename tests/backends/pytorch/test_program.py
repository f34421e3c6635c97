"""A module as a program: what runs without the code that made it computes what the module computes."""

import io
import pickle
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tunelab.backends.pytorch.program import PICKLED, TRACED, program_of

RUN = """
import sys, torch
program, rows, out = sys.argv[1:]
module = torch.export.load(program).module()
torch.save([module(batch) for batch in torch.load(rows)], out)
assert "net" not in sys.modules
"""


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.gru, self.head = nn.Embedding(7, 5), nn.GRU(5, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.gru(self.embed(x))[0][:, -1])


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(x) if x.sum() > 0 else self.up(-x)


class Forgetful(nn.Module):
    """Decides in Python, from the batch that it was traced with."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * len(x.tolist())


class Locked(Branching):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


def image_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(48, 5)
    )


def rows_of(kind: str, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    if kind == "text":
        return torch.randint(0, 7, (count, 8), generator=generator)
    return torch.randn(count, *((1, 6, 6) if kind == "image" else (4,)), generator=generator)


@pytest.mark.parametrize(("kind", "make"), [("image", image_net), ("text", Recurrent)])
def test_a_graph_computes_the_same_bits_where_the_code_is_not(kind: str, make: Any, tmp_path: Path) -> None:
    module = make().eval()
    programs, notes = program_of(module, rows_of(kind, 2))
    assert list(programs) == [TRACED]
    assert notes == ()
    (tmp_path / TRACED).write_bytes(programs[TRACED])
    batches = [rows_of(kind, count) for count in (1, 2, 3, 64)]
    torch.save(batches, tmp_path / "rows.pth")
    command = [sys.executable, "-c", RUN, TRACED, "rows.pth", "out.pth"]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=120)
    for found, batch in zip(torch.load(tmp_path / "out.pth"), batches, strict=True):
        assert torch.equal(found, module(batch))


class Padded(nn.Module):
    """Texts of any length."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(7, 5, padding_idx=0), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(x).sum(1) / (x > 0).sum(1, keepdim=True).clamp(min=1))


def test_a_graph_takes_batches_of_any_length_where_they_differ() -> None:
    module = Padded().eval()
    programs, notes = program_of(module, rows_of("text", 2), ragged=True)
    assert notes == ()
    graph = torch.export.load(io.BytesIO(programs[TRACED])).module()
    for batch in (rows_of("text", 4), rows_of("text", 4)[:, :3], rows_of("text", 1)[:, :1]):
        assert torch.equal(graph(batch), module(batch))


def test_nothing_in_a_graph_is_executed_when_it_is_loaded() -> None:
    programs, _ = program_of(image_net().eval(), rows_of("image", 2))
    with zipfile.ZipFile(io.BytesIO(programs[TRACED])) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if content[:4] == b"PK\x03\x04":
                torch.load(io.BytesIO(content), weights_only=True)  # refuses what is more than tensors


@pytest.mark.parametrize("make", [Branching, Forgetful])
def test_what_no_tracer_follows_is_pickled_and_the_note_says_why(make: Any, capfd: pytest.CaptureFixture[str]) -> None:
    module = make().eval()
    programs, (note,) = program_of(module, rows_of("plain", 2))
    assert list(programs) == [PICKLED]
    assert note.startswith("the best module is pickled for MLflow, which runs its code when it is loaded: torch.export")
    assert capfd.readouterr() == ("", ""), "what the tracer says on its way is nobody's concern"
    again = torch.load(io.BytesIO(programs[PICKLED]), weights_only=False)
    for count in (1, 3):
        assert torch.equal(again(rows_of("plain", count)), module(rows_of("plain", count)))


def test_a_class_of_a_script_is_in_the_pickle() -> None:
    namespace: dict[str, Any] = {"nn": nn, "__name__": "__main__"}
    exec(
        "class Net(nn.Module):\n    def forward(self, x):\n        return x + 1 if x.sum() > 0 else x",
        namespace,
    )
    programs, _ = program_of(namespace["Net"](), rows_of("plain", 2))
    load = "torch.load(io.BytesIO(sys.stdin.buffer.read()), weights_only=False)"
    command = [sys.executable, "-c", f"import io, sys, torch; print(float({load}(torch.ones(1, 1))))"]
    done = subprocess.run(command, input=programs[PICKLED], capture_output=True, check=True, timeout=120)
    assert done.stdout.strip() == b"2.0"


def test_what_can_be_neither_is_weights_alone() -> None:
    programs, (note,) = program_of(Locked().eval(), rows_of("plain", 2))
    assert programs == {}
    assert note.startswith("the best module is kept as weights alone: torch.export: ")
    assert "pickle: TypeError: cannot pickle '_thread.lock' object" in note
    with pytest.raises(TypeError):
        pickle.dumps(Locked())
