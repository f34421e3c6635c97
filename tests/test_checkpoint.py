"""A checkpoint comes back bit for bit, or from the one before, or not at all; and nothing in it is executed."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelab.checkpoint import MAGIC, NEWEST, PREVIOUS, Checkpoint
from tunelab.errors import CheckpointError, RunError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "checkpoints" / "trial-17")


def same(one: Any, other: Any) -> bool:
    """Return whether two states are equal in types, order and every bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return len(one) == len(other) and all(same(a, c) and same(b, d) for (a, b), (c, d) in pairs)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray | np.generic):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return repr(one) == repr(other)


# ---- it comes back

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=20)
STATES = st.recursive(
    PLAIN,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.lists(inside, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inside, max_size=4)
    ),
    max_leaves=20,
)


@given(state=STATES)
@settings(deadline=None, max_examples=60)
def test_plain_values_come_back(state: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    checkpoint = Checkpoint(tmp_path_factory.mktemp("plain"))
    checkpoint.save(state=state)
    assert same(checkpoint.load(), {"state": state})


ARRAYS = {
    "float64": np.linspace(0, 1, 7),
    "float32 matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "float16": np.array([np.nan, -0.0, np.inf], np.float16),
    "complex": np.array([1 + 2j]),
    "bool": np.array([True, False]),
    "big-endian": np.arange(3, dtype=">i4"),
    "text": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "times": np.array(["2026-01-01"], "datetime64[ns]"),
    "0-d": np.array(3.5),
    "empty": np.empty((0, 3), np.int8),
    "Fortran order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "every other": np.arange(10)[::2],
    "a scalar": np.float32(0.1),
    "a whole scalar": np.int64(2**40),
    "a bool scalar": np.bool_(True),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_numpy_comes_back_bit_for_bit(name: str, checkpoint: Checkpoint) -> None:
    checkpoint.save(array=ARRAYS[name])
    back = checkpoint.load()
    assert back is not None
    assert same(back["array"], ARRAYS[name])


def test_an_array_that_comes_back_can_be_written_to(checkpoint: Checkpoint) -> None:
    checkpoint.save(array=np.zeros(2))
    back = checkpoint.load()
    assert back is not None
    back["array"][0] = 1.0


def test_an_ordered_dict_comes_back_as_a_dict_in_its_order(checkpoint: Checkpoint) -> None:
    checkpoint.save(state=OrderedDict(b=1, a=2))
    assert same(checkpoint.load(), {"state": {"b": 1, "a": 2}})


def test_without_a_save_there_is_nothing(checkpoint: Checkpoint) -> None:
    assert checkpoint.load() is None
    assert not checkpoint.folder.exists()


def test_the_last_save_counts_and_another_process_reads_it(checkpoint: Checkpoint) -> None:
    for epoch in range(3):
        checkpoint.save(epoch=epoch)
    assert Checkpoint(checkpoint.folder).load() == {"epoch": 2}


# ---- what cannot be saved


class Opaque:
    pass


BAD = [
    ({"a": {"b": [0, Opaque()]}}, r"state\['a'\]\['b'\]\[1\] is of type test_checkpoint.Opaque: give what of it is pl"),
    ({"a": np.array([Opaque()])}, r"state\['a'\] is of type numpy.ndarray"),
    ({"a": np.ma.masked_array([1.0], [True])}, r"state\['a'\] is of type numpy.ma.MaskedArray"),
    ({"a": np.zeros(2, [("x", "f4")])}, r"state\['a'\] is of type numpy.ndarray"),
    ({"a": {(1, 2): 3}}, r"state\['a'\] has the key \(1, 2\)"),
    ({"a": {1, 2}}, r"state\['a'\] is of type builtins.set"),
]


@pytest.mark.parametrize(("state", "says"), BAD, ids=lambda value: str(value)[:30])
def test_what_cannot_be_saved_is_named_and_what_was_saved_stays(
    state: dict[str, Any], says: str, checkpoint: Checkpoint
) -> None:
    checkpoint.save(epoch=1)
    with pytest.raises(CheckpointError, match=says):
        checkpoint.save(**state)
    assert checkpoint.load() == {"epoch": 1}


def test_a_place_where_nothing_can_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"no checkpoint can be written in .*file/trial-1: Not a directory"):
        Checkpoint(tmp_path / "file" / "trial-1").save(epoch=1)


# ---- damage


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


@pytest.fixture
def saved(checkpoint: Checkpoint) -> Checkpoint:
    for epoch in (1, 2):
        checkpoint.save(epoch=epoch, weights=np.full(50, epoch), more=np.full((3, 1), epoch))
    return checkpoint


def test_any_bit_that_changes_is_noticed_and_the_one_before_is_read(saved: Checkpoint) -> None:
    newest = saved.folder / NEWEST
    whole = newest.read_bytes()
    for at in range(len(whole)):
        newest.write_bytes(flipped(whole, at))
        back = Checkpoint(saved.folder).load()
        assert back is not None
        assert back["epoch"] == 1, f"byte {at} of {len(whole)}"


def test_a_file_that_is_cut_off_anywhere_is_noticed(saved: Checkpoint) -> None:
    newest = saved.folder / NEWEST
    whole = newest.read_bytes()
    for length in range(len(whole)):
        newest.write_bytes(whole[:length])
        back = Checkpoint(saved.folder).load()
        assert back is not None
        assert back["epoch"] == 1, f"{length} of {len(whole)} bytes"


def test_something_behind_the_end_is_noticed(saved: Checkpoint) -> None:
    newest = saved.folder / NEWEST
    newest.write_bytes(newest.read_bytes() + b"\0")
    assert (saved.load() or {})["epoch"] == 1


def test_both_damaged_is_an_error_that_names_them(saved: Checkpoint) -> None:
    for name in (NEWEST, PREVIOUS):
        (saved.folder / name).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"newest.*damaged.*and .*previous.*damaged.*delete .*to begin anew"):
        saved.load()
    assert issubclass(CheckpointError, RunError)


