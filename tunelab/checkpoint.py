"""`Checkpoint`: what a training must not lose, in a file that is whole or not there, and that nobody has to trust.

One file holds a header (JSON: the shape of the state, and what arrays it has), the arrays' bytes, and a checksum of
all that. Reading executes nothing. The file is written beside its place, forced to the disk and moved there; the one
before it is kept, and is read where the newest is damaged.

    magic (22 bytes) | length of the header (8 bytes) | header | arrays | SHA-256 of all before (32 bytes)
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tunelab.errors import CheckpointError

MAGIC = b"tunelab checkpoint v1\n"
NEWEST, PREVIOUS = "newest.checkpoint", "previous.checkpoint"
"""The two files of a checkpoint's folder."""

_PLAIN = (str, bool, int, float, type(None))
_DTYPE_KINDS = "biufcSUmM"  # of arrays whose memory is their value
_DIGEST = hashlib.sha256().digest_size
_CHUNK = 1 << 20


class Checkpoint:
    """Saves and restores the state of one training.

    A state is made of dicts, lists, tuples, numbers, text, bytes, True, False, None, NumPy arrays and PyTorch tensors,
    nested as one likes: a model's or an optimizer's `state_dict()` as it is. All of it comes back bit for bit, tensors
    on the CPU.

    Args:
        folder: where the files lie; it is made with the first save.

    >>> checkpoint = Checkpoint(getfixture("tmp_path") / "trial-17")
    >>> checkpoint.load() is None
    True
    >>> checkpoint.save(epoch=3, weights=[np.zeros(2), np.ones((1, 2), np.float32)])
    >>> checkpoint.load()
    {'epoch': 3, 'weights': [array([0., 0.]), array([[1., 1.]], dtype=float32)]}
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._is_damaged = False

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.folder)!r})"

    def save(self, **state: Any) -> None:
        """Write the state; the one before it is kept until the next.

        Args:
            state: what to keep, by name.

        Raises:
            CheckpointError: something in it that cannot be saved, or a place where nothing can be written.
        """
        arrays: list[Any] = []
        header = json.dumps({"state": _packed(state, "", arrays), "arrays": [_form(each) for each in arrays]}).encode()
        newest, unfinished = self.folder / NEWEST, self.folder / f".{NEWEST}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                _write(file, header, arrays)
                file.flush()
                os.fsync(file.fileno())
            if newest.exists() and not self._is_damaged:
                newest.replace(self.folder / PREVIOUS)
            unfinished.replace(newest)
            _sync(self.folder)
        except OSError as error:
            raise CheckpointError(f"no checkpoint can be written in {self.folder}: {error.strerror}") from error
        self._is_damaged = False

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last, or what was saved before where that is damaged; None before the first save.

        Raises:
            CheckpointError: a checkpoint that is damaged, and so is the one before, if there is one.
        """
        damage = []
        for file in (self.folder / NEWEST, self.folder / PREVIOUS):
            if file.exists():
                try:
                    return _read(file)
                except _DamagedError as error:
                    self._is_damaged |= file.name == NEWEST
                    damage.append(f"{file} is damaged ({error})")
                except OSError as error:
                    raise CheckpointError(f"{file} cannot be read: {error.strerror}") from error
        if damage:
            raise CheckpointError(f"{', and '.join(damage)}; delete {self.folder} to begin anew")
        return None


class _DamagedError(Exception):
    """A file that is not what was written."""


