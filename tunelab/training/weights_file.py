"""A file of tensors and what they are: `safetensors`, which anybody reads and which executes nothing.

Beside the tensors it holds text: under `tunelab`, JSON that says what they are, and under `crc32` a checksum of both,
since the format has none.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from tunelab.errors import DataError

WEIGHTS = "best.safetensors"
"""The file of a study's folder that holds its best trial's trained model."""


def write(path: Path, tensors: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write a file, whole or not at all.

    Args:
        path: where.
        tensors: C-contiguous arrays by name.
        about: what they are, as JSON has it.
    """
    text = json.dumps(about)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(save(dict(tensors), {"tunelab": text, "crc32": _checksum(tensors, text)}))
    unfinished.replace(path)


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the tensors and what they are.

    Raises:
        DataError: a file that is missing, damaged or not of this kind.
    """
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        text = metadata["tunelab"]
        if metadata.get("crc32") != _checksum(tensors, text):
            raise DataError("it is damaged: its checksum is another")
        return tensors, dict(json.loads(text))
    except Exception as error:
        raise _no_model(path, error) from None


def read_about(path: Path) -> dict[str, Any]:
    """Return what the tensors are, without reading them.

    Raises:
        DataError: as `read`.
    """
    try:
        with safe_open(path, framework="np") as file:
            return dict(json.loads((file.metadata() or {})["tunelab"]))
    except Exception as error:
        raise _no_model(path, error) from None


def _no_model(path: Path, error: Exception) -> DataError:
    """Return what is to be said of whatever a damaged file makes of itself."""
    return DataError(f"{path} is no trained model of tunelab: {type(error).__name__}: {error}")


def _checksum(tensors: Mapping[str, np.ndarray], text: str) -> str:
    found = zlib.crc32(text.encode())
    for name in sorted(tensors):
        found = zlib.crc32(tensors[name].tobytes(), zlib.crc32(f"{name} {tensors[name].shape}".encode(), found))
    return f"{found:08x}"