def test_a_save_after_damage_does_not_give_the_good_one_away(saved: Checkpoint) -> None:
    (saved.folder / NEWEST).write_bytes(b"nothing")
    again = Checkpoint(saved.folder)
    assert (again.load() or {})["epoch"] == 1
    again.save(epoch=3)
    assert again.load() == {"epoch": 3}
    (saved.folder / NEWEST).write_bytes(b"nothing")
    assert (Checkpoint(saved.folder).load() or {})["epoch"] == 1


@pytest.mark.parametrize("left", [".newest.checkpoint", PREVIOUS], ids=["before both moves", "between them"])
def test_a_kill_at_any_moment_of_a_save_leaves_a_whole_one(left: str, saved: Checkpoint) -> None:
    """Torn files under their own names would be found damaged; here what `save` does is stopped between its steps."""
    if left == PREVIOUS:
        (saved.folder / NEWEST).replace(saved.folder / PREVIOUS)
    (saved.folder / ".newest.checkpoint").write_bytes(b"torn")
    again = Checkpoint(saved.folder)
    assert (again.load() or {})["epoch"] == 2
    again.save(epoch=3)
    assert again.load() == {"epoch": 3}


SAVING = """
import numpy as np
from tunelab.checkpoint import Checkpoint
checkpoint, epoch = Checkpoint("c"), 0
while True:
    epoch += 1
    checkpoint.save(epoch=epoch, weights=np.full(200_000, epoch))
    print(epoch, flush=True)
"""
"""Saves 1.6 MB over and over."""


def test_what_stands_under_its_name_was_forced_to_the_disk_before(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[tuple[int, list[str]]] = []

    def noted(descriptor: int) -> None:
        fsync(descriptor)
        forced.append((os.fstat(descriptor).st_ino, sorted(path.name for path in checkpoint.folder.iterdir())))

    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", noted)
    checkpoint.save(epoch=1)
    (file, names), (folder, after) = forced
    assert names == [f".{NEWEST}"], "not yet under its name"
    assert (checkpoint.folder / NEWEST).stat().st_ino == file, "moved there, not copied"
    assert (checkpoint.folder.stat().st_ino, [NEWEST]) == (folder, after)


def test_killed_while_it_saves_over_and_over_a_whole_one_is_there(tmp_path: Path) -> None:
    seen = 0
    for saves in (1, 2, 5):
        process = subprocess.Popen([sys.executable, "-c", SAVING], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
        assert process.stdout is not None
        for _ in range(saves):
            seen = int(process.stdout.readline())
        process.kill()
        process.communicate()
        back = Checkpoint(tmp_path / "c").load()
        assert back is not None
        assert back["epoch"] >= seen
        assert (back["weights"] == back["epoch"]).all()


# ---- nobody has to trust it


def forged(folder: Path, header: dict[str, Any], rest: bytes = b"") -> Checkpoint:
    """Write a file with a right checksum and whatever else."""
    text = json.dumps(header).encode()
    content = MAGIC + len(text).to_bytes(8, "little") + text + rest
    folder.mkdir(parents=True)
    (folder / NEWEST).write_bytes(content + hashlib.sha256(content).digest())
    return Checkpoint(folder)


@pytest.mark.parametrize(
    "form",
    [
        ["numpy", "|O", [1]],
        ["numpy", "O,i4", [1]],
        ["os", "system", [1]],
    ],
    ids=str,
)
def test_a_forged_array_is_refused(form: list[Any], checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="is damaged"):
        forged(checkpoint.folder, {"state": ["array", 0], "arrays": [form]}, b"12345678").load()


def test_a_pickle_is_refused(checkpoint: Checkpoint) -> None:
    checkpoint.folder.mkdir(parents=True)
    (checkpoint.folder / NEWEST).write_bytes(pickle.dumps({"epoch": 1}) + bytes(100))
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint.load()


def test_a_kind_from_a_later_version_is_named(checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="newer tunelab"):
        forged(checkpoint.folder, {"state": ["sparse", 0], "arrays": []}).load()


def test_no_torch_is_loaded_for_what_holds_no_tensor(tmp_path: Path) -> None:
    code = (
        "import numpy as np, sys; from tunelab.checkpoint import Checkpoint; c = Checkpoint('c')\n"
        "c.save(a=np.zeros(2), b=[1]); c.load(); print('torch' in sys.modules, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split() == ["False", "False"]
