"""What holds for every test: a folder of its own to write in, one BLAS thread, and nothing sent anywhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from threadpoolctl import threadpool_limits

pytest.register_assert_rewrite("laws")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="session")
def _one_blas_thread() -> Iterator[None]:
    import numpy as np  # noqa: F401 - the limit reaches only what is loaded

    with threadpool_limits(1, "blas"):
        yield