def _packed(value: Any, where: str, arrays: list[Any]) -> Any:
    """Return the JSON form of a state, and append its arrays to `arrays`, whose numbers stand in their places.

    Text, numbers, True, False and None stand for themselves; all else is a list that begins with what it is.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        items = [[_key(key, where), _packed(each, f"{where}[{key!r}]", arrays)] for key, each in value.items()]
        return ["dict", items]
    if type(value) in (list, tuple):
        return [type(value).__name__, [_packed(each, f"{where}[{i}]", arrays) for i, each in enumerate(value)]]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, np.generic) and value.dtype.kind in _DTYPE_KINDS:
        arrays.append(np.asarray(value))
        return ["scalar", len(arrays) - 1]
    if (type(value) in (np.ndarray, np.memmap) and value.dtype.kind in _DTYPE_KINDS) or _is_dense_tensor(value):
        arrays.append(_contiguous(value))
        return ["array", len(arrays) - 1]
    hint = "give its state_dict()" if hasattr(value, "state_dict") else "give what of it is plain"
    raise CheckpointError(
        "a checkpoint takes dicts, lists, tuples, numbers, text, bytes, None, NumPy arrays and PyTorch tensors; "
        f"state{where} is of type {type(value).__module__}.{type(value).__qualname__}: {hint}"
    )


def _key(key: Any, where: str) -> Any:
    if type(key) not in _PLAIN:
        raise CheckpointError(f"a key in a checkpoint is text or a number; state{where} has the key {key!r}")
    return key


def _unpacked(form: Any, arrays: list[Any]) -> Any:
    if not isinstance(form, list):
        return form
    kind, inside = form
    match kind:
        case "dict":
            return {key: _unpacked(value, arrays) for key, value in inside}
        case "list":
            return [_unpacked(each, arrays) for each in inside]
        case "tuple":
            return tuple(_unpacked(each, arrays) for each in inside)
        case "bytes":
            return bytes.fromhex(inside)
        case "scalar":
            return arrays[inside][()]
        case "array":
            return arrays[inside]
    raise _DamagedError(f"it holds a {kind!r}, which is not known here: was a newer tunelab at work?")


def _is_dense_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")  # whoever holds a tensor has imported it
    if torch is None or not isinstance(value, torch.Tensor):
        return False
    return value.layout is torch.strided and not (value.is_quantized or value.is_meta)


def _contiguous(value: Any) -> Any:
    """Return a NumPy array or a CPU tensor whose bytes lie in order."""
    if isinstance(value, np.ndarray):
        return np.asarray(value, order="C")
    return value.detach().cpu().resolve_conj().resolve_neg().contiguous()


def _form(array: Any) -> list[Any]:
    """Return what JSON says of an array: its library, type and shape."""
    if isinstance(array, np.ndarray):
        return ["numpy", array.dtype.str, list(array.shape)]
    return ["torch", str(array.dtype).removeprefix("torch."), list(array.shape)]


def _empty(form: list[Any]) -> Any:
    """Return an array of a form, its numbers undefined."""
    library, name, shape = form
    if library == "numpy":
        dtype = np.dtype(name)
        if dtype.kind in _DTYPE_KINDS:
            return np.empty(shape, dtype)
    if library == "torch":
        try:
            import torch
        except ImportError as error:
            raise CheckpointError(f"a checkpoint holds PyTorch tensors, and {error}; pip install torch") from error
        dtype = getattr(torch, name, None)
        if isinstance(dtype, torch.dtype):
            return torch.empty(shape, dtype=dtype)
    raise _DamagedError(f"it holds an array of {library}'s {name!r}, which is not known here")


def _bytes_of(array: Any) -> memoryview:
    """Return an array's own memory, to read from or to write to."""
    flat = array.reshape(-1)
    raw: Any = flat.view(np.uint8) if isinstance(array, np.ndarray) else flat.view(sys.modules["torch"].uint8).numpy()
    return memoryview(raw)


def _write(file: BinaryIO, header: bytes, arrays: list[Any]) -> None:
    digest = hashlib.sha256()
    parts: list[Any] = [MAGIC, len(header).to_bytes(8, "little"), header, *map(_bytes_of, arrays)]
    for part in parts:
        digest.update(part)
        file.write(part)
    file.write(digest.digest())


def _read(path: Path) -> dict[str, Any]:
    """Return the state in a file.

    Raises:
        _DamagedError: a file that is cut off, or of which a bit has changed.
    """
    with path.open("rb") as file:
        _verify(file)
        file.seek(len(MAGIC))
        try:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            arrays = [_empty(form) for form in header["arrays"]]
            for array in arrays:
                file.readinto(_bytes_of(array))
            state: dict[str, Any] = _unpacked(header["state"], arrays)
        except (LookupError, TypeError, ValueError) as error:  # forged, since the checksum is right
            raise _DamagedError(f"it makes no sense: {type(error).__name__}: {error}") from None
        return state


def _verify(file: BinaryIO) -> None:
    """Raise `_DamagedError` unless the file begins as it should and its checksum is right."""
    left = os.fstat(file.fileno()).st_size - _DIGEST
    if left < len(MAGIC):
        raise _DamagedError("it is cut off")
    digest = hashlib.sha256()
    while left and (chunk := file.read(min(left, _CHUNK))):
        digest.update(chunk)
        left -= len(chunk)
    if file.read(_DIGEST) != digest.digest():
        raise _DamagedError("its checksum is wrong")
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise _DamagedError("it does not begin as a checkpoint does")


def _sync(folder: Path) -> None:
    """Force a folder's list of files to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
